//! Threads that wait to be notified.
//!
//! The lock that goes with a condition is not in here: Python's may be any object with the right methods, and Rust's is
//! part of the guard. The order is always: take a place while holding the lock, release the lock, sleep in the place, take
//! the lock again.

use std::sync::Arc;

use crate::graph::{Blocked, Halt};
use crate::thread::Thread;
use crate::wait::{Queue, Waiter};

/// A condition without a lock and without a runtime.
#[derive(Debug, Default)]
pub struct RawCondition {
    queue: Queue,
}

/// A place among those who wait, taken while the lock was held.
#[derive(Debug)]
pub struct Place(Arc<Waiter>);

impl RawCondition {
    /// Takes a place at the end, for the calling thread `me`.
    pub fn enlist(&self, me: &Thread) -> Place {
        Place(self.queue.enlist(me.parker()))
    }

    /// Sleeps as `blocked` says until notified, in a place that was taken before.
    ///
    /// # Errors
    /// Why the wait ended without a notification; the place has been given back.
    pub fn sleep(&self, place: &Place, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        self.queue.sleep(&place.0, blocked)
    }

    /// Gives a place back without having slept; a notification that came for it goes to the next.
    pub fn leave(&self, place: &Place) {
        if !self.queue.leave(&place.0) {
            self.queue.wake(1);
        }
    }

    /// Wakes up to `most` waiters, those who came first first.
    pub fn notify(&self, most: usize) {
        self.queue.wake(most);
    }

    /// How many wait.
    pub fn waiters(&self) -> usize {
        self.queue.len()
    }
}
