//! Waiting for a thread's value, and what becomes of its error if nobody does.
//!
//! A thread and its handle share a [`Packet`]. Whichever of them drops it last knows that nobody can come for the error any
//! more, and delivers it if nobody has: no moment at which both, or neither, could do so.
//!
//! # Stopped, and a value
//!
//! A Rust thread obeys a stop by returning, so it has a value, which says as much as its type can: `Err(Stopped)`, what it
//! found so far, nothing. A join gives that value whatever made the thread return. That the thread obeyed is known all the
//! same, because the call that ended for the stop noted it ([`Blocks::obey`]), and [`JoinHandle::ending`] and reports say so.
//! The alternative, an error in place of the value, would throw away what the thread had done so far.
//!
//! [`Blocks::obey`]: crate::stop::Blocks::obey

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Caught, Delivery, Lineage, State, Thread};
use crate::error::{JoinError, Panic};
use crate::facade::{block, runtime, unhandled};
use crate::graph::verdict::Ending;
use crate::graph::{Call, Halt};
use crate::observe::Activity;
use crate::scope::ChildError;
use crate::stop::{StopToken, Stopped, request};

/// What comes of a thread.
pub(crate) enum Came<T> {
    Value(T),
    Panic(Box<Caught>),
    /// It was stopped before it began.
    Stopped(Stopped),
}

/// Which values of a thread its scope takes for errors.
pub(crate) struct Judge<T> {
    pub(crate) fails: fn(&T) -> bool,
    pub(crate) error: fn(T) -> Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl<T> Judge<T> {
    /// None.
    pub(crate) const LENIENT: Judge<T> = Judge { fails: |_| false, error: |_| None };
}

/// See the module.
pub(crate) struct Packet<T> {
    thread: Arc<Thread>,
    came: Mutex<Option<Came<T>>>,
    delivery: Delivery,
    judge: Judge<T>,
}

impl<T> Packet<T> {
    pub(crate) fn new(thread: Arc<Thread>, judge: Judge<T>) -> Self {
        Packet { thread, came: Mutex::default(), delivery: Delivery::default(), judge }
    }

    pub(crate) fn thread(&self) -> &Arc<Thread> {
        &self.thread
    }

    fn came(&self) -> MutexGuard<'_, Option<Came<T>>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread is done; called by itself.
    pub(crate) fn put(&self, came: Came<T>) {
        let failed = match &came {
            Came::Value(value) => (self.judge.fails)(value),
            Came::Panic(_) => true,
            Came::Stopped(_) => false,
        };
        *self.came() = Some(came);
        if failed {
            self.delivery.hold();
        }
    }

    fn take(&self) -> Option<Came<T>> {
        self.delivery.take();
        self.came().take()
    }
}

impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        if self.delivery.give_up() {
            let came = self.came().take();
            if let Some(Came::Panic(caught)) = came {
                unhandled(&Panic::new(&self.thread, *caught));
            }
        }
    }
}

/// A thread as its scope sees it, whatever its value.
pub(crate) trait Child: Send + Sync {
    fn thread(&self) -> &Arc<Thread>;

    /// Whether there is an error that nobody has taken.
    fn has_failed(&self) -> bool;

    /// Takes that error.
    fn take_error(&self) -> Option<ChildError>;
}

impl<T: Send> Child for Packet<T> {
    fn thread(&self) -> &Arc<Thread> {
        &self.thread
    }

    fn has_failed(&self) -> bool {
        self.delivery.is_held()
    }

    fn take_error(&self) -> Option<ChildError> {
        if !self.delivery.take() {
            return None;
        }
        let came = self.came().take();
        match came? {
            Came::Panic(caught) => Some(ChildError::Panicked(Box::new(Panic::new(&self.thread, *caught)))),
            Came::Value(value) => {
                let (thread, lineage) = (Box::new(self.thread.info()), self.thread.whole_lineage());
                (self.judge.error)(value).map(|error| ChildError::Failed { thread, lineage, error })
            }
            Came::Stopped(_) => None,
        }
    }
}

/// A thread that may still run, and the value it will give.
///
/// Dropping it lets the thread run on by itself. If it panics then, that is told to
/// [`on_unhandled`](crate::on_unhandled).
pub struct JoinHandle<T> {
    packet: Arc<Packet<T>>,
    taken: bool,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(packet: Arc<Packet<T>>) -> Self {
        JoinHandle { packet, taken: false }
    }

    /// Waits for the thread's end; its value.
    ///
    /// ```
    /// use raddle::JoinError;
    /// let thread = raddle::spawn("clerk", || -> i32 { panic!("no such account") }).unwrap();
    /// let Err(JoinError::Panicked(panic)) = thread.join() else { panic!("it should have") };
    /// assert_eq!((panic.thread.name.as_str(), panic.message.as_str()), ("clerk", "no such account"));
    /// ```
    ///
    /// # Errors
    /// [`JoinError`]: it panicked, or was stopped before it began; or the wait ended before, because the thread waits for the
    /// caller or the caller was asked to stop.
    #[track_caller]
    pub fn join(mut self) -> Result<T, JoinError> {
        let site = Location::caller();
        self.wait_within(None, site)?;
        self.take()
    }

