//! `raddle.Semaphore`: permits that may know their holder.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};
use raddle::error::Misuse;
use raddle::graph::{Call, Description, Hold, Resource, Site};
use raddle::sync::RawPermits;

use super::answers::{self, Holder, Timed, Waiter, Within};
use super::holdings;
use super::lock::describe_named;
use super::{Sharing, me};
use crate::fastcall::{Method, guarded, install, none, object, truth};
use crate::limit::{Limit, arguments};
use crate::site::{CodeSite, SiteCell};
use crate::{detach, error, runtime};

/// A number of permits, one or more, that threads take and give back. `name` is what reports call it.
///
/// `with semaphore:` and `with semaphore.permit(n):` know who holds the permits, and only that thread ends the block. What
/// is taken by `acquire(n)` may be given back by any thread, but never more than was taken. `fair`: permits are given in the
/// order in which threads come; else one that comes at the right moment may be served before those who sleep.
///
/// >>> connections = Semaphore(2, name="connections")
/// >>> with connections.permit():
/// ...     connections.available, connections.holders[0].name
/// (1, 'MainThread')
/// >>> connections.resize(5)
/// >>> connections.available
/// 5
#[pyclass(frozen, weakref, subclass, module = "raddle", name = "Semaphore")]
pub(crate) struct Permits {
    raw: RawPermits<SiteCell, Sharing>,
    made: SiteCell,
    name: Option<String>,
}

/// So many permits of a semaphore, as a thing to wait for.
#[derive(Debug)]
struct Wanted {
    semaphore: Py<Permits>,
    amount: u64,
}

impl Resource for Wanted {
    fn holder(&self) -> Option<Hold> {
        self.semaphore.get().raw.hold_on(self.amount)
    }

    fn helpers(&self, _: &dyn Fn(u64) -> bool) -> Vec<Vec<u64>> {
        let in_the_way = self.semaphore.get().raw.in_the_way(self.amount);
        if in_the_way.is_empty() { Vec::new() } else { vec![in_the_way] }
    }

    fn identity(&self) -> usize {
        self.semaphore.as_ptr() as usize
    }

    fn key(&self) -> Option<(usize, u64)> {
        let semaphore = self.semaphore.get();
        Some((self.identity(), semaphore.made.key(semaphore.name.as_deref())))
    }

    fn describe(&self) -> Description {
        let semaphore = self.semaphore.get();
        let holder = self.holder().map(|hold| hold.serial);
        let nowhere = SiteCell::default();
        Python::attach(|py| {
            let name = semaphore.name.as_deref();
            let mut about = describe_named(py, name, ("Semaphore", self.identity()), &semaphore.made, &nowhere);
            let theirs = |(serial, site): (u64, Option<_>)| (Some(serial) == holder).then_some(site).flatten();
            about.taken_at = semaphore.sites(py).into_iter().find_map(theirs).as_ref().and_then(Site::place);
            about
        })
    }
}

/// A number of permits to take or to give.
fn amount(value: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
    let Some(value) = value else { return Ok(1) };
    if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
        let text = format!("n must be a whole number of permits, not {}", value.repr()?);
        return Err(PyTypeError::new_err(format!("{text}; acquire(blocking=False) does not block")));
    }
    if value.lt(1)? {
        return Err(PyValueError::new_err(format!("n must be one or more, not {value}")));
    }
    Ok(value.extract::<u64>().unwrap_or(u64::MAX).min(RawPermits::<SiteCell, Sharing>::MAX))
}

/// How many permits a semaphore is to have.
fn size(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    if !value.is_instance_of::<PyInt>() {
        return Err(PyTypeError::new_err(format!("permits must be a whole number, not {}", value.repr()?)));
    }
    if value.lt(1)? {
        return Err(PyValueError::new_err(format!(
            "a semaphore needs one permit or more, not {value}: nobody could get one \
             (to wait for something to happen, use raddle.Event or raddle.CountDownLatch)"
        )));
    }
    amount(Some(value))
}

impl Permits {
    fn sites(&self, py: Python<'_>) -> Vec<(u64, Option<CodeSite>)> {
        self.raw.holders(|held| (held.serial, held.place.get(py)))
    }

    fn wanted(this: &Py<Self>, py: Python<'_>, amount: u64) -> Wanted {
        Wanted { semaphore: this.clone_ref(py), amount }
    }

