//! Tells one hold of a thing from the next, for those who stand in its line all the while.
//!
//! Takes are not counted, nor are gives that nobody waits for: both are fast. But a give that somebody waits for looks at
//! the line, unless one who was woken before is still under way. So whoever stands in line, sees nobody under way, and finds
//! the same number later, knows that nothing was given in between. Both looks are taken under the line's mutex, under which the
//! number changes.

use crate::seam::atomic::{AtomicU64, Ordering::Relaxed};

/// Belongs to a line, and changes under its mutex.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    ended: AtomicU64,
    /// The number of the last hold that was told of, and 1; 0 if there is none.
    told: AtomicU64,
}

impl Holds {
    /// Something was given, or may have been.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Relaxed);
    }

    /// The present hold; for a caller that has the line's mutex. `seen`: nobody who was woken is under way.
    pub(crate) fn now(&self, seen: bool) -> Lasting<'_> {
        Lasting { number: seen.then(|| self.ended.load(Relaxed)), told: &self.told }
    }
}

/// A hold that lasts for as long as its number stays the same.
#[derive(Debug)]
pub struct Lasting<'a> {
    number: Option<u64>,
    told: &'a AtomicU64,
}

impl Lasting<'_> {
    /// `None`: it cannot be told from the next one now.
    pub(crate) fn number(&self) -> Option<u64> {
        self.number
    }

    /// Has it count as told of; false if it did already.
    pub(crate) fn tell_once(&self) -> bool {
        self.number.is_some_and(|number| self.told.swap(number + 1, Relaxed) != number + 1)
    }
}
