//! A job: a [`Plan`] that the timers drive, and those who wait for its end.
//!
//! # Protocol
//!
//! The plan is changed under the job's mutex, by whoever has something to say: the timers' thread when a moment has come, a
//! thread that ends a run, pauses, resumes, cancels or asks. Each of them looks at the plan, leaves the mutex, and does what
//! the look has decided: runs begin ([`Task::begin`]), the next moment is armed, those who wait are woken. A look more than
//! is needed does nothing, so two who do that at the same time need no order.
//!
//! While a job is armed its timer's deed holds it, and while it runs the host does, so nobody has to keep it; a job that is
//! paused or over is its owner's.
//!
//! In the child of a fork the mutex is found reset: the plan says that it was left behind, and does nothing any more.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::plan::{End, Moment, Now, Plan, Rules, Stats};
use super::{Entry, Timers};
use crate::graph::{Blocked, Description, Halt, Hold, Resource, Site};
use crate::seam::atomic::{AtomicU64, Ordering};
use crate::seam::{Mutex, Parker, Time};
use crate::wait::{Queue, Sleep};

/// What a host makes of a job. Both are a few instructions that neither block nor panic, on any thread.
pub trait Task: Send + Sync {
    /// A run is due. The host has it carried out by whom it likes, and says [`RawJob::finish`] when it is over.
    fn begin(&self, job: &Arc<RawJob>);

    /// No run comes any more, as the timers' thread has found. Who finds that in another call is told by the call.
    fn over(&self, job: &Arc<RawJob>);
}

/// See the module.
pub struct RawJob {
    name: String,
    /// Where it was made.
    site: Option<Arc<dyn Site>>,
    task: Box<dyn Task>,
    timers: Timers,
    inside: Mutex<Inside>,
    /// Those who wait for the end.
    waiting: Queue,
    /// The thread that carries out a run; 0 if none does, or it is not known.
    runner: AtomicU64,
}

#[derive(Default)]
struct Inside {
    plan: Plan,
    /// When the plan is looked at next, and what does that.
    wake: Option<Time>,
    entry: Option<Entry>,
}

/// What a look has decided.
struct Step {
    begin: usize,
    /// To be armed, if it is not so already.
    arm: Option<Time>,
    disarm: Option<Entry>,
    /// Whether the job has ended with this look.
    over: bool,
}

impl Inside {
    /// What follows from a change of the plan, which may have looked at it as well.
    fn step(&mut self, now: Now, ended: bool) -> Step {
        let begin = self.plan.look(now);
        let wake = self.plan.wake(now);
        let changed = wake != self.wake;
        self.wake = wake;
        let disarm = if changed { self.entry.take() } else { None };
        Step { begin, arm: wake.filter(|_| changed), disarm, over: !ended && self.plan.end().is_some() }
    }
}

impl RawJob {
    /// A job by these rules, which begins with [`start`](RawJob::start).
    pub fn new(
        (name, site): (&str, Option<Arc<dyn Site>>),
        rules: Rules,
        timers: &Timers,
        task: Box<dyn Task>,
    ) -> Arc<RawJob> {
        let inside = Mutex::default();
        *inside.lock() = Inside { plan: Plan::new(rules), wake: None, entry: None };
        Arc::new(RawJob {
            name: name.to_owned(),
            site,
            task,
            timers: timers.clone(),
            inside,
            waiting: Queue::default(),
            runner: AtomicU64::new(0),
        })
    }

    /// Has the timers drive it; whether it is over already: a single run that is too late.
    ///
    /// # Errors
    /// If the system refuses the timers a thread. The job is cancelled then.
    pub fn start(self: &Arc<Self>) -> io::Result<bool> {
        let started = self.look(|_, _| ());
        if started.is_err() {
            self.cancel();
        } else if self.inside.lock().plan.follows_the_wall() {
            self.timers.watch_the_wall(self);
        }
        started.map(|((), over)| over)
    }

    /// A run is over; whether the job is, with it.
    pub fn finish(self: &Arc<Self>, failed: bool) -> bool {
        self.runner.store(0, Ordering::Release);
        self.look_later(|plan, _| plan.finish(failed)).1
    }

    /// Says which thread carries out a run.
    pub fn runs_on(&self, serial: u64) {
        self.runner.store(serial, Ordering::Release);
    }

    /// Has no run begin any more: whether that changes anything. It does not if all is over, or if the only run has begun.
    /// Runs that are under way go on. The second: whether the job is over now.
    pub fn cancel(self: &Arc<Self>) -> (bool, bool) {
        self.look_later(|plan, _| plan.cancel())
    }

    /// Has no run begin until it is resumed. What is under way goes on.
    pub fn pause(self: &Arc<Self>) {
        self.look_later(|plan, _| plan.pause());
    }

