//! `raddle.RWLock`.
//!
//! `read()` and `write()` are called for every block, so they make nothing: they give out the same two [`RWLockSide`]s
//! each time. The sides and the lock share the [`Core`], and nothing points back, so there is no cycle to collect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use raddle::error::Misuse;
use raddle::graph::learner::{Taken, Token};
use raddle::graph::{Call, Description, Hold, Lasting, Resource};
use raddle::sync::{NotHeld, Policy, RawRwLock, Side};

use super::answers::{self, Holder, Timed, Waiter, Within};
use super::holdings;
use super::lock::{describe_named, place_taken};
use super::order::{self, Calls, Learned, Remains};
use super::{Sharing, me, unheld};
use crate::fastcall::{Method, guarded, install, none, receiver, truth};
use crate::limit::{Limit, one_argument};
use crate::site::{CodeSite, SiteCell};
use crate::{detach, error, runtime};

/// What a lock and its sides share.
#[pyclass(frozen)]
struct Core {
    /// First, so that its number is gone before the places are.
    raw: RawRwLock<Sharing>,
    made: SiteCell,
    name: Option<String>,
    written: SiteCell,
    /// Where the last reader took it, and who that was; nobody, if a writer has taken it since.
    read: SiteCell,
    last_reader: AtomicU64,
    /// Where the one that may upgrade took it.
    upgradable: SiteCell,
}

/// A lock that several threads hold to read, or one to write.
///
/// `policy` says who goes first: "fair" (who comes while a writer waits stands in line behind it, so nobody waits for ever),
/// "read" (readers go in whenever nobody writes) or "write" (readers wait while any writer does). `name` is what reports
/// call the lock.
///
/// A thread that reads may read again, even if a writer waits. One that reads and wants to write, or writes and wants
/// anything more, would wait for itself: DeadlockError. If a thread ends while it holds the lock, whoever waits without a
/// limit gets a LockAbandonedError, until `recover()` is called.
///
/// Whoever reads first and writes what follows from that takes `upgradable()`, and `upgrade()` inside it: in between nobody
/// writes. Others read meanwhile, but one thread at a time has the right, so two of them never wait for each other.
///
/// >>> table = RWLock(name="table")
/// >>> with table.read():
/// ...     len(table.readers), table.holder
/// (1, None)
/// >>> with table.write(timeout=1.0):
/// ...     table.holder.name
/// 'MainThread'
/// >>> prices = {"tea": 3}
/// >>> with table.upgradable():
/// ...     if "milk" not in prices:
/// ...         with table.upgrade():
/// ...             prices["milk"] = 1
#[pyclass(frozen, weakref, module = "raddle")]
pub(crate) struct RWLock {
    core: Py<Core>,
    read: Py<RWLockSide>,
    write: Py<RWLockSide>,
}

/// One side of a lock for readers and writers: taken and released like a lock.
#[pyclass(frozen, module = "raddle")]
pub(crate) struct RWLockSide {
    core: Py<Core>,
    side: Side,
}

/// A side as a thing that thread `serial` waits for.
#[derive(Debug)]
struct Asked {
    core: Py<Core>,
    side: Side,
    serial: u64,
}

impl Asked {
    fn holds(&self) -> Vec<Hold> {
        self.core.get().raw.holds(self.serial, self.side)
    }
}

impl Resource for Asked {
    fn holder(&self) -> Option<Hold> {
        self.holds().into_iter().next()
    }

    fn other_holders(&self) -> Vec<Hold> {
        self.holds().into_iter().skip(1).collect()
    }

    fn lasting(&self) -> Option<Lasting<'_>> {
        Some(self.core.get().raw.lasting(self.side))
    }

    fn identity(&self) -> usize {
        self.core.as_ptr() as usize
    }

    fn describe(&self) -> Description {
        let core = self.core.get();
        let holder = self.holder().map(|hold| hold.serial);
        Python::attach(|py| {
            let name = core.name.as_deref();
            let nowhere = SiteCell::default();
            let mut about = describe_named(py, name, ("RWLock", self.identity()), &core.made, &nowhere);
            about.taken_at = match holder {
                Some(holder) => core.taken_at(py, holder),
                None if core.last_reader.load(Ordering::Relaxed) == 0 => place_taken(py, &core.written),
                None => place_taken(py, &core.read),
            };
            about
        })
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        holdings::strike(self);
    }
}

