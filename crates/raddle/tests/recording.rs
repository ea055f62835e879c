//! What a recorder writes, read back by `raddle-report`: it is true, it fits into its file, and a reader finds it at any moment.
#![cfg(not(loom))]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use raddle::graph::verdict::{Place, ThreadKind, Verdict};
use raddle::graph::{Blocked, Call, Halt, Interrupt, Resource, Site, Sleeper};
use raddle::graph::{Description, Hold};
use raddle::observe::recording::format::For;
use raddle::observe::recording::{Recorder, SMALLEST};
use raddle::runtime::{Host, Runtime};
use raddle::seam::{Parker, Time, Woken};
use raddle::sync::RawLock;
use raddle::thread::{Origin, bind, current, unbind};
use raddle_report::{Ended, Recording};

#[derive(Debug)]
struct Silent;

impl Host for Silent {
    fn told(&self, _: &Verdict) {}
}

/// Knows whether it has slept: a wait whose time was up before does not, and is nothing to record.
#[derive(Default)]
struct Plain {
    slept: bool,
}

impl Sleeper for Plain {
    fn sleep(&mut self, parker: &Parker, deadline: Option<Time>) -> Result<Woken, Interrupt> {
        self.slept = true;
        Ok(parker.park(deadline))
    }
}

#[derive(Debug)]
struct Line(u32);

impl Site for Line {
    fn place(&self) -> Option<Place> {
        Some(Place { file: "bank.py".into(), line: self.0, end_line: self.0, ..Place::default() })
    }

    fn key(&self) -> u64 {
        self.0.into()
    }
}

#[derive(Debug)]
struct Ledger(Arc<RawLock>);

impl Resource for Ledger {
    fn holder(&self) -> Option<Hold> {
        self.0.hold()
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((Arc::as_ptr(&self.0).addr(), 1))
    }

    fn describe(&self) -> Description {
        Description { kind: "Lock".into(), name: "ledger".into(), ..Description::default() }
    }
}

/// A runtime that records into a file, which is read at the end of the test.
struct Recorded {
    path: PathBuf,
    runtime: &'static Runtime,
}

impl Recorded {
    fn begin(name: &str, bytes: u64) -> Recorded {
        let path = std::env::temp_dir().join(format!("raddle-{name}-{}.rec", std::process::id()));
        let runtime: &'static Runtime = Box::leak(Box::new(Runtime::new(Box::new(Silent))));
        runtime.record(Recorder::create(&path, bytes).unwrap()).unwrap();
        Recorded { path, runtime }
    }

