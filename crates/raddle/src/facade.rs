//! The default runtime, for Rust programs.

use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use crate::error::{LockError, Panic};
use crate::graph::verdict::{Verdict, Whereabouts};
use crate::graph::{Blocked, Call, Halt, Interrupt, Resource, Site, Sleeper};
use crate::observe::recording::Recorder;
use crate::observe::recording::format::Note;
use crate::runtime::{Host, Runtime};
use crate::seam::{Parker, Time, Woken};
use crate::stop::Stopped;
use crate::thread::{self, ShutdownCallback, Thread};

type Hook<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// Those who have asked to be told, with their keys.
struct Hooks<T>(RwLock<Vec<(u64, Hook<T>)>>);

/// Somebody who has asked to be told by [`on_verdict`] or [`on_unhandled`]. Dropping it leaves the hook in place.
#[derive(Clone, Copy, Debug)]
pub struct HookHandle {
    key: u64,
    remove: fn(u64) -> bool,
}

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
        crate::seam::os_threads() > known_threads + RUNTIME.samplers()
    }

    fn adopted(&self, thread: &Thread) {
        thread.rename(std::thread::current().name().unwrap_or("unnamed"));
    }
}

impl<T> Hooks<T> {
    fn add(&self, hook: Hook<T>, remove: fn(u64) -> bool) -> HookHandle {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let key = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.write().unwrap_or_else(PoisonError::into_inner).push((key, hook));
        HookHandle { key, remove }
    }

    fn remove(&self, key: u64) -> bool {
        let mut hooks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let place = hooks.iter().position(|(other, _)| *other == key);
        let hook = place.map(|place| hooks.remove(place));
        // Dropped outside the lock: it may own something of the program's.
        drop(hooks);
        hook.is_some()
    }

    /// A copy: a hook may add another one.
    fn all(&self) -> Vec<Hook<T>> {
        let hooks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        hooks.iter().map(|(_, hook)| Arc::clone(hook)).collect()
    }
}

impl HookHandle {
    /// Takes the hook back; false if that was done before. It may be running on another thread at this moment.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// static DEATHS: AtomicUsize = AtomicUsize::new(0);
    /// let hook = raddle::on_verdict(|_| drop(DEATHS.fetch_add(1, Ordering::Relaxed).to_string()));
    /// assert!(raddle::spawn("one", || panic!()).unwrap().join().is_err());
    /// assert!(hook.remove() && !hook.remove());
    /// assert!(raddle::spawn("another", || panic!()).unwrap().join().is_err());
    /// assert_eq!(DEATHS.load(Ordering::Relaxed), 1);
    /// ```
    pub fn remove(&self) -> bool {
        (self.remove)(self.key)
    }
}

/// The calling thread. One that this crate did not start becomes known by this.
///
/// ```
/// let clerk = raddle::spawn("clerk", || raddle::current().name()).unwrap();
/// assert_eq!(&*clerk.join()?, "clerk");
/// assert_eq!(&*raddle::current().name(), "main");
/// # Ok::<(), raddle::JoinError>(())
/// ```
pub fn current() -> Arc<Thread> {
    thread::current(runtime())
}

/// The threads that this crate knows of and that have not ended, the oldest first. Who started each is its
/// [`lineage`](Thread::whole_lineage).
///
/// ```
/// let gate = std::sync::Arc::new(raddle::Event::new());
/// let clerk = raddle::spawn("clerk", { let gate = gate.clone(); move || gate.wait() }).unwrap();
/// let names: Vec<_> = raddle::threads().iter().map(|thread| thread.name().to_string()).collect();
/// assert_eq!(names, ["main", "clerk"]);
/// gate.set();
/// # clerk.join()?.unwrap();
/// # Ok::<(), raddle::JoinError>(())
/// ```
pub fn threads() -> Vec<Arc<Thread>> {
    runtime().threads()
}

/// The runtime that the types of this crate use.
pub fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// Records what every thread of this crate does from now on, in a new file of `bytes` bytes: `raddle report FILE` and
/// `raddle postmortem FILE` read it, also while the program runs and after it was killed. Where there is too little room, the latest
/// events are kept. A program that does not end by [`shutdown`] looks as if it had been killed. What is found out is told to
/// [`on_verdict`], and is not in the file.
///
/// # Errors
/// What keeps the file from being made: no right to, no room, a size below [`SMALLEST`](crate::observe::recording::SMALLEST);
/// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the program is recorded already.
///
/// ```
/// let file = std::env::temp_dir().join(format!("bank-{}.rec", std::process::id()));
/// raddle::record(&file, 4 << 20)?;
/// raddle::spawn("clerk", || ()).unwrap().join().unwrap();
///
/// let recording = raddle_report::Recording::read(&std::fs::read(&file)?).unwrap();
/// assert_eq!(recording.threads[1].thread.name, "clerk");
/// # std::fs::remove_file(file)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn record(file: impl AsRef<Path>, bytes: u64) -> io::Result<()> {
    if runtime().recorder().is_some() {
        return Err(recorded_already());
    }
    let recorder = Recorder::create(file.as_ref(), bytes)?;
    let arguments: Vec<_> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    recorder.note(&Note::Program { text: arguments.join(" ") });
    // The calling thread is to be in it from the start.
    current();
    runtime().record(recorder).map_err(|_| recorded_already())?;
    runtime().sample(None);
    Ok(())
}

