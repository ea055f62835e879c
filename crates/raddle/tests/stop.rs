//! Stopping: each blocking call is left at once, with the reason, and takes nothing with it.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{SOON, start, wait_of};
use raddle::graph::verdict::Ending;
use raddle::queue::{GetError, PutError, Queue, SimpleQueue};
use raddle::stop::{StopSource, checkpoint, is_requested, shield};
use raddle::{
    Barrier, BarrierError, Condvar, Elapsed, Event, JoinError, LockError, Mutex, Pool, ReentrantMutex, Semaphore,
    Stopped, TaskError, within,
};

const ROUNDS: usize = 200;

/// What a typical stop takes at most.
const TYPICAL: Duration = Duration::from_millis(10);

/// Stops a thread in the middle of `call` many times, and looks at `with` after each.
fn is_a_stop_point<S: Send + Sync + 'static>(
    with: S,
    call: impl Fn(&S) -> Option<Stopped> + Clone + Send + 'static,
    is_whole: impl Fn(&S) -> bool,
) {
    let with = Arc::new(with);
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let mut sleeper = start("sleeper", &with, call.clone());
        wait_of(&sleeper);
        let reason = format!("round {round}");
        let since = Instant::now();
        assert!(sleeper.stop(reason.as_str()));
        let stopped = sleeper.join_timeout(Duration::from_secs(60)).expect("it hears of it").expect("no panic");
        took.push(since.elapsed());
        let stopped = stopped.expect("it was stopped");
        assert_eq!((stopped.reason.as_deref(), stopped.block), (Some(reason.as_str()), 0));
        assert_eq!(sleeper.ending(), Some(Ending::Stopped(stopped.to_string())));
        assert!(is_whole(&with), "round {round}");
    }
    took.sort();
    assert!(took[ROUNDS / 2] < TYPICAL, "typically {:?}, at worst {:?}", took[ROUNDS / 2], took[ROUNDS - 1]);
}

fn stop_of<T>(result: Result<T, LockError>) -> Option<Stopped> {
    result.err().and_then(|error| error.stopped().cloned())
}

/// Calls `f` while another thread does `hold`, which ends when it is let go.
fn while_held<S: Send + Sync + 'static>(
    with: &Arc<S>,
    hold: impl FnOnce(&S, &Event) + Send + 'static,
    f: impl FnOnce(),
) {
    let events = Arc::new((Event::named("held"), Event::named("let go")));
    let both = Arc::new((Arc::clone(with), Arc::clone(&events)));
    let holder = start("holder", &both, |(with, events)| {
        events.0.set();
        hold(with, &events.1);
    });
    events.0.wait().unwrap();
    wait_of(&holder);
    f();
    events.1.set();
    holder.join().unwrap();
}

#[test]
fn a_mutex() {
    let lock = Arc::new(Mutex::new(0));
    let inner = Arc::clone(&lock);
    while_held(
        &lock,
        |lock, end| {
            let _guard = lock.lock().unwrap();
            end.wait().unwrap();
        },
        || {
            is_a_stop_point(Arc::clone(&inner), |lock| stop_of(lock.lock()), |_| true);
            is_a_stop_point(Arc::clone(&inner), |lock| stop_of(lock.try_lock_for(Duration::from_secs(60))), |_| true);
        },
    );
    assert!(lock.try_lock().is_some(), "nobody has kept it");
}

#[test]
fn a_reentrant_mutex() {
    let lock = Arc::new(ReentrantMutex::new(0));
    let inner = Arc::clone(&lock);
    while_held(
        &lock,
        |lock, end| {
            let _guard = lock.lock().unwrap();
            end.wait().unwrap();
        },
        || is_a_stop_point(inner, |lock| stop_of(lock.lock()), |_| true),
    );
    assert!(lock.try_lock().is_some(), "nobody has kept it");
}

#[test]
fn a_condvar_which_does_not_wait_for_its_mutex_then() {
    type Pair = (Mutex<u32>, Condvar);
    let pair: Pair = (Mutex::new(0), Condvar::new());
    is_a_stop_point(
        pair,
        |(lock, change)| stop_of(change.wait(lock.lock().unwrap())),
        |it: &Pair| it.0.try_lock().is_some(),
    );

    let pair: Arc<Pair> = Arc::new((Mutex::new(0), Condvar::new()));
    let waiter = start("waiter", &pair, |(lock, change)| stop_of(change.wait(lock.lock().unwrap())));
    while wait_of(&waiter).call != "wait" {}
    let guard = pair.0.lock().unwrap();
    waiter.stop(None);
    assert!(waiter.join().unwrap().is_some());
    drop(guard);
}

