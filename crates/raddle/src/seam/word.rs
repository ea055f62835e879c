//! A word of state that is changed by exchanging what was seen for what shall be.
//!
//! A locked instruction costs as much as all the rest of an uncontended take. A host whose threads run one at a time (the
//! interpreter with its lock) need not pay for it: between the load and the store of one of its threads no other runs. So a
//! word is told by its type how threads come to it, [`Concurrent`] or [`Serialized`]; the protocols above are the same
//! for both, and the models check the former, which allows more.
//!
//! A word that is wrongly called serialized would lose changes, but it stays an atomic: no undefined behaviour follows.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::atomic::{AtomicU64, Ordering};

/// How threads come to a word.
pub trait Sharing: Debug + Send + Sync + 'static {
    /// Whether whoever changes the word holds a lock of the host's meanwhile, one for all words.
    const SERIALIZED: bool;
}

/// From several threads at once.
#[derive(Debug)]
pub struct Concurrent;

/// One at a time: all who change the word hold the host's lock while they do. Reading it is free for all.
#[derive(Debug)]
pub struct Serialized;

impl Sharing for Concurrent {
    const SERIALIZED: bool = false;
}

impl Sharing for Serialized {
    const SERIALIZED: bool = true;
}

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
