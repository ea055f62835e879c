//! Finds out whether a queue may be native: whether nobody has put something of his own in the place of one of the methods
//! that CPython's queue is written in terms of.
//!
//! A class carries a number that the interpreter changes whenever it or one of its bases is changed (the version tag of its
//! method cache; 0 while it has none). What was found out for an object's class is remembered in the object together with
//! that number, so that a call has to compare one word. Attributes of the object itself are in its dictionary, if there is
//! one with anything in it; then that is asked.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::PyTypeInfo;
use pyo3::exceptions::PySystemError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

use super::fifo::Queue;
use super::lifo::LifoQueue;
use super::order::Kind;
use super::priority::PriorityQueue;
use crate::fastcall::{attributes, has_attributes};

/// The class has been looked at, and the queue is native.
const NATIVE: u64 = 1;
// What is overridden.
pub(super) const INIT: u64 = 2;
pub(super) const INSERT: u64 = 4;
pub(super) const REMOVE: u64 = 8;
pub(super) const QSIZE: u64 = 16;
pub(super) const PUT: u64 = 32;
pub(super) const GET: u64 = 64;

/// It is a priority queue, which has to look at each item first.
const RANKED: u64 = 128;

/// Those that make a queue compatible.
pub(super) const EXTENSION_POINTS: u64 = INIT | INSERT | REMOVE | QSIZE;

/// How far the class's number is shifted.
const SHIFT: u32 = 8;

const NAMES: [(&str, u64); 6] =
    [("_init", INIT), ("_put", INSERT), ("_get", REMOVE), ("_qsize", QSIZE), ("put", PUT), ("get", GET)];

/// The names as strings of the interpreter, and the methods of the three classes as they are at import.
struct Originals {
    names: [Py<PyString>; NAMES.len()],
    methods: [[Py<PyAny>; NAMES.len()]; 3],
}

static ORIGINALS: PyOnceLock<Originals> = PyOnceLock::new();

/// Remembers the classes' methods; to be called at import, when they are complete.
pub(super) fn remember(py: Python<'_>) -> PyResult<()> {
    // SAFETY: attached; a class that is a type object.
    let offset = unsafe { (*Queue::type_object_raw(py)).tp_dictoffset };
    if offset <= 0 {
        return Err(PySystemError::new_err("a queue has no place for its dictionary; this is a bug in raddle"));
    }
    let names = NAMES.map(|(name, _)| PyString::intern(py, name).unbind());
    let of = |class: &Bound<'_, pyo3::types::PyType>| -> PyResult<[Py<PyAny>; NAMES.len()]> {
        let found: Vec<_> = names.iter().map(|name| class.getattr(name).map(Bound::unbind)).collect::<PyResult<_>>()?;
        found.try_into().map_err(|_| PySystemError::new_err("a queue's methods cannot be counted"))
    };
    let methods =
        [of(&Queue::type_object(py))?, of(&LifoQueue::type_object(py))?, of(&PriorityQueue::type_object(py))?];
    let _ = ORIGINALS.set(py, Originals { names, methods });
    Ok(())
}

/// What was found out about an object's class; 0 at first, and again when it has to be found out anew.
#[derive(Debug, Default)]
pub(super) struct Points(AtomicU64);

impl Points {
    /// Whether the object `this`, to which these points belong, is native, has none of `but` overridden, is no priority
    /// queue and has no attributes: then there is nothing to look at but itself.
    ///
    /// # Safety
    /// Attached, and `this` is a live object of the class `Queue`.
    #[inline]
    pub(super) unsafe fn are_bare(&self, this: *mut PyObject, but: u64) -> bool {
        // SAFETY: this function's own condition.
        unsafe { self.known(this) & (!(PUT | GET) | but) == NATIVE && !has_attributes(this) }
    }

