//! Jobs for Rust programs, on the default runtime.

use std::fmt::{self, Display};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Crew, End, Missed, Moment, Now, RawJob, Rules, Stats, Task};
use crate::error::message;
use crate::facade::{block, runtime};
use crate::graph::verdict::ThreadKind;
use crate::graph::{Call, Halt, Site};
use crate::seam::Time;
use crate::thread::{Origin, Role, bind, current, unbind};

/// By how much the run of [`at`] may be late, unless [`At::misfire_grace`] says something else.
const MISFIRE_GRACE: Duration = Duration::from_secs(60);

/// From one run to the next: what is due sooner after one another is done together anyway.
const SHORTEST: Duration = Duration::from_millis(1);

type Work = Box<dyn FnOnce() + Send>;

static CREW: LazyLock<Arc<Crew<Work>>> = LazyLock::new(|| Crew::new(runtime().timers(), send));

/// Sends a worker: a carrier, under a name of its own in reports.
fn send() -> io::Result<()> {
    let reserved = runtime().carriers().reserve(0)?;
    reserved.run(Box::new(|mut over| {
        let worker = runtime().prepare("timer-worker", ThreadKind::Daemon, Origin::of_runtime("timer"));
        worker.set_role(Role::Timer);
        bind(runtime(), &worker);
        CREW.worker().for_each(|work| work());
        over.announce();
        unbind();
    }));
    Ok(())
}

/// Something that is done at a moment, or again and again. Dropping it lets it go on.
///
/// See [`after`], [`at`] and [`every`]. A job does not keep the process alive, and in the child of a fork it does nothing.
#[derive(Clone)]
pub struct Job {
    raw: Arc<RawJob>,
    f: Shared<Arc<dyn Fn() + Send + Sync>>,
    last_error: Shared<String>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("raw", &self.raw).finish_non_exhaustive()
    }
}

/// Why a job did not come to a good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobError {
    /// It was cancelled.
    Cancelled,
    /// Its last run that ended panicked; what it said, if that was text.
    Panicked(String),
    /// Its only run could not begin in time.
    Missed {
        /// When it was due.
        due: SystemTime,
        /// How late it was when that was found.
        late: Duration,
    },
    /// It belongs to the process that this one was forked from.
    LeftBehind,
    /// The wait for its end would never have ended.
    Deadlock,
}

impl Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Cancelled => f.write_str("the job was cancelled"),
            JobError::Panicked(message) => write!(f, "the last run of the job panicked: {message}"),
            JobError::Missed { late, .. } => write!(
                f,
                "the job was due {:.1} s before it could begin, which is more than its misfire grace (give it a longer one)",
                late.as_secs_f64()
            ),
            JobError::LeftBehind => f.write_str("the job was left in the parent of a fork"),
            JobError::Deadlock => f.write_str("the job waits for the thread that waits for its end"),
        }
    }
}

impl std::error::Error for JobError {}

/// Calls `f` once, after `delay`, on a thread of the runtime's.
///
/// ```
/// use raddle::timer;
/// use std::{sync::mpsc::channel, time::{Duration, Instant}};
///
/// let (sender, receiver) = channel();
/// let begun = Instant::now();
/// let job = timer::after(Duration::from_millis(20), move || sender.send("done").unwrap())?;
/// assert_eq!(receiver.recv().unwrap(), "done");
/// assert!(begun.elapsed() >= Duration::from_millis(20));
/// assert_eq!(job.join(), Ok(()));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If the operating system refuses the timers a thread.
#[track_caller]
pub fn after(delay: Duration, f: impl FnOnce() + Send + 'static) -> io::Result<Job> {
    let once = Mutex::new(Some(f));
    let rules = Rules::once(Moment::Monotonic(Time::now().after(delay)));
    start("timer::after", rules, move || take(&once).into_iter().for_each(|f| f()))
}

/// Calls `f` once, when the clock on the wall says `when`: sooner or later than it would now if that is set meanwhile.
///
/// A moment that has passed is one that has just come, if it is not further back than 60 s; say more by [`At`]. Else the
/// job is over at once, and [`join`](Job::join) says that it was missed.
///
/// ```
/// use raddle::timer::{self, At, JobError};
/// use std::time::{Duration, SystemTime};
///
/// let hour = Duration::from_secs(3600);
/// timer::at(SystemTime::now(), || ())?.join().unwrap();
/// let missed = timer::at(SystemTime::now() - hour, || unreachable!())?;
/// assert!(matches!(missed.join(), Err(JobError::Missed { .. })));
/// let late = timer::at(At::new(SystemTime::now() - hour).misfire_grace(2 * hour), || ())?;
/// assert_eq!(late.join(), Ok(()));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If the operating system refuses the timers a thread.
#[track_caller]
pub fn at(when: impl Into<At>, f: impl FnOnce() + Send + 'static) -> io::Result<Job> {
    let At { when, grace } = when.into();
    let once = Mutex::new(Some(f));
    let rules = Rules { misfire_grace: Some(grace), ..Rules::once(when.into()) };
    start("timer::at", rules, move || take(&once).into_iter().for_each(|f| f()))
}

