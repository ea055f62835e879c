//! `threading.Lock`.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use raddle::error::Misuse;
use raddle::graph::learner::Token;
use raddle::graph::verdict::Place;
use raddle::graph::{Call, Description, Hold, Lasting, Resource, Site};
use raddle::sync::{NotHeld, RawLock};

use super::holdings;
use super::order::{self, Calls, Learned, Single};
use super::{Sharing, me, unheld};
use crate::fastcall::{Method, guarded, install, none, object, receiver, truth};
use crate::limit::Limit;
use crate::site::{CodeSite, SiteCell};
use crate::{detach, error, naming};

/// A lock that one thread holds at a time, and that any thread may release.
#[pyclass(frozen, weakref, module = "_thread", name = "lock")]
pub(crate) struct Lock {
    /// Its tag is where the lock was made, a [`SiteCell`] as a number.
    raw: RawLock<Sharing>,
    taken: SiteCell,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.raw.retire();
        if !self.taken.is_empty() {
            holdings::strike(self);
        }
        drop(ManuallyDrop::into_inner(self.made_cell()));
    }
}

impl Lock {
    pub(crate) fn make() -> Self {
        Lock { raw: RawLock::tagged(SiteCell::here().into_number()), taken: SiteCell::default() }
    }

    /// Where it was made. The reference stays the lock's.
    fn made_cell(&self) -> ManuallyDrop<SiteCell> {
        // SAFETY: the tag is such a number since `make`, and only `drop` drops the cell.
        ManuallyDrop::new(unsafe { SiteCell::of_number(self.raw.tag()) })
    }

    #[inline]
    pub(crate) fn try_acquire(&self, by_with: bool) -> bool {
        let took = self.raw.try_acquire(me(), by_with);
        if took {
            self.taken.note(|| holdings::enlist(self));
        }
        took
    }

    pub(crate) fn acquire(this: Py<Self>, py: Python<'_>, by_with: bool, limit: Limit) -> PyResult<bool> {
        Self::acquire_in(this, py, (Call::Acquire, limit), by_with)
    }

    /// Takes the lock back at the end of a condition's wait.
    pub(super) fn reacquire(this: Py<Self>, py: Python<'_>) -> PyResult<()> {
        Self::acquire_in(this, py, (Call::Reacquire, Limit::Never), false).map(drop)
    }

    fn acquire_in(this: Py<Self>, py: Python<'_>, (call, limit): (Call, Limit), by_with: bool) -> PyResult<bool> {
        let lock = this.get();
        if lock.try_acquire(by_with) {
            return Ok(true);
        }
        if limit == Limit::Now {
            return Ok(false);
        }
        let resource = Arc::new(Held(this.clone_ref(py)));
        let took = detach::block(py, resource, (call, limit), |blocked| lock.raw.acquire(by_with, blocked))?;
        if took {
            lock.taken.note(|| holdings::enlist(lock));
        }
        Ok(took)
    }

    pub(super) fn is_held(&self) -> bool {
        self.raw.holder().is_some()
    }

    #[inline]
    pub(crate) fn release_plain(&self) -> Result<(), NotHeld> {
        self.raw.release()
    }

    #[cold]
    pub(crate) fn not_held(this: Py<Self>) -> PyErr {
        error::misuse("release unlocked lock", &Misuse::ReleasedUnheld(unheld(&Held(this))))
    }

    pub(super) fn hold(&self) -> Option<Hold> {
        self.raw.hold()
    }

    pub(super) fn taken(&self) -> &SiteCell {
        &self.taken
    }
}

/// A lock as a thing to wait for.
#[derive(Debug)]
struct Held(Py<Lock>);

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
        Some((self.identity(), self.0.get().raw.tag()))
    }

    fn describe(&self) -> Description {
        let lock = self.0.get();
        Python::attach(|py| describe(py, "Lock", self.identity(), &lock.made_cell(), &lock.taken))
    }
}

/// The description of an object of class `kind`.
pub(crate) fn describe(py: Python<'_>, kind: &str, address: usize, made: &SiteCell, taken: &SiteCell) -> Description {
    describe_named(py, None, (kind, address), made, taken)
}

/// The description of an object of a class that the package `raddle` has one over which takes a name.
pub(super) fn describe_object(object: &Bound<'_, PyAny>, kind: &str, made: &SiteCell, taken: &SiteCell) -> Description {
    let name = naming::given(object);
    describe_named(object.py(), name.as_deref(), (kind, object.as_ptr() as usize), made, taken)
}

/// The same for one that the program may have given a name.
pub(super) fn describe_named(
    py: Python<'_>,
    name: Option<&str>,
    (kind, address): (&str, usize),
    made: &SiteCell,
    taken: &SiteCell,
) -> Description {
    let made = made.get(py);
    Description {
        kind: kind.to_owned(),
        name: name.map_or_else(|| naming::of(py, made.as_ref(), address, kind), str::to_owned),
        made_at: made.as_ref().and_then(Site::place),
        taken_at: place_taken(py, taken),
    }
}

