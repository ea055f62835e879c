//! A recording as text: what was found out, then tables, or where every thread is.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use raddle::observe::recording::format::{CALLS, Doing, For};

use super::story::{Ended, Object, Recording, Span, Spent, Story};
use crate::words::{clean, origin, printable, spot, waited};

/// How many kinds of waits are listed.
const LISTED: usize = 20;

/// `Lock 'Account.lock#2'`.
fn named(object: &Object) -> String {
    match object.name.as_str() {
        "" => clean(&object.kind),
        name => format!("{} '{}'", clean(&object.kind), clean(name)),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

/// As a sum in a table: nothing where there is nothing to speak of.
fn sum(duration: Duration) -> String {
    if duration < Duration::from_micros(500) { String::new() } else { seconds(duration) }
}

impl Recording {
    /// What was found out, what each thread did with its time, and what they waited for. Ends with a newline.
    pub fn report(&self) -> String {
        let mut text = self.head();
        for (at, _, told) in &self.verdicts {
            let when = if *at > self.until { "over all".to_owned() } else { format!("at {}", seconds(*at)) };
            let _ = writeln!(text, "\n{when}:");
            told.lines().for_each(|line| text.extend([printable(line).as_str(), "\n"]));
        }
        text += &self.threads_head();
        text += &self.threads_table();
        if self.threads.iter().any(|story| !story.waits.is_empty()) {
            text += "\nWaits, the longest in all first:\n";
            text += &self.waits_table();
        }
        text + &self.missing()
    }

    /// Where every thread is, or was when its process ended. Ends with a newline.
    pub fn postmortem(&self) -> String {
        let mut text = self.head();
        for (at, code, told) in self.verdicts.iter().filter(|(at, ..)| *at <= self.until) {
            let title = told.lines().next().unwrap_or(code);
            let _ = writeln!(text, "  at {}: {}", seconds(*at), clean(title));
        }
        text += "\n";
        for story in &self.threads {
            let origin = origin(&story.thread).map_or_else(String::new, |origin| format!(" ({origin})"));
            let _ = writeln!(text, "{}{origin}\n    {}", self.name(story), self.state(story));
            if !story.holds.is_empty() && story.ended.is_none() {
                let held: Vec<_> = story.holds.iter().map(named).collect();
                let _ = writeln!(text, "    holds {}", held.join(", "));
            }
        }
        text + &self.missing()
    }

    fn head(&self) -> String {
        let program = if self.program.is_empty() { "a program" } else { &self.program };
        let end = match self.ended {
            Some(ended) => format!("ended in order after {}", seconds(ended)),
            None => format!(
                "no end was recorded: it runs, or was killed; what is here goes as far as {}",
                seconds(self.until)
            ),
        };
        format!("{} (process {}): {end}\n", clean(program), self.process)
    }

    fn missing(&self) -> String {
        match self.lost {
            (0, 0) => String::new(),
            (events, notes) => format!(
                "\nThere was no room for {events} events, the oldest, and {notes} notes (raddle run --record-size MB makes more).\n"
            ),
        }
    }

    /// `'worker'`, or `'worker' (#7)` where there are several.
    fn name(&self, story: &Story) -> String {
        let (name, serial) = (clean(&story.thread.name), story.thread.serial);
        if self.ambiguous.contains(&story.thread.name) { format!("'{name}' (#{serial})") } else { format!("'{name}'") }
    }

    pub(super) fn name_of(&self, serial: u64) -> String {
        self.thread(serial).map_or_else(|| format!("thread {serial}"), |story| self.name(story))
    }

    /// `Lock 'Account.lock#2'`.
    pub(super) fn object_name(&self, number: u64) -> String {
        self.objects.get(&number).map_or_else(|| "a lock".to_owned(), named)
    }

    /// `Lock 'Account.lock#2'`, or what is waited for in words.
    fn thing(&self, wait: &Span) -> String {
        self.objects.get(&wait.object).map(named).unwrap_or_else(|| match wait.call {
            For::Lock => "a lock".to_owned(),
            For::Notice => "a notice".to_owned(),
            For::Sleep => "time to pass".to_owned(),
            For::Join if wait.holder != 0 => format!("{} to end", self.name_of(wait.holder)),
            For::Join => "threads to end".to_owned(),
            For::Import => "an import".to_owned(),
            For::Queue => "a queue".to_owned(),
            For::Result => "the result of a job".to_owned(),
        })
    }

    fn place(&self, wait: &Span) -> String {
        self.sites.get(&wait.site).map_or_else(String::new, spot)
    }

    fn state(&self, story: &Story) -> String {
        if let Some((at, how)) = &story.ended {
            let at = seconds(*at);
            return match how {
                Ended::Finished => format!("ended at {at}"),
                Ended::Died(error) => format!("died at {at}: {}", clean(error)),
                Ended::Stopped => format!("stopped at {at}, as it was asked to"),
                Ended::TakenBack => format!("taken back at {at}, before it began"),
            };
        }
        if story.began.is_none() {
            let forgotten = self.lost.0 > 0;
            return if forgotten { "what it did is not here any more" } else { "has not begun" }.to_owned();
        }
        let Some(wait) = story.present() else { return doing(story) };
        let at = Some(self.place(wait)).filter(|at| !at.is_empty()).map_or_else(String::new, |at| format!(" at {at}"));
        let by = if wait.holder == 0 || wait.call == For::Join {
            String::new()
        } else {
            format!(" (held by {} when that began)", self.name_of(wait.holder))
        };
        let length =
            waited(wait.length(self.until)).map_or_else(String::new, |length| format!(", for {length} at least"));
        format!("waits for {}{by}{at} since {}{length}", self.thing(wait), seconds(wait.from))
    }

    /// What the table of threads says, and how it came about.
    fn threads_head(&self) -> String {
        let looked = self.period.map(|period| format!("looked at every {} ms", period.as_millis()));
        let Some(looked) = looked else {
            return "\nThreads, and how long each waited for what; the rest is running, or in a call that raddle does not see:\n".to_owned();
        };
        let turns = if self.sees_turns {
            ", and a wait ends when the thread has the GIL again"
        } else {
            "; who has the GIL cannot be seen in this program, so python is native here"
        };
        format!(
            "\nThreads, and what each did with its life: waits are measured, what lies between them is {looked}{turns}; \
             cpu is the processor's time, queued the wait for a processor, and both are part of the rest:\n"
        )
    }

    fn threads_table(&self) -> String {
        let times: Vec<_> = self.threads.iter().map(|story| story.times(self.until)).collect();
        let matters =
            |kind: &Option<Spent>| times.iter().any(|of| of.get(kind).is_some_and(|time| !sum(*time).is_empty()));
        let kinds: Vec<_> = Spent::ALL.into_iter().map(Some).chain([None]).filter(matters).collect();
        let used = |story: &Story| [story.processor, story.run_queue];
        let is_looked_at = self.period.is_some();
        let mut head = vec!["thread", "started", "life"];
        head.extend(kinds.iter().map(|kind| kind.map_or("rest", Spent::name)));
        head.extend(is_looked_at.then_some(["cpu", "queued"]).into_iter().flatten());
        head.push("now");
        let numbers = 2..head.len() - 1;
        let mut table = plain(head);
        for (story, times) in self.threads.iter().zip(&times) {
            let life = seconds(story.life(self.until));
            let mut row = vec![self.name(story), origin(&story.thread).unwrap_or_default(), life];
            row.extend(kinds.iter().map(|kind| sum(times.get(kind).copied().unwrap_or_default())));
            row.extend(is_looked_at.then(|| used(story).map(sum)).into_iter().flatten());
            row.push(cut(&self.state(story)));
            table.add_row(row);
        }
        right(&mut table, numbers);
        indented(&table)
    }

    fn waits_table(&self) -> String {
        let mut sums: BTreeMap<(String, String), Sum> = BTreeMap::new();
        for wait in self.threads.iter().flat_map(|story| &story.waits) {
            let sum = sums.entry((self.thing(wait), self.place(wait))).or_default();
            let length = wait.length(self.until);
            sum.times += 1;
            sum.all += length;
            sum.longest = sum.longest.max(length);
            if wait.holder != 0 && wait.call != For::Join {
                *sum.holders.entry(wait.holder).or_default() += length;
            }
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.all));
        let mut table = plain(["for", "at", "times", "in all", "longest", "held when that began by"]);
        for ((thing, at), sum) in sums.iter().take(LISTED) {
            let row = [thing, at, &sum.times.to_string(), &seconds(sum.all), &seconds(sum.longest), &self.holders(sum)];
            table.add_row(row);
        }
        right(&mut table, 2..5);
        let more = sums.len().saturating_sub(LISTED);
        let more = if more == 0 { String::new() } else { format!("  and {more} more\n") };
        indented(&table) + &more
    }

    /// Who held it, and how long others waited for that; the three longest.
    fn holders(&self, sum: &Sum) -> String {
        let mut holders: Vec<_> = sum.holders.iter().collect();
        holders.sort_by_key(|(serial, time)| (std::cmp::Reverse(**time), **serial));
        let said =
            holders.iter().take(3).map(|(serial, time)| format!("{} {}", self.name_of(**serial), seconds(**time)));
        said.collect::<Vec<_>>().join(", ")
    }
}

/// As much as there is room for at the end of a line; all of it is in the verdict, or in a post-mortem.
fn cut(text: &str) -> String {
    const ROOM: usize = 90;
    let cut: String = text.chars().take(ROOM).collect();
    if cut.len() < text.len() { cut + "…" } else { cut }
}

/// What a thread does that waits for nothing that raddle keeps.
fn doing(story: &Story) -> String {
    let last = story.waits.last().and_then(|wait| wait.to);
    let since = last.or(story.began).map_or_else(String::new, |at| format!(" since {}", seconds(at)));
    let doing = match story.latest {
        None => "running, or in a call that raddle does not see,".to_owned(),
        Some((Doing::Python, _)) => "runs Python code".to_owned(),
        Some((Doing::Native, _)) => "runs native code".to_owned(),
        Some((Doing::Gil, _)) => "waits for the GIL".to_owned(),
        Some((Doing::Lock, _)) => "waits for a lock that raddle does not know".to_owned(),
        Some((Doing::Sleep, _)) => "sleeps in a call of the system".to_owned(),
        Some((Doing::Io, call)) => match call.and_then(|at| CALLS.get(usize::try_from(at).ok()?)) {
            Some(call) => format!("is in a call of the system ({call})"),
            None => "is in a call of the system".to_owned(),
        },
    };
    // What it was seen at may have begun later than the last wait ended.
    let since = if story.latest.is_some() && !since.is_empty() {
        format!(", has waited for nothing else{since}")
    } else {
        since
    };
    format!("{doing}{since}").trim_end_matches(',').to_owned()
}

/// Waits of one kind.
#[derive(Default)]
struct Sum {
    times: u64,
    all: Duration,
    longest: Duration,
    holders: HashMap<u64, Duration>,
}

fn plain<'a>(head: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(head.into_iter().map(str::to_owned).collect::<Vec<_>>());
    table
}

fn right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn indented(table: &Table) -> String {
    table.lines().map(|line| format!(" {}\n", line.trim_end())).collect()
}
