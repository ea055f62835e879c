//! Threads from Rust: builders, handles, and an error that nobody takes.

mod common;

use std::panic::resume_unwind;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant, SystemTime};

use common::{SOON, start, wait_of};
use raddle::graph::verdict::{Ending, ThreadKind, Verdict};
use raddle::observe::Activity;
use raddle::thread::State;
use raddle::{Builder, Event, JoinError, Mutex, StartError};

#[test]
fn a_thread_is_as_it_was_described() {
    let worker = Builder::new().name("w").daemon(true).stack_size(4 << 20);
    let deep = |depth| {
        fn fall(depth: usize) -> usize {
            let room = std::hint::black_box([depth; 64]);
            if depth == 0 { 0 } else { 1 + fall(room[0] - 1) }
        }
        move || fall(depth)
    };
    let worker = worker.spawn(deep(5_000)).unwrap();
    assert_eq!((&*worker.thread().name(), worker.thread().kind()), ("w", ThreadKind::Daemon));
    assert_eq!(worker.join().unwrap(), 5_000);
    let unnamed = Builder::new().spawn(|| std::thread::current().name().map(str::to_owned)).unwrap();
    let name = unnamed.thread().name().to_string();
    assert!(name.starts_with(file!()), "{name}");
    assert_eq!(unnamed.join().unwrap(), Some(name));
    assert!(Builder::new().name("a\0b").spawn(|| ()).unwrap().join().is_ok());
}

#[test]
fn a_refused_thread_is_given_back_with_its_function() {
    let before = raddle::runtime().threads().len();
    let (sender, receiver) = channel();
    let unstarted = Builder::new().name("huge").stack_size(usize::MAX / 4).prepare(move || sender.send(7).unwrap());
    let refused: StartError<()> = unstarted.start().expect_err("no machine has that much");
    assert!(refused.to_string().starts_with("the system refuses the thread 'huge': "), "{refused}");
    assert!(raddle::runtime().threads().iter().all(|thread| &*thread.name() != "huge"), "{before}");
    // It still has its function, and the function what it owns.
    assert!(receiver.try_recv().is_err_and(|error| error == std::sync::mpsc::TryRecvError::Empty));
    assert!(refused.unstarted.start().is_err());
    assert!(receiver.try_recv().is_err_and(|error| error == std::sync::mpsc::TryRecvError::Disconnected));
}

#[test]
#[cfg(target_os = "linux")]
fn a_thread_runs_where_it_was_placed_or_is_given_back() {
    let available = || std::thread::available_parallelism().unwrap().get();
    let here = available();
    let placed = Builder::new().affinity(&[0]).spawn(move || {
        let inherited = Builder::new().spawn(available).unwrap();
        (available(), inherited.join().unwrap())
    });
    assert_eq!((placed.unwrap().join().unwrap(), available()), ((1, 1), here));
    for nowhere in [&[][..], &[9_999], &[70_000]] {
        let owned = Arc::new(());
        let f = {
            let owned = Arc::clone(&owned);
            move || drop(owned)
        };
        let refused =
            Builder::new().name("nowhere").affinity(nowhere).prepare(f).start().expect_err("no such processor");
        let text =
            format!("the thread 'nowhere' cannot run on {nowhere:?}: this process may use none of these processors");
        assert_eq!(refused.to_string(), text);
        assert!(raddle::runtime().threads().iter().all(|thread| &*thread.name() != "nowhere"));
        assert!(refused.unstarted.start().is_err());
        assert_eq!(Arc::strong_count(&owned), 1, "the function went with the second refusal");
    }
}

#[test]
fn the_end_of_a_thread_is_told_before_anybody_has_joined_it() {
    let (sender, receiver) = channel();
    let builder =
        Builder::new().name("t").on_exit(|_| panic!("in a hook, which concerns nobody")).on_exit(move |report| {
            std::thread::sleep(SOON);
            sender.send(report.clone()).unwrap();
        });
    let told = |ending: Ending, line: Option<u32>| {
        let report = receiver.try_recv().expect("it was told before the join");
        assert_eq!((report.thread.name.as_str(), &report.ending, report.lineage.iter().count()), ("t", &ending, 1));
        assert_eq!(report.at.as_ref().map(|at| at.line), line);
        report.to_string()
    };
    assert_eq!(builder.clone().spawn(|| 7).unwrap().join().unwrap(), 7);
    assert!(told(Ending::Finished, None).starts_with("thread 't' ended after 0."));
    assert!(builder.clone().spawn(|| panic!("no such account")).unwrap().join().is_err());
    let text = told(Ending::Failed("no such account".into()), Some(line!() - 1));
    assert!(text.starts_with("thread 't' panicked after 0.") && text.ends_with(": no such account"), "{text}");
    let me = std::thread::current();
    let stopped = Ending::Stopped(format!("stopped by '{}': enough", me.name().unwrap()));
    let sleeper = builder.clone().spawn(|| raddle::sleep(Duration::from_secs(3600))).unwrap();
    sleeper.stop("enough");
    assert!(sleeper.join().unwrap().is_err());
    told(stopped.clone(), None);
    let later = builder.prepare(|| 7).start_after(Duration::from_secs(3600)).unwrap();
    later.stop("enough");
    assert!(matches!(later.join(), Err(JoinError::Stopped(_))));
    told(stopped, None);
    assert!(receiver.try_recv().is_err());
}

