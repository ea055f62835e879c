//! What each thread did, and when.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use raddle::graph::verdict::{Code, Place, ThreadInfo, ThreadKind};
use raddle::observe::recording::format::{Doing, Event, For, Kind, Note, SAMPLER, how};

use super::file::{self, Unreadable};

/// Bytes for the places where threads were started. Each thread has its own copy, so a small file could ask for a hundred times
/// its size; no real one comes near this.
const ROOM: usize = 256 << 20;

/// A recording that has been read.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What ran.
    pub program: String,
    /// The number of its process.
    pub process: u64,
    /// When it began, since 1970.
    pub began: Duration,
    /// How long it took if it ended in order.
    pub ended: Option<Duration>,
    /// How far the recording goes.
    pub until: Duration,
    /// The threads, in the order of their serials.
    pub threads: Vec<Story>,
    /// What threads waited for.
    pub objects: HashMap<u64, Object>,
    /// Where.
    pub sites: HashMap<u32, Place>,
    /// What was found out.
    pub verdicts: Vec<Told>,
    /// How long lay between two looks of the sampler; `None`: there was none.
    pub period: Option<Duration>,
    /// Whether it saw who ran Python code, and who waited for that.
    pub sees_turns: bool,
    /// How many processors the process might use; 0: not known.
    pub processors: u64,
    /// How many events are missing, and how many notes.
    pub lost: (u64, u64),
    /// The names that several threads have.
    pub(super) ambiguous: HashSet<String>,
}

/// Something that was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When; the end, if only the whole shows it.
    pub at: Duration,
    /// Whether only the whole of the recording shows it.
    pub over_all: bool,
    /// `RD001`.
    pub code: String,
    /// As it was told.
    pub text: String,
    /// Whether it may be wrong, so that nothing should be failed for it.
    pub likely: bool,
}

/// Something that threads waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `Lock`.
    pub kind: String,
    /// `Account.lock#2`.
    pub name: String,
    /// Where it was made.
    pub made: Option<Place>,
}

/// How a thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its function returned.
    Finished,
    /// An error left its function: the last line of its traceback.
    Died(String),
    /// It was asked to stop.
    Stopped,
    /// It never began: a timer that was cancelled.
    TakenBack,
}

impl Ended {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Ended::Finished => "finished",
            Ended::Died(_) => "died",
            Ended::Stopped => "stopped",
            Ended::TakenBack => "taken back",
        }
    }
}

/// One thread.
#[derive(Clone, Debug)]
pub struct Story {
    /// Who.
    pub thread: ThreadInfo,
    /// Who started it; 0: no thread that is known.
    pub starter: u64,
    /// When it became known.
    pub known: Duration,
    /// When its first instruction ran; `None`: it was never seen to run.
    pub began: Option<Duration>,
    /// When its last had run, and how it ended.
    pub ended: Option<(Duration, Ended)>,
    /// Until when nothing is known of it, because there was no room for its first events; its beginning, if all are here.
    pub forgotten: Duration,
    /// When its last event was.
    latest_event: Duration,
    /// Its waits, in order. They do not overlap.
    pub waits: Vec<Span>,
    /// The locks that it held when the recording ended, as far as they are known.
    pub holds: Vec<Arc<Object>>,
    /// What it was seen at between its waits, in order, as far as there was room. They do not overlap.
    pub seen: Vec<Seen>,
    /// How long it was seen at what, for all of its life.
    pub sampled: BTreeMap<Doing, Duration>,
    /// How much of a processor's time it has used, as far as that was looked at.
    pub processor: Duration,
    /// How long it could have run, and got no processor.
    pub run_queue: Duration,
    /// What it was seen at last, and in which call of the system's.
    pub latest: Option<(Doing, Option<u64>)>,
}

/// What a thread was seen at for some time, while it waited for nothing that raddle keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Since when.
    pub from: Duration,
    /// Until when; `None`: to the end of the recording.
    pub to: Option<Duration>,
    /// At what.
    pub doing: Doing,
}

/// A wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it went to sleep.
    pub from: Duration,
    /// When it went on; `None`: it had not.
    pub to: Option<Duration>,
    /// For what.
    pub call: For,
    /// Whether it would have ended by itself.
    pub timed: bool,
    /// Where; the number of a site.
    pub site: u32,
    /// For which object; 0: not known.
    pub object: u64,
    /// The thread that held it then; 0: nobody.
    pub holder: u64,
    /// Where that one was then; the number of a site.
    pub busy: u32,
    /// Of a lock: the thread that held it last before this wait ended, as far as the waits of others tell; 0: not known.
    pub last: u64,
}

impl Span {
    /// How long it was, up to `until`.
    pub fn length(&self, until: Duration) -> Duration {
        self.to.unwrap_or(until).saturating_sub(self.from)
    }
}

