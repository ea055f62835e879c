//! `RD011`: the daemon threads that were cut off, where each was, and what its files lack.

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, CutOff, Unwritten};

use super::{SHOWN, gotcha, help, started};
use crate::page::{Mark, Report, Section};
use crate::words::{Names, awaited, clean, path, spot, threads};

/// How many files of a thread are named.
const NAMED: usize = 3;

pub(crate) fn report(all: &[CutOff], names: &Names) -> Report {
    let (shown, rest) = all.split_at(all.len().min(SHOWN));
    let mut sections: Vec<_> = match shown {
        [only] => vec![Section { title: String::new(), marks: marks(only, names) }],
        _ => std::iter::once(Section::default()).chain(shown.iter().map(|thread| titled(thread, names))).collect(),
    };
    if let [only] = shown {
        sections.extend(started(&only.at.thread, names));
    }
    let last = [
        gotcha(Code::CutOff, "5b: a thread that is cut off; what it had not written yet is lost"),
        help("have it stop before the end, and join it; or let a thread that is no daemon write, in a `with` block"),
    ];
    Report {
        level: Level::WARNING,
        code: Code::CutOff.id(),
        title: headline(all, names),
        sections,
        notes: rest.iter().map(|thread| (Level::NOTE, line(thread, names))).chain(last).collect(),
    }
}

/// `'writer' was cut off by the end of the program, and 120 bytes for out.txt were never written`.
pub(crate) fn headline(all: &[CutOff], names: &Names) -> String {
    match all {
        [only] => {
            let who = names.thread(&only.at.thread);
            format!("{who} was cut off by the end of the program, and {} never written", lost(&only.files))
        }
        _ => format!("{} were cut off by the end of the program in the middle of writing", threads(all.len())),
    }
}

/// `'writer' (started by 'A' at app.py:9) was at app.py:7, and 120 bytes for out.txt were never written`.
pub(crate) fn line(thread: &CutOff, names: &Names) -> String {
    let at = thread.at.wait.as_ref().and_then(|wait| wait.at.as_ref()).or(thread.at.stack.first());
    let at = at.map(|place| format!(" at {}", spot(place))).unwrap_or_default();
    format!("{} was cut off{at}, and {} never written", names.with_origin(&thread.at.thread), lost(&thread.files))
}

/// `120 bytes for out.txt and 7 bytes for log.txt were`.
fn lost(files: &[Unwritten]) -> String {
    let (named, others) = files.split_at(files.len().min(NAMED));
    let one = |file: &Unwritten| format!("{} for {}", bytes(file.bytes), path(&file.file));
    let mut parts: Vec<_> = named.iter().map(one).collect();
    let unnamed = others.iter().fold(0u64, |sum, file| sum.saturating_add(file.bytes));
    if unnamed > 0 {
        parts.push(format!("{} for {} more", bytes(unnamed), others.len()));
    }
    let is_one = matches!(files, [Unwritten { bytes: 1, .. }]);
    let last = parts.pop().unwrap_or_default();
    let all = if parts.is_empty() { last } else { format!("{} and {last}", parts.join(", ")) };
    format!("{all} {}", if is_one { "was" } else { "were" })
}

fn bytes(count: u64) -> String {
    format!("{count} byte{}", if count == 1 { "" } else { "s" })
}

fn titled(thread: &CutOff, names: &Names) -> Section {
    let title = format!("{}: {} never written", names.with_origin(&thread.at.thread), lost(&thread.files));
    Section { title, marks: marks(thread, names) }
}

fn marks(thread: &CutOff, names: &Names) -> Vec<Mark> {
    let name = names.thread(&thread.at.thread);
    if let Some(wait) = &thread.at.wait {
        return vec![Mark::main(&wait.at, format!("{name} waited here for {}", awaited(&wait.object)))];
    }
    let calls = thread.at.stack.iter().enumerate().map(|(depth, place)| {
        let (place, function) = (Some(place.clone()), clean(&place.function));
        match depth {
            0 => Mark::main(&place, format!("{name} was here, in {function}")),
            _ => Mark::context(&place, format!("called from here, in {function}")),
        }
    });
    calls.collect()
}
