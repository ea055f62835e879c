//! The classes of `threading`, and those that the package `raddle` adds, over the engine's raw forms of the same names.

pub(crate) mod answers;
mod barrier;
pub(crate) mod condition;
mod event;
pub(crate) mod holdings;
mod latch;
pub(crate) mod lock;
mod once;
pub(crate) mod order;
mod permits;
mod rate_limiter;
mod rlock;
mod rwlock;
mod semaphore;
mod strict;
mod unowned;

use std::ffi::CStr;

use pyo3::exceptions::PyDeprecationWarning;
use pyo3::prelude::*;
use raddle::error::Unheld;
use raddle::graph::Resource;

pub(crate) use condition::Condition;

use crate::runtime;

/// How the interpreter's threads come to a lock's word or a queue: its own lock is held wherever a raw form is called, but
/// for the sleep itself.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) type Sharing = raddle::seam::Serialized;
#[cfg(Py_GIL_DISABLED)]
pub(crate) type Sharing = raddle::seam::Concurrent;

/// The serial of the calling thread.
#[inline]
fn me() -> u64 {
    raddle::thread::serial(runtime)
}

/// What is known of a lock that the calling thread does not hold. Runs code of the interpreter.
fn unheld(lock: &dyn Resource) -> Box<Unheld> {
    let (object, last_taken_at) = runtime().object(lock);
    Box::new(Unheld { object, last_taken_at })
}

/// Warns, at the caller's line, that a name is not to be used any more.
fn deprecated(py: Python<'_>, text: &CStr) -> PyResult<()> {
    PyErr::warn(py, &py.get_type::<PyDeprecationWarning>(), text, 1)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    lock::add_to(module)?;
    rlock::add_to(module)?;
    semaphore::add_to(module)?;
    condition::add_to(module)?;
    event::add_to(module)?;
    barrier::add_to(module)?;
    order::add_to(module)?;
    rwlock::add_to(module)?;
    strict::add_to(module)?;
    permits::add_to(module)?;
    holdings::add_to(module)?;
    module.add_class::<latch::CountDownLatch>()?;
    module.add_class::<once::OnceBase>()?;
    module.add_class::<rate_limiter::RateLimiter>()?;
    answers::add_to(module)
}
