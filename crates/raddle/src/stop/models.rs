//! loom models of stopping: `RUSTFLAGS="--cfg loom" cargo test -p raddle --release models`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use super::{Blocks, StopSource, Stopped, any_of};
use crate::seam::{Parker, Time};
use crate::wait::modelling::{Sleeper, model};

fn stopped() -> Stopped {
    Stopped { reason: None, requested_by: "model".into(), requested_at: Time::now(), block: 0 }
}

/// Whoever waits for the stop hears of it, whether it came before, after or in the middle of lying down.
#[test]
fn who_waits_for_a_stop_hears_of_it() {
    model(|| {
        let source = StopSource::new();
        let token = any_of(&[source.token()]);
        let waiter = thread::spawn(move || token.sleep(&Arc::default(), &mut Sleeper { patient: true }).unwrap());
        assert!(source.stop_with(stopped()));
        waiter.join().unwrap();
    });
}

/// A thread that looks at its token and then sleeps is woken by a stop that comes after the look.
#[test]
fn a_stop_wakes_a_thread_on_its_way_into_a_sleep() {
    model(|| {
        let (blocks, parker) = (Arc::new(Blocks::default()), Arc::<Parker>::default());
        // Made here: that a `OnceLock` publishes what is in it is not loom's to check.
        blocks.token(&parker);
        let sleeper = thread::spawn({
            let (blocks, parker) = (Arc::clone(&blocks), Arc::clone(&parker));
            move || {
                while blocks.stop_requested().is_none() {
                    parker.park(None);
                }
            }
        });
        assert!(blocks.token(&parker).stop(stopped()));
        sleeper.join().unwrap();
    });
}

/// A callback that is registered while the stop comes is called once; one that was taken back before is not called.
#[test]
fn a_callback_is_called_once() {
    model(|| {
        let (source, calls) = (StopSource::new(), Arc::<AtomicUsize>::default());
        let stopper = thread::spawn({
            let source = source.clone();
            move || source.stop_with(stopped())
        });
        let count = Arc::clone(&calls);
        let registration = source.token().on_stop(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        assert!(stopper.join().unwrap());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        drop(registration);
    });
}
