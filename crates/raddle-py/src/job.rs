//! Jobs, for the Python class `Job` to stand on, and the workers that carry them out.
//!
//! A run is Python code called by Python code: a worker is a thread of the program on a carrier, which runs the function
//! that [`work_with`] was given, which asks [`next_job`] for one job after the other. So the timers' thread never goes into the
//! interpreter, and no frame of ours lies below the program's functions.
//!
//! A job that may run once more holds its Python object ([`This`]), which nobody else need hold. The reference is given up by
//! a call of the object's own, or handed to Python code with `next_job`: so the object never dies inside a call of ours,
//! and its `__del__` may run what it likes.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use raddle::graph::Call;
use raddle::graph::verdict::ThreadKind;
use raddle::seam::{Mutex, Time, Wall};
use raddle::thread::{Origin, Over, Role};
use raddle::timer::{Crew, End, Missed, Moment, Now, RawJob, Rules, Task, Worker};

use crate::carrier::{self, Attached, Forever, Interpreter, Reserved, Start};
use crate::limit::Limit;
use crate::{detach, error, runtime, site};

/// The Python object of a job; nothing if no run comes any more, or in the child of a fork.
type This = Arc<Mutex<Option<Py<PyAny>>>>;

/// See the module.
#[pyclass(frozen, subclass, weakref, module = "raddle._raddle")]
pub(crate) struct Job {
    raw: Arc<RawJob>,
    this: This,
}

struct Runs(This);

/// What a worker takes: a run of a job, or that the job is over.
struct Errand {
    job: Arc<RawJob>,
    this: This,
    over: bool,
}

impl Task for Runs {
    fn begin(&self, job: &Arc<RawJob>) {
        CREW.push(Errand { job: Arc::clone(job), this: Arc::clone(&self.0), over: false });
    }

    fn over(&self, job: &Arc<RawJob>) {
        CREW.push(Errand { job: Arc::clone(job), this: Arc::clone(&self.0), over: true });
    }
}

static CREW: LazyLock<Arc<Crew<Errand>>> = LazyLock::new(|| Crew::new(runtime().timers(), send));

/// Where workers go, and with which stack: what the thread that started a job last would have given a thread.
static BASE: LazyLock<Mutex<Option<(Interpreter, usize)>>> = LazyLock::new(Mutex::default);

/// What a worker runs.
static WORK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

thread_local! {
    /// The calling thread as a worker.
    static WORKER: RefCell<Option<Worker<Errand>>> = const { RefCell::new(None) };
}

fn send() -> std::io::Result<()> {
    let Some((interpreter, stack)) = *BASE.lock() else { return Ok(()) };
    Reserved::with_stack(stack)?.work(move |over| work(interpreter, over));
    Ok(())
}

/// A worker's life, on a carrier.
fn work(interpreter: Interpreter, mut over: Over) {
    let guard = Forever;
    let thread = runtime().prepare("raddle-job", ThreadKind::Daemon, Origin::of_runtime("timer"));
    thread.set_role(Role::Timer);
    thread.name_system_thread();
    WORKER.set(Some(CREW.worker()));
    let attached = Attached::enter(interpreter);
    match attached {
        Some(attached) => {
            let start = Python::attach(|py| WORK.get(py).map(|work| Start::new(&thread, work.bind(py).clone())));
            match start {
                Some(start) => start.live(attached, &mut over),
                None => attached.leave(|| runtime().end_unstarted(&thread)),
            }
        }
        // No memory for its state; the crew sends another.
        None => runtime().end_unstarted(&thread),
    }
    drop(WORKER.take());
    std::mem::forget(guard);
}

/// The function that workers run.
#[pyfunction]
fn work_with(py: Python<'_>, function: Py<PyAny>) {
    let _ = WORK.set(py, function);
}

