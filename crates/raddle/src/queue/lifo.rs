//! Last in, first out.

use super::raw::Container;

/// Items of which the latest is on top.
#[derive(Debug)]
pub struct Lifo<T> {
    items: Vec<T>,
}

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Lifo { items: Vec::new() }
    }
}

impl<T> Container for Lifo<T> {
    type Item = T;

    #[inline]
    fn len(&self) -> usize {
        self.items.len()
    }

    #[inline]
    fn push(&mut self, item: T) {
        self.items.push(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    fn for_each(&self, visit: impl FnMut(&T)) {
        self.items.iter().for_each(visit);
    }
}

impl<T> IntoIterator for Lifo<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    /// From the oldest to the latest.
    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// A queue that gives the latest item first.
///
/// ```
/// use raddle::queue::LifoQueue;
/// let queue = LifoQueue::new();
/// queue.put("first").unwrap();
/// queue.put("second").unwrap();
/// assert_eq!(queue.get(), Ok("second"));
/// ```
#[cfg(not(loom))]
pub type LifoQueue<T> = super::OrderedQueue<Lifo<T>>;
