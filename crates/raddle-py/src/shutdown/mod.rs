//! The end of the program, in the order of the engine's `thread/shutdown.rs`, and what brings it about.
//!
//! The interpreter calls `threading._shutdown` when main is done, and that is ours: callbacks, then CPython's own, which runs
//! what pools have registered and joins the threads that CPython knows, then the wait for our threads, then the daemons.
//! `atexit` and the rest come after it.
//!
//! # When it is orderly
//!
//! A program that does not know of raddle must not notice any of this. So Ctrl-C is heard by us only if the program runs
//! under `raddle run`, has a `raddle.Thread`, or has asked `install()` for something of it ([`ORDERLY`]); daemons without a
//! grace, as its are, are not even asked. All that is left then is the wait for our own threads.
//!
//! Who asks for the end, and how: `requests.rs`.

mod cut_off;
mod requests;
mod streams;
mod unwritten;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyCFunction;
use raddle::graph::Call;
use raddle::graph::verdict::{Cause, ThreadKind, Verdict, Whereabouts};
use raddle::seam::Time;
use raddle::stop::Block;
use raddle::thread::{State, Thread};
use raddle::timer::Entry;

use crate::carrier::{Attached, Forever, Interpreter, Reserved, stack_size};
use crate::limit::Limit;
use crate::{detach, host, runtime, stop};

pub(crate) use cut_off::{note_older_callbacks, tell_cut_off};
pub(crate) use requests::{ends_by, handle_if_default, is_our_handler};
use requests::{give_back, withdraw};
pub(crate) use streams::settle;

/// How far the end has come.
static PHASE: AtomicU8 = AtomicU8::new(RUNNING);
const RUNNING: u8 = 0;
/// Main is done, the callbacks run.
const TELLING: u8 = 1;
/// Main waits for the threads.
const JOINING: u8 = 2;
/// Nobody is waited for any more.
const OVER: u8 = 3;

/// Whether the program is to notice that its end is ours.
static ORDERLY: AtomicBool = AtomicBool::new(false);

/// Whether it was asked for again, and the wait for the threads is given up.
static GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// What `install()` was told about the end.
#[derive(Clone, Copy, Default)]
struct Options {
    daemon_grace: Duration,
    exit_notice: Option<Duration>,
    exit_timeout: Option<Duration>,
}

static OPTIONS: Mutex<Options> =
    Mutex::new(Options { daemon_grace: Duration::ZERO, exit_notice: None, exit_timeout: None });

/// Taken by attached threads, for a few instructions that do not detach.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn phase() -> u8 {
    PHASE.load(Ordering::Relaxed)
}

/// Has the program notice that its end is ours.
pub(crate) fn be_orderly() {
    ORDERLY.store(true, Ordering::Relaxed);
}

/// The child of a fork has not begun to end, and nobody has asked it to.
pub(crate) fn after_fork_in_child() {
    PHASE.store(RUNNING, Ordering::Relaxed);
    GIVEN_UP.store(false, Ordering::Relaxed);
    requests::after_fork_in_child();
    streams::after_fork_in_child();
    cut_off::after_fork_in_child();
}

// ---- the steps ----

/// Has the interpreter end our way: see the module.
pub(crate) fn wrap(py: Python<'_>) -> PyResult<()> {
    let threading = py.import("threading")?;
    let wait = threading.getattr("_shutdown")?.unbind();
    let shutdown = PyCFunction::new_closure(py, Some(c"_shutdown"), None, move |args, _| shut_down(args.py(), &wait))?;
    threading.setattr("_shutdown", shutdown)
}

fn shut_down(py: Python<'_>, wait: &Py<PyAny>) -> PyResult<()> {
    // An exit status that is no number of C's leaves an error set, which CPython's own wait stumbles over: so it shall.
    let pending = PyErr::take(py);
    PHASE.store(TELLING, Ordering::Relaxed);
    runtime().run_shutdown_callbacks();
    PHASE.store(JOINING, Ordering::Relaxed);
    let orderly = ORDERLY.load(Ordering::Relaxed);
    if orderly {
        // Ctrl-C, too, is heard of by a handler: from 3.13 on the wait itself swallows the KeyboardInterrupt.
        handle_if_default(py, libc::SIGINT)?;
    }
    let joined = join_all(py, wait, pending);
    PHASE.store(OVER, Ordering::Relaxed);
    let let_go = let_go(py, joined.is_ok());
    deliver_held(py);
    let let_go = let_go.map(tell_left);
    give_back(py, libc::SIGTERM)?;
    give_back(py, libc::SIGINT)?;
    if GIVEN_UP.load(Ordering::Relaxed) { Ok(()) } else { joined.and(let_go) }
}

