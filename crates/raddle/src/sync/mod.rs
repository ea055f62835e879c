//! Locks and their relatives, each in a file: the raw forms, which bring neither a value nor a runtime (Python's objects
//! are made of them). The typed forms for Rust are in `typed`.

pub(crate) mod barrier;
pub(crate) mod condition;
pub(crate) mod event;
mod latch;
pub(crate) mod lock;
#[cfg(all(test, loom))]
mod models;
mod once;
mod permits;
mod rate_limiter;
mod readers;
pub(crate) mod rlock;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
#[cfg(not(loom))]
mod typed;

#[cfg(not(loom))]
pub use typed::{
    Barrier, BarrierWaitResult, Condvar, Event, Latch, Mutex, MutexGuard, Once, RateLimiter, ReentrantMutex,
    ReentrantMutexGuard, RwLock, RwLockReadGuard, RwLockUpgradableGuard, RwLockUpgradedGuard, RwLockWriteGuard,
    Semaphore, SemaphorePermit,
};

pub use barrier::{Arrival, Broken, Failure, RawBarrier};
pub use condition::{Place, RawCondition};
pub use event::RawEvent;
pub use latch::RawLatch;
pub use lock::{NotHeld, RawLock};
pub use once::RawOnce;
pub use permits::{Held, RawPermits};
pub use rate_limiter::{BadRate, RawRateLimiter};
pub use rlock::RawRLock;
pub use rwlock::{Policy, RawRwLock, Side};
pub use semaphore::{RawSemaphore, TooMany};
