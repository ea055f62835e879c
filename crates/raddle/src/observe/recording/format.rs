//! How a recording lies in its file: written here and read here, so that the two cannot drift apart.
//!
//! Everything is a 64-bit word in little-endian order, so a writer stores words and a reader, in another process or after the
//! writer was killed, never sees half of one.
//!
//! ```text
//! header   one page: the words of [`header`]
//! notes    one after the other, each as [`Note`]: what is said once, at length (threads, objects, places, verdicts)
//! hands    one [`hand`] for each thread that has taken a lock: what it holds
//! times    one [`times`] for each thread that a sampler has seen at something: how often it was seen at what
//! rings    pages of events, each page one thread's: serial, number of the page, count, spare; then events of four words
//! ```
//!
//! `NOTES_USED` grows when a note is complete, `count` when an event is: what lies below them is whole, whenever the writer was
//! cut off. A ring whose count is above what it has room for has come round: its last events are there, but for the one
//! that may just be overwritten.

use crate::graph::verdict::{Place, ThreadKind};

/// The first word: which kind of file this is.
pub const MAGIC: u64 = u64::from_le_bytes(*b"raddle\x00\x01");
/// The second: what of this module is true of it.
pub const VERSION: u64 = 2;

/// Words of a page. Small, since most threads do little.
pub const PAGE: usize = 128;

/// Where in the header what stands.
pub mod header {
    /// See [`MAGIC`](super::MAGIC).
    pub const MAGIC: usize = 0;
    /// See [`VERSION`](super::VERSION).
    pub const VERSION: usize = 1;
    /// Words of the file.
    pub const WORDS: usize = 2;
    /// The number of the process.
    pub const PROCESS: usize = 3;
    /// When it began, on the monotonic clock: events and notes count from there.
    pub const BEGAN: usize = 4;
    /// The same on the clock on the wall, in nanoseconds since 1970.
    pub const BEGAN_WALL: usize = 5;
    /// The first word of the notes.
    pub const NOTES: usize = 6;
    /// Words for notes.
    pub const NOTES_ROOM: usize = 7;
    /// Words of whole notes.
    pub const NOTES_USED: usize = 8;
    /// How many notes had no room.
    pub const NOTES_LOST: usize = 9;
    /// The first word of the rings.
    pub const RINGS: usize = 10;
    /// How many pages of rings there is room for.
    pub const RINGS_ROOM: usize = 11;
    /// How many of them were used so far.
    pub const RINGS_USED: usize = 12;
    /// How many events had no room.
    pub const EVENTS_LOST: usize = 13;
    /// When the process ended in order, in nanoseconds since it began; 0: it has not.
    pub const ENDED: usize = 14;
    /// How often a page was given to a thread: the number of the latest.
    pub const PAGES_GIVEN: usize = 15;
    /// The first word of the hands.
    pub const HANDS: usize = 16;
    /// How many hands there is room for.
    pub const HANDS_ROOM: usize = 17;
    /// How many of them were used so far.
    pub const HANDS_USED: usize = 18;
    /// The first word of the times.
    pub const TIMES: usize = 19;
    /// How many times there is room for.
    pub const TIMES_ROOM: usize = 20;
    /// How many of them were used so far.
    pub const TIMES_USED: usize = 21;
    /// How many nanoseconds lie between two looks of the sampler; 0: there is none.
    pub const PERIOD: usize = 22;
    /// Whether it can see who runs the host's code, and who waits for that: 1 or 0.
    pub const SEES_TURNS: usize = 23;
    /// How many processors the process may use.
    pub const PROCESSORS: usize = 24;
}

/// What a thread holds: where in its words what stands.
pub mod hand {
    /// Whose it is; 0: nobody's.
    pub const SERIAL: usize = 0;
    /// How many locks.
    pub const COUNT: usize = 1;
    /// Their numbers, as many as there is room for, those taken first first.
    pub const LOCKS: usize = 2;
    /// Words of a hand.
    pub const WORDS: usize = 16;
    /// How many locks there is room for.
    pub const ROOM: usize = WORDS - LOCKS;
}

