//! Recordings that were never written by a program, and a reader of Perfetto's traces.

#![allow(dead_code)] // no test needs all of it

use std::collections::HashMap;

use raddle::graph::verdict::Place;
use raddle::observe::recording::format::{
    Doing, Event, For, Kind, MAGIC, Note, PAGE, SAMPLER, VERSION, hand, header, ring, times,
};

/// The bytes of a file in which these words stand, the rest 0.
pub fn file(words: &[(usize, u64)], length: usize) -> Vec<u8> {
    let mut file = vec![0; length];
    for (at, word) in words {
        file[*at] = *word;
    }
    file.iter().flat_map(|word: &u64| word.to_le_bytes()).collect()
}

/// Nothing in particular, which happens at `at`.
pub fn event(at: u64, kind: Kind) -> Event {
    Event { at, kind, call: None, timed: false, site: 0, busy: 0, doing: None, object: 0, other: 0 }
}

/// Pages of [`whole`].
pub const PAGES: usize = 6;

/// A page of notes, hands and times, three of events, and one of nothing.
pub fn whole() -> Vec<(usize, u64)> {
    let hands = PAGE + 80;
    let seen = hands + hand::WORDS;
    let mut words = vec![
        (header::MAGIC, MAGIC),
        (header::VERSION, VERSION),
        (header::WORDS, (PAGES * PAGE) as u64),
        (header::NOTES, PAGE as u64),
        (header::NOTES_ROOM, PAGE as u64),
        (header::RINGS, 2 * PAGE as u64),
        (header::RINGS_ROOM, 3),
        (header::RINGS_USED, 3),
        (header::HANDS, hands as u64),
        (header::HANDS_ROOM, 1),
        (header::HANDS_USED, 1),
        (hands + hand::SERIAL, 1),
        (hands + hand::COUNT, 2),
        (hands + hand::LOCKS, 7),
        (hands + hand::LOCKS + 1, 8),
        (header::TIMES, seen as u64),
        (header::TIMES_ROOM, 1),
        (header::TIMES_USED, 1),
        (seen + times::SERIAL, 1),
        (seen + times::DOING + Doing::Python as usize, 3_000_000),
        (seen + times::DOING + Doing::Io as usize, 1_000_000),
        (seen + times::PROCESSOR, 5),
        (seen + times::RUN_QUEUE, 6),
        (header::PERIOD, 500_000),
        (header::SEES_TURNS, 1),
        (header::PROCESSORS, 2),
    ];
    let place = Place { file: "a.py".into(), line: 7, end_line: 7, columns: None, function: "f".into(), source: None };
    let notes = [
        Note::Program { text: "app.py".into() },
        Note::Died { serial: 1, error: "ValueError".into() },
        Note::Object { number: 1, kind: "Lock".into(), name: "ledger".into(), made: None },
        Note::Lock { number: 7, kind: "Lock".into(), name: "ledger".into() },
        Note::Site { number: 1, place },
    ];
    let notes: Vec<u64> = notes.iter().flat_map(Note::to_words).collect();
    assert!(notes.len() <= 80, "hands come next");
    words.push((header::NOTES_USED, notes.len() as u64));
    words.extend((PAGE..).zip(notes));
    for (page, serial) in [(2 * PAGE, 1), (3 * PAGE, 2)] {
        let kinds = [Kind::Began, Kind::Waits, Kind::GoesOn].into_iter().enumerate();
        let events = kinds.map(|(number, kind)| Event {
            call: Some(For::Lock),
            site: 2,
            busy: 1,
            object: 1,
            other: 3 - serial,
            ..event(number as u64 * 1_000_000, kind)
        });
        words.extend(ring_page(page, serial, &events.collect::<Vec<_>>()));
    }
    let python = Event { doing: Some(Doing::Python), other: 1, ..event(0, Kind::Seen) };
    let nothing = Event { other: 1, ..event(1_500_000, Kind::Seen) };
    words.extend(ring_page(4 * PAGE, SAMPLER, &[python, nothing]));
    words
}

fn ring_page(page: usize, serial: u64, events: &[Event]) -> Vec<(usize, u64)> {
    let mut words = vec![
        (page + ring::SERIAL, serial),
        (page + ring::NUMBER, page as u64),
        (page + ring::COUNT, events.len() as u64),
    ];
    for (number, event) in events.iter().enumerate() {
        words.extend((page + ring::EVENTS + number * ring::EVENT..).zip(event.to_words()));
    }
    words
}