/// The next job of the calling worker, and whether it is over instead of having to run; `None`: the worker has to leave.
#[pyfunction]
fn next_job(py: Python<'_>) -> Option<(Py<PyAny>, bool)> {
    loop {
        let Errand { job, this, over } = WORKER.with_borrow_mut(|worker| worker.as_mut()?.next())?;
        let object = if over { this.lock().take() } else { this.lock().as_ref().map(|object| object.clone_ref(py)) };
        match object {
            Some(object) => return Some((object, over)),
            None if over => {}
            None => drop(job.finish(false)),
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 { Duration::MAX } else { Duration::ZERO })
}

/// A moment as Python code says it: seconds since 1970, or from now.
fn moment((at, on_wall): (f64, bool)) -> Moment {
    if on_wall {
        return Moment::Wall(Wall::from_nanos(u64::try_from(seconds(at).as_nanos()).unwrap_or(u64::MAX)));
    }
    let now = Time::now();
    Moment::Monotonic(if at < 0.0 {
        Time::from_nanos(now.nanos().saturating_sub(u64::try_from(seconds(-at).as_nanos()).unwrap_or(u64::MAX)))
    } else {
        now.after(seconds(at))
    })
}

fn on_the_wall(moment: Moment, now: Now) -> f64 {
    moment.on_the_wall(now).nanos() as f64 / 1e9
}

impl Job {
    /// Gives the object up if the job is over. Its caller has it, so it does not die here.
    fn settle(&self, over: bool) -> bool {
        let this = if over { self.this.lock().take() } else { None };
        drop(this);
        over
    }
}

#[pymethods]
impl Job {
    /// `first` and `until` are moments: seconds and whether they are since 1970 and not from now. `every` is 0 for a single
    /// run.
    #[new]
    #[pyo3(signature = (name, first, every=0.0, missed="coalesce", grace=None, jitter=0.0, max_instances=1, times=None,
                        until=None))]
    #[allow(clippy::too_many_arguments)] // they are one Python call's
    fn new(
        py: Python<'_>,
        name: &str,
        first: (f64, bool),
        every: f64,
        missed: &str,
        grace: Option<f64>,
        jitter: f64,
        max_instances: usize,
        times: Option<u64>,
        until: Option<(f64, bool)>,
    ) -> PyResult<Job> {
        let missed = match missed {
            "coalesce" => Missed::Coalesce,
            "skip" => Missed::Skip,
            "catch_up" => Missed::CatchUp,
            other => return Err(PyValueError::new_err(format!("no rule {other:?}"))),
        };
        let rules = Rules {
            every: seconds(every),
            missed,
            misfire_grace: grace.map(seconds),
            jitter: seconds(jitter),
            seed: Time::now().nanos(),
            max_instances,
            times: times.unwrap_or(u64::MAX),
            until: until.map(moment),
            ..Rules::once(moment(first))
        };
        let this = This::default();
        let raw = RawJob::new((name, site::of_user(py)), rules, runtime().timers(), Box::new(Runs(Arc::clone(&this))));
        Ok(Job { raw, this })
    }

    /// Has it driven; whether it is over already.
    fn _start(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, job) = (slf.py(), slf.get());
        *BASE.lock() = Some((Interpreter::current(py), carrier::stack_size(py)));
        *job.this.lock() = Some(slf.clone().into_any().unbind());
        let started = job.raw.start();
        let over = job.settle(started.as_ref().is_ok_and(|over| *over) || started.is_err());
        started.map(|_| over).map_err(|refused| error::cannot_start(py, &refused))
    }

    /// A run is over; whether the job is, with it.
    fn _finish(&self, failed: bool) -> bool {
        self.settle(self.raw.finish(failed))
    }

    /// The calling thread carries out a run.
    fn _runs_here(&self) {
        self.raw.runs_on(raddle::thread::serial(runtime));
    }

    /// Whether that changes anything, and whether the job is over now.
    fn _cancel(&self) -> (bool, bool) {
        let (news, over) = self.raw.cancel();
        (news, self.settle(over))
    }

    fn _pause(&self) {
        self.raw.pause();
    }

    /// Whether the job is over now.
    fn _resume(&self, py: Python<'_>) -> PyResult<bool> {
        let resumed = self.raw.resume().map_err(|refused| error::cannot_start(py, &refused))?;
        Ok(self.settle(resumed))
    }

    /// How many runs have begun, are under way, failed, were missed; and whether the job is over with this look.
    fn _stats(&self) -> (u64, usize, u64, u64, bool) {
        let (stats, over) = self.raw.stats();
        (stats.runs, stats.running, stats.failed, stats.missed, self.settle(over))
    }

    /// When the next run is due, in seconds since 1970.
    fn _next_run(&self) -> Option<f64> {
        self.raw.next_run().map(|(moment, now)| on_the_wall(moment, now))
    }

    /// Whether no run begins until it is resumed.
    #[getter]
    fn paused(&self) -> bool {
        self.raw.is_paused()
    }

    /// What it is called.
    #[getter]
    fn name(&self) -> &str {
        self.raw.name()
    }

    /// Why no run comes any more: "done", "cancelled", "missed" or "left behind"; `None`: some may.
    fn _end(&self) -> Option<&'static str> {
        Some(match self.raw.end()? {
            End::Done => "done",
            End::Cancelled => "cancelled",
            End::Missed { .. } => "missed",
            End::LeftBehind => "left behind",
        })
    }

    /// If the only run was missed: when it was due, in seconds since 1970, and by how much it was too late.
    fn _late(&self) -> Option<(f64, f64)> {
        match self.raw.end() {
            Some(End::Missed { due, late }) => Some((on_the_wall(due, Now::read()), late.as_secs_f64())),
            _ => None,
        }
    }

    /// Whether the run that ended last failed.
    fn _last_failed(&self) -> bool {
        self.raw.last_failed()
    }

    /// Waits until no run is under way and none comes, at most `timeout` seconds; whether that is so.
    #[pyo3(signature = (timeout=None))]
    fn _wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        if self.raw.end().is_some() {
            return Ok(true);
        }
        if timeout.is_some_and(f64::is_nan) {
            return Err(PyValueError::new_err("timeout must be a number of seconds or None, got nan"));
        }
        let limit = timeout.filter(|seconds| *seconds != f64::INFINITY).map_or(Limit::Never, Limit::after);
        if limit == Limit::Now {
            return Ok(false);
        }
        let raw = Arc::clone(&self.raw);
        detach::block(py, raw.clone(), (Call::Result, limit), |blocked| raw.wait(blocked))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyRuntimeError::new_err(format!("job {:?} cannot be pickled: it belongs to this process", self.raw.name())))
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(work_with, module)?)?;
    module.add_function(wrap_pyfunction!(next_job, module)?)?;
    module.add_class::<Job>()
}
