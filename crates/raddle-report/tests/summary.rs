//! The plain text that becomes part of an exception.

mod common;

use common::*;
use insta::assert_snapshot;
use raddle::graph::verdict::{Cause, Outcome, ThreadInfo, Verdict, Wait, Whereabouts};
use raddle_report::summary;

#[test]
fn a_deadlock_has_a_line_for_each_edge() {
    assert_snapshot!(summary(&transfer()), @r"
    deadlock: 2 threads wait for each other
      'to-savings' (started by 'MainThread' at tests/fixtures/transfer.py:19) holds Lock 'Account.lock#1' (acquired tests/fixtures/transfer.py:10) and waits 0.2 s for Lock 'Account.lock#2' at tests/fixtures/transfer.py:11
      'to-checking' (started by 'MainThread' at tests/fixtures/transfer.py:20) holds Lock 'Account.lock#2' (acquired tests/fixtures/transfer.py:10) and waits 0.2 s for Lock 'Account.lock#1' at tests/fixtures/transfer.py:11
    ");
}

#[test]
fn a_thread_that_is_joined_holds_nothing() {
    let (main, worker) = (main_thread(), worker());
    let lock = object("RLock", "lock#1", Some((&main, None)));
    let join = Wait { since: Default::default(), ..wait(&main, object("Thread", "worker", None), None) };
    let cycle = vec![join, wait(&worker, lock, None)];
    assert_snapshot!(summary(&deadlock(cycle, Outcome::Raised)), @r"
    deadlock: 2 threads wait for each other
      'MainThread' holds RLock 'lock#1' and waits for Thread 'worker' to end
      'worker' (started by 'MainThread' at tests/fixtures/worker.py:17) waits 0.2 s for RLock 'lock#1'
    ");
}

#[test]
fn one_thread_alone_is_not_each_other() {
    let main = main_thread();
    let alone = |kind| deadlock(vec![wait(&main, object(kind, "x", Some((&main, None))), None)], Outcome::Raised);
    assert!(summary(&alone("Lock")).starts_with("deadlock: 'MainThread' waits for a lock that it holds itself\n"));
    assert!(summary(&alone("Thread")).starts_with("deadlock: 'MainThread' waits for its own end\n"));
}

#[test]
fn the_other_kinds() {
    let threads: Vec<(ThreadInfo, _)> = vec![(worker(), sleepers(1).pop()), (worker(), None)];
    let all = [
        died(),
        unasked(),
        abandoned(),
        orphaned(),
        Verdict::Stalled { waits: sleepers(1) },
        Verdict::KeepsAlive { cause: Cause::Asleep, threads },
        inversion(),
        Verdict::LongestWaits { waits: sleepers(1), running: vec![worker()] },
        Verdict::LeftBehind { threads: vec![Whereabouts { thread: worker(), wait: None, stack: Vec::new() }] },
        cut_off(),
        long_hold(1),
    ];
    assert_snapshot!(all.map(|verdict| summary(&verdict)).join("\n"), @r"
    'worker' (started by 'MainThread' at tests/fixtures/worker.py:17) died: ValueError: no such account
      'MainThread' waits 0.2 s for Thread 'worker' to end at tests/fixtures/worker.py:18
    a job of 'worker' failed, and nobody asked its future: ValueError: no such account
    RLock 'lock#1' was taken at tests/fixtures/worker.py:9 by 'worker' (started by 'MainThread' at tests/fixtures/worker.py:17), which ended without giving it back (it died: ValueError: no such account)
      'MainThread' waits 0.2 s for RLock 'lock#1' (held by 'worker') at tests/fixtures/worker.py:19
    'MainThread' likely waits for ever: Queue 'jobs#1' was fed only by 'worker', which died, and 'to-savings', which has ended
      'MainThread' waits 0.2 s for Queue 'jobs#1' (so far fed only by 'worker', which died, and 'to-savings', which has ended) at tests/fixtures/worker.py:20
    stalled: 1 thread asleep and nothing can wake one
      'w-1' (started by 'MainThread' at tests/fixtures/worker.py:17) waits 0.2 s for Queue 'jobs#1' at tests/fixtures/worker.py:20
    kept alive by 2 threads after the main thread is done
      'w-1' (started by 'MainThread' at tests/fixtures/worker.py:17) waits 0.2 s for Queue 'jobs#1' at tests/fixtures/worker.py:20
      'worker' (started by 'MainThread' at tests/fixtures/worker.py:17) is running
    lock order: 2 threads take the same locks in opposite orders
      'to-savings' (started by 'MainThread' at tests/fixtures/transfer.py:19) took Lock 'Account.lock#1' at tests/fixtures/transfer.py:10, then Lock 'Account.lock#2' at tests/fixtures/transfer.py:11
      'to-checking' (started by 'MainThread' at tests/fixtures/transfer.py:20) took Lock 'Account.lock#2' at tests/fixtures/transfer.py:10, then Lock 'Account.lock#1' at tests/fixtures/transfer.py:11
    who has waited longest for what
      'w-1' (started by 'MainThread' at tests/fixtures/worker.py:17) waits 0.2 s for Queue 'jobs#1' at tests/fixtures/worker.py:20
      'worker' (started by 'MainThread' at tests/fixtures/worker.py:17) is running
    the program ended without 1 thread
      'worker' (started by 'MainThread' at tests/fixtures/worker.py:17) is running
    'worker' was cut off by the end of the program, and 120 bytes for out.txt were never written
      'worker' (started by 'MainThread' at tests/fixtures/worker.py:17) was cut off at tests/fixtures/worker.py:10, and 120 bytes for out.txt were never written
    'worker' has held RLock 'lock#1' for 0.5 s or longer, and 'MainThread' waits for it
      RLock 'lock#1' was taken by 'worker' (started by 'MainThread' at tests/fixtures/worker.py:17) at tests/fixtures/worker.py:9
      'worker' (started by 'MainThread' at tests/fixtures/worker.py:17) is at tests/fixtures/worker.py:10 in Account.transfer
      'MainThread' waits 0.2 s for RLock 'lock#1' (held by 'worker') at tests/fixtures/worker.py:19
    ");
}
