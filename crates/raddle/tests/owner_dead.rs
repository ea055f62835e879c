//! A thing whose holder has ended: an error for who waits for it, unless the holder let go of it first.
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use raddle::graph::{Blocked, Call, Description, Halt, Hold, Interrupt, Resource, Sleeper};
use raddle::runtime;
use raddle::seam::{Parker, Time, Woken};
use raddle::sync::RawLock;
use raddle::thread::current;

/// A lock that is seen to be held by an ended thread so many times.
#[derive(Debug)]
struct Seen {
    ended: u64,
    held_for: AtomicUsize,
}

impl Resource for Seen {
    fn holder(&self) -> Option<Hold> {
        let held = self.held_for.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |looks| looks.checked_sub(1));
        held.is_ok().then_some(Hold { serial: self.ended, owned: true, strict: true })
    }

    fn describe(&self) -> Description {
        Description { kind: "lock".into(), name: "ledger".into(), ..Description::default() }
    }
}

/// The lock is free by the time that somebody sleeps.
struct Released<'a>(&'a RawLock);

impl Sleeper for Released<'_> {
    fn sleep(&mut self, parker: &Parker, deadline: Option<Time>) -> Result<Woken, Interrupt> {
        let _ = self.0.release();
        Ok(parker.park(deadline))
    }
}

fn take(held_for: usize) -> Result<(), Halt> {
    let ended = raddle::spawn("clerk", || current(runtime()).serial()).unwrap().join().unwrap();
    let (lock, me) = (RawLock::new(), current(runtime()));
    assert!(lock.try_acquire(ended, true));
    let seen = Arc::new(Seen { ended, held_for: AtomicUsize::new(held_for) });
    let mut sleeper = Released(&lock);
    let mut blocked = Blocked::new((runtime(), &me), &mut sleeper, (Call::Acquire, None), seen, None);
    lock.acquire(true, &mut blocked)
}

#[test]
fn who_waits_for_what_an_ended_thread_holds_gets_an_error() {
    assert!(matches!(take(usize::MAX), Err(Halt::Abandoned(_))));
}

/// The holder is read first, and looked up then.
#[test]
fn a_holder_that_lets_go_and_ends_between_two_looks_has_left_nothing() {
    take(1).unwrap();
}