    /// Undoes a [`pause`](RawJob::pause); whether the job is over now. What became of the runs that were due meanwhile is the
    /// rules' to say.
    ///
    /// # Errors
    /// If the system refuses the timers a thread. The job is paused still.
    pub fn resume(self: &Arc<Self>) -> io::Result<bool> {
        let resumed = self.look(Plan::resume);
        if resumed.is_err() {
            self.inside.lock().plan.pause();
        }
        resumed.map(|((), over)| over)
    }

    /// When the next run is due, and what the clocks say now. `None`: there is none, or the job is paused.
    pub fn next_run(&self) -> Option<(Moment, Now)> {
        let now = Now::read();
        Some((self.inside.lock().plan.next_run(now)?, now))
    }

    /// How many runs there were so far; whether the job is over with the look that this takes.
    pub fn stats(self: &Arc<Self>) -> (Stats, bool) {
        self.look_later(|plan, now| {
            // While it is paused nobody looks.
            let begun = if plan.is_paused() { plan.look(now) } else { 0 };
            debug_assert_eq!(begun, 0, "a paused job begins nothing");
            plan.stats()
        })
    }

    /// Whether no run begins until it is resumed.
    pub fn is_paused(&self) -> bool {
        self.inside.lock().plan.is_paused()
    }

    /// Why no run comes any more; `None`: one is under way, or may come.
    pub fn end(&self) -> Option<End> {
        self.inside.lock().plan.end()
    }

    /// Whether the run that ended last failed.
    pub fn last_failed(&self) -> bool {
        self.inside.lock().plan.last_failed()
    }

    /// Whether it is a single run that has neither begun nor been missed.
    pub fn is_promised(&self) -> bool {
        self.inside.lock().plan.is_promised()
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sleeps as `blocked` says until it is over.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn wait(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        self.sleep(blocked.me.parker(), blocked)
    }

    pub(super) fn sleep<S: Sleep>(&self, parker: &Arc<Parker>, sleep: &mut S) -> Result<(), S::Halt> {
        let waiter = self.waiting.enlist(parker);
        // Who ends the job does so under the same mutex, and wakes after that.
        if self.end().is_some() {
            self.waiting.leave(&waiter);
            return Ok(());
        }
        self.waiting.sleep(&waiter, sleep)
    }

    /// The clock on the wall may have been set: whether it matters to this job any longer.
    pub(super) fn clock_was_read(self: &Arc<Self>, set: bool) -> bool {
        let follows = self.inside.lock().plan.follows_the_wall();
        if follows && set {
            self.tick(None);
        }
        follows
    }

    /// On the timers' thread.
    fn tick(self: &Arc<Self>, armed_for: Option<Time>) {
        let forget = |inside: &mut Inside| {
            if armed_for.is_some() && inside.wake == armed_for {
                // It is what has brought us here; dropping it does nothing.
                (inside.wake, inside.entry) = (None, None);
            }
        };
        // The timers' thread is there, so it is not refused.
        if self.turn(forget, |_, _| ()).is_ok_and(|((), over)| over) {
            self.task.over(self);
        }
    }

    fn look<T>(self: &Arc<Self>, change: impl FnOnce(&mut Plan, Now) -> T) -> io::Result<(T, bool)> {
        self.turn(|_| (), change)
    }

    /// As [`look`](RawJob::look), where the timers' thread is there or nothing is to be armed.
    fn look_later<T: Default>(self: &Arc<Self>, change: impl FnOnce(&mut Plan, Now) -> T) -> (T, bool) {
        self.look(change).unwrap_or_default()
    }

    fn turn<T>(
        self: &Arc<Self>,
        prepare: impl FnOnce(&mut Inside),
        change: impl FnOnce(&mut Plan, Now) -> T,
    ) -> io::Result<(T, bool)> {
        let now = Now::read();
        let mut inside = self.inside.lock();
        prepare(&mut inside);
        let ended = inside.plan.end().is_some();
        let changed = change(&mut inside.plan, now);
        let step = inside.step(now, ended);
        drop(inside);
        step.disarm.inspect(|entry| drop(entry.cancel()));
        let armed = step.arm.map_or(Ok(()), |wake| self.arm(wake));
        (0..step.begin).for_each(|_| self.task.begin(self));
        if step.over {
            self.waiting.wake(usize::MAX);
        }
        armed.map(|()| (changed, step.over))
    }

    fn arm(self: &Arc<Self>, wake: Time) -> io::Result<()> {
        let job = Arc::clone(self);
        let entry = self.timers.at(wake, Box::new(move || job.tick(Some(wake))));
        let mut inside = self.inside.lock();
        let entry = match entry {
            Ok(entry) if inside.wake == Some(wake) && inside.entry.is_none() => {
                inside.entry = Some(entry);
                return Ok(());
            }
            // Somebody has looked in between.
            Ok(entry) => Ok(entry),
            Err(refused) => {
                inside.wake = inside.wake.filter(|armed| *armed != wake);
                Err(refused)
            }
        };
        drop(inside);
        entry.map(|entry| drop(entry.cancel()))
    }
}

impl fmt::Debug for RawJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawJob").field("name", &self.name).field("end", &self.end()).finish_non_exhaustive()
    }
}

