//! One way to wait. Every blocking thing of the runtime is a [`Queue`] of sleeping threads, or a [`Gate`], which is a
//! word of state with a queue behind it, or a [`Turnstile`], a word with a queue of threads that want different amounts;
//! nothing else blocks.
//!
//! # Protocol
//!
//! - A thread enlists a [`Waiter`] *before* it looks at the state for the last time, so a change that comes after the look
//!   finds it in the queue.
//! - "Popped from the queue" means notified. A waiter that leaves for another reason (time-out, interruption, deadlock)
//!   and finds that it was popped in the meantime must pass the wake on.
//! - Ownership is never handed over: a woken thread has to take the thing like any other (barging). Handing over makes
//!   every release under contention cost two switches, and has deadlocked CPython's free-threaded build, where the
//!   new owner may be suspended.
//! - At most one woken thread of a gate is under way at a time (the bit WOKEN), or a thread that takes and gives in a loop
//!   would wake the whole queue for nothing.
//! - A waiter that was woken and lost the race [`PATIENCE`](gate::PATIENCE) times makes later takers queue behind it (the
//!   bit STARVED). That is the only fairness.
//! - Many that are notified at once are unparked a few at a time, each by one before it: [`crowd`].
//!
//! No mutex of a queue is held while a thread sleeps, wakes another one or runs code of the host.

pub(crate) mod crowd;
pub(crate) mod fork;
pub(crate) mod gate;
mod holds;
mod number;
pub(crate) mod queue;
pub(crate) mod turnstile;

use std::sync::Arc;

pub(crate) use crowd::{Link, Popped};
pub(crate) use fork::{Asleep, Home};
pub(crate) use gate::{Gate, Permits};
pub(crate) use holds::Holds;
pub use holds::Lasting;
pub(crate) use number::LockNumber;
pub(crate) use queue::{Queue, Waiter};
pub(crate) use turnstile::{Ask, Order, Turnstile};

/// How the runtime puts a thread to sleep: the graph's `Blocked` for real, a plain park in the models.
pub(crate) trait Sleep {
    /// Why a sleep ended without a wake.
    type Halt;

    /// Sleeps until the waiter has been notified.
    fn sleep(&mut self, waiter: &Arc<Waiter>) -> Result<(), Self::Halt>;
}

#[cfg(all(test, loom))]
pub(crate) mod modelling;
#[cfg(all(test, loom))]
mod models;
