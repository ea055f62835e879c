//! What a Rust program calls on the thread it is on: to look whether it has to stop, to wait until it has to, and the blocks.
//!
//! A stop is a value here, so a function hears of it only where its type says so, and passes it on with `?`. A block is a
//! closure. Its result cannot say in general whether a stop has passed through it, so the thread keeps note ([`Blocks::obey`]):
//! [`within`] fails if one of the calls in it was ended by its deadline, whatever the closure made of that.
//!
//! [`Blocks::obey`]: super::Blocks::obey

use std::error::Error;
use std::fmt::{self, Display};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{Awaited, Block, StopToken, Stopped};
use crate::facade::{block, runtime};
use crate::graph::{Call, Halt};
use crate::seam::Time;
use crate::sync::RawEvent;
use crate::thread::{Thread, current};

/// A request to stop by the calling thread.
pub(crate) fn request(reason: Option<&str>) -> Stopped {
    let requested_by = current(runtime()).name();
    Stopped { reason: reason.map(Arc::from), requested_by, requested_at: Time::now(), block: 0 }
}

/// A place at which the calling thread may stop; for loops that wait for nothing.
///
/// ```
/// use raddle::stop::checkpoint;
/// let search = raddle::spawn("search", || loop {
///     if let Err(stopped) = checkpoint() {
///         return stopped;
///     }
/// }).unwrap();
/// search.stop("found elsewhere");
/// assert_eq!(search.join().unwrap().reason.as_deref(), Some("found elsewhere"));
/// ```
///
/// # Errors
/// [`Stopped`] if the thread was asked to stop, or a block around the call has expired.
pub fn checkpoint() -> Result<(), Stopped> {
    let me = current(runtime());
    me.checkpoint().inspect_err(|stopped| me.blocks().obey(stopped.block))
}

/// Whether [`checkpoint`] would stop the calling thread. It does not count as having heard of it.
pub fn is_requested() -> bool {
    current(runtime()).checkpoint().is_err()
}

/// The token by which the calling thread is asked to stop, to hand on, or to be called back by.
///
/// ```
/// let (sender, receiver) = std::sync::mpsc::channel::<String>();
/// let reader = raddle::spawn("reader", move || {
///     // What a blocking call of somebody else's can be ended by.
///     let _close = raddle::stop::token().on_stop(move |_| drop(sender));
///     receiver.recv()
/// }).unwrap();
/// reader.stop(None);
/// assert!(reader.join().unwrap().is_err());
/// ```
pub fn token() -> StopToken {
    current(runtime()).token().clone()
}

/// Sleeps for `duration`, unless the thread has to stop.
///
/// ```
/// use std::time::Duration;
/// raddle::sleep(Duration::from_millis(1))?;
///
/// let sleeper = raddle::spawn("sleeper", || raddle::sleep(Duration::from_secs(3600))).unwrap();
/// sleeper.stop("good morning");
/// assert!(sleeper.join().unwrap().is_err());
/// # Ok::<(), raddle::Stopped>(())
/// ```
///
/// # Errors
/// [`Stopped`] if the thread was asked to stop, or a block around the call has expired; at once, if that was so before.
#[track_caller]
pub fn sleep(duration: Duration) -> Result<(), Stopped> {
    let site = Location::caller();
    checkpoint()?;
    let never = RawEvent::new();
    match block(Arc::new(Awaited::Time), (Call::Sleep, Some(duration)), site, |blocked| never.wait(blocked)) {
        Err(Halt::Stopped(stopped)) => Err(*stopped),
        _ => Ok(()),
    }
}

