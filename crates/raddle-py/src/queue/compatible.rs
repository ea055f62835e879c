//! The compatible mode: a queue made of the parts that CPython's is made of, each of which a program may use, or replace
//! by its own. What happens to them, and in which order, is what CPython's source does; raddle's own lock and conditions
//! are called directly, others by their methods.
//!
//! # The change
//!
//! [`change`] is one piece for all other threads, and for this one: no code of the program runs in it.
//!
//! 1. The parts are made. (That may start a garbage collection, whose destructors may use the queue, or change it.)
//! 2. From here the collector is off, and the new mutex is held. The parts are published.
//! 3. The engine's queue gives its items away and tells everybody who waits in it that it has moved.
//! 4. The items go into the new `deque` or `list`; the mutex is released.
//!
//! Those who were woken go on in here with what is left of their time, and find the items behind the mutex. The number of
//! unfinished tasks and whether the queue has been shut down stay in the engine's queue in both modes.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};
use pyo3::{PyTraverseError, PyVisit};
use raddle::graph::Call;

use super::fifo::{Maxsize, Queue};
use super::order::Kind;
use super::patience::Patience;
use super::points::{INIT, INSERT, QSIZE, REMOVE};
use super::{empty, full, shut_down};
use crate::limit::Limit;
use crate::quiet::Quiet;
use crate::sync::condition::Condition;
use crate::sync::lock::Lock;

/// What a queue is made of, in the order of CPython's constructor.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Maxsize,
    Queue,
    Mutex,
    NotEmpty,
    NotFull,
    AllTasksDone,
}

const NAMES: [&str; 6] = ["maxsize", "queue", "mutex", "not_empty", "not_full", "all_tasks_done"];

type Cells = [Option<Py<PyAny>>; NAMES.len()];

/// The parts; none in native mode. The mutex is held to copy or swap references only.
#[derive(Default)]
pub(super) struct Parts(Mutex<Cells>);

impl Parts {
    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get<'py>(&self, py: Python<'py>, part: Part) -> Option<Bound<'py, PyAny>> {
        self.cells()[part as usize].as_ref().map(|object| object.bind(py).clone())
    }

    /// The old one is returned, so that it is dropped outside.
    fn put(&self, part: Part, object: Py<PyAny>) -> Option<Py<PyAny>> {
        self.cells()[part as usize].replace(object)
    }

    fn replace(&self, cells: Cells) -> Cells {
        std::mem::replace(&mut *self.cells(), cells)
    }

    pub(super) fn take(&self) -> Cells {
        self.replace(Cells::default())
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.cells().iter().flatten().try_for_each(|part| visit.call(part))
    }
}

fn missing(this: &Bound<'_, Queue>, name: &str) -> PyErr {
    let class = this.get_type().name().map_or_else(|_| "Queue".into(), |name| name.to_string());
    PyAttributeError::new_err(format!("'{class}' object has no attribute '{name}'"))
}

/// Finds fault with a queue whose `__init__` has not been called.
pub(super) fn must_be_made(this: &Bound<'_, Queue>, name: &str) -> PyResult<()> {
    let queue = this.get();
    let made = queue.native.load(Ordering::Acquire) || queue.parts.cells().iter().any(Option::is_some);
    if made { Ok(()) } else { Err(missing(this, name)) }
}

/// A part; the queue is compatible from now on.
pub(super) fn part<'py>(this: &Bound<'py, Queue>, part: Part) -> PyResult<Bound<'py, PyAny>> {
    change(this)?;
    this.get().parts.get(this.py(), part).ok_or_else(|| missing(this, NAMES[part as usize]))
}

/// Puts something else in the place of a part; the queue is compatible from now on.
pub(super) fn set_part(this: &Bound<'_, Queue>, part: Part, value: Bound<'_, PyAny>) -> PyResult<()> {
    change(this)?;
    drop(this.get().parts.put(part, value.unbind()));
    Ok(())
}

/// All parts, and what else is an attribute of CPython's queue, by name.
pub(super) fn state<'py>(this: &Bound<'py, Queue>) -> PyResult<Bound<'py, PyDict>> {
    change(this)?;
    let state = PyDict::new(this.py());
    let all = [Part::Maxsize, Part::Queue, Part::Mutex, Part::NotEmpty, Part::NotFull, Part::AllTasksDone];
    for part in all {
        if let Some(object) = this.get().parts.get(this.py(), part) {
            state.set_item(NAMES[part as usize], object)?;
        }
    }
    state.set_item("unfinished_tasks", this.get().raw.unfinished())?;
    state.set_item("is_shutdown", this.get().raw.is_shut_down())?;
    Ok(state)
}

