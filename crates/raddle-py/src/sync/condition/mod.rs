//! `threading.Condition`.
//!
//! The lock beneath may be anything with the right methods. For raddle's own two classes they are called directly; of any
//! other object the methods that CPython would call are called, and those it would make up are made up in the same way.

mod methods;

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use raddle::error::Misuse;
use raddle::graph::{Call, Description, Hold, Resource};
use raddle::sync::RawCondition;

pub(super) use self::methods::{add_to, learned};
use super::lock::{Lock, describe_object};
use super::order;
use super::rlock::RLock;
use super::unheld;
use crate::limit::Limit;
use crate::site::SiteCell;
use crate::{detach, error, runtime};

/// A place where threads wait until another one notifies them.
#[pyclass(frozen, weakref, dict, subclass, module = "threading")]
pub(crate) struct Condition {
    raw: RawCondition,
    made: SiteCell,
    /// Empty until `__init__`.
    beneath: PyOnceLock<Beneath>,
}

/// The lock of a condition.
enum Beneath {
    Lock(Py<Lock>),
    RLock(Py<RLock>),
    Other(Py<PyAny>),
}

/// What is needed to take the lock back as it was.
enum Saved {
    Plain,
    Depth(usize),
    State(Py<PyAny>),
}

impl Beneath {
    fn of(lock: Bound<'_, PyAny>) -> PyResult<Beneath> {
        Ok(if let Ok(lock) = lock.cast_exact::<RLock>() {
            Beneath::RLock(lock.clone().unbind())
        } else if let Ok(lock) = lock.cast_exact::<Lock>() {
            Beneath::Lock(lock.clone().unbind())
        } else {
            // CPython takes these two from the lock at once, and whoever lacks one is told then.
            lock.getattr(intern!(lock.py(), "acquire"))?;
            lock.getattr(intern!(lock.py(), "release"))?;
            Beneath::Other(lock.unbind())
        })
    }

    fn object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Beneath::Lock(lock) => lock.bind(py).clone().into_any(),
            Beneath::RLock(lock) => lock.bind(py).clone().into_any(),
            Beneath::Other(lock) => lock.bind(py).clone(),
        }
    }

    /// As CPython does: a plain lock is "owned" if anybody holds it.
    fn is_owned(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Beneath::RLock(lock) => Ok(lock.get().is_mine()),
            Beneath::Lock(lock) => Ok(lock.get().is_held()),
            Beneath::Other(lock) => {
                let lock = lock.bind(py);
                if let Some(is_owned) = lock.getattr_opt(intern!(py, "_is_owned"))? {
                    return is_owned.call0()?.is_truthy();
                }
                let took = lock.call_method1(intern!(py, "acquire"), (false,))?.is_truthy()?;
                if took {
                    lock.call_method0(intern!(py, "release"))?;
                }
                Ok(!took)
            }
        }
    }

    fn release_save(&self, py: Python<'_>) -> PyResult<Saved> {
        match self {
            Beneath::RLock(lock) => {
                lock.get().release_all().map(Saved::Depth).map_err(|_| RLock::not_held(lock.clone_ref(py)))
            }
            Beneath::Lock(lock) => {
                lock.get().release_plain().map(|()| Saved::Plain).map_err(|_| Lock::not_held(lock.clone_ref(py)))
            }
            Beneath::Other(lock) => match lock.bind(py).getattr_opt(intern!(py, "_release_save"))? {
                Some(release_save) => Ok(Saved::State(release_save.call0()?.unbind())),
                None => lock.bind(py).call_method0(intern!(py, "release")).map(|_| Saved::Plain),
            },
        }
    }

    /// Takes the lock back. An error that ends the attempt (Ctrl-C) is kept until the lock is there: the caller's `with`
    /// block could not be left otherwise.
    fn acquire_restore(&self, py: Python<'_>, saved: &Saved) -> PyResult<()> {
        let mut interrupted = None;
        loop {
            let taken = match (self, saved) {
                (Beneath::RLock(lock), Saved::Depth(depth)) => RLock::reacquire(lock.clone_ref(py), py, *depth),
                (Beneath::Lock(lock), _) => Lock::reacquire(lock.clone_ref(py), py),
                _ => return interrupted.map_or_else(|| self.restore_other(py, saved), Err),
            };
            match taken {
                Ok(()) => return interrupted.map_or(Ok(()), Err),
                Err(error) => interrupted = Some(error),
            }
        }
    }

    /// Takes it out of what the learner of lock orders knows to be held; whether it was there.
    fn part(&self) -> bool {
        match self {
            Beneath::RLock(lock) => order::parted(lock.get()),
            Beneath::Lock(lock) => order::parted(lock.get()),
            Beneath::Other(_) => false,
        }
    }

    fn rejoin(&self) {
        match self {
            Beneath::RLock(lock) => order::rejoined(lock),
            Beneath::Lock(lock) => order::rejoined(lock),
            Beneath::Other(_) => {}
        }
    }

    fn restore_other(&self, py: Python<'_>, saved: &Saved) -> PyResult<()> {
        let lock = self.object(py);
        match (lock.getattr_opt(intern!(py, "_acquire_restore"))?, saved) {
            (Some(restore), Saved::State(state)) => restore.call1((state,)),
            (Some(restore), _) => restore.call1((py.None(),)),
            (None, _) => lock.call_method0(intern!(py, "acquire")),
        }
        .map(drop)
    }
}

