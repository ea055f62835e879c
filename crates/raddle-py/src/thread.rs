//! A thread of the program, for the Python class `Thread` to hold on to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pyo3::exceptions::PySystemExit;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use raddle::error::{Life, Misuse};
use raddle::graph::Call;
use raddle::graph::verdict::ThreadKind;
use raddle::seam::{Time, fork_generation};
use raddle::thread::{Grace, Origin, Role, Running, State, Thread};

use crate::carrier::{self, Start};
use crate::limit::{Limit, check_join};
use crate::stop::{self, StopToken};
use crate::sync::holdings;
use crate::timer::Delayed;
use crate::{detach, error, host, lifecycle, runtime, shutdown, site, threads, turns};

/// What the engine knows of a thread. Made by `start()`, in the starter.
#[pyclass(frozen, module = "raddle._raddle")]
pub(crate) struct ThreadHandle {
    thread: Arc<Thread>,
    /// In which process of a chain of forks it was started.
    generation: u32,
    /// Once it was started on a carrier.
    running: OnceLock<Running>,
    /// If it was started with a delay.
    delayed: OnceLock<Delayed>,
    /// Whether somebody holds what stands for its end, see `acquire`.
    taken: AtomicBool,
}

/// Who started a thread, and the file, line and function where.
pub(crate) type Link = (String, Option<(String, u32, String)>);

/// One link of a lineage, for Python.
pub(crate) fn link(origin: &Origin) -> Link {
    let place = origin.site.as_ref().and_then(|site| site.place());
    (origin.starter.to_string(), place.map(|place| (place.file, place.line, place.function)))
}

/// The attribute of a Python thread that stands for its end.
const END: &str = if cfg!(Py_3_14) {
    "_os_thread_handle"
} else if cfg!(Py_3_13) {
    "_handle"
} else {
    "_tstate_lock"
};

/// Sets an attribute as `object.__setattr__` does: a class's own is not called.
fn set(thread: &Bound<'_, PyAny>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: attached, and all three are alive.
    match unsafe { ffi::PyObject_GenericSetAttr(thread.as_ptr(), name.as_ptr(), value.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(thread.py())),
    }
}

fn me() -> u64 {
    raddle::thread::serial(runtime)
}

impl ThreadHandle {
    pub(crate) fn thread(&self) -> &Arc<Thread> {
        &self.thread
    }

    fn of(thread: Arc<Thread>) -> Self {
        ThreadHandle {
            thread,
            generation: fork_generation(),
            running: OnceLock::new(),
            delayed: OnceLock::new(),
            taken: AtomicBool::new(false),
        }
    }
}

#[pymethods]
impl ThreadHandle {
    /// Registers a thread that is about to be started by the caller.
    #[new]
    fn new(py: Python<'_>, name: &str, daemon: bool) -> Self {
        let kind = if daemon { ThreadKind::Daemon } else { ThreadKind::Regular };
        let starter = raddle::thread::current(runtime());
        Self::of(runtime().prepare(name, kind, Origin::new(&starter, site::of_user(py))))
    }

    /// The calling thread, which runs on a carrier already and becomes the Python object `thread`: its `_bootstrap` comes
    /// next.
    #[staticmethod]
    fn adopt(thread: &Bound<'_, PyAny>) -> PyResult<Py<Self>> {
        let py = thread.py();
        let handle = Bound::new(py, Self::of(raddle::thread::current(runtime())))?;
        set(thread, intern!(py, END), handle.as_any())?;
        Ok(handle.unbind())
    }

    /// The number of the thread, which is never used again.
    #[getter]
    fn serial(&self) -> u64 {
        self.thread.serial()
    }

    /// Whether nothing of the thread runs any more.
    #[getter]
    fn ended(&self) -> bool {
        // In the child of a fork only the thread that forked goes on.
        let left_behind = self.generation != fork_generation() && me() != self.thread.serial();
        self.thread.state() == State::Ended || left_behind
    }

    /// When it was started, or met, as `time.monotonic()` counts.
    #[getter]
    fn started_at(&self) -> f64 {
        self.thread.since().as_secs_f64()
    }

    /// When the last of it had run; None before that.
    #[getter]
    fn finished_at(&self) -> Option<f64> {
        self.thread.ended_at().map(Time::as_secs_f64)
    }

    /// Whether the process waits for it at its end.
    #[getter]
    fn keeps_alive(&self) -> bool {
        self.thread.kind() == ThreadKind::Regular && !self.ended()
    }

