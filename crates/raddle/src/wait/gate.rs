//! A word of state that threads take from and give back to, with a queue for those who cannot take now: locks (the word
//! holds the owner's serial) and semaphores (the word holds a count).
//!
//! # The word
//!
//! The upper 60 bits are the kind's own ([`Permits`]), the lower four are flags:
//!
//! | bit | set by | meaning |
//! |---|---|---|
//! | WAITERS | enlisting, under the mutex | the queue is not empty: whoever gives has to look |
//! | WOKEN | popping, under the mutex | a woken waiter is under way: whoever gives need not wake another |
//! | STARVED | a waiter that lost too often | takers that were not woken queue up, even if the gate is free |
//! | MARK | the owner, with its take | the kind's own remark on the present hold; cleared by the give |
//!
//! The first three change under the queue's mutex only; the kind's bits and MARK change by compare-exchange anywhere. The
//! word changes as a whole, so a giver that saw WOKEN is always before the woken waiter's own look at the word.
//!
//! In the child of a fork the waiters are gone but their flags may be set. The first one to need the queue there finds it
//! reset and clears them; until then nobody waits, so nobody misses a wake. A waiter that forked itself, in a handler of
//! a signal, counts as woken there: it looks at the word again before it sleeps.

use std::marker::PhantomData;
use std::sync::Arc;

use super::fork::{Asleep, Home};
use super::queue::{Line, Waiter, remove};
use super::{Holds, Lasting, LockNumber, Sleep};
use crate::seam::atomic::{AtomicU64, Ordering};
use crate::seam::{Concurrent, Guard, Mutex, Parker, Sharing, Word};

const WAITERS: u64 = 1;
const WOKEN: u64 = 2;
const STARVED: u64 = 4;
const QUEUE_FLAGS: u64 = WAITERS | WOKEN | STARVED;

/// The kind's own remark on a hold, see the table above.
pub(crate) const MARK: u64 = 8;

/// How far the kind's bits are shifted.
pub(crate) const SHIFT: u32 = 4;

/// How many races a woken waiter loses before the others have to queue behind it. Measured under the interpreter's lock
/// with `benches/contended`: below 2 every hold costs a switch, above 8 the shares of the threads drift apart.
pub(crate) const PATIENCE: u32 = 4;

/// What the word's upper bits mean.
pub(crate) trait Permits {
    /// Whether one can be taken.
    fn free(word: u64) -> bool;
    /// The word after a take. `token` is the taker's, of the form that the kind defines. Flags stay.
    fn taken(word: u64, token: u64) -> u64;
    /// The word after `amount` are given back. Flags stay, but for MARK.
    fn given(word: u64, amount: u64) -> u64;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Gate<K, S = Concurrent> {
    word: Word<S>,
    /// So that the object stays small, the queue is made by the first thread that has to wait, and takes the place of the
    /// tag: this is either the tag, or QUEUED and the address of a [`Queued`], which is freed with the gate.
    tag: AtomicU64,
    kind: PhantomData<K>,
}

/// The gate's queue, the tag that stood in its place, and the number that tells the lock from all others while orders of
/// locks are learned.
#[derive(Debug, Default)]
struct Queued {
    line: Mutex<Line>,
    tag: u64,
    number: LockNumber,
    holds: Holds,
}

/// Set in no tag, and in no address of a user's process.
const QUEUED: u64 = 1 << 63;

impl<K: Permits, S: Sharing> Gate<K, S> {
    pub(crate) fn new(permits: u64) -> Self {
        Self::tagged(permits, 0)
    }

    /// One with a number of 63 bits that is the owner's business and stays the same.
    pub(crate) fn tagged(permits: u64, tag: u64) -> Self {
        debug_assert!(tag & QUEUED == 0);
        Gate { word: Word::new(permits << SHIFT), tag: AtomicU64::new(tag & !QUEUED), kind: PhantomData }
    }

    /// That number.
    pub(crate) fn tag(&self) -> u64 {
        let tag = self.tag.load(Ordering::Acquire);
        // SAFETY: what `queued` says.
        unsafe { queued(tag).as_ref() }.map_or(tag, |queued| queued.tag)
    }

    /// A number that no other gate has, nor had or will have. See `graph/learner.rs`.
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        match self.number_so_far() {
            0 => self.made().number.get(),
            number => number,
        }
    }

    /// The same, 0 if nobody has asked for it yet.
    #[inline]
    pub(crate) fn number_so_far(&self) -> u64 {
        // SAFETY: what `queued` says.
        let made = unsafe { queued(self.tag.load(Ordering::Acquire)).as_ref() };
        made.map_or(0, |made| made.number.so_far())
    }

