//! What is CPython's about a future: its class, its errors, how it raises and logs.

use pyo3::exceptions::{PyBaseException, PyException, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyType};

use super::future::Future;

/// CPython's class, whose methods do what the short forms do not.
pub(super) fn base(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static BASE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    BASE.import(py, "concurrent.futures._base", "Future")
}

pub(super) fn cancelled_error(py: Python<'_>) -> PyErr {
    static ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match ERROR.import(py, "concurrent.futures._base", "CancelledError").and_then(|class| class.call0()) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// The error that a failed future raises: itself, with what is being handled as its context. A program may have set
/// anything; of that the interpreter makes what it makes of it in a `raise`.
pub(super) fn raise(py: Python<'_>, error: &Bound<'_, PyAny>) -> PyErr {
    let made = match error.cast::<PyType>() {
        Ok(class) if class.is_subclass_of::<PyBaseException>().unwrap_or(false) => class.call0(),
        _ => Ok(error.clone()),
    };
    match made {
        Ok(error) if error.is_instance_of::<PyBaseException>() => {
            // SAFETY: attached; the second is an exception and the first its class; the callee takes its own references.
            unsafe { ffi::PyErr_SetObject(error.get_type().as_ptr(), error.as_ptr()) };
            PyErr::fetch(py)
        }
        Ok(_) => PyTypeError::new_err("exceptions must derive from BaseException"),
        Err(error) => error,
    }
}

/// Calls a callback of a future that is over; its error is logged, as CPython logs it.
pub(super) fn call_back(this: &Bound<'_, Future>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = this.py();
    match callback.call1((this,)) {
        Ok(_) => Ok(()),
        Err(error) if error.is_instance_of::<PyException>(py) => {
            let logger = py.import("concurrent.futures._base")?.getattr("LOGGER")?;
            let traceback = [("exc_info", error.into_value(py))].into_py_dict(py)?;
            logger.call_method("error", ("exception calling callback for %r", this), Some(&traceback)).map(drop)
        }
        Err(error) => Err(error),
    }
}
