//! `queue.Queue`, in its native mode.
//!
//! Under the interpreter's lock a put is a look at the class's number, an append and two additions. Nothing in here holds
//! anything while code of the program runs, so a signal handler or a destructor may use the very queue that its thread is
//! in the middle of using.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use raddle::graph::{Call, Description, Hold, Resource};
use raddle::queue::{Container, Denied, Producers, Refused};

use super::compatible::{self, Part, Parts};
use super::order::{Kind, Order, shape};
use super::patience::Patience;
use super::points::{EXTENSION_POINTS, Points};
use super::{empty, full, generic_alias, shut_down};
use crate::detach;
use crate::fastcall::reference;
use crate::limit::Limit;
use crate::site::SiteCell;
use crate::sync::Sharing;
use crate::sync::lock::describe;

/// The engine's queue: the interpreter's lock protects it, where there is one.
pub(super) type Raw<C = Order> = raddle::queue::RawQueue<C, Sharing>;

/// A queue of `items`, without a bound.
pub(super) fn raw<C: Container<Item = Py<PyAny>>>(items: C) -> Raw<C> {
    #[cfg(not(Py_GIL_DISABLED))]
    // SAFETY: its methods are called by attached threads only, none of them runs Python code or detaches but in its sleep,
    // which `detach` does and undoes.
    return unsafe { Raw::serialized(items) };
    #[cfg(Py_GIL_DISABLED)]
    return Raw::of(items);
}

/// A multi-producer, multi-consumer queue.
#[pyclass(frozen, weakref, dict, subclass, module = "queue")]
pub(crate) struct Queue {
    pub(super) raw: Raw,
    pub(super) kind: Kind,
    pub(super) points: Points,
    producers: Producers,
    /// Whether the items are in `raw`. Not before `__init__`.
    pub(super) native: AtomicBool,
    /// In native mode; in the compatible one it is a part.
    pub(super) maxsize: AtomicI64,
    /// What the items of a native priority queue have in common.
    shape: AtomicU32,
    /// What CPython's queue is made of, in the compatible mode.
    pub(super) parts: Parts,
    made: SiteCell,
}

/// A queue as a thing to wait for: nobody holds it.
#[derive(Debug)]
struct Waited(Py<Queue>);

impl Resource for Waited {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn producers(&self) -> Vec<u64> {
        self.0.get().producers.all()
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((self.0.as_ptr() as usize, self.0.get().made.key(None)))
    }

    fn describe(&self) -> Description {
        Python::attach(|py| {
            let kind = self.0.bind(py).get_type().name().map_or_else(|_| "Queue".into(), |name| name.to_string());
            describe(py, &kind, self.0.as_ptr() as usize, &self.0.get().made, &SiteCell::default())
        })
    }
}

/// The argument of the constructor, whose default is not None.
pub(super) enum Maxsize<'py> {
    Any,
    Given(Bound<'py, PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Maxsize<'py> {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Maxsize::Given(value.to_owned()))
    }
}

impl Queue {
    pub(super) fn make(kind: Kind) -> Queue {
        Queue {
            raw: raw(Order::new(kind)),
            kind,
            points: Points::default(),
            producers: Producers::default(),
            native: AtomicBool::new(false),
            maxsize: AtomicI64::new(0),
            shape: AtomicU32::new(0),
            parts: Parts::default(),
            made: SiteCell::here(),
        }
    }

    pub(super) fn resource(this: &Bound<'_, Self>) -> Arc<dyn Resource> {
        Arc::new(Waited(this.clone().unbind()))
    }

    /// Whether the queue is native; one that must not be any more is changed.
    pub(super) fn is_native(this: &Bound<'_, Self>) -> PyResult<bool> {
        let queue = this.get();
        if !queue.native.load(Ordering::Acquire) {
            return Ok(false);
        }
        let overridden = queue.points.overridden(this, queue.kind, true)?;
        if overridden & EXTENSION_POINTS != 0 {
            compatible::change(this)?;
            return Ok(false);
        }
        Ok(queue.native.load(Ordering::Acquire))
    }

    /// Whether an item may go into the native container; only a priority queue cares.
    ///
    /// # Safety
    /// Attached, and `item` is a live object.
    #[inline]
    unsafe fn admits(&self, item: *mut PyObject) -> bool {
        // SAFETY: this function's own condition.
        self.kind != Kind::Priority || unsafe { self.admits_shape(shape(item)) }
    }

    fn admits_shape(&self, shape: u32) -> bool {
        if shape == 0 || cfg!(Py_GIL_DISABLED) {
            return false;
        }
        if self.raw.is_empty() {
            self.shape.store(shape, Ordering::Relaxed);
        }
        self.shape.load(Ordering::Relaxed) == shape
    }

