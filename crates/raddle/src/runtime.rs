//! The runtime of a process: its threads, what it does about deadlocks, whom it tells.
//!
//! Passed to whatever needs it, so that a host (the Python binding) has its own; Rust programs use the default one of the
//! crate's facade.
//!
//! Lock order: `turn`, then the registry, then a thread's record. None is held while code of the host runs.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use std::time::Duration;

use crate::graph::verdict::{Cause, Cycle, Ending, Holder, ObjectInfo, Place, ThreadInfo, ThreadKind, Verdict, Wait};
use crate::graph::{Call, Description, End, Found, Hold, Knot, Record, Resource, Step, Walk, knot, walk};
use crate::seam::{Guard, Mutex, Time};
use crate::thread::{Carriers, Origin, Registry, State, Thread};
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

/// See the module.
#[derive(Debug)]
pub struct Runtime {
    host: Box<dyn Host>,
    deadlocks: AtomicU8,
    grace: AtomicU64,
    epoch: AtomicU64,
    registry: Mutex<Registry>,
    carriers: Arc<Carriers>,
    /// Threads in the registry, and those of them that sleep without a time limit. Equal: the program may have stalled.
    threads: AtomicUsize,
    asleep: AtomicUsize,
    /// Held while a cycle is looked at for the last time before it is broken, so that one thread breaks it. Holds the
    /// epochs of the waits that were told of.
    turn: Mutex<HashSet<u64>>,
}

impl Runtime {
    /// A runtime that tells `host` what it finds.
    pub fn new(host: Box<dyn Host>) -> Self {
        Runtime {
            host,
            deadlocks: AtomicU8::new(Deadlocks::Raise as u8),
            grace: AtomicU64::new(Duration::from_millis(200).as_nanos() as u64),
            epoch: AtomicU64::new(0),
            registry: Mutex::default(),
            carriers: Arc::default(),
            threads: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            turn: Mutex::default(),
        }
    }

