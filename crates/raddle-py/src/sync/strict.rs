//! `raddle.Lock` and `raddle.RLock`: the drop-in's locks, which only their holder may release, and which answer.
//!
//! The lock is a class of its own over the same raw form, because the drop-in's may have no subclasses; the re-entrant one
//! is strict already, so `raddle.RLock` is a subclass that adds the answers. A hold of either is owned and strict: a wait
//! that can never end is an error, whether the holder waits or has ended.

use std::sync::Arc;

use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use raddle::error::Misuse;
use raddle::graph::learner::Token;
use raddle::graph::{Call, Description, Hold, Lasting, Resource};
use raddle::sync::{NotHeld, RawLock};

use super::answers::{self, Holder, Timed, Waiter, Within};
use super::holdings;
use super::lock::describe_named;
use super::order::{self, Calls, Learned, Single};
use super::rlock::{self, RLock};
use super::{Sharing, me, unheld};
use crate::fastcall::{Method, guarded, install, none, object, receiver, truth};
use crate::limit::Limit;
use crate::site::{CodeSite, SiteCell};
use crate::{detach, error};

/// A lock that one thread holds at a time, and that only this thread releases. `name` is what reports call it.
///
/// A wait without a limit that could never end is an error: DeadlockError if the holder waits for this thread (or is it),
/// LockAbandonedError if the holder has ended; `recover()` takes the lock over then.
///
/// >>> accounts = Lock(name="accounts")
/// >>> with accounts:
/// ...     accounts.holder.name
/// 'MainThread'
/// >>> with accounts.within(1.0):
/// ...     accounts.locked()
/// True
#[pyclass(frozen, weakref, module = "raddle", name = "Lock")]
pub(crate) struct StrictLock {
    /// First, so that its number is gone before the places are.
    raw: RawLock<Sharing>,
    taken: SiteCell,
    made: SiteCell,
    name: Option<String>,
}

impl Drop for StrictLock {
    fn drop(&mut self) {
        if !self.taken.is_empty() {
            holdings::strike(self);
        }
    }
}

impl holdings::Held for StrictLock {
    const KIND: &'static str = "Lock";

    fn holders(&self, see: &mut dyn FnMut(u64)) {
        self.raw.holder().into_iter().for_each(see);
    }

    fn made(&self) -> u64 {
        self.made.number()
    }

    fn taken_by(&self, py: Python<'_>, _: u64) -> Option<CodeSite> {
        self.taken.get(py)
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// A strict lock as a thing to wait for.
#[derive(Debug)]
struct Held(Py<StrictLock>);

impl Resource for Held {
    fn holder(&self) -> Option<Hold> {
        self.0.get().raw.hold().map(|hold| Hold { owned: true, strict: true, ..hold })
    }

    fn lasting(&self) -> Option<Lasting<'_>> {
        Some(self.0.get().raw.lasting())
    }

    fn identity(&self) -> usize {
        self.0.as_ptr() as usize
    }

    fn key(&self) -> Option<(usize, u64)> {
        let lock = self.0.get();
        Some((self.identity(), lock.made.key(lock.name.as_deref())))
    }

    fn describe(&self) -> Description {
        let lock = self.0.get();
        let name = lock.name.as_deref();
        Python::attach(|py| describe_named(py, name, ("Lock", self.identity()), &lock.made, &lock.taken))
    }
}

impl StrictLock {
    #[inline]
    fn try_acquire(&self) -> bool {
        let took = self.raw.try_acquire(me(), true);
        if took {
            self.taken.note(|| holdings::enlist(self));
        }
        took
    }

    fn acquire_in(this: &Py<Self>, py: Python<'_>, (call, limit): (Call, Limit)) -> PyResult<bool> {
        let lock = this.get();
        if lock.try_acquire() {
            return Ok(true);
        }
        if limit == Limit::Now {
            return Ok(false);
        }
        let resource = Arc::new(Held(this.clone_ref(py)));
        let took = detach::block(py, resource, (call, limit), |blocked| lock.raw.acquire(true, blocked))?;
        if took {
            lock.taken.note(|| holdings::enlist(lock));
        }
        Ok(took)
    }