    /// Puts an item if there is room; whether there was.
    ///
    /// # Safety
    /// Attached, and `item` is a live object, which is admitted.
    #[inline(always)]
    pub(super) unsafe fn put_at_once(&self, item: *mut PyObject) -> bool {
        self.producers.note();
        // SAFETY: this function's own condition; a reference that is not needed is given back, and is not the last one.
        unsafe {
            let put = self.raw.try_put(reference(item));
            put.map_err(|(item, _)| ffi::Py_DECREF(item.into_ptr())).is_ok()
        }
    }

    /// The same for a queue of which more has to be looked at. A comparison may have left an error.
    ///
    /// # Safety
    /// Attached; `this` is the queue, `item` a live object.
    pub(super) unsafe fn put_after_a_look(&self, this: *mut PyObject, item: *mut PyObject, but: u64) -> bool {
        // SAFETY: this function's own condition.
        unsafe { self.points.are_native(this, but) && self.admits(item) && self.put_at_once(item) }
    }

    /// Takes an item if there is one, as a new reference.
    #[inline(always)]
    pub(super) fn get_at_once(&self) -> Option<*mut PyObject> {
        self.raw.try_get().ok().map(Py::into_ptr)
    }

    /// The same for a queue of which more has to be looked at; null with an error set if a comparison has failed.
    ///
    /// # Safety
    /// Attached; `this` is the queue.
    pub(super) unsafe fn get_after_a_look(&self, this: *mut PyObject, but: u64) -> Option<*mut PyObject> {
        // SAFETY: this function's own condition; the item's reference is given back if it is not returned.
        unsafe {
            let item = if self.points.are_native(this, but) { self.get_at_once()? } else { return None };
            if self.kind == Kind::Priority && !ffi::PyErr_Occurred().is_null() {
                ffi::Py_DECREF(item);
                return Some(std::ptr::null_mut());
            }
            Some(item)
        }
    }

    #[cold]
    pub(super) fn put(this: &Bound<'_, Self>, item: Bound<'_, PyAny>, mut patience: Patience<'_>) -> PyResult<()> {
        let (py, queue) = (this.py(), this.get());
        if !Self::is_native(this)? {
            return compatible::put(this, item, patience);
        }
        queue.producers.note();
        if queue.maxsize.load(Ordering::Relaxed) > 0 && !queue.raw.is_shut_down() {
            patience.check()?;
        }
        // SAFETY: attached; the item is a live object.
        if !unsafe { queue.admits(item.as_ptr()) } {
            compatible::change(this)?;
            return compatible::put(this, item, patience);
        }
        let item = match queue.raw.try_put(item.unbind()) {
            Ok(()) => return pending(py),
            Err((_, Refused::ShutDown)) => return Err(shut_down(py)),
            Err((item, Refused::Moved)) => return compatible::put(this, item.into_bound(py), patience),
            Err((item, Refused::NotNow)) => item,
        };
        let limit = patience.limit()?;
        if limit == Limit::Now {
            return Err(full(py));
        }
        if queue.kind == Kind::Priority {
            // By the time there is room other items may be in, which this one cannot be compared with in there.
            compatible::change(this)?;
            return compatible::put(this, item.into_bound(py), patience);
        }
        let mut back = None;
        let put = detach::block(py, Self::resource(this), (Call::Put, limit), |blocked| {
            queue
                .raw
                .put(item, blocked)
                .or_else(|(item, denied)| denied_or_halted(denied, |it| back = Some((item, it))))
        })?;
        match back {
            None if put => Ok(()),
            None => Err(full(py)),
            Some((_, Refused::ShutDown)) => Err(shut_down(py)),
            Some((item, _)) => compatible::put(this, item.into_bound(py), patience),
        }
    }

    #[cold]
    pub(super) fn get(this: &Bound<'_, Self>, mut patience: Patience<'_>) -> PyResult<Py<PyAny>> {
        let (py, queue) = (this.py(), this.get());
        if !Self::is_native(this)? {
            return compatible::get(this, patience);
        }
        if !(queue.raw.is_shut_down() && queue.raw.is_empty()) {
            patience.check()?;
        }
        match queue.raw.try_get() {
            Ok(item) => return pending(py).map(|()| item),
            Err(Refused::ShutDown) => return Err(shut_down(py)),
            Err(Refused::Moved) => return compatible::get(this, patience),
            Err(Refused::NotNow) => {}
        }
        let limit = patience.limit()?;
        if limit == Limit::Now {
            return Err(empty(py));
        }
        let (mut item, mut refused) = (None, None);
        detach::block(py, Self::resource(this), (Call::Get, limit), |blocked| match queue.raw.get(blocked) {
            Ok(got) => {
                item = Some(got);
                Ok(())
            }
            Err(denied) => denied_or_halted(denied, |it| refused = Some(it)),
        })?;
        match (item, refused) {
            (Some(item), _) => pending(py).map(|()| item),
            (None, None) => Err(empty(py)),
            (None, Some(Refused::ShutDown)) => Err(shut_down(py)),
            (None, Some(_)) => compatible::get(this, patience),
        }
    }