fn recorded_already() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "the program is recorded already (call raddle::record once, early in main)",
    )
}

/// Calls `hook` with everything that the runtime finds out, on the thread that found it.
///
/// ```
/// raddle::on_verdict(|verdict| eprintln!("{}", verdict.code().id()));
/// ```
pub fn on_verdict(hook: impl Fn(&Verdict) + Send + Sync + 'static) -> HookHandle {
    VERDICTS.add(Arc::new(hook), |key| VERDICTS.remove(key))
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
/// let told = receiver.recv().unwrap();
/// assert!(told.starts_with("thread 'forgotten' panicked at ") && told.contains(": no such account (started by 'main' at "));
///
/// let joined = raddle::spawn("joined", || panic!("no such account")).unwrap();
/// assert!(joined.join().is_err());
/// assert!(receiver.try_recv().is_err());
/// ```
pub fn on_unhandled(hook: impl Fn(&Panic) + Send + Sync + 'static) -> HookHandle {
    UNHANDLED.add(Arc::new(hook), |key| UNHANDLED.remove(key))
}

/// Nobody takes `panic` any more. May be called in the middle of another panic.
pub(crate) fn unhandled(panic: &Panic) {
    for hook in UNHANDLED.all() {
        let _ = catch_unwind(AssertUnwindSafe(|| hook(panic)));
    }
}

/// Has `callback` called by [`shutdown`], before any thread is asked to stop; the latest first.
///
/// ```
/// use raddle::Event;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let enough = Arc::new(Event::new());
/// let worker = raddle::spawn("worker", { let enough = Arc::clone(&enough); move || enough.wait() }).unwrap();
/// raddle::on_shutdown(move || enough.set());
/// assert!(raddle::shutdown(Duration::from_secs(10)).is_empty());
/// worker.join().unwrap();
/// ```
pub fn on_shutdown(callback: impl FnOnce() + Send + 'static) -> ShutdownCallback {
    runtime().on_shutdown(callback)
}

/// Ends the program's threads in order: calls what was given to [`on_shutdown`], asks every thread that this crate started to
/// stop, and waits until all have ended or `grace` is over. Who is left then, what it waits for, and who started it where.
///
/// To be called at the end of `main`, which would end all of them in the middle of whatever they do.
///
/// ```
/// use raddle::Mutex;
/// use std::{sync::Arc, thread::sleep, time::Duration};
///
/// let ledger = Arc::new(Mutex::named("ledger", ()));
/// let guard = ledger.lock()?;
/// raddle::spawn("clerk", { let ledger = Arc::clone(&ledger); move || assert!(ledger.lock().is_err(), "stopped") }).unwrap();
/// raddle::spawn("deaf", || sleep(Duration::from_secs(3600))).unwrap();
/// let left = raddle::shutdown(Duration::from_millis(200));
/// assert_eq!(left.len(), 1);
/// assert_eq!(left[0].thread.name, "deaf");
/// # drop(guard);
/// # Ok::<(), raddle::LockError>(())
/// ```
#[track_caller]
pub fn shutdown(grace: Duration) -> Vec<Whereabouts> {
    let site = Location::caller();
    runtime().run_shutdown_callbacks();
    let me = current();
    let stopped = Stopped {
        reason: Some("the program ends".into()),
        requested_by: me.name(),
        requested_at: Time::now(),
        block: 0,
    };
    let all = runtime().others(&me).into_iter().map(|thread| (thread, grace)).collect();
    let awaits = |thread: &Arc<Thread>, until: Time| {
        let ended = block(thread.end(), (Call::Exit, Some(until.left())), site, |blocked| thread.wait_for_end(blocked));
        Ok::<_, Infallible>(ended.is_ok())
    };
    let left = runtime().let_go(all, &stopped, awaits);
    runtime().end_sampling();
    runtime().recorder().inspect(|recorder| recorder.end());
    match left {
        Ok(left) => left,
        Err(never) => match never {},
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
    let me = current();
    let deadline = limit.map(|limit| Time::now().after(limit));
    let mut sleeper = Plain;
    let mut blocked = Blocked::new((runtime(), &me), &mut sleeper, (call, deadline), resource, Some(Arc::new(*site)));
    wait(&mut blocked).inspect_err(|_| blocked.has_failed())
}

/// The same for a lock, whose holder is named when the time is up.
pub(crate) fn block_for_lock<T>(
    resource: Arc<dyn Resource>,
    (call, limit): (Call, Option<Duration>),
    site: &'static Location<'static>,
    wait: impl FnOnce(&mut Blocked<'_>) -> Result<T, Halt>,
) -> Result<T, LockError> {
    let since = Time::now();
    block(Arc::clone(&resource), (call, limit), site, wait).map_err(|halt| {
        let me = || current().info();
        let timed = (since, limit.is_some());
        LockError::of(halt, || runtime().describe_call(me(), (call, site.place()), &*resource, timed))
    })
}