fn new_container(py: Python<'_>, kind: Kind) -> PyResult<Bound<'_, PyAny>> {
    static DEQUE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    match kind {
        Kind::Fifo => DEQUE.import(py, "collections", "deque")?.call0(),
        Kind::Lifo | Kind::Priority => Ok(PyList::empty(py).into_any()),
    }
}

/// All parts but the container.
fn new_parts(py: Python<'_>, maxsize: Bound<'_, PyAny>) -> PyResult<(Py<Lock>, Cells)> {
    let mutex = Py::new(py, Lock::make())?;
    let condition = || Condition::over(py, mutex.clone_ref(py)).map(|condition| Some(condition.into_any()));
    let mut cells = Cells::default();
    cells[Part::Maxsize as usize] = Some(maxsize.unbind());
    cells[Part::Mutex as usize] = Some(mutex.clone_ref(py).into_any());
    cells[Part::NotEmpty as usize] = condition()?;
    cells[Part::NotFull as usize] = condition()?;
    cells[Part::AllTasksDone as usize] = condition()?;
    Ok((mutex, cells))
}

/// Makes a queue that is none yet a compatible one, as CPython's constructor does.
pub(super) fn begin(this: &Bound<'_, Queue>, maxsize: Maxsize<'_>) -> PyResult<()> {
    let (py, queue) = (this.py(), this.get());
    let maxsize = match maxsize {
        Maxsize::Any => 0i64.into_pyobject(py)?.into_any(),
        Maxsize::Given(maxsize) => maxsize,
    };
    drop(queue.raw.move_out());
    let (_, cells) = new_parts(py, maxsize.clone())?;
    drop(queue.parts.replace(cells));
    if queue.points.overridden(this, queue.kind, false)? & INIT != 0 {
        return this.call_method1(intern!(this.py(), "_init"), (maxsize,)).map(drop);
    }
    drop(queue.parts.put(Part::Queue, new_container(py, queue.kind)?.unbind()));
    Ok(())
}

/// Makes a native queue compatible; see the head.
#[cold]
pub(super) fn change(this: &Bound<'_, Queue>) -> PyResult<()> {
    let (py, queue) = (this.py(), this.get());
    if !queue.native.load(Ordering::Acquire) {
        return Ok(());
    }
    let container = new_container(py, queue.kind)?;
    let (mutex, mut cells) = new_parts(py, queue.maxsize.load(Ordering::Relaxed).into_pyobject(py)?.into_any())?;
    cells[Part::Queue as usize] = Some(container.clone().unbind());
    if !queue.native.load(Ordering::Acquire) {
        return Ok(()); // by a destructor that ran while the parts were made
    }
    let _quiet = Quiet::new(py);
    mutex.get().try_acquire(true);
    let before = queue.parts.replace(cells);
    queue.native.store(false, Ordering::Release);
    queue.points.forget();
    let items = queue.raw.move_out().into_vec();
    let filled = fill(&container, items);
    let released = mutex.get().release_plain().map_err(|_| Lock::not_held(mutex.clone_ref(py)));
    drop(before);
    filled.and(released)
}

fn fill(container: &Bound<'_, PyAny>, items: Vec<Py<PyAny>>) -> PyResult<()> {
    let items = PyList::new(container.py(), items)?;
    container.call_method1(intern!(container.py(), "extend"), (items,)).map(drop)
}

// ---- locks and conditions, ours or others ----

fn enter(lock: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = lock.py();
    if let Ok(condition) = lock.cast_exact::<Condition>() {
        condition.get().enter(py)
    } else if let Ok(lock) = lock.cast_exact::<Lock>() {
        if lock.get().try_acquire(true) {
            return Ok(());
        }
        Lock::acquire(lock.clone().unbind(), py, true, Limit::Never).map(drop)
    } else {
        lock.call_method0(intern!(lock.py(), "__enter__")).map(drop)
    }
}

fn leave(lock: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = lock.py();
    if let Ok(condition) = lock.cast_exact::<Condition>() {
        condition.get().leave(py)
    } else if let Ok(lock) = lock.cast_exact::<Lock>() {
        lock.get().release_plain().map_err(|_| Lock::not_held(lock.clone().unbind()))
    } else {
        lock.call_method1(intern!(lock.py(), "__exit__"), (py.None(), py.None(), py.None())).map(drop)
    }
}

/// `with lock: body()`.
fn holding<R>(lock: &Bound<'_, PyAny>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    enter(lock)?;
    let result = body();
    leave(lock)?;
    result
}

fn notify(this: &Bound<'_, Queue>, condition: Part, all: bool) -> PyResult<()> {
    let condition = part(this, condition)?;
    match condition.cast_exact::<Condition>() {
        Ok(condition) => Condition::notify_some(condition.as_unbound(), this.py(), if all { usize::MAX } else { 1 }),
        Err(_) => condition.call_method0(if all { "notify_all" } else { "notify" }).map(drop),
    }
}

/// Waits for a notification; false if the time is up.
fn wait(this: &Bound<'_, Queue>, on: Part, patience: &mut Patience<'_>, call: Call) -> PyResult<bool> {
    let limit = patience.limit()?;
    if limit == Limit::Now {
        return Ok(false);
    }
    let condition = part(this, on)?;
    if let Ok(condition) = condition.cast_exact::<Condition>() {
        Condition::wait_for_it(condition.as_unbound(), this.py(), || Ok(limit), call, || Queue::resource(this))?;
    } else {
        let left = match limit {
            Limit::Until(end) => Some(end.left().max(Duration::from_nanos(1)).as_secs_f64()),
            _ => None,
        };
        match left {
            Some(left) => condition.call_method1(intern!(condition.py(), "wait"), (left,))?,
            None => condition.call_method0(intern!(condition.py(), "wait"))?,
        };
    }
    Ok(true)
}

// ---- the extension points ----

fn overridden(this: &Bound<'_, Queue>, point: u64) -> PyResult<bool> {
    let queue = this.get();
    Ok(queue.points.overridden(this, queue.kind, false)? & point != 0)
}

/// `self._qsize()`.
fn qsize<'py>(this: &Bound<'py, Queue>) -> PyResult<Bound<'py, PyAny>> {
    if overridden(this, QSIZE)? {
        return this.call_method0(intern!(this.py(), "_qsize"));
    }
    Ok(part(this, Part::Queue)?.len()?.into_pyobject(this.py())?.into_any())
}

