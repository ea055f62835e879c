//! A threading runtime that knows who holds what and who waits for whom.
//!
//! ```
//! use raddle::{LockError, Mutex};
//!
//! let accounts = Mutex::named("accounts", vec![100, 100]);
//! let first = accounts.lock()?;
//! // The same thread, the same lock: anywhere else this line would hang for ever.
//! let second = accounts.lock();
//! assert!(matches!(second, Err(LockError::Deadlock(_))));
//! # drop(first);
//! # Ok::<(), LockError>(())
//! ```
//!
//! Calls go down: `sync` and `thread` decide and wait, `wait` is the one way to wait, `seam` is the only room that parks
//! a thread or reads a clock. Facts come up: `graph` finds out who waits for whom and says so as data, a
//! [`Verdict`](graph::verdict::Verdict), to whoever asked with [`on_verdict`]; `observe` says what each thread is doing
//! now. Nothing in here prints.

pub mod error;
pub mod executor;
#[cfg(not(loom))]
mod facade;
pub mod graph;
pub mod observe;
pub mod queue;
pub mod runtime;
#[cfg(not(loom))]
pub mod scope;
pub mod seam;
pub mod stop;
pub mod sync;
pub mod thread;
pub mod timer;
mod wait;

pub use error::{BarrierError, JoinError, LockError, Panic};
#[cfg(not(loom))]
pub use executor::{Pool, Task, TaskError};
#[cfg(not(loom))]
pub use facade::{HookHandle, current, on_shutdown, on_unhandled, on_verdict, record, runtime, shutdown, threads};
#[cfg(not(loom))]
pub use scope::{Scope, scope};
pub use stop::Stopped;
#[cfg(not(loom))]
pub use stop::{Elapsed, sleep, within};
#[cfg(not(loom))]
pub use sync::{
    Barrier, BarrierWaitResult, Condvar, Event, Latch, Mutex, MutexGuard, Once, RateLimiter, ReentrantMutex,
    ReentrantMutexGuard, RwLock, RwLockReadGuard, RwLockUpgradableGuard, RwLockUpgradedGuard, RwLockWriteGuard,
    Semaphore, SemaphorePermit,
};
#[cfg(not(loom))]
pub use thread::{Builder, JoinHandle, StartError, Unstarted, spawn};
