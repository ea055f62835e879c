//! Anywhere else: what the standard library offers. Not tested on any machine yet, and claimed for none.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, LazyLock, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the first question.
pub(super) fn monotonic() -> u64 {
    START.elapsed().as_nanos() as u64
}

/// Nanoseconds since 1970; 0 before that.
pub(super) fn realtime() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// How many threads the operating system counts in this process; 0 if it does not say.
pub fn os_threads() -> usize {
    0
}

/// The bed of one thread.
#[derive(Debug, Default)]
pub struct Parker {
    token: StdMutex<bool>,
    bell: Condvar,
}

impl Parker {
    /// Sleeps until [`unpark`](Parker::unpark) or the deadline. Only for the thread that this belongs to.
    pub fn park(&self, deadline: Option<Time>) -> Woken {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if !*token {
            token = match deadline {
                None => self.bell.wait(token).unwrap_or_else(PoisonError::into_inner),
                Some(time) => {
                    let left = Duration::from_nanos(time.0.saturating_sub(monotonic()));
                    self.bell.wait_timeout(token, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        let unparked = std::mem::take(&mut *token);
        if unparked || deadline.is_none_or(|time| time.0 > monotonic()) { Woken::Unparked } else { Woken::TimedOut }
    }

    /// The same: signals end no park here.
    pub fn nap(&self, deadline: Time) -> Woken {
        self.park(Some(deadline))
    }

    /// Ends the current park of the owner, or its next one.
    pub fn unpark(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }
}

/// A mutex for short, non-blocking work.
#[derive(Debug, Default)]
pub struct Mutex<T>(StdMutex<T>);

impl<T: Default> Mutex<T> {
    /// Takes it.
    pub fn lock(&self) -> Guard<'_, T> {
        Guard { guard: self.0.lock().unwrap_or_else(PoisonError::into_inner), inherited: false }
    }

    /// The same: forks are not known here.
    pub(crate) fn lock_keeping(&self) -> Guard<'_, T> {
        self.lock()
    }
}

/// Access to the content of a [`Mutex`].
pub struct Guard<'a, T> {
    guard: MutexGuard<'a, T>,
    /// Whether this is the first lock since a fork: never known here.
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
