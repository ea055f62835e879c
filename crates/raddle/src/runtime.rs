//! The runtime of a process: its threads, what it does about deadlocks, whom it tells.
//!
//! Passed to whatever needs it, so that a host (the Python binding) has its own; Rust programs use the default one of the
//! crate's facade.
//!
//! Lock order: `turn`, then the registry, then a thread's record. None is held while code of the host runs.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::graph::verdict::{Cause, Place, Reason, ThreadKind, Verdict, Wait};
use crate::graph::{
    Call, Description, End, ForeignWait, Found, Hold, Knot, Record, Resource, Site, Step, Walk, knot, walk,
};
use crate::observe::recording::Recorder;
#[cfg(not(loom))]
use crate::observe::recording::{Sampler, Turns};
use crate::seam::{Guard, Mutex, Parker, Time};
#[cfg(not(loom))]
use crate::thread::known_serial;
use crate::thread::{Callbacks, Carriers, Origin, Registry, State, Thread};
use crate::timer::Timers;
use crate::wait::Waiter;

/// What to do about a deadlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Deadlocks {
    /// The thread that closes a cycle which nothing can dissolve gets an error; all else is told.
    Raise,
    /// All are told.
    Report,
    /// Any cycle is an error at once, even one that a correct program leaves by itself. Not for use: it shows that the
    /// tests of innocent programs would notice a false alarm.
    RaiseAny,
    /// Nobody looks.
    Off,
}

/// See [`Runtime::set_policy`].
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What to do about a deadlock.
    pub deadlocks: Deadlocks,
    /// How long something that may pass by itself must stand before it is told.
    pub grace: Duration,
    /// How long somebody may hold a lock that others wait for before it is told (`RD013`); `None`: nobody looks.
    pub hold_warn: Option<Duration>,
}

/// What the runtime asks of the program it is part of.
pub trait Host: Send + Sync + Debug {
    /// Something was found out.
    fn told(&self, verdict: &Verdict);

    /// Whether a signal handler may make the main thread leave any wait.
    fn main_may_be_interrupted(&self) -> bool {
        false
    }

    /// Whether something that the runtime does not know may wake a thread: a thread of a C library, an event loop.
    fn may_be_woken_from_outside(&self, known_threads: usize) -> bool {
        let _ = known_threads;
        false
    }

    /// Whether the calling thread, `me`, holds something of which only the host keeps the books, and which may be what a
    /// [foreign wait](Host::foreign_wait) is for. Asked when `me` is about to sleep without a time limit.
    fn holds_foreign(&self, me: &Thread) -> bool {
        let _ = me;
        false
    }

    /// What `thread` waits for, if it is something of which only the host keeps the books.
    fn foreign_wait(&self, thread: &Thread) -> Option<ForeignWait> {
        let _ = thread;
        None
    }

    /// Where `thread` is in the program now, if that is cheap to tell. Asked of one that holds what another is about to wait
    /// for.
    fn place_of(&self, thread: &Thread) -> Option<Arc<dyn Site>> {
        let _ = thread;
        None
    }

    /// The innermost calls that `thread` is in, the innermost first, if the host can tell.
    fn stack_of(&self, thread: &Thread) -> Vec<Place> {
        let _ = thread;
        Vec::new()
    }

    /// The runtime met a thread that it did not start; called on that thread. To name it and say what kind it is.
    fn adopted(&self, thread: &Thread) {
        thread.rename("unnamed");
    }
}

/// What has become of a program that seemed to have stalled.
#[derive(Debug)]
pub(crate) enum Stall {
    /// It goes on, or it was told of already.
    Over,
    /// It stands, but something unknown might end it.
    Unsure,
    /// It stands.
    Stands(Box<Verdict>),
}

/// How long the last threads must have slept after main returned before that is told.
const KEEPS_ALIVE_GRACE: Duration = Duration::from_secs(2);

/// A wait that the end of another thread may concern: it held the thing, or gave it.
#[derive(Debug)]
struct HeldUp {
    resource: Arc<dyn Resource>,
    parker: Arc<Parker>,
}

