//! A `ThreadPoolExecutor`'s line of jobs, and the loop of its workers.
//!
//! It is what the executor has as `_work_queue`, with the methods of CPython's there. A program that puts a queue of its own
//! in that place has an executor that works as CPython's.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit, intern};
use raddle::executor::{Closed, Next, RawPool};
use raddle::graph::{Call, Description, Hold, Resource};
use raddle::seam::Time;

use super::future::Future;
use super::me;
use crate::detach;
use crate::limit::Limit;

/// See the module.
#[pyclass(frozen, weakref, module = "raddle._raddle")]
pub(crate) struct WorkQueue {
    raw: RawPool<Job>,
    /// The class of the futures it gives.
    future: Py<PyType>,
}

/// Something to do.
pub(super) enum Job {
    Call(Py<Future>, Py<PyAny>, Py<PyTuple>, Option<Py<PyDict>>),
    /// An object with a method `run`, put by hand.
    Object(Py<PyAny>),
}

impl Job {
    /// Does it.
    ///
    /// # Errors
    /// Only what left a callback and is no `Exception`.
    fn run(self, py: Python<'_>) -> PyResult<()> {
        match self {
            Job::Object(object) => object.call_method0(py, intern!(py, "run")).map(drop),
            Job::Call(future, function, args, kwargs) => {
                let future = future.bind(py);
                if !Future::begin(future)? {
                    return Ok(());
                }
                let kwargs = kwargs.as_ref().map(|kwargs| kwargs.bind(py));
                let outcome = function.bind(py).call(args.bind(py), kwargs);
                Future::finish(future, outcome.map(Bound::unbind).map_err(|error| error.into_value(py).into_any()))
            }
        }
    }

    /// What CPython would have in its queue.
    fn into_item(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Job::Object(object) => Ok(object),
            Job::Call(future, r#fn, args, kwargs) => {
                let kwargs = kwargs.unwrap_or_else(|| PyDict::new(py).unbind());
                Py::new(py, WorkItem { future, r#fn, args, kwargs }).map(Py::into_any)
            }
        }
    }
}

/// A job that was taken out of the line by hand.
#[pyclass(frozen, get_all, module = "raddle._raddle")]
struct WorkItem {
    future: Py<Future>,
    r#fn: Py<PyAny>,
    args: Py<PyTuple>,
    kwargs: Py<PyDict>,
}

#[pymethods]
impl WorkItem {
    /// Does it.
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        let [future, function] = [self.future.clone_ref(py).into_any(), self.r#fn.clone_ref(py)];
        let future = future.into_bound(py).cast_into::<Future>()?.unbind();
        Job::Call(future, function, self.args.clone_ref(py), Some(self.kwargs.clone_ref(py))).run(py)
    }
}

impl WorkQueue {
    /// The threads of all workers, if each is busy and there will be no more of them.
    pub(super) fn all_busy(&self) -> Option<Vec<u64>> {
        self.raw.all_busy()
    }
}

#[pymethods]
impl WorkQueue {
    #[new]
    fn new(future: Py<PyType>) -> Self {
        WorkQueue { raw: RawPool::default(), future }
    }

    /// Puts a job in the line, for at most `most` workers; its future. `executor` is asked for another worker if one is
    /// wanted, and to say why not if no more jobs are taken.
    fn submit(
        this: &Bound<'_, Self>,
        executor: &Bound<'_, PyAny>,
        most: &Bound<'_, PyAny>,
        function: Py<PyAny>,
        args: Py<PyTuple>,
        kwargs: Option<Py<PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let py = this.py();
        let future = this.get().future.bind(py).call0()?.cast_into::<Future>()?;
        let _ = future.get().pool.set(py, this.clone().unbind());
        let kwargs = kwargs.filter(|kwargs| !kwargs.bind(py).is_empty());
        let job = Job::Call(future.clone().unbind(), function, args, kwargs);
        match this.get().raw.submit(job, count(most)?) {
            Ok(false) => {}
            Ok(true) => drop(executor.call_method0(intern!(py, "_adjust_thread_count"))?),
            Err(Closed(_)) => drop(executor.call_method0(intern!(py, "_raddle_refuse"))?),
        }
        Ok(future.into_any().unbind())
    }

    /// Adds a worker unless there are `most` or one has nothing to do: whether the caller has to start it.
    fn hire(&self, most: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.raw.hire(count(most)?))
    }

    /// Takes `hire` back.
    fn dismiss(&self) {
        self.raw.dismiss();
    }

