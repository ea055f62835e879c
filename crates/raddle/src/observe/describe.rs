//! From the graph's facts to what a person reads.

use std::sync::Arc;

use crate::graph::verdict::{
    Cause, Cycle, Ending, Holder, ObjectInfo, Outcome, Place, Producer, ThreadInfo, ThreadKind, Verdict, Wait,
    Whereabouts,
};
use crate::graph::{Call, Record, Resource, Step};
use crate::runtime::Runtime;
use crate::seam::Time;
use crate::thread::Thread;

impl Runtime {
    /// A thread that sleeps as `record` says.
    pub(crate) fn describe(&self, thread: ThreadInfo, record: &Record) -> Wait {
        let at = record.site.as_ref().and_then(|site| site.place());
        self.describe_call(thread, (record.call, at), &*record.resource, (record.since, record.timed))
    }

    /// A thread that waits for `resource`, or has just waited, in that call, since then, and whether it gives up by itself.
    pub(crate) fn describe_call(
        &self,
        thread: ThreadInfo,
        (call, at): (Call, Option<Place>),
        resource: &dyn Resource,
        (since, timed): (Time, bool),
    ) -> Wait {
        Wait { thread, object: self.object(resource).0, call: call.to_string(), at, since: since.elapsed(), timed }
    }

    /// What a reader should know of an object, and where it was last taken, by its holder or by the last one it had.
    pub fn object(&self, resource: &dyn Resource) -> (ObjectInfo, Option<Place>) {
        let about = resource.describe();
        let holder = self.holder_of(resource, about.taken_at.clone());
        let producer = |thread: Arc<Thread>| Producer { thread: thread.info(), ended: thread.ending() };
        let producers = self.dead_producers(resource).into_iter().map(producer).collect();
        (ObjectInfo { kind: about.kind, name: about.name, made_at: about.made_at, holder, producers }, about.taken_at)
    }

    fn holder_of(&self, resource: &dyn Resource, taken_at: Option<Place>) -> Option<Holder> {
        resource.holder().map(|hold| self.holder(hold.serial, taken_at))
    }

    /// Thread `serial` as the holder of something that it took at `taken_at`.
    pub fn holder(&self, serial: u64, taken_at: Option<Place>) -> Holder {
        let ended = self.thread(serial).is_none();
        let ending = self.remembered(serial).map_or(Ending::Finished, |thread| thread.ending());
        Holder { thread: self.info_of(serial), taken_at, ended: ended.then_some(ending) }
    }

    fn info_of(&self, serial: u64) -> ThreadInfo {
        let thread = self.thread(serial).or_else(|| self.remembered(serial));
        thread.map_or_else(|| unknown(serial), |thread| thread.info())
    }

    fn describe_step(&self, step: &Step) -> Wait {
        let mut wait = self.describe(self.info_of(step.serial), &step.record);
        // Of several that might or must end it, the one that the cycle goes on with.
        if wait.object.holder.as_ref().is_none_or(|holder| holder.thread.serial != step.hold.serial) {
            wait.object.holder = Some(self.holder(step.hold.serial, None));
        }
        wait
    }

    /// The cycle as data; the walker, which closed it, comes last.
    pub(crate) fn describe_cycle(&self, steps: &[Step], outcome: Outcome) -> Verdict {
        let mut waits: Vec<_> = steps.iter().map(|step| self.describe_step(step)).collect();
        waits.rotate_left(1);
        Verdict::Deadlock { cycle: Cycle { waits }, outcome }
    }

    pub(crate) fn describe_owner_dead(&self, step: &Step, raised: bool) -> Verdict {
        Verdict::OwnerDead { wait: Box::new(self.describe_step(step)), raised }
    }

    /// What a thread waits for now.
    pub fn wait_of(&self, thread: &Thread) -> Option<Wait> {
        let record = thread.record();
        record.map(|record| self.describe(thread.info(), &record))
    }

    /// `RD003`: the thread died; `at` is where its error was raised, `held` whether it was held for who joins the thread.
    pub fn died(&self, thread: &Arc<Thread>, error: String, at: Option<Place>, held: bool) -> Verdict {
        let waits_for_it =
            |record: &Record| record.resource.holder().is_some_and(|hold| hold.serial == thread.serial());
        let joiner = |other: Arc<Thread>| {
            let record = other.record().filter(|record| record.call == Call::Join && waits_for_it(record))?;
            Some(self.describe(other.info(), &record))
        };
        let joiners = self.threads().into_iter().filter_map(joiner).collect();
        Verdict::Died { thread: Box::new(thread.info()), error, at, joiners, held }
    }

    /// `RD005`: the regular threads that are left, and what each waits for.
    pub fn keeps_alive(&self, cause: Cause) -> Verdict {
        let regular = self.threads().into_iter().filter(|thread| thread.kind() == ThreadKind::Regular);
        Verdict::KeepsAlive { cause, threads: regular.map(|thread| (thread.info(), self.wait_of(&thread))).collect() }
    }

    /// Where a thread is now.
    pub fn whereabouts(&self, thread: &Thread) -> Whereabouts {
        Whereabouts { thread: thread.info(), wait: self.wait_of(thread), stack: self.host_stack_of(thread) }
    }

    /// `RD007`: who has waited longest for what.
    pub fn longest_waits(&self) -> Verdict {
        self.snapshot().into_longest_waits()
    }
}

fn unknown(serial: u64) -> ThreadInfo {
    let name = format!("thread {serial}, long ended");
    ThreadInfo { serial, name, kind: ThreadKind::Foreign, started_by: None, started_at: None }
}