    #[cold]
    fn not_held(this: Py<Self>) -> PyErr {
        error::misuse("cannot release un-acquired lock", &Misuse::ReleasedUnheld(unheld(&Held(this))))
    }

    fn release_mine(this: &Py<Self>, py: Python<'_>) -> PyResult<()> {
        this.get().raw.release_by(me()).map_err(|NotHeld| StrictLock::not_held(this.clone_ref(py)))
    }

    fn held(this: &Bound<'_, Self>) -> Held {
        Held(this.clone().unbind())
    }
}

impl Timed for Py<StrictLock> {
    fn enter(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        let took = StrictLock::acquire_in(self, py, (Call::Acquire, limit))?;
        if took {
            order::took(self.get(), self.get().token(self.as_ptr()), limit == Limit::Never);
        }
        Ok(took)
    }

    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        StrictLock::release_mine(self, py)?;
        order::gave(self.get());
        Ok(())
    }

    fn resource(&self, py: Python<'_>) -> Arc<dyn Resource> {
        Arc::new(Held(self.clone_ref(py)))
    }
}

#[pymethods]
impl StrictLock {
    #[new]
    #[pyo3(signature = (*, name=None))]
    fn new(name: Option<String>) -> Self {
        StrictLock { raw: RawLock::tagged(0), taken: SiteCell::default(), made: SiteCell::here(), name }
    }

    /// The name it was given.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether somebody holds it.
    fn locked(&self) -> bool {
        self.raw.holder().is_some()
    }

    /// The thread that holds it, or None.
    #[getter]
    fn holder(this: &Bound<'_, Self>) -> Option<Holder> {
        answers::holder(&StrictLock::held(this))
    }

    /// The threads that wait for it, longest first.
    #[getter]
    fn waiters(this: &Bound<'_, Self>) -> Vec<Waiter> {
        answers::waiters(&StrictLock::held(this))
    }

    /// The lock, to be taken by `with` within so many seconds; TimeoutError names who held it.
    fn within(this: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Within> {
        Within::new(this.clone().unbind(), timeout)
    }

    /// Take over the lock of a thread that has ended without releasing it: the calling thread holds it then, and may put
    /// in order what it protects before it releases it. RuntimeError if the holder lives, or nobody holds it.
    fn recover(this: &Bound<'_, Self>) -> PyResult<()> {
        let lock = this.get();
        answers::recover(&StrictLock::held(this), |from, to| lock.raw.take_over(from, to))?;
        lock.taken.note(|| holdings::enlist(lock));
        order::took(lock, lock.token(this.as_ptr()), false);
        Ok(())
    }

    // What a condition over this lock asks for.

    fn _is_owned(&self) -> bool {
        self.raw.holder() == Some(me())
    }

    fn _release_save(this: &Bound<'_, Self>) -> PyResult<()> {
        StrictLock::release_mine(this.as_unbound(), this.py())?;
        order::parted(this.get());
        Ok(())
    }

    /// Takes the lock back at the end of a condition's wait: not to be ended by anything but a signal's handler, whose
    /// error is kept until the lock is there.
    fn _acquire_restore(this: &Bound<'_, Self>, _state: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut interrupted = Ok(());
        while let Err(error) = StrictLock::acquire_in(this.as_unbound(), this.py(), (Call::Reacquire, Limit::Never)) {
            interrupted = Err(error);
        }
        order::rejoined(this.as_unbound());
        interrupted
    }

    fn _at_fork_reinit(&self) {
        self.raw.reset();
    }

    fn __repr__(this: &Bound<'_, Self>) -> String {
        let state = if this.get().locked() { "locked" } else { "unlocked" };
        let name = this.get().name().map(|name| format!(" '{name}'")).unwrap_or_default();
        format!("<{state} raddle.Lock{name} at {:p}>", this.as_ptr())
    }
}

/// A lock that its holder may take again, and that only this thread releases. `name` is what reports call it.
///
/// >>> ledger = RLock(name="ledger")
/// >>> with ledger, ledger.within(1.0):
/// ...     ledger.holder.name
/// 'MainThread'
#[pyclass(frozen, extends = RLock, subclass, module = "raddle", name = "RLock")]
pub(crate) struct StrictRLock {
    name: Option<String>,
}

impl Timed for Py<RLock> {
    fn enter(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        let took = RLock::acquire(self.clone_ref(py), py, limit)?;
        if took {
            order::took(self.get(), self.get().token(self.as_ptr()), limit == Limit::Never);
        }
        Ok(took)
    }

    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        self.get().release_mine().map_err(|NotHeld| RLock::not_held(self.clone_ref(py)))?;
        order::gave(self.get());
        Ok(())
    }

