//! The queue behind all queues: a container, its bound, who waits, how many tasks are not done. See the room's head.

use std::fmt::{self, Debug};
use std::sync::Arc;

use crate::graph::{Blocked, Halt};
use crate::seam::atomic::{AtomicUsize, Ordering};
use crate::seam::{ByHost, Concurrent, Exclusion, Parker, Serialized, Sharing, fork_generation};
use crate::wait::{
    Link, Popped, Sleep, Waiter,
    queue::{Line, remove},
};

/// What a queue keeps its items in. Its methods run no code of the host and do not panic.
pub trait Container: Default {
    /// What is put in and taken out.
    type Item;
    /// How many there are.
    fn len(&self) -> usize;
    /// Puts one in.
    fn push(&mut self, item: Self::Item);
    /// Takes the next one out.
    fn pop(&mut self) -> Option<Self::Item>;
    /// Shows all of them.
    fn for_each(&self, visit: impl FnMut(&Self::Item));
    /// Takes all out at once; what stays is empty and of the same kind.
    fn take(&mut self) -> Self {
        std::mem::take(self)
    }
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a queue did not do at once what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room, or no item.
    NotNow,
    /// It has been shut down.
    ShutDown,
    /// It has been moved: [`RawQueue::move_out`].
    Moved,
}

/// Why a wait at a queue ended without what it was for.
#[derive(Clone, Debug)]
pub enum Denied {
    /// It has been shut down.
    ShutDown,
    /// It has been moved.
    Moved,
    /// The time was up, or the host wanted it.
    Halted(Halt),
}

/// More tasks were said to be done than had been put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyDone;

/// Those who wait for one thing: an item, or room.
#[derive(Debug, Default)]
struct Side {
    line: Line,
    /// Whether one that was popped has not come back yet.
    under_way: bool,
}

impl Side {
    /// The next one to wake, unless one is under way.
    #[inline]
    fn next(&mut self) -> Option<Arc<Waiter>> {
        if self.line.is_empty() || self.under_way { None } else { self.pop() }
    }

    #[cold]
    fn pop(&mut self) -> Option<Arc<Waiter>> {
        self.under_way = true;
        self.line.pop_front().inspect(|waiter| waiter.mark())
    }

    fn enlist(&mut self, waiter: &Arc<Waiter>, lost_a_race: bool) {
        waiter.rearm();
        if lost_a_race {
            self.line.push_front(Arc::clone(waiter));
        } else {
            self.line.push_back(Arc::clone(waiter));
        }
    }

    /// A waiter goes; one that had been popped is not under way any more.
    fn leave(&mut self, waiter: &Arc<Waiter>) {
        if !remove(&mut self.line, waiter) {
            self.under_way = false;
        }
    }
}

/// What changes under a queue's exclusion.
#[derive(Debug, Default)]
pub struct Inside<C> {
    items: C,
    unfinished: usize,
    shut_down: bool,
    moved: bool,
    /// The process that the lines belong to.
    generation: u32,
    getters: Side,
    putters: Side,
    joiners: Line,
}

/// Those to be unparked after the exclusion has ended.
#[derive(Default)]
struct Wake(Option<Arc<Waiter>>, Option<Arc<Waiter>>);

impl Wake {
    #[inline]
    fn now(self) {
        if self.0.is_some() || self.1.is_some() {
            self.unpark();
        }
    }

    #[cold]
    fn unpark(self) {
        [self.0, self.1].into_iter().flatten().for_each(|waiter| waiter.parker().unpark());
    }
}

impl<C: Container> Inside<C> {
    #[inline(always)]
    fn put(&mut self, item: C::Item, bound: usize) -> Result<Wake, (C::Item, Refused)> {
        if self.shut_down || self.moved {
            return Err((item, if self.moved { Refused::Moved } else { Refused::ShutDown }));
        }
        if bound != 0 && self.items.len() >= bound {
            return Err((item, Refused::NotNow));
        }
        self.items.push(item);
        self.unfinished += 1;
        Ok(Wake(self.getters.next(), None))
    }

    #[inline(always)]
    fn get(&mut self, bound: usize) -> Result<(C::Item, Wake), Refused> {
        match self.items.pop() {
            Some(item) => Ok((item, Wake(self.putter(bound), None))),
            None if self.moved => Err(Refused::Moved),
            None if self.shut_down => Err(Refused::ShutDown),
            None => Err(Refused::NotNow),
        }
    }

    /// The putter to wake, if there is room.
    #[inline]
    fn putter(&mut self, bound: usize) -> Option<Arc<Waiter>> {
        let waited_for = !self.putters.line.is_empty();
        if waited_for && (bound == 0 || self.items.len() < bound) { self.putters.next() } else { None }
    }