    /// Whether the process does not wait for it at its end.
    #[getter]
    fn daemon(&self) -> bool {
        self.thread.kind() == ThreadKind::Daemon
    }

    /// Starts it on a carrier, as the Python object `thread`, whose `_bootstrap` it runs, and sets the object's numbers. The
    /// caller has to set its `_started`: then the thread is alive, has an ident and is listed, although no Python code of it
    /// need have run.
    ///
    /// No Python code may run in here. A daemon thread that is ended in the middle of it, because the interpreter
    /// finalizes, would be unwound through frames that cannot be (see `carrier.rs`).
    ///
    /// With a `delay`, in seconds, the thread needs no thread of the system until it is over, if nobody could tell. Its stack
    /// has `stack` bytes, or as many as threads get now.
    #[pyo3(signature = (thread, delay=None, stack=None))]
    fn start(
        this: &Bound<'_, Self>,
        thread: &Bound<'_, PyAny>,
        delay: Option<f64>,
        stack: Option<usize>,
    ) -> PyResult<()> {
        let (py, handle) = (this.py(), this.get());
        let delay = delay.filter(|_| runtime().timers().is_like_caller());
        let stack = stack.unwrap_or_else(|| carrier::stack_size(py));
        let reserved = if delay.is_none() { Some(carrier::reserve(py, stack)?) } else { None };
        if let Some(reserved) = &reserved {
            set(thread, intern!(py, "_ident"), reserved.ident().into_pyobject(py)?.as_any())?;
        }
        set(thread, intern!(py, END), this.as_any())?;
        let start = Start::new(&handle.thread, thread.getattr(intern!(py, "_bootstrap"))?);
        match (reserved, delay) {
            (Some(reserved), _) => {
                let _ = handle.running.set(reserved.run(start));
                Ok(())
            }
            (None, delay) => {
                handle.thread.set_role(Role::Timer);
                let delay = Duration::try_from_secs_f64(delay.unwrap_or_default()).unwrap_or_default();
                Delayed::arm(py, start, delay, stack).map(|delayed| drop(handle.delayed.set(delayed)))
            }
        }
    }

    /// How many seconds of the delay are left; `None` if it was started without one.
    #[getter]
    pub(crate) fn left(&self) -> Option<f64> {
        self.delayed.get().map(|delayed| delayed.left().as_secs_f64())
    }

    /// Takes a thread back whose delay is not over; whether it was. [`end`] has to follow.
    fn withdraw(&self, py: Python<'_>) -> bool {
        let start = self.delayed.get().and_then(Delayed::withdraw);
        start.map(|start| start.give_up(py)).is_some()
    }

    /// The end of a thread that was withdrawn.
    fn end(&self) {
        runtime().end_unstarted(&self.thread);
    }

