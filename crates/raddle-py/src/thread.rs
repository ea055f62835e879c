//! A thread of the program, for the Python class `Thread` to hold on to.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use raddle::error::{Life, Misuse};
use raddle::graph::Call;
use raddle::graph::verdict::ThreadKind;
use raddle::thread::{Origin, State, Thread};

use crate::limit::Limit;
use crate::{detach, error, host, lifecycle, runtime, site};

/// What the engine knows of a thread. Made by `start()`, in the starter.
#[pyclass(frozen, module = "raddle._raddle")]
pub(crate) struct ThreadHandle(Arc<Thread>);

#[pymethods]
impl ThreadHandle {
    /// Registers a thread that is about to be started by the caller.
    #[new]
    fn new(py: Python<'_>, name: &str, daemon: bool) -> Self {
        let kind = if daemon { ThreadKind::Daemon } else { ThreadKind::Regular };
        let starter = raddle::thread::current(runtime()).name();
        let thread = runtime().prepare(name, kind, Origin { starter, site: site::of_user(py) });
        ThreadHandle(thread)
    }

    /// The number of the thread, which is never used again.
    #[getter]
    fn serial(&self) -> u64 {
        self.0.serial()
    }

    /// Whether nothing of the thread runs any more.
    #[getter]
    fn ended(&self) -> bool {
        self.0.state() == State::Ended
    }

    /// Makes the calling operating system thread be this thread, until it ends.
    fn bind(&self) {
        raddle::thread::bind(runtime(), &self.0);
        self.0.set_ident(lifecycle::ident());
    }

    /// Takes back the registration of a thread that the system refused to start.
    fn forget(&self) {
        if self.0.state() == State::Starting {
            runtime().forget(&self.0);
        }
    }

    /// Notes its new name.
    fn rename(&self, name: &str) {
        self.0.rename(name);
    }

    /// Notes the error that left its function.
    fn failed(&self, error: &Bound<'_, PyAny>) {
        self.0.set_error(host::one_line(error));
    }

    /// Waits until nothing of it runs any more, at most `timeout` seconds; whether that is so.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        if self.ended() {
            return Ok(true);
        }
        let limit = Limit::of_wait(timeout)?;
        if limit == Limit::Now {
            return Ok(false);
        }
        let thread = Arc::clone(&self.0);
        detach::block(py, self.0.end(), (Call::Join, limit), |blocked| thread.wait_for_end(blocked))
    }
}

/// What the engine knows of an object of the Python class.
fn known(thread: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Thread>>> {
    if let Ok(handle) = thread.getattr("_raddle_handle")?.cast::<ThreadHandle>() {
        return Ok(Some(Arc::clone(&handle.get().0)));
    }
    let ident: Option<u64> = thread.getattr("_ident")?.extract()?;
    Ok(runtime().threads().into_iter().find(|known| Some(known.ident()) == ident))
}

/// What has become of it; one that has ended for Python may still be at its last thread-local destructors.
fn life(thread: &Bound<'_, PyAny>) -> PyResult<Option<Box<Life>>> {
    let Some(known) = known(thread)? else { return Ok(None) };
    let mut life = Box::new(known.life());
    if life.ended.is_none() && !thread.call_method0("is_alive")?.is_truthy()? {
        life.ended = Some((Duration::ZERO, known.ending()));
    }
    Ok(Some(life))
}

/// Adds to the text of an error that the standard library's `Thread` raised what is known of the thread.
#[pyfunction]
fn explain_misuse(error: &Bound<'_, PyAny>, thread: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok((text,)) = error.getattr("args")?.extract::<(String,)>() else { return Ok(()) };
    let misuse = match text.as_str() {
        "threads can only be started once" => life(thread)?.map(Misuse::StartedAgain),
        "cannot join thread before it is started" => {
            Some(Misuse::JoinedBeforeStart { name: thread.getattr("_name")?.extract()? })
        }
        "cannot join current thread" => life(thread)?.map(Misuse::JoinedItself),
        "cannot set daemon status of active thread" => life(thread)?.map(Misuse::DaemonTooLate),
        _ => None,
    };
    misuse.map_or(Ok(()), |misuse| error.setattr("args", (error::explained(&text, &misuse),)))
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(explain_misuse, module)?)?;
    module.add_class::<ThreadHandle>()
}
