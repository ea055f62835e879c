//! Every failure as data: who, what, held by whom, since when, where.

use std::any::Any;
use std::backtrace::Backtrace;
use std::error::Error;
use std::fmt::{self, Display};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[cfg(not(loom))]
use crate::graph::Halt;
use crate::graph::verdict::{Ending, Holder, ObjectInfo, Place, ThreadInfo, Verdict, Wait};
use crate::stop::Stopped;
use crate::thread::Lineage;
#[cfg(not(loom))]
use crate::thread::{Caught, Thread};

/// Why a lock was not taken.
#[derive(Clone, Debug)]
pub enum LockError {
    /// The wait would never have ended: it closed a cycle.
    Deadlock(Box<Verdict>),
    /// The wait would never have ended: the holder is dead.
    Abandoned(Box<Verdict>),
    /// The time limit passed. The wait says what for and how long, and who held it at its end; nobody, if it was let go just
    /// then.
    TimedOut(Box<Wait>),
    /// The thread was asked to stop.
    Stopped(Box<Stopped>),
}

impl LockError {
    /// `wait` describes the wait that has ended so.
    #[cfg(not(loom))]
    pub(crate) fn of(halt: Halt, wait: impl FnOnce() -> Wait) -> LockError {
        match halt {
            Halt::Deadlock(verdict) => LockError::Deadlock(verdict),
            Halt::Abandoned(verdict) => LockError::Abandoned(verdict),
            Halt::TimedOut | Halt::Interrupted => LockError::TimedOut(Box::new(wait())),
            Halt::Stopped(stopped) => LockError::Stopped(stopped),
        }
    }

    /// The stop, if it was one.
    pub fn stopped(&self) -> Option<&Stopped> {
        if let LockError::Stopped(stopped) = self { Some(stopped) } else { None }
    }

    /// What was found out, for a report.
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            LockError::Deadlock(verdict) | LockError::Abandoned(verdict) => Some(verdict),
            LockError::TimedOut(_) | LockError::Stopped(_) => None,
        }
    }

    /// Who was in the way.
    ///
    /// ```
    /// use std::time::Duration;
    /// let ledger = raddle::Mutex::named("ledger", ());
    /// let guard = ledger.lock()?;
    /// let late = ledger.try_lock_for(Duration::from_millis(1)).err().unwrap();
    /// assert_eq!(late.holder().unwrap().thread.name, "main");
    /// assert!(late.to_string().starts_with("timed out: 'main' waited 0.00 s for Mutex 'ledger' at "));
    /// # drop(guard);
    /// # Ok::<(), raddle::LockError>(())
    /// ```
    pub fn holder(&self) -> Option<&Holder> {
        let wait = match self {
            LockError::TimedOut(wait) => Some(&**wait),
            LockError::Deadlock(verdict) | LockError::Abandoned(verdict) => match &**verdict {
                // The last one is the caller's.
                Verdict::Deadlock { cycle, .. } => cycle.waits.last(),
                Verdict::OwnerDead { wait, .. } => Some(&**wait),
                _ => None,
            },
            LockError::Stopped(_) => None,
        };
        wait?.object.holder.as_ref()
    }
}

impl Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self {
            LockError::Stopped(stopped) => return stopped.fmt(f),
            LockError::TimedOut(wait) => return write!(f, "timed out: {}", Waiting(wait, "waited")),
            LockError::Deadlock(verdict) | LockError::Abandoned(verdict) => &**verdict,
        };
        match verdict {
            Verdict::Deadlock { cycle, .. } => {
                write!(f, "deadlock: {} wait for each other", Threads(cycle.waits.len()))?;
                cycle.waits.iter().try_for_each(|wait| write!(f, "\n  {}", Waiting(wait, "waits")))
            }
            Verdict::OwnerDead { wait, .. } => write!(f, "its holder has ended: {}", Waiting(wait, "waits")),
            _ => f.write_str("the wait would never have ended"),
        }
    }
}

