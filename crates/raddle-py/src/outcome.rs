//! What came of a thread: the value of its function, or the error that left it.
//!
//! An error is given to everybody who asks for it, any number of times, as the object that was raised; its traceback is
//! put back to what it was each time, or it would grow with every joiner. Whether anybody has asked is the engine's
//! [`Delivery`]. The Python class above this one delivers, when it is finalized, what nobody has asked for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyBaseException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit, intern};
use raddle::thread::Delivery;

/// See the module.
#[pyclass(frozen, subclass, weakref, module = "raddle._raddle")]
pub(crate) struct Outcome {
    came: Mutex<Came>,
    delivery: Delivery,
}

#[derive(Default)]
enum Came {
    #[default]
    Nothing,
    Value(Py<PyAny>),
    Error(Py<PyBaseException>, Py<PyAny>),
    Stopped(Py<PyBaseException>),
}

impl Outcome {
    /// Taken by attached threads, for a few instructions that do not detach.
    fn came(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, came: Came) {
        let before = std::mem::replace(&mut *self.came(), came);
        drop(before);
    }
}

#[pymethods]
impl Outcome {
    #[new]
    fn new() -> Self {
        Outcome { came: Mutex::default(), delivery: Delivery::default() }
    }

    /// The function returned this.
    fn finish(&self, value: Py<PyAny>) {
        self.put(Came::Value(value));
    }

    /// This left the function.
    fn fail(&self, error: Bound<'_, PyBaseException>) -> PyResult<()> {
        let traceback = error.getattr(intern!(error.py(), "__traceback__"))?.unbind();
        self.put(Came::Error(error.unbind(), traceback));
        self.delivery.hold();
        Ok(())
    }

    /// It was asked to stop, and did, by this.
    fn stop(&self, error: Py<PyBaseException>) {
        self.put(Came::Stopped(error));
    }

    /// What became of it: None (nothing yet), "value", "error" or "stopped".
    #[getter]
    fn kind(&self) -> Option<&'static str> {
        match *self.came() {
            Came::Nothing => None,
            Came::Value(_) => Some("value"),
            Came::Error(..) => Some("error"),
            Came::Stopped(_) => Some("stopped"),
        }
    }

    /// The value; None if there is none.
    #[getter]
    fn value(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &*self.came() {
            Came::Value(value) => Some(value.clone_ref(py)),
            _ => None,
        }
    }

    /// The error, with the traceback that it left the function with; None if there is none. Nobody has taken it by this.
    #[getter]
    fn error(&self, py: Python<'_>) -> PyResult<Option<Py<PyBaseException>>> {
        let (error, traceback) = match &*self.came() {
            Came::Error(error, traceback) => (error.clone_ref(py), Some(traceback.clone_ref(py))),
            Came::Stopped(error) => (error.clone_ref(py), None),
            _ => return Ok(None),
        };
        if let Some(traceback) = traceback {
            put_traceback(error.bind(py), traceback.bind(py))?;
        }
        Ok(Some(error))
    }

    /// The traceback that the error left the function with.
    #[getter]
    fn traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &*self.came() {
            Came::Error(_, traceback) => Some(traceback.clone_ref(py)),
            _ => None,
        }
    }

    /// Somebody takes the error; whether that is the first.
    fn take(&self) -> bool {
        self.delivery.take()
    }

    /// Nobody will take the error any more: whether the caller has to deliver it.
    fn give_up(&self) -> bool {
        self.delivery.give_up()
    }

    /// Whether there is an error that nobody has heard of.
    #[getter]
    fn is_held(&self) -> bool {
        self.delivery.is_held()
    }

    /// Whether the error was delivered because nobody took it.
    #[getter]
    fn is_unhandled(&self) -> bool {
        self.delivery.is_unhandled()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Not locked: the thread that has locked it is attached, and may be the one that collects.
        let Ok(came) = self.came.try_lock() else { return Ok(()) };
        match &*came {
            Came::Nothing => Ok(()),
            Came::Value(value) => visit.call(value),
            Came::Error(error, traceback) => visit.call(error).and_then(|()| visit.call(traceback)),
            Came::Stopped(error) => visit.call(error),
        }
    }

    fn __clear__(&self) {
        self.put(Came::Nothing);
    }
}

/// Not by the attribute: the error's class may take none, as a frozen dataclass.
fn put_traceback(error: &Bound<'_, PyBaseException>, traceback: &Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: attached; both are alive, and the first is an exception.
    match unsafe { ffi::PyException_SetTraceback(error.as_ptr(), traceback.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(error.py())),
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Outcome>()
}
