//! A recording as large as they come: fifty threads, a million events, a minute.

use std::collections::BTreeMap;

use raddle::graph::verdict::{Place, ThreadKind};
use raddle::observe::recording::format::{
    Doing, Event, For, Kind, MAGIC, Note, PAGE, SAMPLER, VERSION, header, ring, times,
};

pub const THREADS: u64 = 50;
pub const EVENTS: usize = 1_000_000;
/// Nanoseconds.
const MINUTE: u64 = 60_000_000_000;
const LOCKS: u64 = 20;
const SITES: u32 = 30;

/// The bytes of a file with these notes, the events of each thread, and what the sampler saw each at in all.
pub fn file(notes: &[Note], events: &BTreeMap<u64, Vec<Event>>, seen: &[(u64, Doing, u64)]) -> Vec<u8> {
    let notes: Vec<u64> = notes.iter().flat_map(Note::to_words).collect();
    let times_at = PAGE + notes.len().next_multiple_of(PAGE);
    let rings = times_at + (seen.len() * times::WORDS).next_multiple_of(PAGE);
    let pages: Vec<(u64, &[Event])> =
        events.iter().flat_map(|(serial, of)| of.chunks(ring::ROOM).map(move |page| (*serial, page))).collect();
    let mut words = vec![0; rings + pages.len() * PAGE];
    let until = events.values().flatten().map(|event| event.at).max().unwrap_or(0);
    for (at, word) in [
        (header::MAGIC, MAGIC),
        (header::VERSION, VERSION),
        (header::WORDS, words.len() as u64),
        (header::PROCESS, 4711),
        (header::ENDED, until),
        (header::NOTES, PAGE as u64),
        (header::NOTES_ROOM, notes.len() as u64),
        (header::NOTES_USED, notes.len() as u64),
        (header::TIMES, times_at as u64),
        (header::TIMES_ROOM, seen.len() as u64),
        (header::TIMES_USED, seen.len() as u64),
        (header::PERIOD, 5_000_000),
        (header::RINGS, rings as u64),
        (header::RINGS_ROOM, pages.len() as u64),
        (header::RINGS_USED, pages.len() as u64),
    ] {
        words[at] = word;
    }
    words[PAGE..PAGE + notes.len()].copy_from_slice(&notes);
    for (number, (serial, doing, time)) in seen.iter().enumerate() {
        let at = times_at + number * times::WORDS;
        words[at + times::SERIAL] = *serial;
        words[at + times::DOING + *doing as usize] = *time;
    }
    for (number, (serial, page)) in pages.into_iter().enumerate() {
        let at = rings + number * PAGE;
        words[at + ring::SERIAL] = serial;
        words[at + ring::NUMBER] = number as u64 + 1;
        words[at + ring::COUNT] = page.len() as u64;
        for (index, event) in page.iter().enumerate() {
            let at = at + ring::EVENTS + index * ring::EVENT;
            words[at..at + ring::EVENT].copy_from_slice(&event.to_words());
        }
    }
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

pub fn event(at: u64, kind: Kind) -> Event {
    Event { at, kind, call: None, timed: false, site: 0, busy: 0, doing: None, object: 0, other: 0 }
}

pub fn thread(serial: u64, starter: u64, name: &str) -> Note {
    let kind = if starter == 0 { ThreadKind::Main } else { ThreadKind::Regular };
    let (name, started_by) = (name.to_owned(), if starter == 0 { "" } else { "MainThread" }.to_owned());
    Note::Thread { serial, at: 0, kind, runs: false, name, starter, started_by, site: u32::from(starter != 0) }
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Most are short, a few very long: each power of two is as likely as the next.
    fn length(&mut self) -> u64 {
        let log = 13 + self.below(12);
        let log = if self.below(400) == 0 { log + 5 } else { log };
        (1 << log) + self.below(1 << log)
    }
}

/// What each thread waited for, one wait after the other.
fn waits(serial: u64, count: usize, dice: &mut Dice) -> Vec<Event> {
    let lengths: Vec<(u64, u64)> = (0..count).map(|_| (dice.length(), dice.length())).collect();
    let all: u64 = lengths.iter().map(|(busy, waits)| busy + waits).sum();
    let scale = |length: u64| (u128::from(length) * u128::from(MINUTE) / u128::from(all)) as u64;
    let (mut at, mut events) = (0, vec![event(0, Kind::Began)]);
    for (busy, length) in lengths {
        at += scale(busy);
        let is_lock = dice.below(4) != 0;
        let (site, busy) = (1 + dice.below(u64::from(SITES)) as u32, 1 + dice.below(u64::from(SITES)) as u32);
        let other = if is_lock { 1 + (serial + dice.below(THREADS - 1)) % THREADS } else { 0 };
        let object = if is_lock { 1 + dice.below(LOCKS) } else { LOCKS + 1 + serial % 5 };
        let call = Some(if is_lock { For::Lock } else { For::Queue });
        events.push(Event { call, site, busy, object, other, ..event(at, Kind::Waits) });
        at += scale(length);
        events.push(event(at, Kind::GoesOn));
    }
    events
}

pub fn large() -> Vec<u8> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut notes = vec![Note::Program { text: "service.py".into() }];
    notes.extend((1..=SITES).map(|number| {
        let place = Place {
            file: "/srv/app/store.py".into(),
            line: 10 * number,
            function: format!("Store.step_{number}"),
            ..Place::default()
        };
        Note::Site { number, place }
    }));
    notes.extend((1..=LOCKS + 5).map(|number| {
        let kind = if number > LOCKS { "Queue" } else { "Lock" };
        Note::Object { number, kind: kind.into(), name: format!("Store.{}#{number}", kind.to_lowercase()), made: None }
    }));
    notes.push(thread(1, 0, "MainThread"));
    notes.extend((2..=THREADS).map(|serial| thread(serial, 1 + serial % 3, &format!("worker-{serial}"))));
    // One event in ten is the sampler's.
    let (looks, each) = (EVENTS / 10, EVENTS / 10 * 9 / THREADS as usize / 2);
    let mut events: BTreeMap<u64, Vec<Event>> =
        (1..=THREADS).map(|serial| (serial, waits(serial, each, &mut dice))).collect();
    let seen = (0..looks as u64).map(|number| {
        let doing = Doing::ALL.get(dice.below(7) as usize).copied();
        Event { doing, other: 1 + number % THREADS, ..event(number * (MINUTE / looks as u64), Kind::Seen) }
    });
    events.insert(SAMPLER, seen.collect());
    let times: Vec<_> = (1..=THREADS).map(|serial| (serial, Doing::ALL[serial as usize % 3], MINUTE / 3)).collect();
    file(&notes, &events, &times)
}
