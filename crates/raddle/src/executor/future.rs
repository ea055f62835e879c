//! The state of a computation that somebody else carries out.
//!
//! ```text
//! Pending --begin--> Running --claim--> Finishing --publish--> Finished
//!    |  `------------------claim----------^
//!    `--cancel--> Cancelled --begin--> Noticed
//! ```
//!
//! The value is not in here: whoever has a [`Claim`] is the only one to write it, between `claim` and `publish`, and
//! whoever has seen Finished may read it. So completion against completion and completion against cancellation are one
//! compare-exchange each, and nobody ever sees Finished without a value.
//!
//! Two flags stand beside the phase. WAITED says that threads sleep here, so that finishing while nobody waits takes no
//! mutex. GUARDED says that the host has put a lock of its own around the state (Python's `Future._condition`, from the
//! moment in which a program asks for it): every step is then refused, and the host makes it under that lock, with
//! [`RawFuture::set_phase`]. The flag and the phase change in one word, so a step is made before the lock exists or under
//! it; and a lock that nobody asks for, which is what makes a future expensive, is never made.

use std::sync::Arc;

use crate::graph::{Blocked, Halt, Hold};
use crate::seam::Parker;
use crate::seam::atomic::{AtomicU8, AtomicU64, Ordering};
use crate::wait::{Popped, Queue, Sleep};

/// Where a computation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nobody works on it.
    Pending,
    /// Somebody does.
    Running,
    /// Nobody ever will.
    Cancelled,
    /// Cancelled, and whoever was to work on it knows.
    Noticed,
    /// Its value is being written.
    Finishing,
    /// Its value can be read.
    Finished,
}

const PHASES: [Phase; 6] =
    [Phase::Pending, Phase::Running, Phase::Cancelled, Phase::Noticed, Phase::Finishing, Phase::Finished];

const PHASE: u8 = 7;
const WAITED: u8 = 8;
const GUARDED: u8 = 16;

impl Phase {
    fn of(word: u8) -> Phase {
        PHASES[usize::from(word & PHASE).min(PHASES.len() - 1)]
    }

    /// Whether there is nothing to wait for any more.
    pub fn is_over(self) -> bool {
        matches!(self, Phase::Cancelled | Phase::Noticed | Phase::Finished)
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(self) -> bool {
        matches!(self, Phase::Cancelled | Phase::Noticed)
    }
}

/// Why a step was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It does not follow from this phase.
    Phase(Phase),
    /// The host's lock has to be taken first.
    Guarded,
}

/// See the module.
#[derive(Debug, Default)]
pub struct RawFuture {
    word: AtomicU8,
    /// The thread that works on it; 0 if none does or it is not known.
    runner: AtomicU64,
    queue: Queue,
}

impl RawFuture {
    /// Where it is now.
    #[inline]
    pub fn phase(&self) -> Phase {
        Phase::of(self.word.load(Ordering::Acquire))
    }

    /// Whether the host has put a lock of its own around the state.
    #[inline]
    pub fn is_guarded(&self) -> bool {
        self.word.load(Ordering::Acquire) & GUARDED != 0
    }

    /// Refuses all steps from now on but [`set_phase`](RawFuture::set_phase).
    pub fn guard(&self) {
        loop {
            let word = self.word.load(Ordering::Acquire);
            if Phase::of(word) == Phase::Finishing {
                // A few instructions of another thread's.
                crate::seam::pause();
            } else if self.exchange(word, word | GUARDED).is_ok() {
                return;
            }
        }
    }

