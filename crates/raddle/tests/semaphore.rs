//! `Semaphore`: what happens to a permit.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{SOON, start, wait_of};
use raddle::Semaphore;

#[test]
fn a_waiter_that_times_out_leaves_the_permit() {
    let semaphore = Arc::new(Semaphore::new(0));
    let late = start("late", &semaphore, |semaphore| semaphore.try_acquire_for(SOON).unwrap().is_some());
    assert!(!late.join().unwrap());
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 1);
    assert!(semaphore.try_acquire_for(SOON).unwrap().is_some());
}

#[test]
fn a_time_out_that_meets_a_release_passes_the_permit_on() {
    let semaphore = Arc::new(Semaphore::new(0));
    for round in 0..200 {
        let limit = Duration::from_micros(round);
        let hasty =
            start("hasty", &semaphore, move |it| it.try_acquire_for(limit).unwrap().map(|permit| permit.forget()));
        let patient = start("patient", &semaphore, |semaphore| semaphore.acquire().unwrap().forget());
        semaphore.add_permits(1);
        if hasty.join().unwrap().is_some() {
            semaphore.add_permits(1);
        }
        patient.join().unwrap();
        assert_eq!(semaphore.available_permits(), 0);
    }
}

#[test]
fn a_permit_that_is_dropped_on_another_thread_wakes_the_waiter() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.acquire();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(semaphore.acquire().unwrap()));
        while raddle::runtime().snapshot().threads.iter().all(|thread| thread.wait().is_none()) {
            thread::yield_now();
        }
        scope.spawn(move || drop(permit));
        waiter.join().unwrap();
    });
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn two_permits_added_at_once_serve_two_waiters() {
    let semaphore = Arc::new(Semaphore::new(0));
    let waiters = ["one", "two"].map(|name| start(name, &semaphore, |semaphore| semaphore.acquire().unwrap().forget()));
    waiters.iter().for_each(|waiter| drop(wait_of(waiter)));
    semaphore.add_permits(2);
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn never_more_inside_than_there_are_permits() {
    let shared = Arc::new((Semaphore::new(3), AtomicUsize::new(0)));
    let work = |(semaphore, inside): &(Semaphore, AtomicUsize)| {
        for _ in 0..300 {
            let _permit = semaphore.acquire().unwrap();
            assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
            thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let threads: Vec<_> = (0..8).map(|n| start(&format!("worker-{n}"), &shared, work)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(shared.0.available_permits(), 3);
}

#[test]
fn permits_beyond_the_most_there_can_be_are_lost() {
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS);
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
    drop(semaphore.acquire().unwrap());
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
}

#[test]
fn a_fair_one_serves_in_the_order_of_arrival() {
    let shared = Arc::new((Semaphore::fair("slots", 1), std::sync::Mutex::new(Vec::new())));
    let first = shared.0.acquire();
    let waiters: Vec<_> = (0..8)
        .map(|at| {
            let waiter = start(&format!("t{at}"), &shared, move |(slots, served)| {
                let _permit = slots.acquire();
                served.lock().unwrap().push(at);
            });
            assert_eq!(wait_of(&waiter).object.name, "slots");
            waiter
        })
        .collect();
    drop(first);
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    assert_eq!(*shared.1.lock().unwrap(), (0..8).collect::<Vec<_>>());
}

#[test]
fn who_wants_many_is_not_passed_for_ever() {
    let shared = Arc::new((Semaphore::new(4), AtomicUsize::new(0)));
    let small = |(slots, stop): &(Semaphore, AtomicUsize)| {
        while stop.load(Ordering::Relaxed) == 0 {
            let _permit = slots.acquire();
            thread::yield_now();
        }
    };
    let threads: Vec<_> = (0..6).map(|n| start(&format!("small-{n}"), &shared, small)).collect();
    for _ in 0..100 {
        let all = shared.0.try_acquire_many_for(4, Duration::from_secs(10)).unwrap();
        assert!(all.is_some(), "it was passed for ever");
    }
    shared.1.store(1, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(shared.0.available_permits(), 4);
    assert!(shared.0.holders().is_empty() && shared.0.waiters().is_empty());
}
