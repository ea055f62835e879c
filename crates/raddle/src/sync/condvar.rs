//! A condition for Rust: [`RawCondition`] with the mutex of a guard.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::mutex::MutexGuard;
use super::{Place, RawCondition};
use crate::error::LockError;
use crate::facade::{block, runtime};
use crate::graph::{Call, Description, Halt, Hold, Resource, Site};
use crate::thread::current;

/// Threads that wait for a change of the value in a [`Mutex`](super::Mutex).
///
/// ```
/// use raddle::{Condvar, Mutex};
/// use std::sync::Arc;
/// let pair = Arc::new((Mutex::new(false), Condvar::new()));
/// let other = raddle::spawn("setter", { let pair = pair.clone(); move || {
///     *pair.0.lock().unwrap() = true;
///     pair.1.notify_one();
/// }}).unwrap();
/// let mut ready = pair.0.lock()?;
/// while !*ready {
///     ready = pair.1.wait(ready)?;
/// }
/// # drop(ready);
/// other.join().unwrap();
/// # Ok::<(), raddle::LockError>(())
/// ```
pub struct Condvar {
    raw: RawCondition,
    made: &'static Location<'static>,
}

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Condvar::new()
    }
}

impl Condvar {
    /// A condition that nobody waits for.
    #[track_caller]
    pub fn new() -> Self {
        Condvar { raw: RawCondition::default(), made: Location::caller() }
    }

    /// Releases the mutex, waits to be notified, takes the mutex again.
    ///
    /// # Errors
    /// [`LockError`] if the mutex can never be taken again.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> Result<MutexGuard<'a, T>, LockError> {
        self.wait_within(guard, None).map(|(guard, _)| guard)
    }

    /// The same for no longer than `limit`; also whether it was notified.
    ///
    /// # Errors
    /// [`LockError`] if the mutex can never be taken again.
    #[track_caller]
    pub fn wait_for<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> Result<(MutexGuard<'a, T>, bool), LockError> {
        self.wait_within(guard, Some(limit))
    }

    #[track_caller]
    fn wait_within<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Option<Duration>,
    ) -> Result<(MutexGuard<'a, T>, bool), LockError> {
        let site = Location::caller();
        let place = self.raw.enlist(&current(runtime()));
        guard.mutex.unlock();
        let slept = self.sleep(&place, limit, site);
        // The guard exists throughout; it speaks the truth again when the lock has been taken back.
        if let Err(error) = guard.mutex.relock(Call::Reacquire, None, site) {
            std::mem::forget(guard);
            return Err(error);
        }
        Ok((guard, slept.is_ok()))
    }

    fn sleep(&self, place: &Place, limit: Option<Duration>, site: &'static Location<'static>) -> Result<(), Halt> {
        let resource = Arc::new(Notification(self.made));
        block(resource, (Call::Wait, limit), site, |blocked| self.raw.sleep(place, blocked))
    }

    /// Wakes one of those who wait.
    pub fn notify_one(&self) {
        self.raw.notify(1);
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) {
        self.raw.notify(usize::MAX);
    }
}

/// A condition as a thing to wait for: anybody may notify it.
#[derive(Debug)]
struct Notification(&'static Location<'static>);

impl Resource for Notification {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn describe(&self) -> Description {
        let name = format!("{}:{}", self.0.file(), self.0.line());
        Description { kind: "Condvar".into(), name, made_at: self.0.place(), taken_at: None }
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").field("waiters", &self.raw.waiters()).finish_non_exhaustive()
    }
}
