//! A thread of the program on a thread of the system that is used again: a new thread state for each, the function, the end.
//!
//! The order at the end is CPython's own: the function's references go, the thread state is cleared (which runs the
//! destructors of thread-locals, still as this thread), then everybody may know that the thread has ended.
//!
//! Until CPython 3.14, a thread that wants the interpreter back while that finalizes is ended by `pthread_exit` wherever it
//! stands, inside `time.sleep` say. That unwinds the stack through our frames. So every call in here that may run Python
//! goes through a pointer of a kind that may unwind ([`unwinding`]), and above them lies a [`Forever`], which does not let
//! the unwinding pass: the thread sleeps for ever, as from 3.14 on.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::hint::black_box;
use std::io::Write;
use std::sync::{Arc, LazyLock};

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use raddle::seam::Mutex;
use raddle::thread::{Over, Running, Thread, bind, unbind};

use crate::{error, lifecycle, runtime, turns};

/// A thread's function on its way to the thread.
pub(crate) struct Start {
    thread: Arc<Thread>,
    interpreter: Interpreter,
    /// A reference of its own.
    function: *mut PyObject,
}

// SAFETY: the pointers are used by the receiver only, after it has attached to the interpreter.
unsafe impl Send for Start {}

/// An interpreter to go into.
#[derive(Clone, Copy)]
pub(crate) struct Interpreter(*mut ffi::PyInterpreterState);

// SAFETY: it is used for making a thread state only, which any thread may do.
unsafe impl Send for Interpreter {}

impl Interpreter {
    /// The one that the caller is in.
    pub(crate) fn current(_: Python<'_>) -> Interpreter {
        // SAFETY: attached, so there is a current interpreter.
        Interpreter(unsafe { ffi::PyInterpreterState_Get() })
    }
}

/// A carrier for a thread that the caller is about to start.
pub(crate) struct Reserved(raddle::thread::Reserved);

/// The size of the stack that threads get now.
pub(crate) fn stack_size(_: Python<'_>) -> usize {
    // `threading.stack_size()` would set it, too. This is its C function, which pyo3 does not declare.
    unsafe extern "C" {
        fn PyThread_get_stacksize() -> usize;
    }
    // SAFETY: attached; it gives a number.
    unsafe { PyThread_get_stacksize() }
}

/// Finds a thread of the system that is as one made now, with a stack of that size, would be.
///
/// # Errors
/// That the system refuses one.
pub(crate) fn reserve(py: Python<'_>, stack: usize) -> PyResult<Reserved> {
    runtime().carriers().reserve(stack).map(Reserved).map_err(|refused| error::cannot_start(py, &refused))
}

/// The way into the interpreter, which is so narrow that only one thread gets through at a time.
///
/// A hundred threads that are started at once would only wake each other up there, again and again. So one carrier is on its
/// way; the others sleep on, and each wakes the next as soon as it is inside. The starter is spared the waking as well.
static ENTRY: LazyLock<Mutex<Entry>> = LazyLock::new(Mutex::default);

/// Empty in the child of a fork.
#[derive(Default)]
struct Entry {
    /// Whether a carrier is on its way.
    busy: bool,
    waiting: VecDeque<(Reserved, Start)>,
}

/// The carrier that was on its way is inside: sends the next.
fn send_next() {
    let mut entry = ENTRY.lock();
    let next = entry.waiting.pop_front();
    entry.busy = next.is_some();
    drop(entry);
    if let Some((reserved, start)) = next {
        reserved.send(start);
    }
}

impl Reserved {
    /// One with a stack of that size, for a thread that was started before.
    pub(crate) fn with_stack(stack: usize) -> std::io::Result<Reserved> {
        runtime().carriers().reserve(stack).map(Reserved)
    }

    /// What `get_ident()` will give on it.
    pub(crate) fn ident(&self) -> u64 {
        self.0.ident()
    }

    /// Runs a thread on it, as soon as its turn comes.
    pub(crate) fn run(self, start: Start) -> Running {
        start.thread.set_ident(self.ident());
        let running = self.0.thread();
        let mut entry = ENTRY.lock();
        if entry.busy {
            entry.waiting.push_back((self, start));
            return running;
        }
        entry.busy = true;
        drop(entry);
        self.send(start);
        running
    }

    fn send(self, start: Start) {
        self.0.run(Box::new(move |over| start.run(over)));
    }

