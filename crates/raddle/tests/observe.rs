//! Snapshots: who waits for what, since when, held by whom.

mod common;

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use common::{SOON, start, wait_of};
use raddle::graph::verdict::{ThreadKind, Verdict};
use raddle::observe::{Activity, ThreadSnapshot};
use raddle::thread::Origin;
use raddle::{Barrier, Condvar, Event, JoinHandle, Mutex, ReentrantMutex, Semaphore, runtime};

fn view<T>(thread: &JoinHandle<T>) -> ThreadSnapshot {
    let serial = thread.thread().serial();
    runtime().snapshot().threads.into_iter().find(|view| view.thread.serial == serial).expect("it has not ended")
}

#[test]
fn a_waiting_thread_is_seen_with_what_since_when_and_who_holds_it() {
    let lock = Arc::new(Mutex::named("ledger", ()));
    let guard = lock.lock().unwrap();
    let taken = line!() - 1;
    let clerk = start("clerk", &lock, |lock| drop(lock.lock()));
    wait_of(&clerk);
    thread::sleep(SOON);
    let seen = view(&clerk);
    let wait = seen.wait().expect("it waits");
    assert_eq!((seen.thread.name.as_str(), seen.thread.kind), ("clerk", ThreadKind::Regular));
    assert_eq!(
        (wait.object.kind.as_str(), wait.object.name.as_str(), wait.call.as_str()),
        ("Mutex", "ledger", "acquire")
    );
    assert!(wait.since >= SOON && wait.since < Duration::from_secs(60), "{:?}", wait.since);
    let holder = wait.object.holder.as_ref().unwrap();
    assert_eq!((holder.thread.serial, &holder.ended), (lock.holder().unwrap(), &None));
    assert_eq!(holder.taken_at.as_ref().unwrap().line, taken);
    drop(guard);
    clerk.join().unwrap();
}

#[test]
fn a_thread_is_starting_then_running_then_gone() {
    let here = Origin::new(&raddle::thread::current(runtime()), None);
    let thread = runtime().prepare("asked for", ThreadKind::Daemon, here);
    let serial = thread.serial();
    let seen = || runtime().snapshot().threads.into_iter().find(|view| view.thread.serial == serial);
    assert_eq!(seen().map(|view| view.activity), Some(Activity::Starting));
    runtime().forget(&thread);
    assert_eq!(seen(), None);

    // It spins, which is no wait that the runtime knows.
    let go = Arc::new(OnceLock::new());
    let spinner = start("spinner", &go, |go| {
        while go.get().is_none() {
            thread::yield_now()
        }
    });
    while spinner.thread().ident() == 0 && view(&spinner).activity == Activity::Starting {
        thread::yield_now();
    }
    assert_eq!(view(&spinner).activity, Activity::Running);
    go.set(()).unwrap();
    let serial = spinner.thread().serial();
    spinner.join().unwrap();
    assert!(runtime().snapshot().threads.iter().all(|view| view.thread.serial != serial));
}

#[test]
fn those_who_wait_for_a_thread_are_found_from_it() {
    let both = Arc::new((Mutex::named("first", ()), ReentrantMutex::named("second", ()), Event::new()));
    let holder = start("holder", &both, |(first, second, done)| {
        let _guards = (first.lock().unwrap(), second.lock().unwrap());
        done.wait().unwrap();
    });
    wait_of(&holder);
    let at_first = start("at first", &both, |both| drop(both.0.lock()));
    let at_second = start("at second", &both, |both| drop(both.1.lock()));
    wait_of(&at_first);
    wait_of(&at_second);
    let now = runtime().snapshot();
    let waiting: Vec<_> = now.waits_on(holder.thread().serial()).map(|wait| wait.object.name.as_str()).collect();
    assert_eq!(waiting, ["first", "second"]);
    assert_eq!(now.waits_on(at_first.thread().serial()).count(), 0);
    both.2.set();
    [holder, at_first, at_second].into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn the_longest_wait_is_told_first() {
    let event = Arc::new(Event::named("dawn"));
    let names = ["early bird", "late bird"];
    let birds = names.map(|name| {
        let bird = start(name, &event, Event::wait);
        wait_of(&bird);
        bird
    });
    let Verdict::LongestWaits { waits, .. } = runtime().longest_waits() else { panic!("not what was asked for") };
    let told: Vec<_> = waits.iter().map(|wait| wait.thread.name.as_str()).filter(|name| names.contains(name)).collect();
    assert_eq!(told, names);
    assert!(waits.is_sorted_by(|one, two| one.since >= two.since));
    event.set();
    birds.into_iter().for_each(|bird| bird.join().unwrap().unwrap());
}

#[test]
fn a_wait_is_told_by_the_kind_and_name_of_what_it_is_for() {
    fn told<S: Send + Sync + 'static>(kind: &str, call: &str, gate: S, wait: fn(&S), end: fn(&S)) {
        let gate = Arc::new(gate);
        let thread = start("waiter", &gate, wait);
        let seen = wait_of(&thread);
        end(&gate);
        thread.join().unwrap();
        assert_eq!((seen.object.kind.as_str(), seen.call.as_str()), (kind, call));
        assert_eq!((seen.object.name.as_str(), seen.object.holder), ("gate", None));
        assert!(seen.object.made_at.unwrap().file.ends_with("observe.rs"));
        assert!(seen.at.unwrap().file.ends_with("observe.rs"), "of {kind}");
    }
    told("Event", "wait", Event::named("gate"), |gate| gate.wait().unwrap(), Event::set);
    told("Semaphore", "acquire", Semaphore::named("gate", 0), |gate| drop(gate.acquire()), |gate| gate.add_permits(1));
    told("Barrier", "wait", Barrier::named("gate", 2), |gate| gate.wait().map(drop).unwrap_or(()), Barrier::abort);
    let condition = (Mutex::new(()), Condvar::named("gate"));
    told("Condvar", "wait", condition, |(m, c)| drop(c.wait(m.lock().unwrap())), |(_, c)| c.notify_one());
}