/// A whole file with these notes, events by who wrote them, and times.
pub fn recorded(notes: &[Note], events: &[(u64, Event)], seen: &[[u64; times::WORDS]]) -> Vec<u8> {
    let notes: Vec<u64> = notes.iter().flat_map(Note::to_words).collect();
    let first_times = PAGE + notes.len();
    let mut page = first_times + seen.len() * times::WORDS;
    let mut words = vec![
        (header::MAGIC, MAGIC),
        (header::VERSION, VERSION),
        (header::NOTES, PAGE as u64),
        (header::NOTES_ROOM, notes.len() as u64),
        (header::NOTES_USED, notes.len() as u64),
        (header::TIMES, first_times as u64),
        (header::TIMES_ROOM, seen.len() as u64),
        (header::TIMES_USED, seen.len() as u64),
        (header::RINGS, page as u64),
    ];
    words.extend((PAGE..).zip(notes));
    words.extend((first_times..).zip(seen.concat()));
    let mut writers: Vec<u64> = events.iter().map(|(writer, _)| *writer).collect();
    writers.sort_unstable();
    writers.dedup();
    let mut pages = 0;
    for writer in writers {
        let own: Vec<_> = events.iter().filter(|(of, _)| *of == writer).map(|(_, event)| *event).collect();
        for part in own.chunks(ring::ROOM) {
            words.extend(ring_page(page, writer, part));
            page += PAGE;
            pages += 1;
        }
    }
    words.extend([(header::RINGS_ROOM, pages), (header::RINGS_USED, pages), (header::WORDS, page as u64)]);
    file(&words, page)
}

/// A field of a message: its number, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn number(self) -> u64 {
        if let Value::Number(number) = self { number } else { panic!("{self:?} is no number") }
    }

    pub fn bytes(self) -> &'a [u8] {
        if let Value::Bytes(bytes) = self { bytes } else { panic!("{self:?} is no bytes") }
    }

    pub fn text(self) -> String {
        std::str::from_utf8(self.bytes()).expect("it is text").to_owned()
    }
}

/// The fields of a message.
pub fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().expect("a number ends");
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return value;
            }
        }
        panic!("a number is too long")
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)),
            1 => {
                let (eight, rest) = bytes.split_at(8);
                bytes = rest;
                Value::Number(u64::from_le_bytes(eight.try_into().unwrap()))
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Value::Bytes(value)
            }
            other => panic!("there is no field of type {other} here"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

/// The first field of that number.
pub fn field<'a>(fields: &[(u64, Value<'a>)], number: u64) -> Option<Value<'a>> {
    fields.iter().find(|(of, _)| *of == number).map(|(_, value)| *value)
}

/// A track event of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackEvent {
    pub at: u64,
    /// 1 begins a slice, 2 ends one, 3 is a mark, 4 a number.
    pub kind: u64,
    pub track: u64,
    pub name: String,
    /// What else is said, as `at: app.py:9`.
    pub said: Vec<String>,
    /// Where an arrow leaves, and where one arrives.
    pub flows: [Option<u64>; 2],
}

/// The events of a trace. All that is to be true of any is looked at: times do not go back, what has a number was told before it is
/// used, slices of a track nest and all end, arrows have two ends.
pub fn trace(bytes: &[u8]) -> Vec<TrackEvent> {
    let mut names: HashMap<(u64, u64), String> = HashMap::new();
    let (mut tracks, mut events) = (Vec::new(), Vec::<TrackEvent>::new());
    for (_, packet) in fields(bytes) {
        let packet = fields(packet.bytes());
        for (table, entry) in field(&packet, 12).map_or(Vec::new(), |interned| fields(interned.bytes())) {
            let entry = fields(entry.bytes());
            names.insert((table, field(&entry, 1).unwrap().number()), field(&entry, 2).unwrap().text());
        }
        if let Some(track) = field(&packet, 60) {
            tracks.push(field(&fields(track.bytes()), 1).unwrap().number());
        }
        let Some(event) = field(&packet, 11) else { continue };
        let event = fields(event.bytes());
        let number = |of| field(&event, of).map(Value::number);
        let in_words = |said: Value<'_>| {
            let said = fields(said.bytes());
            let text = field(&said, 17).map(|text| names[&(29, text.number())].clone());
            let text = text.or_else(|| Some(field(&said, 6)?.text()));
            let text = text.unwrap_or_else(|| (field(&said, 2).unwrap().number() == 1).to_string());
            format!("{}: {text}", names[&(3, field(&said, 1).unwrap().number())])
        };
        events.push(TrackEvent {
            at: field(&packet, 8).unwrap().number(),
            kind: number(9).unwrap(),
            track: number(11).unwrap(),
            said: event.iter().filter(|(of, _)| *of == 4).map(|(_, said)| in_words(*said)).collect(),
            name: number(10).map_or(String::new(), |iid| names[&(2, iid)].clone()),
            flows: [number(47), number(48)],
        });
    }
    assert!(events.windows(2).all(|two| two[0].at <= two[1].at), "times go on");
    let mut open: HashMap<u64, usize> = HashMap::new();
    let mut flows = Vec::new();
    for event in &events {
        assert!(tracks.contains(&event.track), "{event:?} is on no track");
        let open = open.entry(event.track).or_default();
        match event.kind {
            1 => *open += 1,
            2 => *open = open.checked_sub(1).expect("a slice that ends has begun"),
            _ => {}
        }
        flows.extend(event.flows[0]);
        assert!(event.flows[1].is_none_or(|flow| flows.contains(&flow)), "{event:?}: the arrow comes from nowhere");
    }
    assert!(open.values().all(|open| *open == 0), "every slice ends");
    events
}
