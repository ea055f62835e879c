//! Permits for Rust: [`RawSemaphore`] with a guard for each permit.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::named::{Named, Raw};
use crate::graph::Call;
use crate::stop::Stopped;
use crate::sync::RawSemaphore;

/// A number of permits; who finds none left waits for one.
///
/// ```
/// use raddle::Semaphore;
/// let connections = Semaphore::named("connections", 2);
/// let first = connections.acquire()?;
/// let second = connections.acquire()?;
/// assert!(connections.try_acquire().is_none());
/// drop(first);
/// assert_eq!(connections.available_permits(), 1);
/// # drop(second);
/// # Ok::<(), raddle::Stopped>(())
/// ```
///
/// Reports name a thread that waits for a permit, and do not name who has the permits: they belong to nobody in
/// particular, and whoever likes may [add](Semaphore::add_permits) one.
pub struct Semaphore {
    permits: Arc<Named<RawSemaphore>>,
}

impl Raw for RawSemaphore {
    const KIND: &'static str = "Semaphore";
}

/// One permit of a [`Semaphore`]; dropping it, on whichever thread, gives the permit back.
#[must_use]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
}

impl Semaphore {
    /// The most permits there can be at a time; what is added beyond that is lost.
    pub const MAX_PERMITS: u64 = RawSemaphore::MAX;

    /// A semaphore called after the place where it is made.
    #[track_caller]
    pub fn new(permits: u64) -> Self {
        Semaphore { permits: Named::unnamed(RawSemaphore::new(permits)) }
    }

    /// A semaphore that reports call `name`.
    #[track_caller]
    pub fn named(name: &str, permits: u64) -> Self {
        Semaphore { permits: Named::called(name, RawSemaphore::new(permits)) }
    }

    /// Takes a permit, waiting for one if need be.
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before there is one.
    ///
    /// # Panics
    /// Never: a wait without a limit ends with a permit, or by a stop.
    #[track_caller]
    pub fn acquire(&self) -> Result<SemaphorePermit<'_>, Stopped> {
        Ok(self.acquire_within(None)?.expect("a wait for a permit ends with one"))
    }

    /// Takes a permit if there is one.
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.raw.try_acquire().then(|| SemaphorePermit { semaphore: self })
    }

    /// Takes a permit, waiting for one no longer than `limit`; `None` after that.
    ///
    /// ```
    /// use std::time::Duration;
    /// let ready = raddle::Semaphore::new(0);
    /// assert!(ready.try_acquire_for(Duration::from_millis(1))?.is_none());
    /// ready.add_permits(1);
    /// assert!(ready.try_acquire_for(Duration::from_millis(1))?.is_some());
    /// # Ok::<(), raddle::Stopped>(())
    /// ```
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that.
    #[track_caller]
    pub fn try_acquire_for(&self, limit: Duration) -> Result<Option<SemaphorePermit<'_>>, Stopped> {
        self.acquire_within(Some(limit))
    }

    #[track_caller]
    fn acquire_within(&self, limit: Option<Duration>) -> Result<Option<SemaphorePermit<'_>>, Stopped> {
        let site = Location::caller();
        let permits = &self.permits;
        let took = permits.raw.try_acquire()
            || permits.block_for((Call::Acquire, limit), site, |blocked| permits.raw.acquire(blocked))?;
        Ok(took.then(|| SemaphorePermit { semaphore: self }))
    }

    /// Adds new permits, or gives back those of permits that were [forgotten](SemaphorePermit::forget).
    pub fn add_permits(&self, amount: u64) {
        self.permits.raw.release(amount);
    }

    /// How many permits are left; out of date as soon as it is read.
    pub fn available_permits(&self) -> u64 {
        self.permits.raw.value()
    }
}

impl SemaphorePermit<'_> {
    /// Keeps the permit from going back: the semaphore has one less from now on.
    ///
    /// ```
    /// let handed_over = raddle::Semaphore::new(1);
    /// handed_over.acquire()?.forget();
    /// assert_eq!(handed_over.available_permits(), 0);
    /// # Ok::<(), raddle::Stopped>(())
    /// ```
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.permits.raw.release(1);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("name", &self.permits.name())
            .field("available_permits", &self.available_permits())
            .finish()
    }
}
