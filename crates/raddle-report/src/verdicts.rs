//! What is said about each kind of verdict, and in which order.

mod cut_off;
mod deadlock;
mod died;
mod inversion;
mod left_behind;
mod lists;
mod long_hold;
mod orphaned;
mod owner_dead;
mod unasked;

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, Ending, Holder, Place, ThreadInfo, Verdict, Wait};

use crate::page::{Mark, Report, Section};
use crate::words::{Names, clean, origin, waited};

/// How many threads are shown with their source; the others get a line each.
const SHOWN: usize = 6;

/// Everything that a reader is told about a verdict.
pub(crate) fn report(verdict: &Verdict) -> Report {
    let names = Names::of(verdict);
    match verdict {
        Verdict::Deadlock { cycle, outcome } => deadlock::report(&cycle.waits, *outcome, &names),
        Verdict::Stalled { waits } => lists::stalled(waits, &names),
        Verdict::Died { thread, error, at, joiners, held } => {
            let report = died::report(thread, error, at, joiners, &names);
            if *held { died::held(report) } else { report }
        }
        Verdict::Unasked { job, error, at } => unasked::report(job, error, at),
        Verdict::OwnerDead { wait, .. } => owner_dead::report(wait, &names),
        Verdict::Orphaned { wait } => orphaned::report(wait, &names),
        Verdict::KeepsAlive { cause, threads } => lists::keeps_alive(*cause, threads, &names),
        Verdict::Inversion { circle } => inversion::report(circle, &names),
        Verdict::LongestWaits { waits, running } => lists::longest(waits, running, &names),
        Verdict::LeftBehind { threads } => left_behind::report(threads, &names),
        Verdict::CutOff { threads } => cut_off::report(threads, &names),
        Verdict::LongHold { object, holder, held, waits } => long_hold::report((object, *held), holder, waits, &names),
    }
}

pub(crate) use cut_off::{headline as cut_off, line as cut_off_line};
pub(crate) use deadlock::{edge, headline};
pub(crate) use inversion::{headline as inversion, nested_line};
pub(crate) use left_behind::line as whereabouts_line;
pub(crate) use lists::wait_line;
pub(crate) use long_hold::{headline as long_hold, taken_line};
pub(crate) use orphaned::headline as orphaned;
pub(crate) use unasked::headline as unasked;

/// `gotcha 10: a lock that is never released; see ...`.
fn gotcha(code: Code, text: &str) -> (Level<'static>, String) {
    (Level::NOTE, format!("gotcha {text}; see `raddle explain {}`", code.id()))
}

fn help(text: &str) -> (Level<'static>, String) {
    (Level::HELP, text.to_owned())
}

fn raised(at: &Option<Place>) -> String {
    match at {
        Some(_) => "raised here".to_owned(),
        None => "it is not known where the error was raised".to_owned(),
    }
}

/// `'worker' was started by 'MainThread' here`; nothing for threads whose start nobody saw.
fn started(thread: &ThreadInfo, names: &Names) -> Option<Section> {
    let name = names.thread(thread);
    let Some(place) = &thread.started_at else {
        let title = format!("{name} was {}", origin(thread)?);
        return Some(Section { title, marks: Vec::new() });
    };
    let by = thread.started_by.as_ref().map(|by| format!(" by '{}'", clean(by))).unwrap_or_default();
    let marks = vec![Mark::main(&Some(place.clone()), String::new())];
    Some(Section { title: format!("{name} was started{by} here"), marks })
}

/// `'B' waits here for Lock 'audit' (held by 'A'), 0.2 s so far`.
fn waits_here(wait: &Wait, names: &Names) -> String {
    format!("{} waits here for {}{}", names.thread(&wait.thread), names.held(&wait.object), so_far(wait))
}

/// `, 0.2 s so far`.
fn so_far(wait: &Wait) -> String {
    let time = waited(wait.since).map(|time| format!(", {time} so far")).unwrap_or_default();
    let limit = if wait.timed { ", with a time limit" } else { "" };
    format!("{time}{limit}")
}

/// Where a thread took something: its own target can be what took it, as in `Thread(target=lock.acquire)`, and then there
/// is no line to show.
fn taken_where(holder: &Holder) -> &'static str {
    match (&holder.taken_at, &holder.thread.started_at) {
        (Some(_), _) => "here",
        (None, Some(_)) => "in its target, which has no line of its own",
        (None, None) => "at a place that is not known",
    }
}

/// How a thread ended, as in `'worker' ended by ...`.
fn ending(ended: &Ending) -> String {
    match ended {
        Ending::Finished => "its function returned".to_owned(),
        Ending::Failed(error) => format!("it died: {}", clean(error)),
        Ending::Stopped(by) => format!("it was {}", clean(by)),
    }
}