/// Where the thing was taken, if that is a place in the program.
pub(super) fn place_taken(py: Python<'_>, taken: &SiteCell) -> Option<Place> {
    taken.get(py).filter(|site| !site.is_thread_target(py)).as_ref().and_then(Site::place)
}

#[pymethods]
impl Lock {
    /// Before 3.13 the class cannot be called; `threading.Lock` is a function there.
    #[cfg(Py_3_13)]
    #[new]
    fn new() -> Self {
        Lock::make()
    }

    /// Whether somebody holds it.
    fn locked(&self) -> bool {
        self.is_held()
    }

    /// An obsolete synonym of `locked`.
    fn locked_lock(&self) -> bool {
        self.locked()
    }

    fn _at_fork_reinit(&self) {
        self.raw.reset();
    }

    fn __repr__(this: &Bound<'_, Self>) -> String {
        let state = if this.get().locked() { "locked" } else { "unlocked" };
        format!("<{state} _thread.lock object at {:p}>", this.as_ptr())
    }
}

pub(super) unsafe extern "C" fn acquire(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Lock, with its arguments.
    unsafe {
        if n == 0 && names.is_null() && receiver::<Lock>(this).try_acquire(false) {
            return truth(true);
        }
        if n == 1 && names.is_null() && *args == pyo3::ffi::Py_False() {
            return truth(receiver::<Lock>(this).try_acquire(false));
        }
        guarded(move |py| {
            let limit = Limit::of_acquire(py, args, n, names)?;
            Lock::acquire(object(py, this), py, false, limit).map(truth)
        })
    }
}

unsafe extern "C" fn enter(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Lock.
    unsafe {
        if receiver::<Lock>(this).try_acquire(true) {
            return truth(true);
        }
        guarded(move |py| Lock::acquire(object(py, this), py, true, Limit::Never).map(truth))
    }
}

pub(super) unsafe extern "C" fn release(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Lock.
    match unsafe { receiver::<Lock>(this) }.raw.release() {
        Ok(()) => none(),
        Err(_) => guarded(move |py| {
            // SAFETY: as above.
            Err(Lock::not_held(unsafe { object(py, this) }))
        }),
    }
}

unsafe extern "C" fn exit(this: *mut PyObject, _: *mut *mut PyObject, _: isize) -> *mut PyObject {
    // SAFETY: as in `release`, which does not look at its second argument.
    unsafe { release(this, std::ptr::null_mut()) }
}

const ACQUIRE: &std::ffi::CStr = c"acquire($self, /, blocking=True, timeout=-1)\n--\n\nTake the lock; wait for it first if need be, at most `timeout` seconds. Whether it was taken.";
const RELEASE: &std::ffi::CStr = c"release($self, /)\n--\n\nRelease the lock, whoever took it.";

/// A new lock. Called as it is pickled: by the name that `threading` has for it.
#[cfg(not(Py_3_13))]
#[pyfunction]
#[pyo3(name = "Lock")]
fn allocate_lock() -> Lock {
    Lock::make()
}

impl Learned for Lock {
    const CALLS: Calls = Calls { acquire, release, enter, exit };
    const OWNED: bool = false;

    fn methods(calls: Calls) -> Vec<Method> {
        vec![
            Method::keywords(c"acquire", calls.acquire, ACQUIRE),
            Method::keywords(c"acquire_lock", calls.acquire, ACQUIRE),
            Method::no_args(c"release", calls.release, RELEASE),
            Method::no_args(c"release_lock", calls.release, RELEASE),
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

impl Single for Lock {
    const KIND: &'static str = "Lock";

    fn holder(&self) -> Option<u64> {
        self.raw.holder()
    }

    fn made(&self) -> u64 {
        self.raw.tag()
    }

    fn taken(&self) -> u64 {
        self.taken.number()
    }
}

impl holdings::Held for Lock {
    const KIND: &'static str = "Lock";

    fn holders(&self, see: &mut dyn FnMut(u64)) {
        self.raw.holder().into_iter().for_each(see);
    }

    fn made(&self) -> u64 {
        self.raw.tag()
    }

    fn taken_by(&self, py: Python<'_>, _: u64) -> Option<CodeSite> {
        self.taken.get(py)
    }

    fn name(&self) -> Option<&str> {
        None
    }
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    install::<Lock>(py, Lock::methods(Lock::CALLS))?;
    module.add("LockType", py.get_type::<Lock>())?;
    #[cfg(not(Py_3_13))]
    module.add("Lock", wrap_pyfunction!(allocate_lock, module)?)?;
    #[cfg(Py_3_13)]
    module.add("Lock", py.get_type::<Lock>())?;
    Ok(())
}