    fn resource(&self, py: Python<'_>) -> Arc<dyn Resource> {
        Arc::new(rlock::Held(self.clone_ref(py)))
    }
}

/// The name that a re-entrant lock was given.
pub(super) fn name_of<'a>(lock: &'a Bound<'_, RLock>) -> Option<&'a str> {
    lock.cast::<StrictRLock>().ok()?.get().name.as_deref()
}

/// The same, of one that may be on its way out.
pub(super) fn name_in(lock: &RLock) -> Option<&str> {
    // SAFETY: attached, as whoever reads a lock is; the object that the lock is the content of, which lives as long.
    let object = unsafe { Borrowed::from_ptr(Python::assume_attached(), holdings::object_of(lock)) };
    // SAFETY: `get` gives a reference into the object, which is good for as long as that to its other part.
    object.cast::<StrictRLock>().ok().and_then(|lock| unsafe { &*std::ptr::from_ref(lock.get()) }.name.as_deref())
}

#[pymethods]
impl StrictRLock {
    #[new]
    #[pyo3(signature = (*, name=None))]
    fn new(name: Option<String>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(RLock::make()).add_subclass(StrictRLock { name })
    }

    /// The name it was given.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The thread that holds it, or None.
    #[getter]
    fn holder(this: &Bound<'_, Self>) -> Option<Holder> {
        answers::holder(&StrictRLock::held(this))
    }

    /// The threads that wait for it, longest first.
    #[getter]
    fn waiters(this: &Bound<'_, Self>) -> Vec<Waiter> {
        answers::waiters(&StrictRLock::held(this))
    }

