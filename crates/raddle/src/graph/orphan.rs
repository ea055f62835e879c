//! A wait for what only dead threads have given so far: an item of a queue whose producers have all ended, one of them by
//! an error.
//!
//! Nobody holds a queue, so no walk ends here, and nobody can know whether some thread that has never put will. It is a
//! guess, told as one ([`Verdict::Orphaned`]), and only where nothing speaks against it:
//!
//! - All producers are known, remembered, and the runtime's own. A foreign thread's successor may be another thread.
//! - The wait has stood for a while. At the moment of a death it proves nothing: who joins the dead thread may be about to
//!   put the item that tells the consumer to stop.
//! - No thread lives that was started at the same place as one of the dead: it runs the same code, and may put as well. One
//!   that waits for an item of the same queue itself does not count.
//! - The waiting thread is one that the process waits for. A daemon that waits for ever is what daemons are for.
//!
//! The waiter looks by itself, like one that waits for a dead thread's lock.

use std::sync::Arc;

use super::verdict::{Ending, Place, ThreadKind, Verdict};
use super::{Call, Record, Resource};
use crate::runtime::Runtime;
use crate::thread::Thread;

impl Runtime {
    /// Those who have put into `resource`, if all of them have ended and one died; else nobody.
    pub(crate) fn dead_producers(&self, resource: &dyn Resource) -> Vec<Arc<Thread>> {
        let ended = |serial| if self.thread(serial).is_some() { None } else { self.remembered(serial) };
        let all: Option<Vec<_>> = resource.producers().into_iter().map(ended).collect();
        let dead = all.unwrap_or_default();
        let died = dead.iter().any(|thread| matches!(thread.ending(), Ending::Failed(_)));
        let foreign = dead.iter().any(|thread| thread.kind() == ThreadKind::Foreign);
        if died && !foreign { dead } else { Vec::new() }
    }

    /// What `me` waits for, and the dead who gave that so far, if it may wait in vain and was not told of.
    fn orphaned(&self, me: &Thread) -> Option<(Record, Vec<Arc<Thread>>)> {
        let record = me.record().filter(|record| record.call == Call::Get && record.is_asleep())?;
        let is_waited_for = matches!(me.kind(), ThreadKind::Main | ThreadKind::Regular);
        let dead = if is_waited_for { self.dead_producers(&*record.resource) } else { Vec::new() };
        (!dead.is_empty() && !self.was_told(record.epoch)).then_some((record, dead))
    }

    pub(crate) fn may_be_orphaned(&self, me: &Thread) -> bool {
        self.orphaned(me).is_some()
    }

    /// The verdict on the wait of `me`, if nothing speaks against it.
    pub(crate) fn describe_orphaned(&self, me: &Thread) -> Option<Verdict> {
        let (record, _) = self.orphaned(me).filter(|(record, dead)| !self.have_a_sibling(dead, record))?;
        Some(Verdict::Orphaned { wait: Box::new(self.describe(me.info(), &record)) })
    }

    fn have_a_sibling(&self, dead: &[Arc<Thread>], record: &Record) -> bool {
        let places: Vec<Place> = dead.iter().filter_map(|thread| thread.info().started_at).collect();
        let is_sibling = |thread: &Thread| thread.info().started_at.is_some_and(|place| places.contains(&place));
        self.threads().iter().any(|thread| is_sibling(thread) && !gets_as(thread, record))
    }
}

/// Whether a thread waits, without a limit, for an item of the same queue, or of one with the same producers.
fn gets_as(thread: &Thread, record: &Record) -> bool {
    let other = thread.record().filter(|other| other.call == Call::Get && other.is_asleep());
    other.is_some_and(|other| other.resource.producers() == record.resource.producers())
}
