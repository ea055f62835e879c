//! `threading.Event`.

use std::sync::Arc;

use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::{PyTraverseError, PyVisit};
use raddle::graph::{Call, Description};
use raddle::sync::RawEvent;

use super::Sharing;
use super::condition::Condition;
use super::lock::describe_object;
use super::unowned::{Describe, Unowned};
use crate::detach;
use crate::fastcall::{Method, guarded, install, none, object, receiver, truth};
use crate::limit::{Limit, one_argument};
use crate::site::SiteCell;

/// A flag that threads wait for.
#[pyclass(frozen, weakref, dict, subclass, module = "threading")]
pub(crate) struct Event {
    raw: RawEvent<Sharing>,
    made: SiteCell,
    /// CPython's event has one; made if somebody asks for it.
    condition: PyOnceLock<Py<Condition>>,
}

impl Describe for Event {
    fn key(&self) -> u64 {
        self.made.key(None)
    }

    fn describe(this: &Bound<'_, Self>) -> Description {
        describe_object(this, "Event", &this.get().made, &SiteCell::default())
    }
}

impl Event {
    fn wait(this: Py<Self>, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let event = this.get();
        if event.raw.is_set() {
            return Ok(true);
        }
        let limit = Limit::of_call(this.bind(py), timeout, Limit::of_wait)?;
        if limit == Limit::Now {
            return Ok(false);
        }
        let resource = Arc::new(Unowned(this.clone_ref(py)));
        detach::block(py, resource, (Call::Wait, limit), |blocked| event.raw.wait(blocked))
    }
}

#[pymethods]
impl Event {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(_args: &Bound<'_, pyo3::types::PyTuple>, _kwargs: Option<&Bound<'_, pyo3::types::PyDict>>) -> Self {
        Event { raw: RawEvent::default(), made: SiteCell::here(), condition: PyOnceLock::new() }
    }

    fn __init__(&self) {
        self.raw.clear();
    }

    #[getter]
    fn _flag(&self) -> bool {
        self.raw.is_set()
    }

    #[setter(_flag)]
    fn set_flag(&self, flag: &Bound<'_, PyAny>) -> PyResult<()> {
        if flag.is_truthy()? {
            self.raw.set()
        } else {
            self.raw.clear()
        }
        Ok(())
    }

    #[getter]
    fn _cond(&self, py: Python<'_>) -> PyResult<Py<Condition>> {
        self.condition.get_or_try_init(py, || Condition::over_a_lock(py)).map(|condition| condition.clone_ref(py))
    }

    /// A deprecated name of `is_set`.
    #[pyo3(name = "isSet")]
    fn is_set_camel(&self, py: Python<'_>) -> PyResult<bool> {
        super::deprecated(py, c"isSet() is deprecated, use is_set() instead")?;
        Ok(self.raw.is_set())
    }

    fn _at_fork_reinit(&self, py: Python<'_>) -> PyResult<()> {
        match self.condition.get(py) {
            Some(condition) => condition.get()._at_fork_reinit(py),
            None => Ok(()),
        }
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let class = this.get_type();
        let state = if this.get().raw.is_set() { "set" } else { "unset" };
        Ok(format!("<{}.{} at {:#x}: {state}>", class.module()?, class.qualname()?, this.as_ptr() as usize))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: the collector runs on an attached thread.
        match self.condition.get(unsafe { Python::assume_attached() }) {
            Some(condition) => visit.call(condition),
            None => Ok(()),
        }
    }
}

unsafe extern "C" fn is_set(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Event.
    truth(unsafe { receiver::<Event>(this) }.raw.is_set())
}

unsafe extern "C" fn set(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Event.
    unsafe { receiver::<Event>(this) }.raw.set();
    none()
}

unsafe extern "C" fn clear(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Event.
    unsafe { receiver::<Event>(this) }.raw.clear();
    none()
}

unsafe extern "C" fn wait(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Event, with its arguments.
    unsafe {
        if n == 0 && names.is_null() && receiver::<Event>(this).raw.is_set() {
            return truth(true);
        }
        guarded(move |py| {
            let timeout = one_argument(py, ("Event.wait", "timeout"), args, n, names)?.filter(|arg| !arg.is_none());
            Event::wait(object(py, this), py, timeout.as_ref()).map(truth)
        })
    }
}

const WAIT: &std::ffi::CStr =
    c"wait($self, /, timeout=None)\n--\n\nWait until the flag is set, at most `timeout` seconds. Whether it was.";

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let methods = [
        Method::no_args(c"is_set", is_set, c"is_set($self, /)\n--\n\nWhether the flag is set."),
        Method::no_args(c"set", set, c"set($self, /)\n--\n\nSet the flag; wake all who wait for it."),
        Method::no_args(c"clear", clear, c"clear($self, /)\n--\n\nClear the flag."),
        Method::keywords(c"wait", wait, WAIT),
    ];
    install::<Event>(module.py(), methods)?;
    module.add_class::<Event>()
}
