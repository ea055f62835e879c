//! loom models of the lock for readers and writers: `RUSTFLAGS="--cfg loom" cargo test -p raddle --release models`.
//!
//! They drive its turnstile as it does. Each states what must hold in every interleaving; loom itself reports a thread
//! that sleeps for ever. What a seeded bug does to each is checked by `tests/models.sh`.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::readers::Readers;
use super::rwlock::{Policy, RawRwLock};
use crate::seam::Concurrent;
use crate::wait::modelling::{Sleeper, model};
use crate::wait::turnstile::{CLOSED, MAX, STARVED};
use crate::wait::{Ask, Order, Turnstile};

fn lock(order: Order) -> Arc<Turnstile> {
    Arc::new(Turnstile::new(MAX, order))
}

fn take(lock: &Turnstile, ask: Ask, patient: bool) -> bool {
    lock.try_take(ask.amount, ask.heeds) || lock.take(ask, &Arc::default(), &mut Sleeper { patient }).is_ok()
}

fn read(lock: &Turnstile, serial: u64, patient: bool) -> bool {
    take(lock, Ask { serial, amount: 1, heeds: CLOSED | STARVED, closes: false, insists: true, inside: false }, patient)
}

fn write(lock: &Turnstile, serial: u64, patient: bool) -> bool {
    take(lock, Ask { serial, amount: MAX, heeds: STARVED, closes: true, insists: true, inside: false }, patient)
}

fn give(lock: &Turnstile, amount: u64) {
    lock.give_if(amount, |taken| taken >= amount).expect("held");
}

/// Thread 3, which writes and finds nobody inside.
fn a_writer(lock: &Arc<Turnstile>, inside: &Arc<AtomicUsize>) -> thread::JoinHandle<()> {
    let (lock, inside) = (lock.clone(), inside.clone());
    thread::spawn(move || {
        assert!(write(&lock, 3, true));
        assert_eq!(inside.fetch_add(10, Ordering::SeqCst), 0);
        inside.fetch_sub(10, Ordering::SeqCst);
        give(&lock, MAX);
    })
}

/// A reader and a writer come while a reader is inside: nobody sleeps for ever, and no one is inside with a writer.
fn a_reader_a_writer(order: Order) {
    model(move || {
        let (lock, inside) = (lock(order), Arc::new(AtomicUsize::new(0)));
        assert!(read(&lock, 1, true));
        let reader = thread::spawn({
            let (lock, inside) = (lock.clone(), inside.clone());
            move || {
                assert!(read(&lock, 2, true));
                assert!(inside.fetch_add(1, Ordering::SeqCst) < 10);
                inside.fetch_sub(1, Ordering::SeqCst);
                give(&lock, 1);
            }
        });
        let writer = a_writer(&lock, &inside);
        give(&lock, 1);
        reader.join().unwrap();
        writer.join().unwrap();
        assert_eq!(lock.taken(), 0);
        // No flag was left behind.
        assert!(lock.try_take(1, !0));
    });
}

#[test]
fn a_fair_lock_serves_a_reader_and_a_writer() {
    a_reader_a_writer(Order::Come);
}

#[test]
fn a_lock_for_readers_first_serves_a_reader_and_a_writer() {
    a_reader_a_writer(Order::Small);
}

#[test]
fn a_lock_for_writers_first_serves_a_reader_and_a_writer() {
    a_reader_a_writer(Order::Large);
}

/// Makes one place all of them.
fn upgrade(lock: &Turnstile, serial: u64, patient: bool) -> bool {
    take(lock, Ask { serial, amount: MAX - 1, heeds: 0, closes: true, insists: false, inside: true }, patient)
}

/// A reader upgrades while another one leaves, and a writer comes, which may be in the line before it or called at that moment:
/// the upgrade passes it, for it waits for the reader.
fn an_upgrade_a_writer(order: Order) {
    model(move || {
        let (lock, inside) = (lock(order), Arc::new(AtomicUsize::new(0)));
        assert!(read(&lock, 1, true));
        let upgrader = thread::spawn({
            let (lock, inside) = (lock.clone(), inside.clone());
            move || {
                assert!(read(&lock, 2, true));
                assert!(upgrade(&lock, 2, true));
                assert_eq!(inside.fetch_add(10, Ordering::SeqCst), 0);
                inside.fetch_sub(10, Ordering::SeqCst);
                give(&lock, MAX - 1);
                give(&lock, 1);
            }
        });
        let writer = a_writer(&lock, &inside);
        give(&lock, 1);
        upgrader.join().unwrap();
        writer.join().unwrap();
        assert_eq!(lock.taken(), 0);
        assert!(lock.try_take(1, !0));
    });
}

#[test]
fn a_fair_lock_upgrades_before_a_writer() {
    an_upgrade_a_writer(Order::Come);
}

