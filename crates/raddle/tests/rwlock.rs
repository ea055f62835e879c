//! The lock for readers and writers, a latch and a once, as Rust programs use them.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{SOON, sleeps, start, wait_of};
use raddle::graph::verdict::Verdict;
use raddle::sync::Policy;
use raddle::{Latch, LockError, Mutex, Once, RwLock};

const POLICIES: [Policy; 3] = [Policy::Fair, Policy::Read, Policy::Write];
const LONG: Duration = Duration::from_secs(30);

#[test]
fn nobody_is_inside_with_a_writer() {
    for policy in POLICIES {
        let table = Arc::new((RwLock::with_policy("table", policy, [0u64; 8]), AtomicUsize::new(0)));
        let threads: Vec<_> = (0..8)
            .map(|at| {
                start(&format!("t{at}"), &table, move |(table, most)| {
                    for round in 0..2_000 {
                        if (at + round) % 5 == 0 {
                            let mut values = table.try_write_for(LONG).unwrap();
                            values.iter_mut().for_each(|value| *value += 1);
                        } else if (at + round) % 7 == 0 {
                            // May be in vain.
                            let _ = table.try_write_for(Duration::from_micros(50));
                        } else {
                            let values = table.try_read_for(LONG).unwrap();
                            most.fetch_max(table.readers().len(), Ordering::Relaxed);
                            assert!(values.iter().all(|value| *value == values[0]), "{:?}", *values);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(table.0.try_write().unwrap()[0], 8 * 2_000 / 5);
        assert!(table.0.readers().is_empty() && table.0.waiters().is_empty());
    }
}

#[test]
fn readers_that_came_after_a_writer_stand_behind_it_unless_they_read_already() {
    let table = Arc::new(RwLock::named("table", 0));
    let reading = table.read().unwrap();
    let writer = start("writer", &table, |table| *table.write().unwrap() += 1);
    assert_eq!(wait_of(&writer).object.name, "table");
    let reader = start("reader", &table, |table| table.try_read_for(SOON).err());
    let late = reader.join().unwrap().expect("a writer waits");
    // It stood behind the writer, which is no writer yet.
    assert!(late.to_string().starts_with("timed out: 'reader' waited 0.0"), "{late}");
    assert!(matches!(&late, LockError::TimedOut(wait) if wait.object.name == "table"));
    let other = start("other", &table, |table| table.try_write_until(Instant::now() + SOON).err());
    let late = other.join().unwrap().expect("somebody reads");
    assert_eq!(
        late.holder().unwrap().thread.name,
        "readers_that_came_after_a_writer_stand_behind_it_unless_they_read_already"
    );
    assert_eq!(*table.read().unwrap(), 0);
    assert_eq!(table.waiters().iter().map(|wait| wait.thread.name.as_str()).collect::<Vec<_>>(), ["writer"]);
    drop(reading);
    writer.join().unwrap();
    assert_eq!(*table.read().unwrap(), 1);
}

#[test]
fn what_could_never_end_is_an_error() {
    for policy in POLICIES {
        let table = RwLock::with_policy("table", policy, ());
        let reading = table.read().unwrap();
        assert!(matches!(table.write(), Err(LockError::Deadlock(_))));
        drop(reading);
        let _writing = table.write().unwrap();
        assert!(matches!(table.write(), Err(LockError::Deadlock(_))));
        assert!(matches!(table.read(), Err(LockError::Deadlock(_))));
        assert!(table.try_read().is_none() && table.try_write().is_none());
    }
}

#[test]
fn a_cycle_through_the_last_of_several_readers_is_found() {
    let shared = Arc::new((RwLock::named("table", ()), Mutex::named("ledger", ()), Latch::new(2), Latch::new(1)));
    let others = [0, 1].map(|at| {
        start(&format!("reader {at}"), &shared, |(table, _, ready, go)| {
            let _reading = table.read().unwrap();
            ready.count_down(1);
            go.wait().unwrap();
        })
    });
    shared.2.wait().unwrap();
    let closer = start("closer", &shared, |(table, ledger, ..)| {
        let _reading = table.read().unwrap();
        while ledger.holder().is_none() || table.waiters().is_empty() {
            std::thread::yield_now();
        }
        let threads = raddle::runtime().threads();
        sleeps(threads.iter().find(|thread| &*thread.name() == "writer").unwrap());
        ledger.lock().map(drop)
    });
    while shared.0.readers().len() < 3 {
        std::thread::yield_now();
    }
    let writer = start("writer", &shared, |(table, ledger, ..)| {
        let _ledger = ledger.lock().unwrap();
        drop(table.write().unwrap());
    });
    let Err(LockError::Deadlock(verdict)) = closer.join().unwrap() else { panic!("a cycle") };
    let Verdict::Deadlock { cycle, .. } = *verdict else { panic!("{verdict:?}") };
    assert_eq!(cycle.waits.iter().map(|wait| wait.thread.name.as_str()).collect::<Vec<_>>(), ["writer", "closer"]);
    let holder = |at: usize| cycle.waits[at].object.holder.as_ref().unwrap().thread.name.as_str();
    assert_eq!([holder(0), holder(1)], ["closer", "writer"]);
    shared.3.count_down(1);
    writer.join().unwrap();
    others.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_latch_lets_all_go_when_the_last_is_counted() {
    for _ in 0..200 {
        let latch = Arc::new(Latch::new(3));
        let waiters = [0, 1].map(|_| start("waiter", &latch, |latch| latch.wait_for(LONG)));
        let counters = [1, 2].map(|amount| start("counter", &latch, move |latch| latch.count_down(amount)));
        assert!(waiters.into_iter().all(|thread| thread.join().unwrap().unwrap()));
        counters.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn who_comes_while_it_is_being_done_waits_and_does_it_after_a_panic() {
    let shared = Arc::new((Once::named("setup"), AtomicUsize::new(0), Latch::new(1)));
    let fails = start("fails", &shared, |(once, _, go)| {
        once.call_once(|| {
            go.wait().unwrap();
            panic!("not this time");
        })
    });
    while !format!("{:?}", shared.0).contains("false") || wait_of(&fails).object.kind != "Latch" {}
    let next = start("next", &shared, |(once, count, _)| {
        once.call_once(|| drop(count.fetch_add(1, Ordering::Relaxed).to_string())).unwrap();
    });
    assert_eq!(wait_of(&next).object.name, "setup");
    shared.2.count_down(1);
    assert!(fails.join().is_err());
    next.join().unwrap();
    assert!(shared.0.is_completed());
    shared.0.call_once(|| panic!("done already")).unwrap();
    assert_eq!(shared.1.load(Ordering::Relaxed), 1);
}
