//! `RD006`: for each thread of the circle where it took its first lock, and where the second.

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, Nested};

use super::{SHOWN, gotcha, help, started};
use crate::page::{Mark, Report, Section};
use crate::words::{Names, reads_on, spot, thing};

pub(crate) fn report(circle: &[Nested], names: &Names) -> Report {
    let (shown, rest) = circle.split_at(circle.len().min(SHOWN));
    let mut notes: Vec<_> = rest.iter().map(|nested| (Level::NOTE, nested_line(nested, names))).collect();
    notes.extend([
        (Level::NOTE, format!("nothing hangs yet: it will when {} do so at the same moment", all(circle))),
        gotcha(Code::Inversion, "10: a lock that is never released"),
        help("take the locks in the same order in every thread, or give the first back before taking the second"),
    ]);
    Report {
        level: Level::WARNING,
        code: Code::Inversion.id(),
        title: headline(circle),
        sections: shown.iter().flat_map(|nested| sections(nested, names)).collect(),
        notes,
    }
}

/// `lock order: 2 threads take the same locks in opposite orders`.
pub(crate) fn headline(circle: &[Nested]) -> String {
    match circle.len() {
        2 => "lock order: 2 threads take the same locks in opposite orders".to_owned(),
        count => format!("lock order: {count} threads take {count} locks in a circle"),
    }
}

/// `'A' (started by 'MainThread' at app.py:9) took Lock 'accounts' at app.py:20, then Lock 'audit' at app.py:21`.
pub(crate) fn nested_line(nested: &Nested, names: &Names) -> String {
    let at = |place: &Option<_>| place.as_ref().map(|place| format!(" at {}", spot(place))).unwrap_or_default();
    let (first, second) = (thing(&nested.first), thing(&nested.second));
    let (first_at, second_at) = (at(&nested.first_at), at(&nested.second_at));
    format!("{} took {first}{first_at}, then {second}{second_at}", names.with_origin(&nested.thread))
}

fn all(circle: &[Nested]) -> String {
    if circle.len() == 2 { "both".to_owned() } else { format!("all {}", circle.len()) }
}

fn sections(nested: &Nested, names: &Names) -> Vec<Section> {
    let who = names.thread(&nested.thread);
    let title = format!("{who} took {}, then {}", thing(&nested.first), thing(&nested.second));
    let both = Section { title, marks: marks(nested, &who) };
    std::iter::once(both).chain(started(&nested.thread, names)).collect()
}

fn marks(nested: &Nested, who: &str) -> Vec<Mark> {
    let (first, second) = (thing(&nested.first), thing(&nested.second));
    if nested.first_at.is_some() && nested.first_at == nested.second_at {
        return vec![Mark::main(&nested.second_at, format!("{who} took {first} here, and then {second}"))];
    }
    let here = |place: &Option<_>| if place.is_some() { "here" } else { "at a place that is not known" };
    let (first_at, second_at) = (here(&nested.first_at), here(&nested.second_at));
    let then = match reads_on(&nested.first_at, &nested.second_at) {
        true => format!("... and, with that in hand, {second} {second_at}"),
        false => format!("{who} took {second} {second_at}, with {first} in hand"),
    };
    vec![Mark::context(&nested.first_at, format!("{who} took {first} {first_at}")), Mark::main(&nested.second_at, then)]
}
