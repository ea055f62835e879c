//! A recording as one page to look at: no other file, no network, nothing but a browser.
//!
//! The page lies in `page/`, written by hand but for uPlot 1.6.32 (`uPlot.iife.min.js`, `uPlot.min.css`, as they come from npm; MIT,
//! `uPlot.LICENSE`), which draws the chart over time. The recording goes in as JSON in a `<script>` of its own; `page/data.js` says how it
//! lies there. Whatever the program said of itself (names, paths, errors) is data in there and becomes text in the page,
//! never markup; `<` is written as `\u003c`, so that none of it ends the script.
//!
//! The page may have [`ROOM`] bytes of pieces, however long the recording is: see `html/pieces.rs` for what is given up.

mod locks;
mod pieces;

use std::collections::{BTreeMap, HashMap};

use raddle::graph::verdict::{Place, ThreadKind};
use serde_json::{Value, json};

use self::pieces::{Piece, What, life, merged, nanos, over_time, pieces};
use super::story::{Ended, Recording, Spent, Story, Told};
use super::text::named;
use crate::words::{clean, path, printable};

/// Bytes of pieces, so that a page of 50 threads stays below 3 MB.
const ROOM: usize = 2_400_000;
/// More pieces than this have no room, whatever is in them: each has at least three numbers, and a place for what it is.
const MOST: usize = ROOM / 12;
/// Parts into which the chart divides the recording.
const PARTS: usize = 500;

const PAGE: &str = include_str!("page/page.html");
/// In the order of the marks in the page.
const STYLES: [&str; 2] = [include_str!("page/uPlot.min.css"), include_str!("page/page.css")];
const SCRIPTS: [&str; 6] = [
    include_str!("page/data.js"),
    include_str!("page/lanes.js"),
    include_str!("page/detail.js"),
    include_str!("page/tables.js"),
    include_str!("page/graphs.js"),
    include_str!("page/page.js"),
];

impl Recording {
    /// The page.
    pub fn html(&self) -> String {
        let scripts = format!(
            "/*\n{}*/\n{}\n\"use strict\";\n(() => {{\n{}}})();\n",
            include_str!("page/uPlot.LICENSE"),
            include_str!("page/uPlot.iife.min.js"),
            SCRIPTS.concat()
        );
        let data = self.data().to_string().replace('<', "\\u003c");
        // The data last: nothing in it is taken for a mark.
        PAGE.replacen("/* styles */", &STYLES.concat(), 1).replacen("/* scripts */", &scripts, 1).replacen(
            "/* data */",
            &data,
            1,
        )
    }

    fn data(&self) -> Value {
        let all: Vec<_> = self.threads.iter().map(|story| pieces(story, self.until)).collect();
        let lives: Vec<_> = self.threads.iter().filter_map(|story| life(story, self.until)).collect();
        let states = over_time(&lives, &all, nanos(self.until), PARTS);
        let (spans, resolution, mut tables) = self.fitted(all);
        let threads: Vec<_> = self.threads.iter().map(|story| self.lane(story, &mut tables)).collect();
        let (locks, things_waited_for) = self.waited_for(&mut tables);
        let (waits, order) = (self.waits_at_the_end(&mut tables), self.order(&mut tables));
        let verdict = |told: &Told| {
            let lines: Vec<_> = told.text.lines().map(printable).collect();
            // -1: over all.
            let at = if told.over_all { -1 } else { micros(nanos(told.at)) };
            json!([at, clean(&told.code), lines.join("\n")])
        };
        json!({
            "program": if self.program.is_empty() { "a program".to_owned() } else { clean(&self.program) },
            "process": self.process,
            "began": self.began.as_millis() as u64,
            "end": self.end(),
            "ended": self.ended.is_some(),
            "until": micros(nanos(self.until)),
            "missing": self.missing().trim(),
            "period": self.period.map(|period| micros(nanos(period))),
            "turns": self.sees_turns,
            "processors": self.processors,
            "resolution": micros(resolution),
            "kinds": Spent::ALL.map(Spent::name),
            "verdicts": self.verdicts.iter().map(verdict).collect::<Vec<_>>(),
            "threads": threads,
            "spans": spans,
            "states": states,
            "locks": locks,
            "lockCount": things_waited_for,
            "waits": waits,
            "order": order,
            "whats": tables.whats,
            "sites": tables.sites.list,
            "things": tables.things.list,
            "strangers": tables.strangers.list,
        })
    }

    /// The pieces of each thread as they go into the page, at the finest resolution at which they fit.
    fn fitted(&self, mut all: Vec<Vec<Piece>>) -> (Vec<Vec<i64>>, u64, Tables) {
        let coarsest = nanos(self.until).max(1);
        let mut resolution = 0;
        loop {
            let count: usize = all.iter().map(Vec::len).sum();
            let mut excess = count as f64 / MOST as f64;
            if excess <= 1.0 {
                let mut tables = Tables::default();
                let spans: Vec<_> = all.iter().map(|pieces| tables.spans(self, pieces)).collect();
                excess = tables.size(&spans) as f64 / ROOM as f64;
                if excess <= 1.0 || resolution >= coarsest {
                    return (spans, resolution, tables);
                }
            } else if resolution >= coarsest {
                // Of so many threads that not even a piece of each has room, the first have some.
                let mut room = MOST;
                all.iter_mut().for_each(|pieces| {
                    pieces.truncate(room);
                    room -= pieces.len();
                });
                continue;
            }
            // What was merged already is merged once more: that gives the same as from the start, or a little coarser.
            let next = resolution as f64 * excess.clamp(1.15, 3.0);
            resolution = (next as u64).max(coarsest / 20_000).max(1000).min(coarsest);
            all = all.into_iter().map(|pieces| merged(pieces, resolution)).collect();
        }
    }