    /// Gives a thread whose delay is not over a thread of the system, since somebody wants to know its numbers.
    fn promote(&self, py: Python<'_>, thread: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some((delayed, start)) = self.delayed.get().and_then(|it| Some((it, it.withdraw()?))) else {
            return Ok(());
        };
        match carrier::reserve(py, delayed.stack()) {
            Ok(reserved) => {
                set(thread, intern!(py, "_ident"), reserved.ident().into_pyobject(py)?.as_any())?;
                let _ = self.running.set(reserved.run(start));
            }
            // It is no worse off than before.
            Err(_) => delayed.put_back(start),
        }
        Ok(())
    }

    /// The system's number for the thread that it runs on; `None` before it was started on a carrier.
    #[getter]
    fn native_id(&self, py: Python<'_>) -> Option<u32> {
        let running = self.running.get()?;
        Some(py.detach(|| running.native_id()))
    }

    /// What `get_ident()` gives in it.
    #[getter]
    fn ident(&self) -> u64 {
        self.thread.ident()
    }

    // What CPython calls on what stands for a thread's end: from 3.13 on a handle, before that a lock that is held for as
    // long as the thread runs.

    fn is_done(&self) -> bool {
        self.ended()
    }

    fn locked(&self) -> bool {
        !self.is_done() || self.taken.load(Ordering::Relaxed)
    }

    #[pyo3(signature = (timeout=None))]
    fn join(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        timeout.map_or(Ok(()), check_join)?;
        self.wait(py, timeout).map(drop)
    }

    #[pyo3(signature = (blocking=true, timeout=None))]
    fn acquire(&self, py: Python<'_>, blocking: bool, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let untimed = timeout.map_or(Ok(true), |timeout| timeout.eq(-1))?;
        // Its own thread asks for it in the child of a fork, to have the lock held there.
        let free = self.is_done() || (blocking && untimed && me() == self.thread.serial());
        let free = match timeout {
            _ if free || !blocking => free,
            _ if untimed => self.wait(py, None)?,
            timeout => {
                timeout.map_or(Ok(()), check_join)?;
                self.wait(py, timeout)?
            }
        };
        // Somebody else who has seen the end may hold it for a moment. A joiner need not wait for that.
        Ok(free && (!self.taken.swap(true, Ordering::Relaxed) || blocking))
    }

    fn release(&self) {
        self.taken.store(false, Ordering::Relaxed);
    }

    fn _set_done(&self) {}

    fn _at_fork_reinit(&self) {}

    /// Makes the calling operating system thread be this thread, until it ends.
    fn bind(&self, py: Python<'_>) {
        raddle::thread::bind(runtime(), &self.thread);
        self.thread.set_ident(lifecycle::ident());
        if self.thread.mark() == 0 {
            turns::mark(py, &self.thread, false);
        }
    }

    /// Takes back the registration of a thread that the system refused to start.
    fn forget(&self) {
        if self.thread.state() == State::Starting {
            runtime().forget(&self.thread);
        }
    }

    /// Notes its new name.
    fn rename(&self, name: &str) {
        runtime().rename(&self.thread, name);
    }

    /// Notes the error that left its function. `sys.exit()` is a way to return.
    fn failed(&self, error: &Bound<'_, PyAny>) {
        if !error.is_exact_instance_of::<PySystemExit>() {
            self.thread.set_error(host::one_line(error));
        }
    }

    /// Says how many seconds it gets to stop at the end of the process if it is a daemon; None: as many as `install` says, or
    /// one. `inherited`: whether it is one only because its starter is. From now on the process ends in order.
    fn set_grace(&self, seconds: Option<f64>, inherited: bool) {
        if inherited {
            self.thread.set_inherited();
        }
        let grace = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        self.thread.set_grace(grace.map_or(Grace::OrElse(shutdown::USUAL_GRACE), Grace::Own));
        shutdown::be_orderly();
    }

    /// Asks it to stop; false if that was done before.
    #[pyo3(signature = (reason=None))]
    fn stop(&self, reason: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let reason = stop::text(reason)?;
        Ok(self.thread.stop(stop::request(reason.as_deref())))
    }

    /// Notes that its function begins, or has ended: in between it can be interrupted.
    fn runs(&self, its_function: bool) {
        let interruption = self.thread.interruption();
        if its_function { interruption.open() } else { interruption.close() }
    }

    /// Has running code of it raise the stop that was asked for; false if its function has ended.
    fn interrupt(&self) -> bool {
        self.thread.interruption().ask()
    }

    /// Whether it is yet to be interrupted.
    #[getter]
    fn interruption_pending(&self) -> bool {
        self.thread.interruption().is_pending() && !self.ended()
    }

    /// What it hears a stop from.
    #[getter]
    fn token(&self) -> StopToken {
        StopToken(self.thread.token().clone())
    }

    /// How many seconds of the processor's time the system's thread has used that it runs on; None if that is not known.
    #[getter]
    fn cpu_time(&self) -> Option<f64> {
        self.thread.cpu_time().map(|used| used.as_secs_f64())
    }

    /// How many seconds the system's thread has waited for a processor; None if that is not known.
    #[getter]
    fn run_queue_time(&self) -> Option<f64> {
        self.thread.run_queue_time().map(|waited| waited.as_secs_f64())
    }

    /// Whether the system's thread runs, or would if it got a processor.
    fn is_runnable(&self) -> bool {
        self.thread.is_runnable()
    }

    /// Whether it runs while the caller has the interpreter's lock, which Python code cannot. Looks for as long as others
    /// leave it that lock.
    fn runs_unlocked(&self) -> bool {
        // One that waits for the lock uses some time for asking. Others are asked for the lock after 5 ms.
        const RUNS: Duration = Duration::from_micros(300);
        let until = Time::now().after(Duration::from_millis(4));
        let Some(before) = self.thread.cpu_time() else { return false };
        while Time::now() < until {
            if self.thread.cpu_time().is_some_and(|used| used.saturating_sub(before) > RUNS) {
                return true;
            }
        }
        false
    }

    /// From now on it is asked to stop as soon as `token` is stopped. To be called once.
    fn follow(&self, token: &StopToken) {
        self.thread.token().follow(std::slice::from_ref(&token.0));
    }

    /// Whether it was asked to stop.
    #[getter]
    fn stop_requested(&self) -> bool {
        self.thread.stop_requested().is_some()
    }

    /// Notes that it belongs to a scope, or is supervised.
    fn belongs(&self, to_a_scope: bool) {
        self.thread.set_role(if to_a_scope { Role::Scoped } else { Role::Supervised });
    }

    /// Notes that it ends because it was asked to; false if it was not.
    fn stopped(&self) -> bool {
        let stopped = self.thread.stop_requested();
        stopped.inspect(|stopped| self.thread.set_stopped((*stopped).clone()));
        stopped.is_some()
    }

    /// "starting", "running", "finished", "failed" or "stopped".
    #[getter]
    fn state(&self) -> &'static str {
        threads::state(&self.thread)
    }

    /// What it is doing, in words that go into a sentence.
    #[getter]
    fn activity(&self) -> String {
        threads::activity(&self.thread)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> String {
        self.thread.name().to_string()
    }

    /// The locks that it holds.
    #[getter]
    fn held_locks(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        holdings::of_thread(py, self.thread.serial())
    }

    /// Who started it where, who started that one, and so on: names and places.
    #[getter]
    fn lineage(&self) -> Vec<Link> {
        self.thread.lineage().map(link).collect()
    }

    /// Waits until nothing of it runs any more, at most `timeout` seconds; whether that is so.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        if self.ended() {
            return Ok(true);
        }
        let limit = Limit::of_wait(timeout)?;
        if limit == Limit::Now {
            return Ok(false);
        }
        let thread = Arc::clone(&self.thread);
        detach::block(py, self.thread.end(), (Call::Join, limit), |blocked| thread.wait_for_end(blocked))
    }
}

