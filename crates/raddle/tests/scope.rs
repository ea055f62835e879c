//! Scopes: what is borrowed, who is stopped by whom, what is an error at the end.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{SOON, start, wait_of};
use raddle::graph::verdict::Ending;
use raddle::scope::{ChildError, OnError, ScopeError};
use raddle::stop::{checkpoint, shield};
use raddle::thread::Role;
use raddle::{Elapsed, Event, JoinError, Mutex, Scope, Stopped, scope, within};

const LONG: Duration = Duration::from_secs(60);

fn names(error: &ScopeError) -> Vec<&str> {
    let name = |error: &'_ ChildError| match error {
        ChildError::Panicked(panic) => panic.thread.name.clone(),
        ChildError::Failed { thread, .. } => thread.name.clone(),
    };
    error.errors.iter().map(|error| &*String::leak(name(error))).collect()
}

#[test]
fn threads_borrow_and_have_ended_at_the_end() {
    let (mut cells, done) = ([0; 8], AtomicUsize::new(0));
    let sum = scope(|scope| {
        for (number, cell) in cells.iter_mut().enumerate() {
            let done = &done;
            let thread = scope.spawn("cell", move || {
                thread::sleep(Duration::from_millis(5));
                *cell = number;
                done.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!(thread.thread().role(), Role::Scoped);
        }
        40 + 2
    });
    assert_eq!((sum, done.load(Ordering::SeqCst)), (42, 8));
    assert_eq!(cells, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(raddle::runtime().threads().iter().all(|thread| &*thread.name() != "cell"));
}

#[test]
fn threads_hear_at_once_of_a_stop_around_their_scope() {
    scope(|outer| {
        scope(|inner| {
            let leaf = inner.spawn("leaf", || raddle::sleep(LONG));
            outer.stop("enough");
            // Nothing that the body calls is a stop point.
            let since = Instant::now();
            while !leaf.is_finished() {
                assert!(since.elapsed() < LONG / 6, "its body would have to hand it on");
                thread::sleep(Duration::from_millis(1));
            }
        });
    });
}

#[test]
fn an_empty_scope_is_one() {
    assert_eq!(scope(|_| 7), 7);
    assert_eq!(Scope::builder().on_error(OnError::FirstSuccess).timeout(Duration::ZERO).run(|_| 7).unwrap(), 7);
}

#[test]
fn no_more_threads_than_its_limit_run_at_a_time() {
    let (now, most, all) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    Scope::builder()
        .limit(3)
        .run(|scope| {
            for number in 0..40 {
                scope.spawn("worker", || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(1));
                    all.fetch_add(1, Ordering::SeqCst);
                    now.fetch_sub(1, Ordering::SeqCst);
                });
                assert!(number < 3 || all.load(Ordering::SeqCst) + 3 > number, "a start waits for its turn");
            }
        })
        .unwrap();
    assert_eq!((most.into_inner(), all.into_inner()), (3, 40));
    let zero = catch_unwind(|| Scope::builder().limit(0)).unwrap_err();
    assert_eq!(
        *zero.downcast_ref::<&str>().unwrap(),
        "limit(0) lets no thread of the scope run; limit(1) runs them one at a time"
    );
}

#[test]
fn a_stop_ends_the_wait_for_a_turn_and_spoils_no_limit() {
    let (go, heard) = (Event::new(), AtomicUsize::new(0));
    let stopped = Scope::builder().name("one").limit(1).run(|scope| {
        scope.spawn("first", || go.wait().is_ok());
        // A deadline of the body only: the scope is not stopped, and the limit holds for who comes after.
        let second = within(SOON, || scope.spawn("second", || 7));
        assert!(second.is_err());
        let third = within(SOON, || scope.spawn("third", || 8));
        assert!(third.is_err(), "the second one had no turn to give back");
        go.set();
        assert_eq!(scope.spawn("fourth", || 9).join().unwrap(), 9);
        scope.spawn("fifth", || raddle::sleep(LONG).is_err());
        scope.stop("enough");
        scope.spawn("sixth", || heard.fetch_add(usize::from(checkpoint().is_err()), Ordering::SeqCst));
    });
    stopped.unwrap();
    assert_eq!(heard.into_inner(), 1, "who comes after the stop is stopped, and does not wait for a turn");
}

#[test]
fn a_scope_with_a_name_is_called_by_it() {
    let failed = Scope::builder().name("resize").run(|scope| drop(scope.try_spawn("parser", || "x".parse::<u32>())));
    let failed = failed.unwrap_err();
    assert_eq!(failed.name.as_deref(), Some("resize"));
    assert!(failed.to_string().starts_with("the scope 'resize' failed\n  thread 'parser' failed: "), "{failed}");
    let late = Scope::builder().name("resize").timeout(SOON).run(|_| raddle::sleep(LONG)).unwrap_err();
    assert_eq!(late.to_string(), "the scope 'resize' was not done within 20ms");
}

#[test]
fn a_thread_of_a_scope_starts_others() {
    let count = AtomicUsize::new(0);
    fn grow<'scope, 'env>(scope: &Scope<'scope, 'env>, count: &'env AtomicUsize, depth: usize) {
        count.fetch_add(1, Ordering::SeqCst);
        if depth > 0 {
            for _ in 0..2 {
                let inner = scope.clone();
                scope.spawn("branch", move || grow(&inner, count, depth - 1));
            }
        }
    }
    scope(|scope| grow(scope, &count, 4));
    assert_eq!(count.into_inner(), 31);
}

#[test]
fn one_failure_stops_the_siblings_and_the_body() {
    let never = Event::new();
    let since = Instant::now();
    let mut seen = None;
    let failed = Scope::builder().run(|scope| {
        let patient = scope.spawn("patient", || never.wait());
        scope.spawn("busy", || while checkpoint().is_ok() {});
        scope.spawn("failing", || {
            thread::sleep(SOON);
            panic!("no such account")
        });
        let mine = never.wait();
        seen = Some((patient.token(), mine));
    });
    let error = failed.unwrap_err();
    assert!(since.elapsed() < LONG);
    assert_eq!(names(&error), ["failing"]);
    let (theirs, mine) = seen.unwrap();
    let (theirs, mine) = (theirs.stopped().unwrap().clone(), mine.unwrap_err());
    assert_eq!(theirs.to_string(), "stopped by 'failing': thread 'failing' of the same scope failed");
    assert_eq!((mine.to_string(), mine.is_deadline()), (theirs.to_string(), false));
    assert_eq!(checkpoint(), Ok(()), "the stop ended with the scope");
    let text = error.to_string();
    assert!(text.starts_with("the scope failed\n  thread 'failing' panicked at "), "{text}");
}

#[test]
fn errors_are_collected_where_that_is_wanted() {
    let failed = Scope::builder().on_error(OnError::Collect).run(|scope| {
        for number in 0..6_u64 {
            scope.try_spawn(&format!("child-{number}"), move || {
                assert_ne!(number, 4, "four");
                if number % 3 == 0 { Err(std::io::Error::other(number.to_string())) } else { Ok(number) }
            });
        }
    });
    let mut error = failed.unwrap_err();
    error.errors.sort_by_key(ToString::to_string);
    assert_eq!(names(&error), ["child-0", "child-3", "child-4"]);
    let ChildError::Failed { error: first, thread, lineage } = &error.errors[0] else { panic!("it returned") };
    assert_eq!((first.to_string(), thread.name.as_str(), lineage.iter().count()), ("0".to_owned(), "child-0", 1));
    assert!(first.is::<std::io::Error>(), "the original");
}

#[test]
fn who_is_joined_gives_its_error_to_the_joiner() {
    for on_error in [OnError::Collect, OnError::StopSiblings] {
        for _ in 0..100 {
            let taken = Scope::builder().on_error(on_error).run(|scope| {
                let failing = scope.spawn("failing", || panic!("on purpose"));
                failing.join()
            });
            assert!(matches!(taken, Ok(Err(JoinError::Panicked(_)))), "{taken:?}");
        }
    }
    let mut kept = None;
    let failed = Scope::builder().run(|scope| kept = Some(scope.try_spawn("failing", || "x".parse::<u32>())));
    assert_eq!(names(&failed.unwrap_err()), ["failing"]);
    let kept = kept.unwrap();
    assert!(matches!(kept.ending(), Some(Ending::Failed(text)) if text.starts_with("invalid digit")));
    assert!(matches!(kept.join(), Err(JoinError::Taken)), "the scope has it");
}

#[test]
fn what_was_stopped_is_no_error() {
    let ok = Scope::builder().run(|scope| {
        let nap = scope.try_spawn("nap", || raddle::sleep(LONG));
        let lock = scope.try_spawn("within", || -> Result<(), raddle::LockError> { Ok(raddle::sleep(LONG)?) });
        assert!(scope.stop("all is done"));
        let late = scope.try_spawn("late", || raddle::sleep(LONG));
        (nap, lock, late)
    });
    let (nap, lock, late) = ok.unwrap();
    assert_eq!(nap.ending(), Some(Ending::Stopped(format!("stopped by '{}': all is done", me()))));
    assert_eq!(nap.join().unwrap().unwrap_err().reason.as_deref(), Some("all is done"));
    assert!(lock.join().unwrap().unwrap_err().stopped().is_some());
    assert!(late.join().unwrap().is_err());
}

fn me() -> String {
    raddle::thread::current(raddle::runtime()).name().to_string()
}

#[test]
fn the_first_success_is_enough() {
    let mirrors = Scope::builder().on_error(OnError::FirstSuccess).run(|scope| {
        let broken = scope.try_spawn("broken", || "x".parse::<u32>());
        let slow = scope.try_spawn("slow", || raddle::sleep(LONG));
        let good = scope.try_spawn("good", || raddle::sleep(SOON).map(|()| 7));
        (broken, slow, good)
    });
    let (broken, slow, good) = mirrors.unwrap();
    assert!(matches!(broken.join(), Err(JoinError::Taken)));
    assert!(slow.join().unwrap().is_err());
    assert_eq!(good.join().unwrap(), Ok(7));
    let none = Scope::builder().on_error(OnError::FirstSuccess).run(|scope| {
        scope.try_spawn("one", || "x".parse::<u32>());
        scope.spawn("two", || panic!("on purpose"));
    });
    assert_eq!(none.unwrap_err().errors.len(), 2);
}

#[test]
fn a_time_limit_stops_the_body_and_the_threads() {
    for body_waits in [true, false] {
        let late = Scope::builder().timeout(SOON).run(|scope| {
            let nap = scope.try_spawn("nap", || raddle::sleep(LONG));
            scope.spawn("busy", || while checkpoint().is_ok() {});
            if body_waits {
                // By its own deadline, or by a thread that has met it before.
                assert!(raddle::sleep(LONG).unwrap_err().to_string().contains("timeout(20ms)"));
            }
            nap
        });
        let error = late.unwrap_err();
        assert_eq!((error.elapsed, error.errors.len()), (Some(SOON), 0), "{error}");
        assert_eq!(error.to_string(), "the scope was not done within 20ms");
    }
    assert_eq!(checkpoint(), Ok(()));
    let in_time = Scope::builder().timeout(LONG).run(|scope| scope.spawn("quick", || 7).join().unwrap());
    assert_eq!(in_time.unwrap(), 7);
}

#[test]
fn a_stop_from_outside_reaches_those_inside_nested_scopes() {
    let gate = Arc::new(Event::new());
    let outer = start("outer", &gate, |never| {
        let mut stops = Vec::new();
        scope(|outer| {
            let child = outer.spawn("child", || {
                scope(|inner| {
                    let grandchild = inner.spawn("grandchild", || never.wait());
                    // Not joined by anybody but the scope's own end.
                    grandchild.token()
                })
            });
            stops.push(never.wait().unwrap_err());
            stops.extend(shield(|| child.join()).unwrap().stopped().cloned());
        });
        stops
    });
    while raddle::runtime().threads().iter().all(|thread| &*thread.name() != "grandchild") {
        thread::yield_now();
    }
    outer.stop("enough");
    let stops = outer.join().unwrap();
    let reasons: Vec<_> = stops.iter().map(|stopped: &Stopped| stopped.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("enough"), Some("enough")]);
}

