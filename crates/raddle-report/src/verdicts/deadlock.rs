//! `RD001`: for each thread of the cycle what it holds, where it took that, and where it waits for the next.
//!
//! Each thread has a section of its own. Two threads that run the same two lines in opposite roles, the commonest
//! deadlock there is, would otherwise be written over each other.

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, ObjectInfo, Outcome, Reason, Wait};

use super::{SHOWN, gotcha, help, so_far, started, taken_where};
use crate::page::{Mark, Report, Section};
use crate::words::{Names, awaited, clean, is_job, is_thread, reads_on, spot, taken_by, thing, threads, waited};

/// The call of a thread that waits for an import.
const IMPORT: &str = "import";

pub(crate) fn report(waits: &[Wait], outcome: Outcome, names: &Names) -> Report {
    let shown = waits.len().min(SHOWN);
    let mut notes: Vec<_> = (shown..waits.len()).map(|at| (Level::NOTE, edge(waits, at, names))).collect();
    notes.extend([what_was_done(waits, outcome, names), cause(waits), help(next_step(waits))]);
    Report {
        level: Level::ERROR,
        code: Code::Deadlock.id(),
        title: headline(waits, names),
        sections: (0..shown).flat_map(|at| sections(waits, at, names)).collect(),
        notes,
    }
}

/// `deadlock: 2 threads wait for each other`.
pub(crate) fn headline(waits: &[Wait], names: &Names) -> String {
    match waits {
        [wait] if is_thread(&wait.object) => {
            format!("deadlock: {} waits for its own end", names.thread(&wait.thread))
        }
        [wait] if is_job(&wait.object) => {
            format!(
                "deadlock: {} waits for a job that stands behind its own in a full pool",
                names.thread(&wait.thread)
            )
        }
        [wait] => format!("deadlock: {} waits for a lock that it holds itself", names.thread(&wait.thread)),
        _ => format!("deadlock: {} wait for each other", threads(waits.len())),
    }
}

/// One thread of the cycle in one line: `'A' (...) holds ... and waits ...`.
pub(crate) fn edge(waits: &[Wait], at: usize, names: &Names) -> String {
    let wait = &waits[at];
    let time = waited(wait.since).map(|time| format!(" {time}")).unwrap_or_default();
    let place = wait.at.as_ref().map(|place| format!(" at {}", spot(place))).unwrap_or_default();
    let who = names.with_origin(&wait.thread);
    format!("{who}{} waits{time} for {}{place}", holding(waits, at), awaited(&wait.object))
}

/// ` holds Lock 'audit' (acquired app.py:20) and`; empty for a thread whose end is waited for.
fn holding(waits: &[Wait], at: usize) -> String {
    let object = held(waits, at);
    if !is_taken(object) {
        return String::new();
    }
    let holder = taken_by(object, &waits[at].thread);
    let taken = holder.and_then(|holder| holder.taken_at.as_ref());
    let taken = taken.map(|place| format!(" (acquired {})", spot(place))).unwrap_or_default();
    format!(" holds {}{taken} and", thing(object))
}

/// What a thread of the cycle holds: the thing that the one before it waits for.
fn held(waits: &[Wait], at: usize) -> &ObjectInfo {
    &waits[(at + waits.len() - 1) % waits.len()].object
}

/// Whether a thread takes such an object somewhere, and gives it back.
fn is_taken(object: &ObjectInfo) -> bool {
    !is_thread(object) && !is_job(object)
}

fn sections(waits: &[Wait], at: usize, names: &Names) -> Vec<Section> {
    let (wait, object) = (&waits[at], held(waits, at));
    let who = names.thread(&wait.thread);
    let title = match is_taken(object) {
        false => format!("{who} waits for {}", awaited(&wait.object)),
        true => format!("{who} holds {} and waits for {}", thing(object), awaited(&wait.object)),
    };
    let both = Section { title, marks: marks(wait, object, names) };
    std::iter::once(both).chain(started(&wait.thread, names)).collect()
}