    /// Takes no more jobs.
    fn close(&self) {
        self.raw.close();
    }

    /// How many workers there are.
    #[getter]
    fn workers(&self) -> usize {
        self.raw.workers()
    }

    /// How many of them could take another job at once.
    #[getter]
    fn free(&self) -> usize {
        self.raw.free()
    }

    /// Works as one of those who were hired, until `leave` says so.
    fn work(&self, py: Python<'_>, leave: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut worker = self.raw.work(me());
        let mut turn = Turn::default();
        loop {
            match worker.look() {
                Next::Job(job) => {
                    job.run(py)?;
                    turn.share(py);
                }
                Next::Nudged if leave.call0()?.is_truthy()? && worker.close() => return Ok(()),
                Next::Nudged => {}
                Next::Closed => return Ok(()),
                Next::Nothing => {
                    detach::block_at(py, Arc::new(Idle), (Call::Wait, Limit::Never), None, |b| worker.wait(b))?;
                    turn = Turn::default();
                }
            }
        }
    }

    /// Puts an object with a method `run` in the line; None has the workers look whether they shall leave.
    #[pyo3(signature = (item, block=true, timeout=None), text_signature = "($self, item, block=True, timeout=None)")]
    fn put(&self, item: Bound<'_, PyAny>, block: bool, timeout: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let _ = (block, timeout);
        if item.is_none() {
            self.raw.nudge();
            return Ok(());
        }
        if !item.hasattr(intern!(item.py(), "run"))? {
            return Err(PyTypeError::new_err("an executor's queue takes work items, or None"));
        }
        drop(self.raw.submit(Job::Object(item.unbind()), 0));
        Ok(())
    }

    /// Takes the first job out. It never blocks: there are workers for that.
    #[pyo3(signature = (block=true, timeout=None), text_signature = "($self, block=True, timeout=None)")]
    fn get(&self, py: Python<'_>, block: bool, timeout: Option<Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        let _ = (block, timeout);
        self.get_nowait(py)
    }

    /// Takes the first job out.
    fn get_nowait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        static EMPTY: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        match self.raw.take() {
            Some(job) => job.into_item(py),
            None => Err(PyErr::from_value(EMPTY.import(py, "_queue", "Empty")?.call0()?)),
        }
    }

    /// How many jobs wait.
    fn qsize(&self) -> usize {
        self.raw.len()
    }

    /// Whether none does.
    fn empty(&self) -> bool {
        self.raw.is_empty()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        self.raw.try_for_each(|job| match job {
            Job::Object(object) => visit.call(object),
            Job::Call(future, function, args, kwargs) => {
                visit.call(future)?;
                visit.call(function)?;
                visit.call(args)?;
                visit.call(kwargs)
            }
        })
    }
}

/// How many workers a `_max_workers` means, which a program may have made anything that compares with numbers.
fn count(most: &Bound<'_, PyAny>) -> PyResult<usize> {
    match most.extract::<usize>() {
        Ok(most) => Ok(most),
        Err(_) => Ok(most.extract::<f64>()?.ceil() as usize),
    }
}

/// Gives other threads the interpreter now and then while one job follows the other: a job that is written in C does not
/// come by the place where the interpreter looks whether somebody waits for it.
struct Turn {
    since: Time,
    /// Jobs until the next look at the clock, and from one look to the next.
    left: u32,
    stride: u32,
}

/// The interpreter's own switch interval, unless somebody changes it.
const TURN: Duration = Duration::from_millis(5);

impl Default for Turn {
    fn default() -> Self {
        Turn { since: Time::now(), left: 1, stride: 1 }
    }
}

impl Turn {
    #[inline]
    fn share(&mut self, py: Python<'_>) {
        self.left -= 1;
        if self.left == 0 {
            self.look(py);
        }
    }

    #[cold]
    fn look(&mut self, py: Python<'_>) {
        let spent = self.since.elapsed();
        if spent >= TURN {
            py.detach(|| {});
            self.since = Time::now();
            self.stride = (self.stride / 2).max(1);
        } else if spent < TURN / 4 {
            self.stride = (self.stride * 2).min(256);
        }
        self.left = self.stride;
    }
}

/// What a worker waits for that has nothing to do.
#[derive(Debug)]
struct Idle;

impl Resource for Idle {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn describe(&self) -> Description {
        Description { kind: "ThreadPoolExecutor".into(), name: "a job".into(), ..Description::default() }
    }
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<WorkItem>()?;
    module.add_class::<WorkQueue>()
}