    /// The lock, to be taken by `with` within so many seconds; TimeoutError names who held it.
    fn within(this: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Within> {
        Within::new(this.as_super().clone().unbind(), timeout)
    }

    /// Take over the lock of a thread that has ended without releasing it: the calling thread holds it then, once, and may
    /// put in order what it protects before it releases it. RuntimeError if the holder lives, or nobody holds it.
    fn recover(this: &Bound<'_, Self>) -> PyResult<()> {
        let lock = this.as_super().get();
        answers::recover(&StrictRLock::held(this), |from, to| lock.take_over(from, to))?;
        order::took(lock, lock.token(this.as_ptr()), false);
        Ok(())
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let lock = this.as_super().get();
        let state = if lock.is_held() { "locked" } else { "unlocked" };
        let name = this.get().name().map(|name| format!(" '{name}'")).unwrap_or_default();
        Ok(format!("<{state} raddle.{}{name} at {:p}>", this.get_type().qualname()?, this.as_ptr()))
    }
}

impl StrictRLock {
    fn held(this: &Bound<'_, Self>) -> rlock::Held {
        rlock::Held(this.as_super().clone().unbind())
    }
}

unsafe extern "C" fn acquire(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of StrictLock, with its arguments.
    unsafe {
        if n == 0 && names.is_null() && receiver::<StrictLock>(this).try_acquire() {
            return truth(true);
        }
        guarded(move |py| {
            let limit = Limit::of_real_acquire(py, "Lock.acquire", args, n, names)?;
            StrictLock::acquire_in(&object(py, this), py, (Call::Acquire, limit)).map(truth)
        })
    }
}

unsafe extern "C" fn enter(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of StrictLock.
    unsafe {
        if receiver::<StrictLock>(this).try_acquire() {
            return truth(true);
        }
        guarded(move |py| StrictLock::acquire_in(&object(py, this), py, (Call::Acquire, Limit::Never)).map(truth))
    }
}

unsafe extern "C" fn release(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of StrictLock.
    match unsafe { receiver::<StrictLock>(this) }.raw.release_by(me()) {
        Ok(()) => none(),
        // SAFETY: as above.
        Err(NotHeld) => guarded(move |py| Err(StrictLock::not_held(unsafe { object(py, this) }))),
    }
}

unsafe extern "C" fn exit(this: *mut PyObject, _: *mut *mut PyObject, _: isize) -> *mut PyObject {
    // SAFETY: as in `release`, which does not look at its second argument.
    unsafe { release(this, std::ptr::null_mut()) }
}

/// As the drop-in's, but for the time limit.
unsafe extern "C" fn acquire_again(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of StrictRLock, which is an RLock, with its arguments.
    unsafe {
        if n == 0 && names.is_null() && receiver::<RLock>(this).try_acquire() {
            return truth(true);
        }
        guarded(move |py| {
            let limit = Limit::of_real_acquire(py, "RLock.acquire", args, n, names)?;
            RLock::acquire(object(py, this), py, limit).map(truth)
        })
    }
}

unsafe extern "C" fn learned_acquire_again(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of StrictRLock, which is an RLock, with its arguments.
    unsafe { order::acquire_by::<RLock>(acquire_again, (this, args, n, names)) }
}

/// `raddle.RLock.acquire`: the plain method, or the one that tells the learner of lock orders. All others are RLock's.
pub(super) fn acquire_again_method(learned: bool) -> Method {
    Method::keywords(c"acquire", if learned { learned_acquire_again } else { acquire_again }, ACQUIRE_AGAIN)
}

impl Learned for StrictLock {
    const CALLS: Calls = Calls { acquire, release, enter, exit };
    const OWNED: bool = true;

    fn methods(calls: Calls) -> Vec<Method> {
        vec![
            Method::keywords(c"acquire", calls.acquire, ACQUIRE),
            Method::no_args(c"release", calls.release, RELEASE),
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

    fn token(&self, this: *mut PyObject) -> Token {
        order::token::<Self>(this)
    }
}

impl Single for StrictLock {
    const KIND: &'static str = "Lock";

    fn holder(&self) -> Option<u64> {
        self.raw.holder()
    }

    fn made(&self) -> u64 {
        self.made.number()
    }

    fn taken(&self) -> u64 {
        self.taken.number()
    }

    fn name(this: Borrowed<'_, '_, Self>) -> Option<String> {
        this.get().name.clone()
    }
}

const RELEASE: &std::ffi::CStr = c"release($self, /)\n--\n\nRelease the lock, which this thread holds.";
const ACQUIRE: &std::ffi::CStr = c"acquire($self, /, blocking=True, timeout=None)\n--\n\nTake the lock; wait for it first if need be, at most `timeout` seconds. Whether it was taken.";
const ACQUIRE_AGAIN: &std::ffi::CStr = c"acquire($self, /, blocking=True, timeout=None)\n--\n\nTake the lock, once more if this thread has it; wait for it first if need be, at most `timeout` seconds. Whether it was taken.";

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    install::<StrictLock>(py, StrictLock::methods(StrictLock::CALLS))?;
    install::<StrictRLock>(py, [acquire_again_method(false)])?;
    module.add("StrictLock", py.get_type::<StrictLock>())?;
    module.add("StrictRLock", py.get_type::<StrictRLock>())
}
