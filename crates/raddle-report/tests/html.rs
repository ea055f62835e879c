//! The page: what it has in it, how large it may be, and that nothing in a recording gets out of the place for data.

use std::collections::BTreeMap;
use std::time::Duration;

use raddle::graph::verdict::Place;
use raddle::observe::recording::format::{Doing, Event, For, Kind, Note, SAMPLER};
use raddle_report::{Recording, Spent, Story};
use serde_json::Value;

#[path = "common/large.rs"]
mod large;
use large::{event, file, thread};

const MILLISECOND: u64 = 1_000_000;

fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"recording\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// What the page's spans of a thread take, by kind, in microseconds; and that they lie one after the other.
fn sums(data: &Value, thread: usize) -> BTreeMap<usize, i64> {
    let mut numbers = data["spans"][thread].as_array().unwrap().iter().map(|number| number.as_i64().unwrap());
    let (mut sums, mut next) = (BTreeMap::new(), || numbers.next());
    while let Some(gap) = next() {
        let (length, what) = (next().unwrap(), next().unwrap());
        assert!(gap >= 0 && length >= 0);
        if what >= 0 {
            let kind = data["whats"][what as usize][0].as_u64().unwrap();
            *sums.entry(kind as usize).or_default() += length;
            continue;
        }
        let (longest_is, longest, kinds) = (next().unwrap(), next().unwrap(), next().unwrap());
        assert!(longest_is >= 0 && longest <= length + 1 && what < -1);
        let mut all = 0;
        for _ in 0..kinds {
            let (kind, time) = (next().unwrap(), next().unwrap());
            *sums.entry(kind as usize).or_default() += time;
            all += time;
        }
        assert!(all <= length + kinds, "{all} in {length}");
    }
    sums
}

/// The same of the recording: waits, and what was seen of the time between them.
fn expected(story: &Story, until: Duration) -> BTreeMap<usize, i64> {
    let mut nanos: BTreeMap<usize, u128> = BTreeMap::new();
    for wait in &story.waits {
        *nanos.entry(Spent::of_wait(wait.call) as usize).or_default() += wait.length(until).as_nanos();
    }
    for seen in &story.seen {
        let to = seen.to.unwrap_or(until);
        let after = story.waits.partition_point(|wait| wait.to.is_some_and(|to| to <= seen.from));
        let hidden = story.waits[after..].iter().take_while(|wait| wait.from < to).map(|wait| {
            let (from, end) = (wait.from.max(seen.from), wait.to.unwrap_or(until).min(to));
            end.saturating_sub(from).as_nanos()
        });
        let shown = to.saturating_sub(seen.from).as_nanos() - hidden.sum::<u128>();
        *nanos.entry(Spent::of_doing(seen.doing) as usize).or_default() += shown;
    }
    nanos.into_iter().map(|(kind, nanos)| (kind, (nanos / 1000) as i64)).filter(|(_, micros)| *micros > 0).collect()
}

fn waits(at: u64, call: For, object: u64, other: u64) -> Event {
    Event { call: Some(call), site: 1, object, other, ..event(at * MILLISECOND, Kind::Waits) }
}

fn goes_on(at: u64) -> Event {
    event(at * MILLISECOND, Kind::GoesOn)
}

fn seen(at: u64, who: u64, doing: Option<Doing>) -> Event {
    Event { doing, other: who, ..event(at * MILLISECOND, Kind::Seen) }
}

fn named(name: &str) -> Vec<Note> {
    let place = Place { file: format!("/srv/{name}.py"), line: 7, function: name.into(), ..Place::default() };
    vec![
        Note::Program { text: name.into() },
        Note::Site { number: 1, place },
        thread(1, 0, "MainThread"),
        thread(2, 1, name),
        Note::Object { number: 1, kind: "Lock".into(), name: name.into(), made: None },
        Note::Object { number: 2, kind: "Lock".into(), name: "other".into(), made: None },
        Note::Died { serial: 2, error: name.into() },
        Note::Verdict { at: 1, likely: false, code: "RD003".into(), text: format!("{name}\nhelp: {name}") },
    ]
}

