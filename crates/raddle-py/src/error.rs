//! The only place that makes Python exceptions of the engine's.

use pyo3::create_exception;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use raddle::graph::verdict::Verdict;

create_exception!(
    raddle,
    DeadlockError,
    PyRuntimeError,
    "This wait would never have ended: its thread waits for one that waits for it.\n\n\
     Raised only where nothing could have dissolved the deadlock; the text names every thread, lock and line."
);
create_exception!(
    raddle,
    LockAbandonedError,
    PyRuntimeError,
    "This wait would never have ended: the thread that holds the lock has ended without releasing it."
);

create_exception!(
    raddle,
    ThreadStartError,
    PyRuntimeError,
    "The system refused to start a thread; the text says which limits are in force. The thread may be started later."
);

/// The system refused a thread.
pub(crate) fn cannot_start(py: Python<'_>, refused: &std::io::Error) -> PyErr {
    let limits = raddle::thread::limits();
    let error = ThreadStartError::new_err(format!(
        "can't start new thread ({refused}; {limits}; end some threads or raise the limit, then call start() again)"
    ));
    let _ = error.value(py).setattr("errno", refused.raw_os_error());
    error
}

pub(crate) fn deadlock(verdict: &Verdict) -> PyErr {
    DeadlockError::new_err(raddle_report::summary(verdict))
}

pub(crate) fn abandoned(verdict: &Verdict) -> PyErr {
    LockAbandonedError::new_err(raddle_report::summary(verdict))
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("DeadlockError", py.get_type::<DeadlockError>())?;
    module.add("ThreadStartError", py.get_type::<ThreadStartError>())?;
    module.add("LockAbandonedError", py.get_type::<LockAbandonedError>())
}
