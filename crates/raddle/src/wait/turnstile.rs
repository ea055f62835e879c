//! A number of places of which a thread may take several at once, with a line for those who cannot take now: a semaphore
//! with weights (its permits are the places), and a lock for readers and writers (a reader takes one place, a writer all).
//!
//! A [`Gate`](super::Gate) wakes one waiter at a time and knows nothing of how much each wants. Here a giver looks at the
//! line and calls all those who fit, in the order that the [`Order`] says.
//!
//! # The word
//!
//! The upper 60 bits are the number of places taken, the lower four are flags, which change under the line's mutex only:
//!
//! | bit | meaning |
//! |---|---|
//! | LOOK | somebody waits and nobody who was called is under way: whoever gives has to look at the line |
//! | CLOSED | somebody waits, or is under way, who closes the door: newcomers who heed that stand in line even if they fit |
//! | STARVED | likewise somebody who came too late, or was passed, more than [`PATIENCE`](super::gate::PATIENCE) times |
//!
//! Nothing is handed over: a called thread has to take its places itself, and a newcomer who does not heed a flag may be
//! there first; it goes back to the head of the line then. While called threads are under way nobody else is called, or
//! one thread that takes and gives in a loop would call the whole line for nothing.
//!
//! Who wants many may never be called, because others take each place as soon as it is there. So a give that leaves the first
//! in the line standing counts as a race that was lost.
//!
//! In the child of a fork the line is gone; see [`super::gate`].

use std::collections::VecDeque;
use std::sync::Arc;

use super::fork::{Asleep, Home};
use super::gate::{PATIENCE, SHIFT};
use super::queue::Waiter;
use super::{Holds, Lasting, Link, Popped, Sleep};
use crate::seam::atomic::{AtomicU64, Ordering};
use crate::seam::{Concurrent, Guard, Mutex, Parker, Sharing, Word};

const LOOK: u64 = 1;
pub(crate) const CLOSED: u64 = 2;
pub(crate) const STARVED: u64 = 4;
const FLAGS: u64 = LOOK | CLOSED | STARVED;

/// The most places there can be.
pub(crate) const MAX: u64 = u64::MAX >> (SHIFT + 1);

/// Who in the line is called first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Who came first.
    Come,
    /// Those who take one place.
    Small,
    /// Those who take more.
    Large,
}

/// What a thread wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) serial: u64,
    pub(crate) amount: u64,
    /// At which flags it stands in line though it fits.
    pub(crate) heeds: u64,
    /// Whether it sets CLOSED while it waits.
    pub(crate) closes: bool,
    /// Whether it sets STARVED when it has come too late too often.
    pub(crate) insists: bool,
    /// Whether it has a place already and wants all others: it comes before whoever else wants several, for they wait for it.
    pub(crate) inside: bool,
}

/// A place in the line.
#[derive(Debug)]
struct Turn {
    waiter: Arc<Waiter>,
    ask: Ask,
    /// How often it was called and came too late, or was passed.
    losses: u32,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Turn>,
    /// Those who were called, until they have taken, or stand in line again, or went away.
    called: Vec<Turn>,
}

impl Line {
    fn flags(&self, calling: bool) -> u64 {
        let any = |is: fn(&Turn) -> bool| self.called.iter().chain(&self.waiting).any(is);
        let look = !self.waiting.is_empty() && self.called.is_empty() && !calling;
        let mut flags = if look { LOOK } else { 0 };
        if any(|turn| turn.ask.closes) {
            flags |= CLOSED;
        }
        if any(|turn| turn.ask.insists && turn.losses >= PATIENCE) {
            flags |= STARVED;
        }
        flags
    }

