//! A lock that its owner may take again.
//!
//! The word is the owner's serial, as in [`super::lock`]; how often the owner took it stands beside it and is the
//! owner's alone: others neither read nor write it, so it needs no ordering.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::lock::{NotHeld, Owned, token};
use crate::graph::{Blocked, Halt, Hold, Lasting};
use crate::seam::{Concurrent, Sharing};
use crate::wait::Gate;
use crate::wait::gate::SHIFT;

/// A re-entrant lock without a value and without a runtime.
///
/// ```
/// use raddle::sync::RawRLock;
/// let lock = RawRLock::new();
/// assert!(lock.try_acquire(7) && lock.try_acquire(7));
/// assert!(!lock.try_acquire(8));
/// assert_eq!(lock.depth(7), 2);
/// lock.release(7).unwrap();
/// assert!(lock.release(8).is_err());
/// ```
#[derive(Debug)]
pub struct RawRLock<S = Concurrent> {
    gate: Gate<Owned, S>,
    depth: AtomicUsize,
}

impl<S: Sharing> Default for RawRLock<S> {
    fn default() -> Self {
        RawRLock { gate: Gate::new(0), depth: AtomicUsize::new(0) }
    }
}

impl RawRLock {
    /// A free lock.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S: Sharing> RawRLock<S> {
    /// Takes the lock for thread `serial`, once more if that thread has it already.
    #[inline]
    pub fn try_acquire(&self, serial: u64) -> bool {
        if self.gate.try_take(token(serial, false)) {
            self.depth.store(1, Ordering::Relaxed);
            return true;
        }
        let mine = self.is_held_by(serial);
        if mine {
            self.depth.store(self.depth.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        mine
    }

    /// Takes the lock, which the thread does not hold yet, sleeping as `blocked` says.
    ///
    /// # Errors
    /// Why the wait ended without the lock.
    pub fn acquire(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        self.acquire_deep(1, blocked)
    }

    /// Takes the lock `depth` times at once: the way back from [`release_all`](RawRLock::release_all).
    ///
    /// # Errors
    /// Why the wait ended without the lock.
    pub fn acquire_deep(&self, depth: usize, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let me = blocked.me;
        self.gate.take(token(me.serial(), false), me.parker(), blocked)?;
        self.depth.store(depth, Ordering::Relaxed);
        Ok(())
    }

    /// Like [`acquire_deep`](RawRLock::acquire_deep), if the lock is free.
    pub fn try_acquire_deep(&self, serial: u64, depth: usize) -> bool {
        let took = self.gate.try_take(token(serial, false));
        if took {
            self.depth.store(depth, Ordering::Relaxed);
        }
        took
    }

    /// Undoes one acquire of thread `serial`.
    ///
    /// # Errors
    /// [`NotHeld`] if that thread does not hold it.
    #[inline]
    pub fn release(&self, serial: u64) -> Result<(), NotHeld> {
        if !self.is_held_by(serial) {
            return Err(NotHeld);
        }
        match self.depth.load(Ordering::Relaxed) {
            1 => self.release_all(serial).map(drop),
            depth => {
                self.depth.store(depth - 1, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Undoes all acquires of thread `serial`; returns how many there were.
    ///
    /// # Errors
    /// [`NotHeld`] if that thread does not hold it.
    #[inline]
    pub fn release_all(&self, serial: u64) -> Result<usize, NotHeld> {
        let depth = self.depth(serial);
        if depth == 0 {
            return Err(NotHeld);
        }
        self.depth.store(0, Ordering::Relaxed);
        self.gate.give_if(1, |_| true).map(|()| depth).map_err(|_| NotHeld)
    }

    /// Makes thread `to` the holder, once, in the place of `from`, which has ended.
    ///
    /// # Errors
    /// [`NotHeld`] if `from` does not hold it.
    pub fn take_over(&self, from: u64, to: u64) -> Result<(), NotHeld> {
        self.gate.replace_if(token(to, false), |word| word >> SHIFT == from).map_err(|_| NotHeld)?;
        self.depth.store(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether thread `serial` holds it.
    #[inline]
    pub fn is_held_by(&self, serial: u64) -> bool {
        self.gate.word() >> SHIFT == serial
    }

    /// How often thread `serial` has taken it.
    pub fn depth(&self, serial: u64) -> usize {
        if self.is_held_by(serial) { self.depth.load(Ordering::Relaxed) } else { 0 }
    }

    /// The holder's serial, and how often it took the lock; the latter is out of date as soon as it is read.
    pub fn holder(&self) -> Option<(u64, usize)> {
        let serial = self.gate.word() >> SHIFT;
        (serial != 0).then(|| (serial, self.depth.load(Ordering::Relaxed)))
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

    /// The present hold, as the wait graph sees it.
    pub fn hold(&self) -> Option<Hold> {
        self.holder().map(|(serial, _)| Hold { serial, owned: true, strict: true })
    }

    /// The same, to be told from the next one by a thread that waits for it.
    pub fn lasting(&self) -> Lasting<'_> {
        self.gate.lasting()
    }

    /// Makes it a free lock again. For the child of a fork: no thread may be waiting.
    pub fn reset(&self) {
        self.depth.store(0, Ordering::Relaxed);
        self.gate.reset(0);
    }
}
