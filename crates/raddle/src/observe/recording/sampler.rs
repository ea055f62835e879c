//! What threads do while they wait for nothing that raddle keeps: seen from outside, every few milliseconds.
//!
//! The sampler is a thread of its own, which runs no code of the host and takes no lock on the way of the program's threads.
//! Whether a thread waits for something of raddle's it reads in the recording; who runs the host's code, and who waits to,
//! the host says ([`Turns`]); all else is what the kernel tells of a thread that sleeps.
//!
//! What it finds goes into [`times`], so that the sums are whole though nothing of the rest may be in the file any more, and into pages
//! of its own, an event for each change. A wait needs none: it ends what the thread was seen at before.
//!
//! # What the program must not notice
//!
//! - Processors: the looks may take the hundredth part of one, and become rare if they would take more, or if nothing runs.
//! - Files: the sampler has a table of its own, so it takes no number that the program's next file would get.
//! - Signals: it gets none, so the threads of the program get them all.
//! - Forks: there is no such thread while the process forks, and none in the child. Who counts the system's threads counts
//!   [`Sampler::is_there`].

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::looks::Watch;
use super::recorder::Recorder;
use crate::runtime::Runtime;
use crate::seam::{Mutex, Parker, Time, task, thread as system};

/// A retired sampler is gone by then, or not waited for any longer.
const REAPING: Duration = Duration::from_millis(200);

/// Whose turn it is to run the host's code, which one thread at a time may do: seen from outside.
pub trait Turns: Send + Sync + Debug {
    /// Whether it is the turn of the thread with that [mark](crate::thread::Thread::mark).
    fn has_turn(&self, mark: usize) -> bool;

    /// Whether a thread that sleeps on the word at `address` waits for its turn.
    fn is_door(&self, address: usize) -> bool;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sampler {
    turns: Option<Box<dyn Turns>>,
    /// Which run this is and, in the lower half, the system's number of its thread; [`COMING`] until that has said it; 0: there is
    /// no such thread. A thread whose run is over finds another number here, and ends.
    run: AtomicU64,
    parker: Mutex<Arc<Parker>>,
    /// How many threads fork now.
    forks: AtomicU32,
    /// Whether there is nothing to look at any more.
    is_over: AtomicBool,
    /// Of those who send it and retire it.
    turn: Mutex<()>,
}

const COMING: u32 = u32::MAX;

fn run_of(state: u64) -> u32 {
    (state >> 32) as u32
}

fn state_of(run: u32, native_id: u32) -> u64 {
    u64::from(run) << 32 | u64::from(native_id)
}

impl Sampler {
    pub(crate) fn new(turns: Option<Box<dyn Turns>>) -> Sampler {
        Sampler {
            turns,
            run: AtomicU64::new(0),
            parker: Mutex::default(),
            forks: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
            turn: Mutex::default(),
        }
    }

    /// How many threads of the system this is: 0 or 1.
    pub(crate) fn is_there(&self) -> usize {
        usize::from(self.run.load(Ordering::Acquire) as u32 != 0)
    }

    /// Begins, or goes on in the process that has forked. Where the system refuses a thread there are no samples.
    pub(crate) fn send(self: &Arc<Self>, runtime: &'static Runtime) {
        let is_recorded = runtime.recorder().is_some_and(Recorder::goes_on_being_written);
        let _turn = self.turn.lock();
        let unwanted = self.is_over.load(Ordering::Acquire) || self.forks.load(Ordering::Acquire) != 0;
        if self.is_there() != 0 || unwanted || !is_recorded {
            return;
        }
        let run = run_of(self.run.load(Ordering::Relaxed)).wrapping_add(1);
        self.run.store(state_of(run, COMING), Ordering::Release);
        let parker = Arc::<Parker>::default();
        *self.parker.lock() = Arc::clone(&parker);
        let sampler = Arc::clone(self);
        if system::spawn_deaf(Box::new(move || sampler.begin(run, &parker, runtime))).is_err() {
            self.run.store(state_of(run, 0), Ordering::Release);
        }
    }

    /// Whether it is to be sent again: it was there before a fork.
    pub(crate) fn is_missing(&self) -> bool {
        self.is_there() == 0 && !self.is_over.load(Ordering::Acquire)
    }

    /// Before a fork: the process has no such thread until [`forked`](Sampler::forked) was called as often.
    pub(crate) fn before_fork(&self) {
        self.forks.fetch_add(1, Ordering::AcqRel);
        self.retire();
    }

    pub(crate) fn forked(&self) {
        self.forks.fetch_sub(1, Ordering::AcqRel);
    }

    /// For good.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.retire();
    }

    /// The child of a fork is not recorded.
    pub(crate) fn end_in_child(&self) {
        self.is_over.store(true, Ordering::Release);
        self.run.store(0, Ordering::Release);
    }

    /// Ends the run, and waits until the system has no such thread any more.
    fn retire(&self) {
        let _turn = self.turn.lock();
        let deadline = Time::now().after(REAPING);
        while self.run.load(Ordering::Acquire) as u32 == COMING && Time::now() < deadline {
            system::nap();
        }
        // One that comes later finds that it is too late.
        let step = |state: u64| (state as u32 != 0).then(|| state_of(run_of(state).wrapping_add(1), 0));
        let Ok(state) = self.run.fetch_update(Ordering::AcqRel, Ordering::Acquire, step) else { return };
        let (native_id, parker) = (state as u32, Arc::clone(&self.parker.lock()));
        parker.unpark();
        while native_id != COMING && !system::is_gone(native_id) && Time::now() < deadline {
            system::nap();
        }
    }

    fn begin(&self, run: u32, parker: &Parker, runtime: &'static Runtime) {
        let mine = state_of(run, system::native_id());
        let came = self.run.compare_exchange(state_of(run, COMING), mine, Ordering::AcqRel, Ordering::Relaxed);
        if let (Ok(_), Some(recorder)) = (came, runtime.recorder()) {
            // Without a table of its own the files that it opens would be the program's.
            let can_look = task::own_files();
            let watch = Watch::new(self.turns.as_deref(), recorder, can_look);
            watch.look_until(runtime, parker, || self.run.load(Ordering::Acquire) != mine);
        }
    }
}
