//! What `concurrent.futures` is made of, over the engine's raw forms.

mod collector;
mod future;
mod giving_way;
mod theirs;
mod unasked;
mod work_queue;

use pyo3::prelude::*;

use crate::runtime;
pub(crate) use unasked::Submission;

/// The serial of the calling thread.
fn me() -> u64 {
    raddle::thread::serial(runtime)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    future::add_to(module)?;
    collector::add_to(module)?;
    unasked::add_to(module)?;
    work_queue::add_to(module)
}
