//! What follows the standard library's words in the text of an error.

mod common;

use std::time::Duration;

use common::*;
use insta::assert_snapshot;
use raddle::error::{Life, Misuse, Unheld};
use raddle::graph::verdict::{Ending, ObjectInfo, ThreadInfo};
use raddle_report::detail;

fn life(thread: ThreadInfo, ended: Option<Ending>) -> Box<Life> {
    let ended = ended.map(|ended| (Duration::from_millis(11_900), ended));
    Box::new(Life { thread, since: Duration::from_millis(12_300), ended })
}

fn unheld(kind: &str, held: Option<&ThreadInfo>, taken: bool) -> Box<Unheld> {
    let place = at("worker.py", 9, "lock.acquire()").filter(|_| taken);
    let object = object(kind, "lock#1", held.map(|thread| (thread, place.clone())));
    let object = ObjectInfo { made_at: Some(whole_line(&fixture("worker.py"), 5)), ..object };
    Box::new(Unheld { object, last_taken_at: place })
}

#[test]
fn a_thread_says_who_started_it_and_what_became_of_it() {
    let failed = Ending::Failed("ValueError: no such account".into());
    let all = [
        Misuse::StartedAgain(life(worker(), None)),
        Misuse::StartedAgain(life(worker(), Some(Ending::Finished))),
        Misuse::StartedAgain(life(worker(), Some(failed))),
        Misuse::StartedAgain(life(main_thread(), None)),
        Misuse::JoinedBeforeStart { name: "worker".into() },
        Misuse::JoinedItself(life(worker(), None)),
        Misuse::JoinedItself(life(main_thread(), None)),
        Misuse::DaemonTooLate(Box::new(Life { since: Duration::ZERO, ..*life(worker(), None) })),
    ];
    assert_snapshot!(all.map(|misuse| detail(&misuse)).join("\n"));
}

#[test]
fn an_object_says_who_has_it_and_where_it_was_taken() {
    let ended = {
        let mut lock = unheld("RLock", Some(&worker()), true);
        lock.object.holder.as_mut().unwrap().ended = Some(Ending::Finished);
        lock
    };
    let barrier = object("Barrier", "meeting#1", None);
    let all = [
        Misuse::ReleasedUnheld(unheld("RLock", None, false)),
        Misuse::ReleasedUnheld(unheld("RLock", None, true)),
        Misuse::ReleasedUnheld(unheld("RLock", Some(&worker()), true)),
        Misuse::ReleasedUnheld(ended),
        Misuse::WithoutLock(unheld("Condition", None, true)),
        Misuse::WithoutLock(unheld("Condition", Some(&worker()), true)),
        Misuse::ReleasedTooOften { object: Box::new(object("BoundedSemaphore", "pool#1", None)), bound: 4 },
        Misuse::ReleasedTooOften { object: Box::new(object("BoundedSemaphore", "pool#1", None)), bound: 1 },
        Misuse::Broken { object: Box::new(barrier) },
    ];
    assert_snapshot!(all.map(|misuse| detail(&misuse)).join("\n"));
}
