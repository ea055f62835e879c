//! `raddle.RateLimiter`.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raddle::graph::{Call, Description};
use raddle::seam::Time;
use raddle::sync::RawRateLimiter;

use super::Sharing;
use super::answers::{self, Waiter};
use super::lock::describe_named;
use super::unowned::{Describe, Unowned};
use crate::detach;
use crate::limit::Limit;
use crate::site::SiteCell;

/// So many permits in a time: `rate` of them in `per` seconds, evenly, and up to `burst` at once after a pause. Threads are
/// served in the order in which they come. `name` is what reports call it.
///
/// >>> requests = RateLimiter(100, per=1.0, burst=2, name="requests")
/// >>> requests.acquire(), requests.acquire(), requests.acquire(blocking=False)
/// (True, True, False)
/// >>> with requests:  # 10 ms later
/// ...     requests.available
/// 0
#[pyclass(frozen, weakref, module = "raddle")]
pub(crate) struct RateLimiter {
    raw: RawRateLimiter<Sharing>,
    /// How many permits in how many seconds, how many at once.
    #[pyo3(get)]
    rate: f64,
    #[pyo3(get)]
    per: f64,
    #[pyo3(get)]
    burst: i64,
    made: SiteCell,
    name: Option<String>,
}

impl Describe for RateLimiter {
    fn key(&self) -> u64 {
        self.made.key(self.name.as_deref())
    }

    fn describe(this: &Bound<'_, Self>) -> Description {
        let (limiter, nowhere) = (this.get(), SiteCell::default());
        let kind = ("RateLimiter", this.as_ptr() as usize);
        describe_named(this.py(), limiter.name.as_deref(), kind, &limiter.made, &nowhere)
    }
}

#[pymethods]
impl RateLimiter {
    #[new]
    #[pyo3(signature = (rate, per=1.0, burst=1, *, name=None))]
    fn new(rate: f64, per: f64, burst: i64, name: Option<String>) -> PyResult<Self> {
        let raw = RawRateLimiter::shared(rate, per, burst);
        let raw = raw.map_err(|bad| PyValueError::new_err(format!("RateLimiter(): {bad}")))?;
        Ok(RateLimiter { raw, rate, per, burst, made: SiteCell::here(), name })
    }

    /// The name it was given.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How many permits could be taken now, if nobody stood in line.
    #[getter]
    fn available(&self) -> u64 {
        self.raw.available(Time::now())
    }

    /// The threads that wait for a permit, longest first.
    #[getter]
    fn waiters(this: &Bound<'_, Self>) -> Vec<Waiter> {
        answers::waiters(&Unowned(this.clone().unbind()))
    }

    /// Take a permit, and wait for it for at most `timeout` seconds. Whether it was taken.
    #[pyo3(signature = (blocking=true, timeout=None))]
    fn acquire(this: &Bound<'_, Self>, blocking: bool, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        if !blocking && timeout.is_some() {
            return Err(PyValueError::new_err("can't specify a timeout for a non-blocking call"));
        }
        let limit = if blocking { Limit::real(timeout)? } else { Limit::Now };
        let raw = &this.get().raw;
        if raw.try_take(Time::now()) {
            return Ok(true);
        }
        if limit == Limit::Now {
            return Ok(false);
        }
        let resource = Arc::new(Unowned(this.clone().unbind()));
        detach::block(this.py(), resource, (Call::Acquire, limit), |blocked| raw.take(blocked))
    }

    fn __enter__(this: &Bound<'_, Self>) -> PyResult<Py<Self>> {
        Self::acquire(this, true, None)?;
        Ok(this.clone().unbind())
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, _exc_info: &Bound<'_, PyTuple>) {}

    fn __repr__(this: &Bound<'_, Self>) -> String {
        let limiter = this.get();
        let name = limiter.name().map(|name| format!(" '{name}'")).unwrap_or_default();
        let (rate, per, available) = (limiter.rate, limiter.per, limiter.available());
        format!("<raddle.RateLimiter{name}, {rate} in {per} s, {available} now, at {:p}>", this.as_ptr())
    }
}
