//! A lock around a value that its holder may take again, for Rust: [`RawRLock`] with a name and a guard.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::named::{Named, Raw};
use crate::error::LockError;
use crate::facade::runtime;
use crate::graph::verdict::Wait;
use crate::graph::{Call, Hold, Lasting};
use crate::sync::RawRLock;
use crate::thread::serial;

/// A mutual exclusion lock that the thread which holds it may take again.
///
/// Its guards give `&T`, because one thread may have several of them; put a `Cell` or a `RefCell` in it to change the
/// value. A lock that a thread leaves behind when it ends (a guard that was forgotten) never lets another thread in.
///
/// ```
/// use raddle::ReentrantMutex;
/// use std::cell::Cell;
/// let balance = ReentrantMutex::named("balance", Cell::new(100));
/// let outer = balance.lock()?;
/// let inner = balance.lock()?; // std's Mutex would hang here
/// inner.set(outer.get() - 30);
/// assert_eq!(outer.get(), 70);
/// # Ok::<(), raddle::LockError>(())
/// ```
pub struct ReentrantMutex<T: ?Sized> {
    lock: Arc<Named<RawRLock>>,
    value: T,
}

impl Raw for RawRLock {
    const KIND: &'static str = "ReentrantMutex";

    fn hold(&self) -> Option<Hold> {
        RawRLock::hold(self)
    }

    fn lasting(&self) -> Option<Lasting<'_>> {
        Some(RawRLock::lasting(self))
    }
}

// SAFETY: the value is reached only through a guard, a guard stays on the thread that made it (`not_send`), and all guards
// that exist at a time are of one thread, because `RawRLock` has one holder. So no two threads have a `&T` at once, and
// sharing the mutex does no more than send the value from one to the next, which `T: Send` allows; `T: Sync` is not needed.
unsafe impl<T: ?Sized + Send> Sync for ReentrantMutex<T> {}

/// Access to the value of a [`ReentrantMutex`]; dropping the last one of its thread releases the lock.
#[must_use]
pub struct ReentrantMutexGuard<'a, T: ?Sized> {
    mutex: &'a ReentrantMutex<T>,
    /// The holder; not asked for again at the end, because a guard may be dropped when the thread's own number is gone.
    serial: u64,
    /// Guards stay on their thread: the hold is that thread's.
    not_send: PhantomData<*const ()>,
}

impl<T> ReentrantMutex<T> {
    /// A mutex called after the place where it is made.
    #[track_caller]
    pub fn new(value: T) -> Self {
        ReentrantMutex { lock: Named::unnamed(RawRLock::new()), value }
    }

    /// A mutex that reports call `name`.
    #[track_caller]
    pub fn named(name: &str, value: T) -> Self {
        ReentrantMutex { lock: Named::called(name, RawRLock::new()), value }
    }
}

impl<T: ?Sized> ReentrantMutex<T> {
    /// Takes the lock, waiting for it if another thread holds it.
    ///
    /// # Errors
    /// [`LockError::Deadlock`] if the wait could never have ended, [`LockError::Abandoned`] if the holder has ended.
    #[track_caller]
    pub fn lock(&self) -> Result<ReentrantMutexGuard<'_, T>, LockError> {
        self.lock_within(None)
    }

    /// Takes the lock, waiting for it no longer than `limit`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_lock_for(&self, limit: Duration) -> Result<ReentrantMutexGuard<'_, T>, LockError> {
        self.lock_within(Some(limit))
    }

    /// The same until `deadline`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_lock_until(&self, deadline: Instant) -> Result<ReentrantMutexGuard<'_, T>, LockError> {
        self.lock_within(Some(deadline.saturating_duration_since(Instant::now())))
    }

    /// Takes the lock if no other thread holds it.
    #[track_caller]
    pub fn try_lock(&self) -> Option<ReentrantMutexGuard<'_, T>> {
        let me = serial(runtime);
        self.lock.raw.try_acquire(me).then(|| self.guard(me, Location::caller()))
    }

    #[track_caller]
    fn lock_within(&self, limit: Option<Duration>) -> Result<ReentrantMutexGuard<'_, T>, LockError> {
        let (me, site) = (serial(runtime), Location::caller());
        let lock = &self.lock;
        if !lock.raw.try_acquire(me) {
            lock.block_for_lock((Call::Acquire, limit), site, |blocked| lock.raw.acquire(blocked))?;
        }
        Ok(self.guard(me, site))
    }

    fn guard(&self, me: u64, site: &'static Location<'static>) -> ReentrantMutexGuard<'_, T> {
        // The outermost take is the one that keeps the others out.
        if self.lock.raw.depth(me) == 1 {
            self.lock.note(site);
        }
        ReentrantMutexGuard { mutex: self, serial: me, not_send: PhantomData }
    }

    /// The serial of the thread that holds it.
    pub fn holder(&self) -> Option<u64> {
        self.lock.raw.holder().map(|(serial, _)| serial)
    }

    /// The waits for it, longest first.
    pub fn waiters(&self) -> Vec<Wait> {
        runtime().waiters(&*self.lock)
    }

    /// Takes over the lock of a thread that has ended without giving it back (a guard that was forgotten): the caller holds
    /// it then, once. `None` if the holder lives, or nobody holds it.
    #[track_caller]
    pub fn recover(&self) -> Option<ReentrantMutexGuard<'_, T>> {
        let (me, site) = (serial(runtime), Location::caller());
        let dead = self.holder().filter(|holder| runtime().thread(*holder).is_none())?;
        self.lock.raw.take_over(dead, me).ok()?;
        Some(self.guard(me, site))
    }
}

impl<T: ?Sized> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReentrantMutex")
            .field("name", &self.lock.name())
            .field("holder", &self.holder())
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized> Deref for ReentrantMutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.mutex.value
    }
}

impl<T: ?Sized> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        let released = self.mutex.lock.raw.release(self.serial);
        debug_assert!(released.is_ok());
    }
}
