//! Who owns, who waits; what follows from that.
//!
//! The graph is never stored as one. Its edges are where the facts are: a thread knows what it waits for
//! (a record, written when it goes to sleep), an object knows who holds it ([`Resource::holder`], the lock word). A
//! thread that goes to sleep follows them from itself: object, holder, what the holder waits for, ... (`walk.rs`). Threads
//! wait for one thing at a time and most things with an owner have one, so there is mostly one way to go; it forks at a lock
//! that several threads read. The last thread to close a cycle finds it whole, because each writes its record before it looks.
//!
//! A wait that any of several threads may end is no single way any more; see `knot.rs`. One that nobody in particular may end
//! is still suspicious if all who did so in the past are dead: `orphan.rs`. And one for what somebody holds for long may be
//! worth knowing of: `long_hold.rs`.
//!
//! What has not happened yet can be told, too: threads that take locks in opposite orders will deadlock one day. `order.rs`
//! finds such orders, `learner.rs` brings them to it, if it is asked to.
//!
//! What a walk saw at different moments is true at one moment if a second walk sees the same: records carry a number that
//! is never used twice (the epoch), and a thread that sleeps neither takes nor gives.

mod blocked;
#[cfg(not(loom))]
pub mod holdings;
mod knot;
#[cfg(not(loom))]
pub mod learner;
mod long_hold;
#[cfg(not(loom))]
mod order;
mod orphan;
mod resource;
pub mod verdict;
mod walk;

pub use blocked::{Blocked, Call, Halt, Interrupt, Sleeper};
pub(crate) use knot::{Knot, knot};
pub(crate) use long_hold::Watch;
#[cfg(not(loom))]
pub(crate) use resource::key_of;
pub use resource::{Description, ForeignWait, Hold, Resource, Site};
pub(crate) use walk::{End, Found, Step, Walk, walk};

use std::sync::Arc;

use crate::seam::Time;
pub use crate::wait::Lasting;
use crate::wait::Waiter;

/// What a sleeping thread waits for. Written by the thread itself; cleared by it when the wait is over.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Never used twice.
    pub(crate) epoch: u64,
    pub(crate) resource: Arc<dyn Resource>,
    pub(crate) waiter: Arc<Waiter>,
    pub(crate) call: Call,
    pub(crate) site: Option<Arc<dyn Site>>,
    pub(crate) since: Time,
    pub(crate) timed: bool,
}

impl Record {
    /// Whether nothing but another thread can end this wait, and none has yet.
    pub(crate) fn is_asleep(&self) -> bool {
        !self.timed && !self.waiter.is_notified()
    }
}
