//! A recording as a trace for Perfetto, which draws a lane for each thread and takes questions in SQL.
//!
//! The file is a protobuf message, `perfetto.protos.Trace`, which is packets one after the other; the numbers of fields below are
//! those of its definitions, by the names that they have there. There is one sequence of packets, and what is said often is said
//! once, under a number: events, categories, places. Only those numbers and the packet at hand are in memory.
//!
//! A thread's track has a slice for its life, and within it those of `lanes.rs`. A wait does not know who ended it, only who held
//! what it was for when it began: an arrow goes from a mark on that thread's track, at the time of waking, to the end of the wait.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use raddle::graph::verdict::{Place, ThreadKind};
use raddle::observe::recording::format::For;

use super::lanes::{Edge, Lanes, Slice};
use super::protobuf::Message;
use super::story::{Ended, Recording, Span, Spent, Story, Told};
use crate::words::{clean, printable, spot};

mod packet {
    pub(super) const CLOCK_SNAPSHOT: u64 = 6;
    pub(super) const TIMESTAMP: u64 = 8;
    pub(super) const SEQUENCE: u64 = 10;
    pub(super) const TRACK_EVENT: u64 = 11;
    pub(super) const INTERNED_DATA: u64 = 12;
    pub(super) const SEQUENCE_FLAGS: u64 = 13;
    pub(super) const TRACK_DESCRIPTOR: u64 = 60;
    /// Values of the flags: numbers begin anew here, and they are needed.
    pub(super) const CLEARED: u64 = 1;
    pub(super) const NEEDED: u64 = 2;
}

mod event {
    pub(super) const CATEGORY_IIDS: u64 = 3;
    pub(super) const DEBUG_ANNOTATIONS: u64 = 4;
    pub(super) const TYPE: u64 = 9;
    pub(super) const NAME_IID: u64 = 10;
    pub(super) const TRACK_UUID: u64 = 11;
    pub(super) const NAME: u64 = 23;
    pub(super) const COUNTER_VALUE: u64 = 30;
    pub(super) const FLOW_IDS: u64 = 47;
    pub(super) const TERMINATING_FLOW_IDS: u64 = 48;
    /// Values of the type.
    pub(super) const SLICE_BEGIN: u64 = 1;
    pub(super) const SLICE_END: u64 = 2;
    pub(super) const INSTANT: u64 = 3;
    pub(super) const COUNTER: u64 = 4;
}

mod annotation {
    pub(super) const NAME_IID: u64 = 1;
    pub(super) const BOOL: u64 = 2;
    pub(super) const STRING: u64 = 6;
    pub(super) const STRING_IID: u64 = 17;
}

/// Tables of what is said under a number, by their fields of the interned data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
enum Table {
    Categories = 1,
    Events = 2,
    Annotations = 3,
    Texts = 29,
}

mod track {
    pub(super) const UUID: u64 = 1;
    pub(super) const NAME: u64 = 2;
    pub(super) const PROCESS: u64 = 3;
    pub(super) const THREAD: u64 = 4;
    pub(super) const PARENT_UUID: u64 = 5;
    pub(super) const COUNTER: u64 = 8;
    pub(super) const CHILD_ORDERING: u64 = 11;
    pub(super) const SIBLING_ORDER_RANK: u64 = 12;
    pub(super) const THREAD_ORDERING: u64 = 20;
    /// Values of the two orderings: by the rank.
    pub(super) const CHILDREN_BY_RANK: u64 = 3;
    pub(super) const THREADS_BY_RANK: u64 = 1;
}

/// The numbers of the tracks.
const PROCESS: u64 = 1;
const VERDICTS: u64 = 2;
const LIVING: u64 = 3;
const WAITING: u64 = 4;
const FIRST_THREAD: u64 = 16;

/// What something is that has a number in a [`Table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Word(&'static str),
    Wait(u64, For, u64),
    Held(u64, For, u64),
    Site(u32),
    Thread(u64),
}

impl Recording {
    /// A trace for Perfetto, which shows a lane for each thread.
    pub fn perfetto(&self) -> Vec<u8> {
        let mut trace = Vec::new();
        self.write_perfetto(&mut trace).expect("memory takes what is written");
        trace
    }

