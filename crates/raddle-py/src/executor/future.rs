//! The native half of a future: `class Future(_raddle.Fut, concurrent.futures.Future)`.
//!
//! Everything that CPython's future keeps in attributes is here, under the same names, so CPython's own methods work on
//! it, and so do programs that read `_state` or take `_condition`. What is expensive and rarely asked for is made when it
//! is asked for. The methods that matter have a short form, good as long as nobody has asked for `_condition`; from then on
//! (the state is *guarded*, see the engine's `executor/future.rs`) CPython's own method does it, under that condition.
//!
//! `cell` is locked for a few instructions, in which no code of the interpreter runs and no reference is given back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyBaseException, PyTimeoutError, PyTypeError, PyValueError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit, intern};
use raddle::executor::{Phase, RawFuture, Refused, Sleepers};
use raddle::graph::{Call, Description, Hold, Resource};

use super::collector::Collector;
use super::theirs::{base, call_back, cancelled_error, raise};
use super::unasked::Submission;
use super::work_queue::WorkQueue;
use super::{giving_way, me, unasked};
use crate::fastcall::{Method, guarded, install, object, receiver, truth};
use crate::limit::{Limit, one_argument};
use crate::sync::Condition;
use crate::{detach, naming};

/// What comes of a job.
#[pyclass(frozen, subclass, module = "raddle._raddle", name = "Fut")]
pub(crate) struct Future {
    pub(super) raw: RawFuture,
    cell: Mutex<Cell>,
}

#[derive(Default)]
struct Cell {
    result: Option<Py<PyAny>>,
    exception: Option<Py<PyAny>>,
    /// Where it waits for a worker.
    pool: Option<Py<WorkQueue>>,
    extras: Option<Box<Extras>>,
}

/// What few futures have.
#[derive(Default)]
struct Extras {
    condition: Option<Py<PyAny>>,
    waiters: Option<Py<PyAny>>,
    callbacks: Option<Py<PyAny>>,
    collectors: Vec<Py<Collector>>,
    /// Who submitted its job.
    submitted: Option<Box<Submission>>,
    /// What hears of it if nobody asks for its error, see `unasked.rs`.
    kept: Option<Py<PyAny>>,
    /// Nobody is to hear of that.
    forgiven: bool,
}

impl Cell {
    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    fn collectors(&mut self) -> Vec<Py<Collector>> {
        self.extras.as_mut().map(|extras| std::mem::take(&mut extras.collectors)).unwrap_or_default()
    }
}

impl Future {
    fn cell(&self) -> MutexGuard<'_, Cell> {
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A future of class `class`, which is a subclass of this one, that waits in the line of `pool`.
    pub(super) fn of(class: &Bound<'_, PyType>, pool: &Bound<'_, WorkQueue>) -> PyResult<Py<Future>> {
        static NO_ARGUMENTS: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
        let py = class.py();
        let none = NO_ARGUMENTS.get_or_init(py, || PyTuple::empty(py).unbind());
        // SAFETY: attached; `class` derives from Fut, which the caller checked, and has its `tp_new`, which takes the class,
        // a tuple and a dictionary or null and gives a new reference to an object of that class, or null.
        let future = unsafe {
            let new =
                (*class.as_type_ptr()).tp_new.ok_or_else(|| PyTypeError::new_err("the class makes no objects"))?;
            let object = new(class.as_type_ptr(), none.as_ptr(), std::ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked::<Future>()
        };
        let submitted = unasked::submission(py);
        let mut cell = future.get().cell();
        cell.pool = Some(pool.clone().unbind());
        if let Some(submitted) = submitted {
            cell.extras().submitted = Some(Box::new(submitted));
        }
        drop(cell);
        Ok(future.unbind())
    }

    /// The cell, in no completion: whoever finds the future unfinished in there is seen by its completion.
    fn quiet_cell(&self) -> MutexGuard<'_, Cell> {
        loop {
            let cell = self.cell();
            if self.raw.phase() != Phase::Finishing {
                return cell;
            }
            drop(cell);
            std::thread::yield_now();
        }
    }