#[test]
fn an_event_a_semaphore_a_token_and_a_sleep() {
    is_a_stop_point(Event::new(), |event| event.wait().err(), |_| true);
    is_a_stop_point(Event::new(), |event| event.wait_for(Duration::from_secs(60)).err(), |_| true);
    let is_whole = |permits: &Semaphore| permits.available_permits() == 0;
    is_a_stop_point(Semaphore::new(0), |permits| permits.acquire().map(drop).err(), is_whole);
    is_a_stop_point(StopSource::new(), |source| source.token().wait().err(), |source| !source.token().is_stopped());
    is_a_stop_point((), |()| raddle::sleep(Duration::from_secs(60)).err(), |()| true);
}

#[test]
fn a_barrier_which_is_broken_then() {
    let stop_of = |barrier: &Barrier| match barrier.wait() {
        Err(BarrierError::Stopped(stopped)) => Some(*stopped),
        _ => None,
    };
    is_a_stop_point(Barrier::new(2), stop_of, |barrier| {
        let broken = barrier.is_broken();
        barrier.reset();
        broken
    });
}

#[test]
fn a_queue_at_both_ends_and_the_wait_for_its_tasks() {
    let get = |queue: &Queue<u32>| match queue.get() {
        Err(GetError::Stopped(stopped)) => Some(*stopped),
        _ => None,
    };
    is_a_stop_point(Queue::new(), get, |queue| queue.is_empty());
    is_a_stop_point(SimpleQueue::<u32>::new(), |queue| queue.get().err(), |queue| queue.is_empty());
    let full = || {
        let queue = Queue::bounded(1);
        queue.put(7).unwrap();
        queue
    };
    let put = |queue: &Queue<u32>| match queue.put(8) {
        Err(PutError::Stopped(8, stopped)) => Some(*stopped),
        _ => None,
    };
    is_a_stop_point(full(), put, |queue| queue.len() == 1);
    is_a_stop_point(full(), |queue| queue.join().err(), |queue| queue.len() == 1);
}

#[test]
fn a_join_of_a_thread_and_of_a_task() {
    let end = Arc::new(Event::new());
    let sleeper = Arc::clone(&end);
    let join = move |end: &Arc<Event>| match start("slow", end, |end| end.wait()).join() {
        Err(JoinError::CallerStopped(stopped)) => Some(*stopped),
        _ => None,
    };
    is_a_stop_point(sleeper, join, |_| true);
    let pool = Pool::builder("slow").workers(1).build();
    let task = |(pool, end): &(Pool, Arc<Event>)| {
        let end = Arc::clone(end);
        match pool.submit(move || end.wait()).unwrap().join() {
            Err(TaskError::Stopped(stopped)) => Some(*stopped),
            _ => None,
        }
    };
    is_a_stop_point((pool, Arc::clone(&end)), task, |_| true);
    end.set();
}

#[test]
fn a_pools_shutdown_which_can_be_called_again() {
    let (pool, end) = (Arc::new(Pool::builder("slow").workers(2).build()), Arc::new(Event::new()));
    for _ in 0..2 {
        let end = Arc::clone(&end);
        pool.submit(move || end.wait()).unwrap();
    }
    is_a_stop_point(Arc::clone(&pool), |pool| pool.shutdown().err(), |_| true);
    end.set();
    assert_eq!(pool.shutdown(), Ok(()));
}

#[test]
fn a_call_that_gets_what_it_wants_at_once_is_none() {
    let queue = Arc::new(Queue::new());
    queue.put(7).unwrap();
    let reader = start("reader", &queue, |queue| {
        while checkpoint().is_ok() {}
        (queue.get(), queue.get().is_err(), queue.get().is_err())
    });
    reader.stop(None);
    assert_eq!(reader.join().unwrap(), (Ok(7), true, true), "then every call stops, again and again");
}

#[test]
fn an_item_that_comes_together_with_the_deadline_is_not_lost() {
    let queue = Arc::new(Queue::new());
    let (got, sum) = (AtomicUsize::new(0), 500);
    let producer = start("producer", &queue, move |queue| {
        for item in 0..sum {
            thread::sleep(Duration::from_micros(100));
            queue.put(item).unwrap();
        }
    });
    while !(producer.is_finished() && queue.is_empty()) {
        if let Ok(item) = within(Duration::from_micros(100), || queue.get()) {
            item.unwrap();
            got.fetch_add(1, Ordering::Relaxed);
        }
    }
    assert_eq!(got.into_inner(), sum);
    producer.join().unwrap();
}

