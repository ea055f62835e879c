//! Threads that begin later: a timer's, which need no thread of the system before their time comes.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use pyo3::prelude::*;
use raddle::seam::{Guard, Mutex, Time};
use raddle::thread::Over;
use raddle::timer::Entry;

use crate::carrier::{Attached, Forever, Interpreter, Reserved, Start};
use crate::{error, runtime};

/// A thread whose time has not come.
pub(crate) struct Delayed {
    due: Time,
    /// Taken out once: by the timer when it is due, by whoever withdraws it before.
    start: Pending,
    entry: Mutex<Option<Entry>>,
    stack: usize,
}

type Pending = Arc<Mutex<Option<Start>>>;

impl Delayed {
    /// Has `start` run after `delay` on a carrier with a stack of that size.
    ///
    /// # Errors
    /// That the system refuses the timer its thread.
    pub(crate) fn arm(py: Python<'_>, start: Start, delay: Duration, stack: usize) -> PyResult<Delayed> {
        let due = Time::now().after(delay);
        let pending = Pending::default();
        *pending.lock() = Some(start);
        match arm(&pending, due, stack) {
            Ok(entry) => {
                let made = Mutex::default();
                *made.lock() = Some(entry);
                Ok(Delayed { due, start: pending, entry: made, stack })
            }
            Err(refused) => {
                take(&pending).into_iter().for_each(|start| start.give_up(py));
                Err(error::cannot_start(py, &refused))
            }
        }
    }

    /// The size of its stack.
    pub(crate) fn stack(&self) -> usize {
        self.stack
    }

    /// How much of the delay is left.
    pub(crate) fn left(&self) -> Duration {
        self.due.left()
    }

    /// Takes the thread back if its time has not come.
    pub(crate) fn withdraw(&self) -> Option<Start> {
        let start = take(&self.start);
        if start.is_some() {
            let entry = self.entry.lock().take();
            drop(entry.map(|entry| entry.cancel()));
        }
        start
    }

    /// Undoes a [`withdraw`](Delayed::withdraw).
    pub(crate) fn put_back(&self, start: Start) {
        *self.start.lock() = Some(start);
        if let Ok(entry) = arm(&self.start, self.due, self.stack) {
            *self.entry.lock() = Some(entry);
        }
    }
}

fn take(pending: &Pending) -> Option<Start> {
    pending.lock().take()
}

fn arm(pending: &Pending, due: Time, stack: usize) -> std::io::Result<Entry> {
    let pending = Arc::clone(pending);
    runtime().timers().at(due, Box::new(move || launch(&pending, stack)))
}

/// On the timer's thread, which is not attached: the thread's time has come.
fn launch(pending: &Pending, stack: usize) {
    if let Some(start) = take(pending) {
        LINE.push(start, stack);
    }
}

/// Threads whose time has come, and which wait for a carrier.
///
/// A carrier takes one after the other, so that a thousand short timers of one moment are run by one thread of the system and
/// not by a thousand that wait for the interpreter. It must not keep the others waiting, though, if one sleeps: every
/// [`TICK`] the timer looks whether something was taken since. If not, and if no carrier is on its way into the interpreter
/// (more of them would only wait there, too), it sends more: one, two, four, ...
static LINE: LazyLock<Line> = LazyLock::new(Line::default);

const TICK: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Line {
    inside: Mutex<Inside>,
}

/// Empty in the child of a fork, where the parent's threads do not begin.
#[derive(Default)]
struct Inside {
    waiting: VecDeque<(Start, usize)>,
    /// Carriers on their way into the interpreter.
    entering: usize,
    /// How many threads were taken so far, and how many at the last look.
    taken: u64,
    seen: u64,
    /// How many carriers are sent next; 0 if the timer does not look.
    sending: usize,
}

impl Line {
    fn push(&'static self, start: Start, stack: usize) {
        let mut inside = self.inside.lock();
        inside.waiting.push_back((start, stack));
        if inside.sending == 0 {
            inside.sending = 1;
            self.send(inside);
        }
    }

    /// Sends carriers and looks again after a moment.
    fn send(&'static self, mut inside: Guard<'_, Inside>) {
        let Some((first, stack)) = inside.waiting.front().map(|(start, stack)| (start.interpreter(), *stack)) else {
            inside.sending = 0;
            return;
        };
        let stalled = inside.seen == inside.taken && inside.entering == 0;
        inside.sending = if stalled { inside.sending * 2 } else { 1 };
        inside.seen = inside.taken;
        let count = if stalled { inside.sending / 2 } else { 0 };
        let count = count.min(inside.waiting.len());
        inside.entering += count;
        drop(inside);
        for _ in 0..count {
            match Reserved::with_stack(stack) {
                Ok(reserved) => reserved.work(move |over| self.work(first, stack, over)),
                // Refused: the next look asks again.
                Err(_) => self.inside.lock().entering -= 1,
            }
        }
        let look = Box::new(move || self.send(self.inside.lock()));
        // The timer's own thread is there, so this is not refused.
        drop(runtime().timers().at(Time::now().after(TICK), look));
    }

    /// A carrier's work: thread after thread, as long as there are some of its size. It has been counted as entering.
    fn work(&self, interpreter: Interpreter, stack: usize, mut over: Over) {
        let guard = Forever;
        loop {
            let attached = Attached::enter(interpreter);
            let mut inside = self.inside.lock();
            inside.entering = inside.entering.saturating_sub(1);
            let fits = inside.waiting.front().is_some_and(|(_, size)| *size == stack);
            let next = if fits { inside.waiting.pop_front() } else { None };
            inside.taken += u64::from(next.is_some());
            drop(inside);
            match (next, attached) {
                (Some((start, _)), Some(attached)) => {
                    over.resume();
                    start.thread().name_system_thread();
                    start.live(attached, &mut over);
                }
                (Some((start, _)), None) => start.fail(&mut over),
                (None, attached) => {
                    attached.into_iter().for_each(|attached| attached.leave(|| {}));
                    break;
                }
            }
            let mut inside = self.inside.lock();
            if inside.waiting.front().is_none_or(|(_, size)| *size != stack) {
                break;
            }
            inside.entering += 1;
        }
        std::mem::forget(guard);
    }
}
