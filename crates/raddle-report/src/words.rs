//! The words that every report uses: who, what, where, how long.
//!
//! Two threads may have one name, and a report in which `'worker'` waits for `'worker'` helps nobody: [`Names`] adds
//! the serial to names that occur twice in a verdict. Everything that comes out of the program passes [`clean`], so
//! that a name cannot move the cursor or fill the screen.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use raddle::graph::verdict::{
    Ending, Holder, ObjectInfo, Place, Producer, ThreadInfo, ThreadKind, Verdict, Wait, Whereabouts,
};

const LONGEST: usize = 200;

/// Text from the program on one line, without control characters, cut where it is very long.
pub(crate) fn clean(text: &str) -> String {
    let mut out: String = text.chars().take(LONGEST).map(visible).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// A line of text that was written for people, whole, without control characters.
pub(crate) fn printable(line: &str) -> String {
    line.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// How the threads of one verdict are called.
pub(crate) struct Names {
    serials: HashMap<String, Vec<u64>>,
}

impl Names {
    pub(crate) fn of(verdict: &Verdict) -> Self {
        let mut names = Names { serials: HashMap::new() };
        threads_in(verdict).into_iter().for_each(|thread| names.add(thread));
        names
    }

    fn add(&mut self, thread: &ThreadInfo) {
        let serials = self.serials.entry(thread.name.clone()).or_default();
        if !serials.contains(&thread.serial) {
            serials.push(thread.serial);
        }
    }

    /// `'worker'`, or `'worker' (#7)` where there are several.
    pub(crate) fn thread(&self, thread: &ThreadInfo) -> String {
        let name = clean(&thread.name);
        match self.serials.get(&thread.name) {
            Some(serials) if serials.len() > 1 => format!("'{name}' (#{})", thread.serial),
            _ => format!("'{name}'"),
        }
    }

    /// `'worker' (started by 'MainThread' at app.py:9)`.
    pub(crate) fn with_origin(&self, thread: &ThreadInfo) -> String {
        match origin(thread) {
            Some(origin) => format!("{} ({origin})", self.thread(thread)),
            None => self.thread(thread),
        }
    }

    /// `Lock 'audit' (held by 'B')`.
    pub(crate) fn held(&self, object: &ObjectInfo) -> String {
        match &object.holder {
            Some(holder) if is_job(object) => {
                format!("{} (needs {})", awaited(object), self.thread(&holder.thread))
            }
            Some(holder) if !is_thread(object) => {
                format!("{} (held by {})", awaited(object), self.thread(&holder.thread))
            }
            None if !object.producers.is_empty() => {
                format!("{} (so far fed only by {})", awaited(object), self.producers(object))
            }
            _ => awaited(object),
        }
    }

    /// `'A', which died, and 'B', which has ended`.
    pub(crate) fn producers(&self, object: &ObjectInfo) -> String {
        let one = |producer: &Producer| {
            let end = if matches!(producer.ended, Ending::Failed(_)) { "died" } else { "has ended" };
            format!("{}, which {end}", self.thread(&producer.thread))
        };
        object.producers.iter().map(one).collect::<Vec<_>>().join(", and ")
    }

    /// `'A', 'B' (started by 'A' at app.py:9)`.
    pub(crate) fn list(&self, threads: &[&ThreadInfo]) -> String {
        threads.iter().map(|thread| self.with_origin(thread)).collect::<Vec<_>>().join(", ")
    }
}

fn threads_in(verdict: &Verdict) -> Vec<&ThreadInfo> {
    match verdict {
        Verdict::Deadlock { cycle, .. } => cycle.waits.iter().flat_map(threads_of).collect(),
        Verdict::Stalled { waits } => waits.iter().flat_map(threads_of).collect(),
        Verdict::Died { thread, joiners, .. } => {
            std::iter::once(&**thread).chain(joiners.iter().map(|wait| &wait.thread)).collect()
        }
        Verdict::Unasked { job, .. } => vec![job],
        Verdict::OwnerDead { wait, .. } | Verdict::Orphaned { wait } => threads_of(wait).collect(),
        Verdict::KeepsAlive { threads, .. } => {
            let waits = threads.iter().filter_map(|(_, wait)| wait.as_ref());
            threads.iter().map(|(thread, _)| thread).chain(waits.flat_map(threads_of)).collect()
        }
        Verdict::Inversion { circle } => circle.iter().map(|nested| &nested.thread).collect(),
        Verdict::LongestWaits { waits, running } => waits.iter().flat_map(threads_of).chain(running).collect(),
        Verdict::LeftBehind { threads } => threads.iter().flat_map(threads_at).collect(),
        Verdict::CutOff { threads } => threads.iter().flat_map(|thread| threads_at(&thread.at)).collect(),
        Verdict::LongHold { object, holder, waits, .. } => {
            let holding = object.holder.iter().map(|holder| &holder.thread);
            holding.chain(threads_at(holder)).chain(waits.iter().flat_map(threads_of)).collect()
        }
    }
}

fn threads_of(wait: &Wait) -> impl Iterator<Item = &ThreadInfo> {
    let producers = wait.object.producers.iter().map(|producer| &producer.thread);
    std::iter::once(&wait.thread).chain(wait.object.holder.iter().map(|holder| &holder.thread)).chain(producers)
}

fn threads_at(whereabouts: &Whereabouts) -> impl Iterator<Item = &ThreadInfo> {
    std::iter::once(&whereabouts.thread).chain(whereabouts.wait.iter().flat_map(threads_of))
}

/// `started by 'MainThread' at app.py:9`; `None` for the main thread and where nothing is known.
pub(crate) fn origin(thread: &ThreadInfo) -> Option<String> {
    let by = thread.started_by.as_ref().map(|name| format!(" by '{}'", clean(name)));
    let at = thread.started_at.as_ref().map(|place| format!(" at {}", spot(place)));
    match (thread.kind, by, at) {
        (_, None, None) if thread.kind == ThreadKind::Foreign => Some("not started by raddle".to_owned()),
        (_, None, None) => None,
        (_, by, at) => Some(format!("started{}{}", by.unwrap_or_default(), at.unwrap_or_default())),
    }
}

/// Whether the object is the end of a thread, so that waiting for it is a join.
pub(crate) fn is_thread(object: &ObjectInfo) -> bool {
    object.kind == "Thread"
}

/// `Lock 'Account.lock#1'`.
pub(crate) fn thing(object: &ObjectInfo) -> String {
    match (object.kind.as_str(), object.name.as_str()) {
        ("", "") => "an object without a name".to_owned(),
        (kind, "") => format!("a {}", clean(kind)),
        ("", name) => format!("'{}'", clean(name)),
        (kind, name) => format!("{} '{}'", clean(kind), clean(name)),
    }
}

/// Whether the object is what will come of a job: it is not taken by anybody, but some thread has to do it.
pub(crate) fn is_job(object: &ObjectInfo) -> bool {
    matches!(object.kind.as_str(), "Future" | "Task")
}

/// What a thread waits for: `Lock 'audit'`, or `Thread 'B' to end`.
pub(crate) fn awaited(object: &ObjectInfo) -> String {
    if is_thread(object) { format!("{} to end", thing(object)) } else { thing(object) }
}

/// `0.2 s`; `None` if no time has passed to speak of.
pub(crate) fn waited(since: Duration) -> Option<String> {
    let seconds = since.saturating_add(Duration::from_millis(500)).as_secs();
    match since.as_millis() {
        0 => None,
        millis @ 1..=49 => Some(format!("{millis} ms")),
        50..=59_949 => Some(format!("{:.1} s", since.as_secs_f64())),
        _ if seconds < 3600 => Some(format!("{} min {} s", seconds / 60, seconds % 60)),
        _ => Some(format!("{} h {} min", seconds / 3600, seconds / 60 % 60)),
    }
}

/// `app.py:9`, relative to the current directory if it is below it.
pub(crate) fn spot(place: &Place) -> String {
    format!("{}:{}", path(&place.file), place.line)
}

/// A file's name as a reader would type it here.
pub(crate) fn path(file: &str) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| Path::new(file).strip_prefix(here).ok().map(Path::to_path_buf));
    match below.as_deref().and_then(Path::to_str) {
        Some(short) if !short.is_empty() => clean(short),
        _ => clean(file),
    }
}