/// What a thread was seen at by the sampler: where in its words what stands.
pub mod times {
    /// Whose they are; 0: nobody's.
    pub const SERIAL: usize = 0;
    /// For each [`Doing`](super::Doing), at its number: nanoseconds between the looks that found the thread at it.
    pub const DOING: usize = 0;
    /// How much of a processor's time the thread has used, in nanoseconds.
    pub const PROCESSOR: usize = 8;
    /// How long it could have run, and got no processor, in nanoseconds.
    pub const RUN_QUEUE: usize = 9;
    /// What it was at when it was looked at last: a [`Doing`](super::Doing) and, from bit 8 on, the number of the system call
    /// and 1; 0: it waited for something that raddle keeps, or has ended.
    pub const LATEST: usize = 10;
    /// Words of it.
    pub const WORDS: usize = 16;
}

/// Where in a page of events what stands.
pub mod ring {
    /// Whose it is.
    pub const SERIAL: usize = 0;
    /// A number that is greater the later the thread got it.
    pub const NUMBER: usize = 1;
    /// How many events were written.
    pub const COUNT: usize = 2;
    /// The first event.
    pub const EVENTS: usize = 4;
    /// Words of an event.
    pub const EVENT: usize = 4;
    /// How many events a page has room for.
    pub const ROOM: usize = (super::PAGE - EVENTS) / EVENT;
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The first instruction of a thread.
    Began = 1,
    /// Its last.
    Ended,
    /// It goes to sleep.
    Waits,
    /// It goes on.
    GoesOn,
    /// The sampler saw another thread, [`Event::other`], begin something, [`Event::doing`]; `None`: it does nothing of that
    /// kind any more.
    Seen,
}

/// Whose the pages are into which the sampler writes.
pub const SAMPLER: u64 = u64::MAX;

/// The system's calls that have a name; a file has the number of one in here, and 1.
pub const CALLS: [&str; 14] = [
    "read",
    "write",
    "poll",
    "select",
    "epoll_wait",
    "accept",
    "connect",
    "recv",
    "send",
    "wait",
    "fsync",
    "lock of a file",
    "open",
    "pause",
];

/// What a thread does while it waits for nothing that raddle keeps; the numbers are the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Doing {
    /// It runs the host's code, which one thread at a time may do. A Rust program has no such code.
    Python = 1,
    /// It runs other code.
    Native,
    /// It waits for its turn to run the host's code.
    Gil,
    /// It waits for a lock that is not raddle's.
    Lock,
    /// It waits for time to pass, in a call of the system's.
    Sleep,
    /// It waits in another call of the system's.
    Io,
}

impl Doing {
    /// All of them.
    pub const ALL: [Doing; 6] = [Doing::Python, Doing::Native, Doing::Gil, Doing::Lock, Doing::Sleep, Doing::Io];

    /// The one of that number.
    pub fn of(number: u8) -> Option<Doing> {
        Doing::ALL.into_iter().find(|doing| *doing as u8 == number)
    }
}

/// How a thread ended: what stands in [`Event::other`] of a [`Kind::Ended`].
pub mod how {
    /// Its function returned.
    pub const FINISHED: u64 = 0;
    /// An error left its function, which a note tells.
    pub const DIED: u64 = 1;
    /// It was asked to stop.
    pub const STOPPED: u64 = 2;
    /// It never began.
    pub const TAKEN_BACK: u64 = 3;
}

/// In which call a thread waits; the numbers are the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum For {
    /// A lock, or a permit.
    Lock = 1,
    /// A condition, an event, a barrier.
    Notice,
    /// Time to pass.
    Sleep,
    /// The end of threads.
    Join,
    /// A module that another thread imports.
    Import,
    /// A queue.
    Queue,
    /// What comes of a job.
    Result,
}

impl For {
    /// All of them.
    pub const ALL: [For; 7] = [For::Lock, For::Notice, For::Sleep, For::Join, For::Import, For::Queue, For::Result];

    fn of(number: u8) -> Option<For> {
        For::ALL.into_iter().find(|call| *call as u8 == number)
    }
}

