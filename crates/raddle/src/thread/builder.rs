//! Starting a thread from Rust.
//!
//! That a thread is started once is a matter of types: [`Unstarted::start`] takes it, and a refusal gives it back.
//!
//! A thread that is to begin later is started now and sleeps. So the system refuses it while somebody can still be told, its
//! handle is that of any other thread, and a stop takes it back. Where thousands wait for their time, an entry in a heap for
//! each is cheaper: that is what [`timer`](crate::timer) is for.
//!
//! They are threads of the standard library, not carriers: thread-local values of Rust live as long as the system's thread, so
//! one that is used again would be told from a new one.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::handle::{Came, JoinHandle, Judge, Packet};
use super::report::{OnExit, Report};
use super::{Origin, Thread, bind, current, panics};
use crate::facade::runtime;
use crate::graph::verdict::{Place, ThreadKind};
use crate::seam::{Time, thread as system};
use crate::stop::{self, Stopped};

/// How soon a step of the system's clock is noticed by a thread that waits for a time of day.
const CLOCK_LOOK: Duration = Duration::from_secs(1);

/// Starts a thread called `name`.
///
/// ```
/// let thread = raddle::spawn("adder", || 1 + 1).unwrap();
/// assert_eq!(thread.join().unwrap(), 2);
/// ```
///
/// # Errors
/// If the operating system refuses; the error has the function, to try again.
#[track_caller]
pub fn spawn<T: Send + 'static>(
    name: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StartError<T>> {
    Builder::new().name(name).spawn(f)
}

/// What a thread is to be like.
///
/// ```
/// let worker = raddle::Builder::new().name("worker").stack_size(1 << 20).spawn(|| 6 * 7)?;
/// assert_eq!(&*worker.thread().name(), "worker");
/// assert_eq!(worker.join().unwrap(), 42);
/// # Ok::<(), raddle::StartError<i32>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    name: Option<String>,
    daemon: bool,
    stack_size: Option<usize>,
    affinity: Option<Vec<usize>>,
    on_exit: OnExit,
}

impl Builder {
    /// A thread called after the place where it is started, like any other.
    pub fn new() -> Self {
        Self::default()
    }

    /// What reports and the system call it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether nobody expects it to end. A Rust program ends with `main`, whichever threads run; but of a daemon that waits
    /// for ever no report is made.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.daemon = daemon;
        self
    }

    /// The size of its stack in bytes; the standard library's default unless this is said.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// The processors that it may run on, by the system's numbers, which count from 0; those of its starter unless this is
    /// said. The start is refused if the process may use none of them, and on other systems than Linux.
    ///
    /// ```
    /// # if cfg!(not(target_os = "linux")) { return Ok(()) }
    /// let first = raddle::Builder::new().affinity(&[0]).spawn(std::thread::available_parallelism)?;
    /// assert_eq!(first.join().unwrap()?.get(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn affinity(mut self, processors: &[usize]) -> Self {
        self.affinity = Some(processors.to_vec());
        self
    }

    /// Has `hook` called by the thread itself when its function has ended, however that was, and before anybody's join of it
    /// returns. May be said several times. A panic in it is not the thread's; a call in it that waits is a stop point like any
    /// other, so after a stop it needs a [`shield`](crate::stop::shield).
    ///
    /// ```
    /// use raddle::graph::verdict::Ending;
    /// use std::sync::mpsc::channel;
    /// let (sender, receiver) = channel();
    /// let described = raddle::Builder::new().name("clerk").on_exit(move |report| sender.send(report.clone()).unwrap());
    /// let clerk = described.spawn(|| panic!("no such account"))?;
    /// assert!(clerk.join().is_err());
    /// assert_eq!(receiver.try_recv().unwrap().ending, Ending::Failed("no such account".into()));
    /// # Ok::<(), raddle::StartError<()>>(())
    /// ```
    pub fn on_exit(mut self, hook: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.on_exit.add(hook);
        self
    }

    /// A thread that will call `f` when it is started.
    ///
    /// ```
    /// let worker = raddle::Builder::new().name("worker").prepare(|| 6 * 7);
    /// assert_eq!(worker.start()?.join().unwrap(), 42);
    /// # Ok::<(), raddle::StartError<i32>>(())
    /// ```
    pub fn prepare<T: Send + 'static>(self, f: impl FnOnce() -> T + Send + 'static) -> Unstarted<T> {
        Unstarted { builder: self, f: Box::new(f) }
    }

    /// Starts a thread that calls `f`.
    ///
    /// # Errors
    /// If the operating system refuses; the error has the thread, to try again.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, StartError<T>> {
        self.prepare(f).start()
    }

    /// Makes the thread known that is about to be started at `site`.
    pub(crate) fn register(&self, site: &'static Location<'static>) -> Arc<Thread> {
        panics::listen();
        let origin = Origin::new(&current(runtime()), Some(Arc::new(*site)));
        let kind = if self.daemon { ThreadKind::Daemon } else { ThreadKind::Regular };
        let name = self.name.clone().unwrap_or_else(|| format!("{}:{}", site.file(), site.line()));
        runtime().prepare(&name, kind, origin)
    }

    /// The same for the standard library.
    pub(crate) fn system(&self, thread: &Thread) -> std::thread::Builder {
        // A name that the system cannot have is cut there.
        let name = thread.name().split('\0').next().unwrap_or_default().to_owned();
        let builder = std::thread::Builder::new().name(name);
        match self.stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }

    /// Lets `thread` run where it shall.
    fn place(&self, thread: std::thread::JoinHandle<()>) -> io::Result<()> {
        self.affinity.as_ref().map_or(Ok(()), |processors| system::set_affinity(&thread, processors))
    }
}

