//! Threads that begin later: a timer's, which need no thread of the system before their time comes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use raddle::seam::Time;
use raddle::timer::Entry;

use crate::carrier::{self, Reserved, Start};
use crate::{error, runtime};

/// How long after the system refused a thread it is asked again.
const AGAIN: Duration = Duration::from_millis(20);

/// A thread whose time has not come.
pub(crate) struct Delayed {
    due: Time,
    /// Taken out once: by the timer when it is due, by whoever withdraws it before.
    start: Pending,
    entry: Mutex<Entry>,
    stack: usize,
}

/// Held for a swap only, so a fork cannot find it held: forking needs the interpreter, and so does everybody but the timer.
type Pending = Arc<Mutex<Option<Start>>>;

impl Delayed {
    /// Has `start` run after `delay` on a carrier with the stack that threads get now.
    ///
    /// # Errors
    /// That the system refuses the timer its thread.
    pub(crate) fn arm(py: Python<'_>, start: Start, delay: Duration) -> PyResult<Delayed> {
        let (due, stack) = (Time::now().after(delay), carrier::stack_size(py));
        let pending: Pending = Arc::new(Mutex::new(Some(start)));
        match arm(&pending, due, stack) {
            Ok(entry) => Ok(Delayed { due, start: pending, entry: Mutex::new(entry), stack }),
            Err(refused) => {
                take(&pending).into_iter().for_each(|start| start.give_up(py));
                Err(error::cannot_start(py, &refused))
            }
        }
    }

    /// How much of the delay is left.
    pub(crate) fn left(&self) -> Duration {
        self.due.since(Time::now())
    }

    /// Takes the thread back if its time has not come.
    pub(crate) fn withdraw(&self) -> Option<Start> {
        let start = take(&self.start);
        if start.is_some() {
            drop(self.entry.lock().unwrap_or_else(PoisonError::into_inner).cancel());
        }
        start
    }

    /// Undoes a [`withdraw`](Delayed::withdraw).
    pub(crate) fn put_back(&self, start: Start) {
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = Some(start);
        if let Ok(entry) = arm(&self.start, self.due, self.stack) {
            *self.entry.lock().unwrap_or_else(PoisonError::into_inner) = entry;
        }
    }
}

fn take(pending: &Pending) -> Option<Start> {
    pending.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn arm(pending: &Pending, due: Time, stack: usize) -> std::io::Result<Entry> {
    let pending = Arc::clone(pending);
    runtime().timers().at(due, Box::new(move || launch(&pending, stack)))
}

/// On the timer's thread, which is not attached: hands the thread to a carrier. If the system refuses one it is asked again,
/// as long as it takes: the thread counts as started already.
fn launch(pending: &Pending, stack: usize) {
    match Reserved::with_stack(stack) {
        Ok(reserved) => {
            if let Some(start) = take(pending) {
                drop(reserved.run(start));
            }
        }
        // The timer's own thread is there, so this is not refused.
        Err(_) => drop(arm(pending, Time::now().after(AGAIN), stack)),
    }
}
