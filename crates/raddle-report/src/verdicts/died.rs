//! `RD003`: the line that raised, who started the thread, and who still waits for it.

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, Place, ThreadInfo, Wait};

use super::{SHOWN, gotcha, help, raised, started, wait_line, waits_here};
use crate::page::{Mark, Report, Section};
use crate::words::{Names, clean};

pub(crate) fn report(thread: &ThreadInfo, error: &str, at: &Option<Place>, joiners: &[Wait], names: &Names) -> Report {
    let shown = joiners.len().min(SHOWN);
    let raised = Section { title: String::new(), marks: vec![Mark::main(at, raised(at))] };
    let mut sections = vec![raised];
    sections.extend(started(thread, names));
    sections.extend(joiners[..shown].iter().map(|wait| joiner(wait, names)));
    let mut notes: Vec<_> = joiners[shown..].iter().map(|wait| (Level::NOTE, wait_line(wait, names))).collect();
    notes.extend([
        gotcha(Code::Died, "7a: a thread's error does not reach the thread that joins it"),
        help("catch the error in the thread's own function, and hand it over with the result"),
    ]);
    Report {
        level: Level::ERROR,
        code: Code::Died.id(),
        title: format!("{} died: {}", names.thread(thread), clean(error)),
        sections,
        notes,
    }
}

/// The same of a thread whose `join` raises its error.
pub(crate) fn held(mut report: Report) -> Report {
    report.notes.truncate(report.notes.len() - 2);
    report.notes.extend([
        gotcha(Code::Died, "7a: an error that nobody takes is easily overlooked"),
        help("join the thread, which raises the error, or give it on_exception="),
    ]);
    report
}

fn joiner(wait: &Wait, names: &Names) -> Section {
    let title = format!("{} waits for its end and will not see the error", names.thread(&wait.thread));
    Section { title, marks: vec![Mark::main(&wait.at, waits_here(wait, names))] }
}
