//! Reading with the right to write: what was read is still true when it is changed.
//!
//! An upgrade borrows the guard that reads, and its end is the way back to it; so one that fails leaves everything as it was,
//! and there is no guard to be given back with the error.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::time::Duration;

use super::rwlock::RwLock;
use crate::error::LockError;
use crate::facade::{block_for_lock, runtime};
use crate::graph::Call;
use crate::sync::Side;
use crate::thread::serial;

/// Shared access to the value of an [`RwLock`], with the right to become its only user; dropping it ends this thread's read.
#[must_use]
pub struct RwLockUpgradableGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    serial: u64,
    /// Guards stay on their thread: the hold is that thread's.
    not_send: PhantomData<*const ()>,
}

/// Access to the value of an [`RwLock`] that was upgraded; dropping it makes its thread a reader again that may upgrade,
/// without a moment at which another one could write.
#[must_use]
pub struct RwLockUpgradedGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    serial: u64,
    /// Guards stay on their thread: the hold is that thread's.
    not_send: PhantomData<*const ()>,
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock to read, and maybe to write what follows from that, waiting for it if need be.
    ///
    /// Others may read meanwhile. One thread at a time has the right to upgrade, so two that read and then want to write never
    /// wait for each other: the second waits here, before it has read.
    ///
    /// ```
    /// use raddle::RwLock;
    /// use std::collections::HashMap;
    /// let prices = RwLock::named("prices", HashMap::from([("tea", 3)]));
    /// let mut known = prices.upgradable()?;
    /// if !known.contains_key("milk") {
    ///     // Nobody has written since the look: with `read` and then `write` somebody might have.
    ///     known.upgrade()?.insert("milk", 1);
    /// }
    /// assert_eq!(known.len(), 2);
    /// assert!(prices.try_read().is_some());
    /// # drop(known);
    /// # Ok::<(), raddle::LockError>(())
    /// ```
    ///
    /// # Errors
    /// [`LockError::Deadlock`] if the wait could never have ended, as for a thread that has the right already;
    /// [`LockError::Abandoned`] if who has it, or writes, has ended.
    #[track_caller]
    pub fn upgradable(&self) -> Result<RwLockUpgradableGuard<'_, T>, LockError> {
        self.upgradable_within(None)
    }

    /// The same, waiting no longer than `limit`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_upgradable_for(&self, limit: Duration) -> Result<RwLockUpgradableGuard<'_, T>, LockError> {
        self.upgradable_within(Some(limit))
    }

    /// The same if nothing speaks against it.
    #[track_caller]
    pub fn try_upgradable(&self) -> Option<RwLockUpgradableGuard<'_, T>> {
        let (serial, site) = (serial(runtime), Location::caller());
        self.lock.raw.try_upgradable(serial).then(|| self.upgradable_guard(serial, site))
    }

    #[track_caller]
    fn upgradable_within(&self, limit: Option<Duration>) -> Result<RwLockUpgradableGuard<'_, T>, LockError> {
        let (serial, site) = (serial(runtime), Location::caller());
        let raw = &self.lock.raw;
        if !raw.try_upgradable(serial) {
            let asked = self.asked(Side::Upgradable, serial);
            block_for_lock(asked, (Call::Acquire, limit), site, |blocked| raw.upgradable(blocked))?;
        }
        Ok(self.upgradable_guard(serial, site))
    }

    fn upgradable_guard(&self, serial: u64, site: &'static Location<'static>) -> RwLockUpgradableGuard<'_, T> {
        self.lock.note(site);
        RwLockUpgradableGuard { lock: self, serial, not_send: PhantomData }
    }

    /// The serial of the thread that has the right to upgrade; it may write by now.
    pub fn upgrader(&self) -> Option<u64> {
        self.lock.raw.upgrader()
    }
}

impl<T: ?Sized> RwLockUpgradableGuard<'_, T> {
    /// Makes this thread the only user of the value, waiting for the other readers to go; before all writers that wait.
    ///
    /// # Errors
    /// [`LockError::Deadlock`] if the wait could never have ended, as with another read guard of the same thread;
    /// [`LockError::Abandoned`] if a reader has ended. This guard reads on.
    #[track_caller]
    pub fn upgrade(&mut self) -> Result<RwLockUpgradedGuard<'_, T>, LockError> {
        self.upgrade_within(None)
    }

    /// The same, waiting no longer than `limit`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after that.
    #[track_caller]
    pub fn try_upgrade_for(&mut self, limit: Duration) -> Result<RwLockUpgradedGuard<'_, T>, LockError> {
        self.upgrade_within(Some(limit))
    }

    /// The same if nobody else reads.
    #[track_caller]
    pub fn try_upgrade(&mut self) -> Option<RwLockUpgradedGuard<'_, T>> {
        let site = Location::caller();
        self.lock.lock.raw.try_upgrade(self.serial).then(|| self.upgraded_guard(site))
    }

    #[track_caller]
    fn upgrade_within(&mut self, limit: Option<Duration>) -> Result<RwLockUpgradedGuard<'_, T>, LockError> {
        let (site, raw) = (Location::caller(), &self.lock.lock.raw);
        if !raw.try_upgrade(self.serial) {
            let asked = self.lock.asked(Side::Upgrade, self.serial);
            block_for_lock(asked, (Call::Acquire, limit), site, |blocked| raw.upgrade(blocked))?;
        }
        Ok(self.upgraded_guard(site))
    }

    fn upgraded_guard(&mut self, site: &'static Location<'static>) -> RwLockUpgradedGuard<'_, T> {
        self.lock.lock.note(site);
        RwLockUpgradedGuard { lock: self.lock, serial: self.serial, not_send: PhantomData }
    }
}

impl<T: ?Sized> Deref for RwLockUpgradableGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: while this guard reads nobody writes but through a guard that borrows it mutably, so there are only shared
        // references to the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockUpgradableGuard<'_, T> {
    fn drop(&mut self) {
        let raw = &self.lock.lock.raw;
        // If it still writes: an upgraded guard was forgotten.
        let _ = raw.downgrade(self.serial);
        let released = raw.release_upgradable(self.serial);
        debug_assert!(released.is_ok());
    }
}

impl<T: ?Sized> Deref for RwLockUpgradedGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the thread holds the lock alone, and the guard that it reads by is borrowed by this one, so no other reference
        // to the value exists but this guard's.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockUpgradedGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` excludes a second one through this guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockUpgradedGuard<'_, T> {
    fn drop(&mut self) {
        let downgraded = self.lock.lock.raw.downgrade(self.serial);
        debug_assert!(downgraded.is_ok());
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockUpgradableGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockUpgradedGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