    fn lane(&self, story: &Story, tables: &mut Tables) -> Value {
        let thread = &story.thread;
        let kind = match thread.kind {
            ThreadKind::Main => "main",
            ThreadKind::Regular => "",
            ThreadKind::Daemon => "daemon",
            ThreadKind::Foreign => "foreign",
        };
        let life = life(story, self.until).map(|(from, to)| [micros(from), micros(to)]);
        let mut times = vec![0; Spent::ALL.len() + 1];
        for (spent, time) in story.times(self.until) {
            times[spent.map_or(Spent::ALL.len(), |spent| spent as usize)] = micros(nanos(time));
        }
        json!({
            "name": self.name(story),
            "serial": thread.serial,
            "kind": kind,
            "starter": tables.who(self, story.starter),
            "startedBy": thread.started_by.as_deref().map(clean),
            "site": thread.started_at.as_ref().map(|place| tables.place(place)),
            "life": life,
            "state": self.state(story),
            "died": matches!(story.ended, Some((_, Ended::Died(_)))),
            "ended": story.ended.is_some(),
            "waits": story.present().is_some(),
            "times": times,
            "holds": story.holds.iter().map(|lock| named(lock)).collect::<Vec<_>>(),
            "processor": micros(nanos(story.processor)),
            "runQueue": micros(nanos(story.run_queue)),
        })
    }
}

fn micros(nanos: u64) -> i64 {
    i64::try_from((nanos.saturating_add(500)) / 1000).unwrap_or(i64::MAX)
}

/// Texts that are said once, and called by their number from then on.
#[derive(Default)]
struct Texts {
    list: Vec<Value>,
    numbers: HashMap<String, usize>,
    bytes: usize,
}

impl Texts {
    fn number(&mut self, text: String, value: impl FnOnce(&str) -> Value) -> i64 {
        let (list, bytes) = (&mut self.list, &mut self.bytes);
        let number = *self.numbers.entry(text).or_insert_with_key(|text| {
            *bytes += text.len() + 8;
            list.push(value(text));
            list.len() - 1
        });
        number as i64
    }
}

/// What spans and tables of the page call by numbers; -1 is nothing.
#[derive(Default)]
struct Tables {
    /// `[kind, site, thing, holder, busy, timed]`.
    whats: Vec<[i64; 6]>,
    what_numbers: BTreeMap<What, i64>,
    sites: Texts,
    things: Texts,
    /// Threads that nothing else is known of; they are numbered from the last known thread on.
    strangers: Texts,
}

impl Tables {
    fn place(&mut self, place: &Place) -> i64 {
        let (file, function) = (path(&place.file), clean(&place.function));
        self.sites.number(format!("{file}:{}\n{function}", place.line), |_| json!([file, place.line, function]))
    }

    fn site(&mut self, recording: &Recording, site: u32) -> i64 {
        recording.sites.get(&site).map_or(-1, |place| self.place(place))
    }

    fn thing(&mut self, name: String) -> i64 {
        self.things.number(name, |name| name.into())
    }

    fn who(&mut self, recording: &Recording, serial: u64) -> i64 {
        if serial == 0 {
            return -1;
        }
        let known = recording.threads.binary_search_by_key(&serial, |story| story.thread.serial);
        known.map_or_else(
            |_| {
                let number = self.strangers.number(recording.name_of(serial), |name| name.into());
                recording.threads.len() as i64 + number
            },
            |at| at as i64,
        )
    }

    fn what(&mut self, recording: &Recording, what: What) -> i64 {
        if let Some(number) = self.what_numbers.get(&what) {
            return *number;
        }
        let thing = what.call.map_or(-1, |call| self.thing(recording.thing_of(call, what.object, what.holder)));
        let (site, busy) = (self.site(recording, what.site), self.site(recording, what.busy));
        let holder = self.who(recording, what.holder);
        let number = self.whats.len() as i64;
        self.whats.push([what.spent as i64, site, thing, holder, busy, i64::from(what.timed)]);
        self.what_numbers.insert(what, number);
        number
    }

    /// See `page/data.js`.
    fn spans(&mut self, recording: &Recording, pieces: &[Piece]) -> Vec<i64> {
        let (mut out, mut at) = (Vec::with_capacity(pieces.len() * 4), 0);
        for piece in pieces {
            let (from, to) = (micros(piece.from), micros(piece.to));
            out.extend([from - at, to - from]);
            at = to;
            let what = self.what(recording, piece.what);
            if piece.count == 1 {
                out.push(what);
                continue;
            }
            let times: Vec<_> = piece.times().collect();
            out.extend([-i64::from(piece.count), what, micros(piece.longest), times.len() as i64]);
            out.extend(times.into_iter().flat_map(|(spent, time)| [spent as i64, micros(time)]));
        }
        out
    }

    /// About how many bytes this takes in the page.
    fn size(&self, spans: &[Vec<i64>]) -> usize {
        let digits =
            |number: &i64| number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 2 + usize::from(*number < 0);
        let numbers: usize = spans.iter().flatten().chain(self.whats.iter().flatten()).map(digits).sum();
        numbers + self.whats.len() * 2 + self.sites.bytes + self.things.bytes + self.strangers.bytes
    }
}
