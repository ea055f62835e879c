//! A condition for Rust: [`RawCondition`] with the mutex of a guard.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::mutex::MutexGuard;
use super::named::{Named, Raw};
use crate::error::LockError;
use crate::facade::runtime;
use crate::graph::Call;
use crate::sync::RawCondition;
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
    condition: Arc<Named<RawCondition>>,
}

impl Raw for RawCondition {
    const KIND: &'static str = "Condvar";
}

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Condvar::new()
    }
}

impl Condvar {
    /// A condition that nobody waits for, called after the place where it is made.
    #[track_caller]
    pub fn new() -> Self {
        Condvar { condition: Named::unnamed(RawCondition::default()) }
    }

    /// A condition that nobody waits for and that reports call `name`.
    #[track_caller]
    pub fn named(name: &str) -> Self {
        Condvar { condition: Named::called(name, RawCondition::default()) }
    }

    /// Releases the mutex, waits to be notified, takes the mutex again.
    ///
    /// # Errors
    /// [`LockError::Stopped`] if the thread has to stop before it is notified, and another [`LockError`] if the mutex can never
    /// be taken again. The mutex is not held then.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> Result<MutexGuard<'a, T>, LockError> {
        self.wait_within(guard, None).map(|(guard, _)| guard)
    }

    /// The same for no longer than `limit`; also whether it was notified.
    ///
    /// # Errors
    /// As [`wait`](Condvar::wait).
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
        let condition = &self.condition;
        let place = condition.raw.enlist(&current(runtime()));
        guard.mutex.unlock();
        let slept = condition.block_for((Call::Wait, limit), site, |blocked| condition.raw.sleep(&place, blocked));
        // The guard exists throughout; it speaks the truth again when the lock has been taken back. Who has to stop gets none,
        // and does not wait for the lock.
        let retaken = slept.map_err(LockError::from).and_then(|notified| {
            guard.mutex.relock(Call::Reacquire, None, site)?;
            Ok(notified)
        });
        match retaken {
            Ok(notified) => Ok((guard, notified)),
            Err(error) => {
                std::mem::forget(guard);
                Err(error)
            }
        }
    }

    /// Wakes one of those who wait.
    pub fn notify_one(&self) {
        self.condition.raw.notify(1);
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) {
        self.condition.raw.notify(usize::MAX);
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar")
            .field("name", &self.condition.name())
            .field("waiters", &self.condition.raw.waiters())
            .finish()
    }
}