    /// Writes what [`perfetto`](Recording::perfetto) gives.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_perfetto(&self, out: &mut dyn Write) -> io::Result<()> {
        let (numbers, fresh) = (HashMap::new(), Message::default());
        let mut trace =
            Trace { recording: self, out, numbers, fresh, flows: 0, living: 0, waiting: 0, counted: (0, 0) };
        trace.head()?;
        let mut verdicts: Vec<_> = self.verdicts.iter().collect();
        verdicts.sort_by_key(|told| told.at);
        let mut verdicts = verdicts.into_iter().peekable();
        let mut now = Duration::ZERO;
        for (at, number, edge) in Lanes::of(self) {
            if at > now {
                trace.count(now)?;
            }
            while let Some(told) = verdicts.next_if(|told| told.at <= at) {
                trace.verdict(told)?;
            }
            now = at;
            trace.edge(at, number, edge)?;
        }
        trace.count(now)?;
        verdicts.try_for_each(|told| trace.verdict(told))
    }
}

struct Trace<'a> {
    recording: &'a Recording,
    out: &'a mut dyn Write,
    /// What was given a number so far.
    numbers: HashMap<(Table, Key), u64>,
    /// What was given one since the last packet, which goes into the next.
    fresh: Message,
    flows: u64,
    living: u64,
    waiting: u64,
    /// The two as they were told last.
    counted: (u64, u64),
}