/// See the module.
#[derive(Debug)]
pub struct Runtime {
    host: Box<dyn Host>,
    deadlocks: AtomicU8,
    grace: AtomicU64,
    /// In nanoseconds; 0: nobody looks.
    hold_warn: AtomicU64,
    epoch: AtomicU64,
    registry: Mutex<Registry>,
    carriers: Arc<Carriers>,
    timers: Timers,
    /// Threads in the registry, and those of them that sleep without a time limit. Equal: the program may have stalled.
    threads: AtomicUsize,
    asleep: AtomicUsize,
    /// The waits among these, by their epochs, that are for something that the end of a thread may concern.
    held_up: Mutex<BTreeMap<u64, HeldUp>>,
    /// Held while a cycle is looked at for the last time before it is broken, so that one thread breaks it. Holds the
    /// epochs of the waits that were told of.
    turn: Mutex<HashSet<u64>>,
    /// What is called when the program is about to end.
    pub(crate) shutdown: Arc<Mutex<Callbacks>>,
    recorder: OnceLock<Arc<Recorder>>,
    #[cfg(not(loom))]
    sampler: OnceLock<Arc<Sampler>>,
}

impl Runtime {
    /// A runtime that tells `host` what it finds.
    pub fn new(host: Box<dyn Host>) -> Self {
        let carriers = Arc::<Carriers>::default();
        Runtime {
            host,
            deadlocks: AtomicU8::new(Deadlocks::Raise as u8),
            grace: AtomicU64::new(Duration::from_millis(200).as_nanos() as u64),
            hold_warn: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            registry: Mutex::default(),
            timers: Timers::new(Arc::clone(&carriers)),
            carriers,
            threads: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            held_up: Mutex::default(),
            turn: Mutex::default(),
            shutdown: Arc::default(),
            recorder: OnceLock::new(),
            #[cfg(not(loom))]
            sampler: OnceLock::new(),
        }
    }

    /// Has everything that threads do from now on recorded. Runs code of the host.
    ///
    /// # Errors
    /// The recorder back, if there is one already.
    #[cfg(not(loom))]
    pub fn record(&self, recorder: Arc<Recorder>) -> Result<(), Arc<Recorder>> {
        self.recorder.set(recorder)?;
        let threads = self.threads();
        self.recorder().inspect(|recorder| threads.iter().for_each(|thread| recorder.met(thread)));
        let me = threads.iter().find(|thread| thread.serial() == known_serial());
        self.recorder().zip(me).inspect(|(recorder, me)| recorder.runs_here(me));
        Ok(())
    }

    /// Has what is [recorded](Runtime::record) say, too, what threads do while they wait for nothing that raddle keeps: they are looked at
    /// every few milliseconds. `turns`: who of them runs the host's code, if only one at a time may.
    #[cfg(not(loom))]
    pub fn sample(&'static self, turns: Option<Box<dyn Turns>>) {
        if self.recorder().is_some() && self.sampler.set(Arc::new(Sampler::new(turns))).is_ok() {
            self.sampler.get().inspect(|sampler| sampler.send(self));
        }
    }

    /// The process ends in order: threads are not looked at any more.
    #[cfg(not(loom))]
    pub fn end_sampling(&self) {
        self.sampler.get().inspect(|sampler| sampler.end());
    }

    /// How many threads of the system are there for that.
    #[cfg(not(loom))]
    pub fn samplers(&self) -> usize {
        self.sampler.get().map_or(0, |sampler| sampler.is_there())
    }

    /// After a fork, in the process that has forked.
    #[cfg(not(loom))]
    pub fn forked(&self) {
        self.sampler.get().inspect(|sampler| sampler.forked());
    }

    /// Threads are looked at again, if they were before a fork.
    #[cfg(not(loom))]
    pub fn go_on_sampling(&'static self) {
        self.sampler.get().inspect(|sampler| sampler.send(self));
    }

    /// Who records what threads do, if somebody does.
    #[inline]
    pub fn recorder(&self) -> Option<&Recorder> {
        self.recorder.get().map(|recorder| &**recorder)
    }

    /// What is done about deadlocks from now on.
    pub fn set_policy(&self, policy: Policy) {
        self.deadlocks.store(policy.deadlocks as u8, Ordering::Relaxed);
        self.grace.store(nanos(policy.grace), Ordering::Relaxed);
        self.hold_warn.store(policy.hold_warn.map_or(0, |limit| nanos(limit).max(1)), Ordering::Relaxed);
    }