    /// # Errors
    /// If there will never be so many.
    fn check(&self, amount: u64) -> PyResult<()> {
        let permits = self.raw.permits();
        if amount <= permits {
            return Ok(());
        }
        let text = format!("{amount} permits can never be had of a semaphore that has {permits}; resize() it first");
        Err(PyValueError::new_err(text))
    }

    fn take(this: &Py<Self>, py: Python<'_>, amount: u64, limit: Limit) -> PyResult<bool> {
        let raw = &this.get().raw;
        if raw.try_take(amount) {
            return Ok(true);
        }
        this.get().check(amount)?;
        if limit == Limit::Now {
            return Ok(false);
        }
        let resource = Arc::new(Permits::wanted(this, py, amount));
        detach::block(py, resource, (Call::Acquire, limit), |blocked| raw.take(amount, blocked))
    }

    /// The same for a block, which only this thread ends.
    fn enter(this: &Py<Self>, py: Python<'_>, amount: u64, limit: Limit) -> PyResult<bool> {
        let took = Permits::take(this, py, amount, limit)?;
        if took && this.get().raw.hold(me(), amount, SiteCell::here()) {
            holdings::enlist(this.get());
        }
        Ok(took)
    }

    fn leave(this: &Py<Self>, py: Python<'_>, amount: u64) -> PyResult<()> {
        let gone = this.get().raw.let_go(me(), amount);
        gone.map(drop).map_err(|_| Permits::too_many(this, py))
    }

    #[cold]
    fn too_many(this: &Py<Self>, py: Python<'_>) -> PyErr {
        let bound = this.get().raw.permits();
        let object = Box::new(runtime().object(&Permits::wanted(this, py, bound)).0);
        let text = "Semaphore released too many times";
        PyValueError::new_err(error::explained(text, &Misuse::ReleasedTooOften { object, bound }))
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        holdings::strike(self);
    }
}

impl holdings::Held for Permits {
    const KIND: &'static str = "Semaphore";

    fn holders(&self, see: &mut dyn FnMut(u64)) {
        let mut holders = self.raw.holders(|held| held.serial);
        holders.sort_unstable();
        holders.dedup();
        holders.into_iter().for_each(see);
    }

    fn made(&self) -> u64 {
        self.made.number()
    }

    fn taken_by(&self, py: Python<'_>, serial: u64) -> Option<CodeSite> {
        self.sites(py).into_iter().find_map(|(holder, site)| (holder == serial).then_some(site).flatten())
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// What `permit(n)` gives out.
struct Permit {
    semaphore: Py<Permits>,
    amount: u64,
}

impl Timed for Permit {
    fn enter(&self, py: Python<'_>, limit: Limit) -> PyResult<bool> {
        Permits::enter(&self.semaphore, py, self.amount, limit)
    }

    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        Permits::leave(&self.semaphore, py, self.amount)
    }

    fn resource(&self, py: Python<'_>) -> Arc<dyn Resource> {
        Arc::new(Permits::wanted(&self.semaphore, py, self.amount))
    }
}

#[pymethods]
impl Permits {
    #[new]
    #[pyo3(signature = (permits, *, name=None, fair=false))]
    fn new(permits: &Bound<'_, PyAny>, name: Option<String>, fair: bool) -> PyResult<Self> {
        Ok(Permits { raw: RawPermits::shared(size(permits)?, fair), made: SiteCell::here(), name })
    }

    /// The name it was given.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How many permits there are, taken or not.
    #[getter]
    fn permits(&self) -> u64 {
        self.raw.permits()
    }

    /// How many permits could be taken now; never below 0.
    #[getter]
    fn available(&self) -> u64 {
        self.raw.available()
    }

    /// Who holds permits by `with`, in the order in which they were taken; a thread is named for each of its blocks.
    #[getter]
    fn holders(&self, py: Python<'_>) -> Vec<Holder> {
        let holder = |(serial, site): (u64, Option<CodeSite>)| {
            runtime().holder(serial, site.as_ref().and_then(Site::place)).into()
        };
        self.sites(py).into_iter().map(holder).collect()
    }