    /// Does something else on it.
    pub(crate) fn work(self, work: impl FnOnce(Over) + Send + 'static) {
        self.0.run(Box::new(work));
    }
}

/// Does not let an unwinding pass that is no panic's; to be forgotten when the danger is over.
pub(crate) struct Forever;

impl Drop for Forever {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            sleep_for_ever()
        }
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
    /// `function` is what `thread` does.
    pub(crate) fn new(thread: &Arc<Thread>, function: Bound<'_, PyAny>) -> Start {
        let interpreter = Interpreter::current(function.py());
        Start { thread: Arc::clone(thread), interpreter, function: function.into_ptr() }
    }

    /// The interpreter that it runs in.
    pub(crate) fn interpreter(&self) -> Interpreter {
        self.interpreter
    }

    /// The thread.
    pub(crate) fn thread(&self) -> &Arc<Thread> {
        &self.thread
    }

    /// Does not run it.
    pub(crate) fn give_up(self, py: Python<'_>) {
        // SAFETY: the reference is this object's own, and attached.
        drop(unsafe { Bound::from_owned_ptr(py, self.function) });
    }

    /// The whole thread, on the carrier's.
    fn run(self, mut over: Over) {
        self.thread.name_system_thread();
        let guard = Forever;
        let attached = Attached::enter(self.interpreter);
        send_next();
        match attached {
            Some(attached) => self.live(attached, &mut over),
            None => self.fail(&mut over),
        }
        std::mem::forget(guard);
    }

    /// The thread from its first instruction to its end, which is the last thing that happens here.
    pub(crate) fn live(self, attached: Attached, over: &mut Over) {
        bind(runtime(), &self.thread);
        self.thread.set_ident(lifecycle::ident());
        turns::mark_open(&self.thread, &attached);
        if runtime().misses_sampler() {
            runtime().go_on_sampling();
        }
        // SAFETY: `attached` says so.
        unsafe { self.call() };
        attached.leave(|| {
            turns::unmark(&self.thread);
            over.announce();
            unbind();
        });
    }

    /// The thread ends before its first instruction, because there is no memory for its state. `start()` has returned and
    /// no Python code can run here, so the error is only written down, and for whoever joins the thread.
    #[cold]
    pub(crate) fn fail(self, over: &mut Over) {
        let error = "MemoryError: no memory for its thread state";
        let name = self.thread.name();
        let text =
            format!("raddle: thread {name:?} ended before its first instruction: {error}; run fewer threads at once\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
        self.thread.set_error(error.to_owned());
        bind(runtime(), &self.thread);
        over.announce();
        unbind();
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

/// A thread state of the calling thread's own, attached to the interpreter.
pub(crate) struct Attached(*mut ffi::PyThreadState);

impl Attached {
    /// Goes into the interpreter with a new thread state; `None` if there is no memory for one. Once the interpreter
    /// finalizes, this does not return.
    pub(crate) fn enter(interpreter: Interpreter) -> Option<Attached> {
        if !lifecycle::enter() {
            sleep_for_ever();
        }
        // SAFETY: `enter` says that the interpreter has not begun to finalize, and it waits for us to `leave`. A thread
        // state may be made without being attached, and is this thread's own.
        let state = unsafe {
            let state = if *FAIL { std::ptr::null_mut() } else { ffi::PyThreadState_New(interpreter.0) };
            if !state.is_null() {
                ffi::PyEval_RestoreThread(state);
            }
            state
        };
        lifecycle::leave();
        (!state.is_null()).then_some(Attached(state))
    }

    /// The address of the thread state.
    pub(crate) fn address(&self) -> usize {
        self.0.expose_provenance()
    }

    /// Leaves for good. `last` is done when nothing of the thread can run any more.
    pub(crate) fn leave(self, last: impl FnOnce()) {
        // SAFETY: the state is this thread's current one, and is not used after this.
        unsafe { unwinding(ffi::PyThreadState_Clear as *const c_void, self.0.cast()) };
        last();
        // SAFETY: attached still, and the state has been cleared.
        unsafe { ffi::PyThreadState_DeleteCurrent() };
    }
}

/// Has the interpreter show an error that `source` could not raise. That calls a function of the program's.
pub(crate) fn show_unraisable(error: PyErr, source: &Bound<'_, PyAny>) {
    error.restore(source.py());
    // SAFETY: attached; `source` is alive, and an error is set, which the function takes.
    unsafe { unwinding(ffi::PyErr_WriteUnraisable as *const c_void, source.as_ptr().cast()) };
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
