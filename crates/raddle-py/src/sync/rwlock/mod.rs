//! `raddle.RWLock`.
//!
//! `read()` and `write()` are called for every block, so they make nothing: they give out the same two [`RWLockSide`]s
//! each time. The sides and the lock share the [`Core`], and nothing points back, so there is no cycle to collect.

mod core;

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use raddle::graph::Resource;
use raddle::graph::learner::Token;
use raddle::sync::{NotHeld, Policy, Side};

use self::core::{Core, taken};
use super::answers::{self, Holder, Timed, Waiter, Within};
use super::order::{self, Calls, Learned};
use crate::fastcall::{Method, guarded, install, none, receiver, truth};
use crate::limit::{Limit, one_argument};
use crate::runtime;

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
        let core = Py::new(py, Core::new(policy, name))?;
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
        core.readers().into_iter().map(|reader| runtime().holder(reader, core.taken_at(py, reader)).into()).collect()
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
        let core = self.core.get();
        let mut dead = core.readers();
        dead.extend(core.raw.writer());
        dead.retain(|serial| runtime().thread(*serial).is_none());
        if dead.is_empty() {
            return Err(answers::not_abandoned(&Core::asked(&self.core, py, Side::Write)));
        }
        Ok(dead.into_iter().map(|serial| core.raw.recover(serial)).sum())
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
