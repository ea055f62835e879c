//! `raddle.CountDownLatch`.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use raddle::graph::{Call, Description};
use raddle::sync::RawLatch;

use super::Sharing;
use super::answers::{self, Waiter};
use super::lock::describe_named;
use super::unowned::{Describe, Unowned};
use crate::detach;
use crate::limit::Limit;
use crate::site::SiteCell;

/// A number that is counted down to 0, and threads that wait for that. It opens once, for good. `name` is what reports call
/// it.
///
/// >>> ready = CountDownLatch(2, name="ready")
/// >>> ready.count_down()
/// >>> ready.wait(timeout=0)
/// False
/// >>> ready.count_down()
/// >>> ready.wait()
/// True
#[pyclass(frozen, weakref, module = "raddle")]
pub(crate) struct CountDownLatch {
    raw: RawLatch<Sharing>,
    made: SiteCell,
    name: Option<String>,
}

impl Describe for CountDownLatch {
    fn key(&self) -> u64 {
        self.made.key(self.name.as_deref())
    }

    fn describe(this: &Bound<'_, Self>) -> Description {
        let (latch, nowhere) = (this.get(), SiteCell::default());
        let kind = ("CountDownLatch", this.as_ptr() as usize);
        describe_named(this.py(), latch.name.as_deref(), kind, &latch.made, &nowhere)
    }
}

#[pymethods]
impl CountDownLatch {
    #[new]
    #[pyo3(signature = (count, *, name=None))]
    fn new(count: i64, name: Option<String>) -> PyResult<Self> {
        let count =
            u64::try_from(count).map_err(|_| PyValueError::new_err(format!("count must be 0 or more, not {count}")))?;
        Ok(CountDownLatch { raw: RawLatch::shared(count), made: SiteCell::here(), name })
    }

    /// The name it was given.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What is left to count.
    #[getter]
    fn count(&self) -> u64 {
        self.raw.count()
    }

    /// The threads that wait for it, longest first.
    #[getter]
    fn waiters(this: &Bound<'_, Self>) -> Vec<Waiter> {
        answers::waiters(&Unowned(this.clone().unbind()))
    }

    /// Count down by `n`, to 0 at most. At 0 all who wait go on.
    #[pyo3(signature = (n=1))]
    fn count_down(&self, n: i64) -> PyResult<()> {
        let amount = u64::try_from(n).ok().filter(|amount| *amount > 0);
        let amount = amount.ok_or_else(|| PyValueError::new_err(format!("n must be one or more, not {n}")))?;
        self.raw.count_down(amount);
        Ok(())
    }

    /// Wait until 0 is reached, at most `timeout` seconds. Whether it was.
    #[pyo3(signature = (timeout=None))]
    fn wait(this: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let limit = Limit::real(timeout)?;
        let raw = &this.get().raw;
        if raw.is_open() || limit == Limit::Now {
            return Ok(raw.is_open());
        }
        let resource = Arc::new(Unowned(this.clone().unbind()));
        detach::block(this.py(), resource, (Call::Wait, limit), |blocked| raw.wait(blocked))
    }

    fn __repr__(this: &Bound<'_, Self>) -> String {
        let name = this.get().name().map(|name| format!(" '{name}'")).unwrap_or_default();
        format!("<raddle.CountDownLatch{name}, {} left, at {:p}>", this.get().count(), this.as_ptr())
    }
}