/// The engine's side of a thread that one of our handles belongs to.
pub(crate) fn with_handle(thread: &Bound<'_, PyAny>) -> Option<Arc<Thread>> {
    let handle = thread.getattr(intern!(thread.py(), "_raddle_handle")).ok()?;
    Some(Arc::clone(&handle.cast::<ThreadHandle>().ok()?.get().thread))
}

/// What the engine knows of an object of the Python class.
pub(crate) fn known(thread: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Thread>>> {
    if let Ok(handle) = thread.getattr("_raddle_handle")?.cast::<ThreadHandle>() {
        return Ok(Some(Arc::clone(&handle.get().thread)));
    }
    let ident: Option<u64> = thread.getattr("_ident")?.extract()?;
    Ok(runtime().threads().into_iter().find(|known| Some(known.ident()) == ident))
}

/// What the interpreter keeps for the calling thread: its `threading.local` data are there, by names of the interpreter's.
#[pyfunction]
fn things_of_thread(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: attached. The function gives a borrowed reference or null, and sets no error.
    let things = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyThreadState_GetDict()) };
    things.map_or_else(|| Ok(PyDict::new(py).into_any()), Ok)
}

/// The engine's side of the calling thread, also of one that raddle did not start.
#[pyfunction]
fn current_handle() -> ThreadHandle {
    ThreadHandle::of(raddle::thread::current(runtime()))
}

/// What has become of it; one that has ended for Python may still be at its last thread-local destructors.
fn life(thread: &Bound<'_, PyAny>) -> PyResult<Option<Box<Life>>> {
    let Some(known) = known(thread)? else { return Ok(None) };
    let mut life = Box::new(known.life());
    if life.ended.is_none() && !thread.call_method0("is_alive")?.is_truthy()? {
        life.ended = Some((Duration::ZERO, known.ending()));
    }
    Ok(Some(life))
}

/// Adds to the text of an error that the standard library's `Thread` raised what is known of the thread.
#[pyfunction]
fn explain_misuse(error: &Bound<'_, PyAny>, thread: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok((text,)) = error.getattr("args")?.extract::<(String,)>() else { return Ok(()) };
    let misuse = match text.as_str() {
        "threads can only be started once" => life(thread)?.map(Misuse::StartedAgain),
        "cannot join thread before it is started" => {
            Some(Misuse::JoinedBeforeStart { name: thread.getattr("_name")?.extract()? })
        }
        "cannot join current thread" => life(thread)?.map(Misuse::JoinedItself),
        "cannot set daemon status of active thread" => life(thread)?.map(Misuse::DaemonTooLate),
        _ => None,
    };
    misuse.map_or(Ok(()), |misuse| error.setattr("args", (error::explained(&text, &misuse),)))
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(explain_misuse, module)?)?;
    module.add_function(wrap_pyfunction!(current_handle, module)?)?;
    module.add_function(wrap_pyfunction!(things_of_thread, module)?)?;
    module.add_class::<ThreadHandle>()
}