/// The holder of an object, if it is that thread.
pub(crate) fn taken_by<'a>(object: &'a ObjectInfo, thread: &ThreadInfo) -> Option<&'a Holder> {
    object.holder.as_ref().filter(|holder| holder.thread.serial == thread.serial)
}

/// Whether the second place is shown below the first, so that its label may go on with the sentence.
pub(crate) fn reads_on(first: &Option<Place>, second: &Option<Place>) -> bool {
    match (first, second) {
        (Some(first), Some(second)) => first.file == second.file && first.line <= second.line,
        (first, second) => first.is_none() && second.is_none(),
    }
}

/// `1 thread`, `3 threads`.
pub(crate) fn threads(count: usize) -> String {
    format!("{count} thread{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_a_person_would_say_them() {
        let said = |millis| waited(Duration::from_millis(millis)).unwrap_or_default();
        let spoken = [0, 7, 50, 204, 59_949, 59_950, 61_000, 3_720_000].map(said);
        assert_eq!(spoken, ["", "7 ms", "0.1 s", "0.2 s", "59.9 s", "1 min 0 s", "1 min 1 s", "1 h 2 min"]);
        assert!(waited(Duration::MAX).is_some());
    }

    #[test]
    fn names_cannot_move_the_cursor_or_fill_the_screen() {
        assert_eq!(clean("a\u{1b}[2J\nb\u{202e}\tc"), "a\u{fffd}[2J b\u{fffd} c");
        assert_eq!(clean(&"ä".repeat(500)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn only_files_below_the_current_directory_are_shortened() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(path(&format!("{}/a/b.py", here.display())), "a/b.py");
        assert_eq!(path("/elsewhere/b.py"), "/elsewhere/b.py");
        assert_eq!(path("<string>"), "<string>");
        assert_eq!(path(&here.display().to_string()), here.display().to_string());
    }
}
