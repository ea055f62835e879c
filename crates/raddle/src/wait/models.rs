//! loom models of the wait queue: `RUSTFLAGS="--cfg loom" cargo test -p raddle --release models`.
//!
//! Each model states what must hold in every interleaving; loom itself reports a thread that sleeps for ever. What a
//! seeded bug does to each is checked by `tests/models.sh`.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::Sleep;
use super::gate::{Gate, SHIFT};
use super::modelling::{Sleeper, model};
use super::queue::{Queue, Waiter};
use crate::seam::Parker;
use crate::sync::lock::Owned;
use crate::sync::semaphore::Counted;

fn take<K: super::Permits>(gate: &Gate<K>, serial: u64, patient: bool) -> bool {
    let token = serial << SHIFT;
    gate.try_take(token) || gate.take(token, &Arc::default(), &mut Sleeper { patient }).is_ok()
}

fn give(gate: &Gate<Owned>) {
    gate.give_if(1, |word| word >> SHIFT != 0).expect("held");
}

/// Two threads that both want a lock which is held: whoever comes, nobody sleeps for ever, and never two inside.
#[test]
fn no_wake_is_lost_and_nobody_shares_a_lock() {
    model(|| {
        let gate = Arc::new(Gate::<Owned>::new(0));
        let inside = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (2..4)
            .map(|serial| {
                let (gate, inside) = (gate.clone(), inside.clone());
                thread::spawn(move || {
                    assert!(take(&gate, serial, true));
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    give(&gate);
                })
            })
            .collect();
        assert!(take(&gate, 1, true));
        give(&gate);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(gate.word(), 0);
    });
}

/// One waiter times out while the holder wakes it: the wake must reach the other waiter.
#[test]
fn a_time_out_passes_the_wake_on() {
    model(|| {
        let gate = Arc::new(Gate::<Owned>::new(0));
        assert!(take(&gate, 1, true));
        let impatient = thread::spawn({
            let gate = gate.clone();
            move || {
                if take(&gate, 2, false) {
                    give(&gate);
                }
            }
        });
        let patient = thread::spawn({
            let gate = gate.clone();
            move || {
                assert!(take(&gate, 3, true));
                give(&gate);
            }
        });
        give(&gate);
        impatient.join().unwrap();
        patient.join().unwrap();
        assert_eq!(gate.word(), 0);
    });
}

/// A taker that never sleeps (barging) runs against a woken waiter: the waiter gets its turn.
#[test]
fn barging_strands_nobody() {
    model(|| {
        let gate = Arc::new(Gate::<Owned>::new(0));
        assert!(take(&gate, 1, true));
        let waiter = thread::spawn({
            let gate = gate.clone();
            move || {
                assert!(take(&gate, 2, true));
                give(&gate);
            }
        });
        give(&gate);
        if gate.try_take(1 << SHIFT) {
            give(&gate);
        }
        waiter.join().unwrap();
        assert_eq!(gate.word(), 0);
    });
}

/// Looks at the hold it waits for, and looks again: a hold whose number is the same is the same.
struct Watcher<'a>(&'a Gate<Owned>);

impl Sleep for Watcher<'_> {
    type Halt = ();
    fn sleep(&mut self, waiter: &Arc<Waiter>) -> Result<(), ()> {
        let (number, holder) = (self.0.lasting().number(), self.0.word() >> SHIFT);
        let (holder_now, number_now) = (self.0.word() >> SHIFT, self.0.lasting().number());
        if number.is_some() && number == number_now {
            assert_eq!(holder, holder_now);
        }
        Sleeper { patient: true }.sleep(waiter)
    }
}

/// The lock is given to somebody else in the line while a waiter watches.
#[test]
fn a_waiter_tells_one_hold_from_the_next() {
    model(|| {
        let gate = Arc::new(Gate::<Owned>::new(0));
        assert!(take(&gate, 1, true));
        let watcher = thread::spawn({
            let gate = gate.clone();
            move || {
                assert!(gate.take(2 << SHIFT, &Arc::default(), &mut Watcher(&gate)).is_ok());
                give(&gate);
            }
        });
        let other = thread::spawn({
            let gate = gate.clone();
            move || {
                assert!(take(&gate, 3, true));
                give(&gate);
            }
        });
        give(&gate);
        watcher.join().unwrap();
        other.join().unwrap();
    });
}

/// Two permits given at once wake one waiter, which has to wake the next.
#[test]
fn one_release_of_two_permits_serves_two_waiters() {
    model(|| {
        let gate = Arc::new(Gate::<Counted>::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let gate = gate.clone();
                thread::spawn(move || assert!(take(&gate, 1, true)))
            })
            .collect();
        gate.give_if(2, |_| true).expect("always");
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(gate.word(), 0);
    });
}

/// A notification that races a time-out is either taken or left for the next waiter, never lost.
#[test]
fn a_notification_reaches_exactly_one_waiter() {
    model(|| {
        let queue = Arc::new(Queue::default());
        let parker = Arc::new(Parker::default());
        let waiter = queue.enlist(&parker);
        let waker = thread::spawn({
            let queue = queue.clone();
            move || queue.wake(1)
        });
        let slept = queue.sleep(&waiter, &mut Sleeper { patient: false });
        assert_eq!(waker.join().unwrap(), usize::from(slept.is_ok()));
        assert_eq!(queue.len(), 0);
    });
}

/// The owner ends while a waiter goes to sleep: the nudge that makes it look again is not lost, whenever it comes.
#[test]
fn a_nudge_at_the_owners_end_is_seen() {
    model(|| {
        let parker = Arc::new(Parker::default());
        let dead = Arc::new(AtomicUsize::new(0));
        let queue = Queue::default();
        let waiter = queue.enlist(&parker);
        let owner = thread::spawn({
            let (parker, dead) = (parker.clone(), dead.clone());
            move || {
                dead.store(1, Ordering::SeqCst);
                parker.unpark();
            }
        });
        while dead.load(Ordering::SeqCst) == 0 {
            waiter.parker().park(None);
        }
        assert!(queue.leave(&waiter));
        owner.join().unwrap();
    });
}

/// All of a crowd wake, though the waker unparks its first only and that one may be giving up at that moment.
#[test]
fn a_crowd_is_called_to_its_last_member() {
    model(|| {
        let queue = Arc::new(Queue::default());
        let waiters = [false, true].map(|patient| (patient, queue.enlist(&Arc::default())));
        let threads = waiters.map(|(patient, waiter)| {
            let queue = queue.clone();
            thread::spawn(move || queue.sleep(&waiter, &mut Sleeper { patient }).is_ok())
        });
        let woken = queue.wake(usize::MAX);
        let slept = threads.map(|thread| thread.join().unwrap());
        assert!(slept[1]);
        assert_eq!(woken, slept.into_iter().filter(|ok| *ok).count());
    });
}

/// A place that is given back without a sleep, though it was notified with a crowd, calls the next.
#[test]
fn a_member_that_never_slept_passes_on() {
    model(|| {
        let queue = Arc::new(Queue::default());
        let [early, late] = [(); 2].map(|()| queue.enlist(&Arc::default()));
        let thread = thread::spawn({
            let queue = queue.clone();
            move || queue.sleep(&late, &mut Sleeper { patient: true }).is_ok()
        });
        let waker = thread::spawn({
            let queue = queue.clone();
            move || queue.wake(usize::MAX)
        });
        queue.leave(&early);
        assert!((1..=2).contains(&waker.join().unwrap()));
        assert!(thread.join().unwrap());
    });
}
