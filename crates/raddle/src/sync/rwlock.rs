//! A lock for readers and writers: several threads read, or one writes.
//!
//! It is a [`Turnstile`]: a reader takes one place, a writer all. Beside it stands who they are, so that a wait knows
//! whom it is for:
//!
//! - a thread that waits waits for the writer, if one is inside;
//! - a writer else waits for each of the readers: one that never lets go suffices to hold it up, and a reader that wants to
//!   write waits for itself;
//! - a reader else waits for the writer that stands in line before it.
//!
//! All these are owned holds: nobody but the holder ends one.
//!
//! One of the readers may be upgradable: it may become the writer without letting go first, so what it has read is still
//! true then. For that it holds the *right to upgrade* beside its place. It takes the right first, and has to wait for it
//! without a place: of two readers that both want to write and both wait for the other to let go, which is what a lock
//! that upgrades just anybody ends in, there is never a second one. To upgrade is to take all other places, before any writer in
//! the line, because that waits for this reader.
//!
//! A thread that reads may read again, whoever waits: behind a writer that waits for it, it would wait for itself. A
//! writer may take nothing again: a guard for reading beside one for writing would see the value change.

use std::sync::Arc;

use super::lock::{NotHeld, RawLock};
use super::readers::Readers;
use crate::graph::{Blocked, Halt, Hold, Lasting};
use crate::seam::atomic::{AtomicU64, Ordering};
use crate::seam::{Concurrent, Parker, Sharing};
use crate::wait::turnstile::{CLOSED, MAX, STARVED};
use crate::wait::{Ask, LockNumber, Order, Sleep, Turnstile};

/// Who goes first when readers and writers wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nobody waits for ever: readers that come while a writer waits stand in line behind it.
    #[default]
    Fair,
    /// Readers: they go in whenever no writer is inside. Writers may wait for ever.
    Read,
    /// Writers: readers wait as long as there is one. Readers may wait for ever.
    Write,
}

/// What a thread wants of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To hold it together with others.
    Read,
    /// To hold it alone.
    Write,
    /// To read as the one that may upgrade.
    Upgradable,
    /// To hold it alone, as the one that reads and may upgrade.
    Upgrade,
}

/// A lock for readers and writers without a value and without a runtime: the caller brings its serial and its way to sleep.
///
/// ```
/// use raddle::sync::{Policy, RawRwLock};
/// let lock = RawRwLock::new(Policy::Fair);
/// assert!(lock.try_read(7) && lock.try_read(8));
/// assert!(!lock.try_write(9));
/// lock.release_read(7).unwrap();
/// assert!(lock.release_read(7).is_err()); // 8 reads, 7 does not
/// lock.release_read(8).unwrap();
/// assert!(lock.try_write(9) && !lock.try_read(7));
/// ```
#[derive(Debug)]
pub struct RawRwLock<S = Concurrent> {
    turnstile: Turnstile<S>,
    policy: Policy,
    /// 0 if there is none; written by the writer itself.
    writer: AtomicU64,
    readers: Readers<S>,
    /// The right to upgrade. Whoever has it reads, or writes, or is about to read.
    right: RawLock<S>,
    number: LockNumber,
}

impl RawRwLock {
    /// A free lock.
    pub fn new(policy: Policy) -> Self {
        Self::shared(policy)
    }
}

impl<S: Sharing> RawRwLock<S> {
    /// A free lock, to which threads come as `S` says.
    pub fn shared(policy: Policy) -> Self {
        let order = match policy {
            Policy::Fair => Order::Come,
            Policy::Read => Order::Small,
            Policy::Write => Order::Large,
        };
        RawRwLock {
            turnstile: Turnstile::new(MAX, order),
            policy,
            writer: AtomicU64::new(0),
            readers: Readers::new(),
            right: RawLock::default(),
            number: LockNumber::default(),
        }
    }

    /// Who goes first.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    #[inline]
    fn readers_heed(&self) -> u64 {
        if self.policy == Policy::Read { 0 } else { CLOSED | STARVED }
    }

    fn ask(&self, serial: u64, side: Side) -> Ask {
        let closes = self.policy != Policy::Read;
        match side {
            Side::Read | Side::Upgradable => Ask {
                serial,
                amount: 1,
                heeds: self.readers_heed(),
                closes: false,
                insists: self.policy != Policy::Write,
                inside: false,
            },
            Side::Write => Ask { serial, amount: MAX, heeds: STARVED, closes, insists: true, inside: false },
            Side::Upgrade => Ask { serial, amount: MAX - 1, heeds: 0, closes, insists: false, inside: true },
        }
    }

