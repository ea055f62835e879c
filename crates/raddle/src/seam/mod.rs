//! The only room that parks, reads a clock, names an atomic or asks the operating system.
//!
//! Everything above is written against the few names below, so that the same code runs for real (`os/linux.rs`, or
//! `os/portable.rs` elsewhere) and inside loom's model checker (`os/model.rs`, with `--cfg loom`).
//!
//! The rules every world keeps:
//!
//! - [`Parker`] belongs to one thread; only that thread parks on it, anybody may unpark. An unpark that comes before the
//!   park is kept (one token), and a park may return without a reason: callers look again at what they wait for.
//! - `Mutex` is for a few instructions that neither block nor call out. Its content must be a value that may be thrown
//!   away in the child of a fork: a lock taken there for the first time finds the content reset to `Default`, because
//!   the threads that it spoke of are not in the child and one of them may have been cut off in the middle of a change.
//!   `lock_keeping` throws it away only if one was.

#[cfg_attr(loom, path = "os/model.rs")]
#[cfg_attr(all(not(loom), target_os = "linux"), path = "os/linux.rs")]
#[cfg_attr(all(not(loom), not(target_os = "linux")), path = "os/portable.rs")]
mod os;

#[cfg_attr(loom, path = "os/model_thread.rs")]
#[cfg_attr(all(not(loom), target_os = "linux"), path = "os/linux_thread.rs")]
#[cfg_attr(all(not(loom), not(target_os = "linux")), path = "os/portable_thread.rs")]
pub(crate) mod thread;

#[cfg(not(loom))]
#[cfg_attr(target_os = "linux", path = "os/linux_task.rs")]
#[cfg_attr(not(target_os = "linux"), path = "os/portable_task.rs")]
pub(crate) mod task;

mod clock;
mod fork;
mod sharing;
mod word;

#[cfg(not(loom))]
pub(crate) use std::sync::atomic;

#[cfg(loom)]
pub(crate) use loom::sync::atomic;

#[cfg(all(test, not(loom)))]
pub(crate) use clock::SET;
pub use clock::{Time, Wall};
pub use fork::{after_fork_in_child, fork_generation};
pub use os::{Guard, Mutex, Parker, Woken, os_threads};
pub use sharing::{ByHost, ByMutex, Concurrent, Exclusion, Serialized, Sharing};
pub(crate) use word::Word;

/// Gives way to another thread that is in the middle of the few instructions which this one waits for.
pub(crate) fn pause() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::thread::yield_now();
}
