//! Files that are no recordings, or not whole: each gets an answer.

mod recordings;

use std::fs;
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;
use raddle::graph::verdict::{Place, ThreadKind};
use raddle::observe::recording::format::{Doing, Event, For, Kind, MAGIC, Note, PAGE, SAMPLER, VERSION, header, times};
use raddle::observe::recording::{Recorder, SMALLEST};
use raddle_report::{Recording, Unreadable, codes_to_fail_on, command};
use recordings::{PAGES, file, recorded, trace, whole};

fn told(bytes: &[u8]) -> Result<Recording, Unreadable> {
    let recording = Recording::read(bytes);
    if let Ok(recording) = &recording {
        let texts = [recording.report(), recording.postmortem(), recording.json(), recording.html()];
        assert!(texts.iter().all(|text| text.ends_with('\n')));
        let json: serde_json::Value = serde_json::from_str(&texts[2]).expect("it is JSON");
        assert_eq!(json["threads"].as_array().map(Vec::len), Some(recording.threads.len()));
        trace(&recording.perfetto());
    }
    recording
}

#[test]
fn a_whole_one_is_read() {
    let recording = told(&file(&whole(), PAGES * PAGE)).unwrap();
    assert_eq!((recording.threads.len(), recording.program.as_str()), (2, "app.py"));
    assert_eq!(recording.threads[0].waits.len(), 1);
    let holds: Vec<_> = recording.threads[0].holds.iter().map(|lock| lock.kind.as_str()).collect();
    assert_eq!(holds, ["Lock", "a lock"]);
    let json: serde_json::Value = serde_json::from_str(&recording.json()).unwrap();
    assert_eq!((&json["period"], &json["processors"], &json["sees_turns"]), (&0.0005.into(), &2.into(), &true.into()));
    let thread = &json["threads"][0];
    let [seen, waits, times] = ["seen", "waits", "times"].map(|field| &thread[field]);
    assert_eq!(seen, &serde_json::json!([{ "from": 0.0, "to": 0.001, "doing": "python" }]));
    assert_eq!((&waits[0]["from"], &waits[0]["busy"]["line"]), (&0.001.into(), &7.into()));
    assert!(waits[0]["at"].is_null(), "no note tells of that place");
    assert_eq!((&times["lock"], &times["python"], &times["i/o"]), (&0.001.into(), &0.00075.into(), &0.00025.into()));
    assert_eq!((&thread["processor"], &thread["run_queue"]), (&5e-9.into(), &6e-9.into()));
}

#[test]
fn other_files_are_refused_in_words() {
    let refused = |bytes: &[u8]| Recording::read(bytes).unwrap_err().to_string();
    assert!(refused(b"").contains("no recording") && refused(&[0; 9000]).contains("no recording"));
    let newer: Vec<_> = whole().into_iter().chain([(header::VERSION, 7)]).collect();
    assert!(refused(&file(&newer, PAGES * PAGE)).starts_with("it is a recording of version 7"));
    let cut = file(&whole(), PAGES * PAGE);
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
    fs::write(&path, file(&whole(), PAGES * PAGE)).unwrap();
    let run = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_raddle")).args(arguments).output().unwrap();
        let texts = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
        (done.status.code(), texts.concat())
    };
    let file = path.to_str().unwrap();
    let recording = Recording::read(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(run(&["report", file]), (Some(0), recording.report()));
    assert_eq!(run(&["report", "--json", file]), (Some(0), recording.json()));
    assert_eq!(run(&["report", "--html", file]), (Some(0), recording.html()));
    assert_eq!(run(&["postmortem", file]), (Some(0), recording.postmortem()));
    assert_eq!(run(&["report", "--fail-on", "any", file]), (Some(0), recording.report()), "there is no verdict in it");
    assert_eq!(run(&["explain", "rd001"]), (Some(0), raddle_report::explain("RD001").unwrap()));
    let (status, told) = run(&["report", "Cargo.toml"]);
    assert!(status == Some(2) && told.starts_with("raddle report: Cargo.toml: it is no recording"), "{told}");
    for wrong in [&["report"][..], &["postmortem", "--json"], &["explain", "RD999"], &["frobnicate"], &[]] {
        assert_eq!(run(wrong).0, Some(2), "{wrong:?}");
    }
    let trace = Command::new(env!("CARGO_BIN_EXE_raddle")).args(["report", "--perfetto", file]).output().unwrap();
    assert_eq!(trace.stdout, recording.perfetto());
    fs::remove_file(path).unwrap();
}

