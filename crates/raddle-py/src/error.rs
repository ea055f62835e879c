//! The only place that makes Python exceptions of the engine's.

use pyo3::create_exception;
use pyo3::exceptions::{PyBaseException, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use raddle::error::Misuse;
use raddle::graph::verdict::{Ending, ObjectInfo, Place, Verdict, Wait};

use crate::runtime;

create_exception!(
    raddle,
    DeadlockError,
    PyRuntimeError,
    "This wait would never have ended: its thread waits for one that waits for it.\n\n\
     Raised only where nothing could have dissolved the deadlock; the text names every thread, lock and line. The attribute\n\
     `cycle` is the same as a tuple of dictionaries, one for each thread: thread, serial, holds, acquired_at, waits_for,\n\
     waiting_at, since (seconds)."
);
create_exception!(
    raddle,
    LockAbandonedError,
    PyRuntimeError,
    "This wait would never have ended: the thread that holds the lock has ended without releasing it.\n\n\
     Its attributes are `owner`, the name of that thread, `acquired_at`, where it took the lock, and `death`, the error that\n\
     ended it, as one line, or None. A lock of the package raddle can be taken over by its `recover()`."
);

create_exception!(
    raddle,
    ThreadStartError,
    PyRuntimeError,
    "The system refused to start a thread; the text says which limits are in force. The thread may be started later."
);

create_exception!(
    raddle,
    Stopped,
    PyBaseException,
    "The thread was asked to stop, and does: it leaves whatever it was waiting for.\n\n\
     No Exception, so that `except Exception` does not swallow it. Attributes: reason (a str or None), requested_by (the\n\
     name of the thread that asked) and requested_at (when, in seconds of time.monotonic())."
);

create_exception!(
    raddle,
    ThreadStateError,
    PyRuntimeError,
    "A call that makes no sense in the state that the thread is in; the text says which, and what to do.\n\n\
     Attributes: thread and state."
);

/// The calling thread has to stop, and hears of it by this.
#[cold]
pub(crate) fn stopped(py: Python<'_>, stopped: &raddle::stop::Stopped) -> PyErr {
    if stopped.block == 0 {
        raddle::thread::current(runtime()).interruption().settle();
    }
    let error = Stopped::new_err(stopped.to_string());
    let value = error.value(py);
    let _ = value.setattr("reason", stopped.reason.as_deref());
    let _ = value.setattr("requested_by", &*stopped.requested_by);
    let _ = value.setattr("requested_at", stopped.requested_at.as_secs_f64());
    let _ = value.setattr("_raddle_block", stopped.block);
    error
}

/// The number of the block that an error says to leave; `None` if it is no such error.
pub(crate) fn block_of(py: Python<'_>, error: &Bound<'_, PyAny>) -> Option<u64> {
    let stopped = error.is_instance_of::<Stopped>();
    stopped.then(|| error.getattr(pyo3::intern!(py, "_raddle_block")).ok()?.extract().ok()).flatten()
}

/// The system refused a thread.
pub(crate) fn cannot_start(py: Python<'_>, refused: &std::io::Error) -> PyErr {
    let limits = raddle::thread::limits();
    let error = ThreadStartError::new_err(format!(
        "can't start new thread ({refused}; {limits}; end some threads or raise the limit, then call start() again)"
    ));
    let _ = error.value(py).setattr("errno", refused.raw_os_error());
    error
}

/// Its attribute `cycle` says in plain data what the text does.
pub(crate) fn deadlock(verdict: &Verdict) -> PyErr {
    let error = DeadlockError::new_err(raddle_report::summary(verdict));
    if let Verdict::Deadlock { cycle, .. } = verdict {
        // An error without its attribute is better than another error in its place.
        let _ = Python::attach(|py| error.value(py).setattr("cycle", edges(py, &cycle.waits)?));
    }
    error
}

/// One dictionary for each thread of a cycle: whom it waits for holds what the one before wants.
fn edges<'py>(py: Python<'py>, waits: &[Wait]) -> PyResult<Bound<'py, PyTuple>> {
    let edge = |at: usize| {
        let (wait, before) = (&waits[at], &waits[(at + waits.len() - 1) % waits.len()]);
        let edge = PyDict::new(py);
        edge.set_item("thread", &wait.thread.name)?;
        edge.set_item("serial", wait.thread.serial)?;
        edge.set_item("holds", object(&before.object))?;
        edge.set_item("acquired_at", before.object.holder.as_ref().and_then(|holder| spot(&holder.taken_at)))?;
        edge.set_item("waits_for", object(&wait.object))?;
        edge.set_item("waiting_at", spot(&wait.at))?;
        edge.set_item("since", wait.since.as_secs_f64())?;
        Ok(edge)
    };
    PyTuple::new(py, (0..waits.len()).map(edge).collect::<PyResult<Vec<_>>>()?)
}

/// `Lock 'audit'`.
fn object(object: &ObjectInfo) -> String {
    format!("{} '{}'", object.kind, object.name)
}

/// `app.py:9`.
pub(crate) fn spot(place: &Option<Place>) -> Option<String> {
    place.as_ref().map(|place| format!("{}:{}", place.file, place.line))
}

/// Its attributes say in plain data who held the lock, where it was taken, and of what that thread died (`None`: it just
/// returned).
pub(crate) fn abandoned(verdict: &Verdict) -> PyErr {
    let error = LockAbandonedError::new_err(raddle_report::summary(verdict));
    let holder = match verdict {
        Verdict::OwnerDead { wait, .. } => wait.object.holder.as_ref(),
        _ => None,
    };
    if let Some(holder) = holder {
        let death = match &holder.ended {
            Some(Ending::Failed(error)) => Some(error),
            _ => None,
        };
        let _ = Python::attach(|py| {
            let error = error.value(py);
            error.setattr("owner", &holder.thread.name)?;
            error.setattr("acquired_at", spot(&holder.taken_at))?;
            error.setattr("death", death)
        });
    }
    error
}

/// A text that begins with the standard library's and goes on with what is known.
pub(crate) fn explained(text: &str, misuse: &Misuse) -> String {
    format!("{text} ({})", raddle_report::detail(misuse))
}

/// What releasing a lock that the thread does not hold, or using a condition without its lock, raises.
#[cold]
pub(crate) fn misuse(text: &str, misuse: &Misuse) -> PyErr {
    PyRuntimeError::new_err(explained(text, misuse))
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("DeadlockError", py.get_type::<DeadlockError>())?;
    module.add("ThreadStartError", py.get_type::<ThreadStartError>())?;
    module.add("ThreadStateError", py.get_type::<ThreadStateError>())?;
    module.add("Stopped", py.get_type::<Stopped>())?;
    module.add("LockAbandonedError", py.get_type::<LockAbandonedError>())
}
