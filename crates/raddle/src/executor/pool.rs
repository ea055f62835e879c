//! A pool of threads for Rust programs.

use std::any::Any;
use std::fmt::{self, Display};
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Closed, Next, Phase, RawFuture, RawPool};
use crate::error::{JoinError, message};
use crate::facade::{block, runtime};
use crate::graph::{Call, Description, Halt, Hold, Resource};
use crate::stop::Stopped;
use crate::thread::{JoinHandle, current, spawn};

type Job = Box<dyn FnOnce(u64) + Send>;

/// Threads that carry out jobs.
///
/// They are started as they are needed, and they end when the pool has been shut down or dropped and no job is left.
///
/// ```
/// let pool = raddle::Pool::builder("resize").workers(4).build();
/// let task = pool.submit(|| 6 * 7)?;
/// assert_eq!(task.join().unwrap(), 42);
/// let squares: Vec<_> = pool.map(1..4, |n| n * n)?.map(Result::unwrap).collect();
/// assert_eq!(squares, [1, 4, 9]);
/// pool.shutdown()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    shop: Arc<Shop>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shop {
    name: String,
    most: usize,
    raw: RawPool<Job>,
}

/// See [`Pool::builder`].
#[derive(Debug)]
pub struct Builder {
    name: String,
    most: usize,
}

impl Builder {
    /// How many threads there may be; as many as the machine has processors unless this is said.
    pub fn workers(mut self, most: usize) -> Builder {
        self.most = most.max(1);
        self
    }

    /// The pool, without a thread yet.
    pub fn build(self) -> Pool {
        let shop = Shop { name: self.name, most: self.most, raw: RawPool::default() };
        Pool { shop: Arc::new(shop), threads: Mutex::default() }
    }
}

impl Pool {
    /// Describes a pool whose threads are called `name-0`, `name-1`, ...
    pub fn builder(name: &str) -> Builder {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        Builder { name: name.to_owned(), most }
    }

    /// Has `f` called by one of the threads.
    ///
    /// # Errors
    /// If the operating system refuses the first thread, or the pool has been shut down (`ErrorKind::BrokenPipe`).
    #[track_caller]
    pub fn submit<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> io::Result<Task<T>> {
        let core = Arc::new(Core { raw: RawFuture::default(), shop: Arc::clone(&self.shop) });
        let slot: Slot<T> = Arc::default();
        let job: Job = Box::new({
            let (core, slot) = (Arc::clone(&core), Arc::clone(&slot));
            move |serial| carry_out(&core, &slot, serial, f)
        });
        match self.shop.raw.submit(job, self.shop.most) {
            Ok(false) => {}
            Ok(true) => self.hire()?,
            Err(Closed(_)) => return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the pool has been shut down")),
        }
        Ok(Task { core, slot })
    }

    /// Has `f` called with every one of `items`; gives the values in their order, waiting for each.
    ///
    /// All are submitted at once. Those that have not begun are cancelled when the iterator is dropped.
    ///
    /// # Errors
    /// As [`submit`](Pool::submit).
    #[track_caller]
    pub fn map<I, T, F>(&self, items: I, f: F) -> io::Result<impl Iterator<Item = Result<T, TaskError>> + use<I, T, F>>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        T: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        let submit = |item| {
            let f = Arc::clone(&f);
            self.submit(move || f(item)).map(|task| Unasked(Some(task)))
        };
        let tasks = items.into_iter().map(submit).collect::<io::Result<Vec<_>>>()?;
        Ok(tasks.into_iter().map(Unasked::join))
    }

    /// Refuses jobs from now on, and waits until those there are have been done and the threads have ended.
    ///
    /// # Errors
    /// [`Stopped`] if the calling thread has to stop before that; the jobs go on, and it may be called again.
    #[track_caller]
    pub fn shutdown(&self) -> Result<(), Stopped> {
        let site = Location::caller();
        self.shop.raw.close();
        loop {
            let mut threads = self.take_threads();
            if threads.is_empty() {
                return Ok(());
            }
            while let Some(thread) = threads.last() {
                if let Err(JoinError::CallerStopped(stopped)) = thread.wait_within(None, site) {
                    self.threads.lock().unwrap_or_else(PoisonError::into_inner).append(&mut threads);
                    return Err(*stopped);
                }
                threads.pop();
            }
        }
    }

    /// The threads, as far as nobody has taken them; one more for a job whose submit has not hired one yet.
    #[track_caller]
    fn take_threads(&self) -> Vec<JoinHandle<()>> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shop.raw.workers() == 0 && !self.shop.raw.is_empty() {
            // If that fails, it does for that submit as well.
            let _ = self.hire_among(&mut threads);
        }
        std::mem::take(&mut *threads)
    }

    /// A thread for the jobs that wait, if one is wanted still. The caller's job stays if the system refuses and others
    /// will get to it.
    #[track_caller]
    fn hire(&self) -> io::Result<()> {
        self.hire_among(&mut self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[track_caller]
    fn hire_among(&self, threads: &mut Vec<JoinHandle<()>>) -> io::Result<()> {
        let shop = Arc::clone(&self.shop);
        if !shop.raw.hire(shop.most) {
            return Ok(());
        }
        let name = format!("{}-{}", shop.name, threads.len());
        let started = spawn(&name, move || work(&shop.raw));
        match started {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                self.shop.raw.dismiss();
                return if self.shop.raw.workers() > 0 { Ok(()) } else { Err(error.into()) };
            }
        }
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shop.raw.close();
    }
}