    /// Whether `wait` and `as_completed` count it as done: a cancelled one only when its worker has met it.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.raw.phase(), Phase::Finished | Phase::Noticed)
    }

    /// Whether it ended with an exception.
    pub(super) fn has_failed(&self) -> bool {
        self.raw.phase() == Phase::Finished && self.cell().exception.is_some()
    }

    /// Has `collector` told when it settles; false if it has.
    pub(super) fn watch(&self, py: Python<'_>, collector: &Py<Collector>) -> bool {
        let collector = collector.clone_ref(py);
        let mut cell = self.quiet_cell();
        if self.is_settled() {
            drop(cell);
            return false;
        }
        cell.extras().collectors.push(collector);
        true
    }

    pub(super) fn unwatch(&self, collector: &Py<Collector>) {
        let mut cell = self.cell();
        let collectors = cell.extras.as_mut().map(|extras| &mut extras.collectors);
        let removed =
            collectors.and_then(|all| all.iter().position(|one| one.is(collector)).map(|at| all.swap_remove(at)));
        drop(cell);
        drop(removed);
    }

    /// A new reference to its value, if it has ended with one.
    #[inline]
    fn plain_result(&self) -> Option<*mut PyObject> {
        if self.raw.phase() != Phase::Finished {
            return None;
        }
        let cell = self.cell();
        let result = cell.result.as_ref().filter(|_| cell.exception.is_none())?;
        // SAFETY: an object that the cell holds on to; callers are attached.
        Some(unsafe { ffi::Py_NewRef(result.as_ptr()) })
    }

    /// Has somebody hear of its error if nobody asks for it. To be called before it has that error.
    fn keep(&self, py: Python<'_>, error: &Py<PyAny>) {
        let mut cell = self.cell();
        let submitted = cell.extras.as_mut().and_then(|extras| extras.submitted.take());
        drop(cell);
        let Some(kept) = unasked::keep(py, error, submitted.map(|submitted| *submitted)) else { return };
        let mut cell = self.cell();
        let extras = cell.extras();
        let unwanted = if extras.forgiven { Some(kept) } else { extras.kept.replace(kept) };
        drop(cell);
        unwanted.into_iter().for_each(|kept| unasked::take(py, kept));
    }

    /// Somebody asks for its error, or need not hear of it.
    fn give_kept(&self, py: Python<'_>) {
        let kept = self.cell().extras.as_mut().and_then(|extras| extras.kept.take());
        kept.into_iter().for_each(|kept| unasked::take(py, kept));
    }

    /// Nobody is to miss its error.
    pub(super) fn forgive(&self, py: Python<'_>) {
        self.cell().extras().forgiven = true;
        self.give_kept(py);
    }

    /// What there is to give, if it is over.
    fn outcome(&self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>> {
        match self.raw.phase() {
            Phase::Finished => {}
            Phase::Cancelled | Phase::Noticed => return Some(Err(cancelled_error(py))),
            _ => return None,
        }
        let cell = self.cell();
        let (result, exception) =
            (cell.result.as_ref().map(|it| it.clone_ref(py)), cell.exception.as_ref().map(|it| it.clone_ref(py)));
        drop(cell);
        match exception {
            Some(error)
                if error.bind(py).is_instance_of::<PyBaseException>() || error.is_truthy(py).unwrap_or(true) =>
            {
                self.give_kept(py);
                Some(Err(raise(py, error.bind(py))))
            }
            _ => Some(Ok(result.unwrap_or_else(|| py.None()))),
        }
    }

    /// Waits until it is over, at most so long; whether it is.
    fn wait(this: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let limit = Limit::of_wait(timeout)?;
        if limit == Limit::Now {
            return Ok(false);
        }
        let future = this.get();
        if this.py().detach(|| giving_way::until(|| future.raw.phase().is_over())) {
            return Ok(true);
        }
        let resource = Arc::new(Promise(this.clone().unbind()));
        detach::block(this.py(), resource, (Call::Result, limit), |blocked| this.get().raw.wait(blocked))
    }

    pub(super) fn result(this: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        let (py, future) = (this.py(), this.get());
        if let Some(outcome) = future.outcome(py) {
            return outcome;
        }
        Self::wait(this, timeout)?;
        future.outcome(py).unwrap_or_else(|| Err(PyTimeoutError::new_err(())))
    }

    /// Gives it its value, the short way if that can be done. `wake` wakes who sleeps for it, if nobody else has to be told:
    /// it may leave the interpreter, and others would hear of it later for that.
    pub(super) fn finish(
        this: &Bound<'_, Self>,
        outcome: Result<Py<PyAny>, Py<PyAny>>,
        wake: impl FnOnce(Sleepers),
    ) -> PyResult<()> {
        let (py, future) = (this.py(), this.get());
        if let Some(error) = outcome.as_ref().err().filter(|_| !future.raw.phase().is_over()) {
            future.keep(py, error);
        }
        let Ok(claim) = future.raw.claim() else { return Self::finish_the_long_way(this, outcome) };
        let failed = outcome.is_err();
        let mut cell = future.cell();
        let before = match outcome {
            Ok(result) => cell.result.replace(result),
            Err(exception) => cell.exception.replace(exception),
        };
        let collectors = cell.collectors();
        let callbacks =
            cell.extras.as_ref().and_then(|extras| extras.callbacks.as_ref()).map(|list| list.clone_ref(py));
        drop(cell);
        let sleepers = claim.settle();
        if collectors.is_empty() && callbacks.is_none() {
            wake(sleepers)
        } else {
            sleepers.wake()
        }
        drop(before);
        collectors.iter().for_each(|collector| collector.get().settled(py, this, failed));
        Self::tell(this, callbacks)
    }

    /// Guarded, or over already: CPython's method does it, or says why not.
    #[cold]
    fn finish_the_long_way(this: &Bound<'_, Self>, outcome: Result<Py<PyAny>, Py<PyAny>>) -> PyResult<()> {
        let (name, value) = match outcome {
            Ok(result) => ("set_result", result),
            Err(exception) => ("set_exception", exception),
        };
        let done = base(this.py())?.call_method1(name, (this, value)).map(drop);
        if done.is_err() {
            this.get().give_kept(this.py());
        }
        done
    }

    fn tell(this: &Bound<'_, Self>, callbacks: Option<Py<PyAny>>) -> PyResult<()> {
        match callbacks {
            None => Ok(()),
            Some(list) if list.bind(this.py()).cast::<PyList>().is_ok_and(|list| list.is_empty()) => Ok(()),
            Some(_) => this.call_method0(intern!(this.py(), "_invoke_callbacks")).map(drop),
        }
    }

    /// The calling thread is about to work on it: false if it was cancelled.
    pub(super) fn begin(this: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, future) = (this.py(), this.get());
        match future.raw.begin(me()) {
            Ok(true) => Ok(true),
            Ok(false) => {
                future.settle(py, this);
                Ok(false)
            }
            Err(_) => {
                let run = base(py)?.call_method1("set_running_or_notify_cancel", (this,))?.is_truthy()?;
                future.raw.runs_on(me());
                Ok(run)
            }
        }
    }

    /// Tells the collectors.
    fn settle(&self, py: Python<'_>, this: &Bound<'_, Self>) {
        let collectors = self.cell().collectors();
        let failed = self.has_failed();
        collectors.iter().for_each(|collector| collector.get().settled(py, this, failed));
    }

    fn lazy<'py>(
        &self,
        py: Python<'py>,
        place: impl Fn(&mut Extras) -> &mut Option<Py<PyAny>>,
        make: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        if let Some(made) = place(self.cell().extras()) {
            return Ok(made.clone_ref(py));
        }
        let fresh = make()?.unbind();
        let mut cell = self.cell();
        let kept = place(cell.extras()).get_or_insert_with(|| fresh.clone_ref(py)).clone_ref(py);
        drop(cell);
        Ok(kept)
    }

    fn put(&self, place: impl Fn(&mut Cell) -> &mut Option<Py<PyAny>>, value: Bound<'_, PyAny>) {
        let value = value.unbind();
        let before = place(&mut self.cell()).replace(value);
        drop(before);
    }
}