impl Story {
    /// From its first instruction to its last, or to `until`.
    pub fn life(&self, until: Duration) -> Duration {
        let end = self.ended.as_ref().map_or(until, |(at, _)| *at);
        self.began.map_or(Duration::ZERO, |began| end.saturating_sub(began))
    }

    /// How long it waited for each kind of thing.
    pub fn waited(&self, until: Duration) -> BTreeMap<For, Duration> {
        let mut waited = BTreeMap::new();
        for wait in &self.waits {
            *waited.entry(wait.call).or_default() += wait.length(until);
        }
        waited
    }

    /// What it did with its life, in times that add up to it: its waits as they were recorded, and what lies between them as
    /// the sampler saw it; the rest, if it was not looked at, as `None`.
    pub fn times(&self, until: Duration) -> BTreeMap<Option<Spent>, Duration> {
        let waited = self.waited(until);
        let life = self.life(until);
        let unknown = self.began.map_or(Duration::ZERO, |began| self.forgotten.saturating_sub(began)).min(life);
        let rest = life.saturating_sub(waited.values().sum()).saturating_sub(unknown);
        let mut times: BTreeMap<_, _> =
            waited.into_iter().map(|(call, time)| (Some(Spent::of_wait(call)), time)).collect();
        let looks: Duration = self.sampled.values().sum();
        let not_seen = if looks.is_zero() { unknown + rest } else { unknown };
        if looks.is_zero() || !unknown.is_zero() {
            times.insert(None, not_seen);
        }
        if looks.is_zero() {
            return times;
        }
        for (doing, seen) in &self.sampled {
            let share = rest.mul_f64(seen.as_secs_f64() / looks.as_secs_f64());
            *times.entry(Some(Spent::of_doing(*doing))).or_default() += share;
        }
        times
    }

    /// What it waited for when the recording ended.
    pub fn present(&self) -> Option<&Span> {
        self.waits.last().filter(|wait| wait.to.is_none() && self.ended.is_none())
    }
}

/// What a thread spends its time at: one of these at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spent {
    /// It runs Python code.
    Python,
    /// It runs other code.
    Native,
    /// It waits for the GIL.
    Gil,
    /// It waits for a lock, or a permit.
    Lock,
    /// For a queue.
    Queue,
    /// For a condition, an event, a barrier.
    Notice,
    /// For the end of threads.
    Join,
    /// For what comes of a job.
    Result,
    /// For a module that another thread imports.
    Import,
    /// For time to pass.
    Sleep,
    /// In a call of the system's.
    Io,
}

impl Spent {
    /// All of them.
    pub const ALL: [Spent; 11] = [
        Spent::Python,
        Spent::Native,
        Spent::Gil,
        Spent::Lock,
        Spent::Queue,
        Spent::Notice,
        Spent::Join,
        Spent::Result,
        Spent::Import,
        Spent::Sleep,
        Spent::Io,
    ];

    /// What it is called in a table.
    pub fn name(self) -> &'static str {
        match self {
            Spent::Python => "python",
            Spent::Native => "native",
            Spent::Gil => "gil",
            Spent::Lock => "lock",
            Spent::Queue => "queue",
            Spent::Notice => "notice",
            Spent::Join => "join",
            Spent::Result => "result",
            Spent::Import => "import",
            Spent::Sleep => "sleep",
            Spent::Io => "i/o",
        }
    }

    /// Of a wait.
    pub fn of_wait(call: For) -> Spent {
        match call {
            For::Lock => Spent::Lock,
            For::Notice => Spent::Notice,
            For::Sleep => Spent::Sleep,
            For::Join => Spent::Join,
            For::Import => Spent::Import,
            For::Queue => Spent::Queue,
            For::Result => Spent::Result,
        }
    }

    /// Of what the sampler sees.
    pub fn of_doing(doing: Doing) -> Spent {
        match doing {
            Doing::Python => Spent::Python,
            Doing::Native => Spent::Native,
            Doing::Gil => Spent::Gil,
            Doing::Lock => Spent::Lock,
            Doing::Sleep => Spent::Sleep,
            Doing::Io => Spent::Io,
        }
    }
}

impl Recording {
    /// How many bytes of a file tell how long it is.
    pub const HEAD: u64 = file::HEAD;

    /// How many bytes a recording has that begins so: no more of a file needs to be read.
    ///
    /// # Errors
    /// Why it is none.
    pub fn length(head: &[u8]) -> Result<u64, Unreadable> {
        file::length(head)
    }

