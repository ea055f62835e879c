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
//! # Requests
//!
//! Ctrl-C, SIGTERM and a thread's error may ask for the end ([`end`]), each with an exit status. A request stops every thread.
//! Before main is done it also raises SystemExit there (Ctrl-C is Python's own business until then). Once main waits for the
//! threads, it is the wait that goes on; a second request gives that up, and the graces of the daemons as well. All handlers
//! run on the main thread, so these few words of state are not raced for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;
use raddle::graph::Call;
use raddle::graph::verdict::{Cause, Leaked, ThreadKind, Verdict};
use raddle::seam::Time;
use raddle::stop::Block;
use raddle::thread::{State, Thread};
use raddle::timer::Entry;

use crate::carrier::{Attached, Forever, Interpreter, Reserved, stack_size};
use crate::limit::Limit;
use crate::thread::ThreadHandle;
use crate::{detach, host, lifecycle, runtime, stop};

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

/// The exit status that was asked for; 0: the end was not asked for.
static REQUESTED: AtomicI32 = AtomicI32::new(0);

/// Whether it was asked for again, and the wait for the threads is given up.
static GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C ended the wait for the program's threads.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether SIGTERM asks for the end.
static TERMINATES: AtomicBool = AtomicBool::new(false);

/// What a thread that failed asks for: the exit status (0: nothing), and why.
static FAILED: AtomicI32 = AtomicI32::new(0);
static WHY: Mutex<Option<String>> = Mutex::new(None);

