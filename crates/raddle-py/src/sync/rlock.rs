//! `threading.RLock`.

use std::sync::Arc;

use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use raddle::error::Misuse;
use raddle::graph::learner::Token;
use raddle::graph::{Call, Description, Hold, Lasting, Resource};
use raddle::sync::{NotHeld, RawRLock};

use super::holdings;
use super::lock::describe_named;
use super::order::{self, Calls, Learned, Single};
use super::{Sharing, me, strict, unheld};
use crate::fastcall::{Method, guarded, install, none, object, receiver, truth};
use crate::limit::Limit;
use crate::site::{CodeSite, SiteCell};
use crate::{detach, error, lifecycle};

/// A lock that its holder may take again, and that only its holder releases.
#[pyclass(frozen, weakref, subclass, module = "_thread", name = "RLock")]
pub(crate) struct RLock {
    /// First, so that its number is gone before the places are.
    raw: RawRLock<Sharing>,
    taken: SiteCell,
    made: SiteCell,
}

impl Drop for RLock {
    fn drop(&mut self) {
        if !self.taken.is_empty() {
            holdings::strike(self);
        }
    }
}

impl RLock {
    pub(super) fn make() -> Self {
        RLock { raw: RawRLock::default(), taken: SiteCell::default(), made: SiteCell::here() }
    }

    #[inline]
    pub(super) fn try_acquire(&self) -> bool {
        let took = self.raw.try_acquire(me());
        if took {
            self.taken.note(|| holdings::enlist(self));
        }
        took
    }

    pub(super) fn acquire(this: Py<Self>, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        Self::acquire_deep(this, py, (Call::Acquire, limit), 1)
    }

    fn acquire_deep(this: Py<Self>, py: Python<'_>, (call, limit): (Call, Limit), depth: usize) -> PyResult<bool> {
        let lock = this.get();
        let took = match (call, limit) {
            (Call::Reacquire, _) if lock.raw.try_acquire_deep(me(), depth) => true,
            (Call::Acquire, _) if lock.raw.try_acquire(me()) => true,
            (_, Limit::Now) => false,
            _ => {
                let resource = Arc::new(Held(this.clone_ref(py)));
                detach::block(py, resource, (call, limit), |blocked| lock.raw.acquire_deep(depth, blocked))?
            }
        };
        if took {
            lock.taken.note(|| holdings::enlist(lock));
        }
        Ok(took)
    }

    pub(super) fn is_mine(&self) -> bool {
        self.raw.is_held_by(me())
    }

    pub(super) fn release_mine(&self) -> Result<(), NotHeld> {
        self.raw.release(me())
    }

    pub(super) fn release_all(&self) -> Result<usize, NotHeld> {
        self.raw.release_all(me())
    }

    #[cold]
    pub(super) fn not_held(this: Py<Self>) -> PyErr {
        error::misuse("cannot release un-acquired lock", &Misuse::ReleasedUnheld(unheld(&Held(this))))
    }

    pub(super) fn hold(&self) -> Option<Hold> {
        self.raw.hold()
    }

    pub(super) fn is_held(&self) -> bool {
        self.raw.holder().is_some()
    }

    /// Makes thread `to`, which is the calling one, the holder in the place of `from`, which has ended.
    pub(super) fn take_over(&self, from: u64, to: u64) -> Result<(), NotHeld> {
        self.raw.take_over(from, to)?;
        self.taken.note(|| holdings::enlist(self));
        Ok(())
    }

    pub(super) fn taken(&self) -> &SiteCell {
        &self.taken
    }

    /// Takes the lock back at the end of a condition's wait: not to be ended by anything.
    pub(super) fn reacquire(this: Py<Self>, py: Python<'_>, depth: usize) -> PyResult<()> {
        Self::acquire_deep(this, py, (Call::Reacquire, Limit::Never), depth).map(drop)
    }

    pub(super) fn reset(&self) {
        self.raw.reset();
    }
}

/// A re-entrant lock as a thing to wait for.
#[derive(Debug)]
pub(super) struct Held(pub(super) Py<RLock>);

impl Resource for Held {
    fn holder(&self) -> Option<Hold> {
        self.0.get().raw.hold()
    }

    fn lasting(&self) -> Option<Lasting<'_>> {
        Some(self.0.get().raw.lasting())
    }

    fn identity(&self) -> usize {
        self.0.as_ptr() as usize
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((self.identity(), self.0.get().made.key(None)))
    }

    fn describe(&self) -> Description {
        let lock = self.0.get();
        Python::attach(|py| {
            let name = strict::name_of(self.0.bind(py));
            describe_named(py, name, ("RLock", self.identity()), &lock.made, &lock.taken)
        })
    }
}

/// What `get_ident()` gives for the thread of this number; 0 if there is none.
fn ident_of(serial: u64) -> u64 {
    if serial == me() { lifecycle::ident() } else { crate::runtime().thread(serial).map_or(0, |thread| thread.ident()) }
}