/// Step 3: waits in CPython's way for what it knows, and then for our threads, which it does not.
fn join_all(py: Python<'_>, wait: &Py<PyAny>, pending: Option<PyErr>) -> PyResult<()> {
    let options = *lock(&OPTIONS);
    let me = raddle::thread::current(runtime());
    let until = options.exit_timeout.map(|limit| Time::now().after(limit));
    let notice = options.exit_notice.and_then(|after| arm_notice(py, after));
    let waited = within(&me, until, || {
        pending.into_iter().for_each(|error| error.restore(py));
        wait.call0(py)
    });
    runtime().threads_are_done(&me);
    let joined = match waited {
        // What CPython's wait runs has hit the time limit in a call of ours.
        Err(_) if until.is_some_and(|until| until <= Time::now()) => Ok(()),
        waited => waited.map(drop),
    };
    let joined = joined.and_then(|()| join_ours(py, &me, until));
    drop(notice.and_then(|entry| entry.cancel()));
    joined
}

/// Runs `work` in a block of main's that ends at a moment, if there is one.
fn within<T>(me: &Thread, until: Option<Time>, work: impl FnOnce() -> T) -> T {
    let block = until.map(|until| me.blocks().enter(Block::Deadline(until, "exit_timeout".into())));
    let done = work();
    if let Some(block) = block {
        me.blocks().leave(block);
    }
    done
}

/// Waits for our regular threads, until that moment at most.
fn join_ours(py: Python<'_>, me: &Thread, until: Option<Time>) -> PyResult<()> {
    let limit = until.map_or(Limit::Never, Limit::Until);
    while let Some(thread) = regular(me).pop() {
        if GIVEN_UP.load(Ordering::Relaxed) {
            return Ok(());
        }
        let call = (Call::Exit, limit);
        if !detach::block(py, runtime().all_threads(), call, |blocked| thread.wait_for_end(blocked))? {
            return Ok(());
        }
    }
    Ok(())
}

fn regular(me: &Thread) -> Vec<Arc<Thread>> {
    let others = runtime().others(me).into_iter();
    others.rev().filter(|thread| thread.kind() == ThreadKind::Regular).collect()
}

