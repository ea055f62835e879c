//! A queue without a bound, tasks or an end: putting never waits and never fails.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::fifo::Fifo;
use super::raw::RawQueue;
use super::typed::{GetError, Label, wait_for_item};
use crate::stop::Stopped;

/// First in, first out, and nothing else.
///
/// ```
/// use raddle::queue::SimpleQueue;
/// let queue = SimpleQueue::new();
/// queue.put("a");
/// queue.put("b");
/// assert_eq!(queue.get()?, "a");
/// assert_eq!(queue.try_get(), Some("b"));
/// assert_eq!(queue.try_get(), None);
/// # Ok::<(), raddle::Stopped>(())
/// ```
pub struct SimpleQueue<T> {
    raw: RawQueue<Fifo<T>>,
    label: Arc<Label>,
}

impl<T> Default for SimpleQueue<T> {
    #[track_caller]
    fn default() -> Self {
        SimpleQueue::new()
    }
}

impl<T> SimpleQueue<T> {
    /// An empty queue.
    #[track_caller]
    pub fn new() -> Self {
        SimpleQueue { raw: RawQueue::default(), label: Label::here("SimpleQueue", None) }
    }

    /// Puts an item.
    pub fn put(&self, item: T) {
        // Without a bound and without an end nothing is refused.
        self.label.producers.note();
        let put = self.raw.try_put(item);
        debug_assert!(put.is_ok());
    }

    /// Takes an item; waits while there is none.
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before there is one.
    #[track_caller]
    pub fn get(&self) -> Result<T, Stopped> {
        let site = Location::caller();
        loop {
            if let Some(item) = self.get_within(None, site)? {
                return Ok(item);
            }
        }
    }

    /// Takes an item; waits for one no longer than `limit`.
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that.
    #[track_caller]
    pub fn get_timeout(&self, limit: Duration) -> Result<Option<T>, Stopped> {
        self.get_within(Some(limit), Location::caller())
    }

    /// Takes an item if there is one.
    pub fn try_get(&self) -> Option<T> {
        self.raw.try_get().ok()
    }

    fn get_within(&self, limit: Option<Duration>, site: &'static Location<'static>) -> Result<Option<T>, Stopped> {
        if let Some(item) = self.try_get() {
            return Ok(Some(item));
        }
        match wait_for_item(&self.raw, &self.label, limit, site) {
            Err(GetError::Stopped(stopped)) => Err(*stopped),
            got => Ok(got.ok()),
        }
    }

    /// How many items are in; a moment later it may be another number.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether none is in, for a moment.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}

impl<T> fmt::Debug for SimpleQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimpleQueue").field("len", &self.len()).finish_non_exhaustive()
    }
}