impl Error for LockError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.stopped().map(|stopped| stopped as &(dyn Error + 'static))
    }
}

impl From<Stopped> for LockError {
    fn from(stopped: Stopped) -> LockError {
        LockError::Stopped(Box::new(stopped))
    }
}

/// Why threads did not meet at a barrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BarrierError {
    /// Another thread broke the barrier (by an abort, a reset, a time limit of its own), before or during the wait.
    Broken,
    /// The time limit of this wait passed; that broke the barrier for the others.
    TimedOut,
    /// The thread was asked to stop; that broke the barrier for the others.
    Stopped(Box<Stopped>),
}

impl Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BarrierError::Broken => "the barrier is broken; reset() makes it whole again",
            BarrierError::TimedOut => {
                "timed out before all parties came; the barrier is broken now, reset() makes it whole"
            }
            BarrierError::Stopped(stopped) => return stopped.fmt(f),
        })
    }
}

impl Error for BarrierError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let BarrierError::Stopped(stopped) = self { Some(&**stopped) } else { None }
    }
}

/// Why a join did not give a value.
#[derive(Debug)]
pub enum JoinError {
    /// The thread panicked.
    Panicked(Box<Panic>),
    /// The thread was asked to stop before it had begun, while it waited for its time to come. One that has begun gives a
    /// value, whatever made it return.
    Stopped(Box<Stopped>),
    /// The caller was asked to stop. The thread runs on.
    CallerStopped(Box<Stopped>),
    /// The thread waits for the caller.
    Deadlock(Box<Verdict>),
    /// An earlier join has given its value or its panic.
    Taken,
    /// Something ended the thread from outside, in the middle of its function.
    Killed,
}

/// A panic that ended a thread.
///
/// ```
/// let thread = raddle::spawn("clerk", || panic!("no such account")).unwrap();
/// let Err(raddle::JoinError::Panicked(panic)) = thread.join() else { panic!("it should have") };
/// assert_eq!(panic.at.as_ref().unwrap().line, line!() - 2);
/// assert_eq!(panic.message, "no such account");
/// ```
#[derive(Debug)]
pub struct Panic {
    /// Which thread.
    pub thread: ThreadInfo,
    /// What it panicked with, if that was text.
    pub message: String,
    /// Where; `None` if the program has set a panic hook since its first thread was started that does not call the one before
    /// it, or if the panic was resumed, as by [`resume`](Panic::resume).
    pub at: Option<Place>,
    /// The calls that it was in. Captured if `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for it and the place is known.
    pub backtrace: Backtrace,
    /// Who started it, who started that one, and so on.
    pub lineage: Lineage,
    /// In a mutex only so that an error that holds it may be shared, as those of most programs must be.
    payload: Mutex<Payload>,
}

/// What a thread panicked with.
pub(crate) type Payload = Box<dyn Any + Send>;

impl Panic {
    #[cfg(not(loom))]
    pub(crate) fn new(thread: &Thread, caught: Caught) -> Panic {
        let Caught { payload, message, at, backtrace } = caught;
        let (thread, lineage) = (thread.info(), thread.whole_lineage());
        Panic { thread, message, at, backtrace, lineage, payload: Mutex::new(payload) }
    }

    /// What it panicked with.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the panic go on in the calling thread.
    ///
    /// ```
    /// use raddle::JoinError;
    /// let outer = raddle::spawn("outer", || {
    ///     let inner = raddle::spawn("inner", || panic!("no such account")).unwrap();
    ///     if let Err(JoinError::Panicked(panic)) = inner.join() { panic.resume() }
    /// }).unwrap();
    /// let Err(JoinError::Panicked(panic)) = outer.join() else { panic!("it should have") };
    /// assert_eq!(panic.message, "no such account");
    /// ```
    pub fn resume(self) -> ! {
        std::panic::resume_unwind(self.into_payload())
    }
}