impl Trace<'_> {
    fn packet(&mut self, packet: Message) -> io::Result<()> {
        self.out.write_all(Message::default().message(1, &packet.number(packet::SEQUENCE, 1)).bytes())
    }

    fn event(&mut self, at: Duration, event: &Message) -> io::Result<()> {
        let packet = Message::default().number(packet::TIMESTAMP, nanos(at));
        let mut packet = packet.number(packet::SEQUENCE_FLAGS, packet::NEEDED).message(packet::TRACK_EVENT, event);
        let fresh = std::mem::take(&mut self.fresh);
        if !fresh.bytes().is_empty() {
            packet = packet.message(packet::INTERNED_DATA, &fresh);
        }
        self.packet(packet)
    }

    /// The number under which something is said; `text` is how it is said the first time.
    fn number(&mut self, table: Table, key: Key, text: impl FnOnce(&Recording) -> String) -> u64 {
        let next = self.numbers.len() as u64 + 1;
        *self.numbers.entry((table, key)).or_insert_with(|| {
            let entry = Message::default().number(1, next).text(2, &text(self.recording));
            self.fresh = std::mem::take(&mut self.fresh).message(table as u64, &entry);
            next
        })
    }

    fn word(&mut self, table: Table, word: &'static str) -> u64 {
        self.number(table, Key::Word(word), |_| word.to_owned())
    }

    // ---- the tracks ----

    fn head(&mut self) -> io::Result<()> {
        // Times count from 0; what the clock on the wall said then is told besides.
        let clock = |number, time| Message::default().number(1, number).number(2, time);
        let (boot, wall) = (clock(6, 0), clock(1, nanos(self.recording.began)));
        let clocks = Message::default().message(1, &boot).message(1, &wall).number(2, 6);
        let flags = Message::default().number(packet::SEQUENCE_FLAGS, packet::CLEARED | packet::NEEDED);
        self.packet(flags.message(packet::CLOCK_SNAPSHOT, &clocks))?;

        let pid = self.recording.process & 0x7fff_ffff;
        let process = Message::default().number(1, pid).text(6, &clean(&self.recording.program));
        let process = Message::default().number(track::UUID, PROCESS).message(track::PROCESS, &process);
        let process = process.number(track::CHILD_ORDERING, track::CHILDREN_BY_RANK);
        self.track(&process.number(track::THREAD_ORDERING, track::THREADS_BY_RANK))?;
        for (rank, (uuid, name)) in
            [(VERDICTS, "verdicts"), (LIVING, "threads"), (WAITING, "threads that wait")].into_iter().enumerate()
        {
            let named = Message::default().number(track::UUID, uuid).number(track::PARENT_UUID, PROCESS);
            let named = named.text(track::NAME, name).number(track::SIBLING_ORDER_RANK, rank as u64);
            let counts = uuid != VERDICTS;
            self.track(&if counts { named.message(track::COUNTER, &Message::default()) } else { named })?;
        }
        let recording = self.recording;
        recording.threads.iter().enumerate().try_for_each(|(rank, story)| self.thread(rank, story, pid))
    }

    fn track(&mut self, track: &Message) -> io::Result<()> {
        self.packet(Message::default().message(packet::TRACK_DESCRIPTOR, track))
    }

    fn thread(&mut self, rank: usize, story: &Story, pid: u64) -> io::Result<()> {
        let (serial, mut name) = (story.thread.serial, clean(&story.thread.name));
        if self.recording.ambiguous.contains(&story.thread.name) {
            name += &format!(" (#{serial})");
        }
        // Whose number is that of the process is its main thread there.
        let tid = match serial & 0x7fff_ffff {
            _ if story.thread.kind == ThreadKind::Main => pid,
            tid if tid == pid => tid ^ 0x4000_0000,
            tid => tid,
        };
        let thread = Message::default().number(1, pid).number(2, tid).text(5, &name);
        let track = Message::default().number(track::UUID, uuid(rank)).number(track::PARENT_UUID, PROCESS);
        self.track(&track.message(track::THREAD, &thread).number(track::SIBLING_ORDER_RANK, rank as u64 & 0x7fff_ffff))
    }

    // ---- events ----

    fn of_type(kind: u64, track: u64) -> Message {
        Message::default().number(event::TYPE, kind).number(event::TRACK_UUID, track)
    }

    fn begin(&mut self, kind: u64, track: u64, category: &'static str, name: u64) -> Message {
        let category = self.word(Table::Categories, category);
        Self::of_type(kind, track).number(event::CATEGORY_IIDS, category).number(event::NAME_IID, name)
    }

    /// An annotation in words that come once.
    fn say(&mut self, event: Message, name: &'static str, text: &str) -> Message {
        let name = self.word(Table::Annotations, name);
        let said = Message::default().number(annotation::NAME_IID, name).text(annotation::STRING, text);
        event.message(event::DEBUG_ANNOTATIONS, &said)
    }

    fn flag(&mut self, event: Message, name: &'static str, on: bool) -> Message {
        let name = self.word(Table::Annotations, name);
        let said = Message::default().number(annotation::NAME_IID, name).number(annotation::BOOL, u64::from(on));
        event.message(event::DEBUG_ANNOTATIONS, &said)
    }

    /// An annotation in words that come often.
    fn refer(
        &mut self,
        event: Message,
        name: &'static str,
        key: Key,
        text: impl FnOnce(&Recording) -> String,
    ) -> Message {
        let (name, text) = (self.word(Table::Annotations, name), self.number(Table::Texts, key, text));
        let said = Message::default().number(annotation::NAME_IID, name).number(annotation::STRING_IID, text);
        event.message(event::DEBUG_ANNOTATIONS, &said)
    }

    fn refer_place(&mut self, event: Message, name: &'static str, site: u32) -> Message {
        let recording = self.recording;
        match recording.sites.get(&site) {
            Some(place) => self.refer(event, name, Key::Site(site), |_| place_in_words(place)),
            None => event,
        }
    }

    fn edge(&mut self, at: Duration, number: usize, edge: Edge<'_>) -> io::Result<()> {
        let track = uuid(number);
        let recording = self.recording;
        match edge {
            Edge::Lives => {
                self.living += 1;
                let event = self.life(&recording.threads[number], track);
                self.event(at, &event)
            }
            Edge::Begins(Slice::Wait(wait)) => {
                self.waiting += 1;
                let event = self.wait(wait, track);
                self.event(at, &event)
            }
            Edge::Begins(Slice::Seen(doing)) => {
                let name = self.word(Table::Events, Spent::of_doing(doing).name());
                let event = self.begin(event::SLICE_BEGIN, track, "seen", name);
                self.event(at, &event)
            }
            Edge::Ends(Slice::Wait(wait)) => {
                self.waiting -= 1;
                let event = self.woken(
                    at,
                    wait,
                    recording.threads[number].thread.serial,
                    Self::of_type(event::SLICE_END, track),
                )?;
                self.event(at, &event)
            }
            Edge::Ends(Slice::Seen(_)) => self.event(at, &Self::of_type(event::SLICE_END, track)),
            Edge::Lived => {
                self.living -= 1;
                if let Some((_, Ended::Died(error))) = &recording.threads[number].ended {
                    let name = self.word(Table::Events, "died");
                    let event = self.begin(event::INSTANT, track, "death", name);
                    let event = self.say(event, "error", &clean(error));
                    self.event(at, &event)?;
                }
                self.event(at, &Self::of_type(event::SLICE_END, track))
            }
        }
    }

    fn life(&mut self, story: &Story, track: u64) -> Message {
        let name = self.word(Table::Events, "alive");
        let mut event = self.begin(event::SLICE_BEGIN, track, "life", name);
        if let Some(by) = &story.thread.started_by {
            event = self.say(event, "started by", &clean(by));
        }
        if let Some(place) = &story.thread.started_at {
            event = self.say(event, "started at", &place_in_words(place));
        }
        let how = story.ended.as_ref().map_or("no end was recorded", |(_, how)| how.name());
        self.say(event, "end", how)
    }

    fn wait(&mut self, wait: &Span, track: u64) -> Message {
        let name = self.number(Table::Events, wait_key(wait, Key::Wait), |recording| recording.thing(wait));
        let event = self.begin(event::SLICE_BEGIN, track, "wait", name);
        let mut event = self.refer_place(event, "at", wait.site);
        if wait.holder != 0 {
            event = self.refer(event, "held by", Key::Thread(wait.holder), |recording| recording.name_of(wait.holder));
        }
        event = self.refer_place(event, "which was at", wait.busy);
        event = self.flag(event, "timed", wait.timed);
        if wait.to.is_none() { self.flag(event, "unfinished", true) } else { event }
    }

    /// Marks on the track of who held what was waited for; returns `event`, to which the arrow goes.
    fn woken(&mut self, at: Duration, wait: &Span, waiter: u64, event: Message) -> io::Result<Message> {
        let threads = &self.recording.threads;
        let last = if wait.last == 0 { wait.holder } else { wait.last };
        let Ok(holder) = threads.binary_search_by_key(&last, |story| story.thread.serial) else {
            return Ok(event);
        };
        if wait.to.is_none()
            || wait.timed && wait.call == For::Lock
            || last == waiter
            || threads[holder].began.is_none()
        {
            return Ok(event);
        }
        self.flows += 1;
        let name = self.number(Table::Events, wait_key(wait, Key::Held), |recording| match wait.call {
            For::Join => "was joined".to_owned(),
            _ => format!("held {}", recording.thing(wait)),
        });
        let mark = self.begin(event::INSTANT, uuid(holder), "held", name).fixed(event::FLOW_IDS, self.flows);
        let mark = self.refer(mark, "woken", Key::Thread(waiter), |recording| recording.name_of(waiter));
        self.event(at, &mark)?;
        Ok(event.fixed(event::TERMINATING_FLOW_IDS, self.flows))
    }

    fn verdict(&mut self, told: &Told) -> io::Result<()> {
        let category = self.word(Table::Categories, "verdict");
        let event = Self::of_type(event::INSTANT, VERDICTS).number(event::CATEGORY_IIDS, category);
        let event = event.text(event::NAME, &told.title());
        let event = self.say(event, "code", &clean(&told.code));
        let text: Vec<_> = told.text.lines().map(printable).collect();
        let event = self.say(event, "text", &text.join("\n"));
        let event = self.flag(event, "likely", told.likely);
        self.event(told.at, &event)
    }

    /// Tells how many threads there are, and how many wait, where that has changed.
    fn count(&mut self, at: Duration) -> io::Result<()> {
        let (living, waiting) = std::mem::replace(&mut self.counted, (self.living, self.waiting));
        for (track, before, now) in [(LIVING, living, self.living), (WAITING, waiting, self.waiting)] {
            if before != now {
                self.event(at, &Self::of_type(event::COUNTER, track).number(event::COUNTER_VALUE, now))?;
            }
        }
        Ok(())
    }
}

fn uuid(rank: usize) -> u64 {
    FIRST_THREAD + rank as u64
}

/// Perfetto's times have a sign.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(i64::MAX as u64)
}

/// By what [`Recording::thing`] tells things apart.
fn wait_key(wait: &Span, key: fn(u64, For, u64) -> Key) -> Key {
    key(wait.object, wait.call, if wait.call == For::Join { wait.holder } else { 0 })
}

fn place_in_words(place: &Place) -> String {
    format!("{} in {}", spot(place), clean(&place.function))
}
