//! First in, first out.

use std::collections::VecDeque;

use super::raw::Container;

/// Items in the order in which they came.
#[derive(Debug)]
pub struct Fifo<T> {
    items: VecDeque<T>,
}

/// Room for more items than this is given back when the queue has run empty.
const KEPT: usize = 1024;

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Fifo { items: VecDeque::new() }
    }
}

impl<T> Fifo<T> {
    #[cold]
    #[inline(never)]
    fn give_room_back(&mut self) {
        self.items = VecDeque::new();
    }
}

impl<T> Container for Fifo<T> {
    type Item = T;

    #[inline]
    fn len(&self) -> usize {
        self.items.len()
    }

    #[inline]
    fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        if self.items.capacity() > KEPT && self.items.is_empty() {
            self.give_room_back();
        }
        Some(item)
    }

    fn for_each(&self, visit: impl FnMut(&T)) {
        self.items.iter().for_each(visit);
    }
}

impl<T> IntoIterator for Fifo<T> {
    type Item = T;
    type IntoIter = std::collections::vec_deque::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// A queue that gives items in the order in which they came.
///
/// ```
/// use raddle::queue::Queue;
/// let queue = Queue::new();
/// queue.put("first").unwrap();
/// queue.put("second").unwrap();
/// assert_eq!(queue.get(), Ok("first"));
/// ```
#[cfg(not(loom))]
pub type Queue<T> = super::OrderedQueue<Fifo<T>>;
