//! `RD003`, likely: who waits, for what, and how those ended who have given it so far.

use annotate_snippets::Level;
use raddle::graph::verdict::{Code, Producer, Wait};

use super::{SHOWN, ending, gotcha, help, so_far, started};
use crate::page::{Mark, Report, Section};
use crate::words::{Names, thing};

pub(crate) fn report(wait: &Wait, names: &Names) -> Report {
    let label = format!("{} waits here for {}{}", names.thread(&wait.thread), thing(&wait.object), so_far(wait));
    let waiting = Section { title: String::new(), marks: vec![Mark::main(&wait.at, label)] };
    let shown = wait.object.producers.iter().take(SHOWN);
    let producers = shown.flat_map(|producer| [Some(ended(producer, names)), started(&producer.thread, names)]);
    Report {
        level: Level::WARNING,
        code: Code::Died.id(),
        title: headline(wait, names),
        sections: std::iter::once(waiting).chain(producers.flatten()).chain(started(&wait.thread, names)).collect(),
        notes: vec![
            (Level::NOTE, "a guess: a thread that has not put anything so far may still do so".to_owned()),
            gotcha(Code::Died, "7a: a thread's error does not reach the thread that waits for its results"),
            help("put a last item, such as None, in the `finally` of each producer, so that its end is heard of"),
        ],
    }
}

/// `'MainThread' likely waits for ever for Queue 'jobs', so far fed only by 'worker', which died`.
pub(crate) fn headline(wait: &Wait, names: &Names) -> String {
    let (who, what) = (names.thread(&wait.thread), thing(&wait.object));
    format!("{who} likely waits for ever: {what} was fed only by {}", names.producers(&wait.object))
}

fn ended(producer: &Producer, names: &Names) -> Section {
    let title = format!("{} put into it and ended ({})", names.thread(&producer.thread), ending(&producer.ended));
    Section { title, marks: Vec::new() }
}
