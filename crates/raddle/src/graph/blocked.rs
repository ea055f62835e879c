//! A thread on its way into a sleep: writes its record, looks at the graph, sleeps, looks again when a grace ends.
//!
//! What a look may find, and what follows (the policy is the specification's):
//!
//! | found | at once | later, if it still stands |
//! |---|---|---|
//! | a cycle of owned, untimed waits | the thread that closed it gets [`Halt::Deadlock`] | |
//! | any other cycle of untimed waits | | after the grace: told |
//! | none of these, and the thread is importing | | looked at again, in longer and longer steps |
//! | a knot | | after the grace: told |
//! | the holder has ended, a strict hold | [`Halt::Abandoned`] | |
//! | the holder has ended, another hold | | after one second: told |
//! | every thread sleeps without a limit | | after the grace: told |
//! | all who have given it so far are dead | | after one second: told as likely |
//!
//! There is no watcher: the thread that found something sleeps with a deadline of its own and looks again. A thread that
//! ends wakes one of those that its end concerns, to make it look. Imports are waited for in the interpreter's own way, so
//! nobody looks when such a wait begins; the thread that is waited for has to look by itself, if it sleeps while it imports.
//!
//! A wait with a time limit, or in a block with a deadline, ends by itself, so it neither looks nor is told of. That a lock is
//! held for long (`long_hold.rs`) is watched by every wait.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use super::verdict::{Outcome, Verdict};
use super::walk::{End, Step, same};
use super::{Knot, Record, Resource, Site, Watch};
use crate::runtime::{Deadlocks, Runtime, Stall};
use crate::seam::{Parker, Time, Woken, fork_generation};
use crate::stop::Stopped;
use crate::thread::Thread;
use crate::wait::{Sleep, Waiter};

/// How long a wait for the lock of an ended thread stands before it is told.
const OWNER_DEAD_GRACE: Duration = Duration::from_secs(1);

/// How long a wait for what only dead threads have given stands before it is told; if something speaks against telling it
/// then, it is looked at again whenever the wait has become longer by a quarter.
const ORPHANED_GRACE: Duration = Duration::from_secs(1);

/// How soon a thread that sleeps while it imports looks for threads that wait for the import; later, it does so whenever
/// its wait has become longer by a sixteenth.
const IMPORT_LOOK: Duration = Duration::from_millis(50);

/// How often a stall is looked at again that something unknown might end.
const LOOKS: u32 = 5;

/// The host wants the wait to end: a signal handler raised an error, say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt;

/// How a thread of the host goes to sleep.
pub trait Sleeper {
    /// Parks, having left whatever the host's threads have to leave first, and comes back.
    ///
    /// # Errors
    /// [`Interrupt`] if the wait has to end now.
    fn sleep(&mut self, parker: &Parker, deadline: Option<Time>) -> Result<Woken, Interrupt>;
}

/// Why a wait ended without what it was for.
#[derive(Clone, Debug)]
pub enum Halt {
    /// The time limit has passed.
    TimedOut,
    /// The host wanted it.
    Interrupted,
    /// It would never have ended: this wait closed a cycle.
    Deadlock(Box<Verdict>),
    /// It would never have ended: the holder is dead.
    Abandoned(Box<Verdict>),
    /// The thread was asked to stop.
    Stopped(Box<Stopped>),
}

/// The call a thread sleeps in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Taking a lock or a permit.
    Acquire,
    /// Taking a lock back at the end of a condition's wait, where an error would leave the block without its lock: such a
    /// wait is never ended by an error.
    Reacquire,
    /// Waiting for a condition, an event or a barrier.
    Wait,
    /// Waiting for time to pass.
    Sleep,
    /// Waiting for the end of a thread.
    Join,
    /// Waiting for a module that another thread imports: not a call of the runtime's, but the host's own.
    Import,
    /// Taking an item out of a queue.
    Get,
    /// Putting an item into a queue.
    Put,
    /// Waiting for the tasks of a queue to be done.
    Tasks,
    /// Waiting for what comes of a job.
    Result,
    /// The runtime's own wait for the program's threads, after its main function is done.
    Exit,
}

impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Call::Acquire => "acquire",
            Call::Reacquire | Call::Wait => "wait",
            Call::Join | Call::Exit | Call::Tasks => "join",
            Call::Sleep => "sleep",
            Call::Import => "import",
            Call::Get => "get",
            Call::Put => "put",
            Call::Result => "result",
        })
    }
}

