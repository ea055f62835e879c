//! Locks and their relatives, each in a file: the raw forms, which bring neither a value nor a runtime (Python's objects
//! are made of them), and the typed forms for Rust.

pub(crate) mod barrier;
pub(crate) mod condition;
#[cfg(not(loom))]
mod condvar;
pub(crate) mod event;
pub(crate) mod lock;
#[cfg(not(loom))]
mod mutex;
pub(crate) mod rlock;
pub(crate) mod semaphore;

#[cfg(not(loom))]
pub use condvar::Condvar;
#[cfg(not(loom))]
pub use mutex::{Mutex, MutexGuard};

pub use barrier::{Arrival, Broken, Failure, RawBarrier};
pub use condition::{Place, RawCondition};
pub use event::RawEvent;
pub use lock::{NotHeld, RawLock};
pub use rlock::RawRLock;
pub use semaphore::{RawSemaphore, TooMany};
