//! Time limits and other arguments of blocking calls, read as the running CPython reads them.
//!
//! The package `raddle` itself has rules of its own ([`Limit::real`]); all else is as CPython has it.
//!
//! The usual values are recognised here. Anything else is handed to the interpreter's own lock (a fresh one, so that it
//! never blocks): whatever that raises is raised, word for word, on every version.

use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyTuple};
use raddle::seam::Time;

/// How long a call may block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// Until it is done.
    Never,
    /// Not at all.
    Now,
    /// So long.
    After(Duration),
    /// Until then.
    Until(Time),
}

/// Above this CPython's own limits begin, which differ from call to call.
const USUAL: f64 = 1e8;

impl Limit {
    /// The moment it ends, for a call that starts to wait now.
    pub(crate) fn deadline(self) -> Option<Time> {
        match self {
            Limit::Never => None,
            Limit::Now => Some(Time::now()),
            Limit::After(duration) => Some(Time::now().after(duration)),
            Limit::Until(time) => Some(time),
        }
    }

    /// `seconds` if they are a plain number that no call finds fault with.
    pub(crate) fn usual(timeout: &Bound<'_, PyAny>) -> Option<f64> {
        let plain = timeout.is_exact_instance_of::<PyFloat>() || is_small_int(timeout);
        if plain { timeout.extract().ok().filter(|seconds| (0.0..USUAL).contains(seconds)) } else { None }
    }

    pub(crate) fn after(seconds: f64) -> Limit {
        if seconds > 0.0 {
            Limit::After(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        } else {
            Limit::Now
        }
    }

    /// The arguments of `lock.acquire(blocking=True, timeout=-1)`, as the interpreter passes them.
    ///
    /// # Safety
    /// `args`, `count` and `names` must be those of a call that is under way (vectorcall convention).
    pub(crate) unsafe fn of_acquire(
        py: Python<'_>,
        args: *const *mut PyObject,
        count: isize,
        names: *mut PyObject,
    ) -> PyResult<Limit> {
        // SAFETY: this function's own condition.
        let given = unsafe { arguments(py, "acquire", (args, count, names), ["blocking", "timeout"]) };
        let [blocking, timeout] = match given {
            Ok(given) => given,
            Err(error) => {
                // SAFETY: this function's own condition.
                let theirs = unsafe { ask_the_interpreters_lock(py, args, count, names) };
                return Err(theirs.err().unwrap_or(error));
            }
        };
        let usual = blocking.as_ref().is_none_or(|arg| arg.is_instance_of::<PyBool>())
            && timeout.as_ref().is_none_or(|arg| arg.is_exact_instance_of::<PyFloat>() || is_small_int(arg));
        let blocking_value = blocking.as_ref().map_or(Ok(true), |arg| arg.is_truthy())?;
        let seconds = if usual { timeout.as_ref().map_or(Ok(-1.0), |arg| arg.extract::<f64>())? } else { f64::NAN };
        match (blocking_value, seconds) {
            (true, -1.0) => return Ok(Limit::Never),
            (false, -1.0) => return Ok(Limit::Now),
            (true, 0.0..USUAL) => return Ok(Limit::after(seconds)),
            _ => {}
        }
        // SAFETY: this function's own condition.
        unsafe { ask_the_interpreters_lock(py, args, count, names) }?;
        let seconds = timeout.map_or(Ok(-1.0), |arg| arg.extract::<f64>())?;
        Ok(match blocking_value {
            false => Limit::Now,
            true if seconds < 0.0 => Limit::Never,
            true => Limit::after(seconds),
        })
    }

    /// The `timeout=None` of conditions, events and barriers: what is not above zero does not block.
    pub(crate) fn of_wait(timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Limit> {
        let Some(timeout) = timeout else { return Ok(Limit::Never) };
        if timeout.is_exact_instance_of::<PyFloat>() || is_small_int(timeout) {
            let seconds = timeout.extract::<f64>()?;
            if seconds < USUAL || seconds.is_nan() {
                return Ok(Limit::after(seconds));
            }
        }
        if !timeout.gt(0)? {
            return Ok(Limit::Now);
        }
        interpreters_lock(timeout.py())?.call_method1("acquire", (true, timeout))?;
        Ok(Limit::after(timeout.extract::<f64>()?))
    }
}

impl Limit {
    /// A time limit of what only raddle has: None or inf, no limit; what is not above zero, not at all; any real number.
    pub(crate) fn of_any(method: &str, name: &str, seconds: Option<&Bound<'_, PyAny>>) -> PyResult<Limit> {
        let Some(given) = seconds.filter(|seconds| !seconds.is_none()) else { return Ok(Limit::Never) };
        let seconds: f64 = given.extract().map_err(|_| {
            let class = given.get_type().name().map_or_else(|_| "an object".to_owned(), |name| name.to_string());
            PyTypeError::new_err(format!("{method}(): {name} must be a number of seconds or None, got {class}"))
        })?;
        if seconds.is_nan() {
            return Err(PyValueError::new_err(format!("{method}(): {name} must be a number of seconds, got nan")));
        }
        Ok(if seconds == f64::INFINITY { Limit::Never } else { Limit::after(seconds) })
    }
}

fn is_small_int(arg: &Bound<'_, PyAny>) -> bool {
    arg.is_exact_instance_of::<PyInt>() && arg.extract::<i64>().is_ok_and(|value| value.unsigned_abs() < 1 << 40)
}

pub(crate) type Found<'py, const N: usize> = [Option<Bound<'py, PyAny>>; N];

/// The arguments of a raw method whose parameters are `names`.
///
/// # Safety
/// `args`, `count` and `keywords` must be those of a call that is under way (vectorcall convention).
pub(crate) unsafe fn arguments<'py, const N: usize>(
    py: Python<'py>,
    method: &str,
    (args, count, keywords): (*const *mut PyObject, isize, *mut PyObject),
    names: [&str; N],
) -> PyResult<Found<'py, N>> {
    // SAFETY: this function's own condition.
    unsafe { arguments_after(py, method, 0, (args, count, keywords), names) }
}

