//! A thread of the program on a thread of the system that is used again: a new thread state for each, the function, the end.
//!
//! The order at the end is CPython's own: the function's references go, the thread state is cleared (which runs the
//! destructors of thread-locals, still as this thread), then everybody may know that the thread has ended.
//!
//! Until CPython 3.14, a thread that wants the interpreter back while that finalizes is ended by `pthread_exit` wherever it
//! stands, inside `time.sleep` say. That unwinds the stack through our frames. So every call in here that may run Python
//! goes through a pointer of a kind that may unwind ([`unwinding`]), and above them lies a [`Forever`], which does not let
//! the unwinding pass: the thread sleeps for ever, as from 3.14 on.

use std::ffi::c_void;
use std::hint::black_box;
use std::sync::{Arc, LazyLock};

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use raddle::thread::{Over, Running, Thread, bind, unbind};

use crate::{error, lifecycle, runtime};

/// A thread's function on its way to the thread.
struct Start {
    thread: Arc<Thread>,
    interpreter: *mut ffi::PyInterpreterState,
    /// A reference of its own.
    function: *mut PyObject,
}

// SAFETY: the pointers are used by the receiver only, after it has attached to the interpreter.
unsafe impl Send for Start {}

/// A carrier for a thread that the caller is about to start.
pub(crate) struct Reserved(raddle::thread::Reserved);

/// Finds a thread of the system that is as one made now would be.
///
/// # Errors
/// That the system refuses one.
pub(crate) fn reserve(py: Python<'_>) -> PyResult<Reserved> {
    // `threading.stack_size()` would set it, too. This is its C function, which pyo3 does not declare.
    unsafe extern "C" {
        fn PyThread_get_stacksize() -> usize;
    }
    // SAFETY: attached; it gives a number.
    let stack = unsafe { PyThread_get_stacksize() };
    runtime().carriers().reserve(stack).map(Reserved).map_err(|refused| error::cannot_start(py, &refused))
}

impl Reserved {
    /// What `get_ident()` will give on it.
    pub(crate) fn ident(&self) -> u64 {
        self.0.ident()
    }

    /// Runs `function` on it, as `thread`.
    pub(crate) fn run(self, py: Python<'_>, thread: &Arc<Thread>, function: Bound<'_, PyAny>) -> Running {
        let _ = py;
        // SAFETY: attached, so there is a current interpreter.
        let interpreter = unsafe { ffi::PyInterpreterState_Get() };
        let start = Start { thread: Arc::clone(thread), interpreter, function: function.into_ptr() };
        self.0.run(Box::new(move |over| start.run(over)))
    }
}

/// Does not let an unwinding pass.
struct Forever;

impl Drop for Forever {
    fn drop(&mut self) {
        sleep_for_ever()
    }
}

fn sleep_for_ever() -> ! {
    loop {
        // SAFETY: waits for a signal, and again.
        unsafe { libc::pause() };
    }
}

/// Whether threads are to fail before their first instruction, to see what becomes of those who wait for them.
static FAIL: LazyLock<bool> = LazyLock::new(|| std::env::var_os("RADDLE_FAIL_BOOTSTRAP").is_some_and(|it| it == "1"));

impl Start {
    fn run(self, over: Over) {
        self.thread.name_system_thread();
        if !lifecycle::enter() {
            sleep_for_ever();
        }
        let guard = Forever;
        // SAFETY: `enter` says that the interpreter has not begun to finalize, and it waits for us to `leave`. A thread
        // state may be made without being attached.
        let state = if *FAIL { std::ptr::null_mut() } else { unsafe { ffi::PyThreadState_New(self.interpreter) } };
        if state.is_null() {
            lifecycle::leave();
            self.thread.set_error("MemoryError: no memory for its thread state".to_owned());
            bind(runtime(), &self.thread);
        } else {
            // SAFETY: the state was made by this thread for itself.
            unsafe { ffi::PyEval_RestoreThread(state) };
            lifecycle::leave();
            bind(runtime(), &self.thread);
            self.thread.set_ident(lifecycle::ident());
            // SAFETY: attached now.
            unsafe { self.call() };
            // SAFETY: the state is this thread's current one.
            unsafe { unwinding(ffi::PyThreadState_Clear as *const c_void, state.cast()) };
        }
        over.announce();
        unbind();
        if !state.is_null() {
            // SAFETY: attached, and the state has been cleared.
            unsafe { ffi::PyThreadState_DeleteCurrent() };
        }
        std::mem::forget(guard);
    }

    /// Calls the function and gives up the reference to it. An error is the business of whoever started it, as far as
    /// CPython is concerned: it is only shown.
    ///
    /// # Safety
    /// Attached.
    unsafe fn call(&self) {
        let function = self.function.cast();
        // SAFETY: attached; the function is alive until its reference is given up, and the result is a new reference.
        unsafe {
            let result = unwinding(ffi::PyObject_CallNoArgs as *const c_void, function);
            if !result.is_null() {
                unwinding(ffi::Py_DecRef as *const c_void, result);
            } else if ffi::PyErr_ExceptionMatches(ffi::PyExc_SystemExit) != 0 {
                unwinding(ffi::PyErr_Clear as *const c_void, std::ptr::null_mut());
            } else {
                unwinding(ffi::PyErr_WriteUnraisable as *const c_void, function);
            }
            unwinding(ffi::Py_DecRef as *const c_void, function);
        }
    }
}

/// Calls a function of the interpreter's with one argument, through a pointer that may unwind and that the compiler
/// cannot see through: it believes that those functions do not.
///
/// # Safety
/// `function` must be a C function of one pointer, or of none, that gives a pointer or nothing, and its own conditions hold.
unsafe fn unwinding(function: *const c_void, argument: *mut c_void) -> *mut c_void {
    // SAFETY: this function's own condition. An argument too many is not looked at, and a result that is none is not used.
    unsafe {
        let function: unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void =
            std::mem::transmute(black_box(function));
        function(argument)
    }
}
