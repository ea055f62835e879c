//! `queue.SimpleQueue`. It has one mode, and takes no attributes, as CPython's.

use std::sync::Arc;

use pyo3::ffi::{self, PyObject};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use pyo3::{PyTraverseError, PyVisit};
use raddle::graph::{Call, Description, Hold, Resource};
use raddle::queue::{Container, Fifo};

use super::fifo::{Raw, denied_or_halted, raw};
use super::patience::harmless;
use super::{empty, generic_alias, raise_empty};
use crate::detach;
use crate::fastcall::{Method, guarded, install, none, object, receiver, reference, truth};
use crate::limit::{Limit, arguments, arguments_after};
use crate::site::SiteCell;
use crate::sync::lock::describe;

/// Simple, unbounded, reentrant FIFO queue.
#[pyclass(frozen, weakref, subclass, module = "_queue")]
pub(crate) struct SimpleQueue {
    raw: Raw<Fifo<Py<PyAny>>>,
    made: SiteCell,
}

/// A queue as a thing to wait for: nobody holds it.
#[derive(Debug)]
struct Waited(Py<SimpleQueue>);

impl Resource for Waited {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn can_be_left(&self) -> bool {
        false
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((self.0.as_ptr() as usize, self.0.get().made.key(None)))
    }

    fn describe(&self) -> Description {
        let made = &self.0.get().made;
        Python::attach(|py| describe(py, "SimpleQueue", self.0.as_ptr() as usize, made, &SiteCell::default()))
    }
}

impl SimpleQueue {
    /// Who has put is not noted, as it is in the other queues: that is 1.4 ns of 28, and the rival is CPython's C.
    #[inline(always)]
    fn put(&self, item: Py<PyAny>) {
        // Without a bound and without an end nothing is refused; said so, nothing is there to be dropped.
        let put = self.raw.try_put(item).map_err(std::mem::forget);
        debug_assert!(put.is_ok());
    }

    fn get(this: Py<Self>, py: Python<'_>, limit: Limit) -> PyResult<Py<PyAny>> {
        let raw = &this.get().raw;
        if let Ok(item) = raw.try_get() {
            return Ok(item);
        }
        if limit == Limit::Now {
            return Err(empty(py));
        }
        let mut item = None;
        detach::block(py, Arc::new(Waited(this.clone_ref(py))), (Call::Get, limit), |blocked| {
            raw.get(blocked).map(|got| item = Some(got)).or_else(|denied| denied_or_halted(denied, |_| ()))
        })?;
        item.ok_or_else(|| empty(py))
    }
}

/// The arguments of `get`. What is unusual is handed to a queue of the interpreter's own, which has an item in it.
fn limit_of(py: Python<'_>, block: Option<Bound<'_, PyAny>>, timeout: Option<Bound<'_, PyAny>>) -> PyResult<Limit> {
    static THEIRS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let blocks = block.as_ref().map_or(Ok(true), |block| block.is_truthy())?;
    let timeout = timeout.filter(|timeout| !timeout.is_none());
    let usual = timeout.as_ref().map(Limit::usual);
    match (blocks, usual) {
        (false, _) => return Ok(Limit::Now),
        (true, None) => return Ok(Limit::Never),
        (true, Some(Some(seconds))) => return Ok(Limit::after(seconds)),
        (true, Some(None)) => {}
    }
    let theirs = THEIRS.import(py, "_queue", "SimpleQueue")?.call0()?;
    theirs.call_method1(intern!(theirs.py(), "put"), (py.None(),))?;
    theirs.call_method1(intern!(theirs.py(), "get"), (blocks, timeout.as_ref()))?;
    timeout.map_or(Ok(Limit::Never), |timeout| Ok(Limit::after(timeout.extract()?)))
}

#[pymethods]
impl SimpleQueue {
    #[new]
    #[pyo3(signature = (), text_signature = "()")]
    fn new() -> Self {
        SimpleQueue { raw: raw(Fifo::default()), made: SiteCell::here() }
    }

    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, item)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut visited = Ok(());
        self.raw.look(|items| {
            items.for_each(|item| {
                if visited.is_ok() {
                    visited = visit.call(item);
                }
            });
        });
        visited
    }

    fn __clear__(&self) {
        drop(self.raw.reset());
    }
}