/// What is said once may be meant a million times.
#[test]
fn a_small_file_cannot_ask_for_all_memory() {
    let long = "x".repeat(16_000);
    let place = Place { file: long.clone(), line: 1, end_line: 1, columns: None, function: long, source: None };
    let site = [Note::Site { number: 1, place }];
    let thread = |serial| Note::Thread {
        serial,
        at: 0,
        kind: ThreadKind::Regular,
        runs: true,
        name: String::new(),
        starter: 0,
        started_by: String::new(),
        site: 1,
    };
    let notes: Vec<_> = site.into_iter().chain((1..=12_000).map(thread)).collect();
    let recording = Recording::read(&recorded(&notes, &[], &[])).unwrap();
    let known = recording.threads.iter().filter(|story| story.thread.started_at.is_some()).count();
    assert_eq!((recording.threads.len(), known), (12_000, (256 << 20) / (32_000 + size_of::<Place>())));
    assert!(recording.report().contains("\n  and 11000 more that lived less long (raddle postmortem lists all)\n"));
}

/// As `raddle run --fail-on` ends.
#[test]
fn a_guess_is_nothing_to_fail_on() {
    let path = std::env::temp_dir().join(format!("raddle-guess-{}.rec", std::process::id()));
    let status = |likely| {
        let verdict = Note::Verdict { at: 1, likely, code: "RD003".into(), text: "warning[RD003]".into() };
        fs::write(&path, recorded(&[verdict], &[], &[])).unwrap();
        command(&["postmortem".into(), "--fail-on=RD003".into(), path.clone().into()], &mut Vec::new())
    };
    assert_eq!((status(true), status(false)), (Ok(0), Ok(70)));
    fs::remove_file(path).unwrap();
}

#[test]
fn what_any_stands_for_is_in_the_help() {
    let mut help = Vec::new();
    assert_eq!(command(&["report".into(), "--help".into()], &mut help), Ok(0));
    let any: Vec<_> = codes_to_fail_on("any", false).unwrap().into_iter().collect();
    assert!(String::from_utf8(help).unwrap().contains(&format!("any ({})", any.join(", "))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Any word of a good file may be any other.
    #[test]
    fn a_file_that_was_tampered_with_is_no_crash(changes in vec((0..PAGES * PAGE, word()), 0..12), length in 0..(PAGES + 1) * PAGE) {
        let words: Vec<_> = whole().into_iter().chain(changes).collect();
        let bytes = file(&words, (PAGES + 1) * PAGE);
        let _ = told(&bytes[..length * 8]);
        let _ = told(&bytes);
    }

    /// The words that say where things are, above all.
    #[test]
    fn a_header_that_lies_is_no_crash(changes in vec((2..25usize, word()), 1..6), page in vec((0..3usize, word()), 0..3)) {
        let pages = page.into_iter().map(|(at, word)| (2 * PAGE + at, word));
        let words: Vec<_> = whole().into_iter().chain(changes).chain(pages).chain([(header::WORDS, 0)]).collect();
        let _ = told(&file(&words, PAGES * PAGE));
    }

    /// Events and times of threads that are known, with all that is wrong about when and who.
    #[test]
    fn times_that_lie_are_no_crash(events in vec(event(), 0..60), seen in vec((0..times::WORDS, word()), 0..8), began: bool) {
        let thread = |serial, runs| Note::Thread {
            serial, at: serial, kind: ThreadKind::Regular, runs, name: "worker".into(), starter: 0, started_by: "".into(), site: 1,
        };
        let verdict = |at| Note::Verdict { at, likely: true, code: "RD003".into(), text: "died\n\u{1b}[2J".into() };
        let notes = [thread(1, began), thread(2, false), thread(3, true), verdict(u64::MAX), verdict(7)];
        let mut words = [0; times::WORDS];
        seen.iter().for_each(|(at, word)| words[*at] = *word);
        words[times::SERIAL] = 1;
        let recording = told(&recorded(&notes, &events, &[words])).unwrap();
        prop_assert_eq!(recording.verdicts.len(), 2);
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

/// An event, and who wrote it.
fn event() -> impl Strategy<Value = (u64, Event)> {
    let serial = || prop_oneof![1..4u64, Just(SAMPLER), any::<u64>()];
    let when = prop_oneof![0..20u64, word()];
    (serial(), when, 0..5usize, (0..8usize, 0..7usize), any::<bool>(), (0..4u32, 0..4u32, 0..4u64), serial()).prop_map(
        |(of, at, kind, (call, doing), timed, (site, busy, object), other)| {
            let kind = [Kind::Began, Kind::Ended, Kind::Waits, Kind::GoesOn, Kind::Seen][kind];
            let call = For::ALL.get(call).copied().filter(|_| kind != Kind::Seen);
            let doing = Doing::ALL.get(doing).copied().filter(|_| kind == Kind::Seen);
            (of, Event { at, kind, call, timed, site, busy, doing, object, other })
        },
    )
}

/// `RADDLE_CASES=1000000` for the long run.
fn cases() -> u32 {
    std::env::var("RADDLE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}
