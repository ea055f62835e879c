//! A flag to wait for.

use std::sync::atomic::{AtomicU8, Ordering};

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
    /// SET, or WAITED if a thread has enlisted since it was last set, or neither: setting it is one exchange that also
    /// says whether there is anybody to wake.
    word: AtomicU8,
    queue: Queue,
}

const SET: u8 = 1;
const WAITED: u8 = 2;

impl RawEvent {
    /// Whether the flag is up.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.word.load(Ordering::Acquire) & SET != 0
    }

    /// Raises the flag and wakes all who wait for it.
    #[inline]
    pub fn set(&self) {
        if self.word.swap(SET, Ordering::AcqRel) & WAITED != 0 {
            self.queue.wake(usize::MAX);
        }
    }

    /// Lowers the flag.
    #[inline]
    pub fn clear(&self) {
        // Not a plain store: between another thread's clear and this one a waiter may have announced itself.
        if self.is_set() {
            self.word.fetch_and(!SET, Ordering::Release);
        }
    }

    /// Sleeps as `blocked` says until the flag has been raised. Whoever was woken by it returns, even if it is down again.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn wait(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let waiter = self.queue.enlist(blocked.me.parker());
        let announced = |word| (word & SET == 0).then_some(word | WAITED);
        if self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, announced).is_err() {
            self.queue.leave(&waiter);
            return Ok(());
        }
        self.queue.sleep(&waiter, blocked)
    }
}
