//! A thread of the program, for the Python class `Thread` to hold on to.

use std::sync::{Arc, OnceLock};

use pyo3::intern;
use pyo3::prelude::*;
use raddle::graph::Call;
use raddle::graph::verdict::ThreadKind;
use raddle::seam::fork_generation;
use raddle::thread::{Origin, Running, State, Thread};

use crate::limit::{Limit, check_join};
use crate::{carrier, detach, host, lifecycle, runtime, site};

/// What the engine knows of a thread. Made by `start()`, in the starter.
#[pyclass(frozen, module = "raddle._raddle")]
pub(crate) struct ThreadHandle {
    thread: Arc<Thread>,
    /// In which process of a chain of forks it was started.
    generation: u32,
    /// Once it was started on a carrier.
    running: OnceLock<Running>,
}

/// The attribute of a Python thread that stands for its end.
const END: &str = if cfg!(Py_3_14) {
    "_os_thread_handle"
} else if cfg!(Py_3_13) {
    "_handle"
} else {
    "_tstate_lock"
};

fn me() -> u64 {
    raddle::thread::serial(runtime)
}

#[pymethods]
impl ThreadHandle {
    /// Registers a thread that is about to be started by the caller.
    #[new]
    fn new(py: Python<'_>, name: &str, daemon: bool) -> Self {
        let kind = if daemon { ThreadKind::Daemon } else { ThreadKind::Regular };
        let starter = raddle::thread::current(runtime()).name();
        let thread = runtime().prepare(name, kind, Origin { starter, site: site::of_user(py) });
        ThreadHandle { thread, generation: fork_generation(), running: OnceLock::new() }
    }

    /// The number of the thread, which is never used again.
    #[getter]
    fn serial(&self) -> u64 {
        self.thread.serial()
    }

    /// Whether nothing of the thread runs any more.
    #[getter]
    fn ended(&self) -> bool {
        // In the child of a fork only the thread that forked goes on.
        let left_behind = self.generation != fork_generation() && me() != self.thread.serial();
        self.thread.state() == State::Ended || left_behind
    }

    /// Starts it on a carrier, as the Python object `thread`, whose `_bootstrap` it runs. When this returns, the thread is
    /// alive, has an ident and is listed, although no Python code of it has run.
    fn start(this: &Bound<'_, Self>, thread: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, handle) = (this.py(), this.get());
        let reserved = carrier::reserve(py)?;
        handle.thread.set_ident(reserved.ident());
        thread.setattr(intern!(py, "_ident"), reserved.ident())?;
        thread.setattr(intern!(py, END), this)?;
        thread.getattr(intern!(py, "_started"))?.call_method0(intern!(py, "set"))?;
        let running = reserved.run(py, &handle.thread, thread.getattr(intern!(py, "_bootstrap"))?);
        let _ = handle.running.set(running);
        Ok(())
    }

    /// The system's number for the thread that it runs on; `None` before it was started on a carrier.
    #[getter]
    fn native_id(&self, py: Python<'_>) -> Option<u32> {
        let running = self.running.get()?;
        Some(py.detach(|| running.native_id()))
    }

    /// What `get_ident()` gives in it.
    #[getter]
    fn ident(&self) -> u64 {
        self.thread.ident()
    }

    // What CPython calls on what stands for a thread's end: from 3.13 on a handle, before that a lock that is held for as
    // long as the thread runs.

    fn is_done(&self) -> bool {
        self.ended()
    }

    fn locked(&self) -> bool {
        !self.is_done()
    }

    #[pyo3(signature = (timeout=None))]
    fn join(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        timeout.map_or(Ok(()), check_join)?;
        self.wait(py, timeout).map(drop)
    }

    #[pyo3(signature = (blocking=true, timeout=None))]
    fn acquire(&self, py: Python<'_>, blocking: bool, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let untimed = timeout.map_or(Ok(true), |timeout| timeout.eq(-1))?;
        // Its own thread asks for it in the child of a fork, to have the lock held there.
        if self.is_done() || (blocking && untimed && me() == self.thread.serial()) {
            return Ok(true);
        }
        match timeout {
            _ if !blocking => Ok(false),
            _ if untimed => self.wait(py, None),
            timeout => {
                timeout.map_or(Ok(()), check_join)?;
                self.wait(py, timeout)
            }
        }
    }

    fn release(&self) {}

    fn _set_done(&self) {}

    fn _at_fork_reinit(&self) {}

    /// Makes the calling operating system thread be this thread, until it ends.
    fn bind(&self) {
        raddle::thread::bind(runtime(), &self.thread);
        self.thread.set_ident(lifecycle::ident());
    }

    /// Takes back the registration of a thread that the system refused to start.
    fn forget(&self) {
        if self.thread.state() == State::Starting {
            runtime().forget(&self.thread);
        }
    }

    /// Notes its new name.
    fn rename(&self, name: &str) {
        self.thread.rename(name);
    }

    /// Notes the error that left its function.
    fn failed(&self, error: &Bound<'_, PyAny>) {
        self.thread.set_error(host::one_line(error));
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
        let thread = Arc::clone(&self.thread);
        detach::block(py, self.thread.end(), (Call::Join, limit), |blocked| thread.wait_for_end(blocked))
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ThreadHandle>()
}