/// What a panic says, if it is text.
#[cfg(not(loom))]
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without text".to_owned())
}

impl Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread '{}' panicked", self.thread.name)?;
        self.at.iter().try_for_each(|at| write!(f, " at {}:{}", at.file, at.line))?;
        write!(f, ": {}", self.message)?;
        match (&self.thread.started_by, &self.thread.started_at) {
            (Some(by), Some(at)) => write!(f, " (started by '{by}' at {}:{})", at.file, at.line),
            _ => Ok(()),
        }
    }
}

impl Error for Panic {}

impl Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked(panic) => panic.fmt(f),
            JoinError::Stopped(stopped) => write!(f, "{stopped}, before it had begun"),
            JoinError::CallerStopped(stopped) => write!(f, "{stopped}, while waiting for a thread, which runs on"),
            JoinError::Deadlock(verdict) => LockError::Deadlock(verdict.clone()).fmt(f),
            JoinError::Taken => f.write_str("an earlier join has taken what the thread gave"),
            JoinError::Killed => f.write_str("the thread was ended from outside"),
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            JoinError::Stopped(stopped) | JoinError::CallerStopped(stopped) => Some(&**stopped),
            _ => None,
        }
    }
}

/// What has become of a thread so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which thread.
    pub thread: ThreadInfo,
    /// How long ago it was started, or met.
    pub since: Duration,
    /// How long ago it ended, and how.
    pub ended: Option<(Duration, Ending)>,
}

/// A call that came at a moment at which it makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// A thread was started that had been started before.
    StartedAgain(Box<Life>),
    /// A thread was joined that had not been started.
    JoinedBeforeStart {
        /// Its name.
        name: String,
    },
    /// A thread was joined by itself.
    JoinedItself(Box<Life>),
    /// A thread was to become a daemon, or none, that had been started before.
    DaemonTooLate(Box<Life>),
    /// A lock was released that the thread did not hold.
    ReleasedUnheld(Box<Unheld>),
    /// A condition was waited for or notified without its lock.
    WithoutLock(Box<Unheld>),
    /// A lock was to be recovered whose holder has not ended, or that is free.
    NotAbandoned(Box<Unheld>),
    /// More permits were given back than had been taken.
    ReleasedTooOften {
        /// The semaphore.
        object: Box<ObjectInfo>,
        /// How many permits it has at most.
        bound: u64,
    },
    /// A thread came to a barrier that is broken, or waited there as it broke.
    Broken {
        /// The barrier.
        object: Box<ObjectInfo>,
    },
}

/// A lock that is free, or that another thread holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheld {
    /// The lock, with its holder.
    pub object: ObjectInfo,
    /// Where it was last taken, whoever did.
    pub last_taken_at: Option<Place>,
}

struct Threads(usize);

impl Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} thread{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// A wait, with a word for it.
struct Waiting<'a>(&'a Wait, &'static str);

impl Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waiting(wait, waits) = self;
        let object = &wait.object;
        write!(
            f,
            "'{}' {waits} {:.2} s for {} '{}'",
            wait.thread.name,
            wait.since.as_secs_f64(),
            object.kind,
            object.name
        )?;
        if let Some(at) = &wait.at {
            write!(f, " at {}:{}", at.file, at.line)?;
        }
        let Some(holder) = &object.holder else { return Ok(()) };
        write!(f, ", held by '{}'", holder.thread.name)?;
        if let Some(at) = &holder.taken_at {
            write!(f, " (taken at {}:{})", at.file, at.line)?;
        }
        match &holder.ended {
            Some(Ending::Failed(error)) => write!(f, ", which ended: {error}"),
            Some(Ending::Stopped(by)) => write!(f, ", which was {by}"),
            Some(Ending::Finished) => f.write_str(", which ended"),
            None => Ok(()),
        }
    }
}
