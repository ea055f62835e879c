//! What a lock of the package `raddle` answers when it is asked: who holds it, who waits for it, who was in the way of a
//! wait that came to its limit. The answers are plain data, true when they were given.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use raddle::error::Misuse;
use raddle::graph::Resource;
use raddle::graph::verdict::{self, Ending};
use raddle::sync::NotHeld;

use super::{me, unheld};
use crate::limit::Limit;
use crate::{error, runtime};

/// A thread that holds a lock: its name, its number, which is never used again, where it took the lock as `file:line`,
/// and, if it has ended without giving the lock back, of what it died ("" if it just returned).
#[pyclass(frozen, get_all, module = "raddle")]
pub(super) struct Holder {
    name: String,
    serial: u64,
    taken_at: Option<String>,
    death: Option<String>,
}

/// A thread that waits for a lock: its name, its number, which is never used again, where it waits as `file:line`, for how
/// many seconds so far.
#[pyclass(frozen, get_all, module = "raddle")]
pub(super) struct Waiter {
    name: String,
    serial: u64,
    waits_at: Option<String>,
    since: f64,
}

impl From<verdict::Holder> for Holder {
    fn from(holder: verdict::Holder) -> Self {
        let death = holder.ended.map(|ended| match ended {
            Ending::Finished => String::new(),
            Ending::Failed(text) | Ending::Stopped(text) => text,
        });
        let taken_at = error::spot(&holder.taken_at);
        Holder { name: holder.thread.name, serial: holder.thread.serial, taken_at, death }
    }
}

#[pymethods]
impl Holder {
    fn __repr__(&self) -> String {
        let at = self.taken_at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        let end = if self.death.is_some() { ", ended" } else { "" };
        format!("<'{}', thread {}, took it{at}{end}>", self.name, self.serial)
    }
}

#[pymethods]
impl Waiter {
    fn __repr__(&self) -> String {
        let at = self.waits_at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        format!("<'{}', thread {}, waits {:.1} s{at}>", self.name, self.serial, self.since)
    }
}

/// Who holds it.
pub(super) fn holder(resource: &dyn Resource) -> Option<Holder> {
    runtime().object(resource).0.holder.map(Holder::from)
}

/// Who waits for it, longest first.
pub(super) fn waiters(resource: &dyn Resource) -> Vec<Waiter> {
    let waiter = |wait: verdict::Wait| Waiter {
        name: wait.thread.name,
        serial: wait.thread.serial,
        waits_at: error::spot(&wait.at),
        since: wait.since.as_secs_f64(),
    };
    runtime().waiters(resource).into_iter().map(waiter).collect()
}

/// Makes the calling thread the holder in the place of one that has ended.
pub(super) fn recover(resource: &dyn Resource, take_over: impl Fn(u64, u64) -> Result<(), NotHeld>) -> PyResult<()> {
    let dead = resource.holder().map(|hold| hold.serial).filter(|serial| runtime().thread(*serial).is_none());
    match dead.map(|dead| take_over(dead, me())) {
        Some(Ok(())) => Ok(()),
        // Free, held by a living thread, or recovered by another one in between.
        _ => Err(not_abandoned(resource)),
    }
}

#[cold]
pub(super) fn not_abandoned(resource: &dyn Resource) -> PyErr {
    error::misuse("lock is not abandoned", &Misuse::NotAbandoned(unheld(resource)))
}

/// What a `with` block with a time limit is entered through.
pub(super) trait Timed: Send + Sync {
    /// Takes it: whether that was possible within the limit.
    fn enter(&self, py: Python<'_>, limit: Limit) -> PyResult<bool>;

    /// Gives it back.
    fn leave(&self, py: Python<'_>) -> PyResult<()>;

    /// What is waited for.
    fn resource(&self, py: Python<'_>) -> Arc<dyn Resource>;
}

/// A lock to be taken by `with` within a time limit.
#[pyclass(frozen, module = "raddle")]
pub(super) struct Within {
    what: Box<dyn Timed>,
    limit: Limit,
}

impl Within {
    /// # Errors
    /// If `timeout` is no number of seconds.
    pub(super) fn new(what: impl Timed + 'static, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Ok(Within { what: Box::new(what), limit: Limit::real(timeout)? })
    }
}

/// The error of a wait for `resource` that came to its limit.
#[cold]
pub(super) fn overdue(resource: &dyn Resource, limit: Limit) -> PyErr {
    let time = if let Limit::After(time) = limit { time } else { Duration::ZERO };
    PyTimeoutError::new_err(raddle_report::overdue(&runtime().object(resource).0, time))
}

#[pymethods]
impl Within {
    fn __enter__(&self, py: Python<'_>) -> PyResult<bool> {
        if self.what.enter(py, self.limit)? {
            return Ok(true);
        }
        Err(overdue(&*self.what.resource(py), self.limit))
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, py: Python<'_>, _exc_info: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.what.leave(py)
    }
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Holder>()?;
    module.add_class::<Waiter>()?;
    module.add_class::<Within>()
}
