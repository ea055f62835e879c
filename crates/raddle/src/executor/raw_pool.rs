//! A line of jobs and the workers behind it.
//!
//! One mutex guards everything; jobs are few instructions in and out. What matters is whom a new job wakes:
//!
//! - At most one woken worker is under way (`waking`). A worker that runs takes job after job without sleeping, so a burst
//!   of ten thousand jobs wakes one thread, not ten thousand times one.
//! - A woken worker that finds more jobs than its own wakes the next (a chain), because its own job may block.
//! - A worker takes its place on the bench under the mutex, having seen that there is nothing to do, and whoever wakes
//!   pops it under the mutex: no job comes between the look and the bench, and `waking` is set only if somebody was popped.
//!   Whoever was popped clears it with his next look at the jobs, or by leaving.
//!
//! Another worker is wanted when there are more jobs than workers without one. That is counted, not estimated: a worker
//! belongs to the pool from the moment it is hired, before its thread runs.
//!
//! A pool takes a job or is closed, whichever comes first under the mutex. What it took has to be done, so for that workers
//! may still be hired; they leave with the look that finds it closed and no job left. Workers with nothing to do can be
//! nudged: they come out and let the host look whether they shall leave, and close the pool if no job is left by then.
//!
//! In the child of a fork the mutex is found reset: no jobs, no workers, not closed. The jobs were the parent's.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::graph::{Blocked, Halt};
use crate::seam::{Mutex, Parker};
use crate::wait::{Popped, Queue, Sleep, Waiter};

struct Shop<J> {
    jobs: VecDeque<J>,
    /// Workers, also those whose threads do not run yet.
    hired: usize,
    /// Those of them that carry out a job, by the serials of their threads.
    busy: Vec<u64>,
    /// A worker was popped from the bench and has not looked at the jobs since.
    waking: bool,
    /// How often those who have nothing to do were asked to come out.
    nudges: u64,
    /// How many workers there may be, as was said last.
    most: usize,
    closed: bool,
}

impl<J> Default for Shop<J> {
    fn default() -> Self {
        Shop { jobs: VecDeque::new(), hired: 0, busy: Vec::new(), waking: false, nudges: 0, most: 0, closed: false }
    }
}

impl<J> Shop<J> {
    fn idle(&self) -> usize {
        self.hired.saturating_sub(self.busy.len())
    }

    /// Pops a worker for the jobs there are, unless one is under way. The one that sat down last: its thread may not even
    /// sleep yet, and its caches are warm.
    fn rouse(&mut self, bench: &Queue) -> Popped {
        if self.waking || self.jobs.is_empty() || bench.len() == 0 {
            return Popped::default();
        }
        let popped = bench.pop_newest();
        self.waking = popped.len() > 0;
        popped
    }
}

/// See the module.
pub struct RawPool<J> {
    shop: Mutex<Shop<J>>,
    bench: Queue,
}

/// A job was not taken because the pool is closed; here it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed<J>(pub J);

impl<J> Default for RawPool<J> {
    fn default() -> Self {
        RawPool { shop: Mutex::default(), bench: Queue::default() }
    }
}

impl<J> RawPool<J> {
    /// Puts a job at the end of the line; whether another worker is wanted for it, of whom there may be `most`.
    ///
    /// # Errors
    /// If the pool is closed.
    #[inline]
    pub fn submit(&self, job: J, most: usize) -> Result<bool, Closed<J>> {
        let mut shop = self.shop.lock();
        if shop.closed {
            return Err(Closed(job));
        }
        shop.jobs.push_back(job);
        shop.most = most;
        let wanted = shop.hired < most && shop.jobs.len() > shop.idle();
        let popped = shop.rouse(&self.bench);
        drop(shop);
        popped.wake();
        Ok(wanted)
    }

    /// Adds a worker, unless there are `most`, or one has nothing to do, or nobody will have: whether the caller has to start
    /// its thread.
    pub fn hire(&self, most: usize) -> bool {
        let mut shop = self.shop.lock();
        let wanted = shop.idle() == 0 || shop.jobs.len() > shop.idle();
        shop.most = most;
        let over = shop.closed && shop.jobs.is_empty();
        let hire = wanted && shop.hired < most && !over;
        shop.hired += usize::from(hire);
        hire
    }

    /// Takes back what [`hire`](RawPool::hire) did: the thread did not start, or does not get as far as to work.
    pub fn dismiss(&self) {
        let mut shop = self.shop.lock();
        shop.hired = shop.hired.saturating_sub(1);
    }

