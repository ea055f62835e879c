//! What is due when: a binary heap of moments, and what to do then beside it.
//!
//! Cancelling takes the deed away and leaves the moment in the heap; when more than half of the moments are such empty ones,
//! the heap is made anew. So arming and cancelling cost the logarithm of the number of entries at most, on average, and
//! cancelled entries never pile up. A timer wheel would be cheaper to arm, but rounds moments, and cancelled entries keep
//! their places until their turn.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::seam::Time;

/// Names an entry; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(u64);

/// See the module. Entries of the same moment are due in the order in which they were armed.
#[derive(Debug)]
pub(crate) struct Heap<T> {
    moments: BinaryHeap<Reverse<(Time, Key)>>,
    deeds: HashMap<Key, T>,
    last: u64,
}

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Heap { moments: BinaryHeap::new(), deeds: HashMap::new(), last: 0 }
    }
}

/// Fewer moments than this are never worth cleaning.
const FEW: usize = 64;

impl<T> Heap<T> {
    /// Adds what is to be done at `due`; also whether that is now the first of all.
    pub(crate) fn arm(&mut self, due: Time, deed: T) -> (Key, bool) {
        self.last += 1;
        let key = Key(self.last);
        self.deeds.insert(key, deed);
        self.moments.push(Reverse((due, key)));
        (key, self.moments.peek() == Some(&Reverse((due, key))))
    }

    /// Takes back what was armed; `None` if it was due or taken back already.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<T> {
        let deed = self.deeds.remove(&key);
        if self.moments.len() > FEW && self.moments.len() > 2 * self.deeds.len() {
            let deeds = &self.deeds;
            self.moments.retain(|Reverse((_, key))| deeds.contains_key(key));
        }
        deed
    }

    /// The next thing that is due by `now`.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<T> {
        while self.next().is_some_and(|due| due <= now) {
            let Reverse((_, key)) = self.moments.pop()?;
            if let Some(deed) = self.deeds.remove(&key) {
                return Some(deed);
            }
        }
        None
    }

    /// When the next thing is due.
    pub(crate) fn next(&mut self) -> Option<Time> {
        while let Some(Reverse((due, key))) = self.moments.peek() {
            if self.deeds.contains_key(key) {
                return Some(*due);
            }
            self.moments.pop();
        }
        None
    }

    /// How many things are to be done.
    pub(crate) fn len(&self) -> usize {
        self.deeds.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(heap: &mut Heap<u32>, now: u64) -> Vec<u32> {
        std::iter::from_fn(|| heap.pop_due(Time(now))).collect()
    }

    #[test]
    fn gives_what_is_due_in_order_and_leaves_the_rest() {
        let mut heap = Heap::default();
        for (due, deed) in [(30, 3), (10, 1), (20, 2), (10, 11)] {
            heap.arm(Time(due), deed);
        }
        assert_eq!(drain(&mut heap, 20), [1, 11, 2]);
        assert_eq!((heap.next(), heap.len()), (Some(Time(30)), 1));
    }

    #[test]
    fn says_whether_an_entry_is_the_first() {
        let mut heap = Heap::default();
        assert!(heap.arm(Time(20), 0).1);
        assert!(!heap.arm(Time(30), 0).1);
        assert!(heap.arm(Time(10), 0).1);
    }

    #[test]
    fn a_cancelled_entry_is_neither_due_nor_next() {
        let mut heap = Heap::default();
        let (key, _) = heap.arm(Time(10), 1);
        heap.arm(Time(20), 2);
        assert_eq!(heap.cancel(key), Some(1));
        assert_eq!(heap.cancel(key), None);
        assert_eq!(heap.next(), Some(Time(20)));
        assert_eq!(drain(&mut heap, 99), [2]);
    }

    #[test]
    fn cancelled_entries_are_purged() {
        let mut heap = Heap::default();
        let keys: Vec<_> = (0..10_000).map(|due| heap.arm(Time(due), 0).0).collect();
        heap.arm(Time(99_999), 1);
        keys.into_iter().for_each(|key| assert!(heap.cancel(key).is_some()));
        assert_eq!(heap.len(), 1);
        assert!(heap.moments.len() <= FEW, "{} moments for one deed", heap.moments.len());
    }
}
