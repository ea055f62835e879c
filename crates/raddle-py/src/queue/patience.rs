//! `block=True, timeout=None` of `put` and `get`, looked at when and in the order in which CPython's source does.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
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
