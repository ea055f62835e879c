//! What the engine asks of Python, and what it tells.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PySystemExit, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use raddle::graph::verdict::{Nested, Outcome, Place, ThreadKind, Verdict, Wait};
use raddle::graph::{ForeignWait, Site};
use raddle::runtime::{Deadlocks, Host, Policy};
use raddle::seam::os_threads;
use raddle::thread::Thread;
use raddle_report::Style;

use crate::carrier::{self, Forever};
use crate::error::{DeadlockError, LockAbandonedError};
use crate::executor::Submission;
use crate::thread::{ThreadHandle, with_handle};
use crate::{imports, lifecycle, runtime, shutdown, site, turns};

/// Whether verdicts that the program also gets as an error are printed: so under `raddle run`.
static OBSERVED: AtomicBool = AtomicBool::new(false);

/// How many verdicts of each code there were.
static FOUND: LazyLock<Mutex<BTreeMap<&'static str, u64>>> = LazyLock::new(Mutex::default);

#[derive(Debug)]
pub(crate) struct PyHost;

impl Host for PyHost {
    fn told(&self, verdict: &Verdict) {
        tell(verdict);
    }

    fn main_may_be_interrupted(&self) -> bool {
        Python::attach(|py| has_signal_handlers(py).unwrap_or(true))
    }

    fn may_be_woken_from_outside(&self, known_threads: usize) -> bool {
        os_threads() > known_threads + runtime().carriers().spare() + runtime().samplers()
            || self.main_may_be_interrupted()
    }

    fn holds_foreign(&self, _: &Thread) -> bool {
        Python::attach(|py| imports::is_importing(py, lifecycle::ident()).unwrap_or(false))
    }

    fn foreign_wait(&self, thread: &Thread) -> Option<ForeignWait> {
        Python::attach(|py| imports::wait_of(py, thread.ident()).ok().flatten())
    }

    fn stack_of(&self, thread: &Thread) -> Vec<Place> {
        Python::attach(|py| site::of_thread(py, thread.ident()).unwrap_or_default())
    }

    fn place_of(&self, thread: &Thread) -> Option<Arc<dyn Site>> {
        Python::attach(|py| turns::place_of(py, thread))
    }

    fn adopted(&self, thread: &Thread) {
        let ident = lifecycle::ident();
        thread.set_ident(ident);
        Python::attach(|py| turns::mark(py, thread, lifecycle::is_main_thread()));
        if lifecycle::is_main_thread() {
            thread.set_kind(ThreadKind::Main);
            thread.rename("MainThread");
            return;
        }
        let known = Python::attach(|py| name_in_threading(py, ident).ok().flatten());
        thread.rename(&known.unwrap_or_else(|| format!("foreign thread {ident}")));
    }
}

/// The name of a thread that the standard library's `threading` knows, read without running code of the program.
fn name_in_threading(py: Python<'_>, ident: u64) -> PyResult<Option<String>> {
    let active = py.import("threading")?.getattr("_active")?;
    let thread = active.call_method1("get", (ident,))?;
    if thread.is_none() { Ok(None) } else { thread.getattr("_name")?.extract() }
}