    /// Who fits into `room` places, as indices into `waiting` in the order of the calls: nobody passes one who does not fit.
    fn fitting(&self, order: Order, mut room: u64) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.waiting.len()).collect();
        let ask = |place: &usize| self.waiting[*place].ask;
        places.sort_by_key(|place| !ask(place).inside);
        match order {
            Order::Come => {}
            Order::Small => places.sort_by_key(|place| ask(place).amount > 1),
            Order::Large => places.sort_by_key(|place| ask(place).amount == 1),
        }
        let fits = |place: &usize| {
            let left = room.checked_sub(self.waiting[*place].ask.amount);
            room = left.unwrap_or(room);
            left.is_some()
        };
        places.into_iter().take_while(fits).collect()
    }

    /// Moves them to the called ones.
    fn call(&mut self, mut places: Vec<usize>) -> Popped {
        places.sort_unstable();
        let turns: Vec<_> = places.into_iter().rev().filter_map(|place| self.waiting.remove(place)).collect();
        self.called.extend(turns.into_iter().rev());
        Popped::notified(self.called.iter().map(|turn| Arc::clone(&turn.waiter)))
    }

    /// Something was given, which makes `room` places: if that is not enough for the first in the line, it was passed.
    fn note_pass(&mut self, order: Order, room: u64) {
        let comes_first = |turn: &Turn| match order {
            Order::Come => true,
            Order::Small => turn.ask.amount == 1,
            Order::Large => turn.ask.amount > 1,
        };
        let place = self.waiting.iter().position(comes_first).unwrap_or(0);
        let first = self.waiting.get_mut(place).filter(|turn| turn.ask.amount > room);
        first.into_iter().for_each(|turn| turn.losses += 1);
    }

    /// Takes the turn of `waiter` out, wherever it stands; how often it had lost.
    fn take_out(&mut self, waiter: &Arc<Waiter>) -> Option<u32> {
        let is_its = |turn: &Turn| Arc::ptr_eq(&turn.waiter, waiter);
        let called = self.called.iter().position(is_its).map(|place| self.called.remove(place));
        let turn = called.or_else(|| self.waiting.iter().position(is_its).and_then(|place| self.waiting.remove(place)));
        turn.map(|turn| turn.losses)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Turnstile<S = Concurrent> {
    word: Word<S>,
    places: AtomicU64,
    order: Order,
    line: Mutex<Line>,
    holds: Holds,
}

impl<S: Sharing> Turnstile<S> {
    pub(crate) fn new(places: u64, order: Order) -> Self {
        let places = AtomicU64::new(places.min(MAX));
        Turnstile { word: Word::new(0), places, order, line: Mutex::default(), holds: Holds::default() }
    }

    /// How many places are taken.
    #[inline]
    pub(crate) fn taken(&self) -> u64 {
        self.word.load() >> SHIFT
    }

    /// Whether no place is taken and nobody waits for one.
    pub(crate) fn is_idle(&self) -> bool {
        self.word.load() == 0
    }

    /// How many places there are.
    pub(crate) fn places(&self) -> u64 {
        self.places.load(Ordering::Relaxed)
    }

    #[inline]
    fn fits(&self, word: u64, amount: u64) -> bool {
        (word >> SHIFT) + amount <= self.places()
    }

    /// Takes `amount` places if they are there and none of the flags in `heeds` is set.
    #[inline]
    pub(crate) fn try_take(&self, amount: u64, heeds: u64) -> bool {
        let mut word = self.word.load();
        while word & heeds == 0 && self.fits(word, amount) {
            match self.word.exchange(word, word + (amount << SHIFT), Ordering::Acquire) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes what is asked for, and sleeps until that can be done.
    ///
    /// # Errors
    /// What `sleep` says.
    #[cold]
    pub(crate) fn take<Z: Sleep>(&self, ask: Ask, parker: &Arc<Parker>, sleep: &mut Z) -> Result<(), Z::Halt> {
        let waiter = Waiter::new(parker);
        let mut was_called = false;
        while !self.take_or_enlist(ask, &waiter, was_called) {
            let (_link, _asleep) = (Link(&waiter), Asleep::new(&waiter, self));
            if let Err(halt) = sleep.sleep(&waiter) {
                self.leave(&waiter);
                return Err(halt);
            }
            was_called = true;
        }
        Ok(())
    }

    /// Gives `amount` places back if `held` says of their number that so many are taken, and calls those who fit then.
    ///
    /// # Errors
    /// If not; nothing was changed.
    #[inline]
    pub(crate) fn give_if(&self, amount: u64, held: impl Fn(u64) -> bool) -> Result<(), ()> {
        let mut word = self.word.load();
        loop {
            if !held(word >> SHIFT) {
                return Err(());
            }
            if word & LOOK != 0 {
                return self.give_and_call(amount, held);
            }
            match self.word.exchange(word, word - (amount << SHIFT), Ordering::Release) {
                Ok(()) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    #[cold]
    fn give_and_call(&self, amount: u64, held: impl Fn(u64) -> bool) -> Result<(), ()> {
        let (mut given, mut line) = (false, self.locked());
        if line.called.is_empty() {
            line.note_pass(self.order, self.places().saturating_sub(self.taken().saturating_sub(amount)));
        }
        self.holds.end();
        self.settle(line, |word| {
            given = held(word >> SHIFT);
            if given { word - (amount << SHIFT) } else { word }
        });
        if given { Ok(()) } else { Err(()) }
    }

    /// Makes it a turnstile of as many places as `change` makes of their number; if more are taken, none can be had until
    /// enough were given back.
    pub(crate) fn resize(&self, change: impl FnOnce(u64) -> u64) {
        let line = self.locked();
        self.places.store(change(self.places()).min(MAX), Ordering::Relaxed);
        self.settle(line, |word| word);
    }

    /// One look by a thread that does not stand in line: true if it took, false if it stands there now.
    fn take_or_enlist(&self, ask: Ask, waiter: &Arc<Waiter>, was_called: bool) -> bool {
        let mut line = self.locked();
        let losses = line.take_out(waiter).map_or(0, |losses| losses + 1);
        let mut took = false;
        self.word.update(|word| {
            took = self.fits(word, ask.amount) && (was_called || word & ask.heeds == 0);
            if took { word + (ask.amount << SHIFT) } else { word }
        });
        if !took {
            waiter.rearm();
            let turn = Turn { waiter: Arc::clone(waiter), ask, losses };
            if was_called { line.waiting.push_front(turn) } else { line.waiting.push_back(turn) }
        }
        // If something was given back since the look, this finds it: it is called at once, before its sleep.
        self.settle(line, |word| word);
        took
    }

    /// A waiter goes away without having taken: whoever waited for its turn may fit now.
    fn leave(&self, waiter: &Arc<Waiter>) {
        let mut line = self.locked();
        line.take_out(waiter);
        self.settle(line, |word| word);
    }

    /// Changes the word as `step` says, calls those who fit then, and sets the flags that the line stands for.
    fn settle(&self, mut line: Guard<'_, Line>, mut step: impl FnMut(u64) -> u64) {
        let mut calling = Vec::new();
        self.word.update(|word| {
            let next = step(word) & !FLAGS;
            let room = self.places().saturating_sub(next >> SHIFT);
            calling = if line.called.is_empty() { line.fitting(self.order, room) } else { Vec::new() };
            next | line.flags(!calling.is_empty())
        });
        let popped = (!calling.is_empty()).then(|| {
            // What is given while they are under way goes unseen.
            self.holds.end();
            line.call(calling)
        });
        drop(line);
        popped.inspect(Popped::wake);
    }

    /// The line, locked; its flags are cleared if it was lost in a fork.
    fn locked(&self) -> Guard<'_, Line> {
        let line = self.line.lock();
        if line.inherited {
            self.word.update(|word| word & !FLAGS);
        }
        line
    }

    /// Who wants more than one place and comes before `serial`, which stands in line; nobody if it does not.
    pub(crate) fn large_before(&self, serial: u64) -> Option<u64> {
        let line = self.locked();
        let place = line.waiting.iter().position(|turn| turn.ask.serial == serial)?;
        let ahead = if self.order == Order::Large { line.waiting.len() } else { place };
        let first = line.waiting.iter().filter(|turn| turn.ask.inside && self.order != Order::Small);
        let mut before = line.called.iter().chain(first).chain(line.waiting.range(..ahead)).map(|turn| turn.ask);
        before.find(|ask| ask.amount > 1 && ask.serial != serial).map(|ask| ask.serial)
    }

    /// The present holds, for a thread that stands in line; `held`: it waits for these.
    #[cold]
    pub(crate) fn lasting(&self, held: bool) -> Lasting<'_> {
        let _line = self.locked();
        self.holds.now(held && self.word.load() & LOOK != 0)
    }

    /// Gives all places back. For the child of a fork: no thread may be waiting.
    pub(crate) fn reset(&self) {
        self.word.store(0);
    }
}

impl<S: Sharing> Home for Turnstile<S> {
    fn return_after_fork(&self, waiter: &Arc<Waiter>) {
        waiter.mark();
    }
}
