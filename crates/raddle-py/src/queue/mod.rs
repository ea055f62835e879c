//! The classes of `queue`, over the engine's room of the same name.
//!
//! A queue has two modes. In the *native* one its items are in the engine's container and every call is a few instructions
//! under the interpreter's lock. As soon as somebody touches what CPython's queue is made of (`mutex`, `queue`,
//! `not_empty`, ...), overrides one of its extension points (`_put`, `_get`, `_qsize`, `_init`), or puts something into a
//! priority queue whose comparison runs code, it changes for good into the *compatible* mode: the items move into a real
//! `deque` or `list`, and every call takes the real mutex, as CPython's source does. So whoever needs that pays for it,
//! and nobody else.
//!
//! | file | |
//! |---|---|
//! | `fifo.rs` | the class `Queue`, which the others derive from, in the native mode |
//! | `methods.rs` | its methods, as the interpreter calls them |
//! | `lifo.rs`, `priority.rs` | what differs |
//! | `simple.rs` | `SimpleQueue`, which has one mode |
//! | `points.rs` | finds out whether a queue may be native |
//! | `compatible.rs` | the other mode, and the change into it |
//! | `order.rs` | the engine's container of Python objects |
//! | `patience.rs` | `block` and `timeout` |
//!
//! The alternative, CPython's source over faster locks, gains a factor of three; the other one, to have only the native
//! mode, breaks programs that say `with q.mutex: q.queue.clear()`.

mod compatible;
mod fifo;
mod lifo;
mod methods;
mod order;
mod patience;
mod points;
mod priority;
mod simple;

use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::fastcall::guarded;

static EMPTY: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// `queue.Empty`, the standard library's.
fn empty(py: Python<'_>) -> PyErr {
    raised(py, EMPTY.import(py, "queue", "Empty"))
}

/// Raises it in a raw method: sets the error and gives null.
///
/// # Safety
/// Attached.
unsafe fn raise_empty() -> *mut PyObject {
    // SAFETY: this function's own condition.
    match EMPTY.get(unsafe { Python::assume_attached() }) {
        Some(class) => {
            // SAFETY: attached, and a class of exceptions.
            unsafe { pyo3::ffi::PyErr_SetNone(class.as_ptr()) };
            std::ptr::null_mut()
        }
        None => guarded(|py| Err(empty(py))),
    }
}

/// `queue.Full`, the standard library's.
fn full(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    raised(py, CLASS.import(py, "queue", "Full"))
}

fn raised(_: Python<'_>, class: PyResult<&Bound<'_, PyType>>) -> PyErr {
    class.map_or_else(|error| error, |class| PyErr::from_type(class.clone(), ()))
}

#[cfg(not(Py_3_13))]
pyo3::create_exception!(queue, ShutDown, pyo3::exceptions::PyException, "Raised when put/get with shut-down queue.");

/// `queue.ShutDown`, the standard library's where it has one.
fn shut_down(py: Python<'_>) -> PyErr {
    raised(py, shut_down_class(py))
}

#[cfg(Py_3_13)]
fn shut_down_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "queue", "ShutDown")
}

#[cfg(not(Py_3_13))]
fn shut_down_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    Ok(CLASS.get_or_init(py, || py.get_type::<ShutDown>().unbind()).bind(py))
}

/// `cls[item]`.
fn generic_alias<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static ALIAS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    ALIAS.import(class.py(), "types", "GenericAlias")?.call1((class, item))
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    #[cfg(not(Py_3_13))]
    module.add("ShutDown", shut_down_class(module.py())?)?;
    methods::add_to(module)?;
    lifo::add_to(module)?;
    priority::add_to(module)?;
    simple::add_to(module)?;
    points::remember(module.py())
}
