//! Waiting for several futures: `wait`, `as_completed` and `map`.
//!
//! A collector is known to the futures that it waits for; each takes itself out, and into `settled`, when it settles. It
//! does not keep futures that were handed out.

use std::collections::{HashMap, VecDeque};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyList, PySet};
use pyo3::{PyTraverseError, PyVisit, intern};
use raddle::graph::{Call, Description, Hold, Resource};
use raddle::sync::RawEvent;

use super::future::Future;
use super::work_queue::WorkQueue;
use crate::detach;
use crate::limit::Limit;

/// When a collector has what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// One has settled.
    Any,
    /// One has failed, or all have settled.
    Failure,
    /// All have settled.
    All,
}

/// See the module.
#[pyclass(frozen, module = "raddle._raddle")]
pub(crate) struct Collector {
    rule: Rule,
    event: RawEvent,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    /// By their addresses.
    pending: HashMap<usize, Py<Future>>,
    settled: VecDeque<Py<Future>>,
}

impl Collector {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A collector for `futures`; `None` if one of them is not ours.
    fn over(py: Python<'_>, futures: &Bound<'_, PySet>, rule: Rule) -> PyResult<Option<Py<Collector>>> {
        if !futures.iter().all(|future| future.cast::<Future>().is_ok()) {
            return Ok(None);
        }
        let this = Py::new(py, Collector { rule, event: RawEvent::default(), inbox: Mutex::default() })?;
        let collector = this.get();
        for future in futures.iter() {
            let future = future.cast_into::<Future>()?;
            let key = future.as_ptr() as usize;
            if future.get().is_settled() {
                collector.inbox().settled.push_back(future.unbind());
                continue;
            }
            collector.inbox().pending.insert(key, future.clone().unbind());
            if !future.get().watch(py, &this) {
                collector.settled(py, &future, future.get().has_failed());
            }
        }
        Ok(Some(this))
    }

    /// One of the futures has settled.
    pub(super) fn settled(&self, _: Python<'_>, future: &Bound<'_, Future>, failed: bool) {
        let mut inbox = self.inbox();
        let Some(future) = inbox.pending.remove(&(future.as_ptr() as usize)) else { return };
        inbox.settled.push_back(future);
        let enough = match self.rule {
            Rule::Any => true,
            Rule::Failure => failed || inbox.pending.is_empty(),
            Rule::All => inbox.pending.is_empty(),
        };
        drop(inbox);
        if enough {
            self.event.set();
        }
    }

    fn block(this: &Py<Self>, py: Python<'_>, limit: Limit) -> PyResult<()> {
        if limit != Limit::Now {
            let resource = Arc::new(Several(this.clone_ref(py)));
            detach::block(py, resource, (Call::Wait, limit), |blocked| this.get().event.wait(blocked))?;
        }
        Ok(())
    }

    /// Does not wait any more.
    fn close(this: &Py<Self>) {
        let pending = std::mem::take(&mut this.get().inbox().pending);
        pending.values().for_each(|future| future.get().unwatch(this));
    }
}

#[pymethods]
impl Collector {
    /// Whether no future has settled that was not handed out.
    #[getter]
    fn empty(&self) -> bool {
        self.inbox().settled.is_empty()
    }

    /// Hands a settled future out.
    fn pop(&self) -> Option<Py<Future>> {
        let mut inbox = self.inbox();
        let future = inbox.settled.pop_front();
        if inbox.settled.is_empty() {
            self.event.clear();
        }
        future
    }

    /// Waits until there is one, at most `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn wait(this: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        Self::block(&this.clone().unbind(), this.py(), Limit::of_wait(timeout)?)
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(this: Py<Self>, _exc_info: &Bound<'_, pyo3::types::PyTuple>) {
        Self::close(&this);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(inbox) = self.inbox.try_lock() else { return Ok(()) };
        inbox.pending.values().chain(&inbox.settled).try_for_each(|future| visit.call(future))
    }

    fn __clear__(&self) {
        let inbox = std::mem::take(&mut *self.inbox());
        drop(inbox);
    }
}

/// Several futures as a thing to wait for.
#[derive(Debug)]
struct Several(Py<Collector>);

/// Threads one of which has to go on before a future comes about; none if that is not known.
type Group = Option<Vec<u64>>;