/// Whether a Python function other than Ctrl-C's default one handles some signal.
fn has_signal_handlers(py: Python<'_>) -> PyResult<bool> {
    static HARMLESS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let signal = py.import("_signal")?;
    let default = HARMLESS.import(py, "_signal", "default_int_handler")?;
    for number in 1..65 {
        let handler = signal.call_method1("getsignal", (number,));
        let Ok(handler) = handler else { continue };
        let harmless = shutdown::is_our_handler(&handler) && !shutdown::ends_by(number);
        if handler.is_callable() && !handler.is(default) && !harmless {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Counts a verdict and prints it, but for one that was told before in the same words, or that is an error only. A guess is
/// printed under `raddle run` and never counted.
pub(crate) fn tell(verdict: &Verdict) {
    if verdict.is_likely() {
        if OBSERVED.load(Ordering::Relaxed) {
            print(verdict);
        }
        return;
    }
    *FOUND.lock().unwrap_or_else(PoisonError::into_inner).entry(verdict.code().id()).or_default() += 1;
    if (OBSERVED.load(Ordering::Relaxed) || !is_raised(verdict)) && is_new(verdict) {
        print(verdict);
    }
}

/// Whether the program also gets it as an error.
fn is_raised(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Deadlock { outcome, .. } => *outcome == Outcome::Raised,
        Verdict::OwnerDead { raised, .. } => *raised,
        _ => false,
    }
}

/// Who is handed what would be printed otherwise.
static HOOK: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

/// Has `hook(code, text, mark, raised)` called with each verdict that would be printed otherwise, by the thread that found it; None undoes
/// it. It is called in the middle of a wait: it may look, and end a deadline, and has to return.
#[pyfunction]
#[pyo3(signature = (hook))]
fn on_verdict(hook: Option<Py<PyAny>>) {
    let before = std::mem::replace(&mut *HOOK.lock().unwrap_or_else(PoisonError::into_inner), hook);
    drop(before);
}

/// What GitHub's runner reads, if this runs there.
fn mark(verdict: &Verdict) -> String {
    let at_github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    if at_github { raddle_report::annotation(verdict) } else { String::new() }
}

/// Whether the whole program runs under observation.
#[pyfunction]
pub(crate) fn is_observed() -> bool {
    OBSERVED.load(Ordering::Relaxed)
}

fn hand_to_hook(verdict: &Verdict) -> bool {
    Python::attach(|py| {
        let hook = HOOK.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|hook| hook.clone_ref(py));
        let Some(hook) = hook else { return false };
        let guard = Forever;
        let (text, mark) = (raddle_report::render(verdict, &Style::plain()), mark(verdict));
        if let Err(error) = hook.call1(py, (verdict.code().id(), text, mark, is_raised(verdict))) {
            error.write_unraisable(py, Some(hook.bind(py)));
        }
        std::mem::forget(guard);
        true
    })
}

/// Straight to the descriptor: the program's `sys.stderr` may be what the threads wait for.
fn print(verdict: &Verdict) {
    if let Some(recorder) = runtime().recorder() {
        recorder.note_verdict(verdict, &raddle_report::render(verdict, &Style::plain()));
    }
    if hand_to_hook(verdict) {
        return;
    }
    let mut text = raddle_report::render(verdict, &Style::for_stderr());
    if OBSERVED.load(Ordering::Relaxed) {
        text += &mark(verdict);
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The places of what was printed.
static TOLD: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Has everything printed again that was before: from now on, whoever reads is somebody else.
#[pyfunction]
fn tell_again() {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// A loop can run into the same deadlock again and again, and take the locks of a thousand objects in the wrong order: what
/// happened at the same places is printed once.
fn is_new(verdict: &Verdict) -> bool {
    let mut places: Vec<String> = match verdict {
        Verdict::Deadlock { cycle, .. } => cycle.waits.iter().map(places_of_wait).collect(),
        Verdict::Inversion { circle } => circle.iter().map(places_of_takes).collect(),
        _ => return true,
    };
    places.sort_unstable();
    let told = verdict.code().id().to_owned() + &places.concat();
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(told)
}

fn places_of_wait(wait: &Wait) -> String {
    let taken = wait.object.holder.as_ref().and_then(|holder| holder.taken_at.as_ref());
    format!("{:?}{:?}", wait.at.as_ref().map(line), taken.map(line))
}

fn places_of_takes(nested: &Nested) -> String {
    format!("{:?}{:?}", nested.first_at.as_ref().map(line), nested.second_at.as_ref().map(line))
}

fn line(place: &Place) -> (&str, u32) {
    (&place.file, place.line)
}

/// Chooses what is done about deadlocks. `deadlocks`: "raise", "report" or "off"; `grace` and `hold_warn` in seconds.
#[pyfunction]
#[pyo3(signature = (deadlocks, grace, hold_warn=None))]
fn configure(deadlocks: &str, grace: f64, hold_warn: Option<f64>) -> PyResult<()> {
    let deadlocks = match deadlocks {
        "raise" => Deadlocks::Raise,
        "report" => Deadlocks::Report,
        "raise-any" => Deadlocks::RaiseAny,
        "off" => Deadlocks::Off,
        other => {
            return Err(PyValueError::new_err(format!("deadlocks must be 'raise', 'report' or 'off', got {other:?}")));
        }
    };
    let grace = Duration::try_from_secs_f64(grace).map_err(|_| {
        PyValueError::new_err(format!("deadlock_grace must be a number of seconds, 0 or more, got {grace}"))
    })?;
    let limit = |seconds: f64| Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero());
    let hold_warn = match hold_warn {
        Some(seconds) => Some(limit(seconds).ok_or_else(|| {
            let text = format!("hold_warn must be a number of seconds above 0, or None, got {seconds}");
            PyValueError::new_err(text)
        })?),
        None => None,
    };
    runtime().set_policy(Policy { deadlocks, grace, hold_warn });
    Ok(())
}

/// Puts the whole program under observation: what is found is printed, so is who died, and so is who keeps the program
/// alive after its main function; SIGQUIT prints who waits for what.
///
/// `hook` is the program's `threading.excepthook` from now on, `unraisable_hook` its `sys.unraisablehook`. They show the
/// error, then call [`died`]: showing runs Python code, under which no frame of ours may lie (see `carrier.rs`).
#[pyfunction]
fn observe_program(hook: &Bound<'_, PyAny>, unraisable_hook: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = hook.py();
    OBSERVED.store(true, Ordering::Relaxed);
    for (module, name, hook) in [("threading", "excepthook", hook), ("sys", "unraisablehook", unraisable_hook)] {
        let module = py.import(module)?;
        module.setattr(name, hook)?;
        module.setattr(format!("__{name}__"), hook)?;
    }
    shutdown::observe(py)?;
    shutdown::handle_if_default(py, libc::SIGQUIT).map(drop)
}

/// Tells who started a thread, and who waits for it, after an error that left its function was shown: the thread that
/// `args.thread` has a handle of, which may have ended long ago; otherwise the calling one. `args` may be what
/// `sys.unraisablehook` gets.
#[pyfunction]
fn died(py: Python<'_>, args: &Bound<'_, PyAny>) -> PyResult<()> {
    let guard = Forever;
    let told = tell_death(py, args);
    std::mem::forget(guard);
    told
}

fn tell_death(py: Python<'_>, args: &Bound<'_, PyAny>) -> PyResult<()> {
    let value = args.getattr("exc_value")?;
    let told = [py.get_type::<PySystemExit>(), py.get_type::<DeadlockError>(), py.get_type::<LockAbandonedError>()];
    let class = args.getattr("exc_type")?;
    if value.is_none() || told.iter().any(|told| class.is(told)) {
        return Ok(());
    }
    let error = PyErr::from_value(value.clone());
    let failed = args.getattr("thread").ok();
    let held = failed.as_ref().is_some_and(|thread| thread.hasattr("_raddle_outcome").unwrap_or(false));
    let thread = failed.and_then(|thread| with_handle(&thread)).unwrap_or_else(|| raddle::thread::current(runtime()));
    tell(&runtime().died(&thread, one_line(&value), site::of_error(py, &error), held));
    Ok(())
}

/// Tells of a job's error that nobody asked its future for: of `worker`'s, submitted as `submission` says, if that is known.
#[pyfunction]
fn unasked(worker: &Bound<'_, ThreadHandle>, error: &Bound<'_, PyAny>, submission: Option<&Bound<'_, Submission>>) {
    let guard = Forever;
    let mut job = worker.get().thread().info();
    let origin = submission.map(|submission| &submission.get().0);
    job.started_by = origin.map(|origin| origin.starter.to_string());
    job.started_at = origin.and_then(|origin| origin.site.as_ref()?.place());
    let at = site::of_error(error.py(), &PyErr::from_value(error.clone()));
    tell(&Verdict::Unasked { job: Box::new(job), error: one_line(error), at });
    std::mem::forget(guard);
}

/// Has `sys.unraisablehook` show an error that `source` could not raise.
#[pyfunction]
fn show_unraisable(error: &Bound<'_, PyAny>, source: &Bound<'_, PyAny>) {
    let guard = Forever;
    carrier::show_unraisable(PyErr::from_value(error.clone()), source);
    std::mem::forget(guard);
}

/// The last line of an error's traceback.
#[pyfunction]
pub(crate) fn one_line(error: &Bound<'_, PyAny>) -> String {
    let class = error.get_type().name().map_or_else(|_| "error".into(), |name| name.to_string());
    match error.str().map(|text| text.to_string()) {
        Ok(text) if text.is_empty() => class,
        Ok(text) => format!("{class}: {text}"),
        Err(_) => format!("{class}: <its text cannot be read>"),
    }
}

/// How many verdicts of each code there were so far.
#[pyfunction]
fn found() -> BTreeMap<&'static str, u64> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(configure, module)?)?;
    module.add_function(wrap_pyfunction!(on_verdict, module)?)?;
    module.add_function(wrap_pyfunction!(tell_again, module)?)?;
    module.add_function(wrap_pyfunction!(is_observed, module)?)?;
    module.add_function(wrap_pyfunction!(observe_program, module)?)?;
    module.add_function(wrap_pyfunction!(died, module)?)?;
    module.add_function(wrap_pyfunction!(one_line, module)?)?;
    module.add_function(wrap_pyfunction!(show_unraisable, module)?)?;
    module.add_function(wrap_pyfunction!(unasked, module)?)?;
    module.add_function(wrap_pyfunction!(found, module)?)
}
