//! `RD014`: a lock that several threads wait for, for much of their time. `RD009`: its holders sleep, or wait for I/O, meanwhile.

use std::time::Duration;

use raddle::graph::verdict::Code;

use super::{LEAST, LISTED, explained, help, long, note, percent, share, warning};
use crate::page::{Mark, Report, Section};
use crate::recording::locks::LockUse;
use crate::recording::story::{Recording, Spent};

/// Those who wait for a hot lock lose so much of their time to it.
const HOT: f64 = 0.25;

/// A lock is slept under if its holders sleep for so much of the time that others wait.
const ASLEEP: f64 = 0.5;

/// Where the second has less than that of the blame, there is one who has it.
const ONE: f64 = 0.1;

/// So many of those who hold it are named in a sentence.
const NAMED: usize = 3;

pub(super) fn find(recording: &Recording) -> Vec<(Code, Report)> {
    let locks = recording.locks();
    let large = locks.iter().filter(|lock| lock.total >= LEAST && !is_one_wait(lock));
    large.flat_map(|lock| [hot(recording, lock), slept_under(recording, lock)]).flatten().collect()
}

/// That threads wait once for what another one does, even for long, is how they work together: a gate, what is made when it is
/// first needed. A lock that each of many has for long in its turn is no such thing.
fn is_one_wait(lock: &LockUse) -> bool {
    let second = lock.holders().get(1).map_or(Duration::ZERO, |(_, time)| *time);
    lock.waits <= lock.waiters.len() as u64 && share(second, lock.total) < ONE
}

fn hot(recording: &Recording, lock: &LockUse) -> Option<(Code, Report)> {
    let (waiters, holders) = (&lock.waiters, lock.holders());
    let lives: Duration = waiters.keys().map(|serial| life(recording, *serial)).sum();
    if waiters.len() < 2 || share(lock.total, lives) < HOT {
        return None;
    }
    let thing = recording.object_name(lock.object);
    let title = format!(
        "hot lock: {} threads waited {} in all for {thing}, {} of their time",
        waiters.len(),
        long(lock.total),
        percent(lock.total, lives)
    );
    let mut report = warning(Code::HotLock, title);
    let taken = format!(
        "{} waits for it, the first {} after the start, the longest {}",
        lock.waits,
        long(lock.first),
        long(lock.longest)
    );
    let place = recording.sites.get(&lock.place()).cloned();
    report.sections.push(Section { title: String::new(), marks: vec![Mark::main(&place, taken)] });
    report.sections.extend(busy(recording, lock));
    for (serial, time) in holders.iter().take(LISTED) {
        let Some(story) = recording.thread(*serial) else { continue };
        let mut waited: Vec<_> = lock.blame.iter().filter(|((holder, _), _)| holder == serial).collect();
        waited.sort_by_key(|((_, waiter), time)| (std::cmp::Reverse(**time), *waiter));
        let others =
            waited.iter().take(3).map(|((_, waiter), time)| format!("{} {}", recording.name_of(*waiter), long(**time)));
        let others = others.collect::<Vec<_>>().join(", ");
        let who = recording.with_origin(&story.thread);
        report.notes.push(note(format!("{who} held it while others waited {}: {others}", long(*time))));
    }
    if let Some(more) = holders.len().checked_sub(LISTED).filter(|more| *more > 0) {
        report.notes.push(note(format!("and {more} more threads held it")));
    }
    report.notes.push(explained(Code::HotLock));
    report.notes.push(help("hold it for less: copy under the lock what is needed, and do what takes long without it; or give each part of the data a lock of its own".to_owned()));
    Some((Code::HotLock, report))
}

fn slept_under(recording: &Recording, lock: &LockUse) -> Option<(Code, Report)> {
    let seen: Duration = lock.during.values().sum();
    let of = |kind: Spent| lock.during.get(&kind).copied().unwrap_or_default();
    let (slept, blamed) = (of(Spent::Sleep) + of(Spent::Io), lock.blame.values().sum::<Duration>());
    // Where nobody looked, nothing is known.
    if slept < LEAST || share(slept, seen) < ASLEEP || share(seen, blamed) < ASLEEP {
        return None;
    }
    let what = if of(Spent::Sleep) > of(Spent::Io) { "slept" } else { "waited for I/O" };
    let thing = recording.object_name(lock.object);
    let share = percent(slept, seen);
    let title =
        format!("sleeping under a lock: who held {thing} {what} for {share} of the time that others waited for it");
    let mut report = warning(Code::SleepUnderLock, title);
    report.sections.extend(busy(recording, lock));
    let holders = lock.holders();
    let named = holders.iter().take(NAMED).filter_map(|(serial, _)| recording.thread(*serial));
    let named: Vec<_> = named.map(|story| recording.with_origin(&story.thread)).collect();
    let more = holders.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let since = format!(
        "others waited {} in all, from {} after the start on, for {}{more}",
        long(blamed),
        long(lock.first),
        named.join(", ")
    );
    report.notes = vec![
        note(since),
        explained(Code::SleepUnderLock),
        help("give the lock back before the call that sleeps, and take it again after it".to_owned()),
    ];
    Some((Code::SleepUnderLock, report))
}

/// Where the holders were while others waited.
fn busy(recording: &Recording, lock: &LockUse) -> Option<Section> {
    let place = recording.sites.get(&lock.place_of(None)).cloned();
    let seen: Duration = lock.during.values().sum();
    let mut did: Vec<_> = lock.during.iter().filter(|(_, time)| share(**time, seen) >= 0.1).collect();
    did.sort_by_key(|(_, time)| std::cmp::Reverse(**time));
    let did: Vec<_> = did.iter().map(|(kind, time)| format!("{} {}", kind.name(), percent(**time, seen))).collect();
    let did = if did.is_empty() { String::new() } else { format!("; seen at: {}", did.join(", ")) };
    let title = format!("who held it was mostly here{did}");
    place.map(|place| Section { title, marks: vec![Mark::main(&Some(place), String::new())] })
}

fn life(recording: &Recording, serial: u64) -> Duration {
    recording.thread(serial).map_or(Duration::ZERO, |story| story.life(recording.until))
}
