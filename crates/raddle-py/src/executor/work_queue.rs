//! A `ThreadPoolExecutor`'s line of jobs, and the loop of its workers.
//!
//! It is what the executor has as `_work_queue`, with the methods of CPython's there. A program that puts a queue of its own
//! in that place has an executor that works as CPython's.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit, intern};
use raddle::executor::{Closed, Next, RawPool, Sleepers};
use raddle::graph::{Call, Description, Hold, Resource};
use raddle::seam::Time;
use raddle::thread::Role;

use super::future::Future;
use super::me;
use crate::fastcall::{Method, guarded};
use crate::limit::Limit;
use crate::{detach, runtime};

/// See the module.
#[pyclass(frozen, weakref, module = "raddle._raddle")]
pub(crate) struct WorkQueue {
    raw: RawPool<Job>,
    /// The class of the futures it gives.
    future: Py<PyType>,
}

/// A function, its arguments and its keyword arguments.
type Called = (Py<PyAny>, Py<PyTuple>, Option<Py<PyDict>>);

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
    fn run(self, py: Python<'_>, wake: impl FnOnce(Sleepers)) -> PyResult<()> {
        match self {
            Job::Object(object) => object.call_method0(py, intern!(py, "run")).map(drop),
            Job::Call(future, function, args, kwargs) => {
                let future = future.bind(py);
                if !Future::begin(future)? {
                    return Ok(());
                }
                let kwargs = kwargs.as_ref().map(|kwargs| kwargs.bind(py));
                let outcome = function.bind(py).call(args.bind(py), kwargs);
                Future::finish(
                    future,
                    outcome.map(Bound::unbind).map_err(|error| error.into_value(py).into_any()),
                    wake,
                )
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
        Job::Call(future, function, self.args.clone_ref(py), Some(self.kwargs.clone_ref(py))).run(py, Sleepers::wake)
    }
}

impl WorkQueue {
    /// Puts a job in the line; its future.
    fn submit(
        this: &Bound<'_, Self>,
        executor: &Bound<'_, PyAny>,
        (function, args, kwargs): Called,
    ) -> PyResult<Py<Future>> {
        let (py, queue) = (this.py(), this.get());
        let most = count(&executor.getattr(intern!(py, "_max_workers"))?)?;
        let future = Future::of(queue.future.bind(py), this)?;
        let job = Job::Call(future.clone_ref(py), function, args, kwargs);
        match queue.raw.submit(job, most) {
            Ok(false) => {}
            Ok(true) => drop(executor.call_method0(intern!(py, "_adjust_thread_count"))?),
            Err(Closed(_)) => refuse(executor)?,
        }
        Ok(future)
    }

    /// Wakes who has slept for a job. If that was the last one, outside the interpreter: whoever wakes finds that free, where
    /// it would have to wait for a worker that has nothing to do in it.
    fn wake(&self, py: Python<'_>, sleepers: Sleepers) {
        if sleepers.is_empty() || !self.raw.is_empty() { sleepers.wake() } else { py.detach(|| sleepers.wake()) }
    }

    /// The threads of all workers, if each is busy and there will be no more of them.
    pub(super) fn all_busy(&self) -> Option<Vec<u64>> {
        self.raw.all_busy()
    }
}

#[pymethods]
impl WorkQueue {
    #[new]
    fn new(future: Bound<'_, PyType>) -> PyResult<Self> {
        if !future.is_subclass_of::<Future>()? {
            return Err(PyTypeError::new_err("a subclass of Fut is wanted"));
        }
        Ok(WorkQueue { raw: RawPool::default(), future: future.unbind() })
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
        raddle::thread::current(runtime()).set_role(Role::Pool);
        let mut worker = self.raw.work(me());
        let mut turn = Turn::default();
        loop {
            match worker.look() {
                Next::Job(job) => {
                    job.run(py, |sleepers| self.wake(py, sleepers))?;
                    turn.share(py);
                }
                Next::Nudged if leave.call0()?.is_truthy()? && worker.close() => return Ok(()),
                Next::Nudged => {}
                Next::Closed => return Ok(()),
                Next::Nothing => {
                    detach::block_at(py, Arc::new(Idle), (Call::Wait, Limit::Never), None, |blocked| {
                        // Its jobs are stopped, but the pool says when it goes: whoever submits one more waits for it.
                        blocked.is_no_stop_point();
                        worker.wait(blocked)
                    })?;
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

    /// Takes the jobs out that no worker was hired or woken for.
    fn take_rest(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        self.raw.take_rest().into_iter().map(|job| job.into_item(py)).collect()
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

/// Raises what CPython raises when no more jobs are taken.
#[cold]
fn refuse(executor: &Bound<'_, PyAny>) -> PyResult<()> {
    executor.call_method0(intern!(executor.py(), "_raddle_refuse")).map(drop)
}

/// Whether the executor, or the interpreter, takes no more jobs.
fn is_shut(executor: &Bound<'_, PyAny>) -> PyResult<bool> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let py = executor.py();
    let module = MODULE.get_or_try_init(py, || py.import("concurrent.futures.thread").map(Bound::unbind))?.bind(py);
    Ok(executor.getattr(intern!(py, "_broken"))?.is_truthy()?
        || executor.getattr(intern!(py, "_shutdown"))?.is_truthy()?
        || module.getattr(intern!(py, "_shutdown"))?.is_truthy()?)
}

/// `executor.submit(fn, /, *args, **kwargs)`, of any object that has the attributes of a `ThreadPoolExecutor`.
unsafe extern "C" fn submit(
    executor: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    guarded(|py| {
        // SAFETY: the interpreter passes a live receiver, and the arguments in the vectorcall convention.
        let (executor, arguments) = unsafe { (Borrowed::from_ptr(py, executor), Arguments::of(py, args, n, names)) };
        let queue = executor.getattr(intern!(py, "_work_queue"))?;
        let Ok(queue) = queue.cast_exact::<WorkQueue>() else {
            // SAFETY: as above.
            return unsafe { arguments.call_theirs(&executor) };
        };
        if is_shut(&executor)? {
            refuse(&executor)?;
        }
        WorkQueue::submit(queue, &executor, arguments.split()?).map(Py::into_ptr)
    })
}

/// The arguments of a raw method.
struct Arguments<'py> {
    py: Python<'py>,
    values: *const *mut PyObject,
    count: isize,
    names: *mut PyObject,
}

impl<'py> Arguments<'py> {
    /// # Safety
    /// They must be those of a call that is under way (vectorcall convention), and not be used after it.
    unsafe fn of(py: Python<'py>, values: *const *mut PyObject, count: isize, names: *mut PyObject) -> Self {
        Arguments { py, values, count, names }
    }

    fn at(&self, index: isize) -> Bound<'py, PyAny> {
        // SAFETY: this object's own condition: the interpreter passes `count` live references, and one more for each name.
        unsafe { Borrowed::from_ptr(self.py, *self.values.offset(index)).to_owned() }
    }

    /// The function, its arguments and its keyword arguments.
    fn split(&self) -> PyResult<Called> {
        if self.count == 0 {
            let text = "ThreadPoolExecutor.submit() missing 1 required positional argument: 'fn'";
            return Err(PyTypeError::new_err(text));
        }
        let args = PyTuple::new(self.py, (1..self.count).map(|index| self.at(index)).collect::<Vec<_>>())?;
        // SAFETY: null or a tuple of strings, alive through the call.
        let names = unsafe { Borrowed::from_ptr_or_opt(self.py, self.names) };
        let kwargs = names.map(|names| {
            let kwargs = PyDict::new(self.py);
            for (index, name) in names.cast::<PyTuple>()?.iter().enumerate() {
                kwargs.set_item(name, self.at(self.count + index as isize))?;
            }
            PyResult::Ok(kwargs.unbind())
        });
        Ok((self.at(0).unbind(), args.unbind(), kwargs.transpose()?))
    }

    /// CPython's own method.
    ///
    /// # Safety
    /// As [`of`](Arguments::of).
    #[cold]
    unsafe fn call_theirs(&self, executor: &Bound<'py, PyAny>) -> PyResult<*mut PyObject> {
        let method = executor.getattr(intern!(self.py, "_raddle_real_submit"))?;
        // SAFETY: the arguments of a call that is under way are passed on; a new reference or null comes back.
        unsafe {
            let future = ffi::PyObject_Vectorcall(method.as_ptr(), self.values, self.count as usize, self.names);
            Bound::from_owned_ptr_or_err(self.py, future).map(Bound::into_ptr)
        }
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

    fn can_be_left(&self) -> bool {
        false
    }

    fn describe(&self) -> Description {
        Description { kind: "ThreadPoolExecutor".into(), name: "a job".into(), ..Description::default() }
    }
}

const SUBMIT: &CStr =
    c"submit($self, fn, /, *args, **kwargs)\n--\n\nHave `fn(*args, **kwargs)` called by a worker; its future.";

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // The class that it becomes a method of is written in Python.
    let submit = Method::keywords(c"submit", submit, SUBMIT).of_any_class(module.py())?;
    module.add("submit", submit)?;
    module.add_class::<WorkItem>()?;
    module.add_class::<WorkQueue>()
}
