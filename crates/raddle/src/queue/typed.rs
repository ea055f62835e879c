//! A queue for Rust: [`RawQueue`] with a name, on the default runtime.

use std::error::Error;
use std::fmt::{self, Display};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::Producers;
use super::raw::{Container, Denied, RawQueue, Refused, TooManyDone};
use crate::facade::block;
use crate::graph::{Call, Description, Halt, Hold, Resource, Site, key_of};
use crate::stop::Stopped;

/// A queue for any number of threads on both ends.
///
/// `C` is the order; each has a name: [`Queue`](super::Queue), [`LifoQueue`](super::LifoQueue),
/// [`PriorityQueue`](super::PriorityQueue). A thread that waits here for ever is told of ([`on_verdict`](crate::on_verdict)).
///
/// ```
/// use raddle::queue::{GetError, Queue};
/// use std::sync::Arc;
/// let jobs = Arc::new(Queue::bounded(2));
/// let worker = raddle::spawn("worker", { let jobs = jobs.clone(); move || {
///     let mut sum = 0;
///     while let Ok(job) = jobs.get() {
///         sum += job;
///         jobs.task_done().unwrap();
///     }
///     sum
/// }}).unwrap();
/// for job in 1..=10 {
///     jobs.put(job).unwrap(); // waits while two are in the queue
/// }
/// jobs.join()?;
/// jobs.shutdown();
/// assert_eq!(worker.join().unwrap(), 55);
/// assert_eq!(jobs.get(), Err(GetError::ShutDown));
/// # Ok::<(), raddle::Stopped>(())
/// ```
pub struct OrderedQueue<C: Container> {
    raw: RawQueue<C>,
    label: Arc<Label>,
}

/// Why an item was not put. It is handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutError<T> {
    /// There was no room, and none came in time.
    Full(T),
    /// The queue has been shut down.
    ShutDown(T),
    /// The thread was asked to stop while it waited for room.
    Stopped(T, Box<Stopped>),
}

impl<T> PutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            PutError::Full(item) | PutError::ShutDown(item) | PutError::Stopped(item, _) => item,
        }
    }
}

/// Why no item was got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetError {
    /// There was none, and none came in time.
    Empty,
    /// There was none, and the queue has been shut down.
    ShutDown,
    /// There was none, and the thread was asked to stop while it waited for one.
    Stopped(Box<Stopped>),
}

impl<C: Container> Default for OrderedQueue<C> {
    #[track_caller]
    fn default() -> Self {
        OrderedQueue::made(0, None)
    }
}

impl<C: Container> OrderedQueue<C> {
    /// A queue for any number of items.
    #[track_caller]
    pub fn new() -> Self {
        OrderedQueue::made(0, None)
    }

    /// A queue for at most `bound` items; 0 means any number.
    #[track_caller]
    pub fn bounded(bound: usize) -> Self {
        OrderedQueue::made(bound, None)
    }

    /// The same with a name for reports.
    #[track_caller]
    pub fn named(name: &str, bound: usize) -> Self {
        OrderedQueue::made(bound, Some(name))
    }

    #[track_caller]
    fn made(bound: usize, name: Option<&str>) -> Self {
        let raw = RawQueue::default();
        raw.set_bound(bound);
        OrderedQueue { raw, label: Label::here("Queue", name) }
    }

    /// Puts an item; waits while there is no room.
    ///
    /// # Errors
    /// [`PutError::ShutDown`], [`PutError::Stopped`].
    ///
    /// ```
    /// # use raddle::queue::{PutError, Queue};
    /// let queue = Queue::new();
    /// queue.put(1).unwrap();
    /// queue.shutdown();
    /// assert_eq!(queue.put(2), Err(PutError::ShutDown(2)));
    /// ```
    #[track_caller]
    pub fn put(&self, item: C::Item) -> Result<(), PutError<C::Item>> {
        self.put_within(item, None)
    }

