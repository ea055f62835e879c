//! Order between threads without sleeping: wait until a thread waits.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, Once};
use std::thread;
use std::time::Duration;

use raddle::graph::verdict::Wait;
use raddle::thread::Thread;
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
    raddle::spawn(name, move || {
        // `12/task/34`; where there is no such link, nobody knows.
        if let Ok(task) = std::fs::read_link("/proc/thread-self") {
            let serial = raddle::thread::current(runtime()).serial();
            TASKS.lock().unwrap().insert(serial, PathBuf::from("/proc").join(task));
        }
        f(&with)
    })
    .expect("a thread")
}

/// What the system tells of the threads that were started here.
static TASKS: LazyLock<Mutex<HashMap<u64, PathBuf>>> = LazyLock::new(Mutex::default);

/// What the thread waits for; returns when it sleeps for that.
pub fn wait_of<T>(thread: &JoinHandle<T>) -> Wait {
    loop {
        sleeps(thread.thread());
        if let Some(wait) = runtime().wait_of(thread.thread()) {
            return wait;
        }
        thread::yield_now();
    }
}

/// Returns when the thread waits and has had its look: one that can be seen in the graph may still be looking, and is then
/// the one that closes a cycle that is made meanwhile.
pub fn sleeps(thread: &Thread) {
    while !(thread.is_blocked() && is_asleep(thread.serial())) {
        thread::yield_now();
    }
}

fn is_asleep(serial: u64) -> bool {
    let task = TASKS.lock().unwrap().get(&serial).cloned();
    let Some(task) = task else { return true };
    // `34 (a name) S ...`
    let state = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
    state.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
}
