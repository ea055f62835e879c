//! A lock around a value that several threads read or one writes, for Rust: [`RawRwLock`] with a name and guards.

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::named::{Named, Raw};
use crate::error::LockError;
use crate::facade::{self, runtime};
use crate::graph::verdict::Wait;
use crate::graph::{Call, Description, Hold, Lasting, Resource};
use crate::sync::{Policy, RawRwLock, Side};
use crate::thread::serial;

/// A lock that several threads hold to read its value, or one to write it.
///
/// The counterpart of `std::sync::RwLock`; not poisoned by a panic, because guards release it like any other exit. Who goes
/// first when readers and writers wait is the lock's [`Policy`]. A thread that reads may read again, even if a writer
/// waits; a wait that could never end fails. Who reads first, and writes what follows from that, takes it
/// [`upgradable`](RwLock::upgradable).
///
/// ```
/// use raddle::{LockError, RwLock};
/// let table = RwLock::named("table", vec![1, 2]);
/// table.write()?.push(3);
/// let reader = table.read()?;
/// assert_eq!(reader.len() + table.read()?.len(), 6);
///
/// let upgrade = table.write(); // std's would hang here, or panic
/// assert!(matches!(upgrade, Err(LockError::Deadlock(_))));
/// # drop(reader);
/// # Ok::<(), LockError>(())
/// ```
pub struct RwLock<T: ?Sized> {
    pub(super) lock: Arc<Named<RawRwLock>>,
    pub(super) value: UnsafeCell<T>,
}

impl Raw for RawRwLock {
    const KIND: &'static str = "RwLock";

    fn hold(&self) -> Option<Hold> {
        self.writer().map(|serial| Hold { serial, owned: true, strict: true })
    }
}

/// One side of a lock, as a thing that thread `serial` waits for.
#[derive(Debug)]
pub(super) struct Asked {
    lock: Arc<Named<RawRwLock>>,
    side: Side,
    serial: u64,
}

impl Asked {
    fn holds(&self) -> Vec<Hold> {
        self.lock.raw.holds(self.serial, self.side)
    }
}

impl Resource for Asked {
    fn holder(&self) -> Option<Hold> {
        self.holds().into_iter().next()
    }

    fn other_holders(&self) -> Vec<Hold> {
        self.holds().into_iter().skip(1).collect()
    }

    fn lasting(&self) -> Option<Lasting<'_>> {
        Some(self.lock.raw.lasting(self.side))
    }

    fn identity(&self) -> usize {
        self.lock.identity()
    }

    fn key(&self) -> Option<(usize, u64)> {
        self.lock.key()
    }

    fn describe(&self) -> Description {
        let (about, raw) = (self.lock.describe(), &self.lock.raw);
        // Of readers that is not noted: there may be many.
        let is_noted = |serial| raw.writer() == Some(serial) || raw.upgrader() == Some(serial);
        let noted = self.holder().is_some_and(|hold| is_noted(hold.serial));
        Description { taken_at: about.taken_at.filter(|_| noted), ..about }
    }
}

/// Shared access to the value of an [`RwLock`]; dropping it ends this thread's read.
#[must_use]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    serial: u64,
    /// Guards stay on their thread: the hold is that thread's.
    not_send: PhantomData<*const ()>,
}

/// Access to the value of an [`RwLock`]; dropping it releases the lock.
#[must_use]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    serial: u64,
    /// Guards stay on their thread: the hold is that thread's.
    not_send: PhantomData<*const ()>,
}

// SAFETY: the value is reached only through guards or `&mut`. `RawRwLock` lets one write guard or upgraded guard exist, or any
// number of read guards (one of them upgradable), which give `&T` to several threads at once: that takes `T: Sync`. A guard
// that writes sends the value: `T: Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}

impl<T> RwLock<T> {
    /// A fair lock, called after the place where it is made.
    #[track_caller]
    pub fn new(value: T) -> Self {
        RwLock { lock: Named::unnamed(RawRwLock::new(Policy::Fair)), value: UnsafeCell::new(value) }
    }

    /// A fair lock that reports call `name`.
    #[track_caller]
    pub fn named(name: &str, value: T) -> Self {
        RwLock::with_policy(name, Policy::Fair, value)
    }

    /// A lock of that policy that reports call `name`.
    ///
    /// ```
    /// use raddle::RwLock;
    /// use raddle::sync::Policy;
    /// let settings = RwLock::with_policy("settings", Policy::Write, 8080);
    /// assert_eq!(*settings.read()?, 8080);
    /// # Ok::<(), raddle::LockError>(())
    /// ```
    #[track_caller]
    pub fn with_policy(name: &str, policy: Policy, value: T) -> Self {
        RwLock { lock: Named::called(name, RawRwLock::new(policy)), value: UnsafeCell::new(value) }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock to read, waiting for it if need be.
    ///
    /// # Errors
    /// [`LockError::Deadlock`] if the wait could never have ended, [`LockError::Abandoned`] if the holder has ended.
    #[track_caller]
    pub fn read(&self) -> Result<RwLockReadGuard<'_, T>, LockError> {
        self.read_within(None)
    }

