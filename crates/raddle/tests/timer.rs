//! How punctual the engine's timers are.

use std::sync::{Arc, mpsc::channel};
use std::time::Duration;

use raddle::seam::Time;
use raddle::thread::Carriers;
use raddle::timer::Timers;

/// How late each of `count` timers is, the next of which is armed when the one before is done.
fn lateness_in_a_chain(count: usize) -> Vec<Duration> {
    let timers = Timers::new(Arc::new(Carriers::default()));
    let (sender, receiver) = channel();
    let hop = |_| {
        let (due, sender) = (Time::now().after(Duration::from_micros(100)), sender.clone());
        drop(timers.at(due, Box::new(move || sender.send(due.elapsed()).unwrap())).unwrap());
        receiver.recv().unwrap()
    };
    (0..count).map(hop).collect()
}

/// Timers that are due soon after one another are done together; one that is armed after the other was done does not wait.
#[test]
fn a_chain_of_timers_is_as_punctual_as_one() {
    let best = lateness_in_a_chain(100).into_iter().skip(1).min().unwrap();
    assert!(best < Duration::from_micros(600), "each is late by {best:?} at least");
}