    /// Takes the lock for thread `serial` to read, if nothing speaks against it.
    #[inline]
    pub fn try_read(&self, serial: u64) -> bool {
        let took = self.turnstile.try_take(1, self.readers_heed()) || self.try_read_again(serial);
        if took {
            self.readers.enter(serial);
        }
        took
    }

    #[cold]
    fn try_read_again(&self, serial: u64) -> bool {
        self.reads(serial) && self.turnstile.try_take(1, 0)
    }

    /// Takes the lock to read, sleeping as `blocked` says until that can be done.
    ///
    /// # Errors
    /// Why the wait ended without the lock.
    pub fn read(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let me = blocked.me;
        self.turnstile.take(self.ask(me.serial(), Side::Read), me.parker(), blocked)?;
        self.readers.enter(me.serial());
        Ok(())
    }

    /// Takes the lock for thread `serial` to write, if nothing speaks against it.
    #[inline]
    pub fn try_write(&self, serial: u64) -> bool {
        let took = self.turnstile.try_take(MAX, STARVED);
        if took {
            self.writer.store(serial, Ordering::Release);
        }
        took
    }

    /// Takes the lock to write, sleeping as `blocked` says until that can be done.
    ///
    /// # Errors
    /// Why the wait ended without the lock.
    pub fn write(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let me = blocked.me;
        self.turnstile.take(self.ask(me.serial(), Side::Write), me.parker(), blocked)?;
        self.writer.store(me.serial(), Ordering::Release);
        Ok(())
    }

    /// Takes the lock for thread `serial` to read as the one that may upgrade, if nothing speaks against it.
    pub fn try_upgradable(&self, serial: u64) -> bool {
        if !self.right.try_acquire(serial, true) {
            return false;
        }
        let took = self.try_read(serial);
        if !took {
            self.give_up_right(serial);
        }
        took
    }

    /// The same, sleeping as `blocked` says until that can be done.
    ///
    /// # Errors
    /// Why the wait ended without the lock.
    pub fn upgradable(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let serial = blocked.me.serial();
        self.right.acquire(true, blocked)?;
        if self.try_read(serial) {
            return Ok(());
        }
        blocked.waits_anew();
        self.read(blocked).inspect_err(|_| self.give_up_right(serial))
    }

    fn give_up_right(&self, serial: u64) {
        let given = self.right.release_by(serial);
        debug_assert!(given.is_ok());
    }

    /// Makes thread `serial`, which reads and may upgrade, the writer if nobody else reads.
    pub fn try_upgrade(&self, serial: u64) -> bool {
        let took = self.turnstile.try_take(MAX - 1, 0);
        if took {
            self.upgraded(serial);
        }
        took
    }

    /// The same, sleeping as `blocked` says until nobody else reads.
    ///
    /// # Errors
    /// Why the wait ended; the thread reads as before.
    pub fn upgrade(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let me = blocked.me;
        self.upgrade_asleep((me.serial(), me.parker()), blocked)
    }

    pub(super) fn upgrade_asleep<Z: Sleep>(
        &self,
        (serial, parker): (u64, &Arc<Parker>),
        sleep: &mut Z,
    ) -> Result<(), Z::Halt> {
        self.turnstile.take(self.ask(serial, Side::Upgrade), parker, sleep)?;
        self.upgraded(serial);
        Ok(())
    }

    /// From a reader to the writer. In this order, so that a look always finds it.
    fn upgraded(&self, serial: u64) {
        self.writer.store(serial, Ordering::Release);
        let was_in = self.readers.cross_out(serial);
        debug_assert!(was_in);
    }

    /// Thread `serial` has written after an upgrade, and reads on as the one that may upgrade.
    ///
    /// # Errors
    /// [`NotHeld`] if it does not write.
    pub fn downgrade(&self, serial: u64) -> Result<(), NotHeld> {
        if self.writer() != Some(serial) || self.upgrader() != Some(serial) {
            return Err(NotHeld);
        }
        self.readers.enter(serial);
        self.writer.store(0, Ordering::Release);
        self.give(MAX - 1);
        Ok(())
    }

    /// Thread `serial` has read as the one that may upgrade.
    ///
    /// # Errors
    /// [`NotHeld`] if it does not, or if it writes.
    pub fn release_upgradable(&self, serial: u64) -> Result<(), NotHeld> {
        if self.upgrader() != Some(serial) || self.writer() == Some(serial) {
            return Err(NotHeld);
        }
        // The right goes in any case: the place may have been given back as if it were any reader's.
        let released = self.release_read(serial);
        self.give_up_right(serial);
        released
    }