/// See the module. Made by each blocking call that could not go through at once.
///
/// It lies on the stack of every thread that blocks, below the frame of its sleep. Two pages of a stack are all that
/// ten thousand of them should need, so what is rare is in boxes, and what is done before and after the sleep is in functions
/// that are not inlined.
pub struct Blocked<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) me: &'a Thread,
    sleeper: &'a mut dyn Sleeper,
    deadline: Option<Time>,
    /// When a block that the thread is in may stop it.
    stops_at: Option<Time>,
    /// Whether the wait is a stop point.
    stoppable: bool,
    call: Call,
    resource: Arc<dyn Resource>,
    site: Option<Arc<dyn Site>>,
    /// What the last look found, and when to look again.
    pending: Option<(Finding, Time)>,
    watch: Option<Box<Watch>>,
    published: Option<Published>,
    /// The wait around this one, if this is a handler's.
    outer: Option<Box<Record>>,
    /// Whether it was told of, as a guess.
    guessed: bool,
    /// The number of the block that stopped it, or 0 if that was the thread's own token.
    stopped_by: Option<u64>,
}

/// How a wait was written down.
#[derive(Debug)]
struct Published {
    /// In which process of a chain of forks: a child forgets the records of its parent.
    generation: u32,
    since: Time,
    epoch: u64,
    timed: bool,
}

#[derive(Debug)]
enum Finding {
    Cycle(Vec<Step>),
    Knot(Box<Knot>),
    OwnerDead(Box<Step>),
    /// Nothing yet: a wait of the host's for something that this thread holds may come about.
    Importing,
    /// The epochs of all waits, and how often that has been looked at.
    Stalled(Vec<u64>, u32),
    Orphaned,
}

impl<'a> Blocked<'a> {
    /// `me` is about to wait for `resource`, in `call` at `site`, until `deadline` at most.
    pub fn new(
        (runtime, me): (&'a Runtime, &'a Thread),
        sleeper: &'a mut dyn Sleeper,
        (call, deadline): (Call, Option<Time>),
        resource: Arc<dyn Resource>,
        site: Option<Arc<dyn Site>>,
    ) -> Self {
        Blocked {
            runtime,
            me,
            sleeper,
            deadline,
            stops_at: None,
            // A lock that a wait gave away is taken back first, and a main function that is done cannot stop any more.
            stoppable: !matches!(call, Call::Reacquire | Call::Exit),
            call,
            resource,
            site,
            pending: None,
            watch: None,
            published: None,
            outer: None,
            guessed: false,
            stopped_by: None,
        }
    }

    #[inline(never)]
    fn publish(&mut self, waiter: &Arc<Waiter>) {
        let (timed, since, epoch) = (self.is_timed(), Time::now(), self.runtime.next_epoch());
        let record = Record {
            epoch,
            resource: Arc::clone(&self.resource),
            waiter: Arc::clone(waiter),
            call: self.call,
            site: self.site.clone(),
            since,
            timed,
        };
        self.runtime.recorder().inspect(|recorder| recorder.waits(self.me, &record, since, self.runtime));
        self.outer = self.me.wait.lock().replace(record).map(Box::new);
        self.published = Some(Published { generation: fork_generation(), since, epoch, timed });
        if !timed {
            self.runtime.fell_asleep(self.me, epoch, &self.resource);
        }
    }

    fn is_published(&self) -> bool {
        self.published.as_ref().is_some_and(|published| published.generation == fork_generation())
    }

    #[inline(never)]
    fn withdraw(&mut self) {
        if let Some(published) = self.published.take_if(|published| published.generation == fork_generation()) {
            // It goes on as another wait: the thread has run since.
            let outer = self.outer.take().map(|outer| Record { epoch: self.runtime.next_epoch(), ..*outer });
            if outer.is_some() {
                // The bed is the same: this wait may have taken a wake-up that was for the one around it.
                self.me.parker().unpark();
            }
            // Dropped outside the mutex: it may be the last owner of something of the host's.
            let record = std::mem::replace(&mut *self.me.wait.lock(), outer);
            if !published.timed {
                self.runtime.woke_up(published.epoch, &self.resource);
            }
            drop(record);
            self.runtime.recorder().inspect(|recorder| recorder.goes_on(self.me));
        }
    }

    /// Whether the wait ends by itself.
    fn is_timed(&self) -> bool {
        self.deadline.is_some() || self.stops_at.is_some()
    }