#[pymethods]
impl RLock {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        RLock::make()
    }

    /// Whether somebody holds it.
    fn locked(&self) -> bool {
        self.is_held()
    }

    fn _is_owned(&self) -> bool {
        self.is_mine()
    }

    fn _recursion_count(&self) -> usize {
        self.raw.depth(me())
    }

    /// Releases it for good, however often it was taken; returns what `_acquire_restore` needs.
    fn _release_save(this: &Bound<'_, Self>) -> PyResult<(usize, u64)> {
        let depth = this.get().release_all().map_err(|_| RLock::not_held(this.clone().unbind()))?;
        order::parted(this.get());
        Ok((depth, lifecycle::ident()))
    }

    fn _acquire_restore(this: &Bound<'_, Self>, state: (usize, u64)) -> PyResult<()> {
        RLock::reacquire(this.clone().unbind(), this.py(), state.0)?;
        order::rejoined(this.as_unbound());
        Ok(())
    }

    fn _at_fork_reinit(&self) {
        self.reset();
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let (serial, depth) = this.get().raw.holder().unwrap_or((0, 0));
        let state = if serial == 0 { "unlocked" } else { "locked" };
        let owner = if serial == 0 { 0 } else { ident_of(serial) };
        let class = this.get_type();
        let class = format!("{}.{}", class.module()?, class.qualname()?);
        Ok(format!("<{state} {class} object owner={owner} count={depth} at {:p}>", this.as_ptr()))
    }
}

pub(super) unsafe extern "C" fn acquire(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of RLock, with its arguments.
    unsafe {
        if n == 0 && names.is_null() && receiver::<RLock>(this).try_acquire() {
            return truth(true);
        }
        guarded(move |py| {
            let limit = Limit::of_acquire(py, args, n, names)?;
            RLock::acquire(object(py, this), py, limit).map(truth)
        })
    }
}

unsafe extern "C" fn enter(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of RLock.
    unsafe {
        if receiver::<RLock>(this).try_acquire() {
            return truth(true);
        }
        guarded(move |py| RLock::acquire(object(py, this), py, Limit::Never).map(truth))
    }
}

pub(super) unsafe extern "C" fn release(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of RLock.
    match unsafe { receiver::<RLock>(this) }.raw.release(me()) {
        Ok(()) => none(),
        Err(_) => guarded(move |py| {
            // SAFETY: as above.
            Err(RLock::not_held(unsafe { object(py, this) }))
        }),
    }
}

unsafe extern "C" fn exit(this: *mut PyObject, _: *mut *mut PyObject, _: isize) -> *mut PyObject {
    // SAFETY: as in `release`, which does not look at its second argument.
    unsafe { release(this, std::ptr::null_mut()) }
}

const ACQUIRE: &std::ffi::CStr = c"acquire($self, /, blocking=True, timeout=-1)\n--\n\nTake the lock, once more if this thread has it; wait for it first if need be, at most `timeout` seconds. Whether it was taken.";

/// Before 3.14 `threading.RLock` is a function. It is one without a frame of its own, so that the place where a lock was
/// made is its caller's.
#[cfg(not(Py_3_14))]
#[pyfunction]
#[pyo3(name = "RLock", signature = (*args, **kwargs))]
fn make_rlock(py: Python<'_>, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<RLock> {
    if cfg!(Py_3_13) && !(args.is_empty() && kwargs.is_none_or(|kwargs| kwargs.is_empty())) {
        super::deprecated(py, c"Passing arguments to RLock is deprecated and will be removed in 3.15")?;
    }
    Ok(RLock::make())
}

impl Learned for RLock {
    const CALLS: Calls = Calls { acquire, release, enter, exit };
    const OWNED: bool = true;

    fn methods(calls: Calls) -> Vec<Method> {
        vec![
            Method::keywords(c"acquire", calls.acquire, ACQUIRE),
            Method::no_args(c"release", calls.release, c"release($self, /)\n--\n\nUndo one acquire of this thread."),
            Method::no_args(c"__enter__", calls.enter, c"__enter__($self, /)\n--\n\nTake the lock."),
            Method::fast(c"__exit__", calls.exit, c"__exit__($self, /, *exc_info)\n--\n\nRelease the lock."),
        ]
    }

    fn number(&self) -> u64 {
        self.raw.number()
    }

    fn number_so_far(&self) -> u64 {
        self.raw.number_so_far()
    }

    fn depth(&self, me: u64) -> usize {
        self.raw.depth(me)
    }

    fn token(&self, this: *mut PyObject) -> Token {
        order::token::<Self>(this)
    }
}

impl Single for RLock {
    const KIND: &'static str = "RLock";

    fn holder(&self) -> Option<u64> {
        self.raw.holder().map(|(serial, _)| serial)
    }

    fn made(&self) -> u64 {
        self.made.number()
    }

    fn taken(&self) -> u64 {
        self.taken.number()
    }

    fn name(this: Borrowed<'_, '_, Self>) -> Option<String> {
        strict::name_of(&this).map(str::to_owned)
    }
}

impl holdings::Held for RLock {
    const KIND: &'static str = "RLock";

    fn holders(&self, see: &mut dyn FnMut(u64)) {
        self.raw.holder().into_iter().for_each(|(serial, _)| see(serial));
    }

    fn made(&self) -> u64 {
        self.made.number()
    }

    fn taken_by(&self, py: Python<'_>, _: u64) -> Option<CodeSite> {
        self.taken.get(py)
    }

    fn name(&self) -> Option<&str> {
        strict::name_in(self)
    }
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    install::<RLock>(module.py(), RLock::methods(RLock::CALLS))?;
    #[cfg(not(Py_3_14))]
    {
        let function = wrap_pyfunction!(make_rlock, module)?;
        function.setattr("__module__", "threading")?;
        module.add("make_rlock", function)?;
    }
    module.add("RLock", module.py().get_type::<RLock>())
}