    /// The serial of the thread that may upgrade; it may have done so.
    pub fn upgrader(&self) -> Option<u64> {
        self.right.holder()
    }

    /// Thread `serial` has read; undoes one of its takes.
    ///
    /// # Errors
    /// [`NotHeld`] if it does not read.
    #[inline]
    pub fn release_read(&self, serial: u64) -> Result<(), NotHeld> {
        if !self.readers.cross_out(serial) {
            return Err(NotHeld);
        }
        self.give(1);
        Ok(())
    }

    /// Thread `serial` has written.
    ///
    /// # Errors
    /// [`NotHeld`] if it does not write.
    #[inline]
    pub fn release_write(&self, serial: u64) -> Result<(), NotHeld> {
        if self.writer() != Some(serial) {
            return Err(NotHeld);
        }
        self.writer.store(0, Ordering::Release);
        self.give(MAX);
        Ok(())
    }

    #[inline]
    fn give(&self, places: u64) {
        let given = self.turnstile.give_if(places, |taken| taken >= places);
        debug_assert!(given.is_ok());
    }

    /// Ends all holds of thread `serial`, which has ended itself: how many there were.
    pub fn recover(&self, serial: u64) -> usize {
        let mut ended = usize::from(self.release_write(serial).is_ok());
        while self.release_read(serial).is_ok() {
            ended += 1;
        }
        // After the places, as always; a hold of its own it is not.
        let _ = self.right.release_by(serial);
        ended
    }

    /// The serial of the thread that writes.
    #[inline]
    pub fn writer(&self) -> Option<u64> {
        Some(self.writer.load(Ordering::Acquire)).filter(|serial| *serial != 0)
    }

    /// The serials of the threads that read; one that reads twice is in it twice.
    pub fn readers(&self) -> Vec<u64> {
        self.readers.all()
    }

    /// How often thread `serial` reads.
    #[inline]
    pub fn reads_of(&self, serial: u64) -> usize {
        self.readers.count(serial)
    }

    /// As [`RawLock::number`](super::RawLock::number).
    #[inline]
    pub fn number(&self) -> u64 {
        self.number.get()
    }

    /// As [`RawLock::number_so_far`](super::RawLock::number_so_far).
    #[inline]
    pub fn number_so_far(&self) -> u64 {
        self.number.so_far()
    }

    /// Whether anybody holds it.
    pub fn is_held(&self) -> bool {
        self.turnstile.taken() != 0
    }

    fn reads(&self, serial: u64) -> bool {
        self.readers.count(serial) > 0
    }

    /// For whom thread `serial` waits that wants `side`: each of them has to let go, or to go on, first.
    pub fn holds(&self, serial: u64, side: Side) -> Vec<Hold> {
        let hold = |serial| Hold { serial, owned: true, strict: true };
        if let Some(writer) = self.writer() {
            return vec![hold(writer)];
        }
        match side {
            Side::Upgradable if self.waits_for_right(serial) => self.upgrader().into_iter().map(hold).collect(),
            Side::Read | Side::Upgradable => {
                let ahead = self.turnstile.large_before(serial);
                ahead.map(|serial| Hold { serial, owned: true, strict: false }).into_iter().collect()
            }
            Side::Write | Side::Upgrade => {
                let mut readers = self.readers();
                if side == Side::Upgrade {
                    // The hold that it makes more of is not in its way; another one of its own is.
                    readers.iter().position(|reader| *reader == serial).map(|place| readers.swap_remove(place));
                }
                // Its own hold is the shortest explanation.
                readers.sort_unstable_by_key(|reader| (*reader != serial, *reader));
                readers.dedup();
                readers.into_iter().map(hold).collect()
            }
        }
    }

    /// Whether thread `serial`, which sleeps on its way to be the one that may upgrade, sleeps for the right. One that has it and
    /// reads asks a second time; one that has it and does not read sleeps for its place.
    fn waits_for_right(&self, serial: u64) -> bool {
        self.upgrader() != Some(serial) || self.reads(serial)
    }

    /// The present holds of those who keep everybody out that wants `side`, to be told from the next ones by a thread that
    /// waits.
    pub fn lasting(&self, side: Side) -> Lasting<'_> {
        // A reader that waits while no writer is inside stands behind one in line, who holds nothing.
        self.turnstile.lasting(matches!(side, Side::Write | Side::Upgrade) || self.writer().is_some())
    }

    /// Makes it a free lock again. For the child of a fork: no thread may be waiting.
    pub fn reset(&self) {
        self.writer.store(0, Ordering::Release);
        self.readers.reset();
        self.turnstile.reset();
        self.right.reset();
    }
}