fn is_empty(this: &Bound<'_, Queue>) -> PyResult<bool> {
    if overridden(this, QSIZE)? {
        return Ok(!this.call_method0(intern!(this.py(), "_qsize"))?.is_truthy()?);
    }
    Ok(part(this, Part::Queue)?.len()? == 0)
}

/// `self._put(item)`.
fn insert(this: &Bound<'_, Queue>, item: Bound<'_, PyAny>) -> PyResult<()> {
    let py = this.py();
    if overridden(this, INSERT)? {
        return this.call_method1(intern!(py, "_put"), (item,)).map(drop);
    }
    let container = part(this, Part::Queue)?;
    match this.get().kind {
        Kind::Priority => heappush(&container, &item),
        Kind::Fifo | Kind::Lifo => match container.cast_exact::<PyList>() {
            Ok(list) => list.append(item),
            Err(_) => container.call_method1(intern!(py, "append"), (item,)).map(drop),
        },
    }
}

/// `self._get()`.
fn remove<'py>(this: &Bound<'py, Queue>) -> PyResult<Bound<'py, PyAny>> {
    let py = this.py();
    if overridden(this, REMOVE)? {
        return this.call_method0(intern!(py, "_get"));
    }
    let container = part(this, Part::Queue)?;
    match this.get().kind {
        Kind::Fifo => container.call_method0(intern!(py, "popleft")),
        Kind::Lifo => container.call_method0(intern!(py, "pop")),
        Kind::Priority => heappop(&container),
    }
}

pub(super) fn heappush(heap: &Bound<'_, PyAny>, item: &Bound<'_, PyAny>) -> PyResult<()> {
    static PUSH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    PUSH.import(heap.py(), "heapq", "heappush")?.call1((heap, item)).map(drop)
}

pub(super) fn heappop<'py>(heap: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static POP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    POP.import(heap.py(), "heapq", "heappop")?.call1((heap,))
}