    /// What is done about deadlocks.
    pub fn policy(&self) -> Policy {
        let deadlocks = match self.deadlocks.load(Ordering::Relaxed) {
            0 => Deadlocks::Raise,
            1 => Deadlocks::Report,
            2 => Deadlocks::RaiseAny,
            _ => Deadlocks::Off,
        };
        let grace = Duration::from_nanos(self.grace.load(Ordering::Relaxed));
        Policy { deadlocks, grace, hold_warn: self.hold_warn() }
    }

    #[inline]
    pub(crate) fn hold_warn(&self) -> Option<Duration> {
        let limit = self.hold_warn.load(Ordering::Relaxed);
        (limit != 0).then(|| Duration::from_nanos(limit))
    }

    /// The threads of the system that threads of the program run on, if the host likes.
    pub fn carriers(&self) -> &Arc<Carriers> {
        &self.carriers
    }

    /// What is to be done at a moment.
    pub fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Before a fork: ends the threads of the system that no thread of the program needs.
    pub fn before_fork(&self) {
        #[cfg(not(loom))]
        self.sampler.get().inspect(|sampler| sampler.before_fork());
        self.timers.retire();
        self.carriers.retire();
    }

    /// The end of a thread that was never bound to one of the system's: it was taken back before its time came.
    pub fn end_unstarted(&self, thread: &Arc<Thread>) {
        self.ended(thread);
    }

    /// Makes a thread known before it runs.
    pub fn register(&self, thread: &Arc<Thread>) {
        let mut registry = self.registry.lock();
        registry.add(Arc::clone(thread));
        self.threads.store(registry.len(), Ordering::SeqCst);
        drop(registry);
        self.recorder().inspect(|recorder| recorder.met(thread));
    }

    /// Whether threads were looked at before a fork, and are not yet again.
    #[cfg(not(loom))]
    pub fn misses_sampler(&self) -> bool {
        self.sampler.get().is_some_and(|sampler| sampler.is_missing())
    }

    /// A thread that is about to be started, known from now on.
    pub fn prepare(&self, name: &str, kind: ThreadKind, origin: Origin) -> Arc<Thread> {
        let thread = Thread::new(name, kind, Some(origin));
        self.register(&thread);
        thread
    }

