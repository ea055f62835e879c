//! Files that are no recordings, or not whole: each gets an answer.

use std::fs;
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;
use raddle::observe::recording::format::{Event, For, Kind, MAGIC, Note, PAGE, VERSION, hand, header, ring};
use raddle::observe::recording::{Recorder, SMALLEST};
use raddle_report::{Recording, Unreadable};

/// The bytes of a file in which these words stand, the rest 0.
fn file(words: &[(usize, u64)], length: usize) -> Vec<u8> {
    let mut file = vec![0; length];
    for (at, word) in words {
        file[*at] = *word;
    }
    file.iter().flat_map(|word: &u64| word.to_le_bytes()).collect()
}

/// A page of notes and two of events.
fn whole() -> Vec<(usize, u64)> {
    let length = 4 * PAGE as u64;
    let mut words = vec![
        (header::MAGIC, MAGIC),
        (header::VERSION, VERSION),
        (header::WORDS, length),
        (header::NOTES, PAGE as u64),
        (header::NOTES_ROOM, PAGE as u64),
        (header::RINGS, 2 * PAGE as u64),
        (header::RINGS_ROOM, 2),
        (header::RINGS_USED, 2),
        (header::HANDS, PAGE as u64 + 100),
        (header::HANDS_ROOM, 1),
        (header::HANDS_USED, 1),
        (PAGE + 100 + hand::SERIAL, 1),
        (PAGE + 100 + hand::COUNT, 2),
        (PAGE + 100 + hand::LOCKS, 7),
        (PAGE + 100 + hand::LOCKS + 1, 8),
    ];
    let notes = [
        Note::Program { text: "app.py".into() },
        Note::Died { serial: 1, error: "ValueError".into() },
        Note::Object { number: 1, kind: "Lock".into(), name: "ledger".into(), made: None },
        Note::Lock { number: 7, kind: "Lock".into(), name: "ledger".into() },
    ];
    let notes: Vec<u64> = notes.iter().flat_map(Note::to_words).collect();
    words.push((header::NOTES_USED, notes.len() as u64));
    words.extend((PAGE..).zip(notes));
    for (page, serial) in [(2 * PAGE, 1), (3 * PAGE, 2)] {
        words.extend([(page + ring::SERIAL, serial), (page + ring::NUMBER, serial), (page + ring::COUNT, 3)]);
        for (number, kind) in [Kind::Began, Kind::Waits, Kind::GoesOn].into_iter().enumerate() {
            let at = number as u64 * 1_000_000;
            let event = Event {
                at,
                kind,
                call: Some(For::Lock),
                timed: false,
                site: 1,
                busy: 0,
                doing: None,
                object: 1,
                other: 3 - serial,
            };
            words.extend((page + ring::EVENTS + number * ring::EVENT..).zip(event.to_words()));
        }
    }
    words
}

fn told(bytes: &[u8]) -> Result<Recording, Unreadable> {
    let recording = Recording::read(bytes);
    if let Ok(recording) = &recording {
        let texts = [recording.report(), recording.postmortem(), recording.json()];
        assert!(texts.iter().all(|text| text.ends_with('\n')));
    }
    recording
}

#[test]
fn a_whole_one_is_read() {
    let recording = told(&file(&whole(), 4 * PAGE)).unwrap();
    assert_eq!((recording.threads.len(), recording.program.as_str()), (2, "app.py"));
    assert_eq!(recording.threads[0].waits.len(), 1);
    let holds: Vec<_> = recording.threads[0].holds.iter().map(|lock| lock.kind.as_str()).collect();
    assert_eq!(holds, ["Lock", "a lock"]);
}

#[test]
fn other_files_are_refused_in_words() {
    let refused = |bytes: &[u8]| Recording::read(bytes).unwrap_err().to_string();
    assert!(refused(b"").contains("no recording") && refused(&[0; 9000]).contains("no recording"));
    let newer: Vec<_> = whole().into_iter().chain([(header::VERSION, 7)]).collect();
    assert!(refused(&file(&newer, 4 * PAGE)).starts_with("it is a recording of version 7"));
    let cut = file(&whole(), 4 * PAGE);
    let said = format!("it is cut short: {} bytes are there, of {}", cut.len() - 1, cut.len());
    assert!(refused(&cut[..cut.len() - 1]).starts_with(&said));
}

#[test]
fn one_that_was_just_begun_is_empty() {
    let path = std::env::temp_dir().join(format!("raddle-empty-{}.rec", std::process::id()));
    let recorder = Recorder::create(&path, SMALLEST).unwrap();
    let recording = told(&fs::read(&path).unwrap()).unwrap();
    assert_eq!((recording.threads.len(), recording.process), (0, u64::from(std::process::id())));
    drop(recorder);
    fs::remove_file(path).unwrap();
}

/// The command without Python.
#[test]
fn the_binary_reads_it_too() {
    let path = std::env::temp_dir().join(format!("raddle-bin-{}.rec", std::process::id()));
    fs::write(&path, file(&whole(), 4 * PAGE)).unwrap();
    let run = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_raddle")).args(arguments).output().unwrap();
        let texts = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
        (done.status.code(), texts.concat())
    };
    let file = path.to_str().unwrap();
    let recording = Recording::read(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(run(&["report", file]), (Some(0), recording.report()));
    assert_eq!(run(&["report", "--json", file]), (Some(0), recording.json()));
    assert_eq!(run(&["postmortem", file]), (Some(0), recording.postmortem()));
    assert_eq!(run(&["explain", "rd001"]), (Some(0), raddle_report::explain("RD001").unwrap()));
    let (status, told) = run(&["report", "Cargo.toml"]);
    assert!(status == Some(2) && told.starts_with("raddle report: Cargo.toml: it is no recording"), "{told}");
    for wrong in [&["report"][..], &["postmortem", "--json"], &["explain", "RD999"], &["frobnicate"], &[]] {
        assert_eq!(run(wrong).0, Some(2), "{wrong:?}");
    }
    fs::remove_file(path).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Any word of a good file may be any other.
    #[test]
    fn a_file_that_was_tampered_with_is_no_crash(changes in vec((0..4 * PAGE, word()), 0..12), length in 0..5 * PAGE) {
        let words: Vec<_> = whole().into_iter().chain(changes).collect();
        let bytes = file(&words, 5 * PAGE);
        let _ = told(&bytes[..length * 8]);
        let _ = told(&bytes);
    }

    /// The words that say where things are, above all.
    #[test]
    fn a_header_that_lies_is_no_crash(changes in vec((2..19usize, word()), 1..6), page in vec((0..3usize, word()), 0..3)) {
        let pages = page.into_iter().map(|(at, word)| (2 * PAGE + at, word));
        let words: Vec<_> = whole().into_iter().chain(changes).chain(pages).chain([(header::WORDS, 0)]).collect();
        let _ = told(&file(&words, 4 * PAGE));
    }

    #[test]
    fn bytes_that_are_anything_are_no_crash(bytes in vec(any::<u8>(), 0..9000)) {
        let _ = told(&bytes);
        let mut begun = [MAGIC, VERSION].map(u64::to_le_bytes).concat();
        begun.extend(bytes);
        let _ = told(&begun);
    }
}

/// Small numbers, which lead somewhere, and huge ones, which overflow.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..2048u64,
        any::<u64>(),
        (0..64u64).prop_map(|from_end| u64::MAX - from_end),
        (0..64u32).prop_map(|bit| 1 << bit)
    ]
}

/// `RADDLE_CASES=1000000` for the long run.
fn cases() -> u32 {
    std::env::var("RADDLE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}
