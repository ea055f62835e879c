//! Points in time, in nanoseconds of the monotonic clock.

use std::time::Duration;

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
