//! Inside loom's model checker: the same names over loom's primitives. Time does not pass here; a model that wants a
//! time-out calls the code that follows one.

use std::ops::{Deref, DerefMut};

use loom::sync::{Condvar, Mutex as LoomMutex, MutexGuard};

use super::clock::Time;

/// Why a park ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Somebody unparked the thread, or it woke for no reason.
    Unparked,
    /// The deadline has passed.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

/// No clock.
pub(super) fn monotonic() -> u64 {
    0
}

/// Nor a second one.
pub(super) fn realtime() -> u64 {
    0
}

/// Not known.
pub fn os_threads() -> usize {
    0
}

/// The bed of one thread.
#[derive(Debug)]
pub struct Parker {
    token: LoomMutex<bool>,
    bell: Condvar,
}

impl Default for Parker {
    fn default() -> Self {
        Parker { token: LoomMutex::new(false), bell: Condvar::new() }
    }
}

impl Parker {
    /// Sleeps until [`unpark`](Parker::unpark); a deadline has always passed already.
    pub fn park(&self, deadline: Option<Time>) -> Woken {
        let mut token = self.token.lock().unwrap();
        while !*token {
            if deadline.is_some() {
                return Woken::TimedOut;
            }
            token = self.bell.wait(token).unwrap();
        }
        *token = false;
        Woken::Unparked
    }

    /// The same: signals end no park here.
    pub fn nap(&self, deadline: Time) -> Woken {
        self.park(Some(deadline))
    }

    /// Ends the current park of the owner, or its next one.
    pub fn unpark(&self) {
        *self.token.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

/// A mutex for short, non-blocking work.
#[derive(Debug)]
pub struct Mutex<T>(LoomMutex<T>);

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex(LoomMutex::new(T::default()))
    }
}

impl<T: Default> Mutex<T> {
    /// Takes it.
    pub fn lock(&self) -> Guard<'_, T> {
        Guard { guard: self.0.lock().unwrap(), inherited: false }
    }

    /// The same: models do not fork.
    pub(crate) fn lock_keeping(&self) -> Guard<'_, T> {
        self.lock()
    }
}

/// Access to the content of a [`Mutex`].
pub struct Guard<'a, T> {
    guard: MutexGuard<'a, T>,
    /// Whether this is the first lock since a fork: models do not fork.
    pub(crate) inherited: bool,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}