    /// Puts an item; waits for room no longer than `limit`.
    ///
    /// # Errors
    /// [`PutError::Full`] after that; else as [`put`](OrderedQueue::put).
    #[track_caller]
    pub fn put_timeout(&self, item: C::Item, limit: Duration) -> Result<(), PutError<C::Item>> {
        self.put_within(item, Some(limit))
    }

    /// Puts an item if there is room.
    ///
    /// # Errors
    /// [`PutError`] with the item.
    ///
    /// ```
    /// # use raddle::queue::{PutError, Queue};
    /// let queue = Queue::bounded(1);
    /// queue.try_put(1).unwrap();
    /// assert_eq!(queue.try_put(2), Err(PutError::Full(2)));
    /// ```
    pub fn try_put(&self, item: C::Item) -> Result<(), PutError<C::Item>> {
        self.label.producers.note();
        self.raw.try_put(item).map_err(|(item, refused)| match refused {
            Refused::NotNow => PutError::Full(item),
            Refused::ShutDown | Refused::Moved => PutError::ShutDown(item),
        })
    }

    #[track_caller]
    fn put_within(&self, item: C::Item, limit: Option<Duration>) -> Result<(), PutError<C::Item>> {
        let site = Location::caller();
        let item = match self.try_put(item) {
            Err(PutError::Full(item)) => item,
            done => return done,
        };
        let put = block(self.label.clone(), (Call::Put, limit), site, |blocked| self.raw.put(item, blocked));
        // Nobody holds a queue, so no deadlock is found here, and nothing interrupts a Rust thread.
        put.map_err(|(item, denied)| match denied {
            Denied::Halted(Halt::Stopped(stopped)) => PutError::Stopped(item, stopped),
            Denied::Halted(_) => PutError::Full(item),
            Denied::ShutDown | Denied::Moved => PutError::ShutDown(item),
        })
    }

    /// Takes an item; waits while there is none.
    ///
    /// # Errors
    /// [`GetError::ShutDown`], [`GetError::Stopped`].
    #[track_caller]
    pub fn get(&self) -> Result<C::Item, GetError> {
        self.get_within(None)
    }

    /// Takes an item; waits for one no longer than `limit`.
    ///
    /// # Errors
    /// [`GetError::Empty`] after that; else as [`get`](OrderedQueue::get).
    ///
    /// ```
    /// # use raddle::queue::{GetError, Queue};
    /// # use std::time::Duration;
    /// let queue: Queue<u8> = Queue::new();
    /// assert_eq!(queue.get_timeout(Duration::from_millis(1)), Err(GetError::Empty));
    /// ```
    #[track_caller]
    pub fn get_timeout(&self, limit: Duration) -> Result<C::Item, GetError> {
        self.get_within(Some(limit))
    }

    /// Takes an item if there is one.
    ///
    /// # Errors
    /// [`GetError`].
    pub fn try_get(&self) -> Result<C::Item, GetError> {
        self.raw.try_get().map_err(|refused| match refused {
            Refused::NotNow => GetError::Empty,
            Refused::ShutDown | Refused::Moved => GetError::ShutDown,
        })
    }

    #[track_caller]
    fn get_within(&self, limit: Option<Duration>) -> Result<C::Item, GetError> {
        let site = Location::caller();
        match self.try_get() {
            Err(GetError::Empty) => wait_for_item(&self.raw, &self.label, limit, site),
            done => done,
        }
    }

    /// Says that an item that was got has been dealt with.
    ///
    /// # Errors
    /// [`TooManyDone`] if that has been said of all of them.
    pub fn task_done(&self) -> Result<(), TooManyDone> {
        self.raw.task_done()
    }

    /// Waits until every item that was put has been dealt with.
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that.
    #[track_caller]
    pub fn join(&self) -> Result<(), Stopped> {
        self.join_within(None).map(drop)
    }

    /// The same for no longer than `limit`; whether it is so.
    ///
    /// ```
    /// # use raddle::queue::Queue;
    /// # use std::time::Duration;
    /// let queue = Queue::new();
    /// queue.put("job").unwrap();
    /// assert_eq!(queue.join_timeout(Duration::from_millis(1)), Ok(false));
    /// queue.get().unwrap();
    /// queue.task_done().unwrap();
    /// assert_eq!(queue.join_timeout(Duration::from_millis(1)), Ok(true));
    /// ```
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that.
    #[track_caller]
    pub fn join_timeout(&self, limit: Duration) -> Result<bool, Stopped> {
        self.join_within(Some(limit))
    }

