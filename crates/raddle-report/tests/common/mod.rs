//! Verdicts to render, built on the files in `fixtures`.
#![allow(dead_code)]

use std::time::Duration;

use raddle::graph::verdict::{
    CutOff, Cycle, Ending, Holder, Nested, ObjectInfo, Outcome, Place, Producer, ThreadInfo, ThreadKind, Unwritten,
    Verdict, Wait, Whereabouts,
};

pub fn fixture(file: &str) -> String {
    format!("{}/tests/fixtures/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// Where `expression` first stands in that line.
pub fn at(file: &str, line: u32, expression: &str) -> Option<Place> {
    let text = std::fs::read_to_string(fixture(file)).unwrap();
    let start = text.lines().nth(line as usize - 1).unwrap().find(expression).unwrap() as u32;
    let columns = Some((start, start + expression.len() as u32));
    Some(Place { columns, ..whole_line(&fixture(file), line) })
}

pub fn whole_line(file: &str, line: u32) -> Place {
    Place { file: file.into(), line, end_line: line, function: "Account.transfer".into(), ..Place::default() }
}

pub fn thread(serial: u64, name: &str, started_at: Option<Place>) -> ThreadInfo {
    let (kind, by) = match started_at {
        Some(_) => (ThreadKind::Regular, Some("MainThread".to_owned())),
        None => (ThreadKind::Main, None),
    };
    ThreadInfo { serial, name: name.into(), kind, started_by: by, started_at }
}

pub fn main_thread() -> ThreadInfo {
    thread(1, "MainThread", None)
}

pub fn object(kind: &str, name: &str, held: Option<(&ThreadInfo, Option<Place>)>) -> ObjectInfo {
    let holder = held.map(|(thread, taken_at)| Holder { thread: thread.clone(), taken_at, ended: None });
    ObjectInfo { kind: kind.into(), name: name.into(), made_at: None, holder, producers: Vec::new() }
}

pub fn wait(thread: &ThreadInfo, object: ObjectInfo, at: Option<Place>) -> Wait {
    let since = Duration::from_millis(204);
    Wait { thread: thread.clone(), object, call: "acquire".into(), at, since, timed: false }
}

pub fn savings() -> ThreadInfo {
    thread(2, "to-savings", at("transfer.py", 19, "first.start()"))
}

pub fn checking() -> ThreadInfo {
    thread(3, "to-checking", at("transfer.py", 20, "second.start()"))
}

pub fn worker() -> ThreadInfo {
    thread(4, "worker", at("worker.py", 17, "worker.start()"))
}

/// Two threads that wait for each other's lock, taken and waited for at these places.
pub fn crossed(a: &ThreadInfo, b: &ThreadInfo, took: Option<Place>, waits: Option<Place>) -> Verdict {
    let first = object("Lock", "Account.lock#1", Some((a, took.clone())));
    let second = object("Lock", "Account.lock#2", Some((b, took)));
    deadlock(vec![wait(a, second, waits.clone()), wait(b, first, waits)], Outcome::Raised)
}

pub fn transfer() -> Verdict {
    let (took, waits) = (at("transfer.py", 10, "self.lock"), at("transfer.py", 11, "other.lock"));
    crossed(&savings(), &checking(), took, waits)
}

pub fn deadlock(waits: Vec<Wait>, outcome: Outcome) -> Verdict {
    Verdict::Deadlock { cycle: Cycle { waits }, outcome }
}

/// A thread that took one account's lock, then another's.
pub fn nested(thread: &ThreadInfo, first: u32, second: u32) -> Nested {
    let lock = |n| object("Lock", &format!("Account.lock#{n}"), None);
    let (first_at, second_at) = (at("transfer.py", 10, "self.lock"), at("transfer.py", 11, "other.lock"));
    Nested { thread: thread.clone(), first: lock(first), first_at, second: lock(second), second_at }
}

pub fn inversion() -> Verdict {
    Verdict::Inversion { circle: vec![nested(&savings(), 1, 2), nested(&checking(), 2, 1)] }
}

/// A lock that the worker took before it died.
pub fn abandoned() -> Verdict {
    let mut lock = object("RLock", "lock#1", Some((&worker(), at("worker.py", 9, "lock.acquire()"))));
    lock.holder.as_mut().unwrap().ended = Some(Ending::Failed("ValueError: no such account".into()));
    Verdict::OwnerDead {
        wait: Box::new(wait(&main_thread(), lock, at("worker.py", 19, "lock.acquire()"))),
        raised: true,
    }
}

/// A lock that the worker holds, and where that is now.
pub fn cut_off() -> Verdict {
    let stack = vec![at("worker.py", 10, "raise").unwrap(), at("worker.py", 19, "lock.acquire()").unwrap()];
    let at = Whereabouts { thread: worker(), wait: None, stack };
    Verdict::CutOff { threads: vec![CutOff { at, files: vec![Unwritten { file: "out.txt".into(), bytes: 120 }] }] }
}

pub fn long_hold(waits: usize) -> Verdict {
    let lock = || object("RLock", "lock#1", Some((&worker(), at("worker.py", 9, "lock.acquire()"))));
    let stack = vec![at("worker.py", 10, "raise").unwrap()];
    let waiter = |thread: ThreadInfo| wait(&thread, lock(), at("worker.py", 19, "lock.acquire()"));
    Verdict::LongHold {
        object: Box::new(lock()),
        holder: Box::new(Whereabouts { thread: worker(), wait: None, stack }),
        held: Duration::from_millis(500),
        waits: sleepers(waits as u64 - 1)
            .into_iter()
            .map(|wait| wait.thread)
            .chain([main_thread()])
            .map(waiter)
            .collect(),
    }
}

pub fn died() -> Verdict {
    let raised = Place { columns: Some((4, 5)), end_line: 13, ..at("worker.py", 10, "raise").unwrap() };
    let join = wait(&main_thread(), object("Thread", "worker", None), at("worker.py", 18, "worker.join()"));
    Verdict::Died {
        thread: Box::new(worker()),
        error: "ValueError: no such account".into(),
        at: Some(raised),
        joiners: vec![join],
        held: false,
    }
}

/// A job of the worker's that the main thread submitted.
pub fn unasked() -> Verdict {
    let raised = Place { columns: Some((4, 5)), end_line: 13, ..at("worker.py", 10, "raise").unwrap() };
    Verdict::Unasked { job: Box::new(worker()), error: "ValueError: no such account".into(), at: Some(raised) }
}

/// A queue that the worker put into before it died, like another thread that has returned.
pub fn fed_by_the_dead() -> ObjectInfo {
    let died = Producer { thread: worker(), ended: Ending::Failed("ValueError: no such account".into()) };
    let returned = Producer { thread: savings(), ended: Ending::Finished };
    ObjectInfo { producers: vec![died, returned], ..object("Queue", "jobs#1", None) }
}

pub fn orphaned() -> Verdict {
    Verdict::Orphaned { wait: Box::new(wait(&main_thread(), fed_by_the_dead(), at("worker.py", 20, "jobs.get()"))) }
}

/// As many threads as asked for, all waiting in the same line.
pub fn sleepers(count: u64) -> Vec<Wait> {
    let queue = || object("Queue", "jobs#1", None);
    let sleeper = |n| thread(n + 10, &format!("w-{n}"), at("worker.py", 17, "worker.start()"));
    (1..=count).map(|n| wait(&sleeper(n), queue(), at("worker.py", 20, "jobs.get()"))).collect()
}
