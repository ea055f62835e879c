//! Stopping: what a thread is asked by, and the blocks that it hears in.
//!
//! A stop is an error of class `Stopped`, which is no `Exception`, so that `except Exception` does not swallow it. A deadline
//! is the same error with the number of its block, which takes it off again at its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyTimeoutError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raddle::graph::Call;
use raddle::seam::Time;
use raddle::stop::{Awaited, Block, Registration, Stopped};
use raddle::sync::RawEvent;
use raddle::thread::Thread;

use crate::carrier::Forever;
use crate::limit::Limit;
use crate::{detach, error, runtime, site};

/// The mutexes in here are taken by attached threads, for a few instructions that do not detach.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn me() -> Arc<Thread> {
    raddle::thread::current(runtime())
}

/// A request to stop by the calling thread.
pub(crate) fn request(reason: Option<&str>) -> Stopped {
    Stopped { reason: reason.map(Arc::from), requested_by: me().name(), requested_at: Time::now(), block: 0 }
}

/// Stop here if the calling thread was asked to, or a deadline around it has passed.
#[pyfunction]
fn checkpoint(py: Python<'_>) -> PyResult<()> {
    me().checkpoint().map_err(|stopped| error::stopped(py, &stopped))
}

/// Whether `checkpoint()` would stop the calling thread.
#[pyfunction]
fn stop_requested() -> bool {
    me().checkpoint().is_err()
}

/// A time limit of what only raddle has, in seconds; None: no limit.
#[pyfunction]
#[pyo3(signature = (method, name, value))]
fn seconds(method: &str, name: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<f64>> {
    Ok(match Limit::of_any(method, name, value)? {
        Limit::Never => None,
        Limit::After(duration) => Some(duration.as_secs_f64()),
        Limit::Now | Limit::Until(_) => Some(0.0),
    })
}

/// Sleep, unless the thread is asked to stop.
#[pyfunction]
fn sleep(py: Python<'_>, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
    let limit = Limit::of_any("sleep", "seconds", Some(seconds))?;
    checkpoint(py)?;
    if limit == Limit::Now {
        return Ok(());
    }
    let never = RawEvent::new();
    detach::block(py, Arc::new(Awaited::Time), (Call::Sleep, limit), |blocked| never.wait(blocked)).map(drop)
}

/// What a thread hears a stop from.
#[pyclass(frozen, module = "raddle")]
pub(crate) struct StopToken(pub(crate) raddle::stop::StopToken);

/// What stops a token.
#[pyclass(frozen, module = "raddle")]
struct StopSource(raddle::stop::StopSource);

/// A callback that waits for a stop.
#[pyclass(frozen, module = "raddle", name = "Registration")]
struct PyRegistration(Mutex<Option<Registration>>);

#[pymethods]
impl StopSource {
    #[new]
    fn new() -> Self {
        StopSource(raddle::stop::StopSource::new())
    }

    /// Its other side, for those who are to hear of the stop.
    #[getter]
    fn token(&self) -> StopToken {
        StopToken(self.0.token())
    }

    /// Ask to stop; False if that was done before.
    #[pyo3(signature = (reason=None))]
    fn stop(&self, reason: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let reason = text(reason)?;
        Ok(self.0.stop_with(request(reason.as_deref())))
    }
}

/// The reason that was given for a stop.
pub(crate) fn text(reason: Option<&Bound<'_, PyAny>>) -> PyResult<Option<String>> {
    let Some(reason) = reason.filter(|reason| !reason.is_none()) else { return Ok(None) };
    reason.extract().map(Some).map_err(|_| {
        let class = reason.get_type();
        PyTypeError::new_err(format!(
            "reason must be a str or None, got {} (write reason=str(...))",
            class.name().map_or_else(|_| "an object".to_owned(), |name| name.to_string())
        ))
    })
}

#[pymethods]
impl StopToken {
    /// Whether a stop was asked for.
    #[getter]
    fn requested(&self) -> bool {
        self.0.is_stopped()
    }

    /// Why, if whoever asked said so.
    #[getter]
    fn reason(&self) -> Option<String> {
        self.0.stopped().and_then(|stopped| stopped.reason.as_ref().map(|reason| reason.to_string()))
    }

    /// Wait until a stop is asked for, at most `timeout` seconds. Whether it was.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        if self.0.is_stopped() {
            return Ok(true);
        }
        match Limit::of_any("wait", "timeout", timeout)? {
            Limit::Now => Ok(false),
            limit => detach::block(py, Arc::new(Awaited::Stop), (Call::Wait, limit), |blocked| self.0.wait_in(blocked)),
        }
    }

    /// Have `callback()` called by whoever asks to stop, or at once if that was done already.
    fn on_stop(&self, callback: &Bound<'_, PyAny>) -> PyResult<PyRegistration> {
        register(&self.0, callback)
    }

    fn __repr__(&self) -> String {
        match self.0.stopped() {
            Some(stopped) => format!("<StopToken: {stopped}>"),
            None => "<StopToken: not stopped>".to_owned(),
        }
    }
}

