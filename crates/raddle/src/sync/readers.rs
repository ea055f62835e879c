//! Who reads: a table of serials that any thread may look at without a mutex.
//!
//! The first few holds are in slots of one cache line. A thread begins at the slot of its serial, so a handful of threads
//! keep to a slot each and neither search nor race. What does not fit is in a list behind a mutex.
//!
//! A hold is entered after the lock was taken and crossed out before it is given back, by the same thread; so what a look
//! finds holds the lock, and whoever sleeps is to be found with all that it holds.

use crate::seam::atomic::{AtomicUsize, Ordering};
use crate::seam::{Mutex, Sharing, Word};

const SLOTS: usize = if cfg!(loom) { 1 } else { 8 };

/// See the module. One entry for each hold, so a thread may be in it several times.
#[derive(Debug)]
pub(super) struct Readers<S> {
    slots: [Word<S>; SLOTS],
    more: Mutex<Vec<u64>>,
    /// How many are in `more`; changes under its mutex.
    more_len: AtomicUsize,
}

impl<S: Sharing> Readers<S> {
    pub(super) fn new() -> Self {
        Readers { slots: std::array::from_fn(|_| Word::new(0)), more: Mutex::default(), more_len: AtomicUsize::new(0) }
    }

    /// The slots in the order in which a thread goes through them.
    #[inline]
    fn slots(&self, serial: u64) -> impl Iterator<Item = &Word<S>> {
        let first = serial as usize % SLOTS;
        self.slots[first..].iter().chain(&self.slots[..first])
    }

    /// Thread `serial` holds it once more.
    #[inline]
    pub(super) fn enter(&self, serial: u64) {
        let first = &self.slots[serial as usize % SLOTS];
        if first.load() != 0 || first.exchange(0, serial, Ordering::Release).is_err() {
            self.enter_elsewhere(serial);
        }
    }

    #[cold]
    fn enter_elsewhere(&self, serial: u64) {
        let take = |slot: &Word<S>| slot.load() == 0 && slot.exchange(0, serial, Ordering::Release).is_ok();
        if !self.slots(serial).any(take) {
            let mut more = self.more.lock_keeping();
            more.push(serial);
            self.more_len.store(more.len(), Ordering::Release);
        }
    }

    /// Thread `serial` lets go once: false if it does not hold it.
    #[inline]
    pub(super) fn cross_out(&self, serial: u64) -> bool {
        let first = &self.slots[serial as usize % SLOTS];
        if first.load() == serial {
            first.store(0);
            return true;
        }
        self.cross_out_elsewhere(serial)
    }

    #[cold]
    fn cross_out_elsewhere(&self, serial: u64) -> bool {
        if let Some(slot) = self.slots(serial).find(|slot| slot.load() == serial) {
            slot.store(0);
            return true;
        }
        if self.more_len.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut more = self.more.lock_keeping();
        let crossed_out = more.iter().position(|other| *other == serial).map(|place| more.swap_remove(place));
        self.more_len.store(more.len(), Ordering::Release);
        crossed_out.is_some()
    }

    /// The serial of each hold.
    pub(super) fn all(&self) -> Vec<u64> {
        let in_slots = self.slots.iter().map(Word::load_acquire).filter(|serial| *serial != 0);
        let mut all: Vec<u64> = in_slots.collect();
        if self.more_len.load(Ordering::Acquire) != 0 {
            all.extend(self.more.lock_keeping().iter());
        }
        all
    }

    /// How many holds are thread `serial`'s.
    pub(super) fn count(&self, serial: u64) -> usize {
        let in_slots = self.slots.iter().filter(|slot| slot.load_acquire() == serial).count();
        if self.more_len.load(Ordering::Acquire) == 0 {
            return in_slots;
        }
        in_slots + self.more.lock_keeping().iter().filter(|other| **other == serial).count()
    }

    pub(super) fn reset(&self) {
        self.slots.iter().for_each(|slot| slot.store(0));
        self.more.lock_keeping().clear();
        self.more_len.store(0, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::seam::Concurrent;

    #[test]
    fn any_number_of_holds_is_kept() {
        let readers = Readers::<Concurrent>::new();
        let serials: Vec<u64> = (1..=20).chain([9, 9]).collect();
        serials.iter().for_each(|serial| readers.enter(*serial));
        let mut all = readers.all();
        all.sort_unstable();
        let mut expected = serials.clone();
        expected.sort_unstable();
        assert_eq!(all, expected);
        assert_eq!([9, 20, 21].map(|serial| readers.count(serial)), [3, 1, 0]);
        assert!(!readers.cross_out(21));
        serials.iter().for_each(|serial| assert!(readers.cross_out(*serial)));
        assert!(readers.all().is_empty() && !readers.cross_out(9));
    }
}