impl Several {
    /// The groups of the first so many futures, one for all that stand in the same line.
    fn groups(&self, most: usize) -> Vec<Group> {
        let inbox = self.0.get().inbox();
        let (mut groups, mut lines) = (Vec::new(), Vec::new());
        for future in inbox.pending.values().take(most).map(Py::get) {
            let runner = future.raw.runner().map(|hold| vec![hold.serial]);
            let in_line = |line: &WorkQueue| {
                let line_is_new = !lines.contains(&ptr::from_ref(line));
                line_is_new.then(|| {
                    lines.push(ptr::from_ref(line));
                    line.all_busy()
                })
            };
            match runner {
                Some(_) => groups.push(runner),
                None => groups.extend(future.in_line(in_line).unwrap_or(Some(None))),
            }
        }
        groups
    }
}

impl Resource for Several {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn can_be_left(&self) -> bool {
        false
    }

    fn helpers(&self, runs: &dyn Fn(u64) -> bool) -> Vec<Vec<u64>> {
        let stuck = |group: &Group| group.as_ref().is_some_and(|threads| !threads.iter().any(|thread| runs(*thread)));
        if self.0.get().rule == Rule::All {
            return self.groups(usize::MAX).into_iter().filter(stuck).flatten().collect();
        }
        // One is enough, and it is mostly the first that may come about.
        if !self.groups(1).iter().all(stuck) {
            return Vec::new();
        }
        let groups = self.groups(usize::MAX);
        if groups.iter().all(stuck) { vec![groups.into_iter().flatten().flatten().collect()] } else { Vec::new() }
    }

    fn describe(&self) -> Description {
        let count = self.0.get().inbox().pending.len();
        Description { kind: "Future".into(), name: format!("one of {count}"), ..Description::default() }
    }
}

/// A collector that hands futures out as they settle; None if one of `futures` is not raddle's.
#[pyfunction]
fn collect(py: Python<'_>, futures: &Bound<'_, PySet>) -> PyResult<Option<Py<Collector>>> {
    Collector::over(py, futures, Rule::Any)
}

/// Waits for `futures`, at most `timeout` seconds: those that have settled and those that have not. None if one of them is
/// not raddle's, or `return_when` none of the names.
#[pyfunction]
fn wait_for<'py>(
    py: Python<'py>,
    futures: &Bound<'py, PySet>,
    timeout: Option<&Bound<'py, PyAny>>,
    return_when: &Bound<'py, PyAny>,
) -> PyResult<Option<(Bound<'py, PySet>, Bound<'py, PySet>)>> {
    let rule = match return_when.extract::<&str>() {
        Ok("FIRST_COMPLETED") => Rule::Any,
        Ok("FIRST_EXCEPTION") => Rule::Failure,
        Ok("ALL_COMPLETED") => Rule::All,
        _ => return Ok(None),
    };
    let Some(collector) = Collector::over(py, futures, rule)? else { return Ok(None) };
    if !collector.get().has_enough() {
        let waited = Limit::of_wait(timeout).and_then(|limit| Collector::block(&collector, py, limit));
        Collector::close(&collector);
        waited?;
    } else {
        Collector::close(&collector);
    }
    let (done, not_done) = (PySet::empty(py)?, PySet::empty(py)?);
    for future in futures.iter() {
        let settled = future.cast::<Future>()?.get().is_settled();
        if settled { &done } else { &not_done }.add(future)?;
    }
    Ok(Some((done, not_done)))
}

impl Collector {
    fn has_enough(&self) -> bool {
        let inbox = self.inbox();
        inbox.pending.is_empty()
            || match self.rule {
                Rule::Any => !inbox.settled.is_empty(),
                Rule::Failure => inbox.settled.iter().any(|future| future.get().has_failed()),
                Rule::All => false,
            }
    }
}

/// Takes the last of `futures` out and gives its result, for which it waits `timeout` seconds at most; cancels it if that
/// fails. Nobody but the list ever has a name for it, which an error would keep.
#[pyfunction]
#[pyo3(signature = (futures, timeout=None))]
fn take_result(futures: &Bound<'_, PyList>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
    let py = futures.py();
    let last = futures.len().saturating_sub(1);
    let future = futures.get_item(last)?;
    futures.del_item(last)?;
    let result = match future.cast::<Future>() {
        Ok(ours) => Future::result(ours, timeout),
        Err(_) => future.call_method1(intern!(py, "result"), (timeout,)).map(Bound::unbind),
    };
    if result.is_err() {
        future.call_method0(intern!(py, "cancel"))?;
    }
    result
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(take_result, module)?)?;
    module.add_class::<Collector>()?;
    module.add_function(wrap_pyfunction!(collect, module)?)?;
    module.add_function(wrap_pyfunction!(wait_for, module)?)
}