/// A moment, and how late is too late; see [`at`].
#[derive(Clone, Copy, Debug)]
pub struct At {
    when: SystemTime,
    grace: Duration,
}

impl At {
    /// `when`, or up to 60 s later.
    pub fn new(when: SystemTime) -> At {
        At { when, grace: MISFIRE_GRACE }
    }

    /// By how much the run may be late.
    pub fn misfire_grace(self, grace: Duration) -> At {
        At { grace, ..self }
    }
}

impl From<SystemTime> for At {
    fn from(when: SystemTime) -> At {
        At::new(when)
    }
}

/// Calls `f` again and again, on threads of the runtime's.
///
/// The n-th run is due n intervals after the call, however long the runs before took: there is no drift. A panic ends its
/// run, not the job.
///
/// ```
/// use raddle::timer::{self, Every, Missed};
/// use std::{sync::atomic::{AtomicU32, Ordering}, time::{Duration, Instant}};
///
/// static TICKS: AtomicU32 = AtomicU32::new(0);
/// let begun = Instant::now();
/// let every = Every::new(Duration::from_millis(10)).missed(Missed::CatchUp).times(5);
/// let job = timer::every(every, || drop(TICKS.fetch_add(1, Ordering::Relaxed)))?;
/// assert_eq!(job.join(), Ok(()));
/// assert!(begun.elapsed() >= Duration::from_millis(50));
/// assert_eq!((TICKS.load(Ordering::Relaxed), job.stats().runs), (5, 5));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If the interval is below 1 ms or the jitter longer than it (`ErrorKind::InvalidInput`), or if the operating system refuses the
/// timers a thread.
#[track_caller]
pub fn every(every: Every, f: impl Fn() + Send + Sync + 'static) -> io::Result<Job> {
    let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    let Every { interval, first, mut rules } = every;
    if interval < SHORTEST {
        return invalid(format!("the interval must be {SHORTEST:?} or longer, it is {interval:?}"));
    }
    if rules.jitter > interval {
        let jitter = rules.jitter;
        return invalid(format!("the jitter must not be longer than the interval, {interval:?}; it is {jitter:?}"));
    }
    rules.first = first.unwrap_or_else(|| Moment::Monotonic(Time::now().after(interval)));
    start("timer::every", rules, f)
}

/// How often something is done, and what becomes of a run that could not begin when it was due; see [`every`].
#[derive(Clone, Debug)]
pub struct Every {
    interval: Duration,
    first: Option<Moment>,
    rules: Rules,
}

impl Every {
    /// Every `interval`, for the first time after one.
    pub fn new(interval: Duration) -> Every {
        let seed = RandomState::new().hash_one(interval);
        let once = Rules::once(Moment::Monotonic(Time::from_nanos(0)));
        let rules = Rules { every: interval, times: u64::MAX, seed, ..once };
        Every { interval, first: None, rules }
    }

    /// When the first run is due. The others follow it on the clock on the wall, whatever that is set to.
    pub fn first(self, when: SystemTime) -> Every {
        Every { first: Some(when.into()), ..self }
    }

    /// The first run is due now.
    pub fn at_once(self) -> Every {
        Every { first: Some(Moment::Monotonic(Time::now())), ..self }
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Every {
        change(&mut self.rules);
        self
    }

    /// What becomes of runs that could not begin when they were due; [`Missed::Coalesce`] unless this is said.
    pub fn missed(self, missed: Missed) -> Every {
        self.with(|rules| rules.missed = missed)
    }

    /// By how much a run may be late; any time unless this is said.
    pub fn misfire_grace(self, grace: Duration) -> Every {
        self.with(|rules| rules.misfire_grace = Some(grace))
    }

    /// Each run is due up to `most` later than it would be, by chance, so that many processes do not do the same at once.
    pub fn jitter(self, most: Duration) -> Every {
        self.with(|rules| rules.jitter = most)
    }

    /// How many runs may be under way at the same time; one unless this is said.
    pub fn max_instances(self, most: usize) -> Every {
        self.with(|rules| rules.max_instances = most.max(1))
    }

    /// How many runs begin before the job is over.
    pub fn times(self, times: u64) -> Every {
        self.with(|rules| rules.times = times)
    }

    /// No run is due after `when`.
    pub fn until(self, when: SystemTime) -> Every {
        self.with(|rules| rules.until = Some(when.into()))
    }
}

type Shared<T> = Arc<Mutex<Option<T>>>;

/// Has the crew carry out the runs of one job.
struct Runs {
    /// Taken away when the job is over, so that what it keeps is dropped by a worker.
    f: Shared<Arc<dyn Fn() + Send + Sync>>,
    last_error: Shared<String>,
    site: &'static Location<'static>,
}

impl Task for Runs {
    fn begin(&self, job: &Arc<RawJob>) {
        let (job, f, last_error) = (Arc::clone(job), Arc::clone(&self.f), Arc::clone(&self.last_error));
        let site = self.site;
        CREW.push(Box::new(move || run(&job, &f, &last_error, site)));
    }