/// Steps 4 to 6: the daemons that have a grace, and the regular threads that are still there because the wait for them hit its
/// limit or was given up.
fn let_go(py: Python<'_>, joined: bool) -> PyResult<Vec<Whereabouts>> {
    let me = raddle::thread::current(runtime());
    let options = *lock(&OPTIONS);
    let given_up = GIVEN_UP.load(Ordering::Relaxed);
    // Python's own KeyboardInterrupt has ended the wait: as on the standard library, nobody is asked.
    if !joined && !ORDERLY.load(Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let grace = |thread: &Arc<Thread>| match thread.kind() {
        ThreadKind::Regular if options.daemon_grace.is_zero() => USUAL_GRACE,
        ThreadKind::Regular => options.daemon_grace,
        _ => thread.grace(options.daemon_grace),
    };
    let with_grace = |thread: Arc<Thread>| {
        let grace = grace(&thread);
        (thread, grace)
    };
    let threads: Vec<_> = runtime().others(&me).into_iter().map(with_grace).collect();
    let asked: Vec<_> =
        threads.iter().filter(|(_, grace)| !grace.is_zero()).map(|(thread, _)| Arc::clone(thread)).collect();
    let awaits = |thread: &Arc<Thread>, until: Time| {
        let call = (Call::Exit, Limit::Until(until));
        detach::block(py, thread.end(), call, |blocked| thread.wait_for_end(blocked))
    };
    let stopped = stop::request(Some("interpreter shutdown"));
    withdraw(py, &asked)?;
    let left = if given_up { Ok(Vec::new()) } else { runtime().let_go(threads, &stopped, awaits) };
    if !GIVEN_UP.load(Ordering::Relaxed) {
        return left;
    }
    let are_there = asked.into_iter().filter(|thread| thread.state() != State::Ended);
    Ok(runtime().leave_behind(are_there.collect()))
}

/// The grace of a `raddle.Thread` that was given none, in a program that gives none.
pub(crate) const USUAL_GRACE: Duration = Duration::from_secs(1);

fn tell_left(threads: Vec<Whereabouts>) {
    if !threads.is_empty() {
        host::tell(&Verdict::LeftBehind { threads });
    }
}

/// Errors that were held for somebody to join their thread: nobody will any more.
fn deliver_held(py: Python<'_>) {
    let deliver = || {
        let modules = py.import("sys")?.getattr("modules")?;
        let errors = modules.call_method1("get", ("raddle._errors",))?;
        if errors.is_none() { Ok(()) } else { errors.call_method0("deliver_held").map(drop) }
    };
    if let Err(error) = deliver() {
        error.write_unraisable(py, None);
    }
}

// ---- what is told while main waits ----

/// Has the runtime told when the main function is done and the interpreter waits for the program's threads: from then on
/// a program whose last threads sleep is told of as RD005, and so is one that is interrupted.
pub(crate) fn observe(py: Python<'_>) -> PyResult<()> {
    be_orderly();
    let threading = py.import("threading")?;
    // These run in reverse order just before the wait, so the first is the last.
    let done = PyCFunction::new_closure(py, None, None, |args, _| main_is_done(args.py()))?;
    threading.getattr("_threading_atexits")?.call_method1("insert", (0, done)).map(drop)
}

fn main_is_done(py: Python<'_>) -> PyResult<()> {
    runtime().main_is_done(&raddle::thread::current(runtime()));
    handle_if_default(py, libc::SIGTERM).map(drop)
}

/// RD005 after a while. `None` if the system refuses a thread for that: then it is not told.
fn arm_notice(py: Python<'_>, after: Duration) -> Option<Entry> {
    let (stack, interpreter) = (stack_size(py), Interpreter::current(py));
    let tell = move || {
        // The timer's thread does not go into the interpreter.
        if let Ok(reserved) = Reserved::with_stack(stack) {
            reserved.work(move |_| notice(interpreter, after));
        }
    };
    runtime().timers().at(Time::now().after(after), Box::new(tell)).ok()
}

fn notice(interpreter: Interpreter, after: Duration) {
    let guard = Forever;
    if let Some(attached) = Attached::enter(interpreter) {
        if phase() == JOINING {
            tell_who_is_left(Cause::Notice(after));
        }
        attached.leave(raddle::thread::unbind);
    }
    std::mem::forget(guard);
}

/// RD005, unless nobody is left: a process that ends at once has nothing to tell.
fn tell_who_is_left(cause: Cause) {
    let verdict = runtime().keeps_alive(cause);
    if !matches!(&verdict, Verdict::KeepsAlive { threads, .. } if threads.is_empty()) {
        host::tell(&verdict);
    }
}

// ---- what the program says about it ----

/// A callback that waits for the end of the program.
#[pyclass(frozen, module = "raddle._raddle")]
struct ShutdownCallback(raddle::thread::ShutdownCallback);

#[pymethods]
impl ShutdownCallback {
    /// Takes the callback back; false if it was called or taken back before.
    fn remove(&self) -> bool {
        self.0.remove()
    }
}

/// Has `callback()` called when main is done, before threads are joined or asked to stop.
#[pyfunction]
fn on_shutdown(callback: Py<PyAny>) -> PyResult<ShutdownCallback> {
    if phase() >= JOINING {
        return Err(PyRuntimeError::new_err(
            "on_shutdown() came too late: main is done and the callbacks have run (call it earlier, or use atexit)",
        ));
    }
    Ok(ShutdownCallback(runtime().on_shutdown(move || stop::call(&callback))))
}

/// What `install` says about the end, in seconds; returns what it said before.
#[pyfunction]
fn configure_exit(
    daemon_grace: &Bound<'_, PyAny>,
    exit_notice: Option<&Bound<'_, PyAny>>,
    exit_timeout: Option<&Bound<'_, PyAny>>,
) -> PyResult<(f64, Option<f64>, Option<f64>)> {
    let options = Options {
        daemon_grace: seconds("daemon_grace", Some(daemon_grace))?.unwrap_or(Duration::MAX),
        exit_notice: seconds("exit_notice", exit_notice)?,
        exit_timeout: seconds("exit_timeout", exit_timeout)?,
    };
    if !options.daemon_grace.is_zero() || options.exit_notice.is_some() || options.exit_timeout.is_some() {
        be_orderly();
    }
    let before = std::mem::replace(&mut *lock(&OPTIONS), options);
    let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
    Ok((before.daemon_grace.as_secs_f64(), seconds(before.exit_notice), seconds(before.exit_timeout)))
}

/// `None`: without a limit.
fn seconds(name: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    Ok(match Limit::of_any("install", name, value)? {
        Limit::Never => None,
        Limit::After(duration) => Some(duration),
        Limit::Now | Limit::Until(_) => Some(Duration::ZERO),
    })
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    wrap(module.py())?;
    requests::add_to(module)?;
    cut_off::add_to(module)?;
    module.add_function(wrap_pyfunction!(on_shutdown, module)?)?;
    module.add_function(wrap_pyfunction!(configure_exit, module)?)?;
    module.add_class::<ShutdownCallback>()
}
