//! What asks for the end of the program: Ctrl-C, SIGTERM and a thread's error, each with an exit status.
//!
//! A request ([`end`]) stops every thread.
//! Before main is done it also raises SystemExit there (Ctrl-C is Python's own business until then). Once main waits for the
//! threads, it is the wait that goes on; a second request gives that up, and the graces of the daemons as well. All handlers
//! run on the main thread, so these few words of state are not raced for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;
use raddle::graph::verdict::Cause;
use raddle::thread::Thread;

use super::{GIVEN_UP, JOINING, OVER, RUNNING, be_orderly, lock, phase, tell_who_is_left};
use crate::carrier::Forever;
use crate::thread::ThreadHandle;
use crate::{host, lifecycle, recording, runtime, stop};

/// The exit status that was asked for; 0: the end was not asked for.
static REQUESTED: AtomicI32 = AtomicI32::new(0);

/// Whether Ctrl-C ended the wait for the program's threads.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether SIGTERM asks for the end.
static TERMINATES: AtomicBool = AtomicBool::new(false);

/// What a thread that failed asks for: the exit status (0: nothing), and why.
static FAILED: AtomicI32 = AtomicI32::new(0);
static WHY: Mutex<Option<String>> = Mutex::new(None);

/// What a shell gives for a program that a signal ended.
const OF_SIGNAL: i32 = 128;

/// Nobody has asked the child of a fork.
pub(super) fn after_fork_in_child() {
    REQUESTED.store(0, Ordering::Relaxed);
    FAILED.store(0, Ordering::Relaxed);
    STATUS.store(0, Ordering::Relaxed);
    INTERRUPTED.store(false, Ordering::Relaxed);
}

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
pub(super) fn give_back(py: Python<'_>, number: i32) -> PyResult<()> {
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
            py.detach(recording::tell_findings);
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
pub(super) fn withdraw(py: Python<'_>, threads: &[Arc<Thread>]) -> PyResult<()> {
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
pub(super) fn exit_with(status: i32) -> PyResult<()> {
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

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(interrupted_at_exit, module)?)?;
    module.add_function(wrap_pyfunction!(exit_with, module)?)?;
    module.add_function(wrap_pyfunction!(handle_sigterm, module)?)?;
    module.add_function(wrap_pyfunction!(unhandle_sigterm, module)?)?;
    module.add_function(wrap_pyfunction!(hear_failures, module)?)?;
    module.add_function(wrap_pyfunction!(end_process, module)?)
}
