//! Something that is done once: by whoever comes first, while the others wait for it.
//!
//! It is a lock that is held while the thing is done, and never taken again after that. So a thread that comes back to it
//! while it is doing it waits for itself, and is told.

use super::lock::RawLock;
use crate::graph::{Blocked, Halt, Hold};
use crate::seam::atomic::{AtomicBool, Ordering};
use crate::seam::{Concurrent, Sharing};

/// A thing to be done once, without a runtime.
///
/// ```
/// use raddle::sync::RawOnce;
/// let once = RawOnce::new();
/// assert_eq!(once.try_begin(7), Some(true));
/// assert_eq!(once.try_begin(8), None); // 7 is doing it
/// once.end(false); // it failed
/// assert_eq!(once.try_begin(8), Some(true));
/// once.end(true);
/// assert_eq!(once.try_begin(7), Some(false)); // it is done
/// ```
#[derive(Debug)]
pub struct RawOnce<S = Concurrent> {
    lock: RawLock<S>,
    done: AtomicBool,
}

impl<S: Sharing> Default for RawOnce<S> {
    fn default() -> Self {
        RawOnce { lock: RawLock::default(), done: AtomicBool::new(false) }
    }
}

impl RawOnce {
    /// Not done yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S: Sharing> RawOnce<S> {
    /// Whether it is done.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Whether thread `serial` is to do it now, and to say so by [`end`](RawOnce::end); nothing, if another one is doing it.
    pub fn try_begin(&self, serial: u64) -> Option<bool> {
        if self.is_done() {
            return Some(false);
        }
        self.lock.try_acquire(serial, true).then(|| self.begun())
    }

    /// The same, sleeping as `blocked` says while another one is doing it.
    ///
    /// # Errors
    /// Why the wait ended before that was over.
    pub fn begin(&self, blocked: &mut Blocked<'_>) -> Result<bool, Halt> {
        self.lock.acquire(true, blocked).map(|()| self.begun())
    }

    /// The lock was taken; it is kept if there is anything left to do.
    fn begun(&self) -> bool {
        let left = !self.is_done();
        if !left {
            self.let_go();
        }
        left
    }

    /// The calling thread, which began it, is through: it is done, or the next one has to try.
    pub fn end(&self, done: bool) {
        if done {
            self.done.store(true, Ordering::Release);
        }
        self.let_go();
    }

    fn let_go(&self) {
        let held = self.lock.release();
        debug_assert!(held.is_ok());
    }

    /// Who is doing it, as the wait graph sees it.
    pub fn hold(&self) -> Option<Hold> {
        self.lock.hold().map(|hold| Hold { strict: true, ..hold })
    }
}