unsafe extern "C" fn put(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of SimpleQueue, with its arguments, by an attached thread.
    unsafe {
        if (1..=3).contains(&n) && names.is_null() {
            receiver::<SimpleQueue>(this).put(reference(*args));
            return none();
        }
        guarded(move |py| {
            let [item, ..] = arguments_after(py, "put", 1, (args, n, names), ["item", "block", "timeout"])?;
            receiver::<SimpleQueue>(this).put(item.map_or_else(|| py.None(), Bound::unbind));
            Ok(none())
        })
    }
}

unsafe extern "C" fn put_nowait(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of SimpleQueue, with its arguments, by an attached thread.
    unsafe {
        if n == 1 && names.is_null() {
            receiver::<SimpleQueue>(this).put(reference(*args));
            return none();
        }
        guarded(move |py| {
            let [item] = arguments_after(py, "put_nowait", 1, (args, n, names), ["item"])?;
            receiver::<SimpleQueue>(this).put(item.map_or_else(|| py.None(), Bound::unbind));
            Ok(none())
        })
    }
}

unsafe extern "C" fn get(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of SimpleQueue, with its arguments, by an attached thread.
    unsafe {
        if n == 0
            && names.is_null()
            && let Ok(item) = receiver::<SimpleQueue>(this).raw.try_get()
        {
            return item.into_ptr();
        }
        get_slowly(this, args, n, names)
    }
}

#[inline(never)]
unsafe fn get_slowly(this: *mut PyObject, args: *const *mut PyObject, n: isize, names: *mut PyObject) -> *mut PyObject {
    // SAFETY: the condition of `get`.
    unsafe {
        if let Some(waits) = harmless(args, n, names) {
            match receiver::<SimpleQueue>(this).raw.try_get() {
                Ok(item) => return item.into_ptr(),
                Err(_) if !waits => return raise_empty(),
                Err(_) => {}
            }
        }
        guarded(move |py| {
            let [block, timeout] = arguments(py, "get", (args, n, names), ["block", "timeout"])?;
            let limit = limit_of(py, block, timeout)?;
            SimpleQueue::get(object(py, this), py, limit).map(Py::into_ptr)
        })
    }
}

unsafe extern "C" fn get_nowait(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of SimpleQueue, by an attached thread.
    unsafe {
        match receiver::<SimpleQueue>(this).raw.try_get() {
            Ok(item) => item.into_ptr(),
            Err(_) => raise_empty(),
        }
    }
}

unsafe extern "C" fn is_empty(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of SimpleQueue, by an attached thread.
    truth(unsafe { receiver::<SimpleQueue>(this) }.raw.is_empty())
}

unsafe extern "C" fn qsize(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of SimpleQueue, by an attached thread.
    unsafe { ffi::PyLong_FromSize_t(receiver::<SimpleQueue>(this).raw.len()) }
}

const PUT: &std::ffi::CStr = c"put($self, /, item, block=True, timeout=None)\n--\n\nPut the item on the queue.\n\nThe optional 'block' and 'timeout' arguments are ignored, as this method never blocks.";
const GET: &std::ffi::CStr = c"get($self, /, block=True, timeout=None)\n--\n\nRemove and return an item.\n\nIf there is none, wait for one if 'block' is true, at most 'timeout' seconds, else raise Empty.";

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let methods = [
        Method::keywords(c"put", put, PUT),
        Method::keywords(c"put_nowait", put_nowait, c"put_nowait($self, /, item)\n--\n\nPut the item on the queue."),
        Method::keywords(c"get", get, GET),
        Method::no_args(
            c"get_nowait",
            get_nowait,
            c"get_nowait($self, /)\n--\n\nGet an item if there is one, else raise Empty.",
        ),
        Method::no_args(c"empty", is_empty, c"empty($self, /)\n--\n\nWhether the queue is empty, for a moment."),
        Method::no_args(c"qsize", qsize, c"qsize($self, /)\n--\n\nHow many items are in the queue, for a moment."),
    ];
    install::<SimpleQueue>(module.py(), methods)?;
    module.add_class::<SimpleQueue>()
}
