//! Errors of jobs that nobody asks for. CPython's futures keep them to themselves; who wants to hear of them names a *keeper*
//! (`_errors.keep` in the Python package). It is called with each error before the future has it, and gives an object that
//! the future holds on to: its `take()` is called when somebody asks for the error, and if it is finalized before that,
//! nobody can ask any more.
//!
//! Without a keeper all of this is one load for each job that is submitted and one for each that fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyList;
use raddle::thread::Origin;

use super::future::Future;
use crate::carrier::Forever;
use crate::thread::{Link, link};
use crate::{runtime, site};

static WATCHED: AtomicBool = AtomicBool::new(false);

/// Taken by attached threads, for a few instructions that do not detach.
static KEEPER: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

/// Has `keeper(error, submitted)` called for each error that a job fails with; None: no more.
#[pyfunction]
fn watch_jobs(keeper: Option<Py<PyAny>>) {
    WATCHED.store(keeper.is_some(), Ordering::Relaxed);
    let before = std::mem::replace(&mut *KEEPER.lock().unwrap_or_else(PoisonError::into_inner), keeper);
    drop(before);
}

fn is_watched() -> bool {
    WATCHED.load(Ordering::Relaxed)
}

/// Who submitted a job, and where.
#[pyclass(frozen, module = "raddle._raddle")]
pub(crate) struct Submission(pub(crate) Origin);

#[pymethods]
impl Submission {
    /// Who submitted it where, who started that thread, and so on: names and places.
    #[getter]
    fn lineage(&self) -> Vec<Link> {
        self.0.lineage().map(link).collect()
    }
}

/// Who submits a job, and where, if somebody may want to know.
#[inline]
pub(super) fn submission(py: Python<'_>) -> Option<Submission> {
    is_watched().then(|| Submission(Origin::new(&raddle::thread::current(runtime()), site::of_user(py))))
}

/// What the keeper gives for an error. The future must not be claimed: whoever looks at a claimed one spins.
#[inline]
pub(super) fn keep(py: Python<'_>, error: &Py<PyAny>, submitted: Option<Submission>) -> Option<Py<PyAny>> {
    if is_watched() { call_keeper(py, error, submitted) } else { None }
}

#[cold]
fn call_keeper(py: Python<'_>, error: &Py<PyAny>, submitted: Option<Submission>) -> Option<Py<PyAny>> {
    let keeper = KEEPER.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|keeper| keeper.clone_ref(py))?;
    let guard = Forever;
    let kept = keeper.call1(py, (error, submitted));
    std::mem::forget(guard);
    kept.map_err(|error| error.write_unraisable(py, Some(keeper.bind(py)))).ok().filter(|kept| !kept.is_none(py))
}

/// Somebody asks for the error.
#[cold]
pub(super) fn take(py: Python<'_>, kept: Py<PyAny>) {
    if let Err(error) = kept.call_method0(py, "take") {
        error.write_unraisable(py, Some(kept.bind(py)));
    }
}

/// Nobody is to miss the errors of these futures: they belong to a call that has raised one of them, or was given up.
#[pyfunction]
fn forgive(futures: &Bound<'_, PyList>) {
    for future in futures.iter() {
        if let Ok(future) = future.cast::<Future>() {
            future.get().forgive(future.py());
        }
    }
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(watch_jobs, module)?)?;
    module.add_function(wrap_pyfunction!(forgive, module)?)?;
    module.add_class::<Submission>()
}
