//! A number that is counted down to nought, once, and threads that wait for that.

use crate::graph::{Blocked, Halt};
use crate::seam::{Concurrent, Sharing, Word};
use crate::wait::Queue;

/// A latch without a runtime.
///
/// ```
/// use raddle::sync::RawLatch;
/// let latch = RawLatch::new(3);
/// latch.count_down(1);
/// assert_eq!(latch.count(), 2);
/// latch.count_down(5);
/// assert!(latch.is_open());
/// ```
#[derive(Debug)]
pub struct RawLatch<S = Concurrent> {
    /// What is left to count. Whoever waits announces itself by an exchange of it, so whoever counts the last down is
    /// either before that, or finds it in the queue.
    word: Word<S>,
    queue: Queue,
}

impl RawLatch {
    /// A latch that opens after `count`.
    pub fn new(count: u64) -> Self {
        Self::shared(count)
    }
}

impl<S: Sharing> RawLatch<S> {
    /// The same, to which threads come as `S` says.
    pub fn shared(count: u64) -> Self {
        RawLatch { word: Word::new(count), queue: Queue::default() }
    }

    /// What is left to count.
    #[inline]
    pub fn count(&self) -> u64 {
        self.word.load_acquire()
    }

    /// Whether nothing is left to count.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.count() == 0
    }

    /// Counts down by `amount`, to 0 at most, and wakes all who wait if that is reached.
    pub fn count_down(&self, amount: u64) {
        let before = self.word.update(|count| count.saturating_sub(amount));
        if before <= amount {
            self.queue.wake(usize::MAX);
        }
    }

    /// Sleeps as `blocked` says until nothing is left to count.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn wait(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let waiter = self.queue.enlist(blocked.me.parker());
        if self.word.update(|count| count) == 0 {
            self.queue.leave(&waiter);
            return Ok(());
        }
        self.queue.sleep(&waiter, blocked)
    }
}
