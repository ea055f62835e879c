//! `block=True, timeout=None` of `put` and `get`, looked at when and in the order in which CPython's source does.

use pyo3::exceptions::PyValueError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use raddle::seam::Time;

use crate::limit::Limit;

/// How long a call may wait.
pub(super) struct Patience<'py> {
    pub(super) block: bool,
    timeout: Option<Bound<'py, PyAny>>,
    /// Known from the first wait on.
    limit: Option<Limit>,
}

impl<'py> Patience<'py> {
    /// As given by the caller.
    pub(super) fn of(block: Option<Bound<'py, PyAny>>, timeout: Option<Bound<'py, PyAny>>) -> PyResult<Self> {
        let block = block.map_or(Ok(true), |block| block.is_truthy())?;
        Ok(Patience { block, timeout: timeout.filter(|timeout| block && !timeout.is_none()), limit: None })
    }

    /// Waits for ever.
    pub(super) fn endless() -> Self {
        Patience { block: true, timeout: None, limit: None }
    }

    /// Does not wait.
    pub(super) fn none() -> Self {
        Patience { block: false, timeout: None, limit: None }
    }

    /// Finds fault with a time limit that CPython refuses before it looks whether it has to wait.
    pub(super) fn check(&self) -> PyResult<()> {
        let Some(timeout) = &self.timeout else { return Ok(()) };
        if Limit::usual(timeout).is_some() {
            return Ok(());
        }
        if timeout.lt(0)? {
            return Err(PyValueError::new_err("'timeout' must be a non-negative number"));
        }
        timeout.py().import("time")?.call_method0("monotonic")?.add(timeout).map(drop)
    }

    /// The limit, for a call that has to wait now; the clock runs from the first time on. `Now` if it has run out.
    pub(super) fn limit(&mut self) -> PyResult<Limit> {
        let limit = match self.limit {
            Some(limit) => limit,
            None => self.first_limit()?,
        };
        self.limit = Some(limit);
        Ok(match limit {
            Limit::Until(end) if end <= Time::now() => Limit::Now,
            limit => limit,
        })
    }

    fn first_limit(&self) -> PyResult<Limit> {
        if !self.block {
            return Ok(Limit::Now);
        }
        let limit = match self.timeout.as_ref().and_then(Limit::usual) {
            Some(seconds) => Limit::after(seconds),
            None => self.unusual_limit()?,
        };
        Ok(match limit {
            Limit::After(_) => limit.deadline().map_or(Limit::Never, Limit::Until),
            limit => limit,
        })
    }

    /// CPython adds the clock and takes it away again, and hands what is left to a condition: of that come the errors.
    fn unusual_limit(&self) -> PyResult<Limit> {
        let Some(timeout) = &self.timeout else { return Ok(Limit::Never) };
        let clock = timeout.py().import("time")?.getattr("monotonic")?;
        let left = clock.call0()?.add(timeout)?.sub(clock.call0()?)?;
        Limit::of_timed_wait(Some(&left))
    }
}

/// Whether the arguments of a `get` are such that nobody finds fault with them, so that an item that is there can be taken
/// without a further look; then also whether it may wait.
///
/// # Safety
/// `args`, `count` and `names` must be those of a call that is under way (vectorcall convention), the thread attached.
pub(super) unsafe fn harmless(args: *const *mut PyObject, count: isize, names: *mut PyObject) -> Option<bool> {
    // SAFETY: this function's own condition: as many references as said, and a tuple of names or null.
    unsafe {
        let named = if names.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(names) };
        match (count, named) {
            (0, 0) => Some(true),
            (1, 0) => truth_of(*args),
            (2, 0) if is_plain_limit(*args.add(1)) => truth_of(*args),
            (0, 1) => {
                let [block, timeout] = keywords(Python::assume_attached());
                let name = ffi::PyTuple_GET_ITEM(names, 0);
                match () {
                    () if name == block => truth_of(*args),
                    () if name == timeout && is_plain_limit(*args) => Some(true),
                    () => None,
                }
            }
            _ => None,
        }
    }
}

/// The two names as the interpreter passes them, which interns what stands in a program.
fn keywords(py: Python<'_>) -> [*mut PyObject; 2] {
    static NAMES: PyOnceLock<[Py<PyString>; 2]> = PyOnceLock::new();
    let names = NAMES.get_or_init(py, || ["block", "timeout"].map(|name| PyString::intern(py, name).unbind()));
    [names[0].as_ptr(), names[1].as_ptr()]
}

unsafe fn truth_of(block: *mut PyObject) -> Option<bool> {
    // SAFETY: both live as long as the interpreter; addresses are compared.
    unsafe {
        match () {
            () if block == ffi::Py_True() => Some(true),
            () if block == ffi::Py_False() => Some(false),
            () => None,
        }
    }
}

unsafe fn is_plain_limit(timeout: *mut PyObject) -> bool {
    // SAFETY: `harmless`'s own condition: a live object, whose exact class is looked at before it is read.
    unsafe {
        if ffi::PyFloat_CheckExact(timeout) != 0 {
            return (0.0..1e8).contains(&ffi::PyFloat_AS_DOUBLE(timeout));
        }
        let mut overflow = 0;
        timeout == ffi::Py_None()
            || ffi::PyLong_CheckExact(timeout) != 0
                && (0..100_000_000).contains(&ffi::PyLong_AsLongAndOverflow(timeout, &mut overflow))
    }
}
