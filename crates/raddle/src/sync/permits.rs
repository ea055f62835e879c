//! Permits of which a thread may take several at once, whose number may be changed, and that may know their holder.
//!
//! Permits are places of a [`Turnstile`]. They are taken in two ways: bare, and then any thread may give them back, as with
//! [`RawSemaphore`](super::RawSemaphore); or held, and then it is written down by whom and where, and only that thread ends
//! the hold. Bare permits can be given back only if so many are out: held ones are nobody else's to give.

use super::semaphore::TooMany;
use crate::graph::{Blocked, Halt, Hold};
use crate::seam::atomic::{AtomicU64, Ordering};
use crate::seam::{Concurrent, Mutex, Sharing};
use crate::wait::turnstile::{CLOSED, MAX, STARVED};
use crate::wait::{Ask, Order, Turnstile};

/// Permits that a thread holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held<P> {
    /// Which thread.
    pub serial: u64,
    /// How many.
    pub amount: u64,
    /// Where it took them, as the caller notes it.
    pub place: P,
}

/// A semaphore with weights, without a runtime. `P` is how the caller notes where permits were taken.
///
/// ```
/// use raddle::sync::RawPermits;
/// let permits = RawPermits::<&str>::new(3, false);
/// assert!(permits.try_take(2));
/// permits.hold(1, 2, "here");
/// assert!(!permits.try_take(2));
/// assert!(permits.give(1).is_err()); // those that are out have a holder
/// permits.resize(1);
/// assert_eq!(permits.available(), 0); // and not less
/// assert_eq!(permits.let_go(1, 2).unwrap().place, "here");
/// assert_eq!(permits.available(), 1);
/// ```
#[derive(Debug)]
pub struct RawPermits<P, S = Concurrent> {
    turnstile: Turnstile<S>,
    fair: bool,
    held: Mutex<Vec<Held<P>>>,
    /// How many permits are in `held`.
    held_amount: AtomicU64,
}

impl<P> RawPermits<P> {
    /// So many permits. `fair`: they are given in the order in which threads come for them; else one that comes at the right
    /// moment may be served before those who sleep.
    pub fn new(permits: u64, fair: bool) -> Self {
        Self::shared(permits, fair)
    }
}

impl<P, S: Sharing> RawPermits<P, S> {
    /// The most permits there can be.
    pub const MAX: u64 = MAX;

    /// The same, to which threads come as `S` says.
    pub fn shared(permits: u64, fair: bool) -> Self {
        RawPermits {
            turnstile: Turnstile::new(permits, Order::Come),
            fair,
            held: Mutex::default(),
            held_amount: AtomicU64::new(0),
        }
    }

    #[inline]
    fn heeds(&self) -> u64 {
        if self.fair { CLOSED | STARVED } else { STARVED }
    }

    /// Takes `amount` permits if they are there and nobody is to be served first.
    #[inline]
    pub fn try_take(&self, amount: u64) -> bool {
        self.turnstile.try_take(amount, self.heeds())
    }

    /// Takes `amount` permits, sleeping as `blocked` says until they are there.
    ///
    /// # Errors
    /// Why the wait ended without them.
    pub fn take(&self, amount: u64, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let me = blocked.me;
        let ask =
            Ask { serial: me.serial(), amount, heeds: self.heeds(), closes: self.fair, insists: true, inside: false };
        self.turnstile.take(ask, me.parker(), blocked)
    }

    /// Gives bare permits back.
    ///
    /// # Errors
    /// [`TooMany`] if fewer are out that nobody holds.
    pub fn give(&self, amount: u64) -> Result<(), TooMany> {
        let held = self.held_amount.load(Ordering::Acquire);
        self.turnstile.give_if(amount, |taken| taken.saturating_sub(held) >= amount).map_err(|()| TooMany)
    }

    /// Permits that were just taken are held by thread `serial` from now on. Whether nobody ever held any before.
    pub fn hold(&self, serial: u64, amount: u64, place: P) -> bool {
        let mut held = self.held.lock_keeping();
        let first = held.capacity() == 0;
        held.push(Held { serial, amount, place });
        drop(held);
        self.held_amount.fetch_add(amount, Ordering::AcqRel);
        first
    }

    /// Thread `serial` gives back what it took last of such an amount. Returns what was noted of it, for the caller to drop.
    ///
    /// # Errors
    /// [`TooMany`] if it does not hold such an amount.
    pub fn let_go(&self, serial: u64, amount: u64) -> Result<Held<P>, TooMany> {
        let mut held = self.held.lock_keeping();
        let place = held.iter().rposition(|held| held.serial == serial && held.amount == amount).ok_or(TooMany)?;
        let gone = held.remove(place);
        drop(held);
        self.held_amount.fetch_sub(amount, Ordering::AcqRel);
        let given = self.turnstile.give_if(amount, |taken| taken >= amount);
        debug_assert!(given.is_ok());
        Ok(gone)
    }

    /// How many permits there are, taken or not.
    pub fn permits(&self) -> u64 {
        self.turnstile.places()
    }

    /// How many could be taken now.
    pub fn available(&self) -> u64 {
        self.permits().saturating_sub(self.turnstile.taken())
    }

    /// Makes it a semaphore of so many permits. If more are out, none can be had until enough came back.
    pub fn resize(&self, permits: u64) {
        self.turnstile.resize(|_| permits);
    }

    /// Adds new permits.
    pub fn add(&self, amount: u64) {
        self.turnstile.resize(|permits| permits.saturating_add(amount));
    }

    /// Thread `serial` does not give back what it took last of such an amount: there are so many fewer from now on. As
    /// [`let_go`](RawPermits::let_go) else.
    ///
    /// # Errors
    /// [`TooMany`] if it does not hold such an amount.
    pub fn forget(&self, serial: u64, amount: u64) -> Result<Held<P>, TooMany> {
        self.turnstile.resize(|permits| permits.saturating_sub(amount));
        self.let_go(serial, amount).inspect_err(|_| self.add(amount))
    }

    /// What `see` makes of each hold, in the order in which they were taken. It must not run code of the host.
    pub fn holders<T>(&self, see: impl FnMut(&Held<P>) -> T) -> Vec<T> {
        self.held.lock_keeping().iter().map(see).collect()
    }

    /// The threads that hold the permits which are out, if none of them is bare and fewer than `amount` are left: one of
    /// them at least has to let go before so many can be had.
    pub fn in_the_way(&self, amount: u64) -> Vec<u64> {
        if self.available() >= amount || self.held_amount.load(Ordering::Acquire) < self.turnstile.taken() {
            return Vec::new();
        }
        let mut serials = self.holders(|held| held.serial);
        serials.sort_unstable();
        serials.dedup();
        serials
    }

    /// Who holds it, if that is a single thread. It is not an owned hold: any thread may make more permits.
    pub fn hold_on(&self, amount: u64) -> Option<Hold> {
        match self.in_the_way(amount)[..] {
            [serial] => Some(Hold { serial, owned: false, strict: false }),
            _ => None,
        }
    }
}