/// What there is room for in [`Event::busy`].
const BUSY: u64 = (1 << 15) - 1;

/// Something that happened in a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// In nanoseconds since the recording began.
    pub at: u64,
    /// What.
    pub kind: Kind,
    /// For what it waits, if it does.
    pub call: Option<For>,
    /// Whether the wait ends by itself.
    pub timed: bool,
    /// The number of the place; 0: not known.
    pub site: u32,
    /// The number of the place where the holder was then, of those below 2^15; 0: not known.
    pub busy: u32,
    /// What a thread was seen at.
    pub doing: Option<Doing>,
    /// The number of the object; 0: none that was told of. Of a [`Kind::Seen`]: of the system call, and 1.
    pub object: u64,
    /// The thread that holds what is waited for; 0: nobody. Of a [`Kind::Seen`]: who was seen.
    pub other: u64,
}

impl Event {
    /// As four words.
    pub fn to_words(self) -> [u64; ring::EVENT] {
        // A number for both: no event has a call and something seen.
        let call = self.call.map_or(self.doing.map_or(0, |doing| doing as u64), |call| call as u64);
        let busy = u64::from(self.busy) & BUSY;
        let what = self.kind as u64 | call << 8 | u64::from(self.timed) << 16 | busy << 17 | u64::from(self.site) << 32;
        [self.at, what, self.object, self.other]
    }

    /// `None` for words that are no event.
    pub fn of_words([at, what, object, other]: [u64; ring::EVENT]) -> Option<Event> {
        let kind = match what as u8 {
            1 => Kind::Began,
            2 => Kind::Ended,
            3 => Kind::Waits,
            4 => Kind::GoesOn,
            5 => Kind::Seen,
            _ => return None,
        };
        let (number, is_seen) = ((what >> 8) as u8, kind == Kind::Seen);
        let (call, doing) = if is_seen { (None, Doing::of(number)) } else { (For::of(number), None) };
        let (timed, busy, site) = (what >> 16 & 1 != 0, (what >> 17 & BUSY) as u32, (what >> 32) as u32);
        Some(Event { at, kind, call, timed, site, busy, doing, object, other })
    }
}

/// What is said once, at length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// What ran.
    Program {
        /// As a person would start it.
        text: String,
    },
    /// A thread became known.
    Thread {
        /// Which.
        serial: u64,
        /// In nanoseconds since the recording began.
        at: u64,
        /// How it came into the runtime.
        kind: ThreadKind,
        /// Whether it ran before the recording began.
        runs: bool,
        /// What it is called.
        name: String,
        /// Who started it; 0: no thread.
        starter: u64,
        /// What that one was called; empty: nobody did.
        started_by: String,
        /// The number of the place where it was started; 0: not known.
        site: u32,
    },
    /// A thread got another name.
    Renamed {
        /// Which.
        serial: u64,
        /// Its name from here on.
        name: String,
    },
    /// An error left a thread's function.
    Died {
        /// Which.
        serial: u64,
        /// The last line of the traceback.
        error: String,
    },
    /// Something that threads wait for.
    Object {
        /// What events call it.
        number: u64,
        /// `Lock`, `Queue`, ...
        kind: String,
        /// `Account.lock#2`.
        name: String,
        /// Where it was made.
        made: Option<Place>,
    },
    /// A lock that a thread may hold.
    Lock {
        /// What hands call it.
        number: u64,
        /// `Lock`, `RLock`, ...
        kind: String,
        /// `Account.lock#2`.
        name: String,
    },
    /// A lock that one thread took and another one released: who took it need not hold it.
    Signal {
        /// Which.
        number: u64,
    },
    /// A place in the program.
    Site {
        /// What events call it.
        number: u32,
        /// The place.
        place: Place,
    },
    /// Something was found out.
    Verdict {
        /// In nanoseconds since the recording began.
        at: u64,
        /// Whether it may be wrong.
        likely: bool,
        /// `RD001`.
        code: String,
        /// As it was told.
        text: String,
    },
}

