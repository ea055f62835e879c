//! A number of permits.

use crate::graph::{Blocked, Halt};
use crate::seam::{Concurrent, Sharing};
use crate::wait::gate::SHIFT;
use crate::wait::{Gate, Permits};

/// The word's upper bits are the number of permits left.
#[derive(Debug)]
pub(crate) struct Counted;

impl Permits for Counted {
    #[inline]
    fn free(word: u64) -> bool {
        word >> SHIFT != 0
    }

    #[inline]
    fn taken(word: u64, _: u64) -> u64 {
        word - (1 << SHIFT)
    }

    #[inline]
    fn given(word: u64, amount: u64) -> u64 {
        // One addition lies between the load of the word and its exchange: that chain is most of what a release costs.
        if amount <= MAX - (word >> SHIFT) { word + (amount << SHIFT) } else { full(word) }
    }
}

const MAX: u64 = u64::MAX >> SHIFT;

/// The word with as many permits as there can be.
#[cold]
fn full(word: u64) -> u64 {
    MAX << SHIFT | word & ((1 << SHIFT) - 1)
}

/// A semaphore without a runtime.
///
/// ```
/// use raddle::sync::RawSemaphore;
/// let permits = RawSemaphore::new(1);
/// assert!(permits.try_acquire());
/// assert!(!permits.try_acquire());
/// permits.release(2);
/// assert_eq!(permits.value(), 2);
/// assert!(permits.release_within(1, 2).is_err());
/// ```
#[derive(Debug)]
pub struct RawSemaphore<S = Concurrent> {
    gate: Gate<Counted, S>,
}

/// More permits would be given back than there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl RawSemaphore {
    /// A semaphore of `permits`.
    pub fn new(permits: u64) -> Self {
        Self::shared(permits)
    }
}

impl<S: Sharing> RawSemaphore<S> {
    /// The most permits there can be; more become this many.
    pub const MAX: u64 = MAX;

    /// A semaphore of `permits`, to which threads come as `S` says.
    pub fn shared(permits: u64) -> Self {
        RawSemaphore { gate: Gate::new(permits.min(MAX)) }
    }

    /// Takes a permit if there is one.
    #[inline]
    pub fn try_acquire(&self) -> bool {
        self.gate.try_take(0)
    }

    /// Takes a permit, sleeping as `blocked` says until there is one.
    ///
    /// # Errors
    /// Why the wait ended without one.
    pub fn acquire(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let me = blocked.me;
        self.gate.take(0, me.parker(), blocked)
    }

    /// Gives permits back, or new ones.
    #[inline]
    pub fn release(&self, amount: u64) {
        let always = self.gate.give_if(amount, |_| true);
        debug_assert!(always.is_ok());
    }

    /// Gives permits back if there are no more than `bound` then.
    ///
    /// # Errors
    /// [`TooMany`] if there would be; nothing was changed.
    #[inline]
    pub fn release_within(&self, amount: u64, bound: u64) -> Result<(), TooMany> {
        let fits = |word: u64| (word >> SHIFT).saturating_add(amount) <= bound;
        self.gate.give_if(amount, fits).map_err(|_| TooMany)
    }

    /// How many permits are left.
    #[inline]
    pub fn value(&self) -> u64 {
        self.gate.word() >> SHIFT
    }

    /// Makes it a semaphore of `permits`, for an object that nobody waits for: a new one, or one in the child of a fork.
    pub fn reset(&self, permits: u64) {
        self.gate.reset(permits.min(MAX));
    }
}