#[test]
fn a_call_that_succeeds_at_the_last_moment_was_not_ended_by_the_deadline() {
    let (event, turn) = (Arc::new(Event::new()), Arc::new(SimpleQueue::<Option<Instant>>::new()));
    let setter = start("setter", &Arc::new((Arc::clone(&event), Arc::clone(&turn))), |(event, turn)| {
        while let Some(due) = turn.get().unwrap() {
            while Instant::now() < due {}
            event.set();
        }
    });
    for round in 0..3_000 {
        event.clear();
        let (limit, early) = (Duration::from_micros(100), Duration::from_micros(round % 100));
        turn.put(Some(Instant::now() + limit + Duration::from_micros(50) - early));
        let mut came = false;
        let waited = within(limit, || came = event.wait().is_ok());
        assert_eq!(waited.is_ok(), came, "round {round}");
        // The setter's turn is over before the next one.
        event.wait().unwrap();
    }
    turn.put(None);
    setter.join().unwrap();
}

#[test]
fn a_deadline_ends_what_is_inside_and_nothing_else() {
    let never = Event::new();
    assert_eq!(within(SOON, || never.wait()).unwrap_err(), Elapsed { limit: SOON });
    assert_eq!(checkpoint(), Ok(()), "it is over");
    assert_eq!(within(SOON, || thread::sleep(SOON * 2)), Ok(()), "no call was ended by it");
    // The outer one counts, and the inner one has not elapsed then: it passes on what came.
    let outer = within(SOON, || within(SOON * 2, || never.wait()).map(|waited| waited.unwrap_err().is_deadline()));
    assert_eq!(outer, Err(Elapsed { limit: SOON }));
    let inner = within(Duration::from_secs(60), || within(SOON, || never.wait()));
    assert_eq!(inner, Ok(Err(Elapsed { limit: SOON })));
}

#[test]
fn the_stop_of_the_thread_passes_through_a_deadline() {
    let never = Arc::new(Event::new());
    let sleeper = start("sleeper", &never, |never| within(Duration::from_secs(60), || never.wait()));
    wait_of(&sleeper);
    sleeper.stop("enough");
    let stopped = sleeper.join().unwrap().expect("it is not elapsed").unwrap_err();
    assert!(stopped.to_string().ends_with(": enough") && !stopped.is_deadline(), "{stopped}");
}

#[test]
fn a_shield_hides_a_stop_until_it_is_left() {
    let gate = Arc::new(Event::new());
    let writer = start("writer", &gate, |gate| {
        while !is_requested() {
            thread::yield_now();
        }
        let inside = shield(|| gate.wait());
        let deadline = shield(|| within(SOON, || Event::new().wait()).is_err());
        (inside, deadline, checkpoint().is_err())
    });
    writer.stop(None);
    while wait_of(&writer).call != "wait" {}
    gate.set();
    assert_eq!(writer.join().unwrap(), (Ok(()), true, true));
}

#[test]
fn a_shield_is_left_by_a_panic_too() {
    let caught = std::panic::catch_unwind(|| shield(|| within(SOON, || panic!("on purpose"))));
    assert!(caught.is_err());
    thread::sleep(SOON * 2);
    assert_eq!(raddle::sleep(SOON), Ok(()));
    let writer = start("writer", &Arc::new(()), |()| {
        let _ = std::panic::catch_unwind(|| shield(|| panic!("on purpose")));
        raddle::sleep(Duration::from_secs(60))
    });
    writer.stop(None);
    assert!(writer.join().unwrap().is_err());
}

#[test]
fn a_notification_that_meets_a_stop_goes_to_the_next() {
    let pair = Arc::new((Mutex::new(()), Condvar::new()));
    for _ in 0..ROUNDS {
        let wait = |(lock, change): &(Mutex<()>, Condvar)| change.wait(lock.lock().unwrap()).map(drop);
        let (first, second) = (start("first", &pair, wait), start("second", &pair, wait));
        [&first, &second].iter().for_each(|thread| while wait_of(thread).call != "wait" {});
        let notifier = start("notifier", &pair, |(_, change)| change.notify_one());
        first.stop(None);
        notifier.join().unwrap();
        // Whichever of the two it was that came first: the other one is woken by now, or can be.
        if first.join().unwrap().is_ok() {
            pair.1.notify_one();
        }
        second.join().unwrap().unwrap();
    }
}