/// A condition as a thing to wait for: anybody may notify it.
#[derive(Debug)]
struct Notification(Py<Condition>);

impl Resource for Notification {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn can_be_left(&self) -> bool {
        false
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((self.0.as_ptr() as usize, self.0.get().made.key(None)))
    }

    fn describe(&self) -> Description {
        let made = &self.0.get().made;
        Python::attach(|py| describe_object(self.0.bind(py), "Condition", made, &SiteCell::default()))
    }
}

/// The lock of a condition, under the condition's name.
#[derive(Debug)]
struct LockOf(Py<Condition>);

impl Resource for LockOf {
    fn holder(&self) -> Option<Hold> {
        Python::attach(|py| match self.0.get().beneath.get(py)? {
            Beneath::Lock(lock) => lock.get().hold(),
            Beneath::RLock(lock) => lock.get().hold(),
            Beneath::Other(_) => None,
        })
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((self.0.as_ptr() as usize, self.0.get().made.key(None)))
    }

    fn describe(&self) -> Description {
        let condition = self.0.get();
        let nowhere = SiteCell::default();
        Python::attach(|py| {
            let taken = match condition.beneath.get(py) {
                Some(Beneath::Lock(lock)) => lock.get().taken(),
                Some(Beneath::RLock(lock)) => lock.get().taken(),
                _ => &nowhere,
            };
            describe_object(self.0.bind(py), "Condition", &condition.made, taken)
        })
    }
}

impl Condition {
    fn make() -> Condition {
        Condition { raw: RawCondition::default(), made: SiteCell::here(), beneath: PyOnceLock::new() }
    }

    /// A condition over a new plain lock.
    pub(super) fn over_a_lock(py: Python<'_>) -> PyResult<Py<Condition>> {
        Condition::over(py, Py::new(py, Lock::make())?)
    }

    /// A condition over a plain lock.
    pub(crate) fn over(py: Python<'_>, lock: Py<Lock>) -> PyResult<Py<Condition>> {
        let condition = Condition::make();
        let _ = condition.beneath.set(py, Beneath::Lock(lock));
        Py::new(py, condition)
    }

