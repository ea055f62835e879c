//! `RD008`: the threads that did not stop when the program ended.

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, Whereabouts};

use super::lists::section;
use super::{SHOWN, gotcha, help};
use crate::page::{Mark, Report, Section};
use crate::words::{Names, clean, spot, threads};

pub(crate) fn report(left: &[Whereabouts], names: &Names) -> Report {
    let title = format!("{} did not stop when the program ended, and {} left behind", threads(left.len()), be(left));
    let (shown, rest) = left.split_at(left.len().min(SHOWN));
    let last = [
        gotcha(Code::LeftBehind, "5b: a thread that is cut off; what it had not written yet is lost"),
        help("have it wait in calls that can be stopped, call checkpoint() in its loops, or give it more grace"),
    ];
    Report {
        level: Level::WARNING,
        code: Code::LeftBehind.id(),
        title,
        sections: std::iter::once(Section::default()).chain(shown.iter().map(|leaked| show(leaked, names))).collect(),
        notes: rest.iter().map(|leaked| (Level::NOTE, line(leaked, names))).chain(last).collect(),
    }
}

fn be(left: &[Whereabouts]) -> &'static str {
    if left.len() == 1 { "is" } else { "are" }
}

/// `'B' (started by 'A' at app.py:9) is at app.py:21 in work`.
pub(crate) fn line(leaked: &Whereabouts, names: &Names) -> String {
    if let Some(wait) = &leaked.wait {
        return super::wait_line(wait, names);
    }
    let who = names.with_origin(&leaked.thread);
    match leaked.stack.first() {
        Some(place) => format!("{who} is at {} in {}", spot(place), clean(&place.function)),
        None => format!("{who} is running"),
    }
}

pub(super) fn show(leaked: &Whereabouts, names: &Names) -> Section {
    if let Some(wait) = &leaked.wait {
        return section(wait, names);
    }
    let name = names.thread(&leaked.thread);
    let calls = leaked.stack.iter().enumerate().map(|(depth, place)| {
        let function = clean(&place.function);
        match depth {
            0 => Mark::main(&Some(place.clone()), format!("{name} is here, in {function}")),
            _ => Mark::context(&Some(place.clone()), format!("called from here, in {function}")),
        }
    });
    Section { title: format!("{} runs on", names.with_origin(&leaked.thread)), marks: calls.collect() }
}