impl holdings::Held for Core {
    const KIND: &'static str = "RWLock";

    fn holders(&self, see: &mut dyn FnMut(u64)) {
        let mut readers = self.raw.readers();
        readers.sort_unstable();
        readers.dedup();
        self.raw.writer().into_iter().chain(readers).for_each(see);
    }

    fn made(&self) -> u64 {
        self.made.number()
    }

    fn taken_by(&self, py: Python<'_>, serial: u64) -> Option<CodeSite> {
        self.cell_of(serial).and_then(|cell| cell.get(py))
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Core {
    #[inline]
    fn try_acquire(&self, side: Side) -> bool {
        let me = me();
        match side {
            Side::Read => {
                let took = self.raw.try_read(me);
                if took {
                    self.note_read(me);
                }
                took
            }
            Side::Write => {
                let took = self.raw.try_write(me);
                if took {
                    self.note_write();
                }
                took
            }
            Side::Upgradable | Side::Upgrade => self.try_rare(side, me),
        }
    }

    /// Not where the two common sides are taken: they are the ones to be quick.
    #[cold]
    #[inline(never)]
    fn try_rare(&self, side: Side, me: u64) -> bool {
        let took = match side {
            Side::Upgrade => self.may_upgrade(me) && self.raw.try_upgrade(me),
            _ => self.raw.try_upgradable(me),
        };
        if took {
            self.note(side, me);
        }
        took
    }

    #[cold]
    #[inline(never)]
    fn release_rare(&self, side: Side, me: u64) -> Result<(), NotHeld> {
        if side == Side::Upgrade { self.raw.downgrade(me) } else { self.raw.release_upgradable(me) }
    }

    /// Whether `me` is inside `upgradable()`; it may have upgraded.
    fn may_upgrade(&self, me: u64) -> bool {
        self.raw.upgrader() == Some(me)
    }

    fn note(&self, side: Side, me: u64) {
        match side {
            Side::Read => self.note_read(me),
            Side::Write | Side::Upgrade => self.note_write(),
            Side::Upgradable => self.upgradable.note(|| holdings::enlist(self)),
        }
    }

    #[inline]
    fn note_read(&self, me: u64) {
        self.read.note(|| holdings::enlist(self));
        self.last_reader.store(me, Ordering::Relaxed);
    }

    #[inline]
    fn note_write(&self) {
        self.written.note(|| holdings::enlist(self));
        self.last_reader.store(0, Ordering::Relaxed);
    }

    /// Where thread `serial`, which holds it, took it, if that is known.
    fn taken_at(&self, py: Python<'_>, serial: u64) -> Option<raddle::graph::verdict::Place> {
        self.cell_of(serial).and_then(|cell| place_taken(py, cell))
    }

    /// Where that is noted.
    fn cell_of(&self, serial: u64) -> Option<&SiteCell> {
        if self.raw.writer() == Some(serial) {
            return Some(&self.written);
        }
        if self.raw.upgrader() == Some(serial) {
            return Some(&self.upgradable);
        }
        let reads = self.last_reader.load(Ordering::Relaxed) == serial && self.raw.readers().contains(&serial);
        reads.then_some(&self.read)
    }

    #[inline]
    fn release(&self, side: Side) -> Result<(), NotHeld> {
        match side {
            Side::Read => self.raw.release_read(me()),
            Side::Write => self.raw.release_write(me()),
            Side::Upgradable | Side::Upgrade => self.release_rare(side, me()),
        }
    }

    fn asked(this: &Py<Self>, py: Python<'_>, side: Side) -> Asked {
        Asked { core: this.clone_ref(py), side, serial: me() }
    }

    fn acquire(this: &Py<Self>, py: Python<'_>, side: Side, limit: Limit) -> PyResult<bool> {
        let core = this.get();
        if core.try_acquire(side) {
            return Ok(true);
        }
        if side == Side::Upgrade && !core.may_upgrade(me()) {
            let text = "cannot upgrade a lock that this thread did not take with upgradable()";
            return Err(error::misuse(text, &Misuse::ReleasedUnheld(unheld(&Core::asked(this, py, Side::Upgradable)))));
        }
        if limit == Limit::Now {
            return Ok(false);
        }
        let resource = Arc::new(Core::asked(this, py, side));
        let took = detach::block(py, resource, (Call::Acquire, limit), |blocked| match side {
            Side::Read => core.raw.read(blocked),
            Side::Write => core.raw.write(blocked),
            Side::Upgradable => core.raw.upgradable(blocked),
            Side::Upgrade => core.raw.upgrade(blocked),
        })?;
        if took {
            core.note(side, me());
        }
        Ok(took)
    }

    #[cold]
    fn not_held(this: &Py<Self>, py: Python<'_>, side: Side) -> PyErr {
        let what = match side {
            Side::Read => "is not read by this thread",
            Side::Write => "is not written by this thread",
            Side::Upgradable => "this thread did not take with upgradable(), or has upgraded",
            Side::Upgrade => "this thread has not upgraded",
        };
        let text = format!("cannot release a lock that {what}");
        error::misuse(&text, &Misuse::ReleasedUnheld(unheld(&Core::asked(this, py, Side::Write))))
    }
}

/// What is kept of a take, to read or to write: see [`Token`]. It leads to the core, since a side may be gone before that.
///
/// # Safety
/// `core` must be a living Core, and the thread attached.
unsafe fn taken<const READS: bool>(core: *const ()) -> Option<Taken> {
    let address = core.addr();
    // SAFETY: this function's own condition. The core's cells keep alive what their contents speak of.
    let (core, py) = unsafe { (receiver::<Core>(core.cast_mut().cast()), Python::assume_attached()) };
    let (me, last_reader) = (me(), core.last_reader.load(Ordering::Relaxed));
    let (is_held, site) = match READS {
        true => (core.raw.reads_of(me) > 0, if last_reader == me { core.read.number() } else { 0 }),
        false => (core.raw.writer() == Some(me), core.written.number()),
    };
    let made = CodeSite::of(py, core.made.number());
    let remains = || Remains { kind: "RWLock", name: core.name.clone(), address, made };
    is_held.then(|| remains().taken_at(py, site))
}

impl Learned for RWLockSide {
    const CALLS: Calls = Calls { acquire, release, enter, exit };
    const OWNED: bool = true;

    fn methods(calls: Calls) -> Vec<Method> {
        vec![
            Method::keywords(c"acquire", calls.acquire, ACQUIRE),
            Method::no_args(c"release", calls.release, c"release($self, /)\n--\n\nUndo one take of this thread."),
            Method::no_args(c"__enter__", calls.enter, c"__enter__($self, /)\n--\n\nTake this side."),
            Method::fast(c"__exit__", calls.exit, c"__exit__($self, /, *exc_info)\n--\n\nRelease it."),
        ]
    }

    fn number(&self) -> u64 {
        self.core.get().raw.number()
    }

    fn number_so_far(&self) -> u64 {
        self.core.get().raw.number_so_far()
    }

    fn depth(&self, me: u64) -> usize {
        if self.reads() { self.core.get().raw.reads_of(me) } else { 0 }
    }

    fn reads(&self) -> bool {
        self.side == Side::Read
    }

    fn token(&self, _: *mut PyObject) -> Token {
        let read = if self.reads() { taken::<true> } else { taken::<false> };
        Token { lock: self.core.as_ptr().cast_const().cast(), read }
    }
}

impl Timed for RWLockSide {
    fn enter(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        let took = Core::acquire(&self.core, py, self.side, limit)?;
        if took {
            order::took(self, self.token(std::ptr::null_mut()), limit == Limit::Never);
        }
        Ok(took)
    }

    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        self.core.get().release(self.side).map_err(|_| Core::not_held(&self.core, py, self.side))?;
        order::gave(self);
        Ok(())
    }

    fn resource(&self, py: Python<'_>) -> Arc<dyn Resource> {
        Arc::new(Core::asked(&self.core, py, self.side))
    }
}

impl RWLockSide {
    fn side_name(&self) -> &'static str {
        match self.side {
            Side::Read => "read",
            Side::Write => "write",
            Side::Upgradable => "upgradable",
            Side::Upgrade => "upgrade",
        }
    }

