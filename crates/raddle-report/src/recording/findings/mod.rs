//! What only the whole of a recording shows: sums that nobody could be told of while the program ran.
//!
//! A healthy program has locks that are waited for, threads that sleep, and a GIL. So each finding has a least size, below which
//! it says nothing: what it tells of has to cost a good part of the time of those whom it concerns.

mod gil;
mod locks;
mod processors;

use std::time::Duration;

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, ThreadInfo};

use super::story::Recording;
use crate::page::{Report, print};
use crate::style::Style;
use crate::words::{origin, waited};

/// Less than this in all is nothing to speak of.
const LEAST: Duration = Duration::from_millis(500);

/// So many threads get a line each.
const LISTED: usize = 8;

impl Recording {
    /// What only the whole of it shows: code and text, as verdicts are told.
    pub(super) fn findings(&self) -> Vec<(Code, String)> {
        let reports = locks::find(self).into_iter().chain(gil::find(self)).chain(processors::find(self));
        reports.map(|(code, report)| (code, print(report, &Style::plain()))).collect()
    }

    /// `'worker' (started by 'MainThread' at app.py:9)`.
    fn with_origin(&self, thread: &ThreadInfo) -> String {
        let name = self.name_of(thread.serial);
        origin(thread).map_or(name.clone(), |origin| format!("{name} ({origin})"))
    }
}

fn warning(code: Code, title: String) -> Report {
    Report { level: Level::WARNING, code: code.id(), title, sections: Vec::new(), notes: Vec::new() }
}

fn long(time: Duration) -> String {
    waited(time).unwrap_or_else(|| "0 ms".to_owned())
}

/// `66 %`.
fn percent(part: Duration, whole: Duration) -> String {
    format!("{:.0} %", share(part, whole) * 100.0)
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}

fn note(text: String) -> (Level<'static>, String) {
    (Level::NOTE, text)
}

fn help(text: String) -> (Level<'static>, String) {
    (Level::HELP, text)
}

fn explained(code: Code) -> (Level<'static>, String) {
    note(format!("see `raddle explain {}`", code.id()))
}