    /// Runs `body` as a thread of the runtime's, on a thread of the system of its own, to its end.
    fn run(&self, name: &str, body: impl FnOnce(&'static Runtime) + Send) {
        let runtime = self.runtime;
        let thread = runtime.prepare(name, ThreadKind::Regular, Origin::of_runtime("test"));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                bind(runtime, &thread);
                body(runtime);
                unbind();
            });
        });
    }

    fn read(&self) -> Recording {
        Recording::read(&fs::read(&self.path).unwrap()).unwrap()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn acquire(runtime: &'static Runtime, lock: &Arc<RawLock>, line: u32, limit: Option<Duration>) -> Result<(), Halt> {
    acquire_with(&mut Plain::default(), runtime, lock, (line, limit))
}

fn acquire_with(
    sleeper: &mut Plain,
    runtime: &'static Runtime,
    lock: &Arc<RawLock>,
    (line, limit): (u32, Option<Duration>),
) -> Result<(), Halt> {
    let me = current(runtime);
    let deadline = limit.map(|limit| Time::now().after(limit));
    let (resource, site) = (Arc::new(Ledger(Arc::clone(lock))), Some(Arc::new(Line(line)) as Arc<dyn Site>));
    let mut blocked = Blocked::new((runtime, &me), sleeper, (Call::Acquire, deadline), resource, site);
    lock.acquire(true, &mut blocked)
}

const HELD: Duration = Duration::from_millis(60);

#[test]
fn who_waited_for_what_where_how_long_and_who_held_it() {
    let recorded = Recorded::begin("waits", SMALLEST);
    let lock = Arc::new(RawLock::new());
    let (taken, is_taken) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            recorded.run("holder", |runtime| {
                assert!(lock.try_acquire(current(runtime).serial(), true));
                taken.send(()).unwrap();
                while runtime.threads().iter().all(|thread| !thread.is_blocked()) {
                    std::thread::yield_now();
                }
                std::thread::sleep(HELD);
                lock.release().unwrap();
            });
        });
        is_taken.recv().unwrap();
        recorded.run("waiter", |runtime| acquire(runtime, &lock, 7, None).unwrap());
    });
    let recording = recorded.read();
    let [holder, waiter] = &recording.threads[..] else { panic!("{:?}", recording.threads) };
    assert_eq!((&*holder.thread.name, &*waiter.thread.name), ("holder", "waiter"));
    assert_eq!(waiter.thread.started_by.as_deref(), Some("test"));
    let [wait] = &waiter.waits[..] else { panic!("{:?}", waiter.waits) };
    assert_eq!((wait.call, wait.timed, wait.holder), (For::Lock, false, holder.thread.serial));
    assert_eq!(recording.objects[&wait.object].name, "ledger");
    assert_eq!(recording.sites[&wait.site].line, 7);
    let length = wait.length(recording.until);
    assert!(length >= HELD && length <= waiter.life(recording.until), "{length:?}");
    for story in [holder, waiter] {
        assert_eq!(story.ended.as_ref().map(|(_, how)| how), Some(&Ended::Finished));
        assert!(story.ended.as_ref().unwrap().0 <= recording.until);
    }
    assert!(holder.waits.is_empty() && recording.lost == (0, 0));
    let text = recording.report();
    let row = text.lines().find(|line| line.contains("'ledger'")).unwrap_or_default();
    let words: Vec<_> = row.split_whitespace().take(4).collect();
    assert_eq!(words, ["Lock", "'ledger'", "bank.py:7", "1"], "{text}");
    assert!(row.contains("'holder' 0."), "{text}");
}

#[test]
fn a_reader_sees_a_wait_that_goes_on() {
    let recorded = Recorded::begin("present", SMALLEST);
    let lock = Arc::new(RawLock::new());
    assert!(lock.try_acquire(99, true));
    std::thread::scope(|scope| {
        scope.spawn(|| recorded.run("waiter", |runtime| acquire(runtime, &lock, 7, None).unwrap()));
        let present = loop {
            let recording = recorded.read();
            if let Some(wait) = recording.threads.first().and_then(|story| story.present()) {
                break (wait.clone(), recording.postmortem());
            }
        };
        assert_eq!((present.0.holder, present.0.to), (99, None));
        assert!(
            present.1.contains("waits for Lock 'ledger' (held by thread 99 when that began) at bank.py:7 since"),
            "{}",
            present.1
        );
        lock.release().unwrap();
    });
    assert!(recorded.read().threads[0].present().is_none());
}

/// Gives up after a while.
struct Impatient;

impl Sleeper for Impatient {
    fn sleep(&mut self, parker: &Parker, _: Option<Time>) -> Result<Woken, Interrupt> {
        match parker.park(Some(Time::now().after(Duration::from_secs(2)))) {
            Woken::TimedOut => Err(Interrupt),
            woken => Ok(woken),
        }
    }
}

/// A lock that is released while it is described, by code that sleeps itself.
#[derive(Debug)]
struct Sleepy(Arc<RawLock>, Arc<Parker>);

impl Resource for Sleepy {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((1, 1))
    }

    fn describe(&self) -> Description {
        self.0.release().unwrap();
        self.1.park(Some(Time::now().after(Duration::from_millis(50))));
        Description::default()
    }
}

#[test]
fn a_wake_up_is_not_lost_while_a_thing_is_described() {
    let recorded = Recorded::begin("sleepy", SMALLEST);
    let lock = Arc::new(RawLock::new());
    assert!(lock.try_acquire(99, true));
    recorded.run("waiter", |runtime| {
        let (me, mut sleeper) = (current(runtime), Impatient);
        let resource = Arc::new(Sleepy(Arc::clone(&lock), Arc::clone(me.parker())));
        let mut blocked = Blocked::new((runtime, &me), &mut sleeper, (Call::Acquire, None), resource, None);
        lock.acquire(true, &mut blocked).unwrap();
    });
}