    fn over(&self, _: &Arc<RawJob>) {
        let f = Arc::clone(&self.f);
        CREW.push(Box::new(move || drop(take(&f))));
    }
}

fn run(
    job: &Arc<RawJob>,
    f: &Shared<Arc<dyn Fn() + Send + Sync>>,
    last: &Shared<String>,
    site: &'static Location<'static>,
) {
    let Some(run) = lock(f).clone() else { return };
    job.runs_on(current(runtime()).serial());
    let failed = catch_unwind(AssertUnwindSafe(|| run())).inspect_err(|payload| {
        let text = message(payload.as_ref());
        runtime().tell(&runtime().died(&current(runtime()), text.clone(), site.place(), false));
        *lock(last) = Some(text);
    });
    drop(run);
    if job.finish(failed.is_err()) {
        drop(take(f));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<T>(mutex: &Mutex<Option<T>>) -> Option<T> {
    lock(mutex).take()
}

#[track_caller]
fn start(name: &str, rules: Rules, f: impl Fn() + Send + Sync + 'static) -> io::Result<Job> {
    let site = Location::caller();
    let (f, last_error) = (Arc::new(Mutex::new(Some(Arc::new(f) as Arc<dyn Fn() + Send + Sync>))), Arc::default());
    let task = Runs { f: Arc::clone(&f), last_error: Arc::clone(&last_error), site };
    let made = (name, Some(Arc::new(*site) as Arc<dyn Site>));
    let raw = RawJob::new(made, rules, runtime().timers(), Box::new(task));
    let job = Job { raw, f, last_error };
    let over = job.raw.start()?;
    job.forget_if(over);
    Ok(job)
}

impl Job {
    fn forget_if(&self, over: bool) {
        if over {
            drop(take(&self.f));
        }
    }

    /// Has no run begin any more; whether that changes anything. It does not if the job is over, nor if its only run has
    /// begun. What is under way goes on.
    ///
    /// ```
    /// # use raddle::timer::{self, JobError};
    /// # use std::time::Duration;
    /// let job = timer::after(Duration::from_secs(3600), || unreachable!())?;
    /// assert!(job.cancel());
    /// assert_eq!(job.join(), Err(JobError::Cancelled));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        let (news, over) = self.raw.cancel();
        self.forget_if(over);
        news
    }

    /// Has no run begin until [`resume`](Job::resume). What is under way goes on. A job that is paused does not end.
    pub fn pause(&self) {
        self.raw.pause();
    }

    /// Undoes a [`pause`](Job::pause). Runs that were due meanwhile are missed, or begin, by the job's [`Missed`].
    ///
    /// ```
    /// # use raddle::timer::{self, Every};
    /// # use std::{thread::sleep, time::Duration};
    /// let job = timer::every(Every::new(Duration::from_millis(20)).times(1), || ())?;
    /// job.pause();
    /// sleep(Duration::from_millis(70));
    /// assert_eq!((job.next_run(), job.stats().runs), (None, 0));
    /// job.resume()?;
    /// assert_eq!(job.join(), Ok(()));
    /// assert!(job.stats().missed >= 2, "one run stands for all that were due meanwhile");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the operating system refuses the timers a thread. The job is paused still.
    pub fn resume(&self) -> io::Result<()> {
        let over = self.raw.resume()?;
        self.forget_if(over);
        Ok(())
    }

    /// When the next run is due, as far as can be known now; `None` if there is none, or the job is paused.
    pub fn next_run(&self) -> Option<SystemTime> {
        self.raw.next_run().map(|(moment, now)| moment.on_the_wall(now).into())
    }

    /// How many runs there were so far.
    pub fn stats(&self) -> Stats {
        let (stats, over) = self.raw.stats();
        self.forget_if(over);
        stats
    }

    /// What the latest run that failed panicked with, if that was text.
    pub fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    /// Waits until no run is under way and none comes any more.
    ///
    /// # Errors
    /// See [`JobError`].
    #[track_caller]
    pub fn join(&self) -> Result<(), JobError> {
        self.wait(None).unwrap_or(Err(JobError::Deadlock))
    }

    /// The same for `limit` at most; `None` if it was not over by then.
    ///
    /// # Errors
    /// As [`join`](Job::join).
    #[track_caller]
    pub fn join_for(&self, limit: Duration) -> Option<Result<(), JobError>> {
        self.wait(Some(limit))
    }

    #[track_caller]
    fn wait(&self, limit: Option<Duration>) -> Option<Result<(), JobError>> {
        let resource = Arc::clone(&self.raw);
        match block(resource, (Call::Result, limit), Location::caller(), |blocked| self.raw.wait(blocked)) {
            Err(Halt::TimedOut) => return None,
            Err(_) => return Some(Err(JobError::Deadlock)),
            Ok(()) => {}
        }
        let failed = self.last_error().filter(|_| self.raw.last_failed());
        Some(match self.raw.end()? {
            End::Done => failed.map_or(Ok(()), |message| Err(JobError::Panicked(message))),
            End::Cancelled => Err(JobError::Cancelled),
            End::Missed { due, late } => Err(JobError::Missed { due: due.on_the_wall(Now::read()).into(), late }),
            End::LeftBehind => Err(JobError::LeftBehind),
        })
    }
}