    /// Makes the calling thread, `serial`, the worker that was hired before.
    pub fn work(&self, serial: u64) -> Worker<'_, J> {
        Worker { pool: self, serial, nudges: 0, popped: false, busy: false, generation: crate::seam::fork_generation() }
    }

    /// Takes the first job away from the workers.
    pub fn take(&self) -> Option<J> {
        self.shop.lock().jobs.pop_front()
    }

    /// Takes those jobs away that no worker was hired or woken for. The others are as good as begun.
    pub fn take_rest(&self) -> VecDeque<J> {
        let mut shop = self.shop.lock();
        let begun = shop.idle().min(shop.jobs.len());
        shop.jobs.split_off(begun)
    }

    /// Shows every job to `f`, which may neither block nor come back here.
    ///
    /// # Errors
    /// The first that `f` gives.
    pub fn try_for_each<E>(&self, f: impl FnMut(&J) -> Result<(), E>) -> Result<(), E> {
        self.shop.lock().jobs.iter().try_for_each(f)
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.shop.lock().jobs.len()
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many workers could take another job at once.
    pub fn free(&self) -> usize {
        let shop = self.shop.lock();
        shop.idle().saturating_sub(shop.jobs.len())
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.shop.lock().hired
    }

    /// The threads of all workers, if each carries out a job and there can be no more workers: one of these has to end
    /// its job before another job begins.
    pub fn all_busy(&self) -> Option<Vec<u64>> {
        let shop = self.shop.lock();
        let full = shop.hired >= shop.most && shop.busy.len() == shop.hired;
        full.then(|| shop.busy.clone())
    }

    /// Refuses jobs from now on. Workers leave when there are no more.
    pub fn close(&self) {
        self.shop.lock().closed = true;
        self.nudge();
    }

    /// Makes every worker come out that has nothing to do.
    pub fn nudge(&self) {
        let mut shop = self.shop.lock();
        shop.nudges += 1;
        let popped = self.bench.pop(usize::MAX);
        drop(shop);
        popped.wake();
    }
}

impl<J> fmt::Debug for RawPool<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawPool").field("jobs", &self.len()).field("workers", &self.workers()).finish_non_exhaustive()
    }
}

/// What a worker finds when it looks for something to do.
#[derive(Debug)]
pub enum Next<J> {
    /// A job.
    Job(J),
    /// Nothing, and it has been nudged since it looked last.
    Nudged,
    /// Nothing: wait.
    Nothing,
    /// There will never be anything.
    Closed,
}

/// One worker, to be kept by its thread. Dropping it leaves the pool.
#[derive(Debug)]
pub struct Worker<'a, J> {
    pool: &'a RawPool<J>,
    serial: u64,
    /// How many nudges it has heeded.
    nudges: u64,
    /// It was popped from the bench and has not looked at the jobs since.
    popped: bool,
    busy: bool,
    /// The pool of a child of a fork knows nothing of this worker.
    generation: u32,
}

impl<J> Worker<'_, J> {
    /// The job before is done; is there another?
    pub fn look(&mut self) -> Next<J> {
        let mut shop = self.pool.shop.lock();
        if std::mem::take(&mut self.popped) {
            shop.waking = false;
        }
        if let Some(job) = shop.jobs.pop_front() {
            if !std::mem::replace(&mut self.busy, true) {
                shop.busy.push(self.serial);
            }
            // Mine may block.
            let popped = shop.rouse(&self.pool.bench);
            drop(shop);
            popped.wake();
            return Next::Job(job);
        }
        self.rest(&mut shop);
        if shop.closed {
            Next::Closed
        } else if self.nudges != shop.nudges {
            self.nudges = shop.nudges;
            Next::Nudged
        } else {
            Next::Nothing
        }
    }

    fn rest(&mut self, shop: &mut Shop<J>) {
        if std::mem::take(&mut self.busy)
            && let Some(place) = shop.busy.iter().position(|serial| *serial == self.serial)
        {
            shop.busy.swap_remove(place);
        }
    }

    /// Sleeps as `blocked` says until there is something to look at.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn wait(&mut self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        self.sleep(blocked.me.parker(), blocked)
    }

    pub(super) fn sleep<S: Sleep>(&mut self, parker: &Arc<Parker>, sleep: &mut S) -> Result<(), S::Halt> {
        match self.sit_down(parker) {
            None => Ok(()),
            Some(waiter) => {
                self.pool.bench.sleep(&waiter, sleep)?;
                self.popped = true;
                Ok(())
            }
        }
    }

    fn sit_down(&self, parker: &Arc<Parker>) -> Option<Arc<Waiter>> {
        let shop = self.pool.shop.lock();
        let something = !shop.jobs.is_empty() || shop.nudges != self.nudges;
        (!something).then(|| self.pool.bench.enlist(parker))
    }

    /// Closes the pool, if no job is left: true if this worker, and all others, shall leave.
    pub fn close(&mut self) -> bool {
        let mut shop = self.pool.shop.lock();
        shop.closed |= shop.jobs.is_empty();
        let closed = shop.closed;
        drop(shop);
        if closed {
            self.pool.nudge();
        }
        closed
    }
}

impl<J> Drop for Worker<'_, J> {
    fn drop(&mut self) {
        if self.generation != crate::seam::fork_generation() {
            return;
        }
        let mut shop = self.pool.shop.lock();
        self.rest(&mut shop);
        shop.hired = shop.hired.saturating_sub(1);
        if self.popped {
            shop.waking = false;
        }
        // What it was woken for is somebody else's now.
        let popped = shop.rouse(&self.pool.bench);
        drop(shop);
        popped.wake();
    }
}
