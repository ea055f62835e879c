//! `RD003` for a job: the line that raised, and who submitted it where. Its thread lives on, and the future keeps the error.

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, Place, ThreadInfo};

use super::{gotcha, help, raised};
use crate::page::{Mark, Report, Section};
use crate::words::clean;

pub(crate) fn report(job: &ThreadInfo, error: &str, at: &Option<Place>) -> Report {
    let mut sections = vec![Section { title: String::new(), marks: vec![Mark::main(at, raised(at))] }];
    sections.extend(submitted(job));
    Report {
        level: Level::ERROR,
        code: Code::Died.id(),
        title: headline(job, error),
        sections,
        notes: vec![
            gotcha(Code::Died, "7a: a future keeps the error of its job to itself"),
            help("ask the future for its result(), which raises the error"),
        ],
    }
}

/// `a job of 'pool_0' failed, and nobody asked its future: ValueError: no such account`.
pub(crate) fn headline(job: &ThreadInfo, error: &str) -> String {
    format!("a job of '{}' failed, and nobody asked its future: {}", clean(&job.name), clean(error))
}

fn submitted(job: &ThreadInfo) -> Option<Section> {
    let (by, place) = (job.started_by.as_ref()?, job.started_at.clone()?);
    let title = format!("it was submitted by '{}' here", clean(by));
    Some(Section { title, marks: vec![Mark::main(&Some(place), String::new())] })
}
