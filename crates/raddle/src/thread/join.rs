//! Waiting for a thread's end.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::{State, Thread};
use crate::graph::{Blocked, Description, Halt, Hold, Resource};

/// The end of a thread, as a thing to wait for: the thread itself holds it, and only it can let go.
#[derive(Debug)]
pub(crate) struct EndOf(pub(crate) Arc<Thread>);

impl Resource for EndOf {
    fn holder(&self) -> Option<Hold> {
        let alive = self.0.state() != State::Ended;
        alive.then(|| Hold { serial: self.0.serial(), owned: true, strict: false })
    }

    fn can_be_left(&self) -> bool {
        false
    }

    fn describe(&self) -> Description {
        Description { kind: "Thread".into(), name: self.0.name().to_string(), ..Description::default() }
    }
}

impl Thread {
    /// This thread's end as a thing to wait for.
    pub fn end(self: &Arc<Self>) -> Arc<dyn Resource> {
        Arc::new(EndOf(Arc::clone(self)))
    }

    /// Sleeps until the thread has ended.
    ///
    /// # Errors
    /// A time-out, an interruption, or that the thread waits for the caller.
    pub fn wait_for_end(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let waiter = self.joiners.enlist(blocked.me.parker());
        // Enlist, then look; the end sets the state, then looks for those enlisted. With a full fence between the two
        // steps on both sides, at least one of us sees the other.
        fence(Ordering::SeqCst);
        if self.state() == State::Ended {
            self.joiners.leave(&waiter);
            return Ok(());
        }
        self.joiners.sleep(&waiter, blocked)
    }
}
