//! `RD013`: who holds what, where that thread is now, and who waits.

use std::time::Duration;

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, ObjectInfo, Wait, Whereabouts};

use super::left_behind::show;
use super::lists::section;
use super::{SHOWN, gotcha, help, taken_where, wait_line};
use crate::page::{Mark, Report, Section};
use crate::words::{Names, spot, thing, threads, waited};

pub(crate) fn report(
    (object, held): (&ObjectInfo, Duration),
    holder: &Whereabouts,
    waits: &[Wait],
    names: &Names,
) -> Report {
    let (shown, rest) = waits.split_at(waits.len().min(SHOWN));
    let notes = rest.iter().map(|wait| (Level::NOTE, wait_line(wait, names)));
    let last = [
        gotcha(Code::LongHold, "10a: mirror every acquire with a release"),
        help("do what takes long before the lock is taken or after it was given back; take it by `with`"),
    ];
    Report {
        level: Level::WARNING,
        code: Code::LongHold.id(),
        title: headline((object, held), holder, waits, names),
        sections: std::iter::once(taken(object, holder, names))
            .chain([show(holder, names)])
            .chain(shown.iter().map(|wait| waiting(wait, names)))
            .collect(),
        notes: notes.chain(last).collect(),
    }
}

/// `'A' has held Lock 'audit' for 1.0 s or longer, and 'B' waits for it`.
pub(crate) fn headline(
    (object, held): (&ObjectInfo, Duration),
    holder: &Whereabouts,
    waits: &[Wait],
    names: &Names,
) -> String {
    let time = waited(held).map(|time| format!(" for {time} or longer")).unwrap_or_default();
    let who = match waits {
        [] => "somebody waits".to_owned(),
        [wait] => format!("{} waits", names.thread(&wait.thread)),
        _ => format!("{} wait", threads(waits.len())),
    };
    format!("{} has held {}{time}, and {who} for it", names.thread(&holder.thread), thing(object))
}

/// `Lock 'audit' was taken by 'A' at app.py:9`.
pub(crate) fn taken_line(object: &ObjectInfo, holder: &Whereabouts, names: &Names) -> String {
    let place = object.holder.as_ref().and_then(|holder| holder.taken_at.as_ref());
    let at = place.map(|place| format!(" at {}", spot(place))).unwrap_or_default();
    format!("{} was taken by {}{at}", thing(object), names.with_origin(&holder.thread))
}

fn taken(object: &ObjectInfo, holder: &Whereabouts, names: &Names) -> Section {
    let Some(hold) = &object.holder else { return Section::default() };
    let label = format!("{} took {} {}", names.thread(&holder.thread), thing(object), taken_where(hold));
    Section { title: String::new(), marks: vec![Mark::main(&hold.taken_at, label)] }
}

/// Without the place where the lock was taken, which is shown already.
fn waiting(wait: &Wait, names: &Names) -> Section {
    let mut section = section(wait, names);
    section.marks.truncate(1);
    section
}
