//! loom models of carriers and of waits for several threads: `RUSTFLAGS="--cfg loom" cargo test -p raddle --release models`.
//!
//! A model's clock stands still, and a park with a time limit ends at once: an idle carrier is always about to leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Carriers, Rule, Several};
use crate::graph::verdict::ThreadKind;
use crate::seam::Parker;
use crate::wait::modelling::{Sleeper, model};

/// Has a job done and waits for it.
fn have_done(carriers: &Arc<Carriers>, done: &Arc<AtomicUsize>) {
    let parker = Arc::new(Parker::default());
    let (bell, count) = (Arc::clone(&parker), Arc::clone(done));
    let job = Box::new(move |mut over: super::Over| {
        count.fetch_add(1, Ordering::SeqCst);
        over.announce();
        bell.unpark();
    });
    carriers.reserve(0).unwrap().run(job);
    parker.park(None);
}

/// A carrier that goes idle, and perhaps away, against the next starter: each job is done, once.
#[test]
fn a_job_is_done_whether_the_carrier_was_about_to_leave_or_not() {
    model(|| {
        let (carriers, done) = (Arc::<Carriers>::default(), Arc::<AtomicUsize>::default());
        have_done(&carriers, &done);
        have_done(&carriers, &done);
        assert_eq!(done.load(Ordering::SeqCst), 2);
    });
}

/// A carrier that is taken and given nothing lies down again, or ends; it does not wait for ever.
#[test]
fn a_carrier_that_was_reserved_for_nothing_is_free_again() {
    model(|| {
        let (carriers, done) = (Arc::<Carriers>::default(), Arc::<AtomicUsize>::default());
        drop(carriers.reserve(0).unwrap());
        have_done(&carriers, &done);
        assert_eq!(done.load(Ordering::SeqCst), 1);
    });
}

/// Two threads end while somebody waits: for the first, and then for the other; or for both at once.
fn two_end(rule: Rule, waits: usize) {
    model(move || {
        let several = Arc::new(Several::new(rule, (0..2).map(|number| (number, thread(number)))));
        let ending: Vec<_> = (0..2)
            .map(|number| {
                let several = Arc::clone(&several);
                loom::thread::spawn(move || several.ended(number, false))
            })
            .collect();
        for _ in 0..waits {
            while !several.is_enough() {
                several.sleep(&Arc::default(), &mut Sleeper { patient: true }).unwrap();
            }
            assert!(several.take());
        }
        ending.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

fn thread(number: usize) -> Arc<super::Thread> {
    super::Thread::new(&number.to_string(), ThreadKind::Regular, None)
}

#[test]
fn whoever_waits_for_the_first_hears_of_each() {
    two_end(Rule::First, 2);
}

#[test]
fn whoever_waits_for_all_hears_of_the_last() {
    two_end(Rule::All, 1);
}
