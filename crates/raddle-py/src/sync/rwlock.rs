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
use raddle::graph::{Call, Description, Hold, Resource};
use raddle::sync::{NotHeld, Policy, RawRwLock, Side};

use super::answers::{self, Holder, Timed, Waiter, Within};
use super::holdings;
use super::lock::{describe_named, place_taken};
use super::{Sharing, me, unheld};
use crate::fastcall::{Method, guarded, install, none, receiver, truth};
use crate::limit::{Limit, one_argument};
use crate::site::{CodeSite, SiteCell};
use crate::{detach, error, runtime};

/// What a lock and its sides share.
#[pyclass(frozen)]
struct Core {
    raw: RawRwLock<Sharing>,
    made: SiteCell,
    name: Option<String>,
    written: SiteCell,
    /// Where the last reader took it, and who that was; nobody, if a writer has taken it since.
    read: SiteCell,
    last_reader: AtomicU64,
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
/// >>> table = RWLock(name="table")
/// >>> with table.read():
/// ...     len(table.readers), table.holder
/// (1, None)
/// >>> with table.write(timeout=1.0):
/// ...     table.holder.name
/// 'MainThread'
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
        if !self.read.is_empty() || !self.written.is_empty() {
            holdings::strike(self);
        }
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
        let took = match side {
            Side::Read => self.raw.try_read(me),
            Side::Write => self.raw.try_write(me),
        };
        if took {
            self.note(side, me);
        }
        took
    }

    #[inline]
    fn note(&self, side: Side, me: u64) {
        match side {
            Side::Read => {
                self.read.note(|| holdings::enlist(self));
                self.last_reader.store(me, Ordering::Relaxed);
            }
            Side::Write => {
                self.written.note(|| holdings::enlist(self));
                self.last_reader.store(0, Ordering::Relaxed);
            }
        }
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
        let reads = self.last_reader.load(Ordering::Relaxed) == serial && self.raw.readers().contains(&serial);
        reads.then_some(&self.read)
    }

    #[inline]
    fn release(&self, side: Side) -> Result<(), NotHeld> {
        match side {
            Side::Read => self.raw.release_read(me()),
            Side::Write => self.raw.release_write(me()),
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
        if limit == Limit::Now {
            return Ok(false);
        }
        let resource = Arc::new(Core::asked(this, py, side));
        let took = detach::block(py, resource, (Call::Acquire, limit), |blocked| match side {
            Side::Read => core.raw.read(blocked),
            Side::Write => core.raw.write(blocked),
        })?;
        if took {
            core.note(side, me());
        }
        Ok(took)
    }

    #[cold]
    fn not_held(this: &Py<Self>, py: Python<'_>, side: Side) -> PyErr {
        let what = if side == Side::Read { "read" } else { "written" };
        let text = format!("cannot release a lock that is not {what} by this thread");
        error::misuse(&text, &Misuse::ReleasedUnheld(unheld(&Core::asked(this, py, Side::Write))))
    }
}

impl Timed for RWLockSide {
    fn enter(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        Core::acquire(&self.core, py, self.side, limit)
    }

    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        self.core.get().release(self.side).map_err(|_| Core::not_held(&self.core, py, self.side))
    }

    fn resource(&self, py: Python<'_>) -> Arc<dyn Resource> {
        Arc::new(Core::asked(&self.core, py, self.side))
    }
}

impl RWLockSide {
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
        let side = if self.side == Side::Read { "read" } else { "write" };
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
    let methods = [
        Method::keywords(c"acquire", acquire, ACQUIRE),
        Method::no_args(c"release", release, c"release($self, /)\n--\n\nUndo one take of this thread."),
        Method::no_args(c"__enter__", enter, c"__enter__($self, /)\n--\n\nTake this side."),
        Method::fast(c"__exit__", exit, c"__exit__($self, /, *exc_info)\n--\n\nRelease it."),
    ];
    install::<RWLockSide>(py, methods)?;
    module.add_class::<RWLock>()?;
    module.add_class::<RWLockSide>()
}
