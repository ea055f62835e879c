//! `queue.LifoQueue`.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::compatible;
use super::fifo::Queue;
use super::order::Kind;

/// A queue that gives the latest item first.
#[pyclass(frozen, extends = Queue, subclass, module = "queue")]
pub(crate) struct LifoQueue;

#[pymethods]
impl LifoQueue {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(maxsize=0)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Queue::make(Kind::Lifo)).add_subclass(LifoQueue)
    }

    fn _init(this: &Bound<'_, Self>, _maxsize: &Bound<'_, PyAny>) -> PyResult<()> {
        this.setattr("queue", PyList::empty(this.py()))
    }

    fn _qsize(this: &Bound<'_, Self>) -> PyResult<usize> {
        compatible::qsize_point(this.as_super())
    }

    fn _put(this: &Bound<'_, Self>, item: &Bound<'_, PyAny>) -> PyResult<()> {
        this.getattr(intern!(this.py(), "queue"))?.call_method1(intern!(this.py(), "append"), (item,)).map(drop)
    }

    fn _get<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        this.getattr(intern!(this.py(), "queue"))?.call_method0(intern!(this.py(), "pop"))
    }
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LifoQueue>()
}