    fn again(&self, py: Python<'_>) -> RWLockSide {
        RWLockSide { core: self.core.clone_ref(py), side: self.side }
    }
}

#[pymethods]
impl RWLockSide {
    /// This side, to be taken by `with` within so many seconds; TimeoutError names who was in the way.
    fn within(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Within> {
        Within::new(self.again(py), timeout)
    }

    fn __repr__(&self) -> String {
        let side = self.side_name();
        format!("<{side} side of raddle.RWLock at {:p}>", self.core.as_ptr())
    }
}

#[pymethods]
impl RWLock {
    #[new]
    #[pyo3(signature = (policy="fair", *, name=None))]
    fn new(py: Python<'_>, policy: &str, name: Option<String>) -> PyResult<Self> {
        let policy = match policy {
            "fair" => Policy::Fair,
            "read" => Policy::Read,
            "write" => Policy::Write,
            other => {
                let text = format!("policy must be 'fair', 'read' or 'write', not {other:?}");
                return Err(PyValueError::new_err(text));
            }
        };
        let core = Core {
            raw: RawRwLock::shared(policy),
            made: SiteCell::here(),
            name,
            written: SiteCell::default(),
            read: SiteCell::default(),
            last_reader: AtomicU64::new(0),
            upgradable: SiteCell::default(),
        };
        let core = Py::new(py, core)?;
        let side = |side| Py::new(py, RWLockSide { core: core.clone_ref(py), side });
        Ok(RWLock { read: side(Side::Read)?, write: side(Side::Write)?, core })
    }