#[test]
fn errors_and_names_are_noted() {
    let recorded = Recorded::begin("names", SMALLEST);
    recorded.run("clerk", |runtime| {
        let me = current(runtime);
        runtime.rename(&me, "teller");
        me.set_error("ValueError: no such account".into());
    });
    let recording = recorded.read();
    let story = &recording.threads[0];
    assert_eq!(story.thread.name, "teller");
    let how = story.ended.as_ref().map(|(_, how)| how.clone());
    assert_eq!(how, Some(Ended::Died("ValueError: no such account".into())));
}

/// 30,000 events do not fit into a megabyte.
#[test]
fn the_latest_is_kept_where_there_is_no_room_for_all() {
    let recorded = Recorded::begin("round", SMALLEST);
    let lock = Arc::new(RawLock::new());
    assert!(lock.try_acquire(99, true));
    let mut slept = 0;
    recorded.run("waiter", |runtime| {
        for line in 1..=15_000 {
            let (mut sleeper, soon) = (Plain::default(), Some(Duration::from_micros(100)));
            let halt = acquire_with(&mut sleeper, runtime, &lock, (1 + line % 2, soon));
            assert!(matches!(halt, Err(Halt::TimedOut)));
            slept += u64::from(sleeper.slept);
        }
    });
    let recording = recorded.read();
    let waits = &recording.threads[0].waits;
    let kept = waits.len() as u64;
    assert!(kept > 10_000 && recording.lost.0 > 0, "{kept} {:?}", recording.lost);
    assert!(waits.windows(2).all(|pair| pair[0].to.unwrap() <= pair[1].from), "in order, and none overlaps");
    // Two for each wait, and the two ends; a wait whose beginning is gone does not count.
    let left = slept * 2 + 2 - recording.lost.0;
    assert!((kept * 2..=kept * 2 + 2).contains(&left), "{kept} {:?}", recording.lost);
    let gap = waits.windows(2).map(|pair| pair[1].from - pair[0].to.unwrap()).max().unwrap();
    assert!(gap < Duration::from_secs(1) && recording.threads[0].ended.is_some(), "{gap:?}");
    assert!(waits[0].from > Duration::from_micros(10_000), "the first are gone: {:?}", waits[0].from);
    assert!(recording.report().contains("There was no room for"), "it is said");
}

#[test]
fn the_pages_of_ended_threads_are_used_again() {
    const THREADS: usize = 1_500;
    let recorded = Recorded::begin("again", SMALLEST);
    for number in 0..THREADS {
        recorded.run(&number.to_string(), |_| ());
    }
    let recording = recorded.read();
    let (first, last) = (&recording.threads[0], recording.threads.last().unwrap());
    assert_eq!((recording.threads.len(), &*last.thread.name), (THREADS, (THREADS - 1).to_string().as_str()));
    assert!(last.began.is_some() && last.ended.is_some() && first.began.is_none());
    let forgotten = recording.threads.iter().filter(|story| story.began.is_none()).count() as u64;
    assert_eq!(recording.lost.0, forgotten * 2);
    assert!(recording.postmortem().starts_with("a program") && !recording.postmortem().contains("has not begun"));
}

#[test]
fn what_cannot_be_made_is_refused() {
    let nowhere = Recorder::create("/nonexistent/raddle.rec".as_ref(), SMALLEST).unwrap_err();
    assert_eq!(nowhere.kind(), std::io::ErrorKind::NotFound);
    let path = std::env::temp_dir().join(format!("raddle-small-{}.rec", std::process::id()));
    let small = Recorder::create(&path, 100).unwrap_err();
    assert_eq!(small.to_string(), format!("a recording needs {SMALLEST} bytes at least, got 100"));
    assert!(!path.exists());
}

/// A second recording of one runtime is given back.
#[test]
fn a_runtime_is_recorded_once() {
    let recorded = Recorded::begin("once", SMALLEST);
    let other = std::env::temp_dir().join(format!("raddle-other-{}.rec", std::process::id()));
    let refused = Mutex::new(recorded.runtime.record(Recorder::create(&other, SMALLEST).unwrap()));
    assert!(refused.into_inner().unwrap().is_err());
    fs::remove_file(other).unwrap();
}
