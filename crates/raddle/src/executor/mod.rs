//! Jobs, those who work on them, and what comes of them.
//!
//! The raw forms bring neither a value nor a runtime: [`RawFuture`] is the state of a computation that somebody else
//! carries out, [`RawPool`] is a line of jobs and the bench of workers behind it. Python's executor is made of them, and so
//! are, for Rust, [`Pool`] and [`Task`].

mod future;
#[cfg(not(loom))]
mod pool;
mod raw_pool;

pub use future::{Claim, Phase, RawFuture, Refused, Sleepers};
#[cfg(not(loom))]
pub use pool::{Builder, Pool, Task, TaskError};
pub use raw_pool::{Closed, Next, RawPool, Worker};

#[cfg(all(test, loom))]
mod models;
