//! Waiting for several threads; see the engine's `thread/several.rs`.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use raddle::graph::{Call, Resource};
use raddle::thread::Rule;

use crate::detach;
use crate::limit::Limit;
use crate::thread::ThreadHandle;

/// Several threads as one thing to wait for. `handles` are those whose functions have not ended, with numbers.
#[pyclass(frozen, module = "raddle._raddle")]
struct Several(Arc<raddle::thread::Several>);

#[pymethods]
impl Several {
    #[new]
    fn new(rule: &str, handles: Vec<(usize, PyRef<'_, ThreadHandle>)>) -> PyResult<Self> {
        let rule = match rule {
            "FIRST_COMPLETED" => Rule::First,
            "FIRST_EXCEPTION" => Rule::FirstFailure,
            "ALL_COMPLETED" => Rule::All,
            _ => return Err(PyValueError::new_err("no such rule")),
        };
        let threads = handles.iter().map(|(number, handle)| (*number, Arc::clone(handle.thread())));
        Ok(Several(Arc::new(raddle::thread::Several::new(rule, threads))))
    }

    /// The function of thread `number` has ended, or never will begin.
    fn ended(&self, number: usize, failed: bool) {
        self.0.ended(number, failed);
    }

    /// One that has ended is dealt with.
    fn take(&self) -> bool {
        self.0.take()
    }

    /// Waits until the rule is met, at most `timeout` seconds; whether it is.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let limit = Limit::of_wait(timeout)?;
        if self.0.is_enough() || limit == Limit::Now {
            return Ok(self.0.is_enough());
        }
        let resource = Arc::clone(&self.0) as Arc<dyn Resource>;
        detach::block(py, resource, (Call::Join, limit), |blocked| self.0.wait(blocked))
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Several>()
}
