//! Order between threads without sleeping: wait until a thread waits.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

use raddle::graph::verdict::Wait;
use raddle::{JoinHandle, runtime};

/// A wait too short for anything to come.
pub const SOON: Duration = Duration::from_millis(20);

/// Starts a thread that shares `with`. Ends the process if the tests hang.
#[track_caller]
pub fn start<S, T>(name: &str, with: &Arc<S>, f: impl FnOnce(&S) -> T + Send + 'static) -> JoinHandle<T>
where
    S: Send + Sync + 'static,
    T: Send + 'static,
{
    static LIMIT: Once = Once::new();
    LIMIT.call_once(|| {
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(120));
            eprintln!("the tests hang: {:#?}", runtime().snapshot());
            std::process::abort();
        });
    });
    let with = Arc::clone(with);
    raddle::spawn(name, move || f(&with)).expect("a thread")
}

/// What the thread waits for; returns when it does.
pub fn wait_of<T>(thread: &JoinHandle<T>) -> Wait {
    loop {
        match runtime().wait_of(thread.thread()) {
            Some(wait) => return wait,
            None => thread::yield_now(),
        }
    }
}
