//! The methods of `queue.Queue` as the interpreter calls them: a way without a detour for what is there at once, and out of
//! line what reads arguments, waits, or asks the methods of a subclass.

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::compatible;
use super::fifo::Queue;
use super::patience::{Patience, harmless};
use super::points::{GET, PUT};
use crate::fastcall::{Method, guarded, install, none, receiver, truth};
use crate::limit::{arguments, arguments_after};

/// `None`, or null if a comparison has left an error: for want of stack or memory, since nothing else is let in.
fn none_unless_incomparable() -> *mut PyObject {
    // SAFETY: methods are called by attached threads.
    if unsafe { ffi::PyErr_Occurred() }.is_null() { none() } else { std::ptr::null_mut() }
}

/// The receiver of a raw method, counted.
///
/// # Safety
/// As [`receiver`].
unsafe fn counted<'py>(py: Python<'py>, this: *mut PyObject) -> Bound<'py, Queue> {
    // SAFETY: this function's own condition.
    unsafe { crate::fastcall::object::<Queue>(py, this) }.into_bound(py)
}

unsafe extern "C" fn put(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Queue, with its arguments, by an attached thread.
    unsafe {
        let queue = receiver::<Queue>(this);
        if n == 1 && names.is_null() && queue.points.are_bare(this, 0) && queue.put_at_once(*args) {
            return none();
        }
        put_slowly(this, args, n, names)
    }
}

#[inline(never)]
unsafe fn put_slowly(this: *mut PyObject, args: *const *mut PyObject, n: isize, names: *mut PyObject) -> *mut PyObject {
    // SAFETY: the condition of `put`.
    if n == 1 && names.is_null() && unsafe { receiver::<Queue>(this).put_after_a_look(this, *args, 0) } {
        return none_unless_incomparable();
    }
    guarded(|py| {
        // SAFETY: the condition of `put`.
        let (this, [item, block, timeout]) = unsafe {
            let found = arguments_after(py, "Queue.put", 1, (args, n, names), ["item", "block", "timeout"])?;
            (counted(py, this), found)
        };
        let item = item.unwrap_or_else(|| py.None().into_bound(py));
        Queue::put(&this, item, Patience::of(block, timeout)?).map(|()| none())
    })
}

unsafe extern "C" fn put_nowait(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Queue, with its arguments, by an attached thread.
    unsafe {
        let queue = receiver::<Queue>(this);
        if n == 1 && names.is_null() && queue.points.are_bare(this, PUT) && queue.put_at_once(*args) {
            return none();
        }
        if n == 1 && names.is_null() && queue.put_after_a_look(this, *args, PUT) {
            return none_unless_incomparable();
        }
        guarded(|py| {
            let [item] = arguments_after(py, "Queue.put_nowait", 1, (args, n, names), ["item"])?;
            let (this, item) = (counted(py, this), item.unwrap_or_else(|| py.None().into_bound(py)));
            if this.get().points.overridden(&this, this.get().kind, false)? & PUT == 0 {
                return Queue::put(&this, item, Patience::none()).map(|()| none());
            }
            let block = [("block", false)];
            let block = pyo3::types::IntoPyDict::into_py_dict(block, py)?;
            this.call_method("put", (item,), Some(&block)).map(Bound::into_ptr)
        })
    }
}

unsafe extern "C" fn get(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Queue, with its arguments, by an attached thread.
    unsafe {
        let queue = receiver::<Queue>(this);
        if n == 0
            && names.is_null()
            && queue.points.are_bare(this, 0)
            && let Some(item) = queue.get_at_once()
        {
            return item;
        }
        get_slowly(this, args, n, names)
    }
}

#[inline(never)]
unsafe fn get_slowly(this: *mut PyObject, args: *const *mut PyObject, n: isize, names: *mut PyObject) -> *mut PyObject {
    // SAFETY: the condition of `get`.
    unsafe {
        if harmless(args, n, names).is_some()
            && let Some(item) = receiver::<Queue>(this).get_after_a_look(this, 0)
        {
            return item;
        }
        guarded(|py| {
            let [block, timeout] = arguments(py, "Queue.get", (args, n, names), ["block", "timeout"])?;
            Queue::get(&counted(py, this), Patience::of(block, timeout)?).map(Py::into_ptr)
        })
    }
}

