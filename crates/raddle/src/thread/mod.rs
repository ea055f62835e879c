//! What the runtime knows of a thread: a number that is never used again, who started it and where, what it waits for
//! now, how it ended.
//!
//! ```text
//! Starting --bind--> Running --its thread-local destructors have run--> Ended
//!     `--the system refused--> removed from the registry
//! ```
//!
//! A thread is Running until the last of its thread-local destructors: locks it takes there are its own, and nobody may
//! be told before that it is gone. So the end is itself a thread-local destructor ([`current`]).

#[cfg(not(loom))]
mod builder;
mod carrier;
pub(crate) mod current;
mod delivery;
#[cfg(not(loom))]
mod handle;
mod join;
#[cfg(all(test, loom))]
mod models;
mod origin;
#[cfg(not(loom))]
mod panics;
mod registry;
#[cfg(not(loom))]
mod report;
mod several;
mod shutdown;

pub use carrier::{Carriers, Job, Over, Reserved, Running};
pub use current::{bind, current, serial, unbind};
#[cfg(not(loom))]
pub(crate) use current::{changes, known_serial};
pub(crate) use current::{footprint, known_giver};
pub use delivery::Delivery;
pub use origin::{Lineage, Origin};
pub use several::{Rule, Several};
pub use shutdown::{Awaits, Grace, ShutdownCallback};

#[cfg(not(loom))]
pub(crate) use builder::run;
#[cfg(not(loom))]
pub use builder::{Builder, StartError, Unstarted, spawn};
#[cfg(not(loom))]
pub use handle::JoinHandle;
#[cfg(not(loom))]
pub(crate) use handle::{Child, Judge, Packet};
#[cfg(not(loom))]
pub(crate) use panics::Caught;
pub(crate) use registry::Registry;
#[cfg(not(loom))]
pub use report::Report;
pub(crate) use shutdown::Callbacks;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::error::Life;
use crate::graph::Record;
use crate::graph::verdict::{Ending, ThreadInfo, ThreadKind};
use crate::observe::recording::Page;
use crate::seam::{Mutex, Parker, Time, thread as system};
use crate::stop::{Blocks, Interruption, Outlook, StopToken, Stopped};
use crate::wait::Queue;

pub use system::limits;

/// Where a thread is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Registered by the thread that starts it; no code of its own has run.
    Starting,
    /// Between its first and its last instruction.
    Running,
    /// Nothing of it runs any more.
    Ended,
}

/// What a thread is for, if it is for something in particular.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Whatever the program likes.
    #[default]
    Plain,
    /// It belongs to a scope.
    Scoped,
    /// It is run again when it has failed.
    Supervised,
    /// It does the jobs of a pool.
    Pool,
    /// It does something at a moment.
    Timer,
}

const ROLES: [Role; 5] = [Role::Plain, Role::Scoped, Role::Supervised, Role::Pool, Role::Timer];

/// One thread.
pub struct Thread {
    serial: u64,
    kind: AtomicU8,
    role: AtomicU8,
    state: AtomicU8,
    /// The host's own number for the thread, such as `threading.get_ident()`; 0 until it runs.
    ident: AtomicU64,
    /// The system's number for the thread it runs on; 0 before it runs.
    native_id: AtomicU32,
    name: RwLock<Arc<str>>,
    origin: Option<Arc<Origin>>,
    /// When it became known: as it was started, or met.
    since: Time,
    ended_at: OnceLock<Time>,
    error: OnceLock<String>,
    parker: Arc<Parker>,
    /// What it sleeps for. Written by the thread itself, cloned by anybody.
    pub(crate) wait: Mutex<Option<Record>>,
    /// Those who wait for its end.
    pub(crate) joiners: Queue,
    /// Whether it has given something to take, as an item to a queue, of which it is known that it was this thread.
    gave: AtomicBool,
    /// What may stop it.
    blocks: Blocks,
    interruption: Interruption,
    /// That it has stopped because it was asked to.
    obeyed: OnceLock<Stopped>,
    letting_go: shutdown::LettingGo,
    mark: AtomicUsize,
    /// Where a recording has what it does.
    pub(crate) page: Page,
}

const KINDS: [ThreadKind; 4] = [ThreadKind::Main, ThreadKind::Regular, ThreadKind::Daemon, ThreadKind::Foreign];

static LAST_SERIAL: AtomicU64 = AtomicU64::new(0);