/// The method `_qsize` itself, which looks at a native queue without changing it.
pub(super) fn qsize_point(this: &Bound<'_, Queue>) -> PyResult<usize> {
    if this.get().native.load(Ordering::Acquire) { Ok(this.get().raw.len()) } else { part(this, Part::Queue)?.len() }
}

// ---- the methods ----

fn is_bounded(this: &Bound<'_, Queue>) -> PyResult<bool> {
    part(this, Part::Maxsize)?.gt(0)
}

fn is_at_bound(this: &Bound<'_, Queue>) -> PyResult<bool> {
    qsize(this)?.ge(part(this, Part::Maxsize)?)
}

pub(super) fn put(this: &Bound<'_, Queue>, item: Bound<'_, PyAny>, mut patience: Patience<'_>) -> PyResult<()> {
    let (py, raw) = (this.py(), &this.get().raw);
    holding(&part(this, Part::NotFull)?, || {
        if raw.is_shut_down() {
            return Err(shut_down(py));
        }
        if is_bounded(this)? {
            patience.check()?;
            while is_at_bound(this)? {
                if !patience.block || !wait(this, Part::NotFull, &mut patience, Call::Put)? {
                    return Err(full(py));
                }
                if raw.is_shut_down() {
                    return Err(shut_down(py));
                }
            }
        }
        insert(this, item)?;
        raw.set_unfinished(raw.unfinished() + 1);
        notify(this, Part::NotEmpty, false)
    })
}

pub(super) fn get(this: &Bound<'_, Queue>, mut patience: Patience<'_>) -> PyResult<Py<PyAny>> {
    let (py, raw) = (this.py(), &this.get().raw);
    holding(&part(this, Part::NotEmpty)?, || {
        if raw.is_shut_down() && is_empty(this)? {
            return Err(shut_down(py));
        }
        patience.check()?;
        while is_empty(this)? {
            if !patience.block || !wait(this, Part::NotEmpty, &mut patience, Call::Get)? {
                return Err(empty(py));
            }
            if raw.is_shut_down() && is_empty(this)? {
                return Err(shut_down(py));
            }
        }
        let item = remove(this)?;
        notify(this, Part::NotFull, false)?;
        Ok(item.unbind())
    })
}

pub(super) fn join(this: &Bound<'_, Queue>, mut patience: Patience<'_>) -> PyResult<bool> {
    let raw = &this.get().raw;
    holding(&part(this, Part::AllTasksDone)?, || {
        while raw.unfinished() != 0 {
            if !wait(this, Part::AllTasksDone, &mut patience, Call::Tasks)? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

pub(super) fn task_done(this: &Bound<'_, Queue>) -> PyResult<()> {
    let raw = &this.get().raw;
    holding(&part(this, Part::AllTasksDone)?, || {
        raw.task_done().map_err(|_| PyValueError::new_err("task_done() called too many times"))?;
        if raw.unfinished() == 0 { notify(this, Part::AllTasksDone, true) } else { Ok(()) }
    })
}

pub(super) fn size<'py>(this: &Bound<'py, Queue>) -> PyResult<Bound<'py, PyAny>> {
    holding(&part(this, Part::Mutex)?, || qsize(this))
}

pub(super) fn is_full(this: &Bound<'_, Queue>) -> PyResult<bool> {
    holding(&part(this, Part::Mutex)?, || {
        let maxsize = part(this, Part::Maxsize)?;
        Ok(0i32.into_pyobject(this.py())?.lt(&maxsize)? && maxsize.le(qsize(this)?)?)
    })
}

pub(super) fn is_empty_now(this: &Bound<'_, Queue>) -> PyResult<bool> {
    holding(&part(this, Part::Mutex)?, || is_empty(this))
}

pub(super) fn shutdown(this: &Bound<'_, Queue>, immediate: bool) -> PyResult<()> {
    let raw = &this.get().raw;
    let mut removed = Vec::new();
    holding(&part(this, Part::Mutex)?, || {
        raw.set_shut_down(true);
        if immediate {
            while !is_empty(this)? {
                removed.push(remove(this)?);
                raw.set_unfinished(raw.unfinished().saturating_sub(1));
            }
            notify(this, Part::AllTasksDone, true)?;
        }
        notify(this, Part::NotEmpty, true)?;
        notify(this, Part::NotFull, true)
    })
}
