//! A lock around a value, for Rust: [`RawLock`] with a name, the place where it was taken, and a guard.

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::named::{Named, Raw};
use crate::error::LockError;
use crate::facade::runtime;
use crate::graph::verdict::Wait;
use crate::graph::{Call, Hold, Lasting};
use crate::sync::RawLock;
use crate::thread::serial;

/// A mutual exclusion lock whose wait fails instead of hanging for ever.
///
/// The counterpart of `std::sync::Mutex`; not poisoned by a panic, because the guard releases it like any other exit.
///
/// ```
/// use raddle::Mutex;
/// let balance = Mutex::named("balance", 100);
/// *balance.lock()? -= 30;
/// assert_eq!(*balance.lock()?, 70);
///
/// let guard = balance.lock()?;
/// let again = balance.lock(); // std's would hang here
/// assert!(matches!(again, Err(raddle::LockError::Deadlock(_))));
/// # drop(guard);
/// # Ok::<(), raddle::LockError>(())
/// ```
pub struct Mutex<T: ?Sized> {
    lock: Arc<Named<RawLock>>,
    value: UnsafeCell<T>,
}

impl Raw for RawLock {
    const KIND: &'static str = "Mutex";

    /// Only guards take it, so a thread that has ended will not give it back.
    fn hold(&self) -> Option<Hold> {
        RawLock::hold(self).map(|hold| Hold { strict: true, ..hold })
    }

    fn lasting(&self) -> Option<Lasting<'_>> {
        Some(RawLock::lasting(self))
    }
}

/// Access to the value of a [`Mutex`]; dropping it releases the lock.
#[must_use]
pub struct MutexGuard<'a, T: ?Sized> {
    pub(super) mutex: &'a Mutex<T>,
    /// Guards stay on their thread: the hold is that thread's.
    not_send: PhantomData<*const ()>,
}

// SAFETY: the value is reached only through a guard or `&mut`, and `RawLock` lets one guard exist at a time; so sharing
// the mutex sends the value between threads and nothing more, which `T: Send` allows.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: moving the mutex moves the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    /// A mutex called after the place where it is made.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Mutex { lock: Named::unnamed(RawLock::new()), value: UnsafeCell::new(value) }
    }

    /// A mutex that reports call `name`.
    #[track_caller]
    pub fn named(name: &str, value: T) -> Self {
        Mutex { lock: Named::called(name, RawLock::new()), value: UnsafeCell::new(value) }
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, waiting for it if need be.
    ///
    /// # Errors
    /// [`LockError::Deadlock`] if the wait could never have ended.
    #[track_caller]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError> {
        self.lock_within(None)
    }

    /// Takes the lock, waiting for it no longer than `limit`.
    ///
    /// ```
    /// use raddle::{LockError, Mutex};
    /// use std::time::Duration;
    /// let ledger = Mutex::named("ledger", 0);
    /// let guard = ledger.lock()?;
    /// let Err(LockError::TimedOut(wait)) = ledger.try_lock_for(Duration::from_millis(1)) else { panic!("it is taken") };
    /// assert_eq!(wait.object.holder.unwrap().thread.name, "main");
    /// # drop(guard);
    /// # Ok::<(), LockError>(())
    /// ```
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_lock_for(&self, limit: Duration) -> Result<MutexGuard<'_, T>, LockError> {
        self.lock_within(Some(limit))
    }

    /// The same until `deadline`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_lock_until(&self, deadline: Instant) -> Result<MutexGuard<'_, T>, LockError> {
        self.lock_within(Some(deadline.saturating_duration_since(Instant::now())))
    }

    /// Takes the lock if it is free.
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.lock.raw.try_acquire(serial(runtime), true).then(|| self.guard(Location::caller()))
    }

    #[track_caller]
    fn lock_within(&self, limit: Option<Duration>) -> Result<MutexGuard<'_, T>, LockError> {
        let site = Location::caller();
        if !self.lock.raw.try_acquire(serial(runtime), true) {
            self.relock(Call::Acquire, limit, site)?;
        }
        Ok(self.guard(site))
    }

    pub(super) fn relock(
        &self,
        call: Call,
        limit: Option<Duration>,
        site: &'static Location<'static>,
    ) -> Result<(), LockError> {
        let lock = &self.lock;
        lock.block_for_lock((call, limit), site, |blocked| lock.raw.acquire(true, blocked))?;
        lock.note(site);
        Ok(())
    }

    pub(super) fn unlock(&self) {
        let released = self.lock.raw.release();
        debug_assert!(released.is_ok());
    }

    fn guard(&self, site: &'static Location<'static>) -> MutexGuard<'_, T> {
        self.lock.note(site);
        MutexGuard { mutex: self, not_send: PhantomData }
    }

    /// The serial of the thread that holds it.
    pub fn holder(&self) -> Option<u64> {
        self.lock.raw.holder()
    }

    /// The waits for it, longest first.
    ///
    /// ```
    /// # let _ = || {
    /// let ledger = raddle::Mutex::named("ledger", 0);
    /// for wait in ledger.waiters() {
    ///     println!("{} has waited {:?}", wait.thread.name, wait.since);
    /// }
    /// # };
    /// ```
    pub fn waiters(&self) -> Vec<Wait> {
        runtime().waiters(&*self.lock)
    }

    /// Takes over the lock of a thread that has ended without giving it back (a guard that was forgotten): the caller holds
    /// it then, and may put the value in order. `None` if the holder lives, or nobody holds it.
    ///
    /// ```
    /// let ledger = std::sync::Arc::new(raddle::Mutex::named("ledger", 1));
    /// assert!(ledger.recover().is_none());
    /// let forgetful = ledger.clone();
    /// raddle::spawn("forgetful", move || std::mem::forget(forgetful.lock())).unwrap().join().unwrap();
    /// *ledger.recover().unwrap() = 2;
    /// assert_eq!(*ledger.lock()?, 2);
    /// # Ok::<(), raddle::LockError>(())
    /// ```
    #[track_caller]
    pub fn recover(&self) -> Option<MutexGuard<'_, T>> {
        let dead = self.holder().filter(|holder| runtime().thread(*holder).is_none())?;
        self.lock.raw.take_over(dead, serial(runtime)).ok()?;
        Some(self.guard(Location::caller()))
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").field("name", &self.lock.name()).field("holder", &self.holder()).finish_non_exhaustive()
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock, so no other reference to the value exists but this guard's.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` excludes a second one through this guard.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}
