//! `threading.Semaphore` and `threading.BoundedSemaphore`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::PyTypeInfo;
use pyo3::exceptions::PyValueError;
use pyo3::ffi::PyObject;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyTuple};
use raddle::error::Misuse;
use raddle::graph::{Call, Description};
use raddle::sync::RawSemaphore;

use super::Sharing;
use super::lock::describe_object;
use super::unowned::{Describe, Unowned};
use crate::fastcall::{Method, guarded, install, is_plain, none, object, receiver, truth};
use crate::limit::{Limit, blocking_and_timeout, one_argument};
use crate::site::SiteCell;
use crate::{detach, error, runtime};

/// A number of permits that threads take and give back.
#[pyclass(frozen, weakref, dict, subclass, module = "threading")]
pub(crate) struct Semaphore {
    raw: RawSemaphore<Sharing>,
    /// The most permits there may be.
    bound: AtomicU64,
    made: SiteCell,
}

/// A semaphore that more is never given back to than was taken.
#[pyclass(frozen, extends = Semaphore, subclass, module = "threading")]
pub(crate) struct BoundedSemaphore;

impl Semaphore {
    fn make() -> Self {
        Semaphore { raw: RawSemaphore::shared(1), bound: AtomicU64::new(u64::MAX), made: SiteCell::here() }
    }

    fn start_with(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if value.lt(0)? {
            return Err(PyValueError::new_err("semaphore initial value must be >= 0"));
        }
        // CPython takes 2.0, too.
        let whole = if value.is_instance_of::<PyFloat>() { value.call_method0("__int__")? } else { value.clone() };
        self.raw.reset(permits(&whole)?);
        Ok(())
    }

    #[cold]
    fn acquire(this: Py<Self>, py: Python<'_>, blocking: bool, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        if !blocking && timeout.is_some() {
            return Err(PyValueError::new_err("can't specify timeout for non-blocking acquire"));
        }
        let semaphore = this.get();
        if semaphore.raw.try_acquire() {
            return Ok(true);
        }
        let limit = if blocking { Limit::of_call(this.bind(py), timeout, Limit::of_timed_wait)? } else { Limit::Now };
        if limit == Limit::Now {
            return Ok(false);
        }
        let resource = Arc::new(Unowned(this.clone_ref(py)));
        detach::block(py, resource, (Call::Acquire, limit), |blocked| semaphore.raw.acquire(blocked))
    }

    fn give(this: Py<Self>, amount: &Bound<'_, PyAny>) -> PyResult<()> {
        if amount.lt(1)? {
            return Err(PyValueError::new_err("n must be one or more"));
        }
        Self::give_back(this, permits(amount)?)
    }

    fn give_back(this: Py<Self>, amount: u64) -> PyResult<()> {
        let bound = this.get().bound.load(Ordering::Relaxed);
        this.get().raw.release_within(amount, bound).map_err(|_| {
            let object = Box::new(runtime().object(&Unowned(this)).0);
            let text = "Semaphore released too many times";
            PyValueError::new_err(error::explained(text, &Misuse::ReleasedTooOften { object, bound }))
        })
    }
}

/// The argument of the constructor, whose default is not None: that is refused.
enum FirstValue<'py> {
    One,
    Given(Bound<'py, PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for FirstValue<'py> {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(FirstValue::Given(value.to_owned()))
    }
}

/// A number of permits; one too large for any program counts as the largest there is.
fn permits(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let whole = value.py().import("operator")?.call_method1("index", (value,))?;
    Ok(whole.extract::<u64>().unwrap_or(RawSemaphore::MAX))
}

impl Describe for Semaphore {
    fn key(&self) -> u64 {
        self.made.key(None)
    }

    fn describe(this: &Bound<'_, Self>) -> Description {
        let kind = this.get_type().name().map_or_else(|_| "Semaphore".into(), |name| name.to_string());
        describe_object(this, &kind, &this.get().made, &SiteCell::default())
    }
}

