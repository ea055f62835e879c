//! A word of state that is changed by exchanging what was seen for what shall be.
//!
//! Its type tells how threads come to it (`sharing.rs`); the protocols above are the same for both ways, and the models
//! check the concurrent one, which allows more. Reading it is free for all.
//!
//! A word that is wrongly called serialized would lose changes, but it stays an atomic: no undefined behaviour follows.

use std::marker::PhantomData;

use super::Sharing;
use super::atomic::{AtomicU64, Ordering};

/// See the module.
#[derive(Debug)]
pub(crate) struct Word<S> {
    value: AtomicU64,
    sharing: PhantomData<S>,
}

impl<S: Sharing> Word<S> {
    pub(crate) fn new(value: u64) -> Self {
        Word { value: AtomicU64::new(value), sharing: PhantomData }
    }

    #[inline]
    pub(crate) fn load(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    /// Also what was written before the value was.
    #[inline]
    pub(crate) fn load_acquire(&self) -> u64 {
        self.value.load(Ordering::Acquire)
    }

    /// Replaces the value, whatever it is; returns it.
    #[inline]
    pub(crate) fn swap(&self, new: u64) -> u64 {
        if S::SERIALIZED {
            let old = self.load();
            self.store(new);
            return old;
        }
        self.value.swap(new, Ordering::AcqRel)
    }

    #[inline]
    pub(crate) fn store(&self, value: u64) {
        self.value.store(value, Ordering::Release);
    }

    /// Replaces `old` by `new`.
    ///
    /// # Errors
    /// The present value, if that is not `old` (or for no reason).
    #[inline]
    pub(crate) fn exchange(&self, old: u64, new: u64, order: Ordering) -> Result<(), u64> {
        if S::SERIALIZED {
            self.value.store(new, Ordering::Release);
            return Ok(());
        }
        self.value.compare_exchange_weak(old, new, order, Ordering::Relaxed).map(drop)
    }

    /// Replaces the value by what `next` makes of it; returns the old one.
    #[inline]
    pub(crate) fn update(&self, mut next: impl FnMut(u64) -> u64) -> u64 {
        let mut old = self.load();
        while let Err(now) = self.exchange(old, next(old), Ordering::AcqRel) {
            old = now;
        }
        old
    }
}
