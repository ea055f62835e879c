//! loom models of the queue: `RUSTFLAGS="--cfg loom" cargo test -p raddle --release models`.
//!
//! Each states what must hold in every interleaving; loom itself reports a thread that sleeps for ever. What a seeded bug
//! does to each is checked by `tests/models.sh`.

use std::sync::Arc;

use loom::thread;

use super::raw::{Denied, RawQueue, Stop};
use super::{Fifo, Refused};
use crate::graph::Halt;
use crate::wait::{Sleep, Waiter};

type Queue = RawQueue<Fifo<u32>>;

/// Sleeps until notified, or gives up at the first look if it has no patience.
struct Sleeper {
    patient: bool,
}

struct GaveUp;

impl From<GaveUp> for Stop {
    fn from(_: GaveUp) -> Stop {
        Stop::from(Halt::Interrupted)
    }
}

impl Sleep for Sleeper {
    type Halt = GaveUp;
    fn sleep(&mut self, waiter: &Arc<Waiter>) -> Result<(), GaveUp> {
        while !waiter.is_notified() {
            if !self.patient {
                return Err(GaveUp);
            }
            waiter.parker().park(None);
        }
        Ok(())
    }
}

fn get(queue: &Queue, patient: bool) -> Result<u32, Denied> {
    queue.get_within(&Arc::default(), &mut Sleeper { patient })
}

fn put(queue: &Queue, item: u32, patient: bool) -> Result<(), Denied> {
    queue.put_within(item, &Arc::default(), &mut Sleeper { patient }).map_err(|(_, denied)| denied)
}

fn model(body: impl Fn(Arc<Queue>) + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || body(Arc::new(Queue::default())));
}

fn beside<R: 'static>(queue: &Arc<Queue>, body: impl FnOnce(&Queue) -> R + 'static) -> thread::JoinHandle<R> {
    let queue = queue.clone();
    thread::spawn(move || body(&queue))
}

/// Two getters sleep, two items come in a row, of which the second wakes nobody: both getters get one.
#[test]
fn two_items_reach_two_getters() {
    model(|queue| {
        let getters: Vec<_> = (0..2).map(|_| beside(&queue, |queue| get(queue, true).ok())).collect();
        assert!(queue.try_put(1).is_ok() && queue.try_put(2).is_ok());
        let mut got: Vec<_> = getters.into_iter().map(|getter| getter.join().unwrap()).collect();
        got.sort_unstable();
        assert_eq!(got, [Some(1), Some(2)]);
    });
}

/// One getter gives up while an item comes: the item reaches the other one.
#[test]
fn a_getter_that_gives_up_passes_the_wake_on() {
    model(|queue| {
        let impatient = beside(&queue, |queue| get(queue, false).ok());
        let patient = beside(&queue, |queue| get(queue, true).ok());
        assert!(queue.try_put(1).is_ok());
        if impatient.join().unwrap().is_some() {
            assert!(queue.try_put(2).is_ok());
        }
        assert!(patient.join().unwrap().is_some());
    });
}

/// A bound of one: two putters wait for room, two gets make it, one after the other.
#[test]
fn room_reaches_each_putter() {
    model(|queue| {
        queue.set_bound(1);
        assert!(queue.try_put(0).is_ok());
        let putters: Vec<_> = (1..3).map(|item| beside(&queue, move |queue| put(queue, item, true).is_ok())).collect();
        let mut got: Vec<_> = (0..3).map(|_| get(&queue, true).unwrap()).collect();
        assert!(putters.into_iter().all(|putter| putter.join().unwrap()));
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2]);
    });
}

/// All room comes back at once: one putter is woken for it, which has to wake the next.
#[test]
fn a_wider_bound_serves_all_putters() {
    model(|queue| {
        queue.set_bound(1);
        assert!(queue.try_put(0).is_ok());
        let putters: Vec<_> = (1..3).map(|item| beside(&queue, move |queue| put(queue, item, true).is_ok())).collect();
        queue.set_bound(3);
        assert!(putters.into_iter().all(|putter| putter.join().unwrap()));
        assert_eq!(queue.len(), 3);
    });
}

/// A putter gives up while room comes: the room reaches the other one.
#[test]
fn a_putter_that_gives_up_passes_the_wake_on() {
    model(|queue| {
        queue.set_bound(1);
        assert!(queue.try_put(0).is_ok());
        let impatient = beside(&queue, |queue| put(queue, 1, false).is_ok());
        let patient = beside(&queue, |queue| put(queue, 2, true).is_ok());
        assert!(queue.try_get().is_ok());
        if impatient.join().unwrap() {
            assert!(queue.try_get().is_ok());
        }
        assert!(patient.join().unwrap());
    });
}

/// The end comes while one waits to get and one puts: the getter gets the item or is told, and nothing is lost.
#[test]
fn the_end_reaches_a_getter() {
    model(|queue| {
        let getter = beside(&queue, |queue| get(queue, true));
        let putter = beside(&queue, |queue| queue.try_put(1).is_ok());
        queue.shutdown(false);
        let got = getter.join().unwrap();
        let put = putter.join().unwrap();
        assert_eq!(usize::from(put), usize::from(got.is_ok()) + queue.len());
        assert!(got.is_ok() || matches!(got, Err(Denied::ShutDown)));
    });
}

/// The end comes while one waits for room and one for the tasks.
#[test]
fn the_end_reaches_putters_and_joiners() {
    model(|queue| {
        queue.set_bound(1);
        assert!(queue.try_put(0).is_ok());
        let putter = beside(&queue, |queue| put(queue, 1, true));
        let joiner = beside(&queue, |queue| queue.join_within(&Arc::default(), &mut Sleeper { patient: true }).is_ok());
        queue.shutdown(true);
        assert!(matches!(putter.join().unwrap(), Err(Denied::ShutDown)));
        assert!(joiner.join().unwrap());
        assert_eq!(queue.unfinished(), 0);
    });
}

/// The last task is done while a thread begins to wait for that.
#[test]
fn the_last_task_wakes_the_joiner() {
    model(|queue| {
        assert!(queue.try_put(0).is_ok());
        let joiner = beside(&queue, |queue| queue.join_within(&Arc::default(), &mut Sleeper { patient: true }).is_ok());
        queue.task_done().unwrap();
        assert!(joiner.join().unwrap());
    });
}

/// The queue moves while one waits to get and one puts: everybody is told, and each item is in one place.
#[test]
fn a_move_reaches_all() {
    model(|queue| {
        let getter = beside(&queue, |queue| get(queue, true));
        let putter = beside(&queue, |queue| queue.try_put(1));
        let moved = queue.move_out().into_iter().count();
        let got = getter.join().unwrap();
        let put = putter.join().unwrap();
        assert_eq!(usize::from(put.is_ok()), moved + usize::from(got.is_ok()));
        assert!(got.is_ok() || matches!(got, Err(Denied::Moved)));
        assert!(put.is_ok() || put == Err((1, Refused::Moved)));
    });
}