    /// Takes the lock to read, waiting for it no longer than `limit`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_read_for(&self, limit: Duration) -> Result<RwLockReadGuard<'_, T>, LockError> {
        self.read_within(Some(limit))
    }

    /// The same until `deadline`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_read_until(&self, deadline: Instant) -> Result<RwLockReadGuard<'_, T>, LockError> {
        self.read_within(Some(deadline.saturating_duration_since(Instant::now())))
    }

    /// Takes the lock to read if nothing speaks against it.
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        let serial = serial(runtime);
        self.lock.raw.try_read(serial).then_some(RwLockReadGuard { lock: self, serial, not_send: PhantomData })
    }

    /// Takes the lock to write, waiting for it if need be.
    ///
    /// # Errors
    /// [`LockError::Deadlock`] if the wait could never have ended, [`LockError::Abandoned`] if a holder has ended.
    #[track_caller]
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, T>, LockError> {
        self.write_within(None)
    }

    /// Takes the lock to write, waiting for it no longer than `limit`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_write_for(&self, limit: Duration) -> Result<RwLockWriteGuard<'_, T>, LockError> {
        self.write_within(Some(limit))
    }

    /// The same until `deadline`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_write_until(&self, deadline: Instant) -> Result<RwLockWriteGuard<'_, T>, LockError> {
        self.write_within(Some(deadline.saturating_duration_since(Instant::now())))
    }

    /// Takes the lock to write if it is free.
    #[track_caller]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let (serial, site) = (serial(runtime), Location::caller());
        self.lock.raw.try_write(serial).then(|| self.write_guard(serial, site))
    }

    #[track_caller]
    fn read_within(&self, limit: Option<Duration>) -> Result<RwLockReadGuard<'_, T>, LockError> {
        let (serial, site) = (serial(runtime), Location::caller());
        let raw = &self.lock.raw;
        if !raw.try_read(serial) {
            let asked = self.asked(Side::Read, serial);
            facade::block_for_lock(asked, (Call::Acquire, limit), site, |blocked| raw.read(blocked))?;
        }
        Ok(RwLockReadGuard { lock: self, serial, not_send: PhantomData })
    }

    #[track_caller]
    fn write_within(&self, limit: Option<Duration>) -> Result<RwLockWriteGuard<'_, T>, LockError> {
        let (serial, site) = (serial(runtime), Location::caller());
        let raw = &self.lock.raw;
        if !raw.try_write(serial) {
            let asked = self.asked(Side::Write, serial);
            facade::block_for_lock(asked, (Call::Acquire, limit), site, |blocked| raw.write(blocked))?;
        }
        Ok(self.write_guard(serial, site))
    }

    pub(super) fn asked(&self, side: Side, serial: u64) -> Arc<Asked> {
        Arc::new(Asked { lock: Arc::clone(&self.lock), side, serial })
    }

    fn write_guard(&self, serial: u64, site: &'static Location<'static>) -> RwLockWriteGuard<'_, T> {
        self.lock.note(site);
        RwLockWriteGuard { lock: self, serial, not_send: PhantomData }
    }

    /// The serial of the thread that writes.
    pub fn holder(&self) -> Option<u64> {
        self.lock.raw.writer()
    }

    /// The serials of the threads that read, once for each guard.
    pub fn readers(&self) -> Vec<u64> {
        self.lock.raw.readers()
    }

    /// The waits for it, longest first.
    pub fn waiters(&self) -> Vec<Wait> {
        runtime().waiters(&*self.lock)
    }

    /// Ends the holds of threads that have ended without giving the lock back (a guard that was forgotten): how many. What it
    /// protects may be half done.
    ///
    /// ```
    /// let table = std::sync::Arc::new(raddle::RwLock::named("table", 0));
    /// let forgetful = table.clone();
    /// raddle::spawn("forgetful", move || std::mem::forget(forgetful.read())).unwrap().join().unwrap();
    /// assert!(matches!(table.write(), Err(raddle::LockError::Abandoned(_))));
    /// assert_eq!(table.recover(), 1);
    /// assert!(table.write().is_ok());
    /// ```
    pub fn recover(&self) -> usize {
        let raw = &self.lock.raw;
        let mut dead: Vec<u64> = raw.readers().into_iter().chain(raw.writer()).collect();
        dead.sort_unstable();
        dead.dedup();
        dead.retain(|serial| runtime().thread(*serial).is_none());
        dead.into_iter().map(|serial| raw.recover(serial)).sum()
    }
}

impl<T: ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock")
            .field("name", &self.lock.name())
            .field("holder", &self.holder())
            .field("readers", &self.readers())
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: while this guard reads nobody writes, so there are only shared references to the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        let released = self.lock.lock.raw.release_read(self.serial);
        debug_assert!(released.is_ok());
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock alone, so no other reference to the value exists but this guard's.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` excludes a second one through this guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        let released = self.lock.lock.raw.release_write(self.serial);
        debug_assert!(released.is_ok());
    }
}