    /// The getter to wake, if there is an item.
    fn getter(&mut self) -> Option<Arc<Waiter>> {
        if self.items.is_empty() { None } else { self.getters.next() }
    }

    /// Empties the lines; everybody in them is notified.
    fn call_all(&mut self) -> Popped {
        Popped::notified(self.take_lines())
    }

    fn take_lines(&mut self) -> Line {
        let mut all = std::mem::take(&mut self.getters.line);
        all.append(&mut self.putters.line);
        all.append(&mut self.joiners);
        all
    }

    /// In the child of a fork: those in the lines are gone, but for one that may have forked in the middle of its wait. So
    /// all are woken, ghosts included; each by itself, since a ghost of a crowd would call nobody.
    #[cold]
    fn settle(&mut self, generation: u32) {
        self.generation = generation;
        self.getters.under_way = false;
        self.putters.under_way = false;
        for waiter in self.take_lines() {
            waiter.mark();
            waiter.parker().unpark();
        }
    }
}

/// A queue without a runtime, for threads that come as `S` says.
///
/// ```
/// use raddle::queue::{Fifo, RawQueue, Refused};
/// let queue: RawQueue<Fifo<u8>> = RawQueue::default();
/// queue.set_bound(1);
/// assert!(queue.try_put(7).is_ok());
/// assert_eq!(queue.try_put(8), Err((8, Refused::NotNow)));
/// assert_eq!(queue.try_get(), Ok(7));
/// assert_eq!(queue.try_get(), Err(Refused::NotNow));
/// queue.task_done().unwrap();
/// assert!(queue.task_done().is_err());
/// ```
pub struct RawQueue<C: Container, S: Sharing = Concurrent> {
    inside: S::Exclusive<Inside<C>>,
    /// How many items there may be; 0: any number.
    bound: AtomicUsize,
}

impl<C: Container> Default for RawQueue<C> {
    fn default() -> Self {
        RawQueue { inside: Default::default(), bound: AtomicUsize::new(0) }
    }
}

impl<C: Container, S: Sharing> Debug for RawQueue<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawQueue").field("bound", &self.bound()).finish_non_exhaustive()
    }
}

impl<C: Container> RawQueue<C> {
    /// A queue of `items`, without a bound.
    pub fn of(items: C) -> Self {
        let queue = RawQueue::default();
        queue.with(|inside| inside.items = items);
        queue
    }
}

impl<C: Container> RawQueue<C, Serialized> {
    /// A queue of `items`, without a bound, for threads that come one at a time.
    ///
    /// # Safety
    /// All its methods must be called while holding one lock that is the same for all callers. Those that sleep release
    /// it through the [`Sleeper`](crate::graph::Sleeper) only, and hold it again when that returns.
    pub unsafe fn serialized(items: C) -> Self {
        // SAFETY: every method of the queue enters the exclusion in its caller's own call, and sleeps outside of it.
        let inside = unsafe { ByHost::new(Inside { items, ..Inside::default() }) };
        RawQueue { inside, bound: AtomicUsize::new(0) }
    }
}

impl<C: Container, X: Sharing> RawQueue<C, X> {
    /// All of a put or a get is to be inlined, which the closures on the way have to be told as well.
    #[inline(always)]
    fn with<R>(&self, change: impl FnOnce(&mut Inside<C>) -> R) -> R {
        self.inside.with(
            #[inline(always)]
            |inside| {
                let generation = fork_generation();
                if inside.generation != generation {
                    inside.settle(generation);
                }
                change(inside)
            },
        )
    }

    /// To be read inside the exclusion: one who was refused for an old bound must be in the line before `set_bound` looks.
    #[inline]
    fn bound(&self) -> usize {
        self.bound.load(Ordering::Relaxed)
    }

    /// Puts an item if there is room.
    ///
    /// # Errors
    /// The item, and why it was refused.
    #[inline(always)]
    pub fn try_put(&self, item: C::Item) -> Result<(), (C::Item, Refused)> {
        self.with(
            #[inline(always)]
            |inside| inside.put(item, self.bound()),
        )
        .map(Wake::now)
    }

    /// Takes an item if there is one.
    ///
    /// # Errors
    /// Why there is none.
    #[inline(always)]
    pub fn try_get(&self) -> Result<C::Item, Refused> {
        let (item, wake) = self.with(
            #[inline(always)]
            |inside| inside.get(self.bound()),
        )?;
        wake.now();
        Ok(item)
    }