    /// Reads a recording, which may be one that is being written.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: &[u8]) -> Result<Recording, Unreadable> {
        let mut content = file::read(bytes)?;
        let last = content.events.values().filter_map(|events| events.last()).map(|event| event.at).max();
        let mut recording = Recording {
            program: String::new(),
            process: content.process,
            began: Duration::from_nanos(content.began),
            ended: content.ended.map(Duration::from_nanos),
            until: Duration::from_nanos(content.ended.max(last).unwrap_or(0)),
            threads: Vec::new(),
            objects: HashMap::new(),
            sites: HashMap::new(),
            verdicts: Vec::new(),
            period: Some(Duration::from_nanos(content.period)).filter(|period| !period.is_zero()),
            sees_turns: content.sees_turns,
            processors: content.processors,
            lost: (content.events_lost, content.notes_lost),
            ambiguous: HashSet::new(),
        };
        let mut threads = BTreeMap::new();
        let (mut errors, mut locks, mut signals) = (HashMap::new(), HashMap::new(), HashSet::new());
        let mut room = ROOM;
        for note in content.notes {
            match note {
                Note::Lock { number, kind, name } => {
                    locks.insert(number, Arc::new(Object { kind, name, made: None }));
                }
                Note::Signal { number } => {
                    signals.insert(number);
                }
                note => recording.take(note, &mut threads, &mut errors, &mut room),
            }
        }
        let seen = content.events.remove(&SAMPLER).unwrap_or_default();
        for (serial, events) in content.events {
            let story = threads.entry(serial).or_insert_with(|| Story::of(unknown(serial), Duration::ZERO));
            let is_lost = recording.lost.0 > 0;
            events.into_iter().for_each(|event| story.take(event, errors.get(&serial), is_lost));
        }
        let nameless = Arc::new(Object { kind: "a lock".into(), name: String::new(), made: None });
        for (serial, held) in content.hands {
            let held = held.iter().filter(|number| !signals.contains(number));
            let held = held.map(|number| Arc::clone(locks.get(number).unwrap_or(&nameless)));
            threads.entry(serial).and_modify(|story| story.holds = held.collect());
        }
        for event in seen {
            if let Some(story) = threads.get_mut(&event.other) {
                story.was_seen(event);
            }
        }
        let period = recording.period.unwrap_or_default();
        threads.values_mut().for_each(|story| story.fit_in(period));
        for (serial, times) in content.times {
            if let Some(story) = threads.get_mut(&serial) {
                let nanos = |(doing, time): (Doing, u64)| (doing, Duration::from_nanos(time));
                story.sampled = times.doing.into_iter().map(nanos).collect();
                story.processor = Duration::from_nanos(times.processor);
                story.run_queue = Duration::from_nanos(times.run_queue);
                story.latest = Doing::of(times.latest as u8).map(|doing| (doing, (times.latest >> 8).checked_sub(1)));
            }
        }
        recording.threads = threads.into_values().collect();
        let mut names = HashSet::new();
        let all = recording.threads.iter().map(|story| &story.thread.name);
        recording.ambiguous = all.filter(|name| !names.insert(*name)).cloned().collect();
        recording.find_last_holders();
        let found = recording.findings();
        let told = |(code, text): (Code, String)| Told {
            at: recording.until,
            over_all: true,
            code: code.id().to_owned(),
            text,
            likely: false,
        };
        recording.verdicts.extend(found.into_iter().map(told).collect::<Vec<_>>());
        Ok(recording)
    }

    fn take(
        &mut self,
        note: Note,
        threads: &mut BTreeMap<u64, Story>,
        errors: &mut HashMap<u64, String>,
        room: &mut usize,
    ) {
        match note {
            Note::Program { text } => self.program = text,
            Note::Thread { serial, at, kind, runs, name, starter, started_by, site } => {
                let started_by = Some(started_by).filter(|name| !name.is_empty());
                let started_at = self.sites.get(&site).and_then(|place| {
                    *room = room.checked_sub(size(place))?;
                    Some(place.clone())
                });
                let thread = ThreadInfo { serial, name, kind, started_by, started_at };
                let known = Duration::from_nanos(at);
                threads.insert(serial, Story { starter, began: runs.then_some(known), ..Story::of(thread, known) });
            }
            Note::Renamed { serial, name } => {
                threads.entry(serial).and_modify(|story| story.thread.name = name);
            }
            Note::Died { serial, error } => {
                errors.insert(serial, error);
            }
            Note::Object { number, kind, name, made } => {
                self.objects.insert(number, Object { kind, name, made });
            }
            Note::Site { number, place } => {
                self.sites.insert(number, place);
            }
            Note::Lock { .. } | Note::Signal { .. } => {}
            Note::Verdict { at, likely, code, text } => {
                let at = Duration::from_nanos(at);
                self.until = self.until.max(at);
                self.verdicts.push(Told { at, over_all: false, code, text, likely });
            }
        }
    }

    /// The thread of that serial.
    pub fn thread(&self, serial: u64) -> Option<&Story> {
        let at = self.threads.binary_search_by_key(&serial, |story| story.thread.serial).ok()?;
        self.threads.get(at)
    }
}

