//! The lock for readers and writers: reading with the right to write.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{SOON, start, wait_of};
use raddle::graph::verdict::{Verdict, Wait};
use raddle::sync::Policy;
use raddle::{Latch, LockError, Mutex, RwLock};

const POLICIES: [Policy; 3] = [Policy::Fair, Policy::Read, Policy::Write];
const LONG: Duration = Duration::from_secs(30);

#[test]
fn what_was_read_is_still_true_when_it_is_changed() {
    for policy in POLICIES {
        let shared = Arc::new((RwLock::with_policy("count", policy, 0_u64), AtomicUsize::new(0)));
        let threads: Vec<_> = (0..6)
            .map(|at| {
                start(&format!("t{at}"), &shared, move |(count, changes)| {
                    for round in 0..1_000 {
                        match (at + round) % 6 {
                            0 => *count.try_write_for(LONG).unwrap() += 1,
                            1 => {
                                let mut seen = count.try_upgradable_for(LONG).unwrap();
                                let before = *seen;
                                *seen.try_upgrade_for(LONG).unwrap() = before + 1;
                                assert_eq!(*seen, before + 1, "nobody wrote between the two");
                            }
                            2 => {
                                let mut seen = count.try_upgradable_for(LONG).unwrap();
                                let before = *seen;
                                match seen.try_upgrade_for(Duration::from_micros(50)) {
                                    Ok(mut alone) => *alone += 1,
                                    Err(LockError::TimedOut(_)) => continue,
                                    Err(error) => panic!("{error}"),
                                }
                                assert_eq!(*seen, before + 1);
                            }
                            _ => {
                                drop(count.try_read_for(LONG).unwrap());
                                continue;
                            }
                        }
                        changes.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let (count, changes) = &*shared;
        assert_eq!(*count.try_write().unwrap(), changes.load(Ordering::Relaxed) as u64);
        assert!(count.readers().is_empty() && count.waiters().is_empty() && count.upgrader().is_none());
    }
}

#[test]
fn others_read_beside_it_and_the_second_waits_for_its_turn() {
    let table = Arc::new(RwLock::named("table", 0));
    let mut first = table.upgradable().unwrap();
    let line = line!() - 1;
    assert_eq!(start("reader", &table, |table| *table.try_read().unwrap()).join().unwrap(), 0);
    assert!(start("other", &table, |table| table.try_upgradable().is_none()).join().unwrap());
    let second = start("second", &table, |table| *table.upgradable().unwrap());
    let wait = wait_of(&second);
    let holder = wait.object.holder.unwrap();
    assert_eq!((Some(holder.thread.serial), holder.taken_at.unwrap().line), (table.upgrader(), line));
    *first.upgrade().unwrap() = 7;
    let late = start("late", &table, |table| table.try_upgradable_for(SOON).err()).join().unwrap();
    assert!(matches!(&late, Some(LockError::TimedOut(wait)) if wait.object.holder.is_some()), "{late:?}");
    drop(first);
    assert_eq!(second.join().unwrap(), 7);
    assert_eq!(table.upgrader(), None);
}

#[test]
fn an_upgrade_waits_for_readers_and_passes_a_writer_that_stands_in_line() {
    for policy in POLICIES {
        let shared = Arc::new((RwLock::with_policy("table", policy, vec!['a']), Latch::new(1)));
        let mut mine = shared.0.upgradable().unwrap();
        let reader = start("reader", &shared, |(table, go)| {
            let seen = table.read().unwrap();
            go.wait().unwrap();
            seen.len()
        });
        wait_of(&reader);
        let writer = start("writer", &shared, |(table, _)| table.write().unwrap().push('w'));
        wait_of(&writer);
        assert!(mine.try_upgrade().is_none());
        let late = mine.try_upgrade_for(SOON).expect_err("somebody reads");
        assert_eq!(late.holder().unwrap().thread.name, "reader");
        assert_eq!(mine.len(), 1, "it reads on");
        let counter = start("counter", &shared, |(table, go)| {
            while table.waiters().len() < 2 {
                std::thread::yield_now();
            }
            go.count_down(1);
        });
        mine.upgrade().unwrap().push('u');
        assert_eq!(*mine, ['a', 'u'], "the writer is still in line");
        drop(mine);
        writer.join().unwrap();
        assert_eq!((reader.join().unwrap(), &**shared.0.read().unwrap()), (1, &['a', 'u', 'w'][..]));
        counter.join().unwrap();
    }
}

#[test]
fn who_would_wait_for_itself_is_told() {
    for policy in POLICIES {
        let table = RwLock::with_policy("table", policy, ());
        let mut mine = table.upgradable().unwrap();
        assert!(matches!(table.upgradable(), Err(LockError::Deadlock(_))));
        assert!(matches!(table.write(), Err(LockError::Deadlock(_))));
        let again = table.read().unwrap();
        assert!(matches!(mine.upgrade(), Err(LockError::Deadlock(_))));
        drop(again);
        let alone = mine.upgrade().unwrap();
        assert!(matches!(table.read(), Err(LockError::Deadlock(_))));
        assert!(matches!(table.upgradable(), Err(LockError::Deadlock(_))));
        drop(alone);
        drop(mine);
        assert!(table.try_write().is_some());
        let writing = table.write().unwrap();
        assert!(matches!(table.upgradable(), Err(LockError::Deadlock(_))));
        drop(writing);
        assert!(table.upgrader().is_none() && table.try_upgradable().is_some());
    }
}

/// The reader asks for the right that the other one has, who waits for it to let go.
#[test]
fn a_reader_that_wants_to_upgrade_as_well_closes_a_cycle_and_is_told() {
    let table = Arc::new(RwLock::named("table", ()));
    let reading = table.read().unwrap();
    let upgrader = start("upgrader", &table, |table| table.upgradable().unwrap().upgrade().map(drop));
    while wait_of(&upgrader).object.holder.is_none() {}
    let Err(LockError::Deadlock(verdict)) = table.upgradable() else { panic!("a cycle") };
    let Verdict::Deadlock { cycle, .. } = *verdict else { panic!("{verdict:?}") };
    let names: Vec<_> =
        cycle.waits.iter().map(|wait| wait.object.holder.as_ref().unwrap().thread.name.clone()).collect();
    assert_eq!(names.last().map(String::as_str), Some("upgrader"));
    assert_eq!(cycle.waits.len(), 2);
    drop(reading);
    upgrader.join().unwrap().unwrap();
}

/// It waits twice in one call, for the right and then for its place, and is to be found both times. Who closes the cycle is who
/// goes to sleep last: the writer, or the upgrader if it gets the right after that.
#[test]
fn the_second_half_of_the_wait_can_close_a_cycle() {
    let shared = Arc::new((RwLock::named("table", ()), Mutex::named("ledger", ())));
    let mine = shared.0.upgradable().unwrap();
    let upgrader = start("upgrader", &shared, |(table, ledger)| {
        let _ledger = ledger.lock().unwrap();
        table.upgradable().map(drop)
    });
    wait_of(&upgrader);
    let writer = start("writer", &shared, |(table, ledger)| {
        let _writing = table.write().unwrap();
        let waits_for_me =
            |wait: &Wait| wait.object.holder.as_ref().is_some_and(|holder| holder.thread.name == "writer");
        while !table.waiters().iter().any(waits_for_me) {
            std::thread::yield_now();
        }
        ledger.lock().map(drop)
    });
    wait_of(&writer);
    drop(mine);
    let ended = (writer.join().unwrap(), upgrader.join().unwrap());
    assert!(
        matches!(ended, (Err(LockError::Deadlock(_)), Ok(())) | (Ok(()), Err(LockError::Deadlock(_)))),
        "{ended:?}"
    );
}

#[test]
fn behind_a_writer_that_waits_it_waits_for_that_one_and_not_for_itself() {
    let shared = Arc::new((RwLock::named("table", ()), Mutex::named("ledger", ())));
    let reading = shared.0.read().unwrap();
    let writer = start("writer", &shared, |(table, _)| drop(table.write().unwrap()));
    wait_of(&writer);
    let upgrader = start("upgrader", &shared, |(table, ledger)| {
        let _ledger = ledger.lock().unwrap();
        table.upgradable().map(drop)
    });
    assert_eq!(wait_of(&upgrader).object.holder.unwrap().thread.name, "writer");
    let Err(LockError::Deadlock(verdict)) = shared.1.lock() else { panic!("a cycle") };
    assert!(matches!(*verdict, Verdict::Deadlock { cycle, .. } if cycle.waits.len() == 3));
    drop(reading);
    writer.join().unwrap();
    upgrader.join().unwrap().unwrap();
}

/// It stood behind the writer, and before the upgrade, which passes both.
#[test]
fn a_reader_whose_writer_has_left_the_line_waits_for_the_upgrade() {
    let shared = Arc::new((RwLock::named("table", ()), Latch::new(1)));
    let reading = shared.0.read().unwrap();
    let upgrader = start("upgrader", &shared, |(table, go)| {
        let mut mine = table.upgradable().unwrap();
        go.wait().unwrap();
        mine.upgrade().map(drop)
    });
    wait_of(&upgrader);
    let writer = start("writer", &shared, |(table, _)| table.write().map(drop));
    wait_of(&writer);
    let reader = start("reader", &shared, |(table, _)| table.read().map(drop));
    assert_eq!(wait_of(&reader).object.holder.unwrap().thread.name, "writer");
    shared.1.count_down(1);
    while wait_of(&upgrader).object.name != "table" {}
    writer.stop("not needed");
    assert!(matches!(writer.join().unwrap(), Err(LockError::Stopped(_))));
    assert_eq!(wait_of(&reader).object.holder.unwrap().thread.name, "upgrader");
    drop(reading);
    upgrader.join().unwrap().unwrap();
    reader.join().unwrap().unwrap();
}

#[test]
fn a_stop_ends_the_wait_for_the_right_for_a_place_and_for_the_others() {
    let table = Arc::new(RwLock::named("table", ()));
    let stopped = |name: &str, f: fn(&RwLock<()>) -> Result<(), LockError>| {
        let thread = start(name, &table, f);
        wait_of(&thread);
        thread.stop("enough");
        assert!(matches!(thread.join().unwrap(), Err(LockError::Stopped(_))));
    };
    let right = table.upgradable().unwrap();
    stopped("right", |table| table.upgradable().map(drop));
    stopped("others", |table| {
        // Not the wait for the right, which is not free.
        table.write().map(drop)
    });
    drop(right);
    let writing = table.write().unwrap();
    stopped("place", |table| table.upgradable().map(drop));
    assert_eq!(table.upgrader(), None, "the right was given up with the place");
    drop(writing);
    let reading = table.read().unwrap();
    stopped("others", |table| table.upgradable()?.upgrade().map(drop));
    drop(reading);
    assert!(table.upgrader().is_none() && table.try_write().is_some());
}

#[test]
fn guards_that_are_forgotten_leave_what_can_be_recovered() {
    let table = Arc::new(RwLock::named("table", 1));
    let mut mine = table.upgradable().unwrap();
    std::mem::forget(mine.upgrade());
    assert!(table.holder().is_some());
    drop(mine);
    assert!(table.try_write().is_some() && table.upgrader().is_none());
    let forgetful: [fn(&RwLock<i32>); 2] = [
        |table| std::mem::forget(table.upgradable()),
        |table| {
            let mut mine = table.upgradable().unwrap();
            std::mem::forget(mine.upgrade());
            std::mem::forget(mine);
        },
    ];
    for f in forgetful {
        start("forgetful", &table, f).join().unwrap();
        assert!(matches!(table.upgradable(), Err(LockError::Abandoned(_))));
        assert!(matches!(table.write(), Err(LockError::Abandoned(_))));
        assert_eq!(table.recover(), 1);
        assert!(table.upgradable().unwrap().try_upgrade().is_some());
    }
}