fn work(pool: &RawPool<Job>) {
    let serial = current(runtime()).serial();
    let mut worker = pool.work(serial);
    loop {
        match worker.look() {
            Next::Job(job) => job(serial),
            Next::Nudged => {}
            Next::Closed => return,
            Next::Nothing => {
                let site = Location::caller();
                let waited = block(Arc::new(Idle), (Call::Wait, None), site, |blocked| worker.wait(blocked));
                if waited.is_err() {
                    return;
                }
            }
        }
    }
}

/// What a worker waits for that has nothing to do.
#[derive(Debug)]
struct Idle;

impl Resource for Idle {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn can_be_left(&self) -> bool {
        false
    }

    fn describe(&self) -> Description {
        Description { kind: "Pool".into(), name: "a job".into(), ..Description::default() }
    }
}

type Payload = Box<dyn Any + Send>;
type Slot<T> = Arc<Mutex<Option<Result<T, Payload>>>>;

/// What a task's job and its owner both know, but for the value.
#[derive(Debug)]
struct Core {
    raw: RawFuture,
    shop: Arc<Shop>,
}

impl Resource for Core {
    fn holder(&self) -> Option<Hold> {
        self.raw.runner()
    }

    fn helpers(&self, _: &dyn Fn(u64) -> bool) -> Vec<Vec<u64>> {
        let pending = self.raw.phase() == Phase::Pending;
        pending.then(|| self.shop.raw.all_busy()).flatten().into_iter().collect()
    }

    fn describe(&self) -> Description {
        Description { kind: "Task".into(), name: format!("of pool {}", self.shop.name), ..Description::default() }
    }
}

fn carry_out<T>(core: &Core, slot: &Slot<T>, serial: u64, f: impl FnOnce() -> T) {
    if core.raw.begin(serial) != Ok(true) {
        return;
    }
    let value = catch_unwind(AssertUnwindSafe(f));
    if let Ok(claim) = core.raw.claim() {
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        claim.publish();
    }
}

/// What will come of a job. Dropping it lets the job go on.
#[derive(Debug)]
pub struct Task<T> {
    core: Arc<Core>,
    slot: Slot<T>,
}

/// Why a job gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskError {
    /// It was cancelled before it began.
    Cancelled,
    /// It panicked; what it said, if that was text.
    Panicked(String),
    /// The thread that waited for it was asked to stop. The job goes on.
    Stopped(Box<Stopped>),
}

impl Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Cancelled => f.write_str("the task was cancelled before it began"),
            TaskError::Panicked(message) => write!(f, "the task panicked: {message}"),
            TaskError::Stopped(stopped) => write!(f, "{stopped}, while waiting for a task, which goes on"),
        }
    }
}

impl std::error::Error for TaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let TaskError::Stopped(stopped) = self { Some(&**stopped) } else { None }
    }
}

impl<T> Task<T> {
    /// Waits for the value. A wait for a job that stands behind the caller's own in a full pool never ends: that is told
    /// to [`on_verdict`](crate::on_verdict) as `RD001`.
    ///
    /// # Errors
    /// If it was cancelled, or panicked; or if the calling thread has to stop before it is done.
    #[track_caller]
    pub fn join(self) -> Result<T, TaskError> {
        self.wait(None).unwrap_or(Err(TaskError::Cancelled))
    }

    /// The same for `limit` at most; gives the task back if it is not done by then.
    ///
    /// ```
    /// use std::time::Duration;
    /// let pool = raddle::Pool::builder("slow").build();
    /// let task = pool.submit(|| std::thread::sleep(Duration::from_millis(200)))?;
    /// let task = task.join_for(Duration::from_millis(1)).expect_err("it is not done");
    /// assert_eq!(task.join(), Ok(()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The task.
    #[track_caller]
    pub fn join_for(self, limit: Duration) -> Result<Result<T, TaskError>, Task<T>> {
        self.wait(Some(limit))
    }

    #[track_caller]
    fn wait(self, limit: Option<Duration>) -> Result<Result<T, TaskError>, Task<T>> {
        let core = Arc::clone(&self.core);
        if !core.raw.phase().is_over() {
            let site = Location::caller();
            match block(self.core.clone(), (Call::Result, limit), site, |blocked| core.raw.wait(blocked)) {
                Err(Halt::TimedOut) => return Err(self),
                Err(Halt::Stopped(stopped)) => return Ok(Err(TaskError::Stopped(stopped))),
                _ => {}
            }
        }
        let value = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(match value {
            Some(Ok(value)) => Ok(value),
            Some(Err(payload)) => Err(TaskError::Panicked(message(payload.as_ref()))),
            None => Err(TaskError::Cancelled),
        })
    }

    /// Cancels it, unless it has begun: whether it is cancelled now.
    ///
    /// ```
    /// let pool = raddle::Pool::builder("one").workers(1).build();
    /// let (hold, held) = std::sync::mpsc::channel::<()>();
    /// let first = pool.submit(move || held.recv())?;
    /// let second = pool.submit(|| 1)?;
    /// assert!(second.cancel());
    /// drop(hold);
    /// assert_eq!(second.join(), Err(raddle::TaskError::Cancelled));
    /// # drop(first);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.core.raw.cancel().is_ok()
    }

    /// Whether there is nothing to wait for any more.
    pub fn is_done(&self) -> bool {
        self.core.raw.phase().is_over()
    }
}

/// A task that nobody will ask for once this is gone.
#[derive(Debug)]
struct Unasked<T>(Option<Task<T>>);

impl<T> Unasked<T> {
    #[track_caller]
    fn join(mut self) -> Result<T, TaskError> {
        self.0.take().map_or(Err(TaskError::Cancelled), Task::join)
    }
}

impl<T> Drop for Unasked<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.cancel();
        }
    }
}