#[pymethods]
impl Semaphore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(value=1)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Semaphore::make()
    }

    #[pyo3(signature = (value=FirstValue::One))]
    fn __init__(&self, value: FirstValue<'_>) -> PyResult<()> {
        match value {
            FirstValue::Given(value) => self.start_with(&value),
            FirstValue::One => {
                self.raw.reset(1);
                Ok(())
            }
        }
    }

    #[getter(_value)]
    fn value(&self) -> u64 {
        self.raw.value()
    }

    #[setter(_value)]
    fn set_value(&self, value: u64) {
        self.raw.reset(value);
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let class = this.get_type();
        let class = format!("{}.{}", class.module()?, class.qualname()?);
        let value = this.get().raw.value();
        Ok(match this.cast::<BoundedSemaphore>() {
            Ok(_) => {
                let bound = this.get().bound.load(Ordering::Relaxed);
                format!("<{class} at {:#x}: value={value}/{bound}>", this.as_ptr() as usize)
            }
            Err(_) => format!("<{class} at {:#x}: value={value}>", this.as_ptr() as usize),
        })
    }
}

#[pymethods]
impl BoundedSemaphore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(value=1)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Semaphore::make()).add_subclass(BoundedSemaphore)
    }

    #[pyo3(signature = (value=FirstValue::One))]
    fn __init__(this: &Bound<'_, Self>, value: FirstValue<'_>) -> PyResult<()> {
        let semaphore = this.as_super().get();
        semaphore.__init__(value)?;
        semaphore.bound.store(semaphore.raw.value(), Ordering::Relaxed);
        Ok(())
    }

    #[getter(_initial_value)]
    fn bound(this: &Bound<'_, Self>) -> u64 {
        this.as_super().get().bound.load(Ordering::Relaxed)
    }
}

unsafe extern "C" fn acquire(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Semaphore, with its arguments.
    unsafe {
        if names.is_null() && (n == 0 || n == 1 && *args == pyo3::ffi::Py_False()) {
            if receiver::<Semaphore>(this).raw.try_acquire() {
                return truth(true);
            }
            if n == 1 {
                return truth(false);
            }
        }
        guarded(move |py| {
            let [blocking, timeout] = blocking_and_timeout(py, "Semaphore.acquire", args, n, names)?;
            let blocking = blocking.map_or(Ok(true), |arg| arg.is_truthy())?;
            Semaphore::acquire(object(py, this), py, blocking, timeout.filter(|arg| !arg.is_none()).as_ref()).map(truth)
        })
    }
}

unsafe extern "C" fn release(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Semaphore, with its arguments.
    unsafe {
        let semaphore = receiver::<Semaphore>(this);
        if n == 0 && names.is_null() && semaphore.raw.release_within(1, semaphore.bound.load(Ordering::Relaxed)).is_ok()
        {
            return none();
        }
        guarded(move |py| {
            match one_argument(py, ("Semaphore.release", "n"), args, n, names)? {
                Some(amount) => Semaphore::give(object(py, this), &amount)?,
                None => Semaphore::give_back(object(py, this), 1)?,
            }
            Ok(none())
        })
    }
}

/// As CPython's: a `release` that a subclass or an instance has put in the place of this one is what is called.
unsafe extern "C" fn exit(this: *mut PyObject, _: *mut *mut PyObject, _: isize) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Semaphore; `release` is called as it would call it.
    unsafe {
        if is_plain::<Semaphore>(this) || is_plain::<BoundedSemaphore>(this) {
            return release(this, std::ptr::null(), 0, std::ptr::null_mut());
        }
        guarded(move |py| Borrowed::from_ptr(py, this).call_method0(intern!(py, "release")).map(|_| none()))
    }
}

const ACQUIRE: &std::ffi::CStr = c"acquire($self, /, blocking=True, timeout=None)\n--\n\nTake a permit; wait for one first if need be, at most `timeout` seconds. Whether one was taken.";
const RELEASE: &std::ffi::CStr = c"release($self, /, n=1)\n--\n\nGive `n` permits back.";

/// On each of the two classes, because CPython defines them there and programs patch them there.
fn install_on<T: PyTypeInfo>(py: Python<'_>) -> PyResult<()> {
    install::<T>(py, [Method::keywords(c"release", release, RELEASE)])
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let methods = [
        Method::keywords(c"acquire", acquire, ACQUIRE),
        Method::keywords(c"__enter__", acquire, ACQUIRE),
        Method::fast(c"__exit__", exit, c"__exit__($self, /, t, v, tb)\n--\n\nGive the permit back."),
    ];
    install::<Semaphore>(py, methods)?;
    install_on::<Semaphore>(py)?;
    install_on::<BoundedSemaphore>(py)?;
    module.add_class::<Semaphore>()?;
    module.add_class::<BoundedSemaphore>()
}
