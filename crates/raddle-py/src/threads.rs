//! What is known of the program's threads, for the program to read.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raddle::graph::verdict::{Ending, Place, ThreadKind, Wait};
use raddle::observe::Activity;
use raddle::thread::{Role, State, Thread};

use crate::runtime;
use crate::sync::holdings::{self, HeldLock};
use crate::thread::known;

/// What was known of a thread at one moment. It does not change with the thread.
#[pyclass(frozen, get_all, module = "raddle")]
pub(crate) struct ThreadInfo {
    /// Its number, which is never used again.
    serial: u64,
    /// Its name.
    name: String,
    /// "main", "scoped", "supervised", "pool", "timer", or else "regular", "daemon" or "foreign".
    kind: &'static str,
    /// "starting", "running", "finished", "failed", "stopped" or "abandoned".
    state: &'static str,
    /// What it is doing: "starting", "running", "ended" or "blocked in ...".
    activity: String,
    /// What `threading.get_ident()` gives in it; None before it runs.
    ident: Option<u64>,
    /// The system's number for it; None if that is not known.
    native_id: Option<u32>,
    /// Whether the process does not wait for it at its end.
    daemon: bool,
    /// Whether it is a daemon for no other reason than that its starter is one. Known of `raddle.Thread` only.
    inherited: bool,
    /// The serial of the thread that started it; None if that was none of ours.
    parent: Option<u64>,
    /// The name of the thread that started it.
    started_by: Option<String>,
    /// Where it was started: "app.py:9".
    spawn_site: Option<String>,
    /// Whether it was asked to stop.
    stop_requested: bool,
    /// How many seconds ago it was started, or met.
    age: f64,
    /// The locks that it held.
    held_locks: Py<PyTuple>,
}

#[pymethods]
impl ThreadInfo {
    fn __repr__(&self) -> String {
        let ThreadInfo { name, serial, kind, state, activity, .. } = self;
        let site = self.spawn_site.as_ref().map(|site| format!(", started at {site}")).unwrap_or_default();
        let doing = if activity == state { String::new() } else { format!(", {activity}") };
        format!("<ThreadInfo '{name}' #{serial}: {kind}, {state}{doing}{site}>")
    }
}

/// The word for what a thread is: what it is for, if that is known.
fn kind(kind: ThreadKind, role: Role) -> &'static str {
    match (kind, role) {
        (ThreadKind::Main, _) => "main",
        (_, Role::Scoped) => "scoped",
        (_, Role::Supervised) => "supervised",
        (_, Role::Pool) => "pool",
        (_, Role::Timer) => "timer",
        (ThreadKind::Regular, Role::Plain) => "regular",
        (ThreadKind::Daemon, Role::Plain) => "daemon",
        (ThreadKind::Foreign, Role::Plain) => "foreign",
    }
}

/// The word for where a thread is in its life.
pub(crate) fn state(thread: &Thread) -> &'static str {
    match (thread.state(), thread.ending()) {
        (State::Starting | State::Running, _) if thread.is_left_behind() => "abandoned",
        (State::Starting, _) => "starting",
        (State::Running, _) => "running",
        (State::Ended, Ending::Finished) => "finished",
        (State::Ended, Ending::Failed(_)) => "failed",
        (State::Ended, Ending::Stopped(_)) => "stopped",
    }
}

/// What a thread is doing, in words that go into a sentence.
pub(crate) fn activity(thread: &Thread) -> String {
    if thread.state() == State::Ended {
        return "ended".to_owned();
    }
    match runtime().activity_of(thread) {
        Activity::Starting => "starting".to_owned(),
        Activity::Running => "running".to_owned(),
        Activity::Waiting(wait) => blocked(&wait),
    }
}

/// `blocked 1.9 s in Queue.get 'jobs' at app.py:30`.
fn blocked(wait: &Wait) -> String {
    let Wait { object, call, since, at, .. } = wait;
    let what = if call == "sleep" { "sleep".to_owned() } else { format!("{}.{call} '{}'", object.kind, object.name) };
    let held = object.holder.as_ref().map(|by| format!(", held by '{}'", by.thread.name)).unwrap_or_default();
    format!("blocked {:.1} s in {what}{}{held}", since.as_secs_f64(), at.as_ref().map(spot).unwrap_or_default())
}

fn spot(place: &Place) -> String {
    format!(" at {}:{}", place.file, place.line)
}

fn view(thread: &Thread, held_locks: Py<PyTuple>) -> ThreadInfo {
    let (about, origin) = (thread.info(), thread.lineage().next());
    let native_id = thread.native_id();
    ThreadInfo {
        serial: about.serial,
        name: about.name,
        kind: kind(about.kind, thread.role()),
        state: state(thread),
        activity: activity(thread),
        ident: Some(thread.ident()).filter(|ident| *ident != 0),
        native_id: Some(native_id).filter(|id| *id != 0),
        daemon: about.kind == ThreadKind::Daemon,
        inherited: thread.is_inherited(),
        parent: origin.map(|origin| origin.serial).filter(|serial| *serial != 0),
        started_by: about.started_by,
        spawn_site: about.started_at.map(|place| format!("{}:{}", place.file, place.line)),
        stop_requested: thread.stop_requested().is_some(),
        age: thread.age().as_secs_f64(),
        held_locks,
    }
}

/// What is known of each thread that has not ended, oldest first.
#[pyfunction]
fn threads(py: Python<'_>) -> PyResult<Vec<ThreadInfo>> {
    let mut held: HashMap<u64, Vec<HeldLock>> = HashMap::new();
    for lock in holdings::list(|_| true) {
        held.entry(lock.holder()).or_default().push(lock);
    }
    let info = |thread: &Arc<Thread>| {
        let its = held.remove(&thread.serial()).unwrap_or_default();
        Ok(view(thread, PyTuple::new(py, its)?.unbind()))
    };
    runtime().threads().iter().map(info).collect()
}

/// What is known of a thread object; None if it was never started.
#[pyfunction]
fn info(py: Python<'_>, thread: &Bound<'_, PyAny>) -> PyResult<Option<ThreadInfo>> {
    let info = |thread: Arc<Thread>| Ok(view(&thread, holdings::of_thread(py, thread.serial())?));
    known(thread)?.map(info).transpose()
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(threads, module)?)?;
    module.add_function(wrap_pyfunction!(info, module)?)?;
    module.add_class::<ThreadInfo>()
}