/// Calls `f` in which no stop from outside is heard: for what has to be finished once it has begun. The first stop point
/// after it hears.
///
/// ```
/// use raddle::stop::{StopSource, checkpoint, shield, token};
/// let writer = raddle::spawn("writer", || {
///     while checkpoint().is_ok() {}
///     shield(|| raddle::sleep(std::time::Duration::from_millis(1))) // gives the file its last line
/// }).unwrap();
/// writer.stop("enough");
/// assert_eq!(writer.join().unwrap(), Ok(()));
/// ```
pub fn shield<R>(f: impl FnOnce() -> R) -> R {
    let shield = Entered::new(current(runtime()), Block::Shield(None));
    let value = f();
    shield.leave();
    value
}

/// Calls `f`, whose stop points stop when `limit` has passed.
///
/// It is those that end, with [`Stopped`] in an error of their own, so `f` runs on until it meets one; pass it on with `?`.
/// What `f` returns is thrown away if one of its calls was ended so: what is to be kept goes into a variable outside. What
/// has not met its deadline is not late: it returns `f`'s value, however long it took. If the thread itself is to stop, it
/// is `f` that says so.
///
/// ```
/// use raddle::queue::Queue;
/// use std::time::Duration;
/// let jobs: Queue<u32> = Queue::new();
/// jobs.put(1).unwrap();
///
/// let first = raddle::within(Duration::from_secs(10), || jobs.get());
/// assert_eq!(first.unwrap(), Ok(1));
///
/// let second = raddle::within(Duration::from_millis(1), || jobs.get());
/// assert_eq!(second.unwrap_err().to_string(), "not done within 1ms");
/// ```
///
/// # Errors
/// [`Elapsed`] if the deadline has ended one of the calls.
pub fn within<R>(limit: Duration, f: impl FnOnce() -> R) -> Result<R, Elapsed> {
    let deadline = Block::Deadline(Time::now().after(limit), format!("within({limit:?})").into());
    let deadline = Entered::new(current(runtime()), deadline);
    let value = f();
    if deadline.leave() { Err(Elapsed { limit }) } else { Ok(value) }
}

/// The time of a block was over before it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// The time that it had.
    pub limit: Duration,
}

impl Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not done within {:?}", self.limit)
    }
}

impl Error for Elapsed {}

/// A block that the calling thread is in; left also by a panic.
pub(crate) struct Entered {
    me: Arc<Thread>,
    number: u64,
}

impl Entered {
    pub(crate) fn new(me: Arc<Thread>, block: Block) -> Self {
        let number = me.blocks().enter(block);
        Entered { me, number }
    }

    /// Leaves it; whether a call in it was ended by it.
    pub(crate) fn leave(self) -> bool {
        self.me.blocks().leave(self.number)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.me.blocks().leave(self.number);
    }
}

impl StopToken {
    /// Waits until a stop was asked for.
    ///
    /// # Errors
    /// [`Stopped`] if the calling thread itself has to stop before that.
    #[track_caller]
    pub fn wait(&self) -> Result<(), Stopped> {
        self.wait_within(None, Location::caller()).map(drop)
    }

    /// The same for no longer than `limit`: whether a stop was asked for.
    ///
    /// ```
    /// use std::time::Duration;
    /// let source = raddle::stop::StopSource::new();
    /// assert_eq!(source.token().wait_for(Duration::from_millis(1)), Ok(false));
    /// source.stop(None);
    /// assert_eq!(source.token().wait_for(Duration::from_millis(1)), Ok(true));
    /// ```
    ///
    /// # Errors
    /// [`Stopped`] if the calling thread itself has to stop before that.
    #[track_caller]
    pub fn wait_for(&self, limit: Duration) -> Result<bool, Stopped> {
        self.wait_within(Some(limit), Location::caller())
    }

    fn wait_within(&self, limit: Option<Duration>, site: &'static Location<'static>) -> Result<bool, Stopped> {
        if self.is_stopped() {
            return Ok(true);
        }
        match block(Arc::new(Awaited::Stop), (Call::Wait, limit), site, |blocked| self.wait_in(blocked)) {
            Err(Halt::Stopped(stopped)) => Err(*stopped),
            waited => Ok(waited.is_ok()),
        }
    }
}
