//! Small programs run on a queue by several threads, their histories recorded, and an order of the calls searched in which
//! a queue of one thread would have given the same results: each call somewhere between its beginning and its end.
//!
//! The orders and the bound vary, calls time out, and the queue is shut down in the middle.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use raddle::queue::{Container, Fifo, GetError, Heap, Lifo, OrderedQueue, PutError};

const SOON: Duration = Duration::from_micros(300);

#[derive(Clone, Copy, Debug)]
enum Step {
    Put,
    TryPut,
    Get,
    TryGet,
    Shutdown,
    ShutdownNow,
    Len,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Put(u32),
    Full,
    Refused,
    Got(u32),
    Empty,
    Over,
    ShutDown,
    Emptied(Vec<u32>),
    Len(usize),
}

#[derive(Clone, Debug)]
struct Call {
    began: u64,
    ended: u64,
    outcome: Outcome,
}

/// What a queue of one thread is.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Model {
    items: Vec<u32>,
    over: bool,
}

impl Model {
    /// Does what the call says that it has done; `None` if this queue would have done something else.
    fn after(&self, outcome: &Outcome, bound: usize, order: usize) -> Option<Model> {
        let full = bound != 0 && self.items.len() >= bound;
        let mut next = self.clone();
        let fits = match outcome {
            Outcome::Put(item) => {
                next.items.push(*item);
                !full && !self.over
            }
            Outcome::Full => full && !self.over,
            Outcome::Refused => self.over,
            Outcome::Got(item) => Some(*item) == next.pop(order),
            Outcome::Empty => self.items.is_empty() && !self.over,
            Outcome::Over => self.items.is_empty() && self.over,
            Outcome::ShutDown => {
                next.over = true;
                true
            }
            Outcome::Emptied(items) => {
                (next.over, next.items) = (true, Vec::new());
                sorted(&self.items) == sorted(items)
            }
            Outcome::Len(len) => self.items.len() == *len,
        };
        fits.then_some(next)
    }

    fn pop(&mut self, order: usize) -> Option<u32> {
        let place = match order {
            0 => 0,
            1 => self.items.len().checked_sub(1)?,
            _ => (0..self.items.len()).min_by_key(|index| self.items[*index])?,
        };
        (place < self.items.len()).then(|| self.items.remove(place))
    }
}

fn sorted(items: &[u32]) -> Vec<u32> {
    let mut items = items.to_vec();
    items.sort_unstable();
    items
}

/// Whether there is an order of the calls that explains all outcomes.
fn is_linearizable(calls: &[Call], bound: usize, order: usize) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![(0u64, Model { items: Vec::new(), over: false })];
    while let Some((done, model)) = open.pop() {
        if done.count_ones() as usize == calls.len() {
            return true;
        }
        let left = || (0..calls.len()).filter(|index| done & 1 << index == 0);
        // A call may come next only if none that is left had ended before it began.
        let first_end = left().map(|index| calls[index].ended).min().unwrap_or(u64::MAX);
        for index in left().filter(|index| calls[*index].began <= first_end) {
            if let Some(next) = model.after(&calls[index].outcome, bound, order)
                && seen.insert((done | 1 << index, next.clone()))
            {
                open.push((done | 1 << index, next));
            }
        }
    }
    false
}

fn perform<C>(queue: &OrderedQueue<C>, step: Step, item: u32) -> Outcome
where
    C: Container<Item = u32> + IntoIterator<Item = u32>,
{
    let put = |result| match result {
        Ok(()) => Outcome::Put(item),
        Err(PutError::Full(_)) => Outcome::Full,
        Err(PutError::ShutDown(_)) => Outcome::Refused,
        Err(PutError::Stopped(..)) => unreachable!("nobody stops it"),
    };
    let got = |result| match result {
        Ok(item) => Outcome::Got(item),
        Err(GetError::Empty) => Outcome::Empty,
        Err(GetError::ShutDown) => Outcome::Over,
        Err(GetError::Stopped(_)) => unreachable!("nobody stops it"),
    };
    match step {
        Step::Put => put(queue.put_timeout(item, SOON)),
        Step::TryPut => put(queue.try_put(item)),
        Step::Get => got(queue.get_timeout(SOON)),
        Step::TryGet => got(queue.try_get()),
        Step::Len => Outcome::Len(queue.len()),
        Step::Shutdown => {
            queue.shutdown();
            Outcome::ShutDown
        }
        Step::ShutdownNow => Outcome::Emptied(queue.shutdown_now().into_iter().collect()),
    }
}

fn record<C>(program: &[Vec<Step>], bound: usize) -> Vec<Call>
where
    C: Container<Item = u32> + IntoIterator<Item = u32> + Send + 'static,
{
    let queue = Arc::new(OrderedQueue::<C>::bounded(bound));
    let (clock, start) = (Arc::new(AtomicU64::new(0)), Arc::new(Barrier::new(program.len())));
    let run = |(number, steps): (usize, &Vec<Step>)| {
        let (queue, clock, start, steps) = (queue.clone(), clock.clone(), start.clone(), steps.clone());
        thread::spawn(move || {
            start.wait();
            let call = |(index, step): (usize, Step)| {
                // Later items are not always larger, or a priority queue could not be told from a plain one.
                let item = (index as u32 * 37 + number as u32 * 11) % 64 * 8 + number as u32;
                let began = clock.fetch_add(1, Ordering::SeqCst);
                let outcome = perform(&queue, step, item);
                Call { began, ended: clock.fetch_add(1, Ordering::SeqCst), outcome }
            };
            steps.into_iter().enumerate().map(call).collect::<Vec<_>>()
        })
    };
    let threads: Vec<_> = program.iter().enumerate().map(run).collect();
    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = prop_oneof![
        5 => Just(Step::Put),
        3 => Just(Step::TryPut),
        5 => Just(Step::Get),
        3 => Just(Step::TryGet),
        1 => Just(Step::Shutdown),
        1 => Just(Step::ShutdownNow),
        1 => Just(Step::Len),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..6), 2..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_is_that_of_some_order(program in steps(), bound in 0usize..3, order in 0usize..3) {
        let calls = match order {
            0 => record::<Fifo<u32>>(&program, bound),
            1 => record::<Lifo<u32>>(&program, bound),
            _ => record::<Heap<u32>>(&program, bound),
        };
        prop_assert!(is_linearizable(&calls, bound, order), "{calls:#?}");
    }
}

#[test]
fn the_checker_tells_a_queue_from_another() {
    let call = |began, ended, outcome| Call { began, ended, outcome };
    let calls = [call(0, 1, Outcome::Put(2)), call(2, 3, Outcome::Put(1)), call(4, 5, Outcome::Got(1))];
    assert!(!is_linearizable(&calls, 0, 0));
    assert!(is_linearizable(&calls, 0, 1) && is_linearizable(&calls, 0, 2));
    let lost = [call(0, 1, Outcome::Put(1)), call(2, 3, Outcome::Empty)];
    assert!(!is_linearizable(&lost, 0, 0));
    let twice = [call(0, 1, Outcome::Put(1)), call(2, 5, Outcome::Got(1)), call(3, 4, Outcome::Got(1))];
    assert!(!is_linearizable(&twice, 0, 0));
}