impl Story {
    fn of(thread: ThreadInfo, known: Duration) -> Story {
        Story {
            thread,
            starter: 0,
            known,
            began: None,
            ended: None,
            forgotten: Duration::ZERO,
            latest_event: Duration::ZERO,
            waits: Vec::new(),
            holds: Vec::new(),
            seen: Vec::new(),
            sampled: BTreeMap::new(),
            processor: Duration::ZERO,
            run_queue: Duration::ZERO,
            latest: None,
        }
    }

    /// The sampler's events come in the order of time.
    fn was_seen(&mut self, event: Event) {
        let at = Duration::from_nanos(event.at);
        if let Some(last) = self.seen.last_mut().filter(|seen| seen.to.is_none()) {
            last.to = Some(at.max(last.from));
        }
        if let Some(doing) = event.doing {
            self.seen.push(Seen { from: at, to: None, doing });
        }
    }

    /// Makes room for the waits in what the thread was seen at. Of a wait that no look fell into nothing was noted: after it, the
    /// thread was at the same as before. And what it was seen at soon after a wait had begun with its end.
    fn fit_in(&mut self, period: Duration) {
        let soon = period * 3;
        let end = self.ended.as_ref().map(|(at, _)| *at);
        let mut fitted: Vec<Seen> = Vec::with_capacity(self.seen.len());
        for seen in &self.seen {
            let mut next = self.waits.partition_point(|wait| wait.from <= seen.from);
            let before = next.checked_sub(1).map(|at| &self.waits[at]);
            let free = before.map_or(self.began, |wait| wait.to);
            let mut from = free.filter(|free| *free > seen.from || seen.from - *free < soon).unwrap_or(seen.from);
            from = from.max(fitted.last().and_then(|last| last.to).unwrap_or_default());
            let limit = seen.to.into_iter().chain(end).min();
            loop {
                let wait = self.waits.get(next).filter(|wait| limit.is_none_or(|limit| wait.from < limit));
                let to = wait.map(|wait| wait.from).or(limit);
                if to.is_none_or(|to| to > from) {
                    fitted.push(Seen { from, to, doing: seen.doing });
                }
                let again = wait.and_then(|wait| wait.to.filter(|to| to.saturating_sub(wait.from) < soon));
                let Some(again) = again.filter(|again| limit.is_none_or(|limit| *again < limit)) else { break };
                (from, next) = (again, next + 1);
            }
        }
        self.seen = fitted;
    }

    fn take(&mut self, event: Event, error: Option<&String>, something_is_lost: bool) {
        // A file that lies may go back in time; a thread does not.
        let at = Duration::from_nanos(event.at).max(self.latest_event);
        let is_first = self.latest_event.is_zero() && self.waits.is_empty();
        self.latest_event = at;
        if is_first && event.kind != Kind::Began && something_is_lost {
            self.forgotten = at;
        }
        let is_taken_back = event.kind == Kind::Ended && event.other == how::TAKEN_BACK;
        if self.began.is_none() && !is_taken_back {
            // What came before was overwritten.
            self.began = Some(if event.kind == Kind::Began { at } else { self.known.min(at) });
        }
        match event.kind {
            Kind::Began | Kind::Seen => {}
            Kind::Waits => {
                self.goes_on(at);
                let (site, object, holder, timed) = (event.site, event.object, event.other, event.timed);
                let call = event.call.unwrap_or(For::Notice);
                self.waits.push(Span {
                    from: at,
                    to: None,
                    call,
                    timed,
                    site,
                    object,
                    holder,
                    busy: event.busy,
                    last: 0,
                });
            }
            Kind::GoesOn => self.goes_on(at),
            Kind::Ended => {
                self.goes_on(at);
                let ending = match (event.other, error) {
                    (how::DIED, error) => Ended::Died(error.cloned().unwrap_or_default()),
                    (how::STOPPED, _) => Ended::Stopped,
                    (how::TAKEN_BACK, _) => Ended::TakenBack,
                    _ => Ended::Finished,
                };
                self.ended = Some((at, ending));
            }
        }
    }

    fn goes_on(&mut self, at: Duration) {
        if let Some(wait) = self.waits.last_mut().filter(|wait| wait.to.is_none()) {
            wait.to = Some(at.max(wait.from));
        }
    }
}

fn size(place: &Place) -> usize {
    size_of::<Place>() + place.file.len() + place.function.len() + place.source.as_ref().map_or(0, String::len)
}

fn unknown(serial: u64) -> ThreadInfo {
    let name = format!("thread {serial}");
    ThreadInfo { serial, name, kind: ThreadKind::Regular, started_by: None, started_at: None }
}