#[pymethods]
impl Future {
    #[new]
    fn new() -> Self {
        Future { raw: RawFuture::default(), cell: Mutex::default() }
    }

    fn __init__(&self) {}

    #[getter]
    fn _condition(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let condition = self.lazy(py, |extras| &mut extras.condition, || py.get_type::<Condition>().call0())?;
        self.raw.guard();
        Ok(condition)
    }

    #[setter(_condition)]
    fn set_condition(&self, condition: Bound<'_, PyAny>) {
        self.put(|cell| &mut cell.extras().condition, condition);
        self.raw.guard();
    }

    #[getter]
    fn _waiters(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self._condition(py)?;
        self.lazy(py, |extras| &mut extras.waiters, || Ok(PyList::empty(py).into_any()))
    }

    #[setter(_waiters)]
    fn set_waiters(&self, py: Python<'_>, waiters: Bound<'_, PyAny>) -> PyResult<()> {
        self._condition(py)?;
        self.put(|cell| &mut cell.extras().waiters, waiters);
        Ok(())
    }

    #[getter]
    fn _done_callbacks(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.lazy(py, |extras| &mut extras.callbacks, || Ok(PyList::empty(py).into_any()))
    }

    #[setter(_done_callbacks)]
    fn set_done_callbacks(&self, callbacks: Bound<'_, PyAny>) {
        self.put(|cell| &mut cell.extras().callbacks, callbacks);
    }

