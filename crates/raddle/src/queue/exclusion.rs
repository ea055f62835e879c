//! How the threads that use a queue are kept from changing it at the same time.
//!
//! A Rust program's threads are kept apart by a mutex. A host that has one lock for all its threads (an interpreter's)
//! and calls the queue only while holding it needs none: then a put is a handful of plain instructions, a fork finds no
//! queue in the middle of a change, and a signal handler, which the host runs between its own instructions, may use the
//! very queue that its thread is using.

use std::cell::UnsafeCell;
use std::fmt;

use crate::seam::{Mutex, fork_generation};

/// A value that one thread changes at a time.
pub trait Exclusion<T> {
    /// Runs `change` alone. It neither blocks nor runs code of the host, nor enters the same value again.
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R;
}

/// By a mutex. In the child of a fork the value is what it was if nobody was changing it at that moment; else it is
/// `Default` again.
#[derive(Debug, Default)]
pub struct Locked<T> {
    value: Mutex<T>,
}

impl<T: Default> Exclusion<T> for Locked<T> {
    #[inline]
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.value.lock_keeping())
    }
}

/// By the host's own lock, which every caller holds.
pub struct HostLocked<T> {
    value: UnsafeCell<T>,
}

// SAFETY: `new` makes its caller promise that one thread at a time is in `with`, so sharing the value sends it from one
// thread to the next and nothing more, which `T: Send` allows.
unsafe impl<T: Send> Sync for HostLocked<T> {}

impl<T> HostLocked<T> {
    /// A value that the host's lock protects.
    ///
    /// # Safety
    /// Every call of [`with`](Exclusion::with) must be made while holding one lock that is the same for all callers and
    /// is not released before it returns.
    pub unsafe fn new(value: T) -> Self {
        HostLocked { value: UnsafeCell::new(value) }
    }
}

impl<T> Exclusion<T> for HostLocked<T> {
    #[inline]
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the callers' lock keeps other threads out, as `new` demands; this thread is not in here twice, because
        // `change` does not call out (the trait's condition), and signal handlers of the host run between its own
        // instructions.
        change(unsafe { &mut *self.value.get() })
    }
}

impl<T> fmt::Debug for HostLocked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostLocked").field("generation", &fork_generation()).finish_non_exhaustive()
    }
}