    #[track_caller]
    fn join_within(&self, limit: Option<Duration>) -> Result<bool, Stopped> {
        let site = Location::caller();
        if self.raw.unfinished() == 0 {
            return Ok(true);
        }
        match block(self.label.clone(), (Call::Tasks, limit), site, |blocked| self.raw.join(blocked)) {
            Err(Denied::Halted(Halt::Stopped(stopped))) => Err(*stopped),
            joined => Ok(joined.is_ok()),
        }
    }

    /// Lets nothing more in. What is in can still be got; who waits for more is told.
    pub fn shutdown(&self) {
        self.raw.shutdown(false);
    }

    /// The same, and takes out what is in. It counts as dealt with.
    ///
    /// ```
    /// # use raddle::queue::Queue;
    /// let queue = Queue::new();
    /// queue.put(1).unwrap();
    /// queue.put(2).unwrap();
    /// assert_eq!(queue.shutdown_now().into_iter().collect::<Vec<_>>(), [1, 2]);
    /// queue.join()?;
    /// # Ok::<(), raddle::Stopped>(())
    /// ```
    pub fn shutdown_now(&self) -> C {
        self.raw.shutdown(true)
    }

    /// How many items are in; a moment later it may be another number.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether none is in, for a moment.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}

/// Sleeps until there is an item. For this room's typed queues.
pub(super) fn wait_for_item<C: Container>(
    raw: &RawQueue<C>,
    label: &Arc<Label>,
    limit: Option<Duration>,
    site: &'static Location<'static>,
) -> Result<C::Item, GetError> {
    block(label.clone(), (Call::Get, limit), site, |blocked| raw.get(blocked)).map_err(|denied| match denied {
        Denied::Halted(Halt::Stopped(stopped)) => GetError::Stopped(stopped),
        Denied::Halted(_) => GetError::Empty,
        Denied::ShutDown | Denied::Moved => GetError::ShutDown,
    })
}

/// A queue's name, place and producers, which a report may still need when the queue is gone.
#[derive(Debug)]
pub(super) struct Label {
    kind: &'static str,
    name: String,
    made: &'static Location<'static>,
    pub(super) producers: Producers,
}

impl Label {
    #[track_caller]
    pub(super) fn here(kind: &'static str, name: Option<&str>) -> Arc<Label> {
        let made = Location::caller();
        let name = name.map_or_else(|| format!("{}:{}", made.file(), made.line()), str::to_owned);
        Arc::new(Label { kind, name, made, producers: Producers::default() })
    }
}

impl Resource for Label {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn producers(&self) -> Vec<u64> {
        self.producers.all()
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((std::ptr::from_ref(self).addr(), key_of(self.made, &self.name)))
    }

    fn describe(&self) -> Description {
        Description { kind: self.kind.into(), name: self.name.clone(), made_at: self.made.place(), taken_at: None }
    }
}

impl<C: Container> fmt::Debug for OrderedQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("name", &self.label.name).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutError::Full(_) => "the queue is full",
            PutError::ShutDown(_) => "the queue has been shut down",
            PutError::Stopped(_, stopped) => return stopped.fmt(f),
        })
    }
}

impl<T: fmt::Debug> Error for PutError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let PutError::Stopped(_, stopped) = self { Some(&**stopped) } else { None }
    }
}

impl Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GetError::Empty => "the queue is empty",
            GetError::ShutDown => "the queue has been shut down",
            GetError::Stopped(stopped) => return stopped.fmt(f),
        })
    }
}

impl Error for GetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let GetError::Stopped(stopped) = self { Some(&**stopped) } else { None }
    }
}

impl Display for TooManyDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more tasks were said to be done than were put")
    }
}

impl Error for TooManyDone {}