/// The same for a method of which the first `needed` arguments must be given.
///
/// # Safety
/// As [`arguments`].
pub(crate) unsafe fn arguments_after<'py, const N: usize>(
    py: Python<'py>,
    method: &str,
    needed: usize,
    (args, count, keywords): (*const *mut PyObject, isize, *mut PyObject),
    names: [&str; N],
) -> PyResult<Found<'py, N>> {
    // SAFETY: the interpreter passes `count` live references, and one more for each name in the tuple `keywords`.
    let at = |index: isize| unsafe { Borrowed::from_ptr(py, *args.offset(index)).to_owned() };
    let mut found = [const { None }; N];
    if count > N as isize {
        return Err(too_many(method, (needed + 1, N + 1), count + 1));
    }
    for index in 0..count {
        found[index as usize] = Some(at(index));
    }
    // SAFETY: null or a tuple of strings, alive through the call.
    let keywords = unsafe { Borrowed::from_ptr_or_opt(py, keywords) };
    let keywords = keywords.as_ref().and_then(|tuple| tuple.cast::<PyTuple>().ok()).map(|tuple| tuple.iter());
    for (index, keyword) in keywords.into_iter().flatten().enumerate() {
        let keyword = keyword.extract::<String>()?;
        match names.iter().position(|name| *name == keyword) {
            Some(place) if found[place].is_none() => found[place] = Some(at(count + index as isize)),
            Some(_) => return Err(misfit(method, "got multiple values for argument", &keyword)),
            None => return Err(misfit(method, "got an unexpected keyword argument", &keyword)),
        }
    }
    let missing = |place: &usize| found[*place].is_none();
    match (0..needed).find(missing) {
        Some(place) => {
            let text = format!("{method}() missing 1 required positional argument: '{}'", names[place]);
            Err(PyTypeError::new_err(text))
        }
        None => Ok(found),
    }
}

fn misfit(method: &str, what: &str, keyword: &str) -> PyErr {
    PyTypeError::new_err(format!("{method}() {what} '{keyword}'"))
}

fn too_many(method: &str, (least, most): (usize, usize), given: isize) -> PyErr {
    let text = format!("{method}() takes from {least} to {most} positional arguments but {given} were given");
    PyTypeError::new_err(text)
}

/// The arguments `blocking=True, timeout=None` of a raw method.
///
/// # Safety
/// As [`arguments`].
pub(crate) unsafe fn blocking_and_timeout<'py>(
    py: Python<'py>,
    method: &str,
    args: *const *mut PyObject,
    count: isize,
    keywords: *mut PyObject,
) -> PyResult<Found<'py, 2>> {
    // SAFETY: this function's own condition.
    unsafe { arguments(py, method, (args, count, keywords), ["blocking", "timeout"]) }
}

/// The one argument of a raw method.
///
/// # Safety
/// As [`arguments`].
pub(crate) unsafe fn one_argument<'py>(
    py: Python<'py>,
    (method, name): (&str, &str),
    args: *const *mut PyObject,
    count: isize,
    keywords: *mut PyObject,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    // SAFETY: this function's own condition.
    let [argument] = unsafe { arguments(py, method, (args, count, keywords), [name]) }?;
    Ok(argument)
}

