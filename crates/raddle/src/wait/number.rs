//! A lock's number, by which the learner of lock orders knows it; see `graph/learner.rs`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that no other lock has, nor had or will have. It is given when it is asked for first, and gone before the
/// lock's memory is.
#[derive(Debug, Default)]
pub(crate) struct LockNumber(AtomicU64);

impl LockNumber {
    /// The number.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        match self.so_far() {
            0 => self.give(),
            number => number,
        }
    }

    /// The same, 0 if nobody has asked for it yet.
    #[inline]
    pub(crate) fn so_far(&self) -> u64 {
        self.0.load(Relaxed)
    }

    #[cold]
    fn give(&self) -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let new = LAST.fetch_add(1, Relaxed) + 1;
        #[cfg(not(loom))]
        crate::graph::learner::born(new);
        let given = self.0.compare_exchange(0, new, Relaxed, Relaxed);
        #[cfg(not(loom))]
        if given.is_err() {
            crate::graph::learner::died(new);
        }
        given.map_or_else(|theirs| theirs, |_| new)
    }

    /// Takes it away. May run code of the host.
    pub(crate) fn retire(&self) {
        let number = self.0.swap(0, Relaxed);
        #[cfg(not(loom))]
        crate::graph::learner::died(number);
        #[cfg(loom)]
        let _ = number;
    }
}

impl Drop for LockNumber {
    fn drop(&mut self) {
        self.retire();
    }
}
