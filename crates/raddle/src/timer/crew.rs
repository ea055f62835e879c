//! Those who carry out what has come due: workers that come when there is something and leave when there is not.
//!
//! A worker takes one thing after the other, so that a thousand short jobs of one moment are one thread's and not a
//! thousand's. It must not keep the others waiting, though, if its own blocks. So whoever brings something sends a worker if
//! none is on its way and none has taken anything for a [`TICK`]; and as long as something waits, the timers' thread looks
//! every tick whether anything was taken since. If not, and if no worker is on its way (more of them would only wait for
//! the same processor, or the same interpreter), it sends more: one, two, four, ...
//!
//! There is no upper bound. With one, as many jobs that block as it allows would make all others late, which is the worst
//! thing that can happen to a job with a moment of its own; and without jobs that block one or two workers are all there are.
//!
//! All counts change under one mutex, so a thing that is brought is seen by a worker that is about to leave, or the
//! worker is seen to have left.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Timers;
use crate::seam::{Mutex, Time, fork_generation};

const TICK: Duration = Duration::from_millis(1);

/// See the module.
pub struct Crew<W> {
    line: Mutex<Line<W>>,
    timers: Timers,
    send: Sending,
}

type Sending = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// Empty in the child of a fork, where what the parent waits for is not done.
struct Line<W> {
    waiting: VecDeque<W>,
    /// Workers that were sent and have taken nothing yet.
    entering: usize,
    /// Those that carry something out.
    working: usize,
    /// How many things were taken so far, how many at the last look, and when the latest was.
    taken: u64,
    seen: u64,
    took: Time,
    /// Whether the timers' thread looks, and how many workers it sends if nothing has moved.
    looking: bool,
    sending: usize,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Line {
            waiting: VecDeque::new(),
            entering: 0,
            working: 0,
            taken: 0,
            seen: 0,
            took: Time(0),
            looking: false,
            sending: 1,
        }
    }
}

impl<W> Line<W> {
    /// Adds something; whether a worker has to be sent for it, and whether somebody has to look from now on.
    fn push(&mut self, work: W, now: Time) -> (bool, bool) {
        self.waiting.push_back(work);
        let blocked = now >= self.took.after(TICK);
        let send = self.entering == 0 && (self.working == 0 || blocked);
        self.entering += usize::from(send);
        (send, !std::mem::replace(&mut self.looking, true))
    }

    /// How many workers to send; `None` if nobody has to look any more.
    fn look(&mut self) -> Option<usize> {
        if self.waiting.is_empty() {
            (self.looking, self.sending) = (false, 1);
            return None;
        }
        let stalled = self.seen == self.taken && self.entering == 0;
        self.seen = self.taken;
        let count = if stalled { self.sending.min(self.waiting.len()) } else { 0 };
        self.sending = if stalled { self.sending * 2 } else { 1 };
        self.entering += count;
        Some(count)
    }

    fn take(&mut self, now: Time) -> Option<W> {
        let work = self.waiting.pop_front()?;
        (self.taken, self.took) = (self.taken + 1, now);
        self.working += 1;
        Some(work)
    }
}