#[test]
fn a_stop_that_comes_while_the_end_waits_is_handed_on() {
    let gate = Arc::new(Event::new());
    let outer = start("outer", &gate, |never| scope(|scope| scope.spawn("child", || never.wait())));
    while wait_of(&outer).call != "join" {}
    outer.stop("enough");
    let child = outer.join().unwrap();
    assert_eq!(child.join().unwrap().unwrap_err().reason.as_deref(), Some("enough"));
}

#[test]
fn a_shield_around_a_scope_is_one_around_its_threads() {
    let gate = Arc::new(Event::new());
    let outer = start("outer", &gate, |gate| {
        let inside = shield(|| scope(|scope| scope.spawn("child", || gate.wait())));
        (inside.join(), checkpoint().is_err())
    });
    while wait_of(&outer).call != "join" {}
    outer.stop("enough");
    thread::sleep(SOON);
    assert!(!outer.is_finished());
    gate.set();
    let (child, stopped) = outer.join().unwrap();
    assert!(matches!(child, Ok(Ok(()))) && stopped, "{child:?}");
}

#[test]
fn a_deadline_around_a_scope_ends_it() {
    let never = Event::new();
    let late = within(SOON, || scope(|scope| scope.spawn("child", || never.wait()).token()));
    assert_eq!(late.map(drop), Err(Elapsed { limit: SOON }));
}

