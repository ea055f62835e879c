//! The default runtime, for Rust programs.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use crate::error::Panic;
use crate::graph::verdict::Verdict;
use crate::graph::{Blocked, Call, Interrupt, Resource, Sleeper};
use crate::runtime::{Host, Runtime};
use crate::seam::{Parker, Time, Woken};
use crate::thread::{Thread, current};

type Hook<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// Those who have asked to be told.
struct Hooks<T>(RwLock<Vec<Hook<T>>>);

static VERDICTS: Hooks<Verdict> = Hooks(RwLock::new(Vec::new()));
static UNHANDLED: Hooks<Panic> = Hooks(RwLock::new(Vec::new()));
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new(Box::new(RustHost)));

#[derive(Debug)]
struct RustHost;

impl Host for RustHost {
    fn told(&self, verdict: &Verdict) {
        VERDICTS.all().iter().for_each(|hook| hook(verdict));
    }

    fn may_be_woken_from_outside(&self, known_threads: usize) -> bool {
        crate::seam::os_threads() > known_threads
    }

    fn adopted(&self, thread: &Thread) {
        thread.rename(std::thread::current().name().unwrap_or("unnamed"));
    }
}

impl<T> Hooks<T> {
    fn add(&self, hook: Hook<T>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    /// A copy: a hook may add another one.
    fn all(&self) -> Vec<Hook<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The runtime that the types of this crate use.
pub fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// Calls `hook` with everything that the runtime finds out, on the thread that found it.
///
/// ```
/// raddle::on_verdict(|verdict| eprintln!("{}", verdict.code().id()));
/// ```
pub fn on_verdict(hook: impl Fn(&Verdict) + Send + Sync + 'static) {
    VERDICTS.add(Arc::new(hook));
}

/// Calls `hook` with every panic of a thread of this crate that nobody takes any more: the thread has no
/// [`JoinHandle`](crate::JoinHandle) left, and nobody has joined it. Once for each, on the thread that dropped the last handle,
/// or on the one that panicked if that was before.
///
/// That the thread died was told to [`on_verdict`] at that moment, as `RD003`, whoever may come for it later; a program
/// wants one of the two. A panic of the hook itself is not passed on.
///
/// ```
/// use std::sync::mpsc::channel;
/// let (sender, receiver) = channel();
/// raddle::on_unhandled(move |panic| sender.send(panic.to_string()).unwrap());
///
/// drop(raddle::spawn("forgotten", || panic!("no such account")).unwrap());
/// assert!(receiver.recv().unwrap().starts_with("thread 'forgotten' panicked: no such account (started by 'main' at "));
///
/// let joined = raddle::spawn("joined", || panic!("no such account")).unwrap();
/// assert!(joined.join().is_err());
/// assert!(receiver.try_recv().is_err());
/// ```
pub fn on_unhandled(hook: impl Fn(&Panic) + Send + Sync + 'static) {
    UNHANDLED.add(Arc::new(hook));
}

/// Nobody takes `panic` any more. May be called in the middle of another panic.
pub(crate) fn unhandled(panic: &Panic) {
    for hook in UNHANDLED.all() {
        let _ = catch_unwind(AssertUnwindSafe(|| hook(panic)));
    }
}

/// Sleeps as any Rust thread does.
struct Plain;

impl Sleeper for Plain {
    fn sleep(&mut self, parker: &Parker, deadline: Option<Time>) -> Result<Woken, Interrupt> {
        Ok(parker.park(deadline))
    }
}

/// Runs a blocking call of a raw form on the default runtime, for the calling thread.
pub(crate) fn block<T, E>(
    resource: Arc<dyn Resource>,
    (call, limit): (Call, Option<Duration>),
    site: &'static Location<'static>,
    wait: impl FnOnce(&mut Blocked<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let me = current(runtime());
    let deadline = limit.map(|limit| Time::now().after(limit));
    let mut sleeper = Plain;
    let mut blocked = Blocked::new((runtime(), &me), &mut sleeper, (call, deadline), resource, Some(Arc::new(*site)));
    wait(&mut blocked).inspect_err(|_| blocked.has_failed())
}