    /// The threads that wait for permits, longest first.
    #[getter]
    fn waiters(this: &Bound<'_, Self>) -> Vec<Waiter> {
        answers::waiters(&Permits::wanted(this.as_unbound(), this.py(), 1))
    }

    /// `n` permits, to be taken by `with` and given back at the end of the block by the same thread. With a timeout in
    /// seconds, TimeoutError says who was in the way.
    #[pyo3(signature = (n=None, *, timeout=None))]
    fn permit(
        this: &Bound<'_, Self>,
        n: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Within> {
        let amount = amount(n)?;
        this.get().check(amount)?;
        Within::new(Permit { semaphore: this.clone().unbind(), amount }, timeout)
    }

    /// One permit, to be taken by `with` within so many seconds.
    fn within(this: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Within> {
        Permits::permit(this, None, timeout)
    }

    /// Change the number of permits to `permits`. If more are out, none can be had until enough came back.
    fn resize(&self, permits: &Bound<'_, PyAny>) -> PyResult<()> {
        self.raw.resize(size(permits)?);
        Ok(())
    }

    /// Give back what threads held by `with` that have ended; returns how many permits.
    fn recover(&self) -> u64 {
        let mut holds = self.raw.holders(|held| (held.serial, held.amount));
        holds.retain(|(serial, _)| runtime().thread(*serial).is_none());
        holds.into_iter().map(|(serial, amount)| self.raw.let_go(serial, amount).map_or(0, |gone| gone.amount)).sum()
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let semaphore = this.get();
        let name = semaphore.name().map(|name| format!(" '{name}'")).unwrap_or_default();
        let (left, all) = (semaphore.available(), semaphore.permits());
        Ok(format!("<raddle.{}{name}, {left} of {all} available, at {:p}>", this.get_type().qualname()?, this.as_ptr()))
    }
}

unsafe extern "C" fn acquire(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Permits, with its arguments.
    unsafe {
        if n == 0 && names.is_null() && crate::fastcall::receiver::<Permits>(this).raw.try_take(1) {
            return truth(true);
        }
        guarded(move |py| {
            let given = arguments(py, "Semaphore.acquire", (args, n, names), ["n", "blocking", "timeout"])?;
            let [wanted, blocking, timeout] = given;
            let limit = Limit::of_real(blocking.as_ref(), timeout.as_ref())?;
            Permits::take(&object(py, this), py, amount(wanted.as_ref())?, limit).map(truth)
        })
    }
}

unsafe extern "C" fn release(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Permits, with its arguments.
    unsafe {
        if n == 0 && names.is_null() && crate::fastcall::receiver::<Permits>(this).raw.give(1).is_ok() {
            return none();
        }
        guarded(move |py| {
            let [given] = arguments(py, "Semaphore.release", (args, n, names), ["n"])?;
            let this: Py<Permits> = object(py, this);
            let given = this.get().raw.give(amount(given.as_ref())?);
            given.map(|()| none()).map_err(|_| Permits::too_many(&this, py))
        })
    }
}

unsafe extern "C" fn enter(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Permits.
    guarded(move |py| Permits::enter(&unsafe { object(py, this) }, py, 1, Limit::Never).map(truth))
}

unsafe extern "C" fn exit(this: *mut PyObject, _: *mut *mut PyObject, _: isize) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Permits.
    guarded(move |py| Permits::leave(&unsafe { object(py, this) }, py, 1).map(|()| none()))
}

const ACQUIRE: &std::ffi::CStr = c"acquire($self, /, n=1, blocking=True, timeout=None)\n--\n\nTake `n` permits; wait for them first if need be, at most `timeout` seconds. Whether they were taken. Any thread may give them back.";
const RELEASE: &std::ffi::CStr =
    c"release($self, /, n=1)\n--\n\nGive back `n` permits that were taken by `acquire`. ValueError if fewer are out.";

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let methods = [
        Method::keywords(c"acquire", acquire, ACQUIRE),
        Method::keywords(c"release", release, RELEASE),
        Method::no_args(c"__enter__", enter, c"__enter__($self, /)\n--\n\nTake a permit."),
        Method::fast(c"__exit__", exit, c"__exit__($self, /, *exc_info)\n--\n\nGive the permit back."),
    ];
    install::<Permits>(module.py(), methods)?;
    module.add("Permits", module.py().get_type::<Permits>())
}
