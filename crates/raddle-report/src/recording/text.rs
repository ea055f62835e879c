//! A recording as text: what was found out, then tables, or where every thread is.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use raddle::observe::recording::format::{CALLS, Doing, For};

use super::story::{Ended, Object, Recording, Span, Spent, Story, Told};
use crate::words::{clean, origin, printable, spot, waited};

/// How many kinds of waits are listed.
const LISTED: usize = 20;
/// How many threads are: a table is laid out as a whole.
const THREADS: usize = 1000;

/// `Lock 'Account.lock#2'`.
pub(super) fn named(object: &Object) -> String {
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

impl Told {
    /// Its first line.
    pub(super) fn title(&self) -> String {
        clean(self.text.lines().next().unwrap_or(&self.code))
    }
}

impl Recording {
    /// What was found out, what each thread did with its time, and what they waited for. Ends with a newline.
    pub fn report(&self) -> String {
        text_of(|out| self.write_report(out))
    }

    /// Writes what [`report`](Recording::report) gives.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_report(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.head().as_bytes())?;
        for told in &self.verdicts {
            let when = if told.over_all { "over all".to_owned() } else { format!("at {}", seconds(told.at)) };
            writeln!(out, "\n{when}:")?;
            told.text.lines().try_for_each(|line| writeln!(out, "{}", printable(line)))?;
        }
        out.write_all(self.threads_head().as_bytes())?;
        out.write_all(self.threads_table().as_bytes())?;
        if self.threads.iter().any(|story| !story.waits.is_empty()) {
            writeln!(out, "\nWaits, the longest in all first:")?;
            out.write_all(self.waits_table().as_bytes())?;
        }
        out.write_all(self.missing().as_bytes())
    }

    /// Where every thread is, or was when its process ended. Ends with a newline.
    pub fn postmortem(&self) -> String {
        text_of(|out| self.write_postmortem(out))
    }

    /// Writes what [`postmortem`](Recording::postmortem) gives.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_postmortem(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.head().as_bytes())?;
        for told in self.verdicts.iter().filter(|told| !told.over_all) {
            writeln!(out, "  at {}: {}", seconds(told.at), told.title())?;
        }
        writeln!(out)?;
        for story in &self.threads {
            let origin = origin(&story.thread).map_or_else(String::new, |origin| format!(" ({origin})"));
            writeln!(out, "{}{origin}\n    {}", self.name(story), self.state(story))?;
            if !story.holds.is_empty() && story.ended.is_none() {
                let held: Vec<_> = story.holds.iter().map(|lock| named(lock)).collect();
                writeln!(out, "    holds {}", held.join(", "))?;
            }
        }
        out.write_all(self.missing().as_bytes())
    }

    fn head(&self) -> String {
        let program = if self.program.is_empty() { "a program" } else { &self.program };
        format!("{} (process {}): {}\n", clean(program), self.process, self.end())
    }

    /// How long it took, or how far this goes.
    pub(super) fn end(&self) -> String {
        match self.ended {
            Some(ended) => format!("ended in order after {}", seconds(ended)),
            None => format!(
                "no end was recorded: it runs, or was killed; what is here goes as far as {}",
                seconds(self.until)
            ),
        }
    }

    pub(super) fn missing(&self) -> String {
        match self.lost {
            (0, 0) => String::new(),
            (events, notes) => format!(
                "\nThere was no room for {events} events, the oldest, and {notes} notes (raddle run --record-size MB makes more).\n"
            ),
        }
    }

    /// `'worker'`, or `'worker' (#7)` where there are several.
    pub(super) fn name(&self, story: &Story) -> String {
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
    pub(super) fn thing(&self, wait: &Span) -> String {
        self.thing_of(wait.call, wait.object, wait.holder)
    }

    pub(super) fn thing_of(&self, call: For, object: u64, holder: u64) -> String {
        self.objects.get(&object).map(named).unwrap_or_else(|| match call {
            For::Lock => "a lock".to_owned(),
            For::Notice => "a notice".to_owned(),
            For::Sleep => "time to pass".to_owned(),
            For::Join if holder != 0 => format!("{} to end", self.name_of(holder)),
            For::Join => "threads to end".to_owned(),
            For::Import => "an import".to_owned(),
            For::Queue => "a queue".to_owned(),
            For::Result => "the result of a job".to_owned(),
        })
    }

    fn place(&self, wait: &Span) -> String {
        self.sites.get(&wait.site).map_or_else(String::new, spot)
    }

    pub(super) fn state(&self, story: &Story) -> String {
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
        let mut listed: Vec<_> = self.threads.iter().collect();
        if listed.len() > THREADS {
            listed.sort_by_key(|story| std::cmp::Reverse(story.life(self.until)));
            listed.truncate(THREADS);
            listed.sort_by_key(|story| story.thread.serial);
        }
        let times: Vec<_> = listed.iter().map(|story| story.times(self.until)).collect();
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
        for (story, times) in listed.iter().zip(&times) {
            let life = seconds(story.life(self.until));
            let mut row = vec![self.name(story), origin(&story.thread).unwrap_or_default(), life];
            row.extend(kinds.iter().map(|kind| sum(times.get(kind).copied().unwrap_or_default())));
            row.extend(is_looked_at.then(|| used(story).map(sum)).into_iter().flatten());
            row.push(cut(&self.state(story)));
            table.add_row(row);
        }
        right(&mut table, numbers);
        indented(&table) + &and_more(self.threads.len(), THREADS, "that lived less long (raddle postmortem lists all)")
    }

    fn waits_table(&self) -> String {
        // What is called the same is one row; of a million waits, each thing and each place is put into words once.
        let (mut texts, mut things, mut places) = (Texts::default(), HashMap::new(), HashMap::new());
        let mut sums: BTreeMap<(usize, usize), Sum> = BTreeMap::new();
        for wait in self.threads.iter().flat_map(|story| &story.waits) {
            let joined = if wait.call == For::Join { wait.holder } else { 0 };
            let thing = (wait.object, wait.call, joined);
            let thing = *things.entry(thing).or_insert_with(|| texts.number(self.thing(wait)));
            let place = *places.entry(wait.site).or_insert_with(|| texts.number(self.place(wait)));
            let sum = sums.entry((thing, place)).or_default();
            let length = wait.length(self.until);
            sum.times += 1;
            sum.all += length;
            sum.longest = sum.longest.max(length);
            if wait.holder != 0 && wait.call != For::Join {
                *sum.holders.entry(wait.holder).or_default() += length;
            }
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        let texts = texts.in_order();
        sums.sort_by_cached_key(|((thing, at), sum)| {
            (std::cmp::Reverse(sum.all), texts[*thing].clone(), texts[*at].clone())
        });
        let mut table = plain(["for", "at", "times", "in all", "longest", "held when that began by"]);
        for ((thing, at), sum) in sums.iter().take(LISTED) {
            let sums = [sum.times.to_string(), seconds(sum.all), seconds(sum.longest), self.holders(sum)];
            let row = [texts[*thing].to_string(), texts[*at].to_string()].into_iter().chain(sums);
            table.add_row(row);
        }
        right(&mut table, 2..5);
        indented(&table) + &and_more(sums.len(), LISTED, "")
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

/// Numbers for texts, by which they are told apart.
#[derive(Default)]
struct Texts(HashMap<Rc<str>, usize>);

impl Texts {
    fn number(&mut self, text: String) -> usize {
        let next = self.0.len();
        *self.0.entry(text.into()).or_insert(next)
    }

    fn in_order(self) -> Vec<Rc<str>> {
        let mut texts: Vec<_> = self.0.into_iter().collect();
        texts.sort_by_key(|(_, number)| *number);
        texts.into_iter().map(|(text, _)| text).collect()
    }
}

fn and_more(all: usize, listed: usize, which: &str) -> String {
    if all <= listed {
        String::new()
    } else {
        format!("  and {} more {which}", all - listed).trim_end().to_owned() + "\n"
    }
}

pub(super) fn text_of(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut text = Vec::new();
    write(&mut text).expect("memory takes what is written");
    String::from_utf8_lossy(&text).into_owned()
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