    /// The same for `limit` at most; `None` if the thread runs on then.
    ///
    /// What it gives, it gives once: after that, every join fails with [`JoinError::Taken`].
    ///
    /// ```
    /// use std::time::Duration;
    /// let mut sleeper = raddle::spawn("sleeper", || raddle::sleep(Duration::from_secs(3600))).unwrap();
    /// assert!(sleeper.join_timeout(Duration::from_millis(1)).is_none());
    /// sleeper.stop(None);
    /// assert!(sleeper.join_timeout(Duration::from_secs(60)).unwrap()?.is_err());
    /// # Ok::<(), raddle::JoinError>(())
    /// ```
    #[track_caller]
    pub fn join_timeout(&mut self, limit: Duration) -> Option<Result<T, JoinError>> {
        self.join_within(limit, Location::caller())
    }

    /// The same until `deadline`, for several threads that one moment holds for.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let threads = [1, 2].map(|number| raddle::spawn("doubler", move || 2 * number).unwrap());
    /// let doubled = threads.map(|mut thread| thread.join_deadline(deadline).expect("a minute is enough").unwrap());
    /// assert_eq!(doubled, [2, 4]);
    /// ```
    #[track_caller]
    pub fn join_deadline(&mut self, deadline: Instant) -> Option<Result<T, JoinError>> {
        self.join_within(deadline.saturating_duration_since(Instant::now()), Location::caller())
    }

    fn join_within(&mut self, limit: Duration, site: &'static Location<'static>) -> Option<Result<T, JoinError>> {
        match self.wait_within(Some(limit), site) {
            Ok(true) => Some(self.take()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Whether the thread has ended.
    pub(crate) fn wait_within(
        &self,
        limit: Option<Duration>,
        site: &'static Location<'static>,
    ) -> Result<bool, JoinError> {
        let thread = self.thread();
        if thread.state() == State::Ended {
            return Ok(true);
        }
        match block(thread.end(), (Call::Join, limit), site, |blocked| thread.wait_for_end(blocked)) {
            Ok(()) => Ok(true),
            Err(Halt::TimedOut | Halt::Interrupted) => Ok(false),
            Err(Halt::Deadlock(verdict) | Halt::Abandoned(verdict)) => Err(JoinError::Deadlock(verdict)),
            // It may be this thread that has the caller stopped, by its failure in a scope: the caller gets the error then.
            Err(Halt::Stopped(_)) if self.packet.came().is_some() => Ok(true),
            Err(Halt::Stopped(stopped)) => Err(JoinError::CallerStopped(stopped)),
        }
    }

    /// What came of a thread that has ended.
    fn take(&mut self) -> Result<T, JoinError> {
        let taken = std::mem::replace(&mut self.taken, true);
        match self.packet.take() {
            Some(Came::Value(value)) => Ok(value),
            Some(Came::Panic(caught)) => Err(JoinError::Panicked(Box::new(Panic::new(self.thread(), *caught)))),
            Some(Came::Stopped(stopped)) => Err(JoinError::Stopped(Box::new(stopped))),
            // By an earlier join, or by the end of its scope.
            None if taken || self.packet.delivery.is_taken() => Err(JoinError::Taken),
            None => Err(JoinError::Killed),
        }
    }

    /// Asks the thread to stop, and says why, or `None`; false if that was done before.
    ///
    /// It hears of it in the next call that has to wait, or in the one in which it waits now, and at a
    /// [`checkpoint`](crate::stop::checkpoint): those fail with [`Stopped`], now and from now on, and the thread is to return.
    ///
    /// ```
    /// use raddle::queue::{GetError, Queue};
    /// use std::sync::Arc;
    /// let jobs = Arc::new(Queue::<u32>::new());
    /// let worker = raddle::spawn("worker", { let jobs = jobs.clone(); move || jobs.get() }).unwrap();
    /// assert!(worker.stop("out of work"));
    /// let Err(GetError::Stopped(stopped)) = worker.join().unwrap() else { panic!("there was a job") };
    /// assert_eq!(stopped.to_string(), "stopped by 'main': out of work");
    /// ```
    pub fn stop<'a>(&self, reason: impl Into<Option<&'a str>>) -> bool {
        self.thread().stop(request(reason.into()))
    }

    /// What asks the thread to stop.
    pub fn token(&self) -> StopToken {
        self.thread().token().clone()
    }

    /// Where the thread is in its life.
    pub fn state(&self) -> State {
        self.thread().state()
    }

    /// How the thread ended; `None` if it has not.
    ///
    /// ```
    /// use raddle::graph::verdict::Ending;
    /// use std::time::Duration;
    /// let mut sleeper = raddle::spawn("sleeper", || drop(raddle::sleep(Duration::from_secs(3600)))).unwrap();
    /// assert_eq!(sleeper.ending(), None);
    /// sleeper.stop("morning");
    /// assert!(sleeper.join_timeout(Duration::from_secs(60)).is_some_and(|joined| joined.is_ok()));
    /// assert_eq!(sleeper.ending(), Some(Ending::Stopped("stopped by 'main': morning".to_owned())));
    /// ```
    pub fn ending(&self) -> Option<Ending> {
        self.is_finished().then(|| self.thread().ending())
    }

    /// What the thread is doing now, as far as the runtime knows.
    pub fn activity(&self) -> Activity {
        runtime().activity_of(self.thread())
    }

    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.state() == State::Ended
    }

    /// The number of the thread; never used twice in a process.
    pub fn id(&self) -> u64 {
        self.thread().serial()
    }

    /// Who started the thread, who started that one, and so on.
    pub fn lineage(&self) -> Lineage {
        self.thread().whole_lineage()
    }

    /// The thread.
    pub fn thread(&self) -> &Arc<Thread> {
        &self.packet.thread
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("thread", self.thread())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
