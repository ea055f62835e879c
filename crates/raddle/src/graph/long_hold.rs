//! A lock that is held for long while others wait for it (`RD013`), if somebody wants to know.
//!
//! Nobody notes when a lock is taken: that would cost every take. So it is the waiters who measure, each from when it has seen
//! the hold first: it sleeps with a deadline and looks again. Who is next to be woken hears of every end of a hold; the others
//! compare numbers (`wait/holds.rs`), halfway as well, so a hold that begins meanwhile is told of after one and a half times the
//! limit at most.
//!
//! What is told already as something worse is not told: a deadlock, the lock of a dead thread.

use std::sync::Arc;
use std::time::Duration;

use super::verdict::Verdict;
use super::{End, Resource};
use crate::runtime::{Deadlocks, Runtime};
use crate::seam::Time;
use crate::thread::Thread;

/// A hold, as a waiter has seen it.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Its number, and the serial of the holder; `None` if it is not known which hold this is.
    hold: Option<(u64, u64)>,
    since: Time,
    due: Time,
}

impl Watch {
    fn begin(resource: &dyn Resource, limit: Duration) -> Self {
        let now = Time::now();
        Watch { hold: present(resource), since: now, due: now.after(limit / 2) }
    }

    fn stands(&self, resource: &dyn Resource) -> bool {
        self.hold.is_some() && self.hold == present(resource)
    }
}

/// The number comes first: the holder that is read then has this hold, or a later one, which a later look tells from it.
fn present(resource: &dyn Resource) -> Option<(u64, u64)> {
    let number = resource.lasting()?.number()?;
    resource.holder().map(|hold| (number, hold.serial))
}

impl Runtime {
    /// Looks at how long somebody holds what `me` waits for; returns when to look again. Runs code of the host.
    #[inline(never)]
    pub(crate) fn watch_hold(
        &self,
        me: &Thread,
        resource: &Arc<dyn Resource>,
        watch: &mut Option<Box<Watch>>,
    ) -> Option<Time> {
        let (limit, now) = (self.hold_warn()?, Time::now());
        match watch.as_deref_mut() {
            None if resource.lasting().is_none() => return None,
            Some(watch) if watch.due > now => {}
            Some(watch) if watch.stands(&**resource) => {
                let end = watch.since.after(limit);
                watch.due = if end > now { end } else { now.after(limit) };
                if end <= now {
                    self.tell_long_hold(me, &**resource, watch);
                }
            }
            _ => *watch = Some(Box::new(Watch::begin(&**resource, limit))),
        }
        watch.as_ref().map(|watch| watch.due)
    }

    #[cold]
    fn tell_long_hold(&self, me: &Thread, resource: &dyn Resource, watch: &Watch) {
        let holder = watch.hold.and_then(|(_, serial)| self.thread(serial));
        let Some(holder) = holder.filter(|_| !self.is_in_a_deadlock(me)) else { return };
        let verdict = Verdict::LongHold {
            object: Box::new(self.object(resource).0),
            holder: Box::new(self.whereabouts(&holder)),
            held: watch.since.elapsed(),
            waits: self.waiters(resource),
        };
        // Describing took its time, and the hold may have ended.
        if watch.stands(resource) && resource.lasting().is_some_and(|hold| hold.tell_once()) {
            self.tell(&verdict);
        }
    }

    fn is_in_a_deadlock(&self, me: &Thread) -> bool {
        let (steps, end) = self.walk_from(me);
        let ends = steps.iter().any(|step| step.record.timed);
        matches!(end, End::Cycle) && !ends && self.policy().deadlocks != Deadlocks::Off
    }
}