fn register(token: &raddle::stop::StopToken, callback: &Bound<'_, PyAny>) -> PyResult<PyRegistration> {
    if !callback.is_callable() {
        let class = callback.get_type().name()?;
        let text = format!("on_stop needs a function, got {class} (write on_stop(sock.close), without calling it)");
        return Err(PyTypeError::new_err(text));
    }
    let callback = callback.clone().unbind();
    Ok(PyRegistration(Mutex::new(Some(token.on_stop(move |_| call(&callback))))))
}

/// Calls a callback of the program's; what it raises is shown, because the stop has to reach the others as well.
pub(crate) fn call(callback: &Py<PyAny>) {
    let guard = Forever;
    Python::attach(|py| {
        if let Err(error) = callback.call0(py) {
            error.write_unraisable(py, Some(callback.bind(py)));
        }
    });
    std::mem::forget(guard);
}

#[pymethods]
impl PyRegistration {
    /// Take the callback back.
    fn remove(&self) {
        let registration = lock(&self.0).take();
        drop(registration);
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, _exc_info: &Bound<'_, PyTuple>) {
        self.remove();
    }
}

/// A token that is stopped as soon as one of `tokens` is.
#[pyfunction]
#[pyo3(signature = (*tokens))]
fn any_of(tokens: Vec<PyRef<'_, StopToken>>) -> PyResult<StopToken> {
    if tokens.is_empty() {
        return Err(PyValueError::new_err("any_of needs at least one token: without one it would never be stopped"));
    }
    let tokens: Vec<_> = tokens.iter().map(|token| token.0.clone()).collect();
    Ok(StopToken(raddle::stop::any_of(&tokens)))
}

/// The token of the calling thread.
#[pyfunction]
fn current_token() -> StopToken {
    StopToken(me().token().clone())
}

/// Have `callback()` called by whoever asks the calling thread to stop.
#[pyfunction]
fn on_stop(callback: &Bound<'_, PyAny>) -> PyResult<PyRegistration> {
    register(me().token(), callback)
}

/// Where a block was entered: by which thread, and its number.
type Entered = Option<(u64, u64)>;

/// Enters a block of the calling thread's.
fn enter(entered: &Mutex<Entered>, what: &str, block: Block) -> PyResult<()> {
    let me = me();
    let mut entered = lock(entered);
    if entered.is_some() {
        let text = format!("{what} was entered before; make a new one for each `with`");
        return Err(PyRuntimeError::new_err(text));
    }
    *entered = Some((me.serial(), me.blocks().enter(block)));
    Ok(())
}

/// Leaves it; its number, if the calling thread entered it.
fn leave(entered: &Mutex<Entered>) -> Option<u64> {
    let me = me();
    let number = lock(entered).filter(|(serial, _)| *serial == me.serial())?.1;
    me.blocks().leave(number);
    Some(number)
}

/// A block whose stop points end at a moment; see `fail_after` and `move_on_after`.
#[pyclass(frozen, module = "raddle")]
struct DeadlineScope {
    /// `move_on_after(1.0)`.
    what: Arc<str>,
    deadline: Mutex<Deadline>,
    entered: Mutex<Entered>,
    fails: bool,
}

struct Deadline {
    after: Limit,
    at: Option<Time>,
    expired: bool,
}

impl DeadlineScope {
    fn new(what: &str, seconds: &Bound<'_, PyAny>, fails: bool) -> PyResult<DeadlineScope> {
        let limit = Limit::of_any(what, "seconds", Some(seconds))?;
        let deadline = Mutex::new(Deadline { after: limit, at: None, expired: false });
        let what = format!("{what}({})", seconds.repr()?).into();
        Ok(DeadlineScope { what, deadline, entered: Mutex::default(), fails })
    }
}

#[pymethods]
impl DeadlineScope {
    /// Whether the deadline ended the block.
    #[getter]
    fn expired(&self) -> bool {
        lock(&self.deadline).expired
    }

    /// End the block now, whichever thread is in it.
    fn end(&self) {
        let Some((serial, number)) = *lock(&self.entered) else { return };
        if let Some(thread) = runtime().thread(serial)
            && thread.blocks().move_deadline(number, Time::now())
        {
            lock(&self.deadline).at = Some(Time::now());
            thread.parker().unpark();
        }
    }

    /// Whether its moment has come.
    #[getter]
    fn is_over(&self) -> bool {
        lock(&self.deadline).at.is_some_and(|at| at <= Time::now())
    }

    /// When the block is ended, as `time.monotonic()` counts; None: never, or not entered yet.
    #[getter]
    fn deadline(&self) -> Option<f64> {
        lock(&self.deadline).at.map(Time::as_secs_f64)
    }