unsafe extern "C" fn get_nowait(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Queue, by an attached thread.
    unsafe {
        let queue = receiver::<Queue>(this);
        if queue.points.are_bare(this, GET)
            && let Some(item) = queue.get_at_once()
        {
            return item;
        }
        if let Some(item) = queue.get_after_a_look(this, GET) {
            return item;
        }
        guarded(|py| {
            let this = counted(py, this);
            if this.get().points.overridden(&this, this.get().kind, false)? & GET == 0 {
                return Queue::get(&this, Patience::none()).map(Py::into_ptr);
            }
            let block = pyo3::types::IntoPyDict::into_py_dict([("block", false)], py)?;
            this.call_method("get", (), Some(&block)).map(Bound::into_ptr)
        })
    }
}

unsafe extern "C" fn qsize(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Queue, by an attached thread.
    unsafe {
        let queue = receiver::<Queue>(this);
        if queue.points.are_native(this, 0) {
            return ffi::PyLong_FromSize_t(queue.raw.len());
        }
        guarded(|py| {
            let this = counted(py, this);
            let size = if Queue::is_native(&this)? { None } else { Some(compatible::size(&this)?) };
            size.map_or_else(|| Ok(ffi::PyLong_FromSize_t(this.get().raw.len())), |size| Ok(size.into_ptr()))
        })
    }
}

unsafe extern "C" fn is_empty(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Queue, by an attached thread.
    unsafe {
        let queue = receiver::<Queue>(this);
        if queue.points.are_native(this, 0) {
            return truth(queue.raw.is_empty());
        }
        guarded(|py| Queue::is_empty(&counted(py, this)).map(truth))
    }
}

unsafe extern "C" fn is_full(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Queue, by an attached thread.
    unsafe {
        let queue = receiver::<Queue>(this);
        if queue.points.are_native(this, 0) {
            return truth(queue.is_full_now());
        }
        guarded(|py| Queue::is_full(&counted(py, this)).map(truth))
    }
}

unsafe extern "C" fn task_done(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Queue, by an attached thread.
    unsafe {
        let queue = receiver::<Queue>(this);
        if queue.points.are_native(this, 0) && queue.raw.task_done().is_ok() {
            return none();
        }
        guarded(|py| Queue::done(&counted(py, this)).map(|()| none()))
    }
}

unsafe extern "C" fn join(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    guarded(|py| {
        // SAFETY: called by the interpreter as a method of Queue, with its arguments.
        let (this, [timeout]) =
            unsafe { (counted(py, this), arguments(py, "Queue.join", (args, n, names), ["timeout"])?) };
        match timeout.filter(|timeout| !timeout.is_none()) {
            None => Queue::join(&this, Patience::endless()).map(|_| none()),
            limit => Queue::join(&this, Patience::of(None, limit)?).map(truth),
        }
    })
}

const PUT_DOC: &std::ffi::CStr = c"put($self, /, item, block=True, timeout=None)\n--\n\nPut an item into the queue.\n\nIf there is no room, wait for it if `block` is true, at most `timeout` seconds, else raise Full.\nRaises ShutDown if the queue has been shut down.";
const GET_DOC: &std::ffi::CStr = c"get($self, /, block=True, timeout=None)\n--\n\nRemove and return an item.\n\nIf there is none, wait for one if `block` is true, at most `timeout` seconds, else raise Empty.\nRaises ShutDown if the queue is empty and has been shut down.";
const JOIN_DOC: &std::ffi::CStr = c"join($self, /, timeout=None)\n--\n\nWait until every item that was put has been got and said to be done.\n\nGiven a `timeout` in seconds, wait no longer and return whether it is so.";

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let methods = [
        Method::keywords(c"put", put, PUT_DOC),
        Method::keywords(c"get", get, GET_DOC),
        Method::keywords(
            c"put_nowait",
            put_nowait,
            c"put_nowait($self, /, item)\n--\n\nPut an item if there is room, else raise Full.",
        ),
        Method::no_args(c"get_nowait", get_nowait, c"get_nowait($self, /)\n--\n\nGet an item if there is one, else raise Empty."),
        Method::no_args(c"qsize", qsize, c"qsize($self, /)\n--\n\nHow many items are in the queue, for a moment."),
        Method::no_args(c"empty", is_empty, c"empty($self, /)\n--\n\nWhether the queue is empty, for a moment."),
        Method::no_args(c"full", is_full, c"full($self, /)\n--\n\nWhether the queue is full, for a moment."),
        Method::no_args(c"task_done", task_done, c"task_done($self, /)\n--\n\nSay that an item that was got has been dealt with.\n\nRaises ValueError if that has been said of all of them."),
        Method::keywords(c"join", join, JOIN_DOC),
    ];
    install::<Queue>(module.py(), methods)?;
    module.add_class::<Queue>()
}