const KINDS: [ThreadKind; 4] = [ThreadKind::Main, ThreadKind::Regular, ThreadKind::Daemon, ThreadKind::Foreign];

impl Note {
    /// As words: the first says which note it is and how many words it has.
    pub fn to_words(&self) -> Vec<u64> {
        let mut words = Words(vec![0]);
        let kind: u64 = match self {
            Note::Program { text } => {
                words.text(text);
                1
            }
            Note::Thread { serial, at, kind, runs, name, starter, started_by, site } => {
                let kind = *kind as u64 | u64::from(*runs) << 8;
                words.0.extend([*serial, *at, kind, *starter, u64::from(*site)]);
                words.text(name);
                words.text(started_by);
                2
            }
            Note::Renamed { serial, name } => {
                words.0.push(*serial);
                words.text(name);
                3
            }
            Note::Died { serial, error } => {
                words.0.push(*serial);
                words.text(error);
                4
            }
            Note::Object { number, kind, name, made } => {
                words.0.push(*number);
                words.text(kind);
                words.text(name);
                words.0.push(u64::from(made.is_some()));
                made.iter().for_each(|place| words.place(place));
                5
            }
            Note::Site { number, place } => {
                words.0.push(u64::from(*number));
                words.place(place);
                6
            }
            Note::Verdict { at, likely, code, text } => {
                words.0.extend([*at, u64::from(*likely)]);
                words.text(code);
                words.text(text);
                7
            }
            Note::Lock { number, kind, name } => {
                words.0.push(*number);
                words.text(kind);
                words.text(name);
                8
            }
            Note::Signal { number } => {
                words.0.push(*number);
                9
            }
        };
        let Words(mut words) = words;
        words[0] = kind | (words.len() as u64) << 8;
        words
    }

    /// How many words the note has that begins so; `None`: it is no note.
    pub fn length(first: u64) -> Option<usize> {
        usize::try_from(first >> 8).ok().filter(|length| *length > 0)
    }

    /// `None` for words that are no note, or one that this version does not know.
    pub fn of_words(words: &[u64]) -> Option<Note> {
        let (first, rest) = words.split_first()?;
        let mut from = Reader(rest);
        let note = match *first as u8 {
            1 => Note::Program { text: from.text()? },
            2 => {
                let (serial, at, kind, starter, site) =
                    (from.word()?, from.word()?, from.word()?, from.word()?, from.number()?);
                let (kind, runs) = (*KINDS.get(usize::from(kind as u8))?, kind >> 8 == 1);
                Note::Thread { serial, at, kind, runs, starter, site, name: from.text()?, started_by: from.text()? }
            }
            3 => Note::Renamed { serial: from.word()?, name: from.text()? },
            4 => Note::Died { serial: from.word()?, error: from.text()? },
            5 => {
                let (number, kind, name) = (from.word()?, from.text()?, from.text()?);
                let made = if from.word()? == 0 { None } else { Some(from.place()?) };
                Note::Object { number, kind, name, made }
            }
            6 => Note::Site { number: from.number()?, place: from.place()? },
            7 => Note::Verdict { at: from.word()?, likely: from.word()? == 1, code: from.text()?, text: from.text()? },
            8 => Note::Lock { number: from.word()?, kind: from.text()?, name: from.text()? },
            9 => Note::Signal { number: from.word()? },
            _ => return None,
        };
        Some(note)
    }
}

/// Text that is longer is cut: a note is for people.
const LONGEST: usize = 16 * 1024;

struct Words(Vec<u64>);

impl Words {
    fn text(&mut self, text: &str) {
        let text = cut(text);
        self.0.push(text.len() as u64);
        self.0.extend(text.as_bytes().chunks(8).map(|part| {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            u64::from_le_bytes(word)
        }));
    }

    fn place(&mut self, place: &Place) {
        let columns = place.columns.map_or(u64::MAX, |(start, end)| u64::from(start) << 32 | u64::from(end));
        self.0.extend([u64::from(place.line), u64::from(place.end_line), columns]);
        self.text(&place.file);
        self.text(&place.function);
        self.text(place.source.as_deref().unwrap_or(""));
    }
}

