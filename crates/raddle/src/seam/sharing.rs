//! How threads come to a shared thing: several at once, or one at a time.
//!
//! A Rust program's threads are [`Concurrent`]. Those of a host that has one lock for all of them (the interpreter with its
//! own) and that calls the engine only while holding it are [`Serialized`]: between two instructions of one of them no other
//! runs, so what would be a locked instruction or a mutex is none. That is half the price of an uncontended take of a lock,
//! and a put is a handful of plain instructions, a fork finds no queue in the middle of a change, and a signal handler,
//! which the host runs between its own instructions, may use the very queue that its thread is using.
//!
//! A thing tells it by its type. There are two kinds of them: a word (`word.rs`), and a value that one thread changes at a
//! time ([`Exclusion`]).

use std::cell::UnsafeCell;
use std::fmt::{self, Debug};

use super::{Mutex, fork_generation};

/// See the module.
pub trait Sharing: Debug + Send + Sync + 'static {
    /// Whether whoever changes the thing holds a lock of the host's meanwhile, one for all things.
    const SERIALIZED: bool;

    /// What holds a value that one thread changes at a time.
    type Exclusive<T: Default>: Exclusion<T>;
}

/// From several threads at once.
#[derive(Debug)]
pub struct Concurrent;

/// One at a time: all who change the thing hold the host's lock while they do.
#[derive(Debug)]
pub struct Serialized;

impl Sharing for Concurrent {
    const SERIALIZED: bool = false;
    type Exclusive<T: Default> = ByMutex<T>;
}

impl Sharing for Serialized {
    const SERIALIZED: bool = true;
    type Exclusive<T: Default> = ByHost<T>;
}

/// A value that one thread changes at a time.
pub trait Exclusion<T> {
    /// Runs `change` alone. It neither blocks nor runs code of the host, nor enters the same value again.
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R;
}

/// By a mutex. In the child of a fork the value is what it was if nobody was changing it at that moment; else it is
/// `Default` again.
#[derive(Debug, Default)]
pub struct ByMutex<T> {
    value: Mutex<T>,
}

impl<T: Default> Exclusion<T> for ByMutex<T> {
    #[inline]
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.value.lock_keeping())
    }
}

/// By the host's own lock, which every caller holds.
pub struct ByHost<T> {
    value: UnsafeCell<T>,
}

// SAFETY: `new` makes its caller promise that one thread at a time is in `with`, so sharing the value sends it from one
// thread to the next and nothing more, which `T: Send` allows.
unsafe impl<T: Send> Sync for ByHost<T> {}

impl<T> ByHost<T> {
    /// A value that the host's lock protects.
    ///
    /// # Safety
    /// Every call of [`with`](Exclusion::with) must be made while holding one lock that is the same for all callers and
    /// is not released before it returns.
    pub unsafe fn new(value: T) -> Self {
        ByHost { value: UnsafeCell::new(value) }
    }
}

impl<T> Exclusion<T> for ByHost<T> {
    #[inline(always)]
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the callers' lock keeps other threads out, as `new` demands; this thread is not in here twice, because
        // `change` does not call out (the trait's condition), and signal handlers of the host run between its own
        // instructions.
        change(unsafe { &mut *self.value.get() })
    }
}

impl<T> Debug for ByHost<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByHost").field("generation", &fork_generation()).finish_non_exhaustive()
    }
}
