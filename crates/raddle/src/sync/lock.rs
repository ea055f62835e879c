//! A lock whose word is its owner's serial.
//!
//! Ownership costs nothing that way: the compare-exchange that takes the lock also says who has it, so cycles, leaks and
//! reports come for free. Serials are never reused, unlike the identifiers of the operating system, so a lock left by a
//! dead thread cannot be taken for one's own.
//!
//! As in Python, a lock may be released by any thread. A hold that was *marked* when it was taken (`with`, a guard) is
//! one that only its taker ends.

use crate::graph::{Blocked, Halt, Hold, Lasting};
use crate::seam::{Concurrent, Sharing};
use crate::wait::Gate;
use crate::wait::Permits;
use crate::wait::gate::{MARK, SHIFT};

/// The word's upper bits are the owner's serial, 0 if there is none.
#[derive(Debug)]
pub(crate) struct Owned;

impl Permits for Owned {
    #[inline]
    fn free(word: u64) -> bool {
        word >> SHIFT == 0
    }

    #[inline]
    fn taken(word: u64, token: u64) -> u64 {
        word | token
    }

    #[inline]
    fn given(word: u64, _: u64) -> u64 {
        word & (MARK - 1)
    }
}

#[inline]
pub(super) fn token(serial: u64, marked: bool) -> u64 {
    serial << SHIFT | if marked { MARK } else { 0 }
}

/// The lock was not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHeld;

/// A lock without a value and without a runtime: the caller brings its serial and its way to sleep.
///
/// ```
/// use raddle::sync::RawLock;
/// let lock = RawLock::new();
/// assert!(lock.try_acquire(7, true));
/// assert_eq!(lock.holder(), Some(7));
/// assert!(!lock.try_acquire(8, true));
/// assert!(lock.release_by(8).is_err());
/// lock.release().unwrap();
/// assert!(lock.release().is_err());
/// ```
#[derive(Debug)]
pub struct RawLock<S = Concurrent> {
    gate: Gate<Owned, S>,
}

impl<S: Sharing> Default for RawLock<S> {
    fn default() -> Self {
        RawLock { gate: Gate::new(0) }
    }
}

impl RawLock {
    /// A free lock.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S: Sharing> RawLock<S> {
    /// A free lock with a number of 63 bits that is the caller's business; it takes no more room than one without.
    pub fn tagged(tag: u64) -> Self {
        RawLock { gate: Gate::tagged(0, tag) }
    }

    /// That number, 0 if there is none.
    pub fn tag(&self) -> u64 {
        self.gate.tag()
    }

    /// Takes the lock for thread `serial` if it is free. `marked`: only this thread will release it.
    #[inline]
    pub fn try_acquire(&self, serial: u64, marked: bool) -> bool {
        self.gate.try_take(token(serial, marked))
    }

    /// Takes the lock, sleeping as `blocked` says until it is free.
    ///
    /// # Errors
    /// Why the wait ended without the lock.
    pub fn acquire(&self, marked: bool, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let me = blocked.me;
        self.gate.take(token(me.serial(), marked), me.parker(), blocked)
    }

    /// Lets the lock go, whoever holds it.
    ///
    /// # Errors
    /// [`NotHeld`] if nobody does.
    #[inline]
    pub fn release(&self) -> Result<(), NotHeld> {
        self.gate.give_if(1, |word| word >> SHIFT != 0).map_err(|_| NotHeld)
    }

    /// Lets the lock go, which thread `serial` holds.
    ///
    /// # Errors
    /// [`NotHeld`] if it does not.
    #[inline]
    pub fn release_by(&self, serial: u64) -> Result<(), NotHeld> {
        self.gate.give_if(1, |word| word >> SHIFT == serial).map_err(|_| NotHeld)
    }

    /// Makes thread `to` the holder in the place of `from`, which has ended. The hold is marked.
    ///
    /// # Errors
    /// [`NotHeld`] if `from` does not hold it.
    pub fn take_over(&self, from: u64, to: u64) -> Result<(), NotHeld> {
        self.gate.replace_if(token(to, true), |word| word >> SHIFT == from).map_err(|_| NotHeld)
    }

    /// The serial of the holder.
    #[inline]
    pub fn holder(&self) -> Option<u64> {
        Some(self.gate.word() >> SHIFT).filter(|serial| *serial != 0)
    }

    /// A number that no other lock has, nor had or will have: by this the learner of lock orders knows it. It is given when
    /// it is asked for first.
    #[inline]
    pub fn number(&self) -> u64 {
        self.gate.number()
    }

    /// The same, 0 if it has none yet.
    #[inline]
    pub fn number_so_far(&self) -> u64 {
        self.gate.number_so_far()
    }

    /// Takes that number away. To be called by an owner that keeps more than the lock, before it frees anything of that.
    pub fn retire(&self) {
        self.gate.retire();
    }

    /// The present hold, as the wait graph sees it.
    pub fn hold(&self) -> Option<Hold> {
        let word = self.gate.word();
        let (serial, owned) = (word >> SHIFT, word & MARK != 0);
        (serial != 0).then_some(Hold { serial, owned, strict: false })
    }

    /// The same, to be told from the next one by a thread that waits for it.
    pub fn lasting(&self) -> Lasting<'_> {
        self.gate.lasting()
    }

    /// Makes it a free lock again. For the child of a fork: no thread may be waiting.
    pub fn reset(&self) {
        self.gate.reset(0);
    }
}