/// 1 waits for the first lock twice, while 2 has it, and 2 for the second one meanwhile.
fn small(name: &str) -> Recording {
    let began = |serial| (serial, vec![event(0, Kind::Began)]);
    let mut events = BTreeMap::from([began(1), began(2)]);
    events.get_mut(&1).unwrap().extend([waits(10, For::Lock, 1, 2), goes_on(30), waits(50, For::Lock, 1, 2)]);
    events.get_mut(&2).unwrap().extend([waits(5, For::Lock, 2, 9), goes_on(25), event(90 * MILLISECOND, Kind::Ended)]);
    // A look may come late; the one that came during a wait has left no event.
    events.insert(SAMPLER, vec![seen(2, 1, Some(Doing::Python)), seen(40, 1, Some(Doing::Gil)), seen(60, 1, None)]);
    Recording::read(&file(&named(name), &events, &[])).unwrap()
}

#[test]
fn what_a_program_calls_things_is_never_markup() {
    let hostile = "</script><script>alert(1)</script><!--<script>/* data *//* styles */\u{2028}\\\" {{";
    let (page, harmless) = (small(hostile).html(), small("harmless").html());
    // Everything outside the data is the same, whatever the data is.
    let around = |page: &str| {
        let (before, rest) = page.split_once("id=\"recording\">").unwrap();
        let (data, after) = rest.split_once("</script>").unwrap();
        assert!(!data.contains('<'), "{data}");
        (before.to_owned(), after.to_owned())
    };
    assert_eq!(around(&page), around(&harmless));
    let data = data(&page);
    let said = "</script><script>alert(1)</script><!--<script>/* data *//* styles */ \\\" {{";
    assert_eq!((&data["program"], &data["threads"][1]["name"]), (&said.into(), &format!("'{said}'").into()));
    assert_eq!(data["verdicts"][0][2], format!("{said}\nhelp: {said}"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = small("app.py").html();
    assert!(page.contains("default-src 'none'") && page.contains("uPlot") && page.contains("The MIT License"));
    for mark in
        ["/* styles */", "/* scripts */", "/* data */", "<link rel=\"stylesheet\"", "src=\"", "@import", "innerHTML"]
    {
        assert!(!page.contains(mark), "{mark}");
    }
}

#[test]
fn waits_and_looks_lie_one_after_the_other() {
    let recording = small("app.py");
    let data = data(&recording.html());
    let kind = |spent: Spent| spent as usize;
    let first =
        BTreeMap::from([(kind(Spent::Python), 10_000), (kind(Spent::Gil), 20_000), (kind(Spent::Lock), 60_000)]);
    assert_eq!(sums(&data, 0), first);
    assert_eq!(sums(&data, 1), BTreeMap::from([(kind(Spent::Lock), 20_000)]));
    assert_eq!((&data["resolution"], &data["until"]), (&0.into(), &90_000.into()));
    assert_eq!(data["threads"][1]["starter"], 0, "by number: names are not unique");
    assert_eq!((&data["threads"][0]["waits"], &data["threads"][1]["waits"]), (&true.into(), &false.into()));
    // 1 of 2 threads in a lock's queue at 15 ms is two, as 500 parts of 90 ms.
    let locks = &data["states"][kind(Spent::Lock)];
    let of = |at: usize| locks[at * 500 / 90].as_u64().unwrap();
    assert_eq!([of(2), of(7), of(15), of(28), of(40), of(60)], [0, 100, 200, 100, 0, 100]);
}

#[test]
fn locks_say_who_waited_for_whom() {
    let data = data(&small("ledger").html());
    let lock = &data["locks"][0];
    assert_eq!((&lock["name"], &lock["times"], &lock["all"]), (&"Lock 'ledger'".into(), &2.into(), &60_000.into()));
    assert_eq!((&lock["longest"], &lock["blame"]), (&40_000.into(), &serde_json::json!([[1, 0, -1, 2, 60_000]])));
    // 20 ms is below 2^15 microseconds, 40 below 2^16.
    let lengths: Vec<_> = lock["lengths"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
    assert_eq!((lengths.len(), &lengths[14..]), (17, &[0, 1, 1][..]));
    // Nobody knows thread 9, which is called so all the same; it comes after the threads that are known.
    assert_eq!((&data["locks"][1]["blame"][0][0], &data["strangers"][0]), (&2.into(), &"thread 9".into()));
    let things = |edge: &Value, at: usize| data["things"][edge[at].as_u64().unwrap() as usize].clone();
    let [edge] = &data["order"].as_array().unwrap()[..] else { panic!("{}", data["order"]) };
    assert_eq!([things(edge, 0), things(edge, 1)], ["Lock 'ledger'", "Lock 'other'"]);
    assert_eq!((&edge[2], &edge[4]), (&1.into(), &1.into()), "2 held the one, once, when it waited for the other");
    let [wait] = &data["waits"].as_array().unwrap()[..] else { panic!("{}", data["waits"]) };
    assert_eq!((&wait[0], &wait[1], &wait[4]), (&0.into(), &1.into(), &50_000.into()));
}

#[test]
fn a_wait_that_is_over_says_nothing_about_the_order_of_locks() {
    let one = vec![event(0, Kind::Began), waits(30, For::Lock, 1, 2), goes_on(40)];
    let two = vec![event(0, Kind::Began), waits(5, For::Lock, 2, 9), goes_on(25)];
    let recording = Recording::read(&file(&named("app.py"), &BTreeMap::from([(1, one), (2, two)]), &[])).unwrap();
    assert_eq!(data(&recording.html())["order"], serde_json::json!([]));
}

#[test]
fn a_million_events_have_room_and_add_up() {
    let recording = Recording::read(&large::large()).unwrap();
    let count: usize = recording.threads.iter().map(|story| story.waits.len() * 2 + story.seen.len()).sum();
    assert!(count > 950_000, "{count}");
    let page = recording.html();
    assert!(page.len() < 3_000_000, "{}", page.len());
    let data = data(&page);
    assert!(data["resolution"].as_u64().unwrap() < 300_000, "{}", data["resolution"]);
    for (at, story) in recording.threads.iter().enumerate() {
        let name = format!("'{}'", story.thread.name);
        assert_eq!(data["threads"][at]["name"], name);
        let (sums, expected) = (sums(&data, at), expected(story, recording.until));
        assert_eq!(sums.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        for (kind, micros) in &expected {
            let spans = data["spans"][at].as_array().unwrap().len() as i64;
            assert!((sums[kind] - micros).abs() <= spans / 4, "{name}, {kind}: {} {micros}", sums[kind]);
        }
    }
}

/// Short-lived threads, far more than a page can show something of.
#[test]
fn very_many_threads_have_room() {
    let count = 20_000;
    let mut notes = vec![thread(1, 0, "MainThread")];
    notes.extend((2..=count).map(|serial| thread(serial, 1, &format!("job-{serial}"))));
    let life = |serial: u64| {
        vec![
            event(serial, Kind::Began),
            waits(serial, For::Lock, 0, 0),
            goes_on(serial + 1),
            event((serial + 2) * MILLISECOND, Kind::Ended),
        ]
    };
    let events = (1..=count).map(|serial| (serial, life(serial))).collect();
    let page = Recording::read(&file(&notes, &events, &[])).unwrap().html();
    let data = data(&page);
    assert_eq!(data["threads"].as_array().unwrap().len() as u64, count);
    assert_eq!(data["threads"][count as usize - 1]["name"], format!("'job-{count}'"));
    assert!(sums(&data, 7).values().sum::<i64>() == 1000 && page.len() < 10_000_000, "{}", page.len());
}

#[test]
fn an_empty_recording_has_a_page() {
    let data = data(&Recording::read(&file(&[], &BTreeMap::new(), &[])).unwrap().html());
    assert_eq!((&data["program"], &data["threads"]), (&"a program".into(), &serde_json::json!([])));
}