impl Limit {
    /// The time limit of semaphores and barriers, to which CPython adds the clock first: what cannot be added to a number is
    /// refused with that text, and NaN, with which it would spin for ever, is refused here.
    pub(crate) fn of_timed_wait(timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Limit> {
        let Some(timeout) = timeout else { return Ok(Limit::Never) };
        let end = timeout.py().import("time")?.call_method0("monotonic")?.add(timeout)?;
        if end.extract::<f64>().is_ok_and(f64::is_nan) {
            return Err(PyValueError::new_err("Invalid value NaN (not a number)"));
        }
        Limit::of_wait(Some(timeout))
    }
}

/// The rules of the package `raddle` itself, which are the same for all its calls.
impl Limit {
    /// `None` and infinity are no limit, what is not above zero does not block, any real number is taken but NaN.
    pub(crate) fn real(timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Limit> {
        let Some(timeout) = timeout.filter(|timeout| !timeout.is_none()) else { return Ok(Limit::Never) };
        let seconds = match timeout.extract::<f64>() {
            Ok(seconds) => seconds,
            // An int that is no float any more.
            Err(error) if error.is_instance_of::<PyOverflowError>(timeout.py()) => {
                return Ok(if timeout.gt(0)? { Limit::Never } else { Limit::Now });
            }
            Err(_) => {
                let class = timeout.get_type().name()?;
                return Err(PyTypeError::new_err(format!("timeout must be a number of seconds or None, not {class}")));
            }
        };
        if seconds.is_nan() {
            return Err(PyValueError::new_err("timeout must not be NaN; None is no limit, 0 does not block"));
        }
        Ok(if seconds == f64::INFINITY { Limit::Never } else { Limit::after(seconds) })
    }

    /// The time limit of a call of `object`: by these rules if its class is one of the package's own over a class of the
    /// drop-in, which have a name, else as `theirs` says.
    pub(crate) fn of_call<'py>(
        object: &Bound<'py, PyAny>,
        timeout: Option<&Bound<'py, PyAny>>,
        theirs: impl FnOnce(Option<&Bound<'py, PyAny>>) -> PyResult<Limit>,
    ) -> PyResult<Limit> {
        let is_usual = timeout.is_none_or(|timeout| Limit::usual(timeout).is_some());
        if is_usual || !object.hasattr(crate::naming::given_name(object.py()))? {
            return theirs(timeout);
        }
        Limit::real(timeout)
    }

    /// The arguments of `acquire(blocking=True, timeout=None)`.
    ///
    /// # Safety
    /// As [`arguments`].
    pub(crate) unsafe fn of_real_acquire(
        py: Python<'_>,
        method: &str,
        args: *const *mut PyObject,
        count: isize,
        names: *mut PyObject,
    ) -> PyResult<Limit> {
        // SAFETY: this function's own condition.
        let [blocking, timeout] = unsafe { blocking_and_timeout(py, method, args, count, names) }?;
        Limit::of_real(blocking.as_ref(), timeout.as_ref())
    }

    pub(crate) fn of_real(blocking: Option<&Bound<'_, PyAny>>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Limit> {
        let limit = Limit::real(timeout)?;
        if blocking.map_or(Ok(true), |arg| arg.is_truthy())? {
            return Ok(limit);
        }
        if limit != Limit::Never {
            return Err(PyValueError::new_err("can't specify a timeout for a non-blocking call"));
        }
        Ok(Limit::Now)
    }
}

/// Has the interpreter look at the time limit of a join: what it refuses is refused in its words.
pub(crate) fn check_join(timeout: &Bound<'_, PyAny>) -> PyResult<()> {
    if timeout.extract::<f64>().is_ok_and(|seconds| (0.0..USUAL).contains(&seconds)) {
        return Ok(());
    }
    if cfg!(Py_3_13) {
        // A handle of the interpreter's own whose thread has ended; there is no other way to one.
        static ENDED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = timeout.py();
        let ended = ENDED.get_or_try_init(py, || {
            let start = py.import("_thread")?.getattr("start_joinable_thread")?;
            let handle = start.call1((py.get_type::<PyInt>(),))?;
            handle.call_method0("join")?;
            Ok::<_, PyErr>(handle.unbind())
        })?;
        ended.bind(py).call_method1("join", (timeout,)).map(drop)
    } else {
        interpreters_lock(timeout.py())?.call_method1("acquire", (true, timeout)).map(drop)
    }
}

/// A new lock of the interpreter's own.
fn interpreters_lock(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static ALLOCATE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    ALLOCATE.import(py, "_thread", "allocate_lock")?.call0()
}

unsafe fn ask_the_interpreters_lock(
    py: Python<'_>,
    args: *const *mut PyObject,
    count: isize,
    names: *mut PyObject,
) -> PyResult<()> {
    let acquire = interpreters_lock(py)?.getattr("acquire")?;
    // SAFETY: the arguments of a call that is under way are passed on unchanged; a new reference or null comes back.
    let answer = unsafe { ffi::PyObject_Vectorcall(acquire.as_ptr(), args, count as usize, names) };
    // SAFETY: as said.
    unsafe { Bound::from_owned_ptr_or_err(py, answer) }.map(drop)
}