    /// Takes the lock as `with` does.
    #[inline]
    pub(crate) fn enter(&self, py: Python<'_>) -> PyResult<()> {
        match self.beneath(py)? {
            Beneath::RLock(lock) => RLock::acquire(lock.clone_ref(py), py, Limit::Never).map(drop),
            Beneath::Lock(lock) if lock.get().try_acquire(true) => Ok(()),
            Beneath::Lock(lock) => Lock::acquire(lock.clone_ref(py), py, true, Limit::Never).map(drop),
            Beneath::Other(lock) => lock.bind(py).call_method0(intern!(py, "__enter__")).map(drop),
        }
    }

    /// Lets the lock go as the end of `with` does.
    #[inline]
    pub(crate) fn leave(&self, py: Python<'_>) -> PyResult<()> {
        match self.beneath(py)? {
            Beneath::RLock(lock) => lock.get().release_mine().map_err(|_| RLock::not_held(lock.clone_ref(py))),
            Beneath::Lock(lock) => lock.get().release_plain().map_err(|_| Lock::not_held(lock.clone_ref(py))),
            Beneath::Other(lock) => {
                lock.bind(py).call_method1(intern!(py, "__exit__"), (py.None(), py.None(), py.None())).map(drop)
            }
        }
    }

    fn beneath(&self, py: Python<'_>) -> PyResult<&Beneath> {
        self.beneath.get(py).ok_or_else(|| {
            pyo3::exceptions::PyAttributeError::new_err(
                "'Condition' object has no attribute '_lock' (Condition.__init__() was not called)",
            )
        })
    }

    fn must_own<'a>(this: &'a Py<Self>, py: Python<'_>, to: &str) -> PyResult<&'a Beneath> {
        let beneath = this.get().beneath(py)?;
        if beneath.is_owned(py)? {
            return Ok(beneath);
        }
        let text = format!("cannot {to} on un-acquired lock");
        Err(match beneath {
            // Whose that is, nobody knows.
            Beneath::Other(_) => PyRuntimeError::new_err(text),
            _ => error::misuse(&text, &Misuse::WithoutLock(unheld(&LockOf(this.clone_ref(py))))),
        })
    }

    fn wait<'py>(this: Py<Self>, py: Python<'py>, timeout: Option<&Bound<'py, PyAny>>) -> PyResult<bool> {
        let resource = || Arc::new(Notification(this.clone_ref(py))) as Arc<dyn Resource>;
        let limit = || Limit::of_call(this.bind(py), timeout, Limit::of_wait);
        Condition::wait_for_it(&this, py, limit, Call::Wait, resource)
    }

    /// Waits to be notified, told of as waiting in `call` for `resource`. The limit is read when the lock is released.
    pub(crate) fn wait_for_it(
        this: &Py<Self>,
        py: Python<'_>,
        limit: impl FnOnce() -> PyResult<Limit>,
        call: Call,
        resource: impl FnOnce() -> Arc<dyn Resource>,
    ) -> PyResult<bool> {
        let condition = this.get();
        let beneath = Condition::must_own(this, py, "wait")?;
        let place = condition.raw.enlist(&raddle::thread::current(runtime()));
        let saved = beneath.release_save(py).inspect_err(|_| condition.raw.leave(&place))?;
        let parted = beneath.part();
        let slept = match limit() {
            Err(error) => {
                condition.raw.leave(&place);
                Err(error)
            }
            Ok(limit) => {
                let mut notified = false;
                let slept = detach::block(py, resource(), (call, limit), |blocked| {
                    condition.raw.sleep(&place, blocked).inspect(|()| notified = true)
                });
                // Notified, and ended by an error all the same: the notification is for the next.
                slept.inspect_err(|_| condition.raw.notify(usize::from(notified)))
            }
        };
        let restored = beneath.acquire_restore(py, &saved);
        if parted {
            beneath.rejoin();
        }
        restored?;
        slept
    }

    pub(crate) fn notify_some(this: &Py<Self>, py: Python<'_>, most: usize) -> PyResult<()> {
        Condition::must_own(this, py, "notify")?;
        this.get().raw.notify(most);
        Ok(())
    }

    #[inline]
    fn is_mine(&self, py: Python<'_>) -> bool {
        matches!(self.beneath.get(py), Some(Beneath::RLock(lock)) if lock.get().is_mine())
    }
}

