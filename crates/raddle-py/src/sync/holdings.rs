//! Which locks a thread holds: the engine's list of those that were ever taken, and what is said of each.
//!
//! A lock enters the list with its first take, which has to note a new place anyway (see `SiteCell::note`): so neither making a
//! lock nor taking it again has to do with any of this. Its destructor strikes it out.
//!
//! A semaphore's permits are among them if they were taken by `with`, since all others have no holder.

use std::any::TypeId;
use std::sync::{Arc, LazyLock};

use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyTuple;
use pyo3::{PyClass, ffi};
use raddle::graph::holdings::{Holdable, Holding, Holdings};
use raddle::graph::learner::Described;
use raddle::graph::{Description, Site};
use raddle::thread::Thread;

use super::Sharing;
use super::rlock::RLock;
use crate::site::CodeSite;
use crate::{error, naming, runtime};

static HOLDINGS: LazyLock<Holdings<Sharing>> = LazyLock::new(|| {
    #[cfg(not(Py_GIL_DISABLED))]
    // SAFETY: whoever takes a lock, frees one or asks who holds what is attached, and holds the interpreter's lock by that.
    return unsafe { Holdings::serialized() };
    #[cfg(Py_GIL_DISABLED)]
    Holdings::default()
});

/// A class of things that threads hold.
pub(super) trait Held: PyClass<Frozen = True> + Sync {
    /// What a reader knows it as.
    const KIND: &'static str;
    /// How the engine's list asks.
    const HOLDABLE: &'static Holdable =
        &Holdable { of: TypeId::of::<Self>, holders: holders::<Self>, describe: describe::<Self> };

    /// Hands over each thread that holds it.
    fn holders(&self, see: &mut dyn FnMut(u64));
    /// Where it was made: the content of a [`SiteCell`](crate::site::SiteCell) of it.
    fn made(&self) -> u64;
    /// Where thread `serial`, which holds it, took it.
    fn taken_by(&self, py: Python<'_>, serial: u64) -> Option<CodeSite>;
    /// The name that it was given.
    fn name(&self) -> Option<&str>;
}

/// It is taken for the first time, or might be.
#[cold]
pub(super) fn enlist<H: Held>(thing: &H) {
    // SAFETY: it is an H, and each H's destructor strikes it out.
    unsafe { HOLDINGS.enlist(std::ptr::from_ref(thing).cast(), H::HOLDABLE) };
}

/// It is about to go.
pub(super) fn strike<H: Held>(thing: &H) {
    HOLDINGS.strike(std::ptr::from_ref(thing).cast(), H::HOLDABLE);
}

/// Whether a thread holds anything that is known. Attached, and nothing of Python runs in here.
pub(crate) fn holds_any(_: Python<'_>, thread: &Thread) -> bool {
    HOLDINGS.holds_any(thread.serial())
}

/// The object that a lock is the content of, for as long as that is alive.
pub(super) fn object_of<H>(thing: &H) -> *mut ffi::PyObject {
    // `check` has seen that it is so.
    std::ptr::from_ref(thing).wrapping_byte_sub(size_of::<ffi::PyObject>()).cast_mut().cast()
}

/// # Safety
/// `thing` must be a living H.
unsafe fn holders<H: Held>(thing: *const (), see: &mut dyn FnMut(u64)) {
    // SAFETY: this function's own condition.
    unsafe { &*thing.cast::<H>() }.holders(see);
}

/// # Safety
/// `thing` must be a living H, and the thread attached.
unsafe fn describe<H: Held>(thing: *const (), serial: u64) -> Arc<dyn Described> {
    // SAFETY: this function's own condition. The thing's cells keep alive what their contents speak of.
    let (thing, py) = unsafe { (&*thing.cast::<H>(), Python::assume_attached()) };
    Arc::new(Remains {
        kind: H::KIND,
        name: thing.name().map(str::to_owned),
        address: object_of(thing) as usize,
        made: CodeSite::of(py, thing.made()),
        taken: thing.taken_by(py, serial),
    })
}

/// What a reader may want to know, without a reference to the thing.
#[derive(Debug)]
struct Remains {
    kind: &'static str,
    name: Option<String>,
    address: usize,
    made: Option<CodeSite>,
    taken: Option<CodeSite>,
}

impl Described for Remains {
    fn describe(&self) -> Description {
        Python::attach(|py| Description {
            kind: self.kind.to_owned(),
            name: self.name.clone().unwrap_or_else(|| naming::of(py, self.made.as_ref(), self.address, self.kind)),
            made_at: self.made.as_ref().and_then(Site::place),
            taken_at: self.taken.as_ref().filter(|site| !site.is_thread_target(py)).and_then(Site::place),
        })
    }
}

/// Something that a thread held when it was looked at: "Lock", its name, and where the thread took it, as "app.py:9".
#[pyclass(frozen, get_all, module = "raddle")]
pub(crate) struct HeldLock {
    kind: String,
    name: String,
    taken_at: Option<String>,
    /// The thread that holds it: its serial, its name, and whether it has ended.
    holder: u64,
    holder_name: String,
    abandoned: bool,
    /// A number that no two living locks share.
    identity: usize,
}

#[pymethods]
impl HeldLock {
    fn __repr__(&self) -> String {
        let at = self.taken_at.as_ref().map(|at| format!(", taken at {at}")).unwrap_or_default();
        format!("<{} '{}'{at}>", self.kind, self.name)
    }
}

impl HeldLock {
    pub(crate) fn holder(&self) -> u64 {
        self.holder
    }
}

/// Who holds what, in the order of the names, as far as `of` is true of the holder's serial.
pub(crate) fn list(of: impl Fn(u64) -> bool) -> Vec<HeldLock> {
    let held = |holding: Holding| {
        let about = holding.thing.describe();
        let holder = runtime().holder(holding.holder, about.taken_at);
        HeldLock {
            kind: about.kind,
            name: about.name,
            taken_at: error::spot(&holder.taken_at),
            holder: holding.holder,
            holder_name: holder.thread.name,
            abandoned: holder.ended.is_some(),
            identity: holding.identity,
        }
    };
    let mut list: Vec<_> = HOLDINGS.list(of).into_iter().map(held).collect();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    list
}

/// What a thread holds, as a tuple.
pub(crate) fn of_thread(py: Python<'_>, serial: u64) -> PyResult<Py<PyTuple>> {
    Ok(PyTuple::new(py, list(|holder| holder == serial))?.unbind())
}

/// All locks that are held, also by threads that have ended.
#[pyfunction]
fn held_locks() -> Vec<HeldLock> {
    list(|_| true)
}

/// Whether a lock lies in its object where `object_of` looks for it.
fn check(py: Python<'_>) -> PyResult<()> {
    let lock = Py::new(py, RLock::make())?;
    match object_of(lock.get()) == lock.as_ptr() {
        true => Ok(()),
        false => {
            Err(PySystemError::new_err("raddle does not know where this interpreter's objects have their content"))
        }
    }
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    check(module.py())?;
    module.add_function(wrap_pyfunction!(held_locks, module)?)?;
    module.add_class::<HeldLock>()
}
