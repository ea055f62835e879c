//! A program of which every thread sleeps, with nobody to blame: it is told of, and it goes on when it is helped.
//!
//! A process of its own, because a stall is one only if all threads of the process sleep, the test runner's as well.

use std::sync::{Arc, OnceLock};

use raddle::graph::verdict::Verdict;
use raddle::{Event, Mutex, Semaphore};

fn main() {
    // SAFETY: asks for a signal that ends the process, if this hangs.
    unsafe { libc::alarm(60) };
    let shared = Arc::new((Mutex::named("plans", ()), Semaphore::named("desks", 0), Event::named("approved")));
    let told = Arc::new(OnceLock::new());
    raddle::on_verdict({
        let (shared, told) = (shared.clone(), told.clone());
        move |verdict| {
            told.set(verdict.clone()).expect("told once");
            shared.1.add_permits(1);
        }
    });
    let clerk = raddle::spawn("clerk", {
        let shared = shared.clone();
        move || {
            let _plans = shared.0.lock().unwrap();
            drop(shared.1.acquire());
        }
    });
    let clerk = clerk.expect("a thread");
    let chief = raddle::spawn("chief", {
        let (shared, clerk) = (shared.clone(), clerk.thread().clone());
        move || {
            while raddle::runtime().wait_of(&clerk).is_none() {
                std::thread::yield_now();
            }
            drop(shared.0.lock().unwrap());
            shared.2.set();
        }
    });
    shared.2.wait().expect("nobody stops it");
    clerk.join().expect("no panic");
    chief.expect("a thread").join().expect("no panic");

    let Some(Verdict::Stalled { waits }) = told.get() else { panic!("told: {told:?}") };
    let told: Vec<_> = waits.iter().map(|wait| (wait.object.kind.as_str(), wait.object.name.as_str())).collect();
    assert_eq!(told, [("Event", "approved"), ("Semaphore", "desks"), ("Mutex", "plans")]);
}