impl Thread {
    pub(crate) fn new(name: &str, kind: ThreadKind, origin: Option<Origin>) -> Arc<Thread> {
        Arc::new(Thread {
            serial: LAST_SERIAL.fetch_add(1, Ordering::Relaxed) + 1,
            kind: AtomicU8::new(kind as u8),
            role: AtomicU8::new(Role::Plain as u8),
            state: AtomicU8::new(State::Starting as u8),
            ident: AtomicU64::new(0),
            native_id: AtomicU32::new(0),
            name: RwLock::new(name.into()),
            origin: origin.map(Arc::new),
            since: Time::now(),
            ended_at: OnceLock::new(),
            error: OnceLock::new(),
            parker: Arc::default(),
            wait: Mutex::default(),
            joiners: Queue::default(),
            gave: AtomicBool::new(false),
            blocks: Blocks::default(),
            interruption: Interruption::default(),
            obeyed: OnceLock::new(),
            letting_go: shutdown::LettingGo::default(),
            mark: AtomicUsize::new(0),
            page: Page::default(),
        })
    }

    /// The number of the thread; never used twice in a process.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Its name, for people.
    pub fn name(&self) -> Arc<str> {
        self.name.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives it another name, of which the system gets the first 15 bytes if the thread runs on a thread that is named
    /// after it ([`name_system_thread`](Thread::name_system_thread)).
    pub fn rename(&self, name: &str) {
        *self.name.write().unwrap_or_else(PoisonError::into_inner) = name.into();
        let native_id = self.native_id.load(Ordering::Acquire);
        if native_id != 0 && self.state() == State::Running {
            system::rename(native_id, name);
        }
    }

    /// The system's number for the thread that it runs on; 0 if that is not known.
    pub fn native_id(&self) -> u32 {
        self.native_id.load(Ordering::Acquire)
    }

    /// How much of the processor's time the system's thread has used that it runs on; `None` if that is not known.
    pub fn cpu_time(&self) -> Option<std::time::Duration> {
        self.present_id().and_then(system::cpu_time)
    }

    /// How long the system's thread has waited for a processor, up to when it got one last; `None` if that is not known.
    pub fn run_queue_time(&self) -> Option<std::time::Duration> {
        self.present_id().and_then(system::run_queue_time)
    }

    /// Whether the system's thread runs, or would if it got a processor; false where that is not known.
    pub fn is_runnable(&self) -> bool {
        self.present_id().is_some_and(system::is_runnable)
    }

    fn present_id(&self) -> Option<u32> {
        Some(self.native_id()).filter(|id| *id != 0 && self.state() != State::Ended)
    }

    /// When it was started, or met.
    pub fn since(&self) -> Time {
        self.since
    }

    /// When the last of it had run; `None` before that.
    pub fn ended_at(&self) -> Option<Time> {
        self.ended_at.get().copied()
    }

    /// How long ago it was started, or met.
    pub fn age(&self) -> std::time::Duration {
        self.since.elapsed()
    }

    /// Has the system call the calling thread, which is this one, by its name, from now on.
    pub fn name_system_thread(&self) {
        self.native_id.store(system::native_id(), Ordering::Release);
        system::rename(system::native_id(), &self.name());
    }

    /// Who started it, who started that one, and so on; the latest first.
    pub fn lineage(&self) -> impl Iterator<Item = &Origin> {
        self.origin.iter().flat_map(|origin| origin.lineage())
    }

    /// The same, to keep.
    pub fn whole_lineage(&self) -> Lineage {
        Lineage(self.origin.clone())
    }

    /// How it came into the runtime.
    pub fn kind(&self) -> ThreadKind {
        KINDS[usize::from(self.kind.load(Ordering::Relaxed)) % KINDS.len()]
    }

    /// Makes it another kind, as when the thread that forked becomes the child's main thread.
    pub fn set_kind(&self, kind: ThreadKind) {
        self.kind.store(kind as u8, Ordering::Relaxed);
    }

    /// By which the host knows it from outside, as the address of what it keeps for the thread; 0: it has said nothing.
    pub fn mark(&self) -> usize {
        self.mark.load(Ordering::Relaxed)
    }

    /// Says so.
    pub fn set_mark(&self, mark: usize) {
        self.mark.store(mark, Ordering::Relaxed);
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        ROLES[usize::from(self.role.load(Ordering::Relaxed)) % ROLES.len()]
    }

    /// Notes what it is for.
    pub fn set_role(&self, role: Role) {
        self.role.store(role as u8, Ordering::Relaxed);
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Starting,
            1 => State::Running,
            _ => State::Ended,
        }
    }