#[test]
fn a_handle_knows_what_the_thread_is_doing() {
    let gate = Arc::new(Event::named("gate"));
    let mut thread = start("sleeper", &gate, |gate| gate.wait());
    let wait = wait_of(&thread);
    let Activity::Waiting(now) = thread.activity() else { panic!("it waits") };
    assert_eq!((now.object.name.as_str(), now.thread.serial), ("gate", thread.id()));
    assert_eq!((thread.state(), thread.is_finished(), thread.ending()), (State::Running, false, None));
    assert_eq!(wait.thread.serial, thread.id());
    assert!(thread.join_timeout(SOON).is_none());
    let deadline = Instant::now() + SOON;
    assert!(thread.join_deadline(deadline).is_none() && Instant::now() >= deadline);
    assert!(thread.join_deadline(deadline).is_none());
    gate.set();
    assert!(matches!(thread.join_timeout(Duration::from_secs(60)), Some(Ok(Ok(())))));
    assert_eq!((thread.state(), thread.ending()), (State::Ended, Some(Ending::Finished)));
    assert!(matches!(thread.join_timeout(SOON), Some(Err(JoinError::Taken))));
    assert!(matches!(thread.join_deadline(Instant::now()), Some(Err(JoinError::Taken))));
    assert!(matches!(thread.join(), Err(JoinError::Taken)));
}

#[test]
fn a_panic_says_who_started_the_thread_and_who_started_that() {
    let outer = raddle::spawn("outer", || raddle::spawn("inner", || resume_unwind(Box::new(7_u8))).unwrap()).unwrap();
    let inner = outer.join().unwrap();
    let Err(JoinError::Panicked(panic)) = inner.join() else { panic!("it should have") };
    let starters: Vec<_> = panic.lineage.iter().map(|origin| origin.starter.to_string()).collect();
    assert_eq!(starters[0], "outer");
    assert_eq!(starters.len(), 2);
    let text = panic.lineage.to_string();
    assert!(text.starts_with("started by 'outer' at ") && text.lines().count() == 2, "{text}");
    assert_eq!((panic.message.as_str(), panic.thread.name.as_str()), ("a panic without text", "inner"));
    assert_eq!(panic.into_payload().downcast_ref::<u8>(), Some(&7));
}

#[test]
fn a_thread_that_waits_for_its_joiner_is_a_deadlock_and_runs_on() {
    let lock = Arc::new(Mutex::named("lock", ()));
    let guard = lock.lock().unwrap();
    let thread = start("clerk", &lock, |lock| drop(lock.lock().unwrap()));
    wait_of(&thread);
    let clerk = Arc::clone(thread.thread());
    assert!(matches!(thread.join(), Err(JoinError::Deadlock(_))));
    drop(guard);
    while clerk.state() != State::Ended {
        std::thread::yield_now();
    }
    assert_eq!(clerk.ending(), Ending::Finished);
}

#[test]
fn a_thread_that_is_to_begin_later_does() {
    let since = Instant::now();
    let after = Builder::new().prepare(Instant::now).start_after(SOON).unwrap();
    let at = Builder::new().prepare(Instant::now).start_at(SystemTime::now() + SOON).unwrap();
    let past = Builder::new().prepare(|| 7).start_at(SystemTime::UNIX_EPOCH).unwrap();
    assert!(after.join().unwrap() - since >= SOON);
    assert!(at.join().unwrap() - since >= SOON - Duration::from_millis(1));
    assert_eq!(past.join().unwrap(), 7);
    let far = Builder::new().prepare(|| ()).start_at(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    far.stop("not needed");
    let Err(JoinError::Stopped(stopped)) = far.join() else { panic!("it began") };
    assert_eq!(stopped.reason.as_deref(), Some("not needed"));
}

#[test]
fn each_panic_is_taken_or_told_and_never_both() {
    let (told, died) = (Arc::new(StdMutex::new(Vec::new())), Arc::new(StdMutex::new(Vec::new())));
    raddle::on_unhandled({
        let told = Arc::clone(&told);
        move |panic| {
            told.lock().unwrap().push(panic.thread.name.clone());
            panic!("in a hook, which concerns nobody");
        }
    });
    raddle::on_verdict({
        let died = Arc::clone(&died);
        move |verdict| {
            if let Verdict::Died { thread, .. } = verdict {
                died.lock().unwrap().push(thread.name.clone());
            }
        }
    });
    let mut taken = Vec::new();
    let names: Vec<_> = (0..60).map(|number| format!("lost-{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let gate = Arc::new(Event::new());
        let mut thread = start(name, &gate, |gate| {
            gate.wait().unwrap();
            panic!("on purpose");
        });
        let ended = Arc::clone(thread.thread());
        match number % 3 {
            // Dropped before, after, and in the middle.
            0 => drop(thread),
            1 => {
                gate.set();
                while !thread.is_finished() {}
                drop(thread);
            }
            _ => {
                gate.set();
                taken.extend(thread.join_timeout(Duration::ZERO).map(|joined| {
                    assert!(matches!(joined, Err(JoinError::Panicked(_))));
                    name
                }));
            }
        }
        gate.set();
        while ended.state() != State::Ended {
            std::thread::yield_now();
        }
    }
    let told = told.lock().unwrap().clone();
    let count = |list: &[String], name: &String| list.iter().filter(|other| *other == name).count();
    for name in &names {
        assert_eq!(count(&died.lock().unwrap(), name), 1, "{name}");
        assert_eq!(count(&told, name) + usize::from(taken.contains(&name)), 1, "{name}");
    }
}
