//! loom models of timers: `RUSTFLAGS="--cfg loom" cargo test -p raddle --release models`.
//!
//! A model's clock stands still, and a park with a time limit ends at once: a thread with nothing left is about to leave.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{Crew, Moment, RawJob, Rules, Task, Timers};
use crate::seam::{Parker, Time};
use crate::wait::modelling::Sleeper;

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(body);
}

/// Has something done that is due now, and waits for it.
fn have_done(timers: &Timers) {
    let parker = Arc::new(Parker::default());
    let bell = Arc::clone(&parker);
    let _entry = timers.at(Time(0), Box::new(move || bell.unpark())).unwrap();
    parker.park(None);
}

/// An entry that is armed while the thread leaves, has left or has not begun: it is done.
#[test]
fn an_entry_is_never_left_without_a_thread() {
    model(|| {
        let timers = Timers::new(Arc::default());
        have_done(&timers);
        have_done(&timers);
    });
}

/// A cancelled entry against the thread that does it: done or given back, never both, never neither.
#[test]
fn an_entry_is_done_or_cancelled() {
    model(|| {
        let timers = Timers::new(Arc::default());
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let entry = timers
            .at(
                Time(0),
                Box::new(move || {
                    count.fetch_add(1, Ordering::SeqCst);
                }),
            )
            .unwrap();
        let cancelled = entry.cancel().is_some();
        have_done(&timers);
        assert_eq!(done.load(Ordering::SeqCst), usize::from(!cancelled));
    });
}

/// Something is brought while the only worker leaves: it takes that as well, or another is sent.
#[test]
fn what_is_due_is_never_left_without_a_worker() {
    model(|| {
        let sent = Arc::new(AtomicUsize::new(0));
        let send = Arc::clone(&sent);
        let crew = Crew::new(&Timers::new(Arc::default()), move || {
            send.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        // The timers' thread would look every now and then; it must not be needed.
        crew.look_already();
        crew.push(1);
        let worker = thread::spawn({
            let crew = crew.clone();
            move || {
                let mut worker = crew.worker();
                std::iter::from_fn(|| worker.next()).count()
            }
        });
        crew.push(2);
        let taken = worker.join().unwrap();
        assert!(taken == 2 || taken == 1 && sent.load(Ordering::SeqCst) == 2, "{taken} were taken");
    });
}

/// Runs that somebody else ends.
struct Begun(Arc<AtomicUsize>);

impl Task for Begun {
    fn begin(&self, _: &Arc<RawJob>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn over(&self, _: &Arc<RawJob>) {}
}

/// The last run ends while somebody cancels and somebody waits: the job ends once, and the waiter wakes.
#[test]
fn a_job_ends_once_and_wakes_its_waiter() {
    model(|| {
        let begun = Arc::default();
        let rules = Rules { every: Duration::from_secs(1), ..Rules::once(Moment::Monotonic(Time(0))) };
        let job = RawJob::new(("", None), rules, &Timers::new(Arc::default()), Box::new(Begun(Arc::clone(&begun))));
        assert!(!job.start().unwrap());
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        let canceller = thread::spawn({
            let job = job.clone();
            move || job.cancel().1
        });
        let runner = thread::spawn({
            let job = job.clone();
            move || job.finish(false)
        });
        job.sleep(&Arc::default(), &mut Sleeper { patient: true }).expect("it has patience");
        let told = [canceller, runner].map(|thread| thread.join().unwrap());
        assert_eq!(told.iter().filter(|over| **over).count(), 1, "the end is told to one: {told:?}");
    });
}