impl<W: Send + 'static> Crew<W> {
    /// A crew without workers. `send` sends one, which makes itself known by [`Crew::worker`].
    pub fn new(timers: &Timers, send: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Arc<Crew<W>> {
        Arc::new(Crew { line: Mutex::default(), timers: timers.clone(), send: Box::new(send) })
    }

    /// Has `work` taken by a worker. A few instructions, unless a thread of the system has to be made.
    pub fn push(self: &Arc<Self>, work: W) {
        let (send, look) = self.line.lock().push(work, Time::now());
        if send {
            self.send(1);
        }
        if look {
            self.look_later();
        }
    }

    fn send(&self, count: usize) {
        let refused = (0..count).filter(|_| (self.send)().is_err()).count();
        if refused > 0 {
            // The next look asks again.
            let mut line = self.line.lock();
            line.entering = line.entering.saturating_sub(refused);
        }
    }

    fn look_later(self: &Arc<Self>) {
        let crew = Arc::clone(self);
        let look = Box::new(move || {
            let count = crew.line.lock().look();
            if let Some(count) = count {
                crew.send(count);
                crew.look_later();
            }
        });
        if self.timers.at(Time::now().after(TICK), look).is_err() {
            // Whoever brings something next has it looked at.
            self.line.lock().looking = false;
        }
    }

    /// Has nobody look: in a model, where the time stands still, that would never end.
    #[cfg(all(test, loom))]
    pub(super) fn look_already(&self) {
        self.line.lock().looking = true;
    }

    /// Makes the caller one of those that were sent.
    pub fn worker(self: &Arc<Self>) -> Worker<W> {
        Worker { crew: Arc::clone(self), entering: true, generation: fork_generation() }
    }
}

impl<W> fmt::Debug for Crew<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.lock();
        f.debug_struct("Crew")
            .field("waiting", &line.waiting.len())
            .field("working", &line.working)
            .finish_non_exhaustive()
    }
}

/// One worker, to be kept by its thread. Dropping it leaves the crew.
#[derive(Debug)]
pub struct Worker<W> {
    crew: Arc<Crew<W>>,
    entering: bool,
    generation: u32,
}

impl<W> Iterator for Worker<W> {
    type Item = W;

    /// What was taken before is done; the next thing. `None`: it has to leave.
    fn next(&mut self) -> Option<W> {
        let crew = Arc::clone(&self.crew);
        let mut line = crew.line.lock();
        self.rest(&mut line);
        let work = line.take(Time::now());
        if work.is_none() {
            self.generation = GONE;
        }
        work
    }
}

/// The generation of a worker that counts no more.
const GONE: u32 = u32::MAX;

impl<W> Worker<W> {
    fn rest(&mut self, line: &mut Line<W>) {
        if self.generation != fork_generation() {
            return;
        }
        let count = if std::mem::take(&mut self.entering) { &mut line.entering } else { &mut line.working };
        *count = count.saturating_sub(1);
    }
}

impl<W> Drop for Worker<W> {
    fn drop(&mut self) {
        let crew = Arc::clone(&self.crew);
        self.rest(&mut crew.line.lock());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const LATER: Time = Time(TICK.as_nanos() as u64);

    #[test]
    fn one_worker_is_sent_for_a_burst() {
        let mut line = Line::default();
        assert_eq!(line.push(1, Time(0)), (true, true));
        assert_eq!(line.push(2, Time(0)), (false, false));
        assert_eq!(line.look(), Some(0), "one is on its way");
    }

    #[test]
    fn a_worker_that_is_busy_is_not_waited_for() {
        let mut line = Line::default();
        line.push(1, Time(0));
        line.entering -= 1;
        assert_eq!(line.take(Time(0)), Some(1));
        assert!(!line.push(2, Time(9)).0, "it has just begun");
        assert!(line.push(3, LATER).0);
    }

    #[test]
    fn more_and_more_are_sent_while_nothing_moves() {
        let mut line = Line::default();
        for number in 0..10 {
            line.push(number, Time(0));
        }
        line.entering = 0;
        let mut look = || {
            let count = line.look();
            line.entering = 0;
            count
        };
        assert_eq!([look(), look(), look()], [Some(1), Some(2), Some(4)]);
        assert!(line.take(Time(0)).is_some());
        assert_eq!(line.look(), Some(0), "something moves");
    }

    #[test]
    fn nobody_looks_when_nothing_waits() {
        let mut line = Line::default();
        line.push(1, Time(0));
        assert_eq!(line.take(Time(0)), Some(1));
        assert_eq!(line.look(), None);
        assert!(line.push(2, Time(0)).1, "from here on somebody has to look again");
    }
}
