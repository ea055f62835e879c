//! Permits for Rust: [`RawPermits`] with a name and a guard for what was taken.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::named::{Named, Raw};
use crate::facade::{self, runtime};
use crate::graph::verdict::{Holder, Wait};
use crate::graph::{Call, Description, Halt, Hold, Resource, Site};
use crate::stop::Stopped;
use crate::sync::RawPermits;
use crate::thread::serial;

type Permits = RawPermits<&'static Location<'static>>;

/// A number of permits; who finds too few left waits.
///
/// ```
/// use raddle::Semaphore;
/// let connections = Semaphore::named("connections", 3);
/// let first = connections.acquire()?;
/// let others = connections.acquire_many(2)?;
/// assert!(connections.try_acquire().is_none());
/// drop(first);
/// assert_eq!(connections.available_permits(), 1);
/// assert_eq!(connections.holders()[0].thread.serial, raddle::thread::serial(raddle::runtime));
/// # drop(others);
/// # Ok::<(), raddle::Stopped>(())
/// ```
///
/// Reports name a thread that waits for a permit, and who holds all of them if that is one thread; but whoever likes may
/// [add](Semaphore::add_permits) one, so no wait is ended by an error.
pub struct Semaphore {
    permits: Arc<Named<Permits>>,
}

impl Raw for Permits {
    const KIND: &'static str = "Semaphore";
}

/// So many permits, as a thing to wait for.
#[derive(Debug)]
struct Wanted {
    permits: Arc<Named<Permits>>,
    amount: u64,
}

impl Resource for Wanted {
    fn holder(&self) -> Option<Hold> {
        self.permits.raw.hold_on(self.amount)
    }

    fn helpers(&self, _: &dyn Fn(u64) -> bool) -> Vec<Vec<u64>> {
        let in_the_way = self.permits.raw.in_the_way(self.amount);
        if in_the_way.is_empty() { Vec::new() } else { vec![in_the_way] }
    }

    fn identity(&self) -> usize {
        self.permits.identity()
    }

    fn key(&self) -> Option<(usize, u64)> {
        self.permits.key()
    }

    fn describe(&self) -> Description {
        let holder = self.holder().map(|hold| hold.serial);
        let sites = self.permits.raw.holders(|held| (Some(held.serial) == holder).then_some(held.place));
        Description { taken_at: sites.into_iter().flatten().find_map(Site::place), ..self.permits.describe() }
    }
}

/// Permits of a [`Semaphore`]; dropping this, on whichever thread, gives them back.
#[must_use]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    serial: u64,
    amount: u64,
}

impl Semaphore {
    /// The most permits there can be at a time; what is added beyond that is lost.
    pub const MAX_PERMITS: u64 = Permits::MAX;

    /// A semaphore called after the place where it is made.
    #[track_caller]
    pub fn new(permits: u64) -> Self {
        Semaphore { permits: Named::unnamed(RawPermits::new(permits, false)) }
    }

    /// A semaphore that reports call `name`.
    #[track_caller]
    pub fn named(name: &str, permits: u64) -> Self {
        Semaphore { permits: Named::called(name, RawPermits::new(permits, false)) }
    }

    /// A semaphore that reports call `name`, whose permits are given in the order in which threads come for them.
    #[track_caller]
    pub fn fair(name: &str, permits: u64) -> Self {
        Semaphore { permits: Named::called(name, RawPermits::new(permits, true)) }
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
        self.acquire_many(1)
    }

    /// Takes `amount` permits at once, waiting for them if need be.
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before there are as many.
    ///
    /// # Panics
    /// Never: a wait without a limit ends with the permits, or by a stop.
    #[track_caller]
    pub fn acquire_many(&self, amount: u64) -> Result<SemaphorePermit<'_>, Stopped> {
        Ok(self.acquire_within(amount, None)?.expect("a wait for permits ends with them"))
    }

    /// Takes a permit if there is one.
    #[track_caller]
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.raw.try_take(1).then(|| self.permit(1, Location::caller()))
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
        self.acquire_within(1, Some(limit))
    }

    /// Takes `amount` permits at once, waiting for them no longer than `limit`; `None` after that.
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that.
    #[track_caller]
    pub fn try_acquire_many_for(&self, amount: u64, limit: Duration) -> Result<Option<SemaphorePermit<'_>>, Stopped> {
        self.acquire_within(amount, Some(limit))
    }

    #[track_caller]
    fn acquire_within(&self, amount: u64, limit: Option<Duration>) -> Result<Option<SemaphorePermit<'_>>, Stopped> {
        let site = Location::caller();
        let raw = &self.permits.raw;
        if raw.try_take(amount) {
            return Ok(Some(self.permit(amount, site)));
        }
        let wanted = Arc::new(Wanted { permits: Arc::clone(&self.permits), amount });
        match facade::block(wanted, (Call::Acquire, limit), site, |blocked| raw.take(amount, blocked)) {
            Ok(()) => Ok(Some(self.permit(amount, site))),
            Err(Halt::Stopped(stopped)) => Err(*stopped),
            // No hold of permits is owned, so no look at the graph ends the wait.
            Err(halt) => {
                debug_assert!(matches!(halt, Halt::TimedOut));
                Ok(None)
            }
        }
    }

    fn permit(&self, amount: u64, site: &'static Location<'static>) -> SemaphorePermit<'_> {
        let serial = serial(runtime);
        self.permits.raw.hold(serial, amount, site);
        SemaphorePermit { semaphore: self, serial, amount }
    }

    /// Adds new permits.
    pub fn add_permits(&self, amount: u64) {
        self.permits.raw.add(amount);
    }

    /// Makes it a semaphore of so many permits, taken or not. If more are out, none can be had until enough came back.
    ///
    /// ```
    /// let slots = raddle::Semaphore::new(2);
    /// let both = slots.acquire_many(2);
    /// slots.resize(1);
    /// assert_eq!(slots.available_permits(), 0);
    /// drop(both);
    /// assert_eq!(slots.available_permits(), 1);
    /// ```
    pub fn resize(&self, permits: u64) {
        self.permits.raw.resize(permits);
    }

    /// How many permits are left; out of date as soon as it is read.
    pub fn available_permits(&self) -> u64 {
        self.permits.raw.available()
    }

    /// The threads that took the permits which are out, and where, in that order.
    pub fn holders(&self) -> Vec<Holder> {
        let held = self.permits.raw.holders(|held| (held.serial, held.place));
        held.into_iter().map(|(serial, site)| runtime().holder(serial, site.place())).collect()
    }

    /// The waits for permits, longest first.
    pub fn waiters(&self) -> Vec<Wait> {
        runtime().waiters(&*self.permits)
    }
}

impl SemaphorePermit<'_> {
    /// Keeps what was taken from going back: the semaphore has so many less from now on.
    ///
    /// ```
    /// let handed_over = raddle::Semaphore::new(1);
    /// handed_over.acquire()?.forget();
    /// assert_eq!(handed_over.available_permits(), 0);
    /// # Ok::<(), raddle::Stopped>(())
    /// ```
    pub fn forget(self) {
        let forgotten = self.semaphore.permits.raw.forget(self.serial, self.amount);
        debug_assert!(forgotten.is_ok());
        std::mem::forget(self);
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        let given = self.semaphore.permits.raw.let_go(self.serial, self.amount);
        debug_assert!(given.is_ok());
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