    fn exchange(&self, from: u8, to: u8) -> Result<u8, u8> {
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Goes to the phase that `next` names for the present one; returns the word before.
    fn step(&self, next: impl Fn(Phase) -> Option<Phase>) -> Result<u8, Refused> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & GUARDED != 0 {
                return Err(Refused::Guarded);
            }
            let phase = Phase::of(word);
            let next = next(phase).ok_or(Refused::Phase(phase))?;
            match self.exchange(word, word & !PHASE | next as u8) {
                Ok(before) => return Ok(before),
                Err(now) => word = now,
            }
        }
    }

    /// The thread `serial` is about to work on it: true if it shall, false if it was cancelled.
    ///
    /// # Errors
    /// If somebody has begun before.
    pub fn begin(&self, serial: u64) -> Result<bool, Refused> {
        let before = self.step(|phase| match phase {
            Phase::Pending => Some(Phase::Running),
            Phase::Cancelled => Some(Phase::Noticed),
            _ => None,
        })?;
        let run = Phase::of(before) == Phase::Pending;
        if run {
            self.runs_on(serial);
        }
        Ok(run)
    }

    /// Notes which thread works on it.
    pub fn runs_on(&self, serial: u64) {
        self.runner.store(serial, Ordering::Release);
    }

    /// Cancels it: true if that is news, false if it was cancelled before.
    ///
    /// # Errors
    /// If somebody has begun to work on it.
    pub fn cancel(&self) -> Result<bool, Refused> {
        let stepped = self.step(|phase| (phase == Phase::Pending).then_some(Phase::Cancelled));
        match stepped {
            Ok(before) => {
                self.wake_if(before);
                Ok(true)
            }
            Err(Refused::Phase(phase)) if phase.is_cancelled() => Ok(false),
            Err(refused) => Err(refused),
        }
    }

    /// Claims the right to give it its value.
    ///
    /// # Errors
    /// If it is over, or somebody else has claimed that.
    pub fn claim(&self) -> Result<Claim<'_>, Refused> {
        self.step(|phase| matches!(phase, Phase::Pending | Phase::Running).then_some(Phase::Finishing))?;
        Ok(Claim(self))
    }

    /// Puts it into any phase, for a host that holds its own lock or knows that nobody else has it yet.
    pub fn set_phase(&self, phase: Phase) {
        let flags = if phase.is_over() { GUARDED } else { GUARDED | WAITED };
        let mut word = self.word.load(Ordering::Acquire);
        while let Err(now) = self.exchange(word, word & flags | phase as u8) {
            word = now;
        }
        if phase.is_over() {
            self.wake_if(word);
        }
    }

    fn wake_if(&self, word: u8) {
        if word & WAITED != 0 {
            self.queue.wake(usize::MAX);
        }
    }

    /// Sleeps as `blocked` says until it is over.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn wait(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        self.sleep(blocked.me.parker(), blocked)
    }

    pub(super) fn sleep<S: Sleep>(&self, parker: &Arc<Parker>, sleep: &mut S) -> Result<(), S::Halt> {
        let waiter = self.queue.enlist(parker);
        let announced = |word: u8| (!Phase::of(word).is_over()).then_some(word | WAITED);
        if self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, announced).is_err() {
            self.queue.leave(&waiter);
            return Ok(());
        }
        self.queue.sleep(&waiter, sleep)
    }

    /// Who works on it now. Somebody else might finish it by hand, so the hold is not owned.
    pub fn runner(&self) -> Option<Hold> {
        let serial = self.runner.load(Ordering::Acquire);
        (serial != 0 && self.phase() == Phase::Running).then_some(Hold { serial, owned: false, strict: false })
    }
}

/// The right to give a computation its value; see [`RawFuture::claim`].
#[derive(Debug)]
#[must_use = "the future hangs in Finishing until this is published"]
pub struct Claim<'a>(&'a RawFuture);

impl Claim<'_> {
    /// The value is written: everybody may read it, and who has slept for it is woken.
    pub fn publish(self) {
        self.settle().wake();
    }

    /// The same, but the sleepers are left to the caller.
    pub fn settle(self) -> Sleepers {
        let future = self.0;
        let mut word = future.word.load(Ordering::Acquire);
        while let Err(now) = future.exchange(word, word & !(PHASE | WAITED) | Phase::Finished as u8) {
            word = now;
        }
        Sleepers(if word & WAITED == 0 { Popped::default() } else { future.queue.pop(usize::MAX) })
    }
}

/// Threads that sleep for what has come about. They have to be woken, where it suits the caller best.
#[derive(Debug)]
#[must_use = "they sleep until they are woken"]
pub struct Sleepers(Popped);

impl Sleepers {
    /// Wakes them.
    pub fn wake(self) {
        self.0.wake();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
}