    /// Whether it is native and has none of `but` overridden.
    ///
    /// # Safety
    /// As [`are_bare`](Points::are_bare).
    pub(super) unsafe fn are_native(&self, this: *mut PyObject, but: u64) -> bool {
        // SAFETY: this function's own condition.
        unsafe {
            let known = self.known(this);
            known & !(PUT | GET | RANKED) == NATIVE && known & but == 0 && has_none_of_ours(this, but)
        }
    }

    /// What is known, if it is known of the class as it is now; else something that has bits where none are.
    ///
    /// # Safety
    /// As [`are_bare`](Points::are_bare).
    #[inline]
    unsafe fn known(&self, this: *mut PyObject) -> u64 {
        // SAFETY: this function's own condition; the class of a live object is alive.
        let tag = unsafe { (*ffi::Py_TYPE(this)).tp_version_tag };
        self.0.load(Ordering::Relaxed) ^ u64::from(tag) << SHIFT
    }

    /// Forgets what is known, as when the mode has changed.
    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// What is overridden; if it is nothing that matters and `native`, that is remembered.
    pub(super) fn overridden(&self, this: &Bound<'_, PyAny>, kind: Kind, native: bool) -> PyResult<u64> {
        let py = this.py();
        let Some(originals) = ORIGINALS.get(py) else { return Ok(0) };
        // SAFETY: attached; the class of a live object is alive.
        let tag = || u64::from(unsafe { (*ffi::Py_TYPE(this.as_ptr())).tp_version_tag }) << SHIFT;
        let known = self.0.load(Ordering::Relaxed);
        let by_class = if known >> SHIFT != 0 && known >> SHIFT << SHIFT == tag() {
            known & (EXTENSION_POINTS | PUT | GET)
        } else {
            let found = by_class(this, originals, kind)?;
            let native = if native && found & EXTENSION_POINTS == 0 { NATIVE } else { 0 };
            let native = native | if kind == Kind::Priority { RANKED } else { 0 };
            self.0.store(if tag() == 0 { 0 } else { tag() | found | native }, Ordering::Relaxed);
            found
        };
        Ok(by_class | by_object(this, originals)?)
    }
}

fn by_class(this: &Bound<'_, PyAny>, originals: &Originals, kind: Kind) -> PyResult<u64> {
    let class = this.get_type();
    let methods = &originals.methods[kind as usize];
    let mut found = 0;
    for ((name, method), (_, point)) in originals.names.iter().zip(methods).zip(NAMES) {
        if !class.getattr(name)?.is(method) {
            found |= point;
        }
    }
    Ok(found)
}

fn by_object(this: &Bound<'_, PyAny>, originals: &Originals) -> PyResult<u64> {
    // SAFETY: attached, and `this` is alive.
    let attributes = unsafe { attributes(this.as_ptr()) }.cast::<PyObject>();
    // SAFETY: null or the object's dictionary, which it keeps alive; it is counted here.
    let Some(attributes) = (unsafe { Bound::from_borrowed_ptr_or_opt(this.py(), attributes) }) else { return Ok(0) };
    let attributes = attributes.cast_into::<PyDict>()?;
    let mut found = 0;
    for (name, (_, point)) in originals.names.iter().zip(NAMES) {
        if attributes.contains(name)? {
            found |= point;
        }
    }
    Ok(found)
}

/// Whether no extension point, and nothing of `but`, is an attribute of the object itself.
///
/// # Safety
/// Attached, and `this` is a live object of the class `Queue`.
unsafe fn has_none_of_ours(this: *mut PyObject, but: u64) -> bool {
    // SAFETY: this function's own condition.
    unsafe {
        if !has_attributes(this) {
            return true;
        }
        let attributes = attributes(this).cast::<PyObject>();
        let Some(originals) = ORIGINALS.get(Python::assume_attached()) else { return false };
        let absent = |name: &Py<PyString>| ffi::PyDict_Contains(attributes, name.as_ptr()) == 0;
        let mut names = originals.names.iter().zip(NAMES);
        names.all(|(name, (_, point))| point & (INSERT | REMOVE | QSIZE | but) == 0 || absent(name))
    }
}