    /// The name it was given.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.core.get().name.as_deref()
    }

    /// Who goes first: "fair", "read" or "write".
    #[getter]
    fn policy(&self) -> &'static str {
        match self.core.get().raw.policy() {
            Policy::Fair => "fair",
            Policy::Read => "read",
            Policy::Write => "write",
        }
    }

    /// Whether anybody holds it, to read or to write.
    fn locked(&self) -> bool {
        self.core.get().raw.is_held()
    }

    /// The thread that writes, or None.
    #[getter]
    fn holder(&self, py: Python<'_>) -> Option<Holder> {
        let core = self.core.get();
        core.raw.writer().map(|writer| runtime().holder(writer, core.taken_at(py, writer)).into())
    }

    /// The threads that read.
    #[getter]
    fn readers(&self, py: Python<'_>) -> Vec<Holder> {
        let core = self.core.get();
        let mut readers = core.raw.readers();
        readers.sort_unstable();
        readers.dedup();
        readers.into_iter().map(|reader| runtime().holder(reader, core.taken_at(py, reader)).into()).collect()
    }

    /// The thread that may upgrade, or has; None if there is none.
    #[getter]
    fn upgrader(&self, py: Python<'_>) -> Option<Holder> {
        let core = self.core.get();
        core.raw.upgrader().map(|upgrader| runtime().holder(upgrader, core.taken_at(py, upgrader)).into())
    }

    /// The side that reads and may write what follows from that, for `with lock.upgradable():`. Others read meanwhile; one
    /// thread at a time may upgrade. With a timeout in seconds, TimeoutError names who was in the way.
    #[pyo3(signature = (timeout=None))]
    fn upgradable(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        self.side_within(py, Side::Upgradable, timeout)
    }

    /// The writing side for a thread that is inside `with lock.upgradable():`; after it, the thread reads on. It waits for the
    /// other readers, and goes before all writers that wait. With a timeout in seconds, TimeoutError names who was in the way.
    #[pyo3(signature = (timeout=None))]
    fn upgrade(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        self.side_within(py, Side::Upgrade, timeout)
    }

    /// The threads that wait for it, longest first.
    #[getter]
    fn waiters(&self, py: Python<'_>) -> Vec<Waiter> {
        answers::waiters(&Core::asked(&self.core, py, Side::Write))
    }

    /// End the holds of threads that have ended without giving the lock back; returns how many. Take the lock for writing
    /// next if what it protects may be half done.
    fn recover(&self, py: Python<'_>) -> PyResult<usize> {
        let raw = &self.core.get().raw;
        let mut dead: Vec<u64> = raw.readers().into_iter().chain(raw.writer()).collect();
        dead.sort_unstable();
        dead.dedup();
        dead.retain(|serial| runtime().thread(*serial).is_none());
        if dead.is_empty() {
            return Err(answers::not_abandoned(&Core::asked(&self.core, py, Side::Write)));
        }
        Ok(dead.into_iter().map(|serial| raw.recover(serial)).sum())
    }

    fn __repr__(&self) -> String {
        let raw = &self.core.get().raw;
        let state = match (raw.writer(), raw.readers().len()) {
            (Some(_), _) => "written".to_owned(),
            (None, 0) => "unlocked".to_owned(),
            (None, readers) => format!("read {readers} time{}", if readers == 1 { "" } else { "s" }),
        };
        let name = self.name().map(|name| format!(" '{name}'")).unwrap_or_default();
        format!("<raddle.RWLock{name}, {state}, at {:p}>", self.core.as_ptr())
    }
}

