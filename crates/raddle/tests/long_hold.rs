//! A lock that is held for long while others wait is told of, once, with its holder and all that wait.
//!
//! A process of its own, because the policy is that of the process.

use std::sync::{Arc, Mutex as Told};
use std::thread::sleep;
use std::time::Duration;

use raddle::graph::verdict::{Verdict, Wait};
use raddle::runtime::Policy;
use raddle::{Event, JoinHandle, Mutex, RwLock};

const LIMIT: Duration = Duration::from_millis(100);

fn main() {
    // SAFETY: asks for a signal that ends the process, if this hangs.
    unsafe { libc::alarm(60) };
    let told = Arc::new(Told::new(Vec::new()));
    raddle::on_verdict({
        let told = told.clone();
        move |verdict| told.lock().unwrap().push(verdict.clone())
    });
    let runtime = raddle::runtime();
    runtime.set_policy(Policy { hold_warn: Some(LIMIT), ..runtime.policy() });
    let told = || std::mem::take(&mut *told.lock().unwrap());

    a_mutex(told);
    both_sides_of_a_lock(told);
    runtime.set_policy(Policy { hold_warn: None, ..runtime.policy() });
    hold(Arc::new(Mutex::named("plans", ())), 2);
    assert!(told().is_empty());
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    raddle::spawn(name, work).expect("a thread")
}

/// Holds the lock for three times the limit while so many threads wait.
fn hold(lock: Arc<Mutex<()>>, threads: usize) {
    let taken = Arc::new(Event::new());
    let clerk = spawn("clerk", {
        let (lock, taken) = (lock.clone(), taken.clone());
        move || {
            let _lock = lock.lock().unwrap();
            taken.set();
            sleep(LIMIT * 3);
        }
    });
    taken.wait().expect("nobody stops it");
    let wait = |n| {
        let lock = lock.clone();
        spawn(&format!("waiter-{n}"), move || drop(lock.lock().unwrap()))
    };
    let waiters: Vec<_> = (0..threads).map(wait).collect();
    waiters.into_iter().chain([clerk]).for_each(|thread| thread.join().expect("no panic"));
}

fn a_mutex(told: impl Fn() -> Vec<Verdict>) {
    hold(Arc::new(Mutex::named("plans", ())), 2);
    let told = told();
    let [Verdict::LongHold { object, holder, held, waits }] = &told[..] else { panic!("told: {told:?}") };
    assert_eq!((object.kind.as_str(), object.name.as_str(), holder.thread.name.as_str()), ("Mutex", "plans", "clerk"));
    assert!((LIMIT..LIMIT * 3).contains(held), "{held:?}");
    let mut names: Vec<_> = waits.iter().map(|wait: &Wait| wait.thread.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["waiter-0", "waiter-1"]);
}

/// Main reads for long, and is told of by a writer; not by the reader behind that one, who holds nothing.
fn both_sides_of_a_lock(told: impl Fn() -> Vec<Verdict>) {
    let table = Arc::new(RwLock::named("table", ()));
    let reading = table.read().unwrap();
    let writer = spawn("writer", {
        let table = table.clone();
        move || drop(table.write().unwrap())
    });
    while !waits(&writer) {
        std::thread::yield_now();
    }
    let reader = spawn("reader", {
        let table = table.clone();
        move || drop(table.read().unwrap())
    });
    sleep(LIMIT * 3);
    drop(reading);
    [writer, reader].into_iter().for_each(|thread| thread.join().expect("no panic"));
    let told = told();
    let [Verdict::LongHold { object, holder, waits, .. }] = &told[..] else { panic!("told: {told:?}") };
    assert_eq!((object.name.as_str(), waits.len()), ("table", 2));
    assert_ne!(holder.thread.name, "writer");
}

fn waits(thread: &JoinHandle<()>) -> bool {
    raddle::runtime().wait_of(thread.thread()).is_some()
}
