//! The classes of `threading`, over the engine's raw forms of the same names.

mod barrier;
mod condition;
mod event;
mod lock;
mod rlock;
mod semaphore;

use pyo3::prelude::*;

use crate::runtime;

/// The serial of the calling thread.
#[inline]
fn me() -> u64 {
    raddle::thread::serial(runtime)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    lock::add_to(module)?;
    rlock::add_to(module)?;
    semaphore::add_to(module)?;
    condition::add_to(module)?;
    event::add_to(module)?;
    barrier::add_to(module)
}