    fn time_is_up(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Time::now())
    }

    /// What was waited for has come, and more has to be waited for, in the same call.
    pub(crate) fn waits_anew(&mut self) {
        self.withdraw();
    }

    /// Sleeps until `moment`, and for no notification.
    ///
    /// # Errors
    /// As those of any sleep.
    pub(crate) fn sleep_until(&mut self, moment: Time) -> Result<(), Halt> {
        let limit = self.deadline;
        // What was published before is another wait.
        self.withdraw();
        self.deadline = Some(limit.map_or(moment, |limit| limit.min(moment)));
        let slept = self.sleep(&Waiter::new(self.me.parker()));
        self.withdraw();
        self.deadline = limit;
        match slept {
            Err(Halt::TimedOut) if !self.time_is_up() => Ok(()),
            slept => slept,
        }
    }

    /// From here on the wait has no time limit and cannot be stopped.
    pub(crate) fn lift_limit(&mut self) {
        // What was published says otherwise.
        self.withdraw();
        (self.deadline, self.stops_at) = (None, None);
        self.stoppable = false;
    }

    /// The call has ended without what it was for: if that was because of a stop, the thread has obeyed it.
    pub fn has_failed(&self) {
        if let Some(number) = self.stopped_by {
            self.me.blocks().obey(number);
        }
    }

    /// For a wait that must not end before what it is for, though its caller is to stop: others count on it, or somebody else
    /// says when it is over.
    pub fn is_no_stop_point(&mut self) {
        self.stoppable = false;
    }

    /// Ends the wait if the thread has to stop.
    fn stop_point(&mut self) -> Result<(), Halt> {
        if !self.stoppable {
            return Ok(());
        }
        let before = self.is_timed();
        match self.me.outlook() {
            Ok(until) => self.stops_at = until,
            Err(stopped) => {
                self.stopped_by = Some(stopped.block);
                return Err(Halt::Stopped(Box::new(stopped)));
            }
        }
        if before != self.is_timed() {
            self.withdraw();
        }
        Ok(())
    }

    /// Looks at the graph; returns when to look again.
    #[inline(never)]
    fn look(&mut self) -> Result<Option<Time>, Halt> {
        if self.is_timed() || self.runtime.policy().deadlocks == Deadlocks::Off {
            return Ok(None);
        }
        match self.pending.take() {
            Some((finding, due)) if due > Time::now() => self.pending = Some((finding, due)),
            Some((Finding::Importing, _)) | None => self.pending = self.find()?,
            Some((finding, _)) => self.pending = self.tell_if_it_stands(finding)?,
        }
        Ok(self.pending.as_ref().map(|(_, due)| *due))
    }

    #[inline(never)]
    fn find(&mut self) -> Result<Option<(Finding, Time)>, Halt> {
        let grace = self.runtime.policy().grace;
        let (steps, end) = self.runtime.walk_far_from(self.me);
        let found = match end {
            End::Cycle if steps.iter().any(|step| step.record.timed) => None,
            End::Cycle => {
                self.break_cycle(&steps)?;
                Some((Finding::Cycle(steps), grace))
            }
            End::Dead if steps.len() == 1 => self.owner_dead(steps)?,
            End::Shared => self.runtime.knot_from(self.me).map(|knot| (Finding::Knot(Box::new(knot)), grace)),
            End::Dead | End::Open => None,
        };
        let found =
            found.or_else(|| self.runtime.all_asleep().map(|(epochs, grace)| (Finding::Stalled(epochs, 0), grace)));
        let found = found.or_else(|| self.importing());
        Ok(found.map(|(finding, after)| (finding, Time::now().after(after))).or_else(|| self.orphaned()))
    }

    /// Nothing stands now, but this thread is importing: others may come to wait for it without a look at the graph.
    #[inline(never)]
    fn importing(&self) -> Option<(Finding, Duration)> {
        self.runtime.holds_foreign(self.me).then_some((Finding::Importing, IMPORT_LOOK.max(self.so_far() / 16)))
    }

    /// Nothing else was found, but nobody may be left to give what this thread waits for.
    #[inline(never)]
    fn orphaned(&self) -> Option<(Finding, Time)> {
        let found = self.call == Call::Get && !self.guessed && self.runtime.may_be_orphaned(self.me);
        found.then(|| (Finding::Orphaned, Time::now().after(ORPHANED_GRACE.max(self.so_far() / 4))))
    }

    fn so_far(&self) -> Duration {
        self.published.as_ref().map_or(Duration::ZERO, |published| published.since.elapsed())
    }

    /// Ends this wait with an error if the cycle is one that nothing can dissolve.
    #[cold]
    fn break_cycle(&mut self, steps: &[Step]) -> Result<(), Halt> {
        let runtime = self.runtime;
        if runtime.reason_to_tell_only(steps).is_some() {
            return Ok(());
        }
        // Described first: that may run code of the host, and no mutex may be held then.
        let verdict = runtime.describe_cycle(steps, Outcome::Raised);
        let turn = runtime.take_turn();
        let (again, end) = runtime.walk_from(self.me);
        let stands = matches!(end, End::Cycle) && same(steps, &again);
        if stands {
            // Another thread that finds the same cycle does not see this wait any more.
            self.withdraw();
        }
        drop(turn);
        drop(again);
        if !stands {
            return Ok(());
        }
        runtime.tell(&verdict);
        Err(Halt::Deadlock(Box::new(verdict)))
    }

    /// The holder has ended: that is an error, or something to look at again.
    #[cold]
    fn owner_dead(&mut self, steps: Vec<Step>) -> Result<Option<(Finding, Duration)>, Halt> {
        let Some(mut step) = steps.into_iter().next() else { return Ok(None) };
        if !step.hold.strict || self.call != Call::Acquire {
            return Ok(Some((Finding::OwnerDead(Box::new(step)), OWNER_DEAD_GRACE)));
        }
        // It may have let go and ended between the two looks, at the object and at its holder. What is left by a thread that
        // was seen to have ended stays left.
        loop {
            let (again, end) = self.runtime.walk_from(self.me);
            let [one] = &again[..] else { return Ok(None) };
            if !matches!(end, End::Dead) || !one.hold.strict {
                return Ok(None);
            }
            if same(std::slice::from_ref(&step), &again) {
                break;
            }
            // Another of several holders.
            step = one.clone();
        }
        let verdict = self.runtime.describe_owner_dead(&step, true);
        self.runtime.tell(&verdict);
        Err(Halt::Abandoned(Box::new(verdict)))
    }

    /// Tells of what was found before, if it is still so; returns what to look at again, and when.
    #[cold]
    fn tell_if_it_stands(&mut self, finding: Finding) -> Result<Option<(Finding, Time)>, Halt> {
        let runtime = self.runtime;
        let verdict = match finding {
            Finding::Importing => return self.find(),
            Finding::Cycle(steps) => {
                let (again, end) = runtime.walk_far_from(self.me);
                let reason = runtime.reason_to_tell_only(&steps);
                match reason.filter(|_| matches!(end, End::Cycle) && same(&steps, &again)) {
                    Some(reason) => {
                        runtime.tell_once(&steps).then(|| runtime.describe_cycle(&steps, Outcome::Told(reason)))
                    }
                    // Another one, or none, or by now one to raise for.
                    None => return self.find(),
                }
            }
            Finding::Knot(knot) => match runtime.knot_from(self.me) {
                Some(again) if again.epochs == knot.epochs => runtime
                    .tell_once(&again.cycle)
                    .then(|| runtime.describe_cycle(&again.cycle, Outcome::Told(again.reason()))),
                // Others are in it by now, or it has gone.
                _ => return self.find(),
            },
            Finding::OwnerDead(step) => {
                let (again, end) = runtime.walk_from(self.me);
                (matches!(end, End::Dead) && same(std::slice::from_ref(&*step), &again) && runtime.tell_once(&again))
                    .then(|| runtime.describe_owner_dead(&step, false))
            }
            Finding::Stalled(epochs, looks) => match runtime.describe_stall(&epochs) {
                Stall::Stands(verdict) => Some(*verdict),
                // A thread that has just ended is still counted by the system for a while.
                Stall::Unsure => {
                    let later = Time::now().after(runtime.policy().grace * 2u32.pow(looks));
                    let again = (looks < LOOKS).then(|| (Finding::Stalled(epochs, looks + 1), later));
                    return Ok(self.orphaned().or(again));
                }
                Stall::Over => return Ok(self.orphaned()),
            },
            Finding::Orphaned => {
                if let Some(guess) = runtime.describe_orphaned(self.me) {
                    self.guessed = true;
                    runtime.tell(&guess);
                }
                return self.find();
            }
        };
        if let Some(verdict) = verdict {
            runtime.tell(&verdict);
        }
        Ok(None)
    }
}