    pub(crate) fn set_state(&self, state: State) {
        if state == State::Ended {
            let _ = self.ended_at.set(Time::now());
        }
        self.state.store(state as u8, Ordering::Release);
    }

    /// The host's own number for it; 0 before it runs.
    pub fn ident(&self) -> u64 {
        self.ident.load(Ordering::Relaxed)
    }

    /// Notes the host's own number for it.
    pub fn set_ident(&self, ident: u64) {
        self.ident.store(ident, Ordering::Relaxed);
    }

    /// Notes that an error left its function; `error` is one line. Only the first counts.
    pub fn set_error(&self, error: String) {
        let _ = self.error.set(error);
    }

    /// How it ended, or would if it ended now.
    pub fn ending(&self) -> Ending {
        match (self.error.get(), self.obeyed.get()) {
            (Some(error), _) => Ending::Failed(error.clone()),
            (None, Some(stopped)) => Ending::Stopped(stopped.to_string()),
            (None, None) => Ending::Finished,
        }
    }

    /// Notes that it ends because it was asked to stop.
    pub fn set_stopped(&self, stopped: Stopped) {
        let _ = self.obeyed.set(stopped);
    }

    /// What asks it to stop.
    pub fn token(&self) -> &StopToken {
        self.blocks.token(&self.parker)
    }

    /// Asks it to stop; false if that was done before.
    pub fn stop(&self, stopped: Stopped) -> bool {
        self.token().stop(stopped)
    }

    /// The stop that was asked for, whether or not it has been heard of.
    pub fn stop_requested(&self) -> Option<&Stopped> {
        self.blocks.stop_requested()
    }

    /// Whether it, or a block that it is in, was asked to stop.
    pub(crate) fn is_stop_pending(&self) -> bool {
        self.blocks.is_stop_pending()
    }

    /// The tokens that may stop it at this moment, for what is to stop with it. Only for the thread itself.
    pub fn heard_tokens(&self) -> Vec<StopToken> {
        self.blocks.heard(&self.parker)
    }

    /// The blocks that it has entered. Only for the thread itself.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Whether running code of it is to be interrupted.
    pub fn interruption(&self) -> &Interruption {
        &self.interruption
    }

    /// Whether it waits for something that the runtime knows.
    pub fn is_blocked(&self) -> bool {
        self.wait.lock().is_some()
    }

    /// A place at which it may stop, without waiting. Only for the thread itself.
    ///
    /// # Errors
    /// That it has to stop.
    pub fn checkpoint(&self) -> Result<(), Stopped> {
        self.outlook().map(drop)
    }

    /// Until when it may sleep before it has to look again. Only for the thread itself.
    ///
    /// # Errors
    /// That it has to stop.
    #[inline]
    pub(crate) fn outlook(&self) -> Result<Option<Time>, Stopped> {
        if self.blocks.are_silent() { Ok(None) } else { self.look_at_blocks() }
    }

    #[cold]
    fn look_at_blocks(&self) -> Result<Option<Time>, Stopped> {
        match self.blocks.look(&self.name(), Time::now()) {
            Outlook::Wait(until) => Ok(until),
            Outlook::Stop(stopped) => Err(stopped),
        }
    }

    /// What has become of it so far. May run code of the host.
    pub fn life(&self) -> Life {
        let ended = self.ended_at.get().map(|at| (at.elapsed(), self.ending()));
        Life { thread: self.info(), since: self.since.elapsed(), ended }
    }

    fn gives(&self) {
        self.gave.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_given(&self) -> bool {
        self.gave.load(Ordering::Relaxed)
    }

    /// The bed it sleeps in.
    pub fn parker(&self) -> &Arc<Parker> {
        &self.parker
    }

    /// What it sleeps for now.
    pub(crate) fn record(&self) -> Option<Record> {
        self.wait.lock().clone()
    }

    /// What a reader of a report needs. May run code of the host.
    pub fn info(&self) -> ThreadInfo {
        let origin = self.origin.as_ref();
        ThreadInfo {
            serial: self.serial,
            name: self.name().to_string(),
            kind: self.kind(),
            started_by: origin.map(|origin| origin.starter.to_string()),
            started_at: origin.and_then(|origin| origin.site.as_ref()?.place()),
        }
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("serial", &self.serial).field("name", &self.name()).finish_non_exhaustive()
    }
}