    /// Puts an item, sleeping as `blocked` says until there is room.
    ///
    /// # Errors
    /// The item, and why it was not put.
    pub fn put(&self, item: C::Item, blocked: &mut Blocked<'_>) -> Result<(), (C::Item, Denied)> {
        let me = blocked.me;
        self.put_within(item, me.parker(), blocked)
    }

    /// Takes an item, sleeping as `blocked` says until there is one.
    ///
    /// # Errors
    /// Why none was taken. If one has come while the time ran out, it is taken.
    pub fn get(&self, blocked: &mut Blocked<'_>) -> Result<C::Item, Denied> {
        let me = blocked.me;
        self.get_within(me.parker(), blocked)
    }

    /// Sleeps as `blocked` says until every item that was put has been done.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn join(&self, blocked: &mut Blocked<'_>) -> Result<(), Denied> {
        let me = blocked.me;
        self.join_within(me.parker(), blocked)
    }

    pub(super) fn put_within<S: Sleep>(
        &self,
        mut item: C::Item,
        parker: &Arc<Parker>,
        sleep: &mut S,
    ) -> Result<(), (C::Item, Denied)>
    where
        S::Halt: Into<Stop>,
    {
        let waiter = Waiter::new(parker);
        let mut woken = false;
        loop {
            match self.put_or_enlist(item, &waiter, woken) {
                Ok(wake) => {
                    wake.now();
                    return Ok(());
                }
                Err((back, Refused::NotNow)) => item = back,
                Err((back, refused)) => return Err((back, refused.into())),
            }
            let _link = Link(&waiter);
            if let Err(halt) = sleep.sleep(&waiter) {
                let stop = halt.into();
                let late = self.leave_putters(item, &waiter, stop.time_is_up);
                return late.map(Wake::now).map_err(|back| (back, Denied::Halted(stop.halt)));
            }
            woken = true;
        }
    }

    fn put_or_enlist(&self, item: C::Item, waiter: &Arc<Waiter>, woken: bool) -> Result<Wake, (C::Item, Refused)> {
        self.with(|inside| {
            if woken {
                inside.putters.under_way = false;
            }
            let mut put = inside.put(item, self.bound());
            match &mut put {
                // More than one place may have become free, and only one waiter is woken for that.
                Ok(wake) => wake.1 = inside.putter(self.bound()),
                Err((_, Refused::NotNow)) => inside.putters.enlist(waiter, woken),
                Err(_) => {}
            }
            put
        })
    }

    /// A putter gives up, after a last look if its time is up.
    fn leave_putters(&self, item: C::Item, waiter: &Arc<Waiter>, last_look: bool) -> Result<Wake, C::Item> {
        let (put, next) = self.with(|inside| {
            inside.putters.leave(waiter);
            let put = if last_look { inside.put(item, self.bound()).map_err(|(item, _)| item) } else { Err(item) };
            (put, inside.putter(self.bound()))
        });
        // It was popped, so the wake was meant for somebody who puts: passed on.
        Wake(next, None).now();
        put
    }

    pub(super) fn get_within<S: Sleep>(&self, parker: &Arc<Parker>, sleep: &mut S) -> Result<C::Item, Denied>
    where
        S::Halt: Into<Stop>,
    {
        let waiter = Waiter::new(parker);
        let mut woken = false;
        loop {
            match self.get_or_enlist(&waiter, woken) {
                Ok((item, wake)) => {
                    wake.now();
                    return Ok(item);
                }
                Err(Refused::NotNow) => {}
                Err(refused) => return Err(refused.into()),
            }
            let _link = Link(&waiter);
            if let Err(halt) = sleep.sleep(&waiter) {
                let stop = halt.into();
                let (late, wake) = self.leave_getters(&waiter, stop.time_is_up);
                wake.now();
                return late.ok_or(Denied::Halted(stop.halt));
            }
            woken = true;
        }
    }

    fn get_or_enlist(&self, waiter: &Arc<Waiter>, woken: bool) -> Result<(C::Item, Wake), Refused> {
        self.with(|inside| {
            if woken {
                inside.getters.under_way = false;
            }
            let mut got = inside.get(self.bound());
            match &mut got {
                Ok((_, wake)) => wake.1 = inside.getter(),
                Err(Refused::NotNow) => inside.getters.enlist(waiter, woken),
                Err(_) => {}
            }
            got
        })
    }

    /// A getter gives up, after a last look if its time is up.
    fn leave_getters(&self, waiter: &Arc<Waiter>, last_look: bool) -> (Option<C::Item>, Wake) {
        self.with(|inside| {
            inside.getters.leave(waiter);
            let late = if last_look { inside.get(self.bound()).ok() } else { None };
            let (item, mut wake) = late.map_or_else(Default::default, |(item, wake)| (Some(item), wake));
            wake.1 = inside.getter();
            (item, wake)
        })
    }

    pub(super) fn join_within<S: Sleep>(&self, parker: &Arc<Parker>, sleep: &mut S) -> Result<(), Denied>
    where
        S::Halt: Into<Stop>,
    {
        let waiter = Waiter::new(parker);
        loop {
            let look = self.with(|inside| match inside.unfinished {
                _ if inside.moved => Err(Denied::Moved),
                0 => Ok(true),
                _ => {
                    waiter.rearm();
                    inside.joiners.push_back(Arc::clone(&waiter));
                    Ok(false)
                }
            });
            if look? {
                return Ok(());
            }
            let _link = Link(&waiter);
            if let Err(halt) = sleep.sleep(&waiter) {
                let stop = halt.into();
                let done = self.with(|inside| {
                    remove(&mut inside.joiners, &waiter);
                    inside.unfinished == 0 && !inside.moved
                });
                return if done && stop.time_is_up { Ok(()) } else { Err(Denied::Halted(stop.halt)) };
            }
        }
    }

    /// One task fewer is left; the last one wakes all who wait for that.
    ///
    /// # Errors
    /// If there is none left.
    #[inline]
    pub fn task_done(&self) -> Result<(), TooManyDone> {
        let joiners = self.with(|inside| {
            inside.unfinished = inside.unfinished.checked_sub(1).ok_or(TooManyDone)?;
            let done = inside.unfinished == 0 && !inside.joiners.is_empty();
            Ok(if done { Popped::all_of(&mut inside.joiners) } else { Popped::default() })
        })?;
        joiners.wake();
        Ok(())
    }

    /// Lets nothing more in, and nobody wait: those who wait to put are refused, those who wait to get are once the queue
    /// is empty. If `immediate` it is emptied now, and the items, which count as done, are returned.
    pub fn shutdown(&self, immediate: bool) -> C {
        let (items, woken) = self.with(|inside| {
            inside.shut_down = true;
            let items = if immediate { inside.items.take() } else { C::default() };
            inside.unfinished = inside.unfinished.saturating_sub(items.len());
            (items, inside.call_all())
        });
        woken.wake();
        items
    }

    /// Takes everything out for good. Whoever waits is woken and, like whoever comes, is told so: [`Refused::Moved`]. The
    /// number of tasks and whether it has been shut down stay here.
    pub fn move_out(&self) -> C {
        let (items, woken) = self.with(|inside| {
            inside.moved = true;
            (inside.items.take(), inside.call_all())
        });
        woken.wake();
        items
    }

    /// Makes it as new. Whoever waits goes on waiting.
    pub fn reset(&self) -> C {
        self.set_bound(0);
        self.with(|inside| {
            (inside.unfinished, inside.shut_down, inside.moved) = (0, false, false);
            inside.items.take()
        })
    }

    /// From now on there may be so many items; 0: any number.
    pub fn set_bound(&self, bound: usize) {
        self.bound.store(bound, Ordering::Relaxed);
        Wake(self.with(|inside| inside.putter(self.bound())), None).now();
    }

    /// How many items there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.with(|inside| inside.items.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items were put and not said to be done.
    pub fn unfinished(&self) -> usize {
        self.with(|inside| inside.unfinished)
    }

    /// Sets that number; 0 wakes all who wait for it.
    pub fn set_unfinished(&self, unfinished: usize) {
        let joiners = self.with(|inside| {
            inside.unfinished = unfinished;
            if unfinished == 0 { Popped::all_of(&mut inside.joiners) } else { Popped::default() }
        });
        joiners.wake();
    }

    /// Whether it has been shut down.
    pub fn is_shut_down(&self) -> bool {
        self.with(|inside| inside.shut_down)
    }

    /// Says whether it has been, without waking anybody.
    pub fn set_shut_down(&self, shut_down: bool) {
        self.with(|inside| inside.shut_down = shut_down);
    }

    /// Shows the items to `look`, which may neither block nor run code of the host.
    pub fn look<R>(&self, look: impl FnOnce(&C) -> R) -> R {
        self.with(|inside| look(&inside.items))
    }
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Denied {
        match refused {
            Refused::ShutDown => Denied::ShutDown,
            Refused::Moved => Denied::Moved,
            Refused::NotNow => Denied::Halted(Halt::TimedOut),
        }
    }
}

/// How a sleep ended, and whether a last look is due.
pub(super) struct Stop {
    halt: Halt,
    time_is_up: bool,
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Stop {
        Stop { time_is_up: matches!(halt, Halt::TimedOut), halt }
    }
}
