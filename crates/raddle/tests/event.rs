//! `Event`: who is woken, who waits on.

mod common;

use std::sync::Arc;

use common::{SOON, start, wait_of};
use raddle::Event;

#[test]
fn all_who_wait_are_woken_by_one_set() {
    let event = Arc::new(Event::new());
    let waiters = ["one", "two", "three"].map(|name| start(name, &event, Event::wait));
    waiters.iter().for_each(|waiter| drop(wait_of(waiter)));
    event.set();
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap().unwrap());
    assert!(event.is_set());
}

#[test]
fn who_was_woken_returns_though_the_flag_is_down_again() {
    let event = Arc::new(Event::new());
    let waiter = start("waiter", &event, Event::wait);
    wait_of(&waiter);
    event.set();
    event.clear();
    waiter.join().unwrap().unwrap();
    assert!(!event.is_set());
}

#[test]
fn a_wait_that_times_out_says_so_and_the_next_one_is_woken() {
    let event = Arc::new(Event::default());
    assert_eq!(start("late", &event, |event| event.wait_for(SOON)).join().unwrap(), Ok(false));
    let next = start("next", &event, Event::wait);
    wait_of(&next);
    event.set();
    next.join().unwrap().unwrap();
}

#[test]
fn who_comes_after_a_clear_waits_again() {
    let event = Event::new();
    event.set();
    assert_eq!(event.wait_for(SOON), Ok(true));
    event.clear();
    assert_eq!(event.wait_for(SOON), Ok(false));
}
