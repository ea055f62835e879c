//! The edges of a process's life: import into a sub-interpreter, fork, the end of the main function.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use pyo3::exceptions::{PyImportError, PyKeyboardInterrupt, PyRuntimeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;
use raddle::graph::Call;
use raddle::graph::verdict::{Cause, ThreadKind, Verdict};
use raddle::seam::Time;
use raddle::thread::Thread;

use crate::limit::Limit;
use crate::{detach, host, runtime};

/// What `threading.get_ident()` gives for the main thread.
static MAIN: AtomicU64 = AtomicU64::new(0);

/// What `threading.get_ident()` gives for the calling thread.
pub(crate) fn ident() -> u64 {
    // SAFETY: asks for a number.
    unsafe { libc::pthread_self() as u64 }
}

pub(crate) fn is_main_thread() -> bool {
    ident() == MAIN.load(Ordering::Relaxed)
}

/// PyO3 keeps its state in statics, so a second interpreter of the process would share it; those that isolate extension
/// modules refuse by themselves, the others would load it silently.
pub(crate) fn refuse_sub_interpreters(_: Python<'_>) -> PyResult<()> {
    // SAFETY: attached, so there is a current interpreter.
    let interpreter = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if interpreter == 0 {
        return Ok(());
    }
    let text = format!(
        "raddle cannot be used in a sub-interpreter (this is interpreter {interpreter}): its locks belong to the main \
         one. Import it in the main interpreter, and use the standard library's `threading` in here"
    );
    Err(PyImportError::new_err(text))
}

/// Called in the child by its only thread.
#[pyfunction]
fn after_fork_in_child() {
    let me = raddle::thread::current(runtime());
    MAIN.store(ident(), Ordering::Relaxed);
    me.set_ident(ident());
    runtime().after_fork_in_child(&me);
    ENTERING.store(0, Ordering::SeqCst);
}

/// Whether Ctrl-C ended the wait for the program's threads.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether main is done and waits for the program's threads.
static DONE: AtomicBool = AtomicBool::new(false);

/// How many threads are on their way into the interpreter, and whether that is closed to them.
///
/// A thread that enters while the interpreter finalizes crashes some versions. So the way in is a gate: it is closed when
/// the last `atexit` callback has run, and those on their way are waited for.
static ENTERING: AtomicI32 = AtomicI32::new(0);
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether a thread that is not attached may go into the interpreter; then it must say so by [`leave`] when it is inside.
pub(crate) fn enter() -> bool {
    ENTERING.fetch_add(1, Ordering::SeqCst);
    let open = !CLOSED.load(Ordering::SeqCst);
    if !open {
        leave();
    }
    open
}

/// The thread that was let in by [`enter`] is inside.
pub(crate) fn leave() {
    ENTERING.fetch_sub(1, Ordering::SeqCst);
}

/// Whether threads can be started on carriers no more.
#[pyfunction]
fn is_closed() -> bool {
    CLOSED.load(Ordering::SeqCst)
}

#[pyfunction]
fn close(py: Python<'_>) {
    CLOSED.store(true, Ordering::SeqCst);
    let deadline = Time::now().after(Duration::from_secs(1));
    while ENTERING.load(Ordering::SeqCst) > 0 && Time::now() < deadline {
        py.detach(|| std::thread::sleep(Duration::from_micros(100)));
    }
}

/// Before a fork: the process has no more threads than its program.
#[pyfunction]
fn before_fork(py: Python<'_>) {
    py.detach(|| runtime().before_fork());
}

/// Waits, when the main function is done, for the threads that `threading._shutdown` does not know.
fn join_the_rest(py: Python<'_>) -> PyResult<()> {
    let me = raddle::thread::current(runtime());
    let regular = |thread: &Arc<Thread>| thread.kind() == ThreadKind::Regular && thread.serial() != me.serial();
    while let Some(thread) = runtime().threads().into_iter().find(regular) {
        let call = (Call::Exit, Limit::Never);
        detach::block(py, runtime().all_threads(), call, |blocked| thread.wait_for_end(blocked))?;
    }
    Ok(())
}

/// Has the interpreter wait at its end for our threads as well as for its own.
fn wrap_shutdown(py: Python<'_>) -> PyResult<()> {
    let threading = py.import("threading")?;
    let wait = threading.getattr("_shutdown")?.unbind();
    let shutdown = PyCFunction::new_closure(py, Some(c"_shutdown"), None, move |args, _| {
        let py = args.py();
        let waited = wait.call0(py);
        runtime().threads_are_done(&raddle::thread::current(runtime()));
        let waited = waited.and_then(|_| join_the_rest(py));
        DONE.store(false, Ordering::Relaxed);
        give_back(py, libc::SIGTERM)?;
        give_back(py, libc::SIGINT)?;
        waited
    })?;
    threading.setattr("_shutdown", shutdown)
}

/// Has the runtime told when the main function is done and the interpreter waits for the program's threads: from then on
/// a program whose last threads sleep is told of as RD005, and so is one that is interrupted.
pub(crate) fn observe_exit(py: Python<'_>) -> PyResult<()> {
    let threading = py.import("threading")?;
    // These run in reverse order just before the wait, so the first is the last.
    let done = PyCFunction::new_closure(py, None, None, |args, _| main_is_done(args.py()))?;
    threading.getattr("_threading_atexits")?.call_method1("insert", (0, done)).map(drop)
}