/// A thread that has not been started. Starting takes it, so it is not started twice.
#[must_use = "it does not run before it is started"]
pub struct Unstarted<T> {
    builder: Builder,
    f: Box<dyn FnOnce() -> T + Send>,
}

/// When a thread begins that has been started.
#[derive(Clone, Copy)]
enum Begins {
    Now,
    At(Time),
    AtTimeOfDay(SystemTime),
}

impl<T: Send + 'static> Unstarted<T> {
    /// Starts it.
    ///
    /// # Errors
    /// If the operating system refuses; the error has the thread, to try again.
    #[track_caller]
    pub fn start(self) -> Result<JoinHandle<T>, StartError<T>> {
        self.start_to_begin(Begins::Now, Location::caller())
    }

    /// Starts it so that it calls its function in `delay` from now. It sleeps until then; a stop ends it.
    ///
    /// ```
    /// use raddle::JoinError;
    /// use std::time::Duration;
    /// let soon = raddle::Builder::new().prepare(|| 6 * 7).start_after(Duration::from_millis(1))?;
    /// assert_eq!(soon.join().unwrap(), 42);
    ///
    /// let later = raddle::Builder::new().prepare(|| 6 * 7).start_after(Duration::from_secs(3600))?;
    /// later.stop("not needed");
    /// assert!(matches!(later.join(), Err(JoinError::Stopped(_))));
    /// # Ok::<(), raddle::StartError<i32>>(())
    /// ```
    ///
    /// # Errors
    /// If the operating system refuses; the error has the thread, to try again.
    #[track_caller]
    pub fn start_after(self, delay: Duration) -> Result<JoinHandle<T>, StartError<T>> {
        self.start_to_begin(Begins::At(Time::now().after(delay)), Location::caller())
    }

    /// The same for a time of day; at once if that has passed. If the system's clock is set meanwhile, what it shows counts.
    ///
    /// # Errors
    /// If the operating system refuses; the error has the thread, to try again.
    #[track_caller]
    pub fn start_at(self, time: SystemTime) -> Result<JoinHandle<T>, StartError<T>> {
        self.start_to_begin(Begins::AtTimeOfDay(time), Location::caller())
    }

    fn start_to_begin(self, begins: Begins, site: &'static Location<'static>) -> Result<JoinHandle<T>, StartError<T>> {
        let Unstarted { builder, f } = self;
        let packet = Arc::new(Packet::new(builder.register(site), Judge::LENIENT));
        // Not moved into the thread: it would be lost if the system refuses.
        let handover = Arc::new(Mutex::new(Some(f)));
        let body = {
            let (packet, handover, on_exit) = (Arc::clone(&packet), Arc::clone(&handover), builder.on_exit.clone());
            move || {
                let Some(f) = locked(&handover).take() else { return };
                let at = run(&packet, || begins.wait(), f);
                on_exit.tell(packet.thread(), at);
            }
        };
        // One that has to be placed waits for its function until it is, or never gets it.
        let unplaced = builder.affinity.is_some().then(|| locked(&handover));
        match builder.system(packet.thread()).spawn(body).and_then(|thread| builder.place(thread)) {
            Ok(()) => Ok(JoinHandle::new(packet)),
            Err(error) => {
                runtime().forget(packet.thread());
                let f = unplaced.unwrap_or_else(|| locked(&handover)).take();
                let f = f.expect("a thread that does not run has not taken its function");
                Err(StartError { error, unstarted: Unstarted { builder, f } })
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Begins {
    /// Sleeps, on the thread itself, until it is time.
    fn wait(self) -> Result<(), Stopped> {
        match self {
            Begins::Now => Ok(()),
            Begins::At(time) => stop::sleep(time.left()),
            Begins::AtTimeOfDay(time) => {
                while let Ok(left) = time.duration_since(SystemTime::now()) {
                    if left.is_zero() {
                        break;
                    }
                    stop::sleep(left.min(CLOCK_LOOK))?;
                }
                Ok(())
            }
        }
    }
}

/// The life of a thread, on itself. Where it panicked, if it did and that is known.
pub(crate) fn run<T>(
    packet: &Packet<T>,
    begin: impl FnOnce() -> Result<(), Stopped>,
    f: impl FnOnce() -> T,
) -> Option<Place> {
    let thread = packet.thread();
    bind(runtime(), thread);
    if let Err(stopped) = begin() {
        thread.set_stopped(stopped.clone());
        packet.put(Came::Stopped(stopped));
        return None;
    }
    match panics::catch(f) {
        Ok(value) => {
            note_obedience(thread);
            packet.put(Came::Value(value));
            None
        }
        Err(caught) => {
            let (message, at) = (caught.message.clone(), caught.at.clone());
            thread.set_error(message.clone());
            packet.put(Came::Panic(caught));
            runtime().tell(&runtime().died(thread, message, at.clone(), false));
            at
        }
    }
}

/// A thread that returns after one of its calls has ended because of a stop has obeyed it.
fn note_obedience(thread: &Thread) {
    if thread.blocks().has_obeyed() {
        thread.stop_requested().inspect(|stopped| thread.set_stopped((*stopped).clone()));
    }
}

impl<T> fmt::Debug for Unstarted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unstarted").field("builder", &self.builder).finish_non_exhaustive()
    }
}

/// The operating system refused a thread.
pub struct StartError<T> {
    /// What it said.
    pub error: io::Error,
    /// The thread, as it was before.
    pub unstarted: Unstarted<T>,
}

impl<T> fmt::Debug for StartError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartError").field("error", &self.error).field("unstarted", &self.unstarted).finish()
    }
}

impl<T> Display for StartError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.unstarted.builder.name.as_deref().unwrap_or("without a name");
        if let (Some(processors), io::ErrorKind::InvalidInput) = (&self.unstarted.builder.affinity, self.error.kind()) {
            return write!(
                f,
                "the thread '{name}' cannot run on {processors:?}: this process may use none of these processors"
            );
        }
        let limits = super::limits();
        write!(
            f,
            "the system refuses the thread '{name}': {} ({limits}; end some or raise the limit, then ",
            self.error
        )?;
        f.write_str("start it again: the error has it)")
    }
}

impl<T> Error for StartError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl<T> From<StartError<T>> for io::Error {
    fn from(refused: StartError<T>) -> io::Error {
        refused.error
    }
}