    #[cold]
    pub(super) fn join(this: &Bound<'_, Self>, mut patience: Patience<'_>) -> PyResult<bool> {
        let (py, queue) = (this.py(), this.get());
        patience.check()?;
        if !Self::is_native(this)? {
            return compatible::join(this, patience);
        }
        if queue.raw.unfinished() == 0 {
            return Ok(true);
        }
        let limit = patience.limit()?;
        if limit == Limit::Now {
            return Ok(false);
        }
        let mut moved = false;
        let done = detach::block(py, Self::resource(this), (Call::Tasks, limit), |blocked| {
            queue.raw.join(blocked).or_else(|denied| denied_or_halted(denied, |_| moved = true))
        })?;
        if moved { compatible::join(this, patience) } else { Ok(done) }
    }

    pub(super) fn is_empty(this: &Bound<'_, Self>) -> PyResult<bool> {
        if Self::is_native(this)? { Ok(this.get().raw.is_empty()) } else { compatible::is_empty_now(this) }
    }

    pub(super) fn is_full(this: &Bound<'_, Self>) -> PyResult<bool> {
        let queue = this.get();
        if !Self::is_native(this)? {
            return compatible::is_full(this);
        }
        Ok(queue.is_full_now())
    }

    #[inline]
    pub(super) fn is_full_now(&self) -> bool {
        let maxsize = self.maxsize.load(Ordering::Relaxed);
        maxsize > 0 && self.raw.len() as i64 >= maxsize
    }

    pub(super) fn done(this: &Bound<'_, Self>) -> PyResult<()> {
        if !Self::is_native(this)? {
            return compatible::task_done(this);
        }
        this.get().raw.task_done().map_err(|_| PyValueError::new_err("task_done() called too many times"))
    }

    pub(super) fn set_native_maxsize(&self, maxsize: i64) {
        self.maxsize.store(maxsize, Ordering::Relaxed);
        self.raw.set_bound(usize::try_from(maxsize).unwrap_or(0));
    }
}

/// The error that a comparison has left, if any.
fn pending(py: Python<'_>) -> PyResult<()> {
    PyErr::take(py).map_or(Ok(()), Err)
}

/// A wait that was refused is over without an error of its own.
pub(super) fn denied_or_halted(denied: Denied, refused: impl FnOnce(Refused)) -> Result<(), raddle::graph::Halt> {
    match denied {
        Denied::Halted(halt) => return Err(halt),
        Denied::ShutDown => refused(Refused::ShutDown),
        Denied::Moved => refused(Refused::Moved),
    }
    Ok(())
}

