//! `threading.Barrier`.

use std::sync::Arc;

use pyo3::exceptions::PyAttributeError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use raddle::error::Misuse;
use raddle::graph::{Call, Description};
use raddle::sync::{Arrival, Failure, RawBarrier};

use super::lock::describe_object;
use super::unowned::{Describe, Unowned};
use crate::fastcall::{Method, guarded, install, object};
use crate::limit::{Limit, one_argument};
use crate::site::SiteCell;
use crate::{detach, runtime};

/// A place where a fixed number of threads wait for each other.
#[pyclass(frozen, weakref, dict, subclass, module = "threading")]
pub(crate) struct Barrier {
    raw: RawBarrier,
    made: SiteCell,
    /// Empty until `__init__`.
    terms: PyOnceLock<Terms>,
}

struct Terms {
    /// As the program gave it.
    given: Py<PyAny>,
    /// How many must come: more than ever will, if what was given is not the number of any threads.
    parties: usize,
    action: Option<Py<PyAny>>,
    timeout: Option<Py<PyAny>>,
}

impl Describe for Barrier {
    fn key(&self) -> u64 {
        self.made.key(None)
    }

    fn describe(this: &Bound<'_, Self>) -> Description {
        describe_object(this, "Barrier", &this.get().made, &SiteCell::default())
    }
}

/// The standard library's error, which its own class raises without a text.
fn broken(this: &Py<Barrier>, py: Python<'_>) -> PyErr {
    static BROKEN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let object = Box::new(runtime().object(&Unowned(this.clone_ref(py))).0);
    let text = raddle_report::detail(&Misuse::Broken { object });
    match BROKEN.import(py, "threading", "BrokenBarrierError").and_then(|class| class.call1((text,))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

impl Barrier {
    fn terms(&self, py: Python<'_>) -> PyResult<&Terms> {
        self.terms.get(py).ok_or_else(|| PyAttributeError::new_err("Barrier.__init__() was not called"))
    }

    fn wait(this: Py<Self>, py: Python<'_>, timeout: Option<Bound<'_, PyAny>>) -> PyResult<usize> {
        let barrier = this.get();
        let terms = barrier.terms(py)?;
        let timeout = timeout.or_else(|| terms.timeout.as_ref().map(|timeout| timeout.bind(py).clone()));
        let arrival = barrier.raw.arrive(terms.parties, || raddle::thread::current(runtime()));
        let arrival = arrival.map_err(|_| broken(&this, py))?;
        if arrival.last {
            return barrier.open(py, &arrival).map(|()| arrival.index);
        }
        let limit = Limit::of_call(this.bind(py), timeout.as_ref(), Limit::of_timed_wait);
        let limit = limit.inspect_err(|_| barrier.raw.abort())?;
        let resource = Arc::new(Unowned(this.clone_ref(py)));
        let mut met = true;
        detach::block(py, resource, (Call::Wait, limit), |blocked| match barrier.raw.wait(&arrival, blocked) {
            Ok(()) => Ok(()),
            Err(Failure::Broken | Failure::TimedOut) => {
                met = false;
                Ok(())
            }
            Err(Failure::Halted(halt)) => Err(halt),
        })?;
        if met { Ok(arrival.index) } else { Err(broken(&this, py)) }
    }

    /// The last one to arrive runs the action and lets the others go.
    fn open(&self, py: Python<'_>, arrival: &Arrival) -> PyResult<()> {
        let acted = self.terms(py)?.action.as_ref().map_or(Ok(()), |action| action.call0(py).map(drop));
        match acted {
            Ok(()) => self.raw.open(arrival),
            Err(_) => self.raw.fail(arrival),
        }
        acted
    }
}

#[pymethods]
impl Barrier {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(parties, action=None, timeout=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Barrier { raw: RawBarrier::default(), made: SiteCell::here(), terms: PyOnceLock::new() }
    }

    #[pyo3(signature = (parties, action=None, timeout=None))]
    fn __init__(
        &self,
        py: Python<'_>,
        parties: &Bound<'_, PyAny>,
        action: Option<Py<PyAny>>,
        timeout: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        #[cfg(Py_3_13)]
        if parties.lt(1)? {
            return Err(pyo3::exceptions::PyValueError::new_err("parties must be > 0"));
        }
        let given = parties.clone().unbind();
        let parties = parties.extract::<usize>().ok().filter(|parties| *parties > 0).unwrap_or(usize::MAX);
        let _ = self.terms.set(py, Terms { given, parties, action, timeout });
        Ok(())
    }

    /// Make it a new barrier; threads that wait get a BrokenBarrierError.
    fn reset(&self) {
        self.raw.reset();
    }

    /// Break it: threads that wait, and those that come, get a BrokenBarrierError.
    fn abort(&self) {
        self.raw.abort();
    }

    /// The number of threads that meet.
    #[getter]
    fn parties<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.terms(py)?.given.bind(py).clone())
    }

    #[getter]
    fn _parties<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.parties(py)
    }

    /// The number of threads that wait now.
    #[getter]
    fn n_waiting(&self) -> usize {
        self.raw.waiting()
    }

    /// Whether it is broken.
    #[getter]
    fn broken(&self) -> bool {
        self.raw.is_broken()
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let (class, barrier) = (this.get_type(), this.get());
        let head = format!("<{}.{} at {:#x}", class.module()?, class.qualname()?, this.as_ptr() as usize);
        if barrier.broken() {
            return Ok(format!("{head}: broken>"));
        }
        Ok(format!("{head}: waiters={}/{}>", barrier.n_waiting(), barrier.parties(this.py())?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: the collector runs on an attached thread.
        let terms = self.terms.get(unsafe { Python::assume_attached() });
        terms.map_or(Ok(()), |terms| visit.call(&terms.action).and_then(|()| visit.call(&terms.timeout)))
    }
}

unsafe extern "C" fn wait(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    guarded(move |py| {
        // SAFETY: called by the interpreter as a method of Barrier, with its arguments.
        let (this, timeout) =
            unsafe { (object(py, this), one_argument(py, ("Barrier.wait", "timeout"), args, n, names)?) };
        let index = Barrier::wait(this, py, timeout.filter(|arg| !arg.is_none()))?;
        Ok(index.into_pyobject(py)?.into_any().into_ptr())
    })
}

const WAIT: &std::ffi::CStr = c"wait($self, /, timeout=None)\n--\n\nWait until all parties are here, at most `timeout` seconds; which of them this one is, from 0.";

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    install::<Barrier>(module.py(), [Method::keywords(c"wait", wait, WAIT)])?;
    module.add_class::<Barrier>()
}
