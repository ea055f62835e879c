//! A place where a number of threads meet, for Rust: [`RawBarrier`] with a name and its number of parties.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::named::{Named, Raw};
use crate::error::BarrierError;
use crate::graph::{Call, Halt};
use crate::sync::RawBarrier;
use crate::sync::barrier::Failure;
use crate::thread::current;

/// A place where a fixed number of threads meet, again and again.
///
/// Unlike `std::sync::Barrier` it can be left: a thread that knows that it will not come [breaks](Barrier::abort) it, and
/// those who wait get an error instead of waiting for ever.
///
/// ```
/// use raddle::{Barrier, BarrierError};
/// use std::sync::Arc;
/// let start = Arc::new(Barrier::named("start", 2));
/// let runner = raddle::spawn("runner", { let start = start.clone(); move || start.wait() }).unwrap();
/// let mine = start.wait()?;
/// let theirs = runner.join().unwrap()?;
/// assert!(mine.is_leader() != theirs.is_leader());
///
/// start.abort();
/// assert_eq!(start.wait().unwrap_err(), BarrierError::Broken);
/// # Ok::<(), BarrierError>(())
/// ```
pub struct Barrier {
    meeting: Arc<Named<RawBarrier>>,
    parties: usize,
}

impl Raw for RawBarrier {
    const KIND: &'static str = "Barrier";
}

/// What a thread learns when all have met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Whether this thread is the one, among those that met, that came last.
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

impl Barrier {
    /// A barrier for `parties` threads (0 counts as 1), called after the place where it is made.
    #[track_caller]
    pub fn new(parties: usize) -> Self {
        Barrier { meeting: Named::unnamed(RawBarrier::default()), parties }
    }

    /// A barrier for `parties` threads (0 counts as 1) that reports call `name`.
    #[track_caller]
    pub fn named(name: &str, parties: usize) -> Self {
        Barrier { meeting: Named::called(name, RawBarrier::default()), parties }
    }

    /// Waits until all parties are here.
    ///
    /// # Errors
    /// [`BarrierError::Broken`] if the barrier is broken, or breaks meanwhile. [`BarrierError::Stopped`] if the thread has to
    /// stop; after that the barrier is broken, because the others wait for one who left.
    #[track_caller]
    pub fn wait(&self) -> Result<BarrierWaitResult, BarrierError> {
        self.wait_within(None)
    }

    /// The same for no longer than `limit`; after that the barrier is broken, because the others wait for one who left.
    ///
    /// ```
    /// use raddle::{Barrier, BarrierError};
    /// use std::time::Duration;
    /// let lonely = Barrier::new(2);
    /// assert_eq!(lonely.wait_for(Duration::from_millis(1)), Err(BarrierError::TimedOut));
    /// assert!(lonely.is_broken());
    /// ```
    ///
    /// # Errors
    /// [`BarrierError::TimedOut`] after that time; else as [`wait`](Barrier::wait).
    #[track_caller]
    pub fn wait_for(&self, limit: Duration) -> Result<BarrierWaitResult, BarrierError> {
        self.wait_within(Some(limit))
    }

    #[track_caller]
    fn wait_within(&self, limit: Option<Duration>) -> Result<BarrierWaitResult, BarrierError> {
        let site = Location::caller();
        let raw = &self.meeting.raw;
        let runtime = crate::facade::runtime;
        let arrival = raw.arrive(self.parties, || current(runtime())).map_err(|_| BarrierError::Broken)?;
        if arrival.last {
            raw.open(&arrival);
        } else {
            let waited = self.meeting.block((Call::Wait, limit), site, |blocked| raw.wait(&arrival, blocked));
            waited.map_err(|failure| match failure {
                Failure::Broken => BarrierError::Broken,
                Failure::Halted(Halt::Stopped(stopped)) => BarrierError::Stopped(stopped),
                Failure::TimedOut | Failure::Halted(_) => BarrierError::TimedOut,
            })?;
        }
        Ok(BarrierWaitResult { leader: arrival.last })
    }

    /// Breaks the barrier: those who wait, and those who come, get [`BarrierError::Broken`], until it is
    /// [reset](Barrier::reset).
    pub fn abort(&self) {
        self.meeting.raw.abort();
    }

    /// Makes it a new barrier, whole and empty; those who wait get [`BarrierError::Broken`].
    ///
    /// ```
    /// let barrier = raddle::Barrier::new(1);
    /// barrier.abort();
    /// barrier.reset();
    /// assert!(barrier.wait().unwrap().is_leader());
    /// ```
    pub fn reset(&self) {
        self.meeting.raw.reset();
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.meeting.raw.is_broken()
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("name", &self.meeting.name())
            .field("parties", &self.parties)
            .field("waiting", &self.meeting.raw.waiting())
            .field("is_broken", &self.is_broken())
            .finish()
    }
}
