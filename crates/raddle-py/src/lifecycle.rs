//! The edges of a process's life: import into a sub-interpreter, fork, the end of the main function.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use raddle::graph::verdict::{Cause, ThreadKind};

use crate::{host, runtime};

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
}

/// The program's main function is done, and it waits for its threads now: from here on a program whose last threads
/// sleep is told of as RD005.
#[pyfunction]
fn main_is_done() {
    runtime().main_is_done(&raddle::thread::current(runtime()));
}

/// The wait of `main_is_done` is over.
#[pyfunction]
fn threads_are_done() {
    runtime().threads_are_done(&raddle::thread::current(runtime()));
}

/// Tells RD005: why the program does not end. `cause`: "interrupt", "terminate" or "quit".
#[pyfunction]
fn tell_keeps_alive(cause: &str) {
    let cause = match cause {
        "terminate" => Cause::Terminate,
        "quit" => Cause::Quit,
        _ => Cause::Interrupt,
    };
    host::tell(&runtime().keeps_alive(cause));
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let threading = py.import("threading")?;
    MAIN.store(threading.call_method0("main_thread")?.getattr("ident")?.extract()?, Ordering::Relaxed);
    if is_main_thread() {
        raddle::thread::current(runtime()).set_kind(ThreadKind::Main);
    }
    module.add_function(wrap_pyfunction!(after_fork_in_child, module)?)?;
    module.add_function(wrap_pyfunction!(main_is_done, module)?)?;
    module.add_function(wrap_pyfunction!(threads_are_done, module)?)?;
    module.add_function(wrap_pyfunction!(tell_keeps_alive, module)?)?;
    let hooks = [("after_in_child", module.getattr("after_fork_in_child")?)];
    py.import("os")?.call_method("register_at_fork", (), Some(&pyo3::types::IntoPyDict::into_py_dict(hooks, py)?))?;
    Ok(())
}