#[test]
fn a_panic_of_the_body_stops_the_threads_and_goes_on() {
    let never = Event::new();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        scope(|scope| {
            scope.spawn("child", || never.wait());
            panic!("in the body");
        })
    }));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"in the body"));
    assert_eq!(checkpoint(), Ok(()));
}

#[test]
fn a_panic_of_a_thread_goes_on_in_the_plain_form() {
    let caught =
        catch_unwind(|| scope(|scope| drop(scope.spawn("child", || std::panic::resume_unwind(Box::new(7_u8))))));
    assert_eq!(caught.unwrap_err().downcast_ref::<u8>(), Some(&7));
    let caught = catch_unwind(|| scope(|scope| drop(scope.try_spawn("child", || "x".parse::<u32>()))));
    let text = caught.unwrap_err();
    assert!(
        text.downcast_ref::<String>().unwrap().starts_with("the scope failed\n  thread 'child' failed: invalid digit")
    );
}

#[test]
fn a_lock_that_is_held_across_the_end_is_a_deadlock_not_a_hang() {
    let lock = Mutex::named("lock", 0);
    let failed = Scope::builder().run(|scope| {
        let guard = lock.lock().unwrap();
        let child = scope.try_spawn("child", || lock.lock().map(drop));
        wait_of(&child);
        guard
    });
    let error = failed.err().expect("the child waits for the guard");
    assert!(error.deadlock.is_some() && error.errors.is_empty(), "{error}");
    assert!(error.to_string().contains("'child' waits"), "{error}");
    assert!(lock.try_lock().is_some());
}