    fn __enter__(this: &Bound<'_, Self>) -> PyResult<Py<Self>> {
        let scope = this.get();
        let at = lock(&scope.deadline).after.deadline();
        let block = Block::Deadline(at.unwrap_or(Time::NEVER), Arc::clone(&scope.what));
        enter(&scope.entered, &scope.what, block)?;
        lock(&scope.deadline).at = at;
        Ok(this.clone().unbind())
    }

    #[pyo3(signature = (_class, error, _traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _class: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let number = leave(&self.entered);
        let ours = number.is_some() && error::block_of(py, error) == number;
        if ours {
            lock(&self.deadline).expired = true;
        }
        if ours && self.fails {
            let at = site::of_error(py, &PyErr::from_value(error.clone()));
            let at = at.map(|place| format!(" at {}:{}", place.file, place.line)).unwrap_or_default();
            return Err(PyTimeoutError::new_err(format!("{} expired{at}", self.what)));
        }
        Ok(ours)
    }
}

/// A block that ends by itself after `seconds`: whatever blocks in it then is left, and the program goes on behind it.
#[pyfunction]
fn move_on_after(seconds: &Bound<'_, PyAny>) -> PyResult<DeadlineScope> {
    DeadlineScope::new("move_on_after", seconds, false)
}

/// A block that fails after `seconds`: whatever blocks in it then is left, with a TimeoutError behind it.
#[pyfunction]
fn fail_after(seconds: &Bound<'_, PyAny>) -> PyResult<DeadlineScope> {
    DeadlineScope::new("fail_after", seconds, true)
}

/// A block that ends at a moment of the clock of `time.monotonic()`, otherwise as `move_on_after`.
#[pyfunction]
fn deadline_at(moment: &Bound<'_, PyAny>) -> PyResult<DeadlineScope> {
    let now = Time::now().as_secs_f64();
    let left = moment.extract::<f64>()? - now;
    let left = if left.is_nan() { left } else { left.max(0.0) };
    let seconds = left.into_pyobject(moment.py())?;
    let mut scope = DeadlineScope::new("deadline_at", &seconds, false)?;
    scope.what = format!("deadline_at({})", moment.repr()?).into();
    Ok(scope)
}

/// A block that is not stopped by anything outside it; after `timeout` seconds, it is again.
#[pyclass(frozen, module = "raddle", name = "shield")]
struct Shield {
    limit: Limit,
    entered: Mutex<Entered>,
}

#[pymethods]
impl Shield {
    #[new]
    #[pyo3(signature = (timeout=None))]
    fn new(timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Shield> {
        Ok(Shield { limit: Limit::of_any("shield", "timeout", timeout)?, entered: Mutex::default() })
    }

    fn __enter__(this: &Bound<'_, Self>) -> PyResult<Py<Self>> {
        let shield = this.get();
        enter(&shield.entered, "this shield", Block::Shield(shield.limit.deadline()))?;
        Ok(this.clone().unbind())
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, _exc_info: &Bound<'_, PyTuple>) {
        leave(&self.entered);
    }
}

/// The body of a scope as a block: it ends when the scope's token is stopped, and with it whatever the thread hears that is in
/// the body. For one `with`.
#[pyclass(frozen, module = "raddle._raddle")]
struct ScopeBlock {
    token: raddle::stop::StopToken,
    entered: Mutex<Entered>,
    wake: Mutex<Option<Registration>>,
}

#[pymethods]
impl ScopeBlock {
    #[new]
    fn new(token: &StopToken) -> Self {
        ScopeBlock { token: token.0.clone(), entered: Mutex::default(), wake: Mutex::default() }
    }

    /// Makes it a block of the calling thread's.
    fn enter(&self) -> PyResult<()> {
        let me = me();
        self.token.follow(&me.heard_tokens());
        *lock(&self.wake) = Some(self.token.unparks(me.parker()));
        enter(&self.entered, "this scope", Block::Token(self.token.clone()))
    }

    /// Leaves it; whether `error` is the stop that has ended it.
    fn leave(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> bool {
        let wake = lock(&self.wake).take();
        drop(wake);
        let number = leave(&self.entered);
        number.is_some() && error::block_of(py, error) == number
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(checkpoint, module)?)?;
    module.add_function(wrap_pyfunction!(stop_requested, module)?)?;
    module.add_function(wrap_pyfunction!(seconds, module)?)?;
    module.add_function(wrap_pyfunction!(sleep, module)?)?;
    module.add_function(wrap_pyfunction!(any_of, module)?)?;
    module.add_function(wrap_pyfunction!(current_token, module)?)?;
    module.add_function(wrap_pyfunction!(on_stop, module)?)?;
    module.add_function(wrap_pyfunction!(move_on_after, module)?)?;
    module.add_function(wrap_pyfunction!(fail_after, module)?)?;
    module.add_function(wrap_pyfunction!(deadline_at, module)?)?;
    module.add_class::<StopToken>()?;
    module.add_class::<StopSource>()?;
    module.add_class::<PyRegistration>()?;
    module.add_class::<DeadlineScope>()?;
    module.add_class::<ScopeBlock>()?;
    module.add_class::<Shield>()
}
