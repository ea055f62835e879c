//! `RD004`: who waits, for whose lock, and how that thread ended.

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, Holder, Wait};

use super::{ending, gotcha, help, so_far, started, taken_where};
use crate::page::{Mark, Report, Section};
use crate::words::{Names, thing};

pub(crate) fn report(wait: &Wait, names: &Names) -> Report {
    let mut sections = vec![waiting(wait, names)];
    if let Some(holder) = &wait.object.holder {
        sections.push(taken(wait, holder, names));
        sections.extend(started(&holder.thread, names));
    }
    sections.extend(started(&wait.thread, names));
    Report {
        level: Level::ERROR,
        code: Code::OwnerDead.id(),
        title: format!("{} waits for {} of a thread that has ended", names.thread(&wait.thread), thing(&wait.object)),
        sections,
        notes: vec![
            gotcha(Code::OwnerDead, "10: a lock that is never released"),
            help("take the lock by `with`, or release it in `finally`, so that it is given back however a thread ends"),
        ],
    }
}

fn waiting(wait: &Wait, names: &Names) -> Section {
    let label = format!("{} waits here for {}{}", names.thread(&wait.thread), thing(&wait.object), so_far(wait));
    Section { title: String::new(), marks: vec![Mark::main(&wait.at, label)] }
}

fn taken(wait: &Wait, holder: &Holder, names: &Names) -> Section {
    let who = names.thread(&holder.thread);
    let end = holder.ended.as_ref().map(|ended| format!(" ({})", ending(ended))).unwrap_or_default();
    let label = format!("{who} took {} {}", thing(&wait.object), taken_where(holder));
    Section {
        title: format!("{who} ended without giving it back{end}"),
        marks: vec![Mark::main(&holder.taken_at, label)],
    }
}
