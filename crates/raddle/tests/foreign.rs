//! Waits of which only the host knows: found by the thread that they are for, once it sleeps in the runtime's way.
#![cfg(not(loom))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use raddle::graph::verdict::{Outcome, Reason, ThreadKind, Verdict};
use raddle::graph::{Blocked, Call, Description, ForeignWait, Halt, Hold, Interrupt, Resource, Sleeper};
use raddle::runtime::{Host, Runtime};
use raddle::seam::{Parker, Time, Woken};
use raddle::thread::{Origin, Thread, current};

const BEGINS_LATE: Duration = Duration::from_millis(120);
const GRACE: Duration = Duration::from_millis(200);

#[derive(Debug)]
struct Module {
    importer: u64,
}

impl Resource for Module {
    fn holder(&self) -> Option<Hold> {
        Some(Hold { serial: self.importer, owned: true, strict: false })
    }

    fn describe(&self) -> Description {
        Description { kind: "module".into(), name: "plugin".into(), ..Description::default() }
    }
}

/// A host in which `worker` waits for a module of `importer`, from some time on.
#[derive(Clone, Debug)]
struct Books(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    importing: bool,
    importer: Mutex<u64>,
    begins: Instant,
    asked: AtomicBool,
    told: Mutex<Vec<(Instant, Verdict)>>,
}

impl Host for Books {
    fn told(&self, verdict: &Verdict) {
        self.0.told.lock().unwrap().push((Instant::now(), verdict.clone()));
    }

    fn holds_foreign(&self, _: &Thread) -> bool {
        self.0.importing
    }

    fn foreign_wait(&self, thread: &Thread) -> Option<ForeignWait> {
        self.0.asked.store(true, Ordering::SeqCst);
        let begun = &*thread.name() == "worker" && Instant::now() >= self.0.begins;
        let importer = *self.0.importer.lock().unwrap();
        begun.then(|| ForeignWait { key: 1, resource: Arc::new(Module { importer }), site: None })
    }
}

/// Sleeps as it is told to, until something was told, or for a second.
struct Patient {
    books: Books,
    until: Time,
}

impl Sleeper for Patient {
    fn sleep(&mut self, parker: &Parker, deadline: Option<Time>) -> Result<Woken, Interrupt> {
        let woken = parker.park(Some(deadline.map_or(self.until, |deadline| deadline.min(self.until))));
        let over = !self.books.0.told.lock().unwrap().is_empty() || Time::now() >= self.until;
        if over { Err(Interrupt) } else { Ok(woken) }
    }
}

/// Joins a thread that waits for the caller's import; the host with what was told.
fn join(importing: bool) -> Books {
    let books = Books(Arc::new(Inside {
        importing,
        importer: Mutex::default(),
        begins: Instant::now() + BEGINS_LATE,
        asked: AtomicBool::default(),
        told: Mutex::default(),
    }));
    let runtime: &'static Runtime = Box::leak(Box::new(Runtime::new(Box::new(books.clone()))));
    let me = current(runtime);
    *books.0.importer.lock().unwrap() = me.serial();
    let worker = runtime.prepare("worker", ThreadKind::Regular, Origin::new(&me, None));
    let mut sleeper = Patient { books: books.clone(), until: Time::now().after(Duration::from_secs(1)) };
    let mut blocked = Blocked::new((runtime, &me), &mut sleeper, (Call::Join, None), worker.end(), None);
    assert!(matches!(worker.wait_for_end(&mut blocked), Err(Halt::Interrupted)));
    books
}

#[test]
fn a_foreign_wait_that_begins_late_closes_a_cycle_that_is_told_after_the_grace() {
    let books = join(true);
    let told = books.0.told.lock().unwrap();
    let [(at, Verdict::Deadlock { cycle, outcome: Outcome::Told(Reason::Import) })] = &told[..] else {
        panic!("{told:?}");
    };
    let calls: Vec<_> = cycle.waits.iter().map(|wait| (&*wait.object.name, &*wait.call)).collect();
    assert_eq!(calls, [("plugin", "import"), ("worker", "join")]);
    let after = at.duration_since(books.0.begins);
    assert!(after >= GRACE && after <= Duration::from_millis(500), "{after:?}");
}

#[test]
fn a_thread_that_holds_nothing_of_the_hosts_does_not_ask() {
    let books = join(false);
    assert!(!books.0.asked.load(Ordering::SeqCst));
    assert!(books.0.told.lock().unwrap().is_empty());
}