    /// Takes the number away, before anything is freed that is kept beside the gate.
    pub(crate) fn retire(&self) {
        // SAFETY: what `queued` says.
        let made = unsafe { queued(self.tag.load(Ordering::Acquire)).as_ref() };
        made.inspect(|made| made.number.retire());
    }

    /// The word as it is now.
    #[inline]
    pub(crate) fn word(&self) -> u64 {
        self.word.load()
    }

    /// Takes, if that can be done at once.
    #[inline]
    pub(crate) fn try_take(&self, token: u64) -> bool {
        let mut word = self.word.load();
        while K::free(word) && word & STARVED == 0 {
            match self.word.exchange(word, K::taken(word, token), Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes, and sleeps until that can be done.
    ///
    /// # Errors
    /// What `sleep` says.
    #[cold]
    pub(crate) fn take<Z: Sleep>(&self, token: u64, parker: &Arc<Parker>, sleep: &mut Z) -> Result<(), Z::Halt> {
        let waiter = Waiter::new(parker);
        let mut losses = 0;
        while !self.take_or_enlist(token, &waiter, losses) {
            let _asleep = Asleep::new(&waiter, self);
            if let Err(halt) = sleep.sleep(&waiter) {
                self.leave(&waiter, losses);
                return Err(halt);
            }
            losses += 1;
        }
        Ok(())
    }

    /// Gives `amount` back, and wakes a waiter if there is one and none is under way. `held` says whether the word is
    /// such that it can be given back; if not, nothing happens and the word is returned as the error.
    #[inline]
    pub(crate) fn give_if(&self, amount: u64, held: impl Fn(u64) -> bool) -> Result<(), u64> {
        let mut word = self.word.load();
        loop {
            if !held(word) {
                return Err(word);
            }
            if word & (WAITERS | WOKEN) == WAITERS {
                return self.give_and_wake(amount, held);
            }
            let given = K::given(word, amount);
            match self.word.exchange(word, given, Ordering::Release) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    #[cold]
    fn give_and_wake(&self, amount: u64, held: impl Fn(u64) -> bool) -> Result<(), u64> {
        let mut line = self.locked();
        // Another giver may have woken somebody since we looked.
        let (mut refused, mut waking) = (None, false);
        self.change(|word| {
            refused = (!held(word)).then_some(word);
            waking = refused.is_none() && word & (WAITERS | WOKEN) == WAITERS;
            match (refused, waking) {
                (Some(_), _) => word,
                (None, true) => Self::waking(K::given(word, amount), &line),
                (None, false) => K::given(word, amount),
            }
        });
        let woken = if waking { line.pop_front().inspect(|waiter| waiter.mark()) } else { None };
        if waking {
            self.made().holds.end();
        }
        drop(line);
        wake(woken);
        refused.map_or(Ok(()), Err)
    }

    /// The word with the flags that go with waking the first of `line`.
    fn waking(word: u64, line: &Line) -> u64 {
        match line.len() {
            0 => word & !(WAITERS | WOKEN),
            1 => word & !WAITERS | WOKEN,
            _ => word | WAITERS | WOKEN,
        }
    }

    /// One look at the word by a waiter that is not queued: true if it took, false if it is queued now.
    fn take_or_enlist(&self, token: u64, waiter: &Arc<Waiter>, losses: u32) -> bool {
        let mut line = self.locked();
        let (was_woken, starving) = (losses > 0, losses >= PATIENCE);
        let mut took = false;
        let now = self.change(|word| {
            let mine = if was_woken { word & !WOKEN } else { word };
            took = K::free(word) && (word & STARVED == 0 || starving);
            match (took, starving) {
                (true, true) => K::taken(mine, token) & !STARVED,
                (true, false) => K::taken(mine, token),
                (false, true) => mine | WAITERS | STARVED,
                (false, false) => mine | WAITERS,
            }
        });
        if !took {
            waiter.rearm();
            if was_woken {
                line.push_front(Arc::clone(waiter))
            } else {
                line.push_back(Arc::clone(waiter))
            }
            return false;
        }
        // More than one may have been given back at once, and only one waiter is woken for that.
        if K::free(now) && now & WOKEN == 0 {
            self.wake_next(line);
        }
        true
    }

    /// A waiter goes away without having taken.
    fn leave(&self, waiter: &Arc<Waiter>, losses: u32) {
        let mut line = self.locked();
        let queued = remove(&mut line, waiter);
        let keep = if losses >= PATIENCE { !STARVED } else { !0 };
        let word = self.change(|word| {
            let word = if queued { word } else { word & !WOKEN };
            let word = if line.is_empty() { word & !WAITERS } else { word };
            word & keep
        });
        // It was popped, so the wake was meant for somebody who takes: pass it on.
        if !queued && K::free(word) {
            self.wake_next(line);
        }
    }

    fn wake_next(&self, mut line: Guard<'_, Line>) {
        self.change(|word| Self::waking(word, &line));
        let woken = line.pop_front().inspect(|waiter| waiter.mark());
        drop(line);
        wake(woken);
    }

    /// Replaces the word by what `next` makes of it; returns the new one.
    fn change(&self, mut next: impl FnMut(u64) -> u64) -> u64 {
        let mut new = 0;
        self.word.update(|word| {
            new = next(word);
            new
        });
        new
    }

    /// Sets the kind's bits to `permits` if `held` says so of the word; the queue and its flags stay.
    ///
    /// # Errors
    /// The word, if not.
    pub(crate) fn replace_if(&self, permits: u64, held: impl Fn(u64) -> bool) -> Result<(), u64> {
        let old = self.word.update(|word| if held(word) { word & QUEUE_FLAGS | permits } else { word });
        if held(old) { Ok(()) } else { Err(old) }
    }

    /// Sets the kind's bits, as after a fork or a pickle: nobody may be waiting.
    pub(crate) fn reset(&self, permits: u64) {
        self.word.store(permits << SHIFT);
    }

    /// The present hold, for a thread that stands in the queue.
    #[cold]
    pub(crate) fn lasting(&self) -> Lasting<'_> {
        let _line = self.locked();
        self.made().holds.now(self.word() & (WAITERS | WOKEN) == WAITERS)
    }

    /// The queue, locked; its flags are cleared if it was lost in a fork.
    fn locked(&self) -> Guard<'_, Line> {
        let line = self.made().line.lock();
        if line.inherited {
            self.change(|word| word & !QUEUE_FLAGS);
        }
        line
    }

    #[cold]
    fn made(&self) -> &Queued {
        let tag = self.tag.load(Ordering::Acquire);
        let mut made = queued(tag);
        if made.is_null() {
            let fresh = Box::into_raw(Box::new(Queued { tag, ..Queued::default() }));
            let new = fresh.expose_provenance() as u64 | QUEUED;
            made = match self.tag.compare_exchange(tag, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => fresh,
                Err(theirs) => {
                    // SAFETY: `fresh` came from `Box::into_raw` above and was not published.
                    drop(unsafe { Box::from_raw(fresh) });
                    queued(theirs)
                }
            }
        }
        // SAFETY: not null, since only a queue ever takes the place of a tag; for the rest see `queued`.
        unsafe { &*made }
    }
}

/// The queue that stands in the place of a gate's tag; null if it is the tag itself. It is alive as long as the gate, since
/// only `drop` frees it, which has `&mut self`.
fn queued(tag: u64) -> *mut Queued {
    let address = if tag & QUEUED == 0 { 0 } else { tag & !QUEUED };
    std::ptr::with_exposed_provenance_mut(address as usize)
}

impl<K, S: Sharing> Home for Gate<K, S> {
    fn return_after_fork(&self, waiter: &Arc<Waiter>) {
        waiter.mark();
    }
}

fn wake(waiter: Option<Arc<Waiter>>) {
    if let Some(waiter) = waiter {
        waiter.parker().unpark();
    }
}

impl<K, S> Drop for Gate<K, S> {
    fn drop(&mut self) {
        let made = queued(self.tag.load(Ordering::Acquire));
        if !made.is_null() {
            // SAFETY: it came from `Box::into_raw` in `made`, and `&mut self` says that nobody uses it any more.
            drop(unsafe { Box::from_raw(made) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::lock::Owned;

    /// A sleeper that never sleeps: every wait is over at once.
    struct Impatient;

    impl Sleep for Impatient {
        type Halt = ();
        fn sleep(&mut self, _: &Arc<Waiter>) -> Result<(), ()> {
            Err(())
        }
    }

    #[test]
    fn a_waiter_that_gives_up_leaves_no_flag_behind() {
        let gate: Gate<Owned> = Gate::new(0);
        assert!(gate.try_take(1 << SHIFT));
        assert!(gate.take(2 << SHIFT, &Arc::default(), &mut Impatient).is_err());
        assert_eq!(gate.word(), 1 << SHIFT);
        gate.give_if(1, |_| true).unwrap();
        assert_eq!(gate.word(), 0);
    }

    #[test]
    fn the_tag_stays_when_the_queue_takes_its_place() {
        let tag = u64::MAX >> 1;
        let gate: Gate<Owned> = Gate::tagged(0, tag);
        assert_eq!(gate.tag(), tag);
        assert!(gate.try_take(1 << SHIFT));
        assert!(gate.take(2 << SHIFT, &Arc::default(), &mut Impatient).is_err());
        assert_eq!(gate.tag(), tag);
    }
}
