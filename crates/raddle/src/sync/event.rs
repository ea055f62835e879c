//! A flag to wait for.

use crate::graph::{Blocked, Halt};
use crate::seam::{Concurrent, Sharing, Word};
use crate::wait::Queue;

/// An event without a runtime.
///
/// ```
/// use raddle::sync::RawEvent;
/// let event = RawEvent::new();
/// event.set();
/// assert!(event.is_set());
/// event.clear();
/// assert!(!event.is_set());
/// ```
#[derive(Debug)]
pub struct RawEvent<S = Concurrent> {
    /// SET, or WAITED if a thread has enlisted since it was last set, or neither: setting it is one exchange that also
    /// says whether there is anybody to wake.
    word: Word<S>,
    queue: Queue,
}

const SET: u64 = 1;
const WAITED: u64 = 2;

impl<S: Sharing> Default for RawEvent<S> {
    fn default() -> Self {
        RawEvent { word: Word::new(0), queue: Queue::default() }
    }
}

impl RawEvent {
    /// An event whose flag is down.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S: Sharing> RawEvent<S> {
    /// Whether the flag is up.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.word.load_acquire() & SET != 0
    }

    /// Raises the flag and wakes all who wait for it.
    #[inline]
    pub fn set(&self) {
        if self.word.swap(SET) & WAITED != 0 {
            self.queue.wake(usize::MAX);
        }
    }

    /// Lowers the flag.
    #[inline]
    pub fn clear(&self) {
        // Not a plain store: between another thread's clear and this one a waiter may have announced itself.
        if self.is_set() {
            self.word.update(|word| word & !SET);
        }
    }

    /// Sleeps as `blocked` says until the flag has been raised. Whoever was woken by it returns, even if it is down again.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn wait(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let waiter = self.queue.enlist(blocked.me.parker());
        let announced = |word| if word & SET == 0 { word | WAITED } else { word };
        if self.word.update(announced) & SET != 0 {
            self.queue.leave(&waiter);
            return Ok(());
        }
        self.queue.sleep(&waiter, blocked)
    }
}