/// A size that the native mode knows how to compare with.
pub(super) fn plain_size(value: &Bound<'_, PyAny>) -> Option<i64> {
    if value.is_exact_instance_of::<PyInt>() { value.extract().ok() } else { None }
}

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(maxsize=0)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Queue::make(Kind::Fifo)
    }

    #[pyo3(signature = (maxsize=Maxsize::Any))]
    fn __init__(this: &Bound<'_, Self>, maxsize: Maxsize<'_>) -> PyResult<()> {
        let queue = this.get();
        queue.native.store(false, Ordering::Release);
        queue.points.forget();
        // What was in a queue that is made once more goes when that is done: its destructors may use the queue.
        let _before = (queue.raw.reset(), queue.parts.take());
        let overridden = queue.points.overridden(this, queue.kind, false)?;
        queue.points.forget();
        let size = match &maxsize {
            Maxsize::Any => Some(0),
            Maxsize::Given(value) => plain_size(value),
        };
        match size {
            Some(size) if overridden & EXTENSION_POINTS == 0 => {
                queue.set_native_maxsize(size);
                queue.native.store(true, Ordering::Release);
                Ok(())
            }
            _ => compatible::begin(this, maxsize),
        }
    }

    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, item)
    }

    #[getter]
    fn maxsize<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let queue = this.get();
        if queue.native.load(Ordering::Acquire) {
            return Ok(queue.maxsize.load(Ordering::Relaxed).into_pyobject(this.py())?.into_any());
        }
        compatible::part(this, Part::Maxsize)
    }

    #[setter]
    fn set_maxsize(this: &Bound<'_, Self>, value: Bound<'_, PyAny>) -> PyResult<()> {
        match plain_size(&value) {
            Some(size) if this.get().native.load(Ordering::Acquire) => {
                this.get().set_native_maxsize(size);
                Ok(())
            }
            _ => compatible::set_part(this, Part::Maxsize, value),
        }
    }

    #[getter]
    fn unfinished_tasks(this: &Bound<'_, Self>) -> PyResult<usize> {
        compatible::must_be_made(this, "unfinished_tasks")?;
        Ok(this.get().raw.unfinished())
    }

    #[setter]
    fn set_unfinished_tasks(&self, value: i64) {
        self.raw.set_unfinished(usize::try_from(value).unwrap_or(0));
    }

    #[getter]
    fn is_shutdown(this: &Bound<'_, Self>) -> PyResult<bool> {
        compatible::must_be_made(this, "is_shutdown")?;
        Ok(this.get().raw.is_shut_down())
    }

    #[setter]
    fn set_is_shutdown(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.raw.set_shut_down(value.is_truthy()?);
        Ok(())
    }

    #[getter]
    fn queue<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        compatible::part(this, Part::Queue)
    }

    #[setter]
    fn set_queue(this: &Bound<'_, Self>, value: Bound<'_, PyAny>) -> PyResult<()> {
        compatible::set_part(this, Part::Queue, value)
    }

    #[getter]
    fn mutex<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        compatible::part(this, Part::Mutex)
    }

    #[setter]
    fn set_mutex(this: &Bound<'_, Self>, value: Bound<'_, PyAny>) -> PyResult<()> {
        compatible::set_part(this, Part::Mutex, value)
    }

    #[getter]
    fn not_empty<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        compatible::part(this, Part::NotEmpty)
    }

    #[setter]
    fn set_not_empty(this: &Bound<'_, Self>, value: Bound<'_, PyAny>) -> PyResult<()> {
        compatible::set_part(this, Part::NotEmpty, value)
    }

    #[getter]
    fn not_full<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        compatible::part(this, Part::NotFull)
    }

    #[setter]
    fn set_not_full(this: &Bound<'_, Self>, value: Bound<'_, PyAny>) -> PyResult<()> {
        compatible::set_part(this, Part::NotFull, value)
    }

    #[getter]
    fn all_tasks_done<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        compatible::part(this, Part::AllTasksDone)
    }

    #[setter]
    fn set_all_tasks_done(this: &Bound<'_, Self>, value: Bound<'_, PyAny>) -> PyResult<()> {
        compatible::set_part(this, Part::AllTasksDone, value)
    }

    /// Let nothing more in. Who waits to put is refused; who waits to get is once the queue is empty. If `immediate`, it is
    /// emptied now, and what was in it counts as done.
    #[pyo3(signature = (immediate=None), text_signature = "($self, immediate=False)")]
    fn shutdown(this: &Bound<'_, Self>, immediate: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let immediate = immediate.map_or(Ok(false), |immediate| immediate.is_truthy())?;
        if !Self::is_native(this)? {
            return compatible::shutdown(this, immediate);
        }
        drop(this.get().raw.shutdown(immediate));
        Ok(())
    }

    // The extension points. A class that overrides one calls the others by way of these.

    fn _init(this: &Bound<'_, Self>, _maxsize: &Bound<'_, PyAny>) -> PyResult<()> {
        this.setattr("queue", this.py().import("collections")?.getattr("deque")?.call0()?)
    }

    fn _qsize(this: &Bound<'_, Self>) -> PyResult<usize> {
        compatible::qsize_point(this)
    }

    fn _put(this: &Bound<'_, Self>, item: &Bound<'_, PyAny>) -> PyResult<()> {
        this.getattr("queue")?.call_method1("append", (item,)).map(drop)
    }

    fn _get<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        this.getattr("queue")?.call_method0("popleft")
    }

    // What CPython's keeps in the object's dictionary: `copy.copy` shares it, and pickling fails at the mutex in it.

    fn __getstate__<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let state = compatible::state(this)?;
        state.update(this.getattr("__dict__")?.cast::<PyDict>()?.as_mapping())?;
        Ok(state)
    }

    fn __setstate__(this: &Bound<'_, Self>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        state.iter().try_for_each(|(name, value)| this.setattr(name.cast::<pyo3::types::PyString>()?, value))
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
        visited.and_then(|()| self.parts.traverse(&visit))
    }

    fn __clear__(&self) {
        let (items, parts) = (self.raw.reset(), self.parts.take());
        drop(items);
        drop(parts);
    }
}
