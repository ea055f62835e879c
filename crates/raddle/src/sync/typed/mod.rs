//! The typed forms for Rust: a raw form with a name, a value where there is one to protect, a guard where there is
//! something to give back, and the default runtime to wait on.
//!
//! Names follow Rust's standard library and, for what that lacks, tokio. A call that can fail for ever (a lock whose
//! holder waits for the caller) says so in its error; where nobody in particular has to act for a wait to end (a permit, an
//! event) no single wait is known to be hopeless, so those calls fail by a stop only ([`Stopped`](crate::Stopped)), and a
//! program of which every thread sleeps is told to [`on_verdict`](crate::on_verdict). A call that does not have to wait is no
//! stop point.

mod barrier;
mod condvar;
mod event;
mod latch;
mod mutex;
mod named;
mod once;
mod rate_limiter;
mod reentrant_mutex;
mod rwlock;
mod semaphore;
mod upgradable;

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::Condvar;
pub use event::Event;
pub use latch::Latch;
pub use mutex::{Mutex, MutexGuard};
pub use once::Once;
pub use rate_limiter::RateLimiter;
pub use reentrant_mutex::{ReentrantMutex, ReentrantMutexGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Semaphore, SemaphorePermit};
pub use upgradable::{RwLockUpgradableGuard, RwLockUpgradedGuard};
