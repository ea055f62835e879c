//! A place where a fixed number of threads meet.
//!
//! CPython's barrier is one counter that fills and drains, and those who come while it drains have to wait for that. Here
//! each meeting is a [`Round`] of its own: the last to arrive opens it and puts the next one in its place, so nobody has to
//! wait for the slow ones of the round before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering, fence};

use crate::graph::{Blocked, Halt};
use crate::seam::Mutex;
use crate::thread::Thread;
use crate::wait::{Queue, Waiter};

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
    /// Sleeps, in a place that was taken before, until the round has ended.
    fn sleep(&self, waiter: &Arc<Waiter>, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::SeqCst) == FILLING {
            return self.queue.sleep(waiter, blocked);
        }
        self.queue.leave(waiter);
        Ok(())
    }

    fn end(&self, state: u8) {
        let ended = self.state.compare_exchange(FILLING, state, Ordering::SeqCst, Ordering::SeqCst);
        if ended.is_ok() {
            // Those who enlist, then look at the state; this sets the state, then looks who is enlisted.
            fence(Ordering::SeqCst);
            self.queue.wake(usize::MAX);
        }
    }
}

#[derive(Debug, Default)]
struct Inside {
    arrived: usize,
    broken: bool,
    /// Made by the first who has to wait.
    round: Option<Arc<Round>>,
}

/// A barrier without a runtime.
#[derive(Debug, Default)]
pub struct RawBarrier {
    inside: Mutex<Inside>,
}

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
        let mut inside = self.inside.lock();
        if inside.broken {
            return Err(Broken);
        }
        let index = inside.arrived;
        if index + 1 >= parties {
            inside.arrived = 0;
            return Ok(Arrival { index, last: true, round: inside.round.take(), waiter: None });
        }
        inside.arrived += 1;
        let round = Arc::clone(inside.round.get_or_insert_default());
        drop(inside);
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
        let mut slept = round.sleep(waiter, blocked);
        if slept.is_err() && !self.break_while_filling(round) && matches!(slept, Err(Halt::TimedOut)) {
            // All have come in time; the last one is still at what it does before it opens.
            blocked.lift_limit();
            slept = round.sleep(&round.queue.enlist(blocked.me.parker()), blocked);
        }
        match (round.state.load(Ordering::SeqCst), slept) {
            (OPEN, _) => Ok(()),
            (_, Ok(())) => Err(Failure::Broken),
            (_, Err(Halt::TimedOut)) => Err(Failure::TimedOut),
            (_, Err(halt)) => Err(Failure::Halted(halt)),
        }
    }

    /// Breaks the barrier because one of `round` goes away; false if all of that round have come.
    fn break_while_filling(&self, round: &Arc<Round>) -> bool {
        let mut inside = self.inside.lock();
        let filling = inside.round.as_ref().is_some_and(|present| Arc::ptr_eq(present, round));
        inside.broken |= filling;
        drop(inside);
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
        let mut inside = self.inside.lock();
        inside.broken = true;
        let round = inside.round.clone();
        drop(inside);
        round.inspect(|round| round.end(BROKEN));
    }

    /// Makes it a new barrier; those who wait find it broken.
    pub fn reset(&self) {
        let mut inside = self.inside.lock();
        let round = inside.round.take();
        inside.arrived = 0;
        inside.broken = false;
        drop(inside);
        round.inspect(|round| round.end(BROKEN));
    }

    /// How many wait in the present round.
    pub fn waiting(&self) -> usize {
        let inside = self.inside.lock();
        if inside.broken { 0 } else { inside.arrived }
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.inside.lock().broken
    }
}
