//! A thread of the program, for the Python class `Thread` to hold on to.

use std::sync::Arc;

use pyo3::prelude::*;
use raddle::graph::Call;
use raddle::graph::verdict::ThreadKind;
use raddle::thread::{Origin, State, Thread};

use crate::limit::Limit;
use crate::{detach, host, lifecycle, runtime, site};

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

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ThreadHandle>()
}
