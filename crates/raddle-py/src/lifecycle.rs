//! The edges of a process's life: import into a sub-interpreter, fork, the way into an interpreter that may be ending. The end
//! itself is in `shutdown.rs`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use raddle::graph::verdict::ThreadKind;
use raddle::seam::Time;

use crate::{runtime, shutdown};

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

/// Sends the main thread a signal.
pub(crate) fn signal_main(number: i32) {
    let main = MAIN.load(Ordering::Relaxed) as libc::pthread_t;
    // SAFETY: the main thread is there for as long as the process is.
    unsafe { libc::pthread_kill(main, number) };
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
    shutdown::after_fork_in_child();
}

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

/// The last `atexit` callback, if nobody has registered one before.
#[pyfunction]
fn close(py: Python<'_>) -> PyResult<()> {
    CLOSED.store(true, Ordering::SeqCst);
    let deadline = Time::now().after(Duration::from_secs(1));
    while ENTERING.load(Ordering::SeqCst) > 0 && Time::now() < deadline {
        py.detach(|| std::thread::sleep(Duration::from_micros(100)));
    }
    let settled = shutdown::settle(py);
    py.detach(|| runtime().end_sampling());
    // From its last look on, main does not leave the interpreter any more.
    shutdown::tell_cut_off(py);
    runtime().recorder().inspect(|recorder| recorder.end());
    settled
}

/// Before a fork: the process has no more threads than its program.
#[pyfunction]
fn before_fork(py: Python<'_>) {
    py.detach(|| runtime().before_fork());
}

/// After a fork, in the process that has forked. Not here and now: CPython 3.13 counts the threads of the system after this, and warns
/// if there is more than one.
#[pyfunction]
fn after_fork_in_parent() {
    extern "C" fn go_on(_: *mut c_void) -> i32 {
        runtime().go_on_sampling();
        0
    }
    runtime().forked();
    // SAFETY: attached. If there is no room for one more call, the next thread that starts does it.
    unsafe { ffi::Py_AddPendingCall(Some(go_on), std::ptr::null_mut()) };
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
    module.add_function(wrap_pyfunction!(before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(after_fork_in_parent, module)?)?;
    module.add_function(wrap_pyfunction!(is_closed, module)?)?;
    shutdown::note_older_callbacks(py)?;
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(close, module)?,))?;
    let hooks = [
        ("before", module.getattr("before_fork")?),
        ("after_in_parent", module.getattr("after_fork_in_parent")?),
        ("after_in_child", module.getattr("after_fork_in_child")?),
    ];
    py.import("os")?.call_method("register_at_fork", (), Some(&pyo3::types::IntoPyDict::into_py_dict(hooks, py)?))?;
    Ok(())
}
