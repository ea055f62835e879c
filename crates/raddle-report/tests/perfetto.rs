//! What a trace for Perfetto shows of a recording.

mod recordings;

use raddle::graph::verdict::{Place, ThreadKind};
use raddle::observe::recording::format::{Doing, Event, For, Kind, Note, SAMPLER, how};
use raddle_report::Recording;
use recordings::{event, recorded, trace};

const FIRST: u64 = 16;

/// `first` has the lock that `second` waits for from 10 to 30; `first` dies at 40.
fn two_threads() -> (Vec<Note>, Vec<(u64, Event)>) {
    let thread = |serial, name: &str| Note::Thread {
        serial,
        at: 0,
        kind: ThreadKind::Regular,
        runs: true,
        name: name.into(),
        starter: 0,
        started_by: String::new(),
        site: 0,
    };
    let site = |number, line| Note::Site {
        number,
        place: Place { file: "a.py".into(), line, end_line: line, columns: None, function: "f".into(), source: None },
    };
    let notes = vec![
        thread(1, "first"),
        thread(2, "second"),
        Note::Object { number: 5, kind: "Lock".into(), name: "ledger".into(), made: None },
        site(1, 7),
        site(2, 9),
        Note::Died { serial: 1, error: "ValueError: no".into() },
        Note::Verdict { at: 41, likely: false, code: "RD003".into(), text: "error[RD003]: 'first' died\nmore".into() },
    ];
    let waits = Event { call: Some(For::Lock), object: 5, other: 1, site: 1, busy: 2, ..event(10, Kind::Waits) };
    let events = vec![
        (1, event(2, Kind::Began)),
        (2, event(5, Kind::Began)),
        (2, waits),
        (2, event(30, Kind::GoesOn)),
        (1, Event { other: how::DIED, ..event(40, Kind::Ended) }),
        (2, event(50, Kind::Ended)),
    ];
    (notes, events)
}

fn shown(notes: &[Note], events: &[(u64, Event)], track: u64) -> Vec<(u64, u64, String)> {
    let recording = Recording::read(&recorded(notes, events, &[])).unwrap();
    let events = trace(&recording.perfetto()).into_iter();
    events.filter(|event| event.track == track).map(|event| (event.at, event.kind, event.name)).collect()
}

fn list(events: &[(u64, u64, &str)]) -> Vec<(u64, u64, String)> {
    events.iter().map(|(at, kind, name)| (*at, *kind, (*name).to_owned())).collect()
}

#[test]
fn a_wait_is_a_slice_with_an_arrow_from_who_held_the_lock() {
    let (notes, events) = two_threads();
    let lock = "Lock 'ledger'";
    let second = list(&[(0, 1, "alive"), (10, 1, lock), (30, 2, ""), (50, 2, "")]);
    assert_eq!(shown(&notes, &events, FIRST + 1), second);
    let first = list(&[(0, 1, "alive"), (30, 3, "held Lock 'ledger'"), (40, 3, "died"), (40, 2, "")]);
    assert_eq!(shown(&notes, &events, FIRST), first);

    let recording = Recording::read(&recorded(&notes, &events, &[])).unwrap();
    let events = trace(&recording.perfetto());
    let wait = events.iter().find(|event| event.name == lock).unwrap();
    assert_eq!(wait.said, ["at: a.py:7 in f", "held by: 'first'", "which was at: a.py:9 in f", "timed: false"]);
    let arrows: Vec<_> = events.iter().filter(|event| event.flows != [None; 2]).collect();
    assert_eq!(arrows.iter().map(|event| event.track).collect::<Vec<_>>(), [FIRST, FIRST + 1]);
    assert_eq!(arrows[0].flows[0], arrows[1].flows[1]);
}

#[test]
fn verdicts_and_how_many_wait_have_tracks_of_their_own() {
    let (notes, events) = two_threads();
    let kinds = |track| shown(&notes, &events, track).into_iter().map(|(at, kind, _)| (at, kind)).collect::<Vec<_>>();
    assert_eq!(kinds(2), [(41, 3)]);
    assert_eq!(kinds(3), [(0, 4), (40, 4), (50, 4)]);
    assert_eq!(kinds(4), [(10, 4), (30, 4)]);
}

/// The sampler looks now and then, and is silent about waits: what it saw goes on to the next one, and not after one that was
/// long enough for a look.
#[test]
fn what_was_seen_is_cut_where_a_wait_is() {
    let (notes, mut events) = two_threads();
    let seen = |at, doing| (SAMPLER, Event { doing, other: 2, ..event(at, Kind::Seen) });
    events.extend([
        seen(6, Some(Doing::Python)),
        seen(33, Some(Doing::Io)),
        seen(35, None),
        seen(49, Some(Doing::Native)),
    ]);
    let slices = [
        (0, 1, "alive"),
        (6, 1, "python"),
        (10, 2, ""),
        (10, 1, "Lock 'ledger'"),
        (30, 2, ""),
        (33, 1, "i/o"),
        (35, 2, ""),
        (49, 1, "native"),
        (50, 2, ""),
        (50, 2, ""),
    ];
    assert_eq!(shown(&notes, &events, FIRST + 1), list(&slices));
}

#[test]
fn a_wait_that_was_not_over_goes_on_to_the_end() {
    let (notes, mut events) = two_threads();
    events.retain(|(_, event)| event.kind != Kind::GoesOn && event.at != 50);
    let slices = [(0, 1, "alive"), (10, 1, "Lock 'ledger'"), (41, 2, ""), (41, 2, "")];
    assert_eq!(shown(&notes, &events, FIRST + 1), list(&slices));
}
