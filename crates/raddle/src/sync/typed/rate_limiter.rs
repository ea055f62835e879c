//! So many permits in a time, for Rust: [`RawRateLimiter`] with a name.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::named::{Named, Raw};
use crate::graph::Call;
use crate::seam::Time;
use crate::stop::Stopped;
use crate::sync::{BadRate, RawRateLimiter};

/// So many permits in a time, evenly, for threads in the order in which they come.
///
/// ```
/// use raddle::RateLimiter;
/// use std::time::{Duration, Instant};
/// let requests = RateLimiter::named("requests", 200.0, Duration::from_secs(1), 2)?;
/// let began = Instant::now();
/// for _ in 0..6 {
///     requests.acquire()?; // two at once, then one every 5 ms
/// }
/// assert!(began.elapsed() >= Duration::from_millis(20));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RateLimiter {
    limiter: Arc<Named<RawRateLimiter>>,
}

impl Raw for RawRateLimiter {
    const KIND: &'static str = "RateLimiter";
}

impl RateLimiter {
    /// `rate` permits in the time `per`, `burst` of them at once after a pause; called after the place where it is made.
    ///
    /// ```
    /// use std::time::Duration;
    /// let refused = raddle::RateLimiter::new(-5.0, Duration::from_secs(1), 1).unwrap_err();
    /// assert!(refused.to_string().starts_with("rate must be above 0, got -5"));
    /// ```
    ///
    /// # Errors
    /// [`BadRate`]: nothing is to be given, no time to give it in, or more than a million a second.
    #[track_caller]
    pub fn new(rate: f64, per: Duration, burst: u32) -> Result<Self, BadRate> {
        let raw = RawRateLimiter::new(rate, per.as_secs_f64(), i64::from(burst))?;
        Ok(RateLimiter { limiter: Named::unnamed(raw) })
    }

    /// The same, which reports call `name`.
    ///
    /// # Errors
    /// As those of [`new`](RateLimiter::new).
    #[track_caller]
    pub fn named(name: &str, rate: f64, per: Duration, burst: u32) -> Result<Self, BadRate> {
        let raw = RawRateLimiter::new(rate, per.as_secs_f64(), i64::from(burst))?;
        Ok(RateLimiter { limiter: Named::called(name, raw) })
    }

    /// How many permits could be taken now, if nobody stood in line.
    pub fn available(&self) -> u64 {
        self.limiter.raw.available(Time::now())
    }

    /// Takes a permit if there is one and nobody stands in line; whether it has.
    pub fn try_acquire(&self) -> bool {
        self.limiter.raw.try_take(Time::now())
    }

    /// Takes a permit, and waits for it.
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that; then it has taken none.
    #[track_caller]
    pub fn acquire(&self) -> Result<(), Stopped> {
        self.acquire_within(None).map(drop)
    }

    /// The same for no longer than `limit`: whether it has.
    ///
    /// ```
    /// use std::time::Duration;
    /// let hourly = raddle::RateLimiter::new(1.0, Duration::from_secs(3600), 1).unwrap();
    /// assert!(hourly.acquire_for(Duration::ZERO)?);
    /// assert!(!hourly.acquire_for(Duration::from_millis(1))?);
    /// # Ok::<(), raddle::Stopped>(())
    /// ```
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that; then it has taken none.
    #[track_caller]
    pub fn acquire_for(&self, limit: Duration) -> Result<bool, Stopped> {
        self.acquire_within(Some(limit))
    }

    #[track_caller]
    fn acquire_within(&self, limit: Option<Duration>) -> Result<bool, Stopped> {
        let (site, raw) = (Location::caller(), &self.limiter.raw);
        if raw.try_take(Time::now()) {
            return Ok(true);
        }
        self.limiter.block_for((Call::Acquire, limit), site, |blocked| raw.take(blocked))
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RateLimiter");
        debug.field("name", &self.limiter.name()).field("available", &self.available()).finish()
    }
}
