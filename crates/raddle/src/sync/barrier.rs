//! A place where a fixed number of threads meet.
//!
//! CPython's barrier is one counter that fills and drains, and those who come while it drains have to wait for that. Here
//! each meeting is a [`Round`] of its own: the last to arrive opens it and puts the next one in its place, so nobody has to
//! wait for the slow ones of the round before.
//!
//! How many have arrived, and whether the barrier is broken, is one atomic word that changes under the mutex: in the child
//! of a fork it is as it was, as everywhere in Python, while what the mutex protects is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};

use crate::graph::{Blocked, Halt};
use crate::seam::Mutex;
use crate::thread::Thread;
use crate::wait::{Asleep, Home, Queue, Waiter};

const FILLING: u8 = 0;
const OPEN: u8 = 1;
const BROKEN: u8 = 2;

/// One meeting.
#[derive(Debug, Default)]
struct Round {
    /// FILLING, then OPEN or BROKEN for ever.
    state: AtomicU8,
    queue: Queue,
}

impl Round {
    fn end(&self, state: u8) {
        let ended = self.state.compare_exchange(FILLING, state, Ordering::SeqCst, Ordering::SeqCst);
        if ended.is_ok() {
            // Those who enlist, then look at the state; this sets the state, then looks who is enlisted.
            fence(Ordering::SeqCst);
            self.queue.wake(usize::MAX);
        }
    }
}

/// A barrier without a runtime.
#[derive(Debug, Default)]
pub struct RawBarrier {
    /// The present round, made by the first who has to wait.
    round: Mutex<Option<Arc<Round>>>,
    /// How many have arrived, shifted by one, and whether the barrier is broken. Changes under the mutex of `round`.
    word: AtomicUsize,
}

/// In `RawBarrier::word`.
const IS_BROKEN: usize = 1;

/// The barrier is broken.
#[derive(Clone, Debug)]
pub struct Broken;

/// A thread's part in a round.
#[derive(Debug)]
pub struct Arrival {
    /// How many were there before: 0 for the first.
    pub index: usize,
    /// Whether this was the last one: it must call [`RawBarrier::open`] (or [`RawBarrier::abort`]).
    pub last: bool,
    round: Option<Arc<Round>>,
    waiter: Option<Arc<Waiter>>,
}

impl Arrival {
    fn end(&self, state: u8) {
        if let Some(round) = &self.round {
            round.end(state);
        }
    }
}

/// Why a wait at a barrier failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The barrier is broken: by an abort, a reset, a time-out of another thread.
    Broken,
    /// The time limit of this wait has passed. The barrier is broken now.
    TimedOut,
    /// The wait was ended for a reason of its own. The barrier is broken now.
    Halted(Halt),
}

impl RawBarrier {
    /// Arrives, as one of `parties`.
    ///
    /// # Errors
    /// [`Broken`] if the barrier is.
    pub fn arrive(&self, parties: usize, me: impl FnOnce() -> Arc<Thread>) -> Result<Arrival, Broken> {
        let mut present = self.round.lock();
        if self.is_broken() {
            return Err(Broken);
        }
        let index = self.waiting();
        if index + 1 >= parties {
            self.word.store(0, Ordering::Relaxed);
            return Ok(Arrival { index, last: true, round: present.take(), waiter: None });
        }
        self.word.store((index + 1) << 1, Ordering::Relaxed);
        let round = Arc::clone(present.get_or_insert_default());
        drop(present);
        let waiter = Some(round.queue.enlist(me().parker()));
        Ok(Arrival { index, last: false, round: Some(round), waiter })
    }

    /// The last one lets the others of its round go.
    pub fn open(&self, arrival: &Arrival) {
        arrival.end(OPEN);
    }

    /// Those who came before the last wait for it.
    ///
    /// # Errors
    /// That the barrier broke meanwhile; also by the end of this wait, whatever its reason.
    pub fn wait(&self, arrival: &Arrival, blocked: &mut Blocked<'_>) -> Result<(), Failure> {
        let (Some(waiter), Some(round)) = (&arrival.waiter, &arrival.round) else { return Ok(()) };
        let mut slept = self.sleep(round, waiter, blocked);
        if slept.is_err() && !self.break_while_filling(round) && matches!(slept, Err(Halt::TimedOut)) {
            // All have come in time; the last one is still at what it does before it opens.
            blocked.lift_limit();
            slept = self.sleep(round, &round.queue.enlist(blocked.me.parker()), blocked);
        }
        match (round.state.load(Ordering::SeqCst), slept) {
            (OPEN, _) => Ok(()),
            (_, Ok(())) => Err(Failure::Broken),
            (_, Err(Halt::TimedOut)) => Err(Failure::TimedOut),
            (_, Err(halt)) => Err(Failure::Halted(halt)),
        }
    }

    /// Sleeps, in a place that was taken before, until the round has ended.
    fn sleep(&self, round: &Arc<Round>, waiter: &Arc<Waiter>, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        fence(Ordering::SeqCst);
        if round.state.load(Ordering::SeqCst) != FILLING {
            round.queue.leave(waiter);
            return Ok(());
        }
        let seat = Seat { barrier: self, round };
        let _asleep = Asleep::new(waiter, &seat);
        round.queue.sleep(waiter, blocked)
    }

    /// Breaks the barrier because one of `round` goes away; false if all of that round have come.
    fn break_while_filling(&self, round: &Arc<Round>) -> bool {
        let present = self.round.lock();
        let filling = present.as_ref().is_some_and(|present| Arc::ptr_eq(present, round));
        if filling {
            self.word.fetch_or(IS_BROKEN, Ordering::Relaxed);
        }
        drop(present);
        if filling {
            round.end(BROKEN);
        }
        filling
    }

    /// The last one breaks its own round, because what it had to do before opening it failed.
    pub fn fail(&self, arrival: &Arrival) {
        arrival.end(BROKEN);
        self.abort();
    }

    /// Breaks the barrier for those who wait and for those who come.
    pub fn abort(&self) {
        let present = self.round.lock();
        self.word.fetch_or(IS_BROKEN, Ordering::Relaxed);
        let round = present.clone();
        drop(present);
        round.inspect(|round| round.end(BROKEN));
    }

    /// Makes it a new barrier; those who wait find it broken.
    pub fn reset(&self) {
        let mut present = self.round.lock();
        let round = present.take();
        self.word.store(0, Ordering::Relaxed);
        drop(present);
        round.inspect(|round| round.end(BROKEN));
    }

    /// How many wait in the present round.
    pub fn waiting(&self) -> usize {
        let word = self.word.load(Ordering::Relaxed);
        if word & IS_BROKEN != 0 { 0 } else { word >> 1 }
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.word.load(Ordering::Relaxed) & IS_BROKEN != 0
    }
}

/// Where a thread waits for the others: it keeps the round going in the child of a fork that this thread makes.
struct Seat<'a> {
    barrier: &'a RawBarrier,
    round: &'a Arc<Round>,
}

impl Home for Seat<'_> {
    fn return_after_fork(&self, _: &Arc<Waiter>) {
        if self.round.state.load(Ordering::SeqCst) == FILLING {
            *self.barrier.round.lock() = Some(Arc::clone(self.round));
        }
    }
}
