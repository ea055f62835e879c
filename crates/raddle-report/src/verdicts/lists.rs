//! `RD002`, `RD005` and `RD007`: a list of threads and what each waits for.

use annotate_snippets::Level;
use raddle::graph::verdict::{Cause, Code, ThreadInfo, Wait};

use super::{SHOWN, gotcha, help, waits_here};
use crate::page::{Mark, Report, Section};
use crate::words::{Names, awaited, is_thread, spot, threads, waited};

type Note = (Level<'static>, String);

pub(crate) fn stalled(waits: &[Wait], names: &Names) -> Report {
    let title = match waits.len() {
        1 => "stalled: the only thread sleeps and nothing can wake it".to_owned(),
        count => format!("stalled: all {} sleep and nothing can wake one", threads(count)),
    };
    let last = [
        gotcha(Code::Stalled, "10: a thread that waits for what nobody will do"),
        help("find out who was to set, put, notify or release this; a thread that does so may have ended early"),
    ];
    list(Level::WARNING, Code::Stalled, title, waits.iter().collect(), names, last)
}

pub(crate) fn keeps_alive(cause: Cause, all: &[(ThreadInfo, Option<Wait>)], names: &Names) -> Report {
    let waits = all.iter().filter_map(|(_, wait)| wait.as_ref()).collect();
    let running: Vec<_> = all.iter().filter(|(_, wait)| wait.is_none()).map(|(thread, _)| thread).collect();
    let keep = if all.len() == 1 { "keeps" } else { "keep" };
    let title = format!("{}{} {keep} the program alive after its main thread is done", why(cause), threads(all.len()));
    let last = [
        gotcha(Code::KeepsAlive, "5a: threads that freeze the program at its end"),
        help("tell these threads to stop before the main thread returns, or make them daemon threads"),
    ];
    let mut report = list(Level::WARNING, Code::KeepsAlive, title, waits, names, last);
    if cause == Cause::Interrupt {
        let text = "they have been asked to stop; Ctrl-C once more ends the program at once";
        report.notes.insert(0, (Level::NOTE, text.to_owned()));
    }
    add_running(&mut report, &running, names);
    report
}

pub(crate) fn longest(waits: &[Wait], running: &[ThreadInfo], names: &Names) -> Report {
    let title = match waits {
        [] => "no thread waits for anything that raddle knows".to_owned(),
        _ => format!("who has waited longest for what ({})", threads(waits.len())),
    };
    let last = [
        gotcha(Code::LongestWaits, "4: what each thread is doing"),
        help("ask again after a while: a wait that only grows is the one to look at"),
    ];
    let mut report = list(Level::NOTE, Code::LongestWaits, title, waits.iter().collect(), names, last);
    add_running(&mut report, &running.iter().collect::<Vec<_>>(), names);
    report
}

/// `'B' (started by 'A' at app.py:9) waits 0.2 s for Lock 'audit' (held by 'A') at app.py:21`.
pub(crate) fn wait_line(wait: &Wait, names: &Names) -> String {
    let time = waited(wait.since).map(|time| format!(" {time}")).unwrap_or_default();
    let place = wait.at.as_ref().map(|place| format!(" at {}", spot(place))).unwrap_or_default();
    format!("{} waits{time} for {}{place}", names.with_origin(&wait.thread), names.held(&wait.object))
}

fn list(level: Level<'static>, code: Code, title: String, waits: Vec<&Wait>, names: &Names, last: [Note; 2]) -> Report {
    let (shown, rest) = waits.split_at(waits.len().min(SHOWN));
    let sections = shown.iter().map(|wait| section(wait, names));
    Report {
        level,
        code: code.id(),
        title,
        sections: std::iter::once(Section::default()).chain(sections).collect(),
        notes: rest.iter().map(|wait| (Level::NOTE, wait_line(wait, names))).chain(last).collect(),
    }
}

pub(super) fn section(wait: &Wait, names: &Names) -> Section {
    let object = &wait.object;
    let title = format!("{} waits for {}", names.with_origin(&wait.thread), awaited(object));
    let mut marks = vec![Mark::main(&wait.at, waits_here(wait, names))];
    if let Some(holder) = object.holder.as_ref().filter(|holder| holder.taken_at.is_some() && !is_thread(object)) {
        let label = format!("{} took it here", names.thread(&holder.thread));
        marks.push(Mark::context(&holder.taken_at, label));
    }
    Section { title, marks }
}

fn add_running(report: &mut Report, running: &[&ThreadInfo], names: &Names) {
    if !running.is_empty() {
        let text = format!("running, not waiting for anything that raddle knows: {}", names.list(running));
        report.notes.insert(0, (Level::NOTE, text));
    }
}

fn why(cause: Cause) -> String {
    match cause {
        Cause::Interrupt => "Ctrl-C: ".to_owned(),
        Cause::Terminate => "SIGTERM: ".to_owned(),
        Cause::Quit => "SIGQUIT: ".to_owned(),
        Cause::Asleep => "asleep without a time limit: ".to_owned(),
        Cause::Notice(after) => format!("after {:.1} s: ", after.as_secs_f64()),
    }
}