impl Resource for RawJob {
    fn holder(&self) -> Option<Hold> {
        let serial = self.runner.load(Ordering::Acquire);
        (serial != 0).then_some(Hold { serial, owned: false, strict: false })
    }

    fn describe(&self) -> Description {
        let made_at = self.site.as_ref().and_then(|site| site.place());
        Description { kind: "Job".into(), name: self.name.clone(), made_at, ..Description::default() }
    }
}

/// How often the clock on the wall is compared with the other, while a job goes by it.
const LOOK_AT_THE_WALL: Duration = Duration::from_secs(1);

/// By how much they may differ from what they did.
const UNSET: u64 = 1_000_000;

/// Those who go by the clock on the wall. The kernel would tell of a change by a descriptor (`TFD_TIMER_CANCEL_ON_SET`), for
/// which somebody would have to listen; and it does not tell of a suspend, during which the monotonic clock stands still.
#[derive(Default)]
pub(super) struct Wallflowers {
    jobs: Vec<Weak<RawJob>>,
    /// What one clock said when the other said zero.
    offset: i128,
    looking: bool,
}

impl Timers {
    fn watch_the_wall(&self, job: &Arc<RawJob>) {
        let mut wallflowers = self.wallflowers().lock();
        wallflowers.jobs.push(Arc::downgrade(job));
        if std::mem::replace(&mut wallflowers.looking, true) {
            return;
        }
        wallflowers.offset = offset(Now::read());
        drop(wallflowers);
        self.look_at_the_wall_later();
    }

    fn look_at_the_wall_later(&self) {
        let timers = self.clone();
        let look = Box::new(move || timers.look_at_the_wall());
        if self.at(Time::now().after(LOOK_AT_THE_WALL), look).is_err() {
            // No thread, so no job is armed; whoever starts one next has the clock looked at.
            self.wallflowers().lock().looking = false;
        }
    }

    /// On the timers' thread.
    fn look_at_the_wall(&self) {
        let mut wallflowers = self.wallflowers().lock();
        let now = offset(Now::read());
        let set = now.abs_diff(wallflowers.offset) > u128::from(UNSET);
        wallflowers.offset = if set { now } else { wallflowers.offset };
        let jobs = std::mem::take(&mut wallflowers.jobs);
        drop(wallflowers);
        let left: Vec<_> =
            jobs.into_iter().filter(|job| job.upgrade().is_some_and(|job| job.clock_was_read(set))).collect();
        let mut wallflowers = self.wallflowers().lock();
        wallflowers.jobs.extend(left);
        wallflowers.looking = !wallflowers.jobs.is_empty();
        if wallflowers.looking {
            drop(wallflowers);
            self.look_at_the_wall_later();
        }
    }
}

fn offset(now: Now) -> i128 {
    i128::from(now.wall.0) - i128::from(now.time.0)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::seam::{SET, Wall};

    /// Tells of each run, which is over at once.
    struct Telling(Sender<Wall>);

    impl Task for Telling {
        fn begin(&self, job: &Arc<RawJob>) {
            self.0.send(Wall::now()).unwrap();
            job.finish(false);
        }

        fn over(&self, _: &Arc<RawJob>) {}
    }

    /// A job that is due so many seconds from now by the clock on the wall, on timers of its own.
    fn due_in(seconds: f64) -> Receiver<Wall> {
        let (sender, receiver) = channel();
        let due = Wall(Wall::now().0 + (seconds * 1e9) as u64);
        let timers = Timers::new(Arc::default());
        let job = RawJob::new(("", None), Rules::once(Moment::Wall(due)), &timers, Box::new(Telling(sender)));
        assert!(!job.start().unwrap());
        receiver
    }

    const HOUR: i64 = 3_600_000_000_000;

    /// The only test that sets the clock on the wall, which all share.
    #[test]
    fn a_job_follows_the_clock_on_the_wall_within_a_second() {
        let (slow, soon) = (Duration::from_secs(3), Duration::from_millis(1500));
        let forward = due_in(3600.0);
        assert!(forward.recv_timeout(soon).is_err());
        SET.store(2 * HOUR, Ordering::SeqCst);
        forward.recv_timeout(slow).expect("it is due now");

        let back = due_in(0.3);
        SET.store(HOUR, Ordering::SeqCst);
        assert!(back.recv_timeout(soon).is_err(), "it is due in an hour now");
        SET.store(2 * HOUR, Ordering::SeqCst);
        back.recv_timeout(slow).expect("it is due again");
        SET.store(0, Ordering::SeqCst);
    }
}
