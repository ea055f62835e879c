//! `Barrier`: who meets whom, and what becomes of those who wait in vain.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{SOON, start, wait_of};
use raddle::{Barrier, BarrierError};

#[test]
fn all_go_on_when_the_last_has_come_and_it_is_the_leader() {
    let barrier = Arc::new(Barrier::new(3));
    let early = ["one", "two"].map(|name| start(name, &barrier, Barrier::wait));
    early.iter().for_each(|thread| drop(wait_of(thread)));
    assert!(barrier.wait().unwrap().is_leader());
    assert!(early.into_iter().all(|thread| !thread.join().unwrap().unwrap().is_leader()));
}

#[test]
fn a_fast_thread_does_not_overtake_the_round() {
    let shared = Arc::new((Barrier::new(4), AtomicUsize::new(0)));
    let work = |(barrier, steps): &(Barrier, AtomicUsize)| {
        for round in 1..=300 {
            steps.fetch_add(1, Ordering::SeqCst);
            barrier.wait().unwrap();
            assert!((4 * round..=4 * round + 3).contains(&steps.load(Ordering::SeqCst)));
        }
    };
    let threads: Vec<_> = (0..4).map(|n| start(&format!("runner-{n}"), &shared, work)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_time_out_breaks_it_for_those_who_wait_and_those_who_come() {
    let barrier = Arc::new(Barrier::new(3));
    let patient = start("patient", &barrier, Barrier::wait);
    wait_of(&patient);
    assert_eq!(barrier.wait_for(SOON), Err(BarrierError::TimedOut));
    assert_eq!(patient.join().unwrap(), Err(BarrierError::Broken));
    assert_eq!(barrier.wait(), Err(BarrierError::Broken));
}

#[test]
fn an_abort_frees_those_who_wait_and_refuses_those_who_come() {
    let barrier = Arc::new(Barrier::new(2));
    let waiter = start("waiter", &barrier, Barrier::wait);
    wait_of(&waiter);
    barrier.abort();
    assert_eq!(waiter.join().unwrap(), Err(BarrierError::Broken));
    assert!(barrier.is_broken());
    assert_eq!(barrier.wait(), Err(BarrierError::Broken));
}

#[test]
fn a_reset_frees_those_who_wait_and_a_new_round_begins() {
    let barrier = Arc::new(Barrier::new(2));
    let waiter = start("waiter", &barrier, Barrier::wait);
    wait_of(&waiter);
    barrier.reset();
    assert_eq!(waiter.join().unwrap(), Err(BarrierError::Broken));
    assert!(!barrier.is_broken());
    let first = start("first", &barrier, Barrier::wait);
    barrier.wait().unwrap();
    first.join().unwrap().unwrap();
}

#[test]
fn a_barrier_for_nobody_is_one_for_one() {
    assert!(Barrier::new(0).wait().unwrap().is_leader());
}