/// What a shell gives for a program that a signal ended.
const OF_SIGNAL: i32 = 128;

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
    REQUESTED.store(0, Ordering::Relaxed);
    FAILED.store(0, Ordering::Relaxed);
    STATUS.store(0, Ordering::Relaxed);
    GIVEN_UP.store(false, Ordering::Relaxed);
    INTERRUPTED.store(false, Ordering::Relaxed);
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
fn let_go(py: Python<'_>, joined: bool) -> PyResult<Vec<Leaked>> {
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

fn tell_left(threads: Vec<Leaked>) {
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

// ---- what asks for the end ----

static HANDLER: PyOnceLock<Py<PyCFunction>> = PyOnceLock::new();

fn handler(py: Python<'_>) -> PyResult<&Bound<'_, PyCFunction>> {
    let make = || {
        PyCFunction::new_closure(py, Some(c"raddle_handler"), None, |args, _| {
            on_signal(args.py(), args.get_item(0)?.extract()?)
        })
        .map(Bound::unbind)
    };
    HANDLER.get_or_try_init(py, make).map(|handler| handler.bind(py))
}

/// Handles signal `number`, if the program leaves that to the system; whether it is ours now.
pub(crate) fn handle_if_default(py: Python<'_>, number: i32) -> PyResult<bool> {
    let signal = py.import("_signal")?;
    let now = signal.call_method1("getsignal", (number,))?;
    if !lifecycle::is_main_thread() || !now.eq(default_handler(&signal, number)?)? {
        return Ok(is_our_handler(&now));
    }
    signal.call_method1("signal", (number, handler(py)?)).map(|_| true)
}

/// What handles a signal if the program has not said anything.
fn default_handler<'py>(signal: &Bound<'py, PyModule>, number: i32) -> PyResult<Bound<'py, PyAny>> {
    signal.getattr(if number == libc::SIGINT { "default_int_handler" } else { "SIG_DFL" })
}

pub(crate) fn is_our_handler(handler: &Bound<'_, PyAny>) -> bool {
    HANDLER.get(handler.py()).is_some_and(|ours| handler.is(ours))
}

/// Whether our handler of a signal ends the program, and with that any wait.
pub(crate) fn ends_by(number: i32) -> bool {
    number == libc::SIGTERM && TERMINATES.load(Ordering::Relaxed)
}

/// Takes our handler of a signal away, if it is still there.
fn give_back(py: Python<'_>, number: i32) -> PyResult<()> {
    let signal = py.import("_signal")?;
    if lifecycle::is_main_thread() && is_our_handler(&signal.call_method1("getsignal", (number,))?) {
        signal.call_method1("signal", (number, default_handler(&signal, number)?))?;
    }
    Ok(())
}

fn on_signal(py: Python<'_>, number: i32) -> PyResult<()> {
    let waiting = phase() == JOINING;
    match number {
        libc::SIGINT if phase() >= JOINING => {
            INTERRUPTED.store(true, Ordering::Relaxed);
            end(py, OF_SIGNAL + number, "Ctrl-C", waiting.then_some(Cause::Interrupt))
        }
        libc::SIGINT => Err(PyKeyboardInterrupt::new_err(())),
        libc::SIGTERM if ends_by(number) => end(py, OF_SIGNAL + number, "SIGTERM", None),
        libc::SIGTERM => {
            if waiting {
                tell_who_is_left(Cause::Terminate);
            }
            give_back(py, number)?;
            py.import("_signal")?.call_method1("raise_signal", (number,)).map(drop)
        }
        libc::SIGQUIT if waiting => {
            tell_who_is_left(Cause::Quit);
            Ok(())
        }
        libc::SIGQUIT => {
            host::tell(&runtime().longest_waits());
            Ok(())
        }
        FAILURE => hear(py),
        _ => Ok(()),
    }
}

/// Ends the program if a thread that failed has asked for that.
fn hear(py: Python<'_>) -> PyResult<()> {
    let status = FAILED.swap(0, Ordering::Relaxed);
    if status == 0 {
        return Ok(());
    }
    let why = lock(&WHY).take().unwrap_or_default();
    if phase() == RUNNING && REQUESTED.load(Ordering::Relaxed) == 0 {
        return end(py, status, &why, None);
    }
    // Main is on its way out: a second failure hurries nobody.
    if phase() != RUNNING {
        exit_with(status)?;
    }
    stop_all(py, &raddle::thread::current(runtime()), &why)
}

/// Asks for the end, on the main thread.
fn end(py: Python<'_>, status: i32, why: &str, cause: Option<Cause>) -> PyResult<()> {
    let again = REQUESTED.swap(status, Ordering::Relaxed) != 0;
    let me = raddle::thread::current(runtime());
    if phase() == RUNNING {
        stop_all(py, &me, why)?;
        return Err(PySystemExit::new_err(status));
    }
    exit_with(status)?;
    // In their graces all have been asked already.
    if phase() == OVER || again && phase() == JOINING {
        GIVEN_UP.store(true, Ordering::Relaxed);
        release_theirs(py);
        return Err(PyKeyboardInterrupt::new_err(()));
    }
    cause.into_iter().for_each(tell_who_is_left);
    stop_all(py, &me, why)
}

fn stop_all(py: Python<'_>, me: &Thread, why: &str) -> PyResult<()> {
    let (stopped, others) = (stop::request(Some(why)), runtime().others(me));
    for thread in &others {
        thread.stop(stopped.clone());
    }
    withdraw(py, &others)
}

/// Takes those of them back whose time has not come, as that of a timer: they have no thread that could hear of a stop.
fn withdraw(py: Python<'_>, threads: &[Arc<Thread>]) -> PyResult<()> {
    let serials: HashSet<_> = threads.iter().map(|thread| thread.serial()).collect();
    for object in py.import("threading")?.call_method0("enumerate")?.try_iter()? {
        let object = object?;
        let Some(handle) = object.getattr_opt("_raddle_handle")? else { continue };
        let Ok(handle) = handle.cast::<ThreadHandle>() else { continue };
        if handle.get().left().is_some() && serials.contains(&handle.get().thread().serial()) {
            object.call_method0("_raddle_withdraw")?;
        }
    }
    Ok(())
}

/// Has CPython's own wait, which swallows errors from 3.13 on, take the threads that it waits for as ended.
fn release_theirs(py: Python<'_>) {
    let release = || -> PyResult<()> {
        for thread in py.import("threading")?.call_method0("enumerate")?.try_iter()? {
            let thread = thread?;
            if !thread.getattr("daemon")?.is_truthy()? {
                thread.getattr("_handle")?.call_method0("_set_done")?;
            }
        }
        Ok(())
    };
    if cfg!(Py_3_13) {
        let _ = release();
    }
}

/// Has SIGTERM end the program in order, with the exit status 143; returns what handled it so far.
#[pyfunction]
fn handle_sigterm(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    if !lifecycle::is_main_thread() {
        return Err(PyRuntimeError::new_err(
            "install(sigterm=\"stop\") has to be called by the main thread, which handles signals",
        ));
    }
    TERMINATES.store(true, Ordering::Relaxed);
    be_orderly();
    py.import("_signal")?.call_method1("signal", (libc::SIGTERM, handler(py)?))
}

/// Undoes that.
#[pyfunction]
fn unhandle_sigterm(py: Python<'_>, before: &Bound<'_, PyAny>) -> PyResult<()> {
    let signal = py.import("_signal")?;
    TERMINATES.store(false, Ordering::Relaxed);
    if lifecycle::is_main_thread() && is_our_handler(&signal.call_method1("getsignal", (libc::SIGTERM,))?) {
        signal.call_method1("signal", (libc::SIGTERM, before))?;
    }
    Ok(())
}

/// What a thread that failed wakes main with, wherever that is: the system ignores it, so it disturbs nobody who does not
/// handle it.
const FAILURE: i32 = libc::SIGURG;

/// Makes sure that main will hear of [`end_process`]. If the caller is not main, that does so at its next instruction of Python;
/// a thread may have failed by then.
#[pyfunction]
fn hear_failures(py: Python<'_>) -> PyResult<()> {
    extern "C" fn handle(_: *mut std::ffi::c_void) -> std::ffi::c_int {
        let guard = Forever;
        let handled = |py: Python<'_>| handle_if_default(py, FAILURE).and_then(|_| hear(py));
        let heard = Python::attach(|py| handled(py).map_err(|error| error.restore(py)));
        std::mem::forget(guard);
        if heard.is_ok() { 0 } else { -1 }
    }
    be_orderly();
    if !lifecycle::is_main_thread() {
        // SAFETY: attached; the function is of the kind that it takes, and main calls it between two instructions.
        unsafe { ffi::Py_AddPendingCall(Some(handle), std::ptr::null_mut()) };
    } else if !handle_if_default(py, FAILURE)? {
        return Err(PyValueError::new_err(
            "on_error=\"exit\" needs the signal SIGURG, which the program handles itself (set no handler for it, or use \
             on_error=\"hook\" and end the program there)",
        ));
    }
    Ok(())
}

/// Has main end the program in order with that exit status, wherever it is.
#[pyfunction]
fn end_process(status: i32, why: &str) {
    *lock(&WHY) = Some(why.to_owned());
    FAILED.store(status, Ordering::Relaxed);
    lifecycle::signal_main(FAILURE);
}

// ---- the exit status ----

/// Whether Ctrl-C ended the wait for the program's threads after its main function was done.
#[pyfunction]
fn interrupted_at_exit() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// What the process ends with instead of its own status; 0: its own.
static STATUS: AtomicI32 = AtomicI32::new(0);

/// Ends the process with this status when the interpreter has finalized completely, instead of its own status.
#[pyfunction]
fn exit_with(status: i32) -> PyResult<()> {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    extern "C" fn exit() {
        match STATUS.load(Ordering::Relaxed) {
            0 => {}
            // SAFETY: the interpreter calls this as the last thing of its finalization, on the main thread.
            status => unsafe { libc::exit(status) },
        }
    }
    STATUS.store(status, Ordering::Relaxed);
    if REGISTERED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    // SAFETY: the function lives for ever and calls no Python.
    match unsafe { ffi::Py_AtExit(Some(exit)) } {
        0 => Ok(()),
        _ => Err(PyRuntimeError::new_err("the interpreter takes no more exit functions")),
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
    module.add_function(wrap_pyfunction!(interrupted_at_exit, module)?)?;
    module.add_function(wrap_pyfunction!(exit_with, module)?)?;
    module.add_function(wrap_pyfunction!(handle_sigterm, module)?)?;
    module.add_function(wrap_pyfunction!(unhandle_sigterm, module)?)?;
    module.add_function(wrap_pyfunction!(hear_failures, module)?)?;
    module.add_function(wrap_pyfunction!(end_process, module)?)?;
    module.add_function(wrap_pyfunction!(on_shutdown, module)?)?;
    module.add_function(wrap_pyfunction!(configure_exit, module)?)?;
    module.add_class::<ShutdownCallback>()
}
