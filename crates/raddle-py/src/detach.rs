//! The only place that leaves and re-enters the interpreter.
//!
//! A thread leaves it to sleep, and only then. Coming back while the interpreter finalizes, it never returns: PyO3's
//! re-entry parks such a thread for good, with no lock of ours held.
//!
//! # Signals
//!
//! Python's signal handlers run on the main thread, which must hear of a signal while it sleeps. The classic way (look
//! for signals, then sleep until EINTR) loses one that comes between the look and the sleep, or that another thread
//! caught. So for the time of its sleep the main thread has the interpreter write a byte into a pipe at every signal
//! (`signal.set_wakeup_fd`; the C function of that name is not exported everywhere), whichever thread catches it; it looks for signals after that is set up, and its bed
//! ([`Parker::signal_pipe`]) listens to the pipe. A signal comes before the look or writes into the pipe: there is no window.
//! If the program uses that descriptor itself (asyncio does, while its loop runs), it is left alone, and the main thread
//! looks for signals every 20 ms instead.
//!
//! All that takes longer than many a sleep. So the main thread sleeps a moment without it first, and a signal that comes
//! in the window is heard when that is over.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyDict};
use raddle::graph::{Blocked, Call, Halt, Interrupt, Resource, Site, Sleeper};
use raddle::seam::{Parker, Time, Woken, fork_generation};

use crate::limit::Limit;
use crate::{error, lifecycle, runtime, site};

const LOOK_FOR_SIGNALS: Duration = Duration::from_millis(20);

/// How long the main thread sleeps without an ear for signals first. More than the system's tick, or its clock would have
/// to be set for every nap, which takes as long as all the rest.
const NAP: Duration = Duration::from_millis(10);

/// Runs a blocking call of the engine: true if it got what it waited for, false if the time was up.
///
/// # Errors
/// What a signal handler raised, a deadlock, a dead holder.
pub(crate) fn block(
    py: Python<'_>,
    resource: Arc<dyn Resource>,
    (call, limit): (Call, Limit),
    wait: impl FnOnce(&mut Blocked<'_>) -> Result<(), Halt>,
) -> PyResult<bool> {
    block_at(py, resource, (call, limit), site::of_user(py), wait)
}

/// The same at a known place, or none.
pub(crate) fn block_at(
    py: Python<'_>,
    resource: Arc<dyn Resource>,
    (call, limit): (Call, Limit),
    site: Option<Arc<dyn Site>>,
    wait: impl FnOnce(&mut Blocked<'_>) -> Result<(), Halt>,
) -> PyResult<bool> {
    let me = raddle::thread::current(runtime());
    let mut sleeper = PySleeper { main: lifecycle::is_main_thread(), raised: None };
    let mut blocked = Blocked::new((runtime(), &me), &mut sleeper, (call, limit.deadline()), resource, site);
    let result = wait(&mut blocked);
    drop(blocked);
    // What it waited for may have come in the same moment; the error must not be lost for that.
    if let Some(error) = sleeper.raised.take() {
        return Err(error);
    }
    match result {
        Ok(()) => Ok(true),
        Err(Halt::TimedOut) => Ok(false),
        Err(halt) => Err(halted(py, &halt)),
    }
}

/// The error for a wait that ended without a result.
#[cold]
#[inline(never)]
fn halted(py: Python<'_>, halt: &Halt) -> PyErr {
    match halt {
        Halt::Deadlock(verdict) => error::deadlock(verdict),
        Halt::Abandoned(verdict) => error::abandoned(verdict),
        Halt::Stopped(stopped) => error::stopped(py, stopped),
        Halt::Interrupted | Halt::TimedOut => PyErr::fetch(py),
    }
}

struct PySleeper {
    main: bool,
    raised: Option<PyErr>,
}

impl Sleeper for PySleeper {
    fn sleep(&mut self, parker: &Parker, deadline: Option<Time>) -> Result<Woken, Interrupt> {
        Python::attach(|py| {
            if !self.main {
                return Ok(py.detach(|| parker.park(deadline)));
            }
            let slept = sleep_as_main(py, parker, deadline);
            slept.map_err(|error| {
                self.raised = Some(error);
                Interrupt
            })
        })
    }
}

#[inline(never)]
fn sleep_as_main(py: Python<'_>, parker: &Parker, deadline: Option<Time>) -> PyResult<Woken> {
    let soon = Time::now().after(NAP);
    let until = deadline.map_or(soon, |deadline| deadline.min(soon));
    let woken = py.detach(|| parker.nap(until));
    if woken != Woken::TimedOut || deadline == Some(until) {
        py.check_signals()?;
        return Ok(woken);
    }
    sleep_with_an_ear(py, parker, deadline)
}

fn sleep_with_an_ear(py: Python<'_>, parker: &Parker, deadline: Option<Time>) -> PyResult<Woken> {
    let (heard, pipe) = parker.signal_pipe()?;
    let before = set_wakeup_fd(py, pipe)?;
    let listening = before == -1;
    if !listening {
        set_wakeup_fd(py, before)?;
        forward(heard, before);
    }
    let generation = fork_generation();
    let looked = py.check_signals();
    // A handler that forked has left the pipe and the bell to the parent.
    let forked = fork_generation() != generation;
    let look = (!listening).then(|| Time::now().after(LOOK_FOR_SIGNALS));
    let until = [deadline, look].into_iter().flatten().min();
    let woken = looked.map(|()| if forked { Woken::Interrupted } else { py.detach(|| parker.park(until)) });
    if listening {
        let now = set_wakeup_fd(py, -1)?;
        if now != pipe {
            // A signal handler has set one of its own in the meantime.
            set_wakeup_fd(py, now)?;
        }
    }
    let woken = woken?;
    py.check_signals()?;
    Ok(woken)
}

/// Where the interpreter writes a byte at every signal, -1 for nowhere; returns what it was before.
fn set_wakeup_fd(py: Python<'_>, fd: RawFd) -> PyResult<RawFd> {
    static SET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static QUIETLY: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let quietly =
        QUIETLY.get_or_try_init(py, || [("warn_on_full_buffer", false)].into_py_dict(py).map(Bound::unbind))?;
    SET.import(py, "_signal", "set_wakeup_fd")?.call((fd,), Some(quietly.bind(py)))?.extract()
}

/// Hands on what signals wrote into our pipe in the moment in which it stood in for the program's own.
fn forward(from: RawFd, to: RawFd) {
    let mut bytes = [0u8; 64];
    // SAFETY: reads at most as many bytes as there is room for, and writes as many as were read. Neither blocks: our pipe
    // does not, and the interpreter demands the same of the program's descriptor.
    unsafe {
        let count = libc::read(from, bytes.as_mut_ptr().cast(), bytes.len());
        if count > 0 {
            libc::write(to, bytes.as_ptr().cast(), count as usize);
        }
    }
}