    /// Whether there is at most one thread now, so that what it does is before or after all that others do.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn has_one_thread(&self) -> bool {
        self.threads.load(Ordering::Relaxed) <= 1
    }

    /// Gives a thread another name.
    pub fn rename(&self, thread: &Thread, name: &str) {
        thread.rename(name);
        self.recorder().inspect(|recorder| recorder.renamed(thread));
    }

    /// Takes a thread out that never ran.
    pub fn forget(&self, thread: &Thread) {
        let mut registry = self.registry.lock();
        let gone = registry.remove(thread.serial());
        self.threads.store(registry.len(), Ordering::SeqCst);
        drop(registry);
        drop(gone);
    }

    /// Nothing of the thread runs any more.
    pub(crate) fn ended(&self, thread: &Arc<Thread>) {
        self.recorder().inspect(|recorder| recorder.ended(thread));
        let mut registry = self.registry.lock();
        registry.remove(thread.serial());
        self.threads.store(registry.len(), Ordering::SeqCst);
        let forgotten = registry.remember(Arc::clone(thread));
        thread.set_state(State::Ended);
        drop(registry);
        drop(forgotten);
        // See `wait_for_end`.
        fence(Ordering::SeqCst);
        thread.joiners.wake(usize::MAX);
        self.nudge_those_concerned(thread);
    }

    /// Makes those look again who wait for something that the ended thread holds or gave; if nobody runs any more, one at
    /// least.
    fn nudge_those_concerned(&self, ended: &Thread) {
        let asleep = self.asleep.load(Ordering::SeqCst);
        if asleep == 0 {
            return;
        }
        let concerned: Vec<_> = {
            let (serial, gave, held_up) = (ended.serial(), ended.has_given(), self.held_up.lock());
            let is_concerned = |wait: &&HeldUp| {
                wait.resource.is_held_by(serial) || gave && wait.resource.producers().contains(&serial)
            };
            held_up.values().filter(is_concerned).map(|wait| Arc::clone(&wait.parker)).collect()
        };
        concerned.iter().for_each(|parker| parker.unpark());
        if concerned.is_empty() && asleep >= self.threads.load(Ordering::SeqCst) {
            self.nudge_a_sleeper();
        }
    }

    /// The threads that wait for what `resource` is a way of asking for, and how; who has waited longest comes first. Runs code
    /// of the host.
    pub fn waiters(&self, resource: &dyn Resource) -> Vec<Wait> {
        let is_it = |record: &Record| record.resource.identity() == resource.identity();
        let wait = |thread: Arc<Thread>| Some((thread.record().filter(is_it)?, thread));
        let mut waits: Vec<_> = self.threads().into_iter().filter_map(wait).collect();
        waits.sort_by_key(|(record, _)| record.epoch);
        waits.iter().map(|(record, thread)| self.describe(thread.info(), record)).collect()
    }

    fn nudge_a_sleeper(&self) {
        let is_asleep = |thread: &&Arc<Thread>| thread.wait.lock().as_ref().is_some_and(Record::is_asleep);
        let sleeper = self.registry.lock().all().find(is_asleep).cloned();
        sleeper.inspect(|thread| thread.parker().unpark());
    }

    /// The threads there are, oldest first.
    pub fn threads(&self) -> Vec<Arc<Thread>> {
        self.registry.lock().all().cloned().collect()
    }

    /// The thread of this number, if it has not ended.
    pub fn thread(&self, serial: u64) -> Option<Arc<Thread>> {
        self.registry.lock().get(serial).cloned()
    }

    /// The thread of this number, if it has ended not too long ago.
    pub fn remembered(&self, serial: u64) -> Option<Arc<Thread>> {
        self.registry.lock().remembered(serial).cloned()
    }

    pub(crate) fn host_stack_of(&self, thread: &Thread) -> Vec<Place> {
        self.host.stack_of(thread)
    }

    pub(crate) fn host_place_of(&self, serial: u64) -> Option<Arc<dyn Site>> {
        self.host.place_of(&*self.thread(serial)?)
    }

    pub(crate) fn host_adopts(&self, thread: &Thread) {
        self.host.adopted(thread);
        self.recorder().inspect(|recorder| recorder.renamed(thread));
    }

    /// To be called in the child of a fork by its only thread, which is `survivor`.
    pub fn after_fork_in_child(&self, survivor: &Arc<Thread>) {
        crate::seam::after_fork_in_child();
        #[cfg(not(loom))]
        self.sampler.get().inspect(|sampler| sampler.end_in_child());
        crate::wait::fork::after_fork_in_child();
        survivor.set_kind(ThreadKind::Main);
        self.carriers.after_fork_in_child();
        self.asleep.store(0, Ordering::SeqCst);
        self.register(survivor);
    }

    pub(crate) fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A thread sleeps without a time limit. Said after its record was written and before it looks.
    pub(crate) fn fell_asleep(&self, thread: &Thread, epoch: u64, resource: &Arc<dyn Resource>) {
        if resource.can_be_left() {
            let wait = HeldUp { resource: Arc::clone(resource), parker: Arc::clone(thread.parker()) };
            self.held_up.lock().insert(epoch, wait);
        }
        self.asleep.fetch_add(1, Ordering::SeqCst);
    }

    /// The wait that began so is over.
    pub(crate) fn woke_up(&self, epoch: u64, resource: &Arc<dyn Resource>) {
        if resource.can_be_left() {
            // Its owner still has the resource, so nothing of the host's is dropped under the mutex.
            self.held_up.lock().remove(&epoch);
        }
        // Saturating: a fork may have reset the count while this thread slept.
        let _ = self.asleep.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1));
    }

    /// All threads, as a thing that the main function waits for at its end.
    pub fn all_threads(&self) -> Arc<dyn Resource> {
        Arc::new(AllThreads)
    }

    /// The main function is done; the host waits for the threads in a way of its own, from here to
    /// [`threads_are_done`](Runtime::threads_are_done). Main counts as asleep meanwhile.
    pub fn main_is_done(&self, main: &Arc<Thread>) {
        let (epoch, resource) = (self.next_epoch(), self.all_threads());
        let record = Record {
            epoch,
            resource: Arc::clone(&resource),
            waiter: Waiter::new(main.parker()),
            call: Call::Exit,
            site: None,
            since: Time::now(),
            timed: false,
        };
        self.recorder().inspect(|recorder| recorder.waits(main, &record, record.since, self));
        *main.wait.lock() = Some(record);
        self.fell_asleep(main, epoch, &resource);
        // Those who sleep already have looked before main was done.
        if let Some(thread) = self.threads().iter().find(|thread| thread.serial() != main.serial()) {
            thread.parker().unpark();
        }
    }

    /// The wait that began with [`main_is_done`](Runtime::main_is_done) is over.
    pub fn threads_are_done(&self, main: &Thread) {
        let record = main.wait.lock().take();
        record.inspect(|record| self.woke_up(record.epoch, &record.resource));
        self.recorder().inspect(|recorder| recorder.goes_on(main));
    }

    // ---- looking ----

    fn find(&self, serial: u64) -> Found {
        match self.thread(serial) {
            None => Found::Ended,
            Some(thread) => thread.record().map_or(Found::Running, Found::Waiting),
        }
    }

    pub(crate) fn walk_from(&self, me: &Thread) -> Walk {
        match me.record() {
            Some(record) => walk(me.serial(), record, |serial| self.find(serial)),
            None => Walk::default(),
        }
    }

    /// As [`walk_from`](Runtime::walk_from), and on through waits of which only the host knows. Not to be called with a
    /// mutex held.
    ///
    /// A cycle with such a wait in it has a member that waits in the runtime's way for the next and holds what the one
    /// before waits for in the host's; only that one needs to look, so nobody else pays for it.
    #[inline(never)]
    pub(crate) fn walk_far_from(&self, me: &Thread) -> Walk {
        let near = self.walk_from(me);
        if !matches!(near.1, End::Open) || !self.host.holds_foreign(me) {
            return near;
        }
        self.walk_on_from(me, near)
    }

    #[cold]
    fn walk_on_from(&self, me: &Thread, near: Walk) -> Walk {
        let record = me.wait.lock().clone();
        record.map_or(near, |record| walk(me.serial(), record, |serial| self.find_far(serial)))
    }

    fn find_far(&self, serial: u64) -> Found {
        let found = self.find(serial);
        let (Found::Running, Some(thread)) = (&found, self.thread(serial)) else { return found };
        let Some(wait) = self.host.foreign_wait(&thread) else { return found };
        Found::Waiting(Record {
            epoch: wait.key,
            resource: wait.resource,
            waiter: Waiter::new(thread.parker()),
            call: Call::Import,
            site: wait.site,
            since: Time::now(),
            timed: false,
        })
    }

    /// Whether a foreign wait may come about that is for `me`.
    pub(crate) fn holds_foreign(&self, me: &Thread) -> bool {
        self.host.holds_foreign(me)
    }

    /// Why the thread that closes this cycle must not get an error for it; `None`: it may.
    pub(crate) fn reason_to_tell_only(&self, steps: &[Step]) -> Option<Reason> {
        let any = |is: fn(&Step) -> bool| steps.iter().any(is);
        let deadlocks = self.policy().deadlocks;
        if any(|step| step.record.call == Call::Import) {
            Some(Reason::Import)
        } else if deadlocks == Deadlocks::RaiseAny {
            None
        } else if deadlocks != Deadlocks::Raise {
            Some(Reason::Policy)
        } else if any(|step| step.record.call == Call::Reacquire) {
            Some(Reason::Reacquire)
        } else if any(|step| step.record.call == Call::Result) {
            Some(Reason::Job)
        } else if any(|step| !step.hold.owned) {
            Some(Reason::NotOwned)
        } else if self.is_any_stopping(steps) {
            Some(Reason::Stopping)
        } else {
            self.may_be_left(steps).then_some(Reason::SignalHandler)
        }
    }

    /// Whether one of them is about to leave its wait, because it was asked to stop.
    fn is_any_stopping(&self, steps: &[Step]) -> bool {
        steps.iter().any(|step| self.thread(step.serial).is_some_and(|thread| thread.is_stop_pending()))
    }

    #[cold]
    pub(crate) fn knot_from(&self, me: &Thread) -> Option<Knot> {
        let record = me.wait.lock().clone()?;
        knot(me.serial(), record, |serial| self.find(serial))
    }

    /// Whether main is among the steps and may leave its wait for a signal handler.
    fn may_be_left(&self, steps: &[Step]) -> bool {
        let main = self.threads().into_iter().find(|thread| thread.kind() == ThreadKind::Main);
        let involved = main.is_some_and(|main| steps.iter().any(|step| step.serial == main.serial()));
        involved && self.host.main_may_be_interrupted()
    }

    pub(crate) fn take_turn(&self) -> Guard<'_, HashSet<u64>> {
        self.turn.lock()
    }

    /// Whether none of these waits was told of before; they count as told from now on.
    pub(crate) fn tell_once(&self, steps: &[Step]) -> bool {
        let own = steps.iter().filter(|step| step.record.call != Call::Import);
        self.tell_epochs_once(own.map(|step| step.record.epoch))
    }

    /// Whether the wait of this number was told of.
    pub(crate) fn was_told(&self, epoch: u64) -> bool {
        self.turn.lock().contains(&epoch)
    }

    fn tell_epochs_once(&self, epochs: impl Iterator<Item = u64> + Clone) -> bool {
        let mut told = self.turn.lock();
        let fresh = !epochs.clone().any(|epoch| told.contains(&epoch));
        told.extend(epochs);
        fresh
    }

    /// The records of all threads, if every thread sleeps without a time limit.
    fn sleepers(&self) -> Option<Vec<(Arc<Thread>, Record)>> {
        let record_of = |thread: Arc<Thread>| {
            let record = thread.record().filter(Record::is_asleep)?;
            Some((thread, record))
        };
        self.threads().into_iter().map(record_of).collect()
    }

    /// The epochs of all waits if every thread sleeps without a time limit, and how long that must stand to be told.
    pub(crate) fn all_asleep(&self) -> Option<(Vec<u64>, Duration)> {
        let threads = self.threads.load(Ordering::SeqCst);
        if threads < 2 || self.asleep.load(Ordering::SeqCst) < threads {
            return None;
        }
        let sleepers = self.sleepers()?;
        let exiting = sleepers.iter().any(|(_, record)| record.call == Call::Exit);
        let grace = if exiting { KEEPS_ALIVE_GRACE } else { self.policy().grace };
        Some((sleepers.iter().map(|(_, record)| record.epoch).collect(), grace))
    }

    // ---- telling ----

    /// Hands a verdict to the host.
    pub fn tell(&self, verdict: &Verdict) {
        self.host.told(verdict);
    }

    /// The verdict on a program that sleeps, if the same waits stand as before and nothing unknown could end one.
    pub(crate) fn describe_stall(&self, epochs: &[u64]) -> Stall {
        let Some(sleepers) = self.sleepers() else { return Stall::Over };
        let now = sleepers.iter().map(|(_, record)| record.epoch);
        if !now.clone().eq(epochs.iter().copied()) {
            return Stall::Over;
        }
        let in_a_cycle = |thread: &Thread| match self.walk_from(thread).1 {
            End::Cycle => true,
            End::Shared => self.knot_from(thread).is_some(),
            End::Dead | End::Open => false,
        };
        if sleepers.iter().any(|(thread, _)| in_a_cycle(thread)) {
            // Theirs to tell, who are in it: their grace may end a moment later than that of who waits for them.
            return Stall::Over;
        }
        if self.host.may_be_woken_from_outside(sleepers.len()) {
            return Stall::Unsure;
        }
        if !self.tell_epochs_once(now) {
            return Stall::Over;
        }
        if sleepers.iter().any(|(_, record)| record.call == Call::Exit) {
            return Stall::Stands(Box::new(self.keeps_alive(Cause::Asleep)));
        }
        let waits = sleepers.iter().map(|(thread, record)| self.describe(thread.info(), record)).collect();
        Stall::Stands(Box::new(Verdict::Stalled { waits }))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What a main thread waits for that is done.
#[derive(Debug)]
struct AllThreads;

impl Resource for AllThreads {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn can_be_left(&self) -> bool {
        false
    }

    fn describe(&self) -> Description {
        Description { kind: "program".into(), name: "its threads".into(), ..Description::default() }
    }
}
