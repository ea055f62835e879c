//! What an error's text goes on with, in parentheses after the standard library's own words: who, where, since when, and
//! what to do instead.

use std::time::Duration;

use raddle::error::{Life, Misuse, Unheld};
use raddle::graph::verdict::{Ending, ObjectInfo, ThreadKind};

use crate::words::{clean, origin, spot, thing, waited};

/// The facts about a call that came at the wrong moment, in one line.
///
/// ```
/// use raddle::error::Misuse;
///
/// let early = Misuse::JoinedBeforeStart { name: "worker".into() };
/// assert_eq!(raddle_report::detail(&early), "thread 'worker' has not been started; call its start() first");
/// ```
pub fn detail(misuse: &Misuse) -> String {
    match misuse {
        Misuse::StartedAgain(thread) => format!("{}; make a new Thread for another run", life(thread)),
        Misuse::JoinedBeforeStart { name } => {
            format!("thread '{}' has not been started; call its start() first", clean(name))
        }
        Misuse::JoinedItself(thread) => {
            format!("{}, and would wait for its own end; let another thread join it", life(thread))
        }
        Misuse::DaemonTooLate(thread) => {
            format!("{}; give daemon= to the constructor, or set it before start()", life(thread))
        }
        Misuse::ReleasedUnheld(lock) => released(lock),
        Misuse::WithoutLock(lock) => {
            format!("{}; enter it first: `with condition: ...`", held_by(lock, "is not held by anybody"))
        }
        Misuse::NotAbandoned(lock) => {
            let rule = "only the lock of a thread that has ended can be recovered";
            format!("{}; {rule}", held_by(lock, "is free"))
        }
        Misuse::ReleasedTooOften { object, bound } => {
            let permits =
                if *bound == 1 { "its only permit".to_owned() } else { format!("all of its {bound} permits") };
            format!("{} has {permits} back already; release() only after acquire(), best by `with`", made(object))
        }
        Misuse::Broken { object } => format!(
            "{} is broken: a wait timed out or was interrupted, its action failed, or abort() or reset() was called; \
             reset() makes it as new",
            made(object)
        ),
    }
}

/// What a wait with a time limit says that has ended for nothing after `limit`: who was in the way.
///
/// ```
/// use raddle::graph::verdict::ObjectInfo;
/// use std::time::Duration;
///
/// let ledger = ObjectInfo {
///     kind: "Lock".into(),
///     name: "ledger".into(),
///     made_at: None,
///     holder: None,
///     producers: Vec::new(),
/// };
/// let text = raddle_report::overdue(&ledger, Duration::from_secs(1));
/// assert_eq!(text, "Lock 'ledger' could not be taken within 1.0 s");
/// ```
pub fn overdue(object: &ObjectInfo, limit: Duration) -> String {
    let time = waited(limit).unwrap_or_else(|| "0 s".to_owned());
    let start = format!("{} could not be taken within {time}", thing(object));
    let Some(holder) = &object.holder else { return start };
    let place = holder.taken_at.as_ref().map(|place| format!(", which took it at {}", spot(place))).unwrap_or_default();
    let end = match (&holder.ended, place.is_empty()) {
        (None, _) => "",
        (Some(_), true) => ", which has ended",
        (Some(_), false) => " and has ended",
    };
    format!("{start}: it is held by '{}'{place}{end}", clean(&holder.thread.name))
}

/// `thread 'worker' was started by 'MainThread' at app.py:9, 2.0 s ago, and ended 1.5 s ago`.
fn life(life: &Life) -> String {
    let thread = &life.thread;
    let begin = match (thread.kind, origin(thread)) {
        (ThreadKind::Main, _) => "is the one that the program began with".to_owned(),
        (ThreadKind::Foreign, _) => "was not started by raddle".to_owned(),
        (_, origin) => format!("was {}, {}", origin.unwrap_or_else(|| "started".to_owned()), ago(life.since)),
    };
    let end = match &life.ended {
        None => String::new(),
        Some((since, Ending::Finished)) => format!(", and ended {}", ago(*since)),
        Some((since, Ending::Stopped(by))) => format!(", and was {} {}", clean(by), ago(*since)),
        Some((since, Ending::Failed(error))) => format!(", and died {} of {}", ago(*since), clean(error)),
    };
    format!("thread '{}' {begin}{end}", clean(&thread.name))
}

fn ago(since: Duration) -> String {
    waited(since).map_or_else(|| "just now".to_owned(), |time| format!("{time} ago"))
}

/// `Lock 'audit', made at app.py:3,`.
fn made(object: &ObjectInfo) -> String {
    match &object.made_at {
        Some(place) => format!("{}, made at {},", thing(object), spot(place)),
        None => thing(object),
    }
}

fn released(lock: &Unheld) -> String {
    let last = match &lock.last_taken_at {
        Some(place) => format!("is free: it was last taken at {} and given back since", spot(place)),
        None => "is free: nobody has taken it".to_owned(),
    };
    let rule = match &lock.object.holder {
        None => "release() only after acquire(), best by `with`",
        Some(_) => "only its holder can release it",
    };
    format!("{}; {rule}", held_by(lock, &last))
}

/// `RLock 'audit' is held by 'worker', which took it at app.py:12`, or else what is given.
fn held_by(lock: &Unheld, if_free: &str) -> String {
    let object = made(&lock.object);
    let Some(holder) = &lock.object.holder else { return format!("{object} {if_free}") };
    let place = holder.taken_at.as_ref().map(|place| format!(" at {}", spot(place))).unwrap_or_default();
    let end = if holder.ended.is_some() { " and has ended" } else { "" };
    format!("{object} is held by '{}', which took it{place}{end}", clean(&holder.thread.name))
}
