//! A thread waits for an item of a queue whose only producer has died: it is told of, as a guess, and can be helped.

mod common;

use std::sync::{Arc, OnceLock};

use common::start;
use raddle::graph::verdict::{Code, Ending, Verdict};
use raddle::queue::Queue;

#[test]
fn a_wait_for_a_dead_producer_is_told_of() {
    let (jobs, guess) = (Arc::new(Queue::named("jobs", 0)), Arc::new(OnceLock::new()));
    raddle::on_verdict({
        let (jobs, guess) = (jobs.clone(), guess.clone());
        move |verdict| {
            if verdict.is_likely() {
                guess.set(verdict.clone()).expect("told once");
                jobs.shutdown();
            }
        }
    });
    let producer = start("producer", &jobs, |jobs| {
        jobs.put(7).unwrap();
        panic!("no such account");
    });
    let consumer = start("consumer", &jobs, |jobs| std::iter::from_fn(|| jobs.get().ok()).sum::<i32>());
    assert!(producer.join().is_err());
    assert_eq!(consumer.join().unwrap(), 7);

    let Some(Verdict::Orphaned { wait }) = guess.get() else { panic!("told: {guess:?}") };
    let producers: Vec<_> = wait.object.producers.iter().map(|it| (it.thread.name.as_str(), &it.ended)).collect();
    assert_eq!(producers, [("producer", &Ending::Failed("no such account".to_owned()))]);
    assert_eq!((wait.thread.name.as_str(), wait.object.name.as_str()), ("consumer", "jobs"));
    assert_eq!(guess.get().map(Verdict::code), Some(Code::Died));
}