impl Sleep for Blocked<'_> {
    type Halt = Halt;

    fn sleep(&mut self, waiter: &Arc<Waiter>) -> Result<(), Halt> {
        // Found before a race for the thing that was lost: things may be different now.
        (self.pending, self.watch) = (None, None);
        if self.time_is_up() && !waiter.is_notified() {
            // A time limit of 0: nobody is to hear of this wait, and the host's lock stays where it is.
            return Err(Halt::TimedOut);
        }
        while !waiter.is_notified() {
            self.stop_point()?;
            if !self.is_published() {
                self.publish(waiter);
            }
            let look_again = self.look()?;
            let watch_again = self.runtime.watch_hold(self.me, &self.resource, &mut self.watch);
            if waiter.is_notified() {
                // While code of the host ran that has slept itself, and has taken the wake-up for its own.
                break;
            }
            let until = [self.deadline, self.stops_at, look_again, watch_again].into_iter().flatten().min();
            match self.sleeper.sleep(waiter.parker(), until) {
                Err(Interrupt) => return Err(Halt::Interrupted),
                Ok(_) if waiter.is_notified() => break,
                Ok(Woken::TimedOut) if self.time_is_up() => return Err(Halt::TimedOut),
                // Nudged by a thread that ended: what was found before may be different now.
                Ok(Woken::Unparked) => self.pending = None,
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}
