//! A number that is counted down, for Rust: [`RawLatch`] with a name.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::named::{Named, Raw};
use crate::graph::Call;
use crate::stop::Stopped;
use crate::sync::RawLatch;

/// A number that is counted down to 0, once; threads wait for that.
///
/// ```
/// use raddle::Latch;
/// use std::sync::Arc;
/// let ready = Arc::new(Latch::named("ready", 2));
/// for at in 0..2 {
///     let ready = ready.clone();
///     raddle::spawn(&format!("worker {at}"), move || ready.count_down(1)).unwrap();
/// }
/// ready.wait()?;
/// assert_eq!(ready.count(), 0);
/// # Ok::<(), raddle::Stopped>(())
/// ```
pub struct Latch {
    latch: Arc<Named<RawLatch>>,
}

impl Raw for RawLatch {
    const KIND: &'static str = "Latch";
}

impl Latch {
    /// A latch that opens after `count`, called after the place where it is made.
    #[track_caller]
    pub fn new(count: u64) -> Self {
        Latch { latch: Named::unnamed(RawLatch::new(count)) }
    }

    /// A latch that opens after `count` and that reports call `name`.
    #[track_caller]
    pub fn named(name: &str, count: u64) -> Self {
        Latch { latch: Named::called(name, RawLatch::new(count)) }
    }

    /// Counts down by `amount`, to 0 at most. At 0 all who wait go on.
    pub fn count_down(&self, amount: u64) {
        self.latch.raw.count_down(amount);
    }

    /// What is left to count.
    pub fn count(&self) -> u64 {
        self.latch.raw.count()
    }

    /// Waits until nothing is left to count.
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that.
    #[track_caller]
    pub fn wait(&self) -> Result<(), Stopped> {
        self.wait_within(None).map(drop)
    }

    /// The same for no longer than `limit`: whether that was reached.
    ///
    /// ```
    /// assert!(!raddle::Latch::new(1).wait_for(std::time::Duration::from_millis(1))?);
    /// # Ok::<(), raddle::Stopped>(())
    /// ```
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that.
    #[track_caller]
    pub fn wait_for(&self, limit: Duration) -> Result<bool, Stopped> {
        self.wait_within(Some(limit))
    }

    #[track_caller]
    fn wait_within(&self, limit: Option<Duration>) -> Result<bool, Stopped> {
        let (site, raw) = (Location::caller(), &self.latch.raw);
        if raw.is_open() {
            return Ok(true);
        }
        self.latch.block_for((Call::Wait, limit), site, |blocked| raw.wait(blocked))
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch").field("name", &self.latch.name()).field("count", &self.count()).finish()
    }
}
