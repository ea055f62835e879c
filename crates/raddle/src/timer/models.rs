//! loom models of timers: `RUSTFLAGS="--cfg loom" cargo test -p raddle --release models`.
//!
//! A model's clock stands still, and a park with a time limit ends at once: a thread with nothing left is about to leave.

use std::sync::Arc;

use super::Timers;
use crate::seam::{Parker, Time};

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
        let done = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let entry = timers
            .at(Time(0), Box::new(move || drop(count.fetch_add(1, loom::sync::atomic::Ordering::SeqCst))))
            .unwrap();
        let cancelled = entry.cancel().is_some();
        have_done(&timers);
        assert_eq!(done.load(loom::sync::atomic::Ordering::SeqCst), usize::from(!cancelled));
    });
}
