//! A flag to wait for.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::graph::{Blocked, Halt};
use crate::wait::Queue;

/// An event without a runtime.
///
/// ```
/// use raddle::sync::RawEvent;
/// let event = RawEvent::default();
/// event.set();
/// assert!(event.is_set());
/// event.clear();
/// assert!(!event.is_set());
/// ```
#[derive(Debug, Default)]
pub struct RawEvent {
    flag: AtomicBool,
    queue: Queue,
}

impl RawEvent {
    /// Whether the flag is up.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }

    /// Raises the flag and wakes all who wait for it.
    #[inline]
    pub fn set(&self) {
        // Sequentially consistent with the waiter's enlist and second look: one of us sees the other.
        if !self.flag.swap(true, Ordering::SeqCst) {
            self.queue.wake(usize::MAX);
        }
    }

    /// Lowers the flag.
    #[inline]
    pub fn clear(&self) {
        self.flag.store(false, Ordering::SeqCst);
    }

    /// Sleeps as `blocked` says until the flag has been raised. Whoever was woken by it returns, even if it is down again.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn wait(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let waiter = self.queue.enlist(blocked.me.parker());
        if self.is_set() {
            self.queue.leave(&waiter);
            return Ok(());
        }
        self.queue.sleep(&waiter, blocked)
    }
}
