//! The only place that installs raw method descriptors: on the hot methods of hot types they halve the cost of a call.
//!
//! A raw method is an `extern "C"` function that the interpreter calls without any of PyO3's wrapping. Three things follow,
//! and the functions in here see to them:
//!
//! - a panic must not leave it: whatever is not a handful of instructions runs in [`guarded`];
//! - PyO3 does not know that the thread is attached (a `Py<T>` dropped then is only dropped later): [`guarded`] tells it;
//! - the receiver is a bare pointer: [`receiver`] makes a reference of it.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PySystemError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

use crate::carrier::Forever;
use pyo3::types::PyType;

/// A raw method: its name, the function, and a docstring that begins with the signature.
pub(crate) struct Method {
    name: &'static CStr,
    call: ffi::PyMethodDefPointer,
    flags: i32,
    doc: &'static CStr,
}

pub(crate) type NoArgs = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
pub(crate) type Fast = unsafe extern "C" fn(*mut PyObject, *mut *mut PyObject, isize) -> *mut PyObject;
pub(crate) type FastKeywords =
    unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, isize, *mut PyObject) -> *mut PyObject;

impl Method {
    pub(crate) const fn no_args(name: &'static CStr, call: NoArgs, doc: &'static CStr) -> Method {
        Method { name, call: ffi::PyMethodDefPointer { PyCFunction: call }, flags: ffi::METH_NOARGS, doc }
    }

    pub(crate) const fn fast(name: &'static CStr, call: Fast, doc: &'static CStr) -> Method {
        Method { name, call: ffi::PyMethodDefPointer { PyCFunctionFast: call }, flags: ffi::METH_FASTCALL, doc }
    }

    pub(crate) const fn keywords(name: &'static CStr, call: FastKeywords, doc: &'static CStr) -> Method {
        let flags = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
        Method { name, call: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: call }, flags, doc }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name.to_str().unwrap_or_default()
    }

    /// The descriptor, for objects of `class`.
    pub(crate) fn of<'py>(self, class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: self.name.as_ptr(),
            ml_meth: self.call,
            ml_flags: self.flags,
            ml_doc: self.doc.as_ptr(),
        }));
        // SAFETY: attached; the class is a type object; the definition lives for ever. A new reference or null comes back.
        unsafe {
            let descriptor = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
            Bound::from_owned_ptr_or_err(class.py(), descriptor)
        }
    }

    /// The descriptor for a class that is written in Python: its receiver may be any object.
    pub(crate) fn of_any_class(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        self.of(&py.get_type::<PyAny>())
    }
}

/// Puts the methods on the class. To be called at import, before anybody has made an object of it.
pub(crate) fn install<T: pyo3::PyTypeInfo>(py: Python<'_>, methods: impl IntoIterator<Item = Method>) -> PyResult<()> {
    let class = py.get_type::<T>();
    for method in methods {
        class.setattr(method.name(), method.of(&class)?)?;
    }
    Ok(())
}

/// The object that a raw method was called on.
///
/// # Safety
/// `object` must be the receiver that the interpreter passed to a method installed on `T`: the descriptor has checked its
/// type, and the caller keeps it alive through the call, which is how long `'a` may last.
#[inline]
pub(crate) unsafe fn receiver<'a, T: pyo3::PyClass<Frozen = True> + Sync>(object: *mut PyObject) -> &'a T {
    // SAFETY: a receiver is never null; a method is called by an attached thread; the rest is this function's own condition.
    unsafe { std::hint::assert_unchecked(!object.is_null()) };
    // SAFETY: as above.
    unsafe { Borrowed::from_ptr(Python::assume_attached(), object).cast_unchecked::<T>().get() }
}

/// The same, as a counted reference.
///
/// # Safety
/// As [`receiver`].
pub(crate) unsafe fn object<T: pyo3::PyClass>(py: Python<'_>, object: *mut PyObject) -> Py<T> {
    // SAFETY: this function's own condition.
    unsafe { Borrowed::from_ptr(py, object).cast_unchecked::<T>().to_owned().unbind() }
}

/// A new reference to an argument of a raw method.
///
/// # Safety
/// Attached, and `argument` is a live object.
#[inline]
pub(crate) unsafe fn reference(argument: *mut PyObject) -> Py<PyAny> {
    // SAFETY: this function's own condition.
    unsafe { Borrowed::from_ptr(Python::assume_attached(), argument).to_owned().unbind() }
}

/// Whether nobody can have put another method in the place of one of `T`'s for this object: it is no subclass's and has no
/// attributes of its own.
///
/// # Safety
/// `object` must be a live object, and the thread attached.
#[inline]
pub(crate) unsafe fn is_plain<T: pyo3::PyTypeInfo>(object: *mut PyObject) -> bool {
    // SAFETY: this function's own condition.
    unsafe {
        let class = T::type_object_raw(Python::assume_attached());
        ffi::Py_TYPE(object) == class && (*class).tp_dictoffset > 0 && !has_attributes(object)
    }
}

/// Whether the object has attributes of its own.
///
/// # Safety
/// `object` must be a live object of a class that keeps the pointer to its dictionary at a positive offset, as PyO3's do,
/// and the thread attached.
#[inline]
pub(crate) unsafe fn has_attributes(object: *mut PyObject) -> bool {
    // SAFETY: this function's own condition. CPython 3.11 makes the dictionary with the object, so an empty one is usual.
    unsafe {
        let attributes = attributes(object);
        !attributes.is_null() && (*attributes).ma_used != 0
    }
}

/// The dictionary of the object, null if it has none yet. Asking for `__dict__` would make one.
///
/// # Safety
/// As [`has_attributes`].
#[inline]
pub(crate) unsafe fn attributes(object: *mut PyObject) -> *mut ffi::PyDictObject {
    // SAFETY: this function's own condition.
    unsafe {
        let offset = (*ffi::Py_TYPE(object)).tp_dictoffset;
        object.cast::<u8>().offset(offset).cast::<*mut ffi::PyDictObject>().read()
    }
}

/// A new reference to `True` or `False`.
#[inline]
pub(crate) fn truth(value: bool) -> *mut PyObject {
    // SAFETY: both are alive as long as the interpreter, and the thread that returns to it is attached.
    unsafe { ffi::Py_NewRef(if value { ffi::Py_True() } else { ffi::Py_False() }) }
}

/// A new reference to `None`.
#[inline]
pub(crate) fn none() -> *mut PyObject {
    // SAFETY: as in `truth`.
    unsafe { ffi::Py_NewRef(ffi::Py_None()) }
}

/// Runs the part of a raw method that is more than a handful of instructions.
///
/// Give it a `move` closure: one that borrows the method's arguments makes the fast path store them in memory, and the
/// locked instruction of a take waits for those stores.
#[cold]
pub(crate) fn guarded(body: impl FnOnce(Python<'_>) -> PyResult<*mut PyObject>) -> *mut PyObject {
    Python::attach(|py| {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let guard = Forever;
            let result = body(py);
            std::mem::forget(guard);
            result
        }));
        let result = result.unwrap_or_else(|_| Err(PySystemError::new_err("raddle panicked; this is a bug in raddle")));
        result.unwrap_or_else(|error| {
            error.restore(py);
            std::ptr::null_mut()
        })
    })
}