/// As much of a text as there is room for, and no half character.
fn cut(text: &str) -> &str {
    let end = (0..=LONGEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

struct Reader<'a>(&'a [u64]);

impl Reader<'_> {
    fn word(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        self.word()?.try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.word()?).ok().filter(|length| *length <= LONGEST)?;
        let words = self.0.get(..length.div_ceil(8))?;
        self.0 = &self.0[words.len()..];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(length);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn place(&mut self) -> Option<Place> {
        let (line, end_line, columns) = (self.number()?, self.number()?, self.word()?);
        let columns = (columns != u64::MAX).then_some(((columns >> 32) as u32, columns as u32));
        let (file, function, source) = (self.text()?, self.text()?, self.text()?);
        let source = Some(source).filter(|source| !source.is_empty());
        Some(Place { file, line, end_line, columns, function, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> impl Strategy<Value = Place> {
        (".*", any::<(u32, u32)>(), any::<Option<(u32, u32)>>(), ".*", proptest::option::of(".+")).prop_map(
            |(file, (line, end_line), columns, function, source)| Place {
                file,
                line,
                end_line,
                // The one pair that stands for none.
                columns: columns.filter(|both| *both != (u32::MAX, u32::MAX)),
                function,
                source,
            },
        )
    }

    fn note() -> impl Strategy<Value = Note> {
        prop_oneof![
            ".*".prop_map(|text| Note::Program { text }),
            (any::<(u64, u64, u64, u32, bool)>(), 0..4usize, ".*", ".*").prop_map(
                |((serial, at, starter, site, runs), kind, name, started_by)| {
                    Note::Thread { serial, at, kind: KINDS[kind], runs, name, starter, started_by, site }
                }
            ),
            (any::<u64>(), ".*").prop_map(|(serial, name)| Note::Renamed { serial, name }),
            (any::<u64>(), ".*").prop_map(|(serial, error)| Note::Died { serial, error }),
            (any::<u64>(), ".*", ".*", proptest::option::of(place()))
                .prop_map(|(number, kind, name, made)| Note::Object { number, kind, name, made }),
            (any::<u64>(), ".*", ".*").prop_map(|(number, kind, name)| Note::Lock { number, kind, name }),
            any::<u64>().prop_map(|number| Note::Signal { number }),
            (any::<u32>(), place()).prop_map(|(number, place)| Note::Site { number, place }),
            (any::<(u64, bool)>(), ".*", ".*").prop_map(|((at, likely), code, text)| Note::Verdict {
                at,
                likely,
                code,
                text
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_note_is_read_as_it_was_written(note in note()) {
            let words = note.to_words();
            prop_assert_eq!(Note::length(words[0]), Some(words.len()));
            prop_assert_eq!(Note::of_words(&words), Some(note));
        }

        #[test]
        fn words_that_are_no_note_are_refused(words in proptest::collection::vec(any::<u64>(), 0..40)) {
            let _ = Note::of_words(&words);
        }

        #[test]
        fn an_event_is_read_as_it_was_written(
            (at, site, object, other) in any::<(u64, u32, u64, u64)>(), kind in 0..5usize, call in 0..8usize, timed: bool,
            busy in 0..1u32 << 15,
        ) {
            let kind = [Kind::Began, Kind::Ended, Kind::Waits, Kind::GoesOn, Kind::Seen][kind];
            let is_seen = kind == Kind::Seen;
            let (call, doing) = (For::ALL.get(call).copied(), Doing::ALL.get(call).copied());
            let (call, doing) = (call.filter(|_| !is_seen), doing.filter(|_| is_seen));
            let event = Event { at, kind, call, timed, site, busy, doing, object, other };
            prop_assert_eq!(Event::of_words(event.to_words()), Some(event));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = "ü".repeat(LONGEST);
        let Some(Note::Program { text: cut }) = Note::of_words(&Note::Program { text: text.clone() }.to_words()) else {
            panic!("it is a note");
        };
        assert!(cut.len() <= LONGEST && text.starts_with(&cut));
    }
}