    /// What is done about deadlocks from now on.
    pub fn set_policy(&self, policy: Policy) {
        self.deadlocks.store(policy.deadlocks as u8, Ordering::Relaxed);
        self.grace.store(u64::try_from(policy.grace.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What is done about deadlocks.
    pub fn policy(&self) -> Policy {
        let deadlocks = match self.deadlocks.load(Ordering::Relaxed) {
            0 => Deadlocks::Raise,
            1 => Deadlocks::Report,
            2 => Deadlocks::RaiseAny,
            _ => Deadlocks::Off,
        };
        Policy { deadlocks, grace: Duration::from_nanos(self.grace.load(Ordering::Relaxed)) }
    }

    /// The threads of the system that threads of the program run on, if the host likes.
    pub fn carriers(&self) -> &Arc<Carriers> {
        &self.carriers
    }

    /// Makes a thread known before it runs.
    pub fn register(&self, thread: &Arc<Thread>) {
        let mut registry = self.registry.lock();
        registry.add(Arc::clone(thread));
        self.threads.store(registry.len(), Ordering::SeqCst);
    }

    /// A thread that is about to be started, known from now on.
    pub fn prepare(&self, name: &str, kind: ThreadKind, origin: Origin) -> Arc<Thread> {
        let thread = Thread::new(name, kind, Some(origin));
        self.register(&thread);
        thread
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
        self.nudge_those_concerned(thread.serial());
    }

    /// Makes those look again who wait for something that the ended thread holds; if nobody runs any more, one at least.
    fn nudge_those_concerned(&self, ended: u64) {
        let stalled = self.asleep.load(Ordering::SeqCst) >= self.threads.load(Ordering::SeqCst);
        let mut nudged = false;
        for thread in self.threads() {
            let record = thread.wait.lock().clone();
            let Some(record) = record else { continue };
            let concerned = record.resource.holder().is_some_and(|hold| hold.serial == ended);
            if concerned || (stalled && !nudged && record.is_asleep()) {
                nudged = true;
                thread.parker().unpark();
            }
        }
    }

    /// The threads there are, oldest first.
    pub fn threads(&self) -> Vec<Arc<Thread>> {
        self.registry.lock().all().cloned().collect()
    }

    /// The thread of this number, if it has not ended.
    pub fn thread(&self, serial: u64) -> Option<Arc<Thread>> {
        self.registry.lock().get(serial).cloned()
    }

    pub(crate) fn host_adopts(&self, thread: &Thread) {
        self.host.adopted(thread);
    }

    /// To be called in the child of a fork by its only thread, which is `survivor`.
    pub fn after_fork_in_child(&self, survivor: &Arc<Thread>) {
        crate::seam::after_fork_in_child();
        survivor.set_kind(ThreadKind::Main);
        self.carriers.after_fork_in_child();
        self.asleep.store(0, Ordering::SeqCst);
        self.register(survivor);
    }

    pub(crate) fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn fell_asleep(&self) {
        self.asleep.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn woke_up(&self) {
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
        let record = Record {
            epoch: self.next_epoch(),
            resource: Arc::new(AllThreads),
            waiter: Waiter::new(main.parker()),
            call: Call::Exit,
            site: None,
            since: Time::now(),
            timed: false,
        };
        *main.wait.lock() = Some(record);
        self.fell_asleep();
        // Those who sleep already have looked before main was done.
        if let Some(thread) = self.threads().iter().find(|thread| thread.serial() != main.serial()) {
            thread.parker().unpark();
        }
    }

    /// The wait that began with [`main_is_done`](Runtime::main_is_done) is over.
    pub fn threads_are_done(&self, main: &Thread) {
        let record = main.wait.lock().take();
        if record.is_some() {
            self.woke_up();
        }
    }

    // ---- looking ----

    fn find(&self, serial: u64) -> Found {
        let thread = self.registry.lock().get(serial).cloned();
        match thread {
            None => Found::Ended,
            Some(thread) => thread.wait.lock().clone().map_or(Found::Running, Found::Waiting),
        }
    }

    pub(crate) fn walk_from(&self, me: &Thread) -> Walk {
        let record = me.wait.lock().clone();
        match record {
            Some(record) => walk(me.serial(), record, |serial| self.find(serial)),
            None => Walk::default(),
        }
    }

    pub(crate) fn knot_from(&self, me: &Thread) -> Option<Knot> {
        let record = me.wait.lock().clone()?;
        knot(me.serial(), record, |serial| self.find(serial))
    }

    /// Whether main is among the steps and may leave its wait for a signal handler.
    pub(crate) fn may_be_left(&self, steps: &[Step]) -> bool {
        let main = self.threads().into_iter().find(|thread| thread.kind() == ThreadKind::Main);
        let involved = main.is_some_and(|main| steps.iter().any(|step| step.serial == main.serial()));
        involved && self.host.main_may_be_interrupted()
    }

    pub(crate) fn take_turn(&self) -> Guard<'_, HashSet<u64>> {
        self.turn.lock()
    }

    /// Whether none of these waits was told of before; they count as told from now on.
    pub(crate) fn tell_once(&self, steps: &[Step]) -> bool {
        self.tell_epochs_once(steps.iter().map(|step| step.record.epoch))
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
            let record = thread.wait.lock().clone().filter(Record::is_asleep)?;
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

    fn info_of(&self, serial: u64) -> ThreadInfo {
        let registry = self.registry.lock();
        let thread = registry.get(serial).or_else(|| registry.remembered(serial)).cloned();
        drop(registry);
        thread.map_or_else(|| unknown(serial), |thread| thread.info())
    }

    fn holder_of(&self, hold: Hold, taken_at: Option<Place>) -> Holder {
        let registry = self.registry.lock();
        let ended = registry.get(hold.serial).is_none();
        let remembered = registry.remembered(hold.serial).cloned();
        drop(registry);
        let ending = remembered.map_or(Ending::Finished, |thread| thread.ending());
        Holder { thread: self.info_of(hold.serial), taken_at, ended: ended.then_some(ending) }
    }

    fn describe(&self, serial: u64, record: &Record) -> Wait {
        self.describe_with(serial, record, record.resource.holder())
    }

    fn describe_with(&self, serial: u64, record: &Record, hold: Option<Hold>) -> Wait {
        let about = record.resource.describe();
        let holder = hold.map(|hold| self.holder_of(hold, about.taken_at));
        Wait {
            thread: self.info_of(serial),
            object: ObjectInfo { kind: about.kind, name: about.name, made_at: about.made_at, holder },
            call: record.call.to_string(),
            at: record.site.as_ref().and_then(|site| site.place()),
            since: record.since.elapsed(),
            timed: record.timed,
        }
    }

    /// The cycle as data; the walker, which closed it, comes last.
    pub(crate) fn describe_cycle(&self, steps: &[Step], raised: bool) -> Verdict {
        let describe = |step: &Step| self.describe_with(step.serial, &step.record, Some(step.hold));
        let mut waits: Vec<_> = steps.iter().map(describe).collect();
        waits.rotate_left(1);
        Verdict::Deadlock { cycle: Cycle { waits }, raised }
    }

    pub(crate) fn describe_owner_dead(&self, step: &Step, raised: bool) -> Verdict {
        Verdict::OwnerDead { wait: Box::new(self.describe(step.serial, &step.record)), raised }
    }

    /// The verdict on a program that sleeps, if the same waits stand as before and nothing unknown could end one.
    pub(crate) fn describe_stall(&self, epochs: &[u64]) -> Stall {
        let Some(sleepers) = self.sleepers() else { return Stall::Over };
        let now = sleepers.iter().map(|(_, record)| record.epoch);
        if !now.clone().eq(epochs.iter().copied()) {
            return Stall::Over;
        }
        if self.host.may_be_woken_from_outside(sleepers.len()) {
            return Stall::Unsure;
        }
        // Threads that wait for each other say so themselves, and more exactly: this must not come first.
        let in_a_cycle = |thread: &Thread| match self.walk_from(thread).1 {
            End::Cycle => true,
            End::Shared => self.knot_from(thread).is_some(),
            End::Dead | End::Open => false,
        };
        if sleepers.iter().any(|(thread, _)| in_a_cycle(thread)) || !self.tell_epochs_once(now) {
            return Stall::Over;
        }
        if sleepers.iter().any(|(_, record)| record.call == Call::Exit) {
            return Stall::Stands(Box::new(self.keeps_alive(Cause::Asleep)));
        }
        let waits = sleepers.iter().map(|(thread, record)| self.describe(thread.serial(), record)).collect();
        Stall::Stands(Box::new(Verdict::Stalled { waits }))
    }

    /// `RD005`: the regular threads that are left, and what each waits for.
    pub fn keeps_alive(&self, cause: Cause) -> Verdict {
        let regular = self.threads().into_iter().filter(|thread| thread.kind() == ThreadKind::Regular);
        Verdict::KeepsAlive { cause, threads: regular.map(|thread| (thread.info(), self.wait_of(&thread))).collect() }
    }

    /// What a thread waits for now.
    pub fn wait_of(&self, thread: &Thread) -> Option<Wait> {
        let record = thread.wait.lock().clone();
        record.map(|record| self.describe(thread.serial(), &record))
    }

    /// `RD007`: who has waited longest for what.
    pub fn longest_waits(&self) -> Verdict {
        let (mut waits, mut running) = (Vec::new(), Vec::new());
        for thread in self.threads() {
            match self.wait_of(&thread) {
                Some(wait) => waits.push(wait),
                None => running.push(thread.info()),
            }
        }
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.since));
        Verdict::LongestWaits { waits, running }
    }

    /// `RD003`: the thread died; `at` is where its error was raised.
    pub fn died(&self, thread: &Arc<Thread>, error: String, at: Option<Place>) -> Verdict {
        let waits_for_it = |record: &Record| {
            matches!(record.call, Call::Join | Call::Exit)
                && record.resource.holder().is_some_and(|hold| hold.serial == thread.serial())
        };
        let joiner = |other: Arc<Thread>| {
            let record = other.wait.lock().clone().filter(waits_for_it)?;
            (record.call == Call::Join).then(|| self.describe(other.serial(), &record))
        };
        let joiners = self.threads().into_iter().filter_map(joiner).collect();
        Verdict::Died { thread: Box::new(thread.info()), error, at, joiners }
    }
}

fn unknown(serial: u64) -> ThreadInfo {
    let name = format!("thread {serial}, long ended");
    ThreadInfo { serial, name, kind: ThreadKind::Foreign, started_by: None, started_at: None }
}

/// What a main thread waits for that is done.
#[derive(Debug)]
struct AllThreads;

impl Resource for AllThreads {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn describe(&self) -> Description {
        Description { kind: "program".into(), name: "its threads".into(), ..Description::default() }
    }
}
