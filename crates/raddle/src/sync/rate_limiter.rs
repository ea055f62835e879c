//! So many permits in a time, in the order in which threads come.
//!
//! The generic cell rate algorithm, in its form as virtual scheduling (ITU-T I.371): one word, the moment at which the next
//! permit would be due if they came evenly. A permit is given if that is no further ahead than the burst allows, and moves it on
//! by one interval. There is no bucket that somebody would have to fill, and nothing to be done while nobody comes.
//!
//! Who has to wait stands in a line, and the first in it sleeps until its moment; so a thread that is stopped or gives up
//! leaves nothing behind, as it would if moments were given out on arrival. The first in line counts from when it was due and
//! not from when it woke, or each would be as late as all before it together and the rate too low. No more than [`LATE`],
//! though: a program that stood still is not made up for by a burst.

use std::error::Error;
use std::fmt::{self, Display};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::graph::{Blocked, Halt};
use crate::seam::{Concurrent, Sharing, Time, Word, fork_generation};
use crate::wait::turnstile::{CLOSED, STARVED};
use crate::wait::{Ask, Order, Turnstile};

/// How late a thread may be that counts as being in time.
const LATE: Duration = Duration::from_millis(10);

/// The shortest interval: the clock counts nanoseconds, and the rate is to be right to a thousandth.
const SHORTEST: f64 = 1000.0;

/// Why there cannot be such a rate limiter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BadRate {
    /// The rate is not above 0.
    Rate(f64),
    /// The time is not above 0.
    Per(f64),
    /// There is no burst of so many.
    Burst(i64),
    /// More than a million permits a second, or fewer than one in a thousand years.
    OutOfReach(f64, f64),
}

impl Display for BadRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRate::Rate(rate) => {
                write!(f, "rate must be above 0, got {rate} (it is how many permits there are in `per` seconds)")
            }
            BadRate::Per(per) => write!(f, "per must be a number of seconds above 0, got {per}"),
            BadRate::Burst(burst) => {
                write!(f, "burst must be 1 or more, got {burst} (it is how many permits may be taken at once)")
            }
            BadRate::OutOfReach(rate, per) => write!(
                f,
                "{rate} permits in {per} s cannot be kept (at most a million a second, at least one in a thousand years)"
            ),
        }
    }
}

impl Error for BadRate {}

/// A rate limiter without a runtime.
///
/// ```
/// use raddle::seam::Time;
/// use raddle::sync::RawRateLimiter;
/// let limiter = RawRateLimiter::new(100.0, 1.0, 2).unwrap();
/// let now = Time::now();
/// assert!(limiter.try_take(now) && limiter.try_take(now) && !limiter.try_take(now));
/// assert!(limiter.try_take(Time::from_nanos(now.nanos() + 10_000_000)));
/// ```
#[derive(Debug)]
pub struct RawRateLimiter<S = Concurrent> {
    /// When the next permit would be due.
    due: Word<S>,
    /// Nanoseconds from one permit to the next.
    interval: u64,
    /// How many nanoseconds ahead of time a permit may be taken.
    ahead: u64,
    line: Turnstile<S>,
    /// In which process of a chain of forks somebody may stand at the head of the line.
    process: AtomicU32,
}

impl RawRateLimiter {
    /// `rate` permits in `per` seconds, evenly; `burst` of them at once after a pause.
    ///
    /// # Errors
    /// [`BadRate`].
    pub fn new(rate: f64, per: f64, burst: i64) -> Result<Self, BadRate> {
        Self::shared(rate, per, burst)
    }
}

impl<S: Sharing> RawRateLimiter<S> {
    /// The same, to which threads come as `S` says.
    ///
    /// # Errors
    /// [`BadRate`].
    pub fn shared(rate: f64, per: f64, burst: i64) -> Result<Self, BadRate> {
        const LONGEST: f64 = 1000.0 * 365.0 * 86_400.0 * 1e9;
        if rate.is_nan() || rate <= 0.0 {
            return Err(BadRate::Rate(rate));
        }
        if per.is_nan() || per <= 0.0 {
            return Err(BadRate::Per(per));
        }
        let others = u64::try_from(burst).ok().and_then(|burst| burst.checked_sub(1)).ok_or(BadRate::Burst(burst))?;
        let interval = (per * 1e9 / rate).round();
        // Not a number if both are infinite.
        if !(SHORTEST..=LONGEST).contains(&interval) {
            return Err(BadRate::OutOfReach(rate, per));
        }
        let interval = interval as u64;
        Ok(RawRateLimiter {
            due: Word::new(0),
            interval,
            ahead: others.saturating_mul(interval),
            line: Turnstile::new(1, Order::Come),
            process: AtomicU32::new(fork_generation()),
        })
    }

