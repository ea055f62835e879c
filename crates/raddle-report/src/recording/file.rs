//! Notes and events out of a recording's bytes, which may be anything: a file that is no recording, one that was cut off, one
//! that somebody wrote to do harm. Nothing in here trusts a number that it read.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use raddle::observe::recording::format::{Doing, Event, MAGIC, Note, PAGE, VERSION, hand, header, ring, times};

/// Why a file cannot be read as a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is something else.
    NotARecording,
    /// It was written by another version.
    Version(u64),
    /// It says that it is longer than it is, or that its parts lie outside.
    CutShort {
        /// Bytes that are there.
        bytes: u64,
        /// Bytes that there should be.
        expected: u64,
    },
}

impl Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::NotARecording => {
                f.write_str("it is no recording of raddle's (raddle run --record FILE app.py makes one)")
            }
            Unreadable::Version(version) => write!(
                f,
                "it is a recording of version {version}, and this raddle reads version {VERSION} (read it with the raddle that wrote it)"
            ),
            Unreadable::CutShort { bytes, expected } => write!(
                f,
                "it is cut short: {bytes} bytes are there, of {expected} that it says it has (copy the whole file)"
            ),
        }
    }
}

impl std::error::Error for Unreadable {}

/// What lies in a file.
pub(super) struct Content {
    pub(super) process: u64,
    /// In nanoseconds since 1970.
    pub(super) began: u64,
    /// In nanoseconds since it began.
    pub(super) ended: Option<u64>,
    pub(super) notes: Vec<Note>,
    pub(super) notes_lost: u64,
    /// By thread, in the order in which it wrote them.
    pub(super) events: BTreeMap<u64, Vec<Event>>,
    pub(super) events_lost: u64,
    /// By thread, the numbers of the locks it holds.
    pub(super) hands: BTreeMap<u64, Vec<u64>>,
    /// By thread, what the sampler saw.
    pub(super) times: BTreeMap<u64, Times>,
    /// How many nanoseconds lie between its looks.
    pub(super) period: u64,
    pub(super) sees_turns: bool,
    pub(super) processors: u64,
}

/// What the sampler saw a thread at, in nanoseconds.
pub(super) struct Times {
    pub(super) doing: BTreeMap<Doing, u64>,
    pub(super) processor: u64,
    pub(super) run_queue: u64,
    /// See [`times::LATEST`].
    pub(super) latest: u64,
}

/// Bytes of the page with which a file begins.
pub(super) const HEAD: u64 = PAGE as u64 * 8;

struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn get(&self, at: usize) -> Option<u64> {
        let start = at.checked_mul(8)?;
        let bytes = self.0.get(start..start.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    /// A word of the header; 0 if the file ends before.
    fn head(&self, at: usize) -> u64 {
        self.get(at).unwrap_or(0)
    }

    /// The same as an index, which may lie anywhere.
    fn index(&self, at: usize) -> usize {
        usize::try_from(self.head(at)).unwrap_or(usize::MAX)
    }
}

/// How many bytes a file has that begins so, by what it says.
pub(super) fn length(head: &[u8]) -> Result<u64, Unreadable> {
    let words = Words(head);
    if words.get(header::MAGIC) != Some(MAGIC) {
        return Err(Unreadable::NotARecording);
    }
    match words.head(header::VERSION) {
        VERSION => Ok(words.head(header::WORDS).saturating_mul(8).max(HEAD)),
        version => Err(Unreadable::Version(version)),
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Content, Unreadable> {
    let expected = length(bytes)?;
    if (bytes.len() as u64) < expected {
        return Err(Unreadable::CutShort { bytes: bytes.len() as u64, expected });
    }
    let words = Words(bytes);
    let (events, overwritten) = events(&words);
    Ok(Content {
        process: words.head(header::PROCESS),
        began: words.head(header::BEGAN_WALL),
        ended: Some(words.head(header::ENDED)).filter(|ended| *ended != 0),
        notes: notes(&words),
        notes_lost: words.head(header::NOTES_LOST),
        events,
        hands: hands(&words),
        times: seen(&words),
        period: words.head(header::PERIOD),
        sees_turns: words.head(header::SEES_TURNS) == 1,
        processors: words.head(header::PROCESSORS),
        events_lost: words.head(header::EVENTS_LOST).saturating_add(overwritten),
    })
}

fn notes(words: &Words<'_>) -> Vec<Note> {
    let mut at = words.index(header::NOTES);
    let end = at.saturating_add(words.index(header::NOTES_USED).min(words.index(header::NOTES_ROOM)));
    let mut notes = Vec::new();
    while at < end {
        let Some(length) = words.get(at).and_then(Note::length) else { break };
        let Some(next) = at.checked_add(length).filter(|next| *next <= end) else { break };
        let Some(note) = (at..next).map(|at| words.get(at)).collect::<Option<Vec<_>>>() else { break };
        notes.extend(Note::of_words(&note));
        at = next;
    }
    notes
}

/// The first words of a table's entries that lie in the file.
fn entries<'a>(words: &'a Words<'_>, [first, room, used]: [usize; 3], size: usize) -> impl Iterator<Item = usize> + 'a {
    let (first, count) = (words.index(first), words.index(used).min(words.index(room)));
    (0..count)
        .map_while(move |number| number.checked_mul(size)?.checked_add(first))
        .take_while(move |start| words.get(start.saturating_add(size - 1)).is_some())
}

fn seen(words: &Words<'_>) -> BTreeMap<u64, Times> {
    let times = |start: usize| {
        let doing = Doing::ALL.into_iter().map(|doing| (doing, words.head(start + times::DOING + doing as usize)));
        let of = |at: usize| words.head(start + at);
        let seen = Times {
            doing: doing.filter(|(_, time)| *time != 0).collect(),
            processor: of(times::PROCESSOR),
            run_queue: of(times::RUN_QUEUE),
            latest: of(times::LATEST),
        };
        (of(times::SERIAL), seen)
    };
    let starts = entries(words, [header::TIMES, header::TIMES_ROOM, header::TIMES_USED], times::WORDS);
    starts.map(times).filter(|(serial, _)| *serial != 0).collect()
}

fn hands(words: &Words<'_>) -> BTreeMap<u64, Vec<u64>> {
    let starts = entries(words, [header::HANDS, header::HANDS_ROOM, header::HANDS_USED], hand::WORDS);
    let hand = |start: usize| {
        let count = usize::try_from(words.head(start + hand::COUNT)).unwrap_or(usize::MAX);
        let locks = (0..count.min(hand::ROOM)).map(|at| words.head(start + hand::LOCKS + at));
        (words.head(start + hand::SERIAL), locks.collect())
    };
    starts.map(hand).filter(|(serial, _)| *serial != 0).collect()
}

/// The events of each thread, and how many were overwritten.
fn events(words: &Words<'_>) -> (BTreeMap<u64, Vec<Event>>, u64) {
    let (first, room) = (words.index(header::RINGS), words.index(header::RINGS_ROOM));
    let mut pages: BTreeMap<(u64, u64), Vec<Event>> = BTreeMap::new();
    let mut lost: u64 = 0;
    for page in 0..words.index(header::RINGS_USED).min(room) {
        let start = page.checked_mul(PAGE).and_then(|offset| first.checked_add(offset));
        let Some(start) = start.filter(|start| words.get(start.saturating_add(PAGE - 1)).is_some()) else { break };
        let [serial, number, count] = [ring::SERIAL, ring::NUMBER, ring::COUNT].map(|at| words.head(start + at));
        // The oldest of a page that has come round may be half overwritten.
        if serial == 0 {
            // Given out, and not taken yet.
            continue;
        }
        let gone = count.saturating_sub(ring::ROOM as u64 - 1) * u64::from(count > ring::ROOM as u64);
        lost = lost.saturating_add(gone);
        let read = |index: u64| {
            let at = start + ring::EVENTS + (index % ring::ROOM as u64) as usize * ring::EVENT;
            Event::of_words([0, 1, 2, 3].map(|word| words.head(at + word)))
        };
        pages.entry((serial, number)).or_default().extend((gone..count).filter_map(read));
    }
    let mut events: BTreeMap<u64, Vec<Event>> = BTreeMap::new();
    for ((serial, _), page) in pages {
        events.entry(serial).or_default().extend(page);
    }
    (events, lost)
}