fn marks(wait: &Wait, object: &ObjectInfo, names: &Names) -> Vec<Mark> {
    let who = names.thread(&wait.thread);
    let target = format!("{}{}", target(wait, object, names), so_far(wait));
    let holder = taken_by(object, &wait.thread).filter(|_| is_taken(object));
    let Some(holder) = holder else {
        return vec![Mark::main(&wait.at, format!("{who} waits here for {target}"))];
    };
    let taken = &holder.taken_at;
    if taken.is_some() && *taken == wait.at {
        let label = format!("{who} took {} here, and waits here for {target}", thing(object));
        return vec![Mark::main(&wait.at, label)];
    }
    let subject = if reads_on(taken, &wait.at) { "... and" } else { &who };
    let took = format!("{who} took {} {}", thing(object), taken_where(holder));
    vec![Mark::context(taken, took), Mark::main(&wait.at, format!("{subject} waits here for {target}"))]
}

fn target(wait: &Wait, own: &ObjectInfo, names: &Names) -> String {
    let itself = is_taken(own) && taken_by(&wait.object, &wait.thread).is_some() && wait.object == *own;
    if itself { format!("the same {}", clean(&wait.object.kind)) } else { names.held(&wait.object) }
}

fn what_was_done(waits: &[Wait], outcome: Outcome, names: &Names) -> (Level<'static>, String) {
    let last = waits.last().map(|wait| names.thread(&wait.thread)).unwrap_or_default();
    let text = match outcome {
        Outcome::Raised => format!("{last} got a DeadlockError instead of waiting for ever"),
        Outcome::Told(reason) => format!("nothing was raised, so the program still hangs: {}", why(reason)),
    };
    (Level::NOTE, text)
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Policy => "raddle was told to only report deadlocks",
        Reason::NotOwned => {
            "raddle raises only if nobody outside the circle may release what it waits for, and a plain Lock taken by \
             acquire() may be released by any thread"
        }
        Reason::Job => {
            "raddle raises only if nobody outside the circle may end a wait in it, and a job that waits may be cancelled by \
             any thread"
        }
        Reason::FirstOfSeveral => {
            "raddle raises only if a wait in the circle is for one thread or for all of several, and one of these is for \
             whichever ends first"
        }
        Reason::Reacquire => {
            "one of the threads takes a lock back at the end of a condition's wait(), and an error there would leave its \
             block without the lock"
        }
        Reason::Import => {
            "one of the threads waits inside the import system, which raddle watches but cannot interrupt"
        }
        Reason::Stopping => "one of the threads was asked to stop, which ends its wait",
        Reason::SignalHandler => "a signal handler of the program might still make the main thread leave its wait",
    }
}

fn cause(waits: &[Wait]) -> (Level<'static>, String) {
    let text = match all(waits, |kind| kind == "Thread") {
        true => "4c: threads that join each other, or themselves",
        false if waits.iter().all(|wait| is_job(&wait.object)) => "10: jobs that wait for each other",
        false => "10: a lock that is never released",
    };
    gotcha(Code::Deadlock, text)
}

fn next_step(waits: &[Wait]) -> &'static str {
    if waits.iter().any(|wait| wait.call == IMPORT) {
        return "do not wait for other threads in the body of a module: do it in a function, to be called after the import";
    }
    let joins = waits.iter().filter(|wait| is_thread(&wait.object)).count();
    let jobs = waits.iter().filter(|wait| is_job(&wait.object)).count();
    if jobs == waits.len() {
        return "do not wait in a job for another job of the same pool, or give those jobs a pool of their own";
    }
    if jobs > 0 {
        return "release the lock before you wait for a job that needs it";
    }
    match (waits.len(), joins) {
        (1, 0) => "use an RLock, or do not call code that takes the lock while you hold it",
        (n, joins) if n == joins => "let only one thread join the other, or let a third one join them all",
        (_, 0) => "take the locks in the same order in every thread, or give the first back before taking the second",
        _ => "release the lock before you join a thread that needs it",
    }
}

fn all(waits: &[Wait], is: impl Fn(&str) -> bool) -> bool {
    waits.iter().all(|wait| is(&wait.object.kind)) && !waits.is_empty()
}