#[pymethods]
impl Condition {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(lock=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Condition::make()
    }

    #[pyo3(signature = (lock=None))]
    fn __init__(&self, py: Python<'_>, lock: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let beneath = match lock {
            Some(lock) => Beneath::of(lock)?,
            None => Beneath::RLock(Py::new(py, RLock::make())?),
        };
        let _ = self.beneath.set(py, beneath);
        Ok(())
    }

    #[getter]
    fn _lock<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.beneath(py)?.object(py))
    }

    #[getter]
    fn _waiters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("collections")?
            .call_method1("deque", (PyTuple::new(py, (0..self.raw.waiters()).map(|_| py.None()))?,))
    }

    fn _is_owned(&self, py: Python<'_>) -> PyResult<bool> {
        self.beneath(py)?.is_owned(py)
    }

    fn _release_save(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(match self.beneath(py)?.release_save(py)? {
            Saved::Plain => py.None(),
            Saved::Depth(depth) => (depth, crate::lifecycle::ident()).into_pyobject(py)?.into_any().unbind(),
            Saved::State(state) => state,
        })
    }

    fn _acquire_restore(&self, py: Python<'_>, state: Bound<'_, PyAny>) -> PyResult<()> {
        let saved = match state.extract::<(usize, u64)>() {
            Ok((depth, _)) if matches!(self.beneath(py)?, Beneath::RLock(_)) => Saved::Depth(depth),
            _ => Saved::State(state.unbind()),
        };
        self.beneath(py)?.acquire_restore(py, &saved)
    }

    pub(super) fn _at_fork_reinit(&self, py: Python<'_>) -> PyResult<()> {
        self.beneath(py)?.object(py).call_method0("_at_fork_reinit").map(drop)
    }

    /// A deprecated name of `notify_all`.
    #[pyo3(name = "notifyAll")]
    fn notify_all_camel(this: &Bound<'_, Self>) -> PyResult<()> {
        super::deprecated(this.py(), c"notifyAll() is deprecated, use notify_all() instead")?;
        this.call_method0("notify_all").map(drop)
    }

    /// Wait until `predicate` is true, at most `timeout` seconds; its last value.
    #[pyo3(signature = (predicate, timeout=None))]
    fn wait_for<'py>(
        this: &Bound<'py, Self>,
        predicate: &Bound<'py, PyAny>,
        timeout: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static MONOTONIC: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = this.py();
        let mut end = None;
        let mut left = timeout;
        let mut result = predicate.call0()?;
        while !result.is_truthy()? {
            if let Some(time) = left {
                let now = MONOTONIC.import(py, "time", "monotonic")?.call0()?;
                left = match &end {
                    None => {
                        end = Some(now.add(&time)?);
                        Some(time)
                    }
                    Some(end) => Some(end.sub(now)?),
                };
                if left.as_ref().is_some_and(|left| end.is_some() && left.le(0).unwrap_or(false)) {
                    break;
                }
            }
            this.call_method1(intern!(py, "wait"), (left.as_ref(),))?;
            result = predicate.call0()?;
        }
        Ok(result)
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let lock = this.get().beneath(this.py())?.object(this.py());
        Ok(format!("<Condition({}, {})>", lock.str()?, this.get().raw.waiters()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: the collector runs on an attached thread.
        match self.beneath.get(unsafe { Python::assume_attached() }) {
            Some(Beneath::Lock(lock)) => visit.call(lock),
            Some(Beneath::RLock(lock)) => visit.call(lock),
            Some(Beneath::Other(lock)) => visit.call(lock),
            None => Ok(()),
        }
    }
}