#[test]
fn a_lock_for_readers_first_upgrades_before_a_writer() {
    an_upgrade_a_writer(Order::Small);
}

#[test]
fn a_lock_for_writers_first_upgrades_before_a_writer() {
    an_upgrade_a_writer(Order::Large);
}

/// An upgrade is given up while a reader stands in line behind it: that one goes in.
#[test]
fn an_upgrade_that_is_given_up_opens_the_door() {
    model(|| {
        let lock = lock(Order::Come);
        assert!(read(&lock, 1, true) && read(&lock, 2, true));
        let upgrader = thread::spawn({
            let lock = lock.clone();
            move || assert!(!upgrade(&lock, 1, false))
        });
        // The second reader stays inside, so the upgrade has no chance.
        assert!(read(&lock, 3, true));
        upgrader.join().unwrap();
        (0..3).for_each(|_| give(&lock, 1));
        assert!(lock.try_take(MAX, !0));
    });
}

/// Two threads want to read and to write then what follows from that: one of them at most may upgrade, and it always can.
#[test]
fn two_upgradable_readers_never_wait_for_each_other() {
    model(|| {
        let shared = Arc::new((RawRwLock::new(Policy::Fair), AtomicUsize::new(0)));
        let work = |serial: u64| {
            let shared = Arc::clone(&shared);
            move || {
                let (lock, value) = &*shared;
                if !lock.try_upgradable(serial) {
                    return 0;
                }
                let read = value.load(Ordering::Relaxed);
                assert_eq!(lock.upgrader(), Some(serial));
                lock.upgrade_asleep((serial, &Arc::default()), &mut Sleeper { patient: true }).unwrap();
                assert_eq!(lock.writer(), Some(serial));
                value.store(read + 1, Ordering::Relaxed);
                lock.downgrade(serial).unwrap();
                assert_eq!(value.load(Ordering::Relaxed), read + 1);
                lock.release_upgradable(serial).unwrap();
                1
            }
        };
        let other = thread::spawn(work(2));
        let done = work(1)();
        let done = done + other.join().unwrap();
        assert_eq!(shared.1.load(Ordering::Relaxed), done);
        assert!(done > 0 && !shared.0.is_held() && shared.0.upgrader().is_none());
    });
}

/// A writer gives up while a reader stands in line behind it, inside is a reader: the other reader goes in.
#[test]
fn a_writer_that_gives_up_opens_the_door() {
    model(|| {
        let lock = lock(Order::Come);
        assert!(read(&lock, 1, true));
        let writer = thread::spawn({
            let lock = lock.clone();
            move || {
                if write(&lock, 2, false) {
                    give(&lock, MAX);
                }
            }
        });
        // The first reader stays inside: only the writer's leave can let this one in.
        assert!(read(&lock, 3, true));
        writer.join().unwrap();
        give(&lock, 1);
        give(&lock, 1);
        assert!(lock.try_take(MAX, !0));
    });
}

/// A writer leaves: both readers that stand in line go in, though one of them may be giving up at that moment.
#[test]
fn a_writer_that_leaves_calls_all_readers() {
    model(|| {
        let lock = lock(Order::Come);
        assert!(write(&lock, 1, true));
        let threads = [(2, true), (3, false)].map(|(serial, patient)| {
            let lock = lock.clone();
            thread::spawn(move || read(&lock, serial, patient))
        });
        give(&lock, MAX);
        let [patient, impatient] = threads.map(|thread| thread.join().unwrap());
        assert!(patient);
        assert_eq!(lock.taken(), 1 + u64::from(impatient));
    });
}

/// More places appear while two wait: both find them.
#[test]
fn more_places_reach_all_who_wait() {
    model(|| {
        let permits = Arc::new(Turnstile::<Concurrent>::new(0, Order::Come));
        let threads = [1, 2].map(|serial| {
            let permits = permits.clone();
            let ask = Ask { serial, amount: 1, heeds: STARVED, closes: false, insists: true, inside: false };
            thread::spawn(move || assert!(take(&permits, ask, true)))
        });
        permits.resize(|places| places + 2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(permits.taken(), 2);
    });
}

/// Two threads enter the table of readers and leave it at the same time, one of them twice: no hold is lost.
#[test]
fn the_table_of_readers_loses_nobody() {
    model(|| {
        let readers = Arc::new(Readers::<Concurrent>::new());
        let other = thread::spawn({
            let readers = readers.clone();
            move || {
                readers.enter(2);
                assert!(readers.all().contains(&2));
                assert!(readers.cross_out(2));
            }
        });
        readers.enter(1);
        readers.enter(1);
        assert!(readers.cross_out(1) && readers.cross_out(1) && !readers.cross_out(1));
        other.join().unwrap();
        assert!(readers.all().is_empty());
    });
}