impl RWLock {
    fn side_within(&self, py: Python<'_>, side: Side, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        let side = RWLockSide { core: self.core.clone_ref(py), side };
        match timeout {
            None => Ok(Py::new(py, side)?.into_any()),
            timeout => Ok(Py::new(py, side.within(py, timeout)?)?.into_any()),
        }
    }
}

/// `lock.read(timeout=None)` and `lock.write(timeout=None)`.
unsafe fn side_of(
    method: &'static str,
    side: impl Fn(&RWLock) -> &Py<RWLockSide>,
    (this, args, n, names): (*mut PyObject, *const *mut PyObject, isize, *mut PyObject),
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of RWLock, with its arguments, by an attached thread. The lock lives as
    // long as the interpreter, for this call.
    unsafe {
        let side = side(receiver::<RWLock>(this));
        if n == 0 && names.is_null() {
            return pyo3::ffi::Py_NewRef(side.as_ptr());
        }
        guarded(move |py| {
            let timeout = one_argument(py, (method, "timeout"), args, n, names)?;
            match timeout.filter(|timeout| !timeout.is_none()) {
                None => Ok(side.clone_ref(py).into_ptr()),
                timeout => Ok(Py::new(py, side.get().within(py, timeout.as_ref())?)?.into_ptr()),
            }
        })
    }
}

unsafe extern "C" fn read(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: passed on as they came.
    unsafe { side_of("RWLock.read", |lock| &lock.read, (this, args, n, names)) }
}

unsafe extern "C" fn write(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: passed on as they came.
    unsafe { side_of("RWLock.write", |lock| &lock.write, (this, args, n, names)) }
}

unsafe extern "C" fn acquire(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of RWLockSide, with its arguments.
    unsafe {
        let side = receiver::<RWLockSide>(this);
        if n == 0 && names.is_null() && side.core.get().try_acquire(side.side) {
            return truth(true);
        }
        guarded(move |py| {
            let limit = Limit::of_real_acquire(py, "RWLockSide.acquire", args, n, names)?;
            Core::acquire(&side.core, py, side.side, limit).map(truth)
        })
    }
}

unsafe extern "C" fn enter(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of RWLockSide.
    let side = unsafe { receiver::<RWLockSide>(this) };
    if side.core.get().try_acquire(side.side) {
        return truth(true);
    }
    guarded(move |py| Core::acquire(&side.core, py, side.side, Limit::Never).map(truth))
}

unsafe extern "C" fn release(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of RWLockSide.
    let side = unsafe { receiver::<RWLockSide>(this) };
    match side.core.get().release(side.side) {
        Ok(()) => none(),
        Err(NotHeld) => guarded(move |py| Err(Core::not_held(&side.core, py, side.side))),
    }
}

unsafe extern "C" fn exit(this: *mut PyObject, _: *mut *mut PyObject, _: isize) -> *mut PyObject {
    // SAFETY: as in `release`, which does not look at its second argument.
    unsafe { release(this, std::ptr::null_mut()) }
}

const READ: &std::ffi::CStr = c"read($self, /, timeout=None)\n--\n\nThe reading side, for `with lock.read():`. With a timeout in seconds, TimeoutError names who was in the way.";
const WRITE: &std::ffi::CStr = c"write($self, /, timeout=None)\n--\n\nThe writing side, for `with lock.write():`. With a timeout in seconds, TimeoutError names who was in the way.";
const ACQUIRE: &std::ffi::CStr = c"acquire($self, /, blocking=True, timeout=None)\n--\n\nTake this side; wait for it first if need be, at most `timeout` seconds. Whether it was taken.";

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    install::<RWLock>(py, [Method::keywords(c"read", read, READ), Method::keywords(c"write", write, WRITE)])?;
    install::<RWLockSide>(py, RWLockSide::methods(RWLockSide::CALLS))?;
    module.add_class::<RWLock>()?;
    module.add_class::<RWLockSide>()
}
