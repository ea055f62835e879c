//! Many threads that are woken at once.
//!
//! A thread that wakes may have to queue for something of the host's at once, as an interpreter's lock; thousands that
//! do so at the same time cost more than all they have to do (CPython's lock is waited for with a time-out of 5 ms, so six
//! thousand waiting threads wake a million times a second). So whoever wakes a crowd unparks its first [`WIDTH`] only,
//! and each thread unparks one more as soon as its own sleep is over, the host's lock taken.
//!
//! Invariants:
//!
//! - Every member is notified from the start, under the mutex of its queue. Only the unparking is put off, so a member
//!   that looks by itself (its time is up, a signal came) goes on like one that was unparked.
//! - Every member passes on once, however its sleep ends ([`Link`]). The calls go to the members in their order, so
//!   while there are members left to call, `WIDTH` that were called have not passed on yet. One of them may be a long time
//!   in the handler of a signal, for there is one thread that runs those; the others carry on.
//!
//! Not taken: to wake member i + WIDTH from member i. The one in the handler would hold up every member behind it, and
//! what the handler waits for may be one of those.

use std::sync::Arc;

use super::queue::{Line, Waiter};
use crate::seam::atomic::{AtomicUsize, Ordering};

/// How many threads of a crowd are on their way at a time. Measured with 6,000 threads under the interpreter's lock, on two
/// cores: 0.6 s with 16, 0.9 s with 4 and with 64, 17 s if all are.
const WIDTH: usize = if cfg!(loom) { 1 } else { 16 };

/// Members in their order.
#[derive(Debug)]
pub(crate) struct Crowd {
    members: Vec<Arc<Waiter>>,
    /// How many have been called.
    called: AtomicUsize,
}

impl Crowd {
    pub(super) fn call_next(&self) {
        // Acquire and release: a member that looked by itself passes on without having been unparked, and the next must
        // see its notification, which the waker wrote before its own first call.
        let next = self.called.fetch_add(1, Ordering::AcqRel);
        if let Some(member) = self.members.get(next) {
            member.parker().unpark();
        }
    }
}

/// Threads that were taken out of a queue and have to be woken, once its mutex is released.
#[derive(Debug, Default)]
#[must_use]
pub(crate) enum Popped {
    /// None.
    #[default]
    Nobody,
    /// So few that they are woken one after the other.
    Few(Vec<Arc<Waiter>>),
    /// More.
    Many(Arc<Crowd>),
}

impl Popped {
    /// Notifies `waiters`, which have just been taken out of their queue under its mutex.
    pub(crate) fn notified(waiters: impl IntoIterator<Item = Arc<Waiter>>) -> Popped {
        let members: Vec<_> = waiters.into_iter().collect();
        if members.len() <= WIDTH {
            members.iter().for_each(|waiter| waiter.mark());
            return if members.is_empty() { Popped::Nobody } else { Popped::Few(members) };
        }
        let crowd = Arc::new(Crowd { members, called: AtomicUsize::new(0) });
        crowd.members.iter().for_each(|waiter| waiter.mark_as_one_of(&crowd));
        Popped::Many(crowd)
    }

    /// Empties `line` and notifies everybody in it, under its mutex.
    pub(crate) fn all_of(line: &mut Line) -> Popped {
        Popped::notified(std::mem::take(line))
    }

    pub(crate) fn wake(&self) {
        match self {
            Popped::Nobody => {}
            Popped::Few(waiters) => waiters.iter().for_each(|waiter| waiter.parker().unpark()),
            Popped::Many(crowd) => (0..WIDTH).for_each(|_| crowd.call_next()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Popped::Nobody => 0,
            Popped::Few(waiters) => waiters.len(),
            Popped::Many(crowd) => crowd.members.len(),
        }
    }
}

/// Around one sleep, by the waiter's owner, until it is out of its queue: passes on, if it was one of a crowd.
pub(crate) struct Link<'a>(pub(crate) &'a Waiter);

impl Drop for Link<'_> {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}