    #[getter]
    fn _result(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.cell().result.as_ref().map(|result| result.clone_ref(py))
    }

    #[setter(_result)]
    fn set_result_attribute(&self, result: Bound<'_, PyAny>) {
        self.put(|cell| &mut cell.result, result);
    }

    #[getter]
    fn _exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.give_kept(py);
        self.cell().exception.as_ref().map(|exception| exception.clone_ref(py))
    }

    #[setter(_exception)]
    fn set_exception_attribute(&self, exception: Option<Bound<'_, PyAny>>) {
        let exception = exception.map(Bound::unbind);
        let before = std::mem::replace(&mut self.cell().exception, exception);
        drop(before);
    }

    #[getter]
    fn _state<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        match self.raw.phase() {
            Phase::Pending => intern!(py, "PENDING"),
            Phase::Running | Phase::Finishing => intern!(py, "RUNNING"),
            Phase::Cancelled => intern!(py, "CANCELLED"),
            Phase::Noticed => intern!(py, "CANCELLED_AND_NOTIFIED"),
            Phase::Finished => intern!(py, "FINISHED"),
        }
    }

    #[setter(_state)]
    fn set_state(this: &Bound<'_, Self>, state: &str) -> PyResult<()> {
        let phase = match state {
            "PENDING" => Phase::Pending,
            "RUNNING" => Phase::Running,
            "CANCELLED" => Phase::Cancelled,
            "CANCELLED_AND_NOTIFIED" => Phase::Noticed,
            "FINISHED" => Phase::Finished,
            other => return Err(PyValueError::new_err(format!("{other:?} is no state of a future"))),
        };
        let future = this.get();
        future.raw.set_phase(phase);
        if future.is_settled() {
            future.settle(this.py(), this);
        }
        Ok(())
    }

    /// Cancel it, unless somebody has begun to work on it. Whether it is cancelled now.
    fn cancel(this: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, future) = (this.py(), this.get());
        match future.raw.cancel() {
            Ok(false) => Ok(true),
            Ok(true) => {
                let callbacks =
                    future.cell().extras.as_ref().and_then(|extras| Some(extras.callbacks.as_ref()?.clone_ref(py)));
                Self::tell(this, callbacks)?;
                Ok(true)
            }
            Err(Refused::Phase(_)) => Ok(false),
            Err(Refused::Guarded) => base(py)?.call_method1("cancel", (this,))?.is_truthy(),
        }
    }

    /// Whether it was cancelled.
    fn cancelled(&self) -> bool {
        self.raw.phase().is_cancelled()
    }

    /// Whether somebody works on it now.
    fn running(&self) -> bool {
        matches!(self.raw.phase(), Phase::Running | Phase::Finishing)
    }

    /// Wait until it is over, at most `timeout` seconds; the exception that it ended with, or None.
    #[pyo3(signature = (timeout=None))]
    fn exception(this: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Py<PyAny>>> {
        let (py, future) = (this.py(), this.get());
        if !future.raw.phase().is_over() {
            Self::wait(this, timeout)?;
        }
        match future.raw.phase() {
            Phase::Finished => Ok(future._exception(py)),
            Phase::Cancelled | Phase::Noticed => Err(cancelled_error(py)),
            _ => Err(PyTimeoutError::new_err(())),
        }
    }

    /// Have `fn` called with this future when it is over; at once if it is.
    #[pyo3(signature = (r#fn), text_signature = "($self, fn)")]
    fn add_done_callback(this: &Bound<'_, Self>, r#fn: Bound<'_, PyAny>) -> PyResult<()> {
        let (py, future) = (this.py(), this.get());
        let callbacks = future._done_callbacks(py)?;
        let cell = future.quiet_cell();
        let (over, guarded) = (future.raw.phase().is_over(), future.raw.is_guarded());
        let added = match callbacks.bind(py).cast::<PyList>() {
            // Looked and added in one: nothing in between, and nothing in `append`, lets another thread run.
            Ok(list) if !over && !guarded => Some(list.append(&r#fn)),
            _ => None,
        };
        drop(cell);
        match added {
            Some(added) => added,
            None if over => call_back(this, &r#fn),
            None => base(py)?.call_method1("add_done_callback", (this, r#fn)).map(drop),
        }
    }

    /// Say that the calling thread is about to work on it. False if it was cancelled.
    fn set_running_or_notify_cancel(this: &Bound<'_, Self>) -> PyResult<bool> {
        Self::begin(this)
    }

    /// Give it its value.
    fn set_result(this: &Bound<'_, Self>, result: Py<PyAny>) -> PyResult<()> {
        Self::finish(this, Ok(result), Sleepers::wake)
    }

    /// Give it the exception that it ends with.
    fn set_exception(this: &Bound<'_, Self>, exception: Bound<'_, PyAny>) -> PyResult<()> {
        match exception.is_none() {
            false => Self::finish(this, Err(exception.unbind()), Sleepers::wake),
            true => Self::finish(this, Ok(this.py().None()), Sleepers::wake),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(cell) = self.cell.try_lock() else { return Ok(()) };
        visit.call(&cell.result)?;
        visit.call(&cell.exception)?;
        visit.call(&cell.pool)?;
        if let Some(extras) = &cell.extras {
            visit.call(&extras.condition)?;
            visit.call(&extras.waiters)?;
            visit.call(&extras.callbacks)?;
            extras.collectors.iter().try_for_each(|collector| visit.call(collector))?;
            visit.call(&extras.kept)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let cell = std::mem::take(&mut *self.cell());
        drop(cell);
    }
}

/// A future as a thing to wait for.
#[derive(Debug)]
struct Promise(Py<Future>);

impl Resource for Promise {
    fn holder(&self) -> Option<Hold> {
        self.0.get().raw.runner()
    }

    fn helpers(&self, _: &dyn Fn(u64) -> bool) -> Vec<Vec<u64>> {
        self.0.get().in_line(WorkQueue::all_busy).flatten().into_iter().collect()
    }

    fn describe(&self) -> Description {
        Python::attach(|py| Description {
            kind: "Future".into(),
            name: naming::of(py, None, self.0.as_ptr() as usize, "Future"),
            ..Description::default()
        })
    }
}

impl Future {
    /// Asks the pool in whose line it stands; a worker has to come across it there also if it was cancelled.
    pub(super) fn in_line<R>(&self, ask: impl FnOnce(&WorkQueue) -> R) -> Option<R> {
        let waits = matches!(self.raw.phase(), Phase::Pending | Phase::Cancelled);
        let cell = self.cell();
        cell.pool.as_ref().filter(|_| waits).map(|pool| ask(pool.get()))
    }
}

unsafe extern "C" fn result(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Fut.
    if let Some(result) = unsafe { receiver::<Future>(this) }.plain_result().filter(|_| n == 0 && names.is_null()) {
        return result;
    }
    guarded(|py| {
        // SAFETY: called by the interpreter as a method of Fut, with its arguments.
        unsafe {
            let this = object::<Future>(py, this);
            let timeout = one_argument(py, ("Future.result", "timeout"), args, n, names)?.filter(|arg| !arg.is_none());
            Future::result(this.bind(py), timeout.as_ref()).map(Py::into_ptr)
        }
    })
}

unsafe extern "C" fn done(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Fut.
    truth(unsafe { receiver::<Future>(this) }.raw.phase().is_over())
}

const RESULT: &std::ffi::CStr =
    c"result($self, timeout=None)\n--\n\nWait until it is over, at most `timeout` seconds; its value. Raises what it failed with.";

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let methods = [
        Method::keywords(c"result", result, RESULT),
        Method::no_args(c"done", done, c"done($self)\n--\n\nWhether it is over: finished or cancelled."),
    ];
    install::<Future>(module.py(), methods)?;
    module.add_class::<Future>()
}