    /// How many permits could be taken at `now`, if nobody stood in line.
    pub fn available(&self, now: Time) -> u64 {
        match now.nanos().saturating_add(self.ahead).checked_sub(self.due.load().max(now.nanos())) {
            Some(room) => room / self.interval + 1,
            None => 0,
        }
    }

    /// Takes a permit if there is one at `now` and nobody is to be served first.
    pub fn try_take(&self, now: Time) -> bool {
        self.is_nobody_in_line() && self.claim(now, now)
    }

    /// Whether nobody stands in line, which nobody does any more in the child of a fork.
    fn is_nobody_in_line(&self) -> bool {
        if self.process.load(Ordering::Relaxed) != fork_generation() {
            self.line.reset();
            self.process.store(fork_generation(), Ordering::Relaxed);
        }
        self.line.is_idle()
    }

    /// Takes a permit, if there is one at `now`, for a thread that counts as having come at `came`.
    fn claim(&self, came: Time, now: Time) -> bool {
        let mut due = self.due.load();
        while due <= now.nanos().saturating_add(self.ahead) {
            let next = due.max(came.nanos()).saturating_add(self.interval);
            match self.due.exchange(due, next, Ordering::AcqRel) {
                Ok(()) => return true,
                Err(other) => due = other,
            }
        }
        false
    }

    /// Takes a permit, sleeping as `blocked` says until it is there.
    ///
    /// # Errors
    /// Why the wait ended without it.
    pub fn take(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let came = Time::now();
        if self.try_take(came) {
            return Ok(());
        }
        let heeds = CLOSED | STARVED;
        let ask = Ask { serial: blocked.me.serial(), amount: 1, heeds, closes: true, insists: true, inside: false };
        self.line.take(ask, blocked.me.parker(), blocked)?;
        let served = self.serve(came, blocked);
        // It fails in the child of a fork, where the line was begun anew.
        let _ = self.line.give_if(1, |taken| taken > 0);
        served
    }

    /// The calling thread is the first in line.
    fn serve(&self, came: Time, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        loop {
            let now = Time::now();
            let in_time = Time::from_nanos(now.nanos().saturating_sub(LATE.as_nanos() as u64));
            if self.claim(came.max(in_time), now) {
                return Ok(());
            }
            blocked.sleep_until(Time::from_nanos(self.due.load().saturating_sub(self.ahead)))?;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const START: u64 = 1_000_000_000_000;

    fn at(millis: u64) -> Time {
        Time::from_nanos(START + millis * 1_000_000)
    }

    fn limiter(rate: f64, per: f64, burst: i64) -> RawRateLimiter {
        RawRateLimiter::new(rate, per, burst).unwrap()
    }

    #[test]
    fn permits_come_evenly_and_a_pause_is_worth_one_burst() {
        let limiter = limiter(100.0, 1.0, 3);
        let taken = |until: Time| std::iter::repeat_with(|| limiter.try_take(until)).take_while(|taken| *taken).count();
        assert_eq!((limiter.available(at(0)), taken(at(0)), limiter.available(at(0))), (3, 3, 0));
        assert_eq!((taken(at(9)), taken(at(10)), taken(at(19)), taken(at(20))), (0, 1, 0, 1));
        assert_eq!((limiter.available(at(35)), taken(at(35))), (1, 1));
        assert_eq!((limiter.available(at(1_000)), taken(at(1_000))), (3, 3), "not a hundred");
    }

    #[test]
    fn whoever_was_served_late_counts_from_when_it_was_due() {
        let limiter = limiter(100.0, 1.0, 1);
        assert!(limiter.claim(at(0), at(0)));
        // It came at once, was due at 10 and woke at 13: the next one is due at 20 all the same.
        assert!(!limiter.claim(at(1), at(9)) && limiter.claim(at(3), at(13)));
        assert!(!limiter.try_take(at(19)) && limiter.try_take(at(20)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |rate, per, burst| RawRateLimiter::new(rate, per, burst).unwrap_err();
        assert_eq!(refused(0.0, 1.0, 1), BadRate::Rate(0.0));
        assert_eq!(refused(-1.0, 1.0, 1), BadRate::Rate(-1.0));
        assert_eq!(refused(1.0, 0.0, 1), BadRate::Per(0.0));
        assert_eq!(refused(1.0, 1.0, 0), BadRate::Burst(0));
        assert_eq!(refused(2e6, 1.0, 1), BadRate::OutOfReach(2e6, 1.0));
        assert!(matches!(refused(f64::INFINITY, f64::INFINITY, 1), BadRate::OutOfReach(..)));
        assert!(matches!(refused(f64::NAN, 1.0, 1), BadRate::Rate(_)));
    }
}
