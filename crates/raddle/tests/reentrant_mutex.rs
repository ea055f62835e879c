//! `ReentrantMutex`: one holder, who may come again.

mod common;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use common::{SOON, start, wait_of};
use raddle::graph::verdict::{Ending, Verdict};
use raddle::{LockError, ReentrantMutex};

type Shared = Arc<ReentrantMutex<Cell<u32>>>;

fn shared(name: &str) -> Shared {
    Arc::new(ReentrantMutex::named(name, Cell::new(0)))
}

#[test]
fn the_other_thread_gets_it_with_the_last_guard_and_not_before() {
    let lock = shared("account");
    let outer = lock.lock().unwrap();
    let inner = lock.lock().unwrap();
    let other = start("other", &lock, |lock| lock.lock().unwrap().replace(7));
    wait_of(&other);
    drop(outer);
    assert!(start("third", &lock, |lock| lock.try_lock().is_none()).join().unwrap());
    inner.set(5);
    drop(inner);
    assert_eq!(other.join().unwrap(), 5);
    assert_eq!(lock.lock().unwrap().get(), 7);
}

#[test]
fn a_waiter_that_times_out_leaves_the_lock_to_its_holder() {
    let lock = shared("account");
    let guard = lock.lock().unwrap();
    let late = start("late", &lock, |lock| lock.try_lock_for(SOON).err());
    let Some(LockError::TimedOut(wait)) = late.join().unwrap() else { panic!("it is taken") };
    assert_eq!((wait.thread.name.as_str(), wait.object.name.as_str(), wait.timed), ("late", "account", true));
    assert!(wait.since >= SOON && wait.at.unwrap().file == file!());
    let holder = wait.object.holder.unwrap();
    assert_eq!(Some(holder.thread.serial), lock.holder());
    assert!(holder.taken_at.is_some() && holder.ended.is_none());
    assert!(lock.holder().is_some());
    drop(guard);
    assert_eq!(lock.holder(), None);
    assert!(lock.try_lock_for(SOON).is_ok() && lock.try_lock_until(Instant::now()).is_ok());
}

#[test]
fn two_locks_taken_in_opposite_order_are_an_error_for_the_one_that_closes_the_cycle() {
    let pair = Arc::new((ReentrantMutex::named("left", ()), ReentrantMutex::named("right", ())));
    let left = pair.0.lock().unwrap();
    let other = start("other", &pair, |(left, right)| {
        let _right = right.lock().unwrap();
        left.lock().map(drop)
    });
    wait_of(&other);
    let Err(LockError::Deadlock(verdict)) = pair.1.lock() else { panic!("not told") };
    let Verdict::Deadlock { cycle, outcome: raddle::graph::verdict::Outcome::Raised } = *verdict else {
        panic!("{verdict:?}")
    };
    let names: Vec<_> = cycle.waits.iter().map(|wait| (wait.object.kind.as_str(), wait.object.name.as_str())).collect();
    assert_eq!(names, [("ReentrantMutex", "left"), ("ReentrantMutex", "right")]);
    drop(left);
    assert!(other.join().unwrap().is_ok());
}

#[test]
fn a_lock_that_a_dead_thread_left_lets_no_stranger_in() {
    let lock = shared("account");
    let dead = start("careless", &lock, |lock| {
        std::mem::forget(lock.lock().unwrap());
        line!() - 1
    });
    let line = dead.join().unwrap();
    assert!(lock.try_lock().is_none());
    let Err(LockError::Abandoned(verdict)) = lock.lock() else { panic!("a stranger came in, or waited") };
    let Verdict::OwnerDead { wait, raised: true } = *verdict else { panic!("{verdict:?}") };
    let holder = wait.object.holder.unwrap();
    assert_eq!((holder.thread.name.as_str(), holder.ended), ("careless", Some(Ending::Finished)));
    assert_eq!(holder.taken_at.unwrap().line, line);
}

#[test]
fn the_outermost_take_is_the_one_that_is_told() {
    let lock = shared("account");
    let _outer = lock.lock().unwrap();
    let line = line!() - 1;
    let _inner = lock.lock().unwrap();
    let other = start("other", &lock, |lock| lock.try_lock_for(SOON).is_ok());
    assert_eq!(wait_of(&other).object.holder.unwrap().taken_at.unwrap().line, line);
    assert!(!other.join().unwrap());
}
