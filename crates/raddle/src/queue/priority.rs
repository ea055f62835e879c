//! Smallest first.
//!
//! A binary heap whose shape after any sequence of operations is the one that Python's `heapq` gives, so that equal items
//! come out in the same order and the heap can be handed over as a Python list. `std`'s heap happens to do the same today
//! but does not promise it, and compares by `cmp`, of which items of a host often have only "less than".

use super::raw::Container;

/// A heap with the smallest item on top.
#[derive(Debug)]
pub struct Heap<T> {
    items: Vec<T>,
}

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Heap { items: Vec::new() }
    }
}

impl<T: PartialOrd> Heap<T> {
    /// Moves the item at `place` up to where its parent is not larger.
    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if !self.items[place].lt(&self.items[parent]) {
                return;
            }
            self.items.swap(place, parent);
            place = parent;
        }
    }

    /// Moves the item on top down along the smaller children to the very bottom and from there up again: it came from the
    /// bottom and is most likely to belong there, which saves a comparison at each level.
    fn sink(&mut self) {
        let (mut place, mut child) = (0, 1);
        while child < self.items.len() {
            let right = child + 1;
            if right < self.items.len() && !self.items[child].lt(&self.items[right]) {
                child = right;
            }
            self.items.swap(place, child);
            (place, child) = (child, 2 * child + 1);
        }
        self.rise(place);
    }
}

impl<T: PartialOrd> Container for Heap<T> {
    type Item = T;

    #[inline]
    fn len(&self) -> usize {
        self.items.len()
    }

    #[inline(never)]
    fn push(&mut self, item: T) {
        self.items.push(item);
        self.rise(self.items.len() - 1);
    }

    #[inline(never)]
    fn pop(&mut self) -> Option<T> {
        let last = self.items.pop()?;
        let Some(top) = self.items.first_mut() else { return Some(last) };
        let smallest = std::mem::replace(top, last);
        self.sink();
        Some(smallest)
    }

    fn for_each(&self, visit: impl FnMut(&T)) {
        self.items.iter().for_each(visit);
    }
}

impl<T> IntoIterator for Heap<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    /// In the order of the heap: each item before its children, at twice its place plus one and plus two.
    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// A queue that gives the smallest item first.
///
/// ```
/// use raddle::queue::PriorityQueue;
/// let queue = PriorityQueue::new();
/// for urgency in [3, 1, 2] {
///     queue.put(urgency).unwrap();
/// }
/// assert_eq!([queue.get(), queue.get(), queue.get()], [Ok(1), Ok(2), Ok(3)]);
/// ```
#[cfg(not(loom))]
pub type PriorityQueue<T> = super::OrderedQueue<Heap<T>>;

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Compares by the first number only, so that the second tells equal ones apart.
    #[derive(Clone, Debug)]
    struct Ranked(u8, usize);

    impl PartialEq for Ranked {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    impl PartialOrd for Ranked {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            self.0.partial_cmp(&other.0)
        }
    }

    proptest! {
        #[test]
        fn the_smallest_comes_first(ranks in prop::collection::vec(0u8..6, 0..60)) {
            let mut heap = Heap::default();
            ranks.iter().enumerate().for_each(|(index, rank)| heap.push(Ranked(*rank, index)));
            let popped: Vec<_> = std::iter::from_fn(|| heap.pop()).collect();
            let mut places: Vec<_> = popped.iter().map(|item| item.1).collect();
            prop_assert!(popped.is_sorted());
            places.sort_unstable();
            prop_assert!(places.into_iter().eq(0..ranks.len()));
        }
    }
}
