//! Points in time, in nanoseconds: of the monotonic clock, and of the clock on the wall, which may be set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point on the monotonic clock.
///
/// Plain nanoseconds, unlike `std::time::Instant`, because the operating system is handed them as an absolute deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub(crate) u64);

impl Time {
    /// The present moment.
    pub fn now() -> Time {
        Time(super::os::monotonic())
    }

    /// A moment that does not come.
    pub const NEVER: Time = Time(u64::MAX);

    /// Seconds of the monotonic clock.
    pub fn as_secs_f64(self) -> f64 {
        Duration::from_nanos(self.0).as_secs_f64()
    }

    /// The moment `duration` later; the last moment there is if that is too far away.
    pub fn after(self, duration: Duration) -> Time {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Time(self.0.saturating_add(nanos))
    }

    /// Nanoseconds since a moment that is the same for the whole life of the process.
    pub fn nanos(self) -> u64 {
        self.0
    }

    /// The moment so many nanoseconds after that.
    pub fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// How long it is until this moment; zero if it has passed.
    pub fn left(self) -> Duration {
        self.since(Time::now())
    }

    /// How long this moment comes after `earlier`; zero if it does not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// How long ago this moment is; zero if it is still to come.
    pub fn elapsed(self) -> Duration {
        Time::now().since(self)
    }
}

/// A point on the clock on the wall, from 1970 to 2554: what lies outside is the first or the last of these.
///
/// Not for measuring: the clock may be set meanwhile, forward and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub(crate) u64);

impl Wall {
    /// What the clock says.
    pub fn now() -> Wall {
        let now = super::os::realtime();
        #[cfg(test)]
        let now = now.saturating_add_signed(SET.load(std::sync::atomic::Ordering::SeqCst));
        Wall(now)
    }

    /// Nanoseconds since 1970.
    pub fn nanos(self) -> u64 {
        self.0
    }

    /// The moment so many nanoseconds after 1970.
    pub fn from_nanos(nanos: u64) -> Wall {
        Wall(nanos)
    }
}

/// By how many nanoseconds a test has set the clock on the wall.
#[cfg(test)]
pub(crate) static SET: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);

impl From<SystemTime> for Wall {
    fn from(moment: SystemTime) -> Wall {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        Wall(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Wall> for SystemTime {
    fn from(moment: Wall) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(moment.0)
    }
}