fn main_is_done(py: Python<'_>) -> PyResult<()> {
    DONE.store(true, Ordering::Relaxed);
    runtime().main_is_done(&raddle::thread::current(runtime()));
    // Ctrl-C, too, is heard of by a handler: from 3.13 on the wait itself swallows the KeyboardInterrupt.
    handle_if_default(py, libc::SIGTERM)?;
    handle_if_default(py, libc::SIGINT)
}

static HANDLER: PyOnceLock<Py<PyCFunction>> = PyOnceLock::new();

/// Tells why the program does not end when signal `number` comes, if the program leaves that signal to the system. A
/// SIGTERM then ends it as it would have.
pub(crate) fn handle_if_default(py: Python<'_>, number: i32) -> PyResult<()> {
    let signal = py.import("_signal")?;
    if !is_main_thread() || !signal.call_method1("getsignal", (number,))?.eq(default_handler(&signal, number)?)? {
        return Ok(());
    }
    let handler = HANDLER.get_or_try_init(py, || {
        PyCFunction::new_closure(py, Some(c"raddle_handler"), None, |args, _| {
            on_signal(args.py(), args.get_item(0)?.extract()?)
        })
        .map(Bound::unbind)
    })?;
    signal.call_method1("signal", (number, handler)).map(drop)
}

/// What handles a signal if the program has not said anything.
fn default_handler<'py>(signal: &Bound<'py, PyModule>, number: i32) -> PyResult<Bound<'py, PyAny>> {
    signal.getattr(if number == libc::SIGINT { "default_int_handler" } else { "SIG_DFL" })
}

pub(crate) fn is_our_handler(handler: &Bound<'_, PyAny>) -> bool {
    HANDLER.get(handler.py()).is_some_and(|ours| handler.is(ours))
}

fn on_signal(py: Python<'_>, number: i32) -> PyResult<()> {
    let waiting_for_threads = DONE.load(Ordering::Relaxed);
    match number {
        libc::SIGINT if waiting_for_threads => {
            INTERRUPTED.store(true, Ordering::Relaxed);
            tell_who_is_left(Cause::Interrupt);
        }
        libc::SIGTERM if waiting_for_threads => tell_who_is_left(Cause::Terminate),
        libc::SIGQUIT if waiting_for_threads => tell_who_is_left(Cause::Quit),
        libc::SIGQUIT => host::tell(&runtime().longest_waits()),
        _ => {}
    }
    match number {
        libc::SIGINT => Err(PyKeyboardInterrupt::new_err(())),
        libc::SIGTERM => {
            give_back(py, number)?;
            py.import("_signal")?.call_method1("raise_signal", (number,)).map(drop)
        }
        _ => Ok(()),
    }
}

/// RD005, unless nobody is left: a process that ends at once has nothing to tell.
fn tell_who_is_left(cause: Cause) {
    let verdict = runtime().keeps_alive(cause);
    if !matches!(&verdict, Verdict::KeepsAlive { threads, .. } if threads.is_empty()) {
        host::tell(&verdict);
    }
}

/// Takes our handler of a signal away, if it is still there.
fn give_back(py: Python<'_>, number: i32) -> PyResult<()> {
    let signal = py.import("_signal")?;
    if is_main_thread() && is_our_handler(&signal.call_method1("getsignal", (number,))?) {
        signal.call_method1("signal", (number, default_handler(&signal, number)?))?;
    }
    Ok(())
}

/// Whether Ctrl-C ended the wait for the program's threads after its main function was done.
#[pyfunction]
fn interrupted_at_exit() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

static STATUS: AtomicI32 = AtomicI32::new(0);

/// Ends the process with this status when the interpreter has finalized completely, instead of its own status.
#[pyfunction]
fn exit_with(status: i32) -> PyResult<()> {
    extern "C" fn exit() {
        // SAFETY: the interpreter calls this as the last thing of its finalization, on the main thread.
        unsafe { libc::exit(STATUS.load(Ordering::Relaxed)) }
    }
    if STATUS.swap(status, Ordering::Relaxed) != 0 {
        return Ok(());
    }
    // SAFETY: the function lives for ever and calls no Python.
    match unsafe { ffi::Py_AtExit(Some(exit)) } {
        0 => Ok(()),
        _ => Err(PyRuntimeError::new_err("the interpreter takes no more exit functions")),
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let threading = py.import("threading")?;
    MAIN.store(threading.call_method0("main_thread")?.getattr("ident")?.extract()?, Ordering::Relaxed);
    if is_main_thread() {
        raddle::thread::current(runtime()).set_kind(ThreadKind::Main);
    }
    if std::env::var_os("RADDLE_CARRIERS").is_some_and(|value| value == "0") {
        runtime().carriers().use_once();
    }
    module.add_function(wrap_pyfunction!(after_fork_in_child, module)?)?;
    module.add_function(wrap_pyfunction!(interrupted_at_exit, module)?)?;
    module.add_function(wrap_pyfunction!(exit_with, module)?)?;
    module.add_function(wrap_pyfunction!(before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(is_closed, module)?)?;
    wrap_shutdown(py)?;
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(close, module)?,))?;
    let hooks =
        [("before", module.getattr("before_fork")?), ("after_in_child", module.getattr("after_fork_in_child")?)];
    py.import("os")?.call_method("register_at_fork", (), Some(&pyo3::types::IntoPyDict::into_py_dict(hooks, py)?))?;
    Ok(())
}
