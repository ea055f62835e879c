//! Interrupting running Python code: the thread does it itself, at a place where nothing is cut in two.
//!
//! An error that is set from outside (`PyThreadState_SetAsyncExc`) comes a moment after it was set, and nobody can say what the
//! thread has done in that moment: from 3.13 on it is not even looked for where the thread had stood still, but at its next
//! call, which may be the one that takes a lock; before, it may leave a `try` by the back door. So nothing is set. The code
//! that the thread is in is watched instead (`_interrupt.py` says which), the interpreter calls us from there, in the thread
//! itself, and that looks whether it holds anything and raises the error. Nobody else can come in between, with the
//! interpreter's lock or without.
//!
//! From 3.12 on the interpreter calls by `sys.monitoring`, only from the code that is watched. On 3.11 it is the thread's trace
//! function, which takes itself off again when nothing is due.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet};

use crate::sync::holdings;
use crate::{error, runtime};

/// In a set of places: the beginning of the function.
const START: i32 = -1;

/// Raises the stop of the calling thread if it is to be interrupted, waits for nothing of ours, holds nothing and hears.
fn interrupt_here(py: Python<'_>) -> PyResult<()> {
    let me = raddle::thread::current(runtime());
    if !me.interruption().is_due() || me.is_blocked() || holdings::holds_any(py, &me) {
        return Ok(());
    }
    match me.checkpoint() {
        // A deadline's is for its own block, which may be the one of a shield.
        Err(stopped) if stopped.block == 0 => Err(error::stopped(py, &stopped)),
        _ => Ok(()),
    }
}

/// Whether the thread may be interrupted there.
fn is_point(points: &Bound<'_, PyDict>, code: *mut ffi::PyObject, place: i32) -> PyResult<bool> {
    let places = points.get_item(code as usize)?;
    places.map_or(Ok(false), |places| places.cast::<PyFrozenSet>()?.contains(place))
}

/// What `sys.monitoring` calls at the instruction at `offset` of `code`, or at the start of that. `points` are the places at
/// which a thread may be interrupted, by the addresses of code objects; at others it returns `otherwise`.
#[pyfunction]
fn interruption_point<'py>(
    points: &Bound<'py, PyDict>,
    otherwise: &Bound<'py, PyAny>,
    at_start: bool,
    code: &Bound<'py, PyAny>,
    offset: i32,
) -> PyResult<Bound<'py, PyAny>> {
    if !is_point(points, code.as_ptr(), if at_start { START } else { offset })? {
        return Ok(otherwise.clone());
    }
    interrupt_here(points.py())?;
    Ok(points.py().None().into_bound(points.py()))
}

#[cfg(not(Py_3_12))]
mod tracing {
    use std::ffi::c_int;

    use pyo3::ffi::{Py_tracefunc, PyFrameObject, PyObject, PyThreadState};

    use super::*;
    use crate::fastcall::{guarded, none};

    // In the headers of 3.11 and made for this; 3.12 calls it for `threading.settrace_all_threads`.
    unsafe extern "C" {
        fn _PyEval_SetTrace(
            thread: *mut PyThreadState,
            function: Option<Py_tracefunc>,
            argument: *mut PyObject,
        ) -> c_int;
    }

    /// The thread state that runs `frame` right now.
    fn state_of(frame: &Bound<'_, PyAny>) -> Option<*mut PyThreadState> {
        // SAFETY: attached. Thread states go only while their thread holds the interpreter's lock, which we do.
        unsafe {
            let mut state = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
            while !state.is_null() {
                let innermost = Bound::from_owned_ptr_or_opt(frame.py(), ffi::PyThreadState_GetFrame(state).cast());
                if innermost.is_some_and(|innermost| innermost.is(frame)) {
                    return Some(state);
                }
                state = ffi::PyThreadState_Next(state);
            }
            None
        }
    }

    /// Has the thread that is in `frame` call us at each line, and at each instruction where that is asked for; false if it
    /// is there no more. It must have no other trace function.
    #[pyfunction]
    pub(super) fn trace_thread(frame: &Bound<'_, PyAny>, points: &Bound<'_, PyDict>) -> PyResult<bool> {
        let Some(state) = state_of(frame) else { return Ok(false) };
        // SAFETY: attached, so the thread stands still and its state is alive. (An audit hook of the program's is called first,
        // as by the interpreter's own `settrace_all_threads`.) The function gets references of its own.
        match unsafe { _PyEval_SetTrace(state, Some(trace), points.as_ptr()) } {
            0 => Ok(true),
            _ => Err(PyErr::fetch(frame.py())),
        }
    }

    extern "C" fn trace(points: *mut PyObject, frame: *mut PyFrameObject, what: c_int, _: *mut PyObject) -> c_int {
        let result = guarded(move |py| {
            // SAFETY: the interpreter calls with the argument that was given to it, and a live frame.
            let (points, code, place) = unsafe {
                let points = Bound::from_borrowed_ptr(py, points).cast_into::<PyDict>()?;
                let code = Bound::from_owned_ptr(py, ffi::PyFrame_GetCode(frame).cast());
                (points, code, ffi::PyFrame_GetLasti(frame))
            };
            if !raddle::thread::current(runtime()).interruption().is_pending() {
                // SAFETY: attached; takes the function off the calling thread.
                unsafe { ffi::PyEval_SetTrace(None, std::ptr::null_mut()) };
                return Ok(none());
            }
            let place = match what {
                ffi::PyTrace_LINE | ffi::PyTrace_OPCODE => place,
                ffi::PyTrace_CALL => START,
                _ => return Ok(none()),
            };
            if is_point(&points, code.as_ptr(), place)? {
                interrupt_here(py)?;
            }
            Ok(none())
        });
        if result.is_null() {
            return -1;
        }
        // SAFETY: attached; a reference that is ours.
        unsafe { ffi::Py_DECREF(result) };
        0
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    #[cfg(not(Py_3_12))]
    module.add_function(wrap_pyfunction!(tracing::trace_thread, module)?)?;
    module.add_function(wrap_pyfunction!(interruption_point, module)?)
}
