//! Threads that sleep, first come, first woken.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Sleep;
use super::crowd::{Crowd, Link, Popped};
use super::fork::{Asleep, Home};
use crate::seam::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::seam::{Mutex, Parker};

/// One thread's place in one queue. Made for one wait and shared with whoever wakes it.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Set by the thread that popped this from its queue, under the queue's mutex; read by the owner.
    notified: AtomicBool,
    /// The crowd that it was notified with, until it has passed on.
    crowd: Mutex<Option<Arc<Crowd>>>,
    parker: Arc<Parker>,
}

impl Waiter {
    pub(crate) fn new(parker: &Arc<Parker>) -> Arc<Waiter> {
        Arc::new(Waiter { notified: AtomicBool::new(false), crowd: Mutex::default(), parker: Arc::clone(parker) })
    }

    pub(crate) fn is_notified(&self) -> bool {
        self.notified.load(Ordering::Acquire)
    }

    pub(crate) fn parker(&self) -> &Parker {
        &self.parker
    }

    /// Makes the waiter ready to be queued once more. Only for its owner, under the queue's mutex, while not queued.
    pub(crate) fn rearm(&self) {
        self.notified.store(false, Ordering::Relaxed);
    }

    pub(crate) fn mark(&self) {
        self.notified.store(true, Ordering::Release);
    }

    pub(super) fn mark_as_one_of(&self, crowd: &Arc<Crowd>) {
        *self.crowd.lock() = Some(Arc::clone(crowd));
        self.mark();
    }

    /// Calls the next of the crowd, if there is one and that has not been done. Only for its owner, who does not wait any
    /// more.
    pub(super) fn pass_on(&self) {
        if self.is_notified() {
            let crowd = self.crowd.lock().take();
            crowd.inspect(|crowd| crowd.call_next());
        }
    }
}

pub(crate) type Line = VecDeque<Arc<Waiter>>;

pub(crate) fn remove(line: &mut Line, waiter: &Arc<Waiter>) -> bool {
    let place = line.iter().position(|other| Arc::ptr_eq(other, waiter));
    place.map(|place| line.remove(place)).is_some()
}

/// A queue whose waiters are woken by an event, not by a state word: conditions, events, barriers, ends of threads.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    /// How many are in `line`; changes under its mutex. Read without it, so that waking nobody costs one load.
    len: AtomicUsize,
}

impl Queue {
    /// Takes a place at the end.
    pub(crate) fn enlist(&self, parker: &Arc<Parker>) -> Arc<Waiter> {
        let waiter = Waiter::new(parker);
        self.push(&waiter);
        waiter
    }

    fn push(&self, waiter: &Arc<Waiter>) {
        let mut line = self.line.lock();
        line.push_back(Arc::clone(waiter));
        self.len.store(line.len(), Ordering::Release);
    }

    /// Sleeps in the place taken before. On an error the place is given back.
    ///
    /// # Errors
    /// What `sleep` says, unless a notification came first.
    pub(crate) fn sleep<S: Sleep>(&self, waiter: &Arc<Waiter>, sleep: &mut S) -> Result<(), S::Halt> {
        let (_link, _asleep) = (Link(waiter), Asleep::new(waiter, self));
        match sleep.sleep(waiter) {
            Err(halt) if self.leave(waiter) => Err(halt),
            _ => Ok(()),
        }
    }

    /// Gives a place back; false if the waiter had been notified already.
    pub(crate) fn leave(&self, waiter: &Arc<Waiter>) -> bool {
        let mut line = self.line.lock();
        let left = remove(&mut line, waiter);
        self.len.store(line.len(), Ordering::Release);
        drop(line);
        waiter.pass_on();
        left
    }

    /// Wakes up to `most` threads; returns how many.
    ///
    /// Whoever enlists must do so before a point that the waker has seen (a lock that both take, an exchange), or it may
    /// not be found here.
    #[inline]
    pub(crate) fn wake(&self, most: usize) -> usize {
        if self.len.load(Ordering::Acquire) == 0 { 0 } else { self.wake_some(most) }
    }

    #[cold]
    fn wake_some(&self, most: usize) -> usize {
        let popped = self.pop(most);
        popped.wake();
        popped.len()
    }

    /// Takes up to `most` threads out, which are notified by that; they wake when the result is told to, which is for
    /// callers that decide under a mutex of their own and must not wake anybody there.
    pub(crate) fn pop(&self, most: usize) -> Popped {
        let mut line = self.line.lock();
        let count = most.min(line.len());
        let popped = Popped::notified(line.drain(..count));
        self.len.store(line.len(), Ordering::Release);
        popped
    }

    /// The same with the thread that came last.
    pub(crate) fn pop_newest(&self) -> Popped {
        let mut line = self.line.lock();
        let popped = Popped::notified(line.pop_back());
        self.len.store(line.len(), Ordering::Release);
        popped
    }

    /// How many threads are in the queue.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}

impl Home for Queue {
    fn return_after_fork(&self, waiter: &Arc<Waiter>) {
        self.push(waiter);
    }
}
