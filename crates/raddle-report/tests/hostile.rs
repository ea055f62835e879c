//! Whatever a program's names, errors and places hold, a report comes out.

mod common;

use common::{fixture, thread};
use proptest::prelude::*;
use raddle::error::{Life, Misuse, Unheld};
use raddle::graph::verdict::{
    Cause, CutOff, Cycle, Ending, Holder, Nested, ObjectInfo, Outcome, Place, Producer, Reason, ThreadInfo, ThreadKind,
    Unwritten, Verdict, Wait, Whereabouts,
};
use raddle_report::{Style, detail, render, summary};
use std::time::Duration;

fn files() -> impl Strategy<Value = String> {
    let real = ["transfer.py", "worker.py", "größe.py"].map(|file| Just(fixture(file)).boxed());
    let odd = ["", "/", "<string>", "/dev/zero", "/dev/stdin", "\0", "."].map(|file| Just(file.to_owned()).boxed());
    proptest::strategy::Union::new(real.into_iter().chain(odd))
}

fn numbers() -> impl Strategy<Value = u32> {
    prop_oneof![0..30u32, any::<u32>(), Just(u32::MAX)]
}

prop_compose! {
    fn places()(
        file in files(),
        line in numbers(),
        end_line in numbers(),
        columns in proptest::option::of((numbers(), numbers())),
        function in ".{0,9}",
        source in proptest::option::of("(?s)[a( \t\r\nößé日\u{1b}\u{202e}]{0,40}"),
    ) -> Place {
        Place { file, line, end_line, columns, function, source }
    }
}

prop_compose! {
    fn threads()(serial in 0..4u64, name in "(?s).{0,4}", place in proptest::option::of(places()), kind in 0..4usize) -> ThreadInfo {
        let kind = [ThreadKind::Main, ThreadKind::Regular, ThreadKind::Daemon, ThreadKind::Foreign][kind];
        ThreadInfo { kind, ..thread(serial, &name, place) }
    }
}

prop_compose! {
    fn waits()(
        thread in threads(),
        holder in proptest::option::of((threads(), proptest::option::of(places()), "(?s).{0,9}")),
        producers in proptest::collection::vec((threads(), "(?s).{0,9}"), 0..5),
        kind in "|Lock|Thread|(?s).{0,4}",
        at in proptest::option::of(places()),
        since in any::<Duration>(),
        timed in any::<bool>(),
    ) -> Wait {
        let holder = holder.map(|(thread, taken_at, error)| Holder { thread, taken_at, ended: Some(Ending::Failed(error)) });
        let producer = |(thread, error)| Producer { thread, ended: Ending::Failed(error) };
        let producers = producers.into_iter().map(producer).collect();
        let object = ObjectInfo { name: kind.clone(), kind, made_at: None, holder, producers };
        Wait { thread, object, call: String::new(), at, since, timed }
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let reasons = [Reason::Policy, Reason::NotOwned, Reason::Reacquire, Reason::Import, Reason::SignalHandler];
    (0..=reasons.len()).prop_map(move |at| reasons.get(at).map_or(Outcome::Raised, |reason| Outcome::Told(*reason)))
}

fn misuses() -> impl Strategy<Value = Misuse> {
    let life = (threads(), any::<Duration>(), proptest::option::of((any::<Duration>(), "(?s).{0,9}")))
        .prop_map(|(thread, since, ended)| {
            let ended = ended.map(|(since, error)| (since, Ending::Failed(error)));
            Box::new(Life { thread, since, ended })
        })
        .boxed();
    let object = waits().prop_map(|wait| Box::new(wait.object)).boxed();
    let unheld = (object.clone(), proptest::option::of(places()))
        .prop_map(|(object, last_taken_at)| Box::new(Unheld { object: *object, last_taken_at }))
        .boxed();
    prop_oneof![
        life.clone().prop_map(Misuse::StartedAgain),
        life.clone().prop_map(Misuse::JoinedItself),
        life.prop_map(Misuse::DaemonTooLate),
        "(?s).{0,9}".prop_map(|name| Misuse::JoinedBeforeStart { name }),
        unheld.clone().prop_map(Misuse::ReleasedUnheld),
        unheld.prop_map(Misuse::WithoutLock),
        (object.clone(), any::<u64>()).prop_map(|(object, bound)| Misuse::ReleasedTooOften { object, bound }),
        object.prop_map(|object| Misuse::Broken { object }),
    ]
}

fn leaked() -> impl Strategy<Value = Whereabouts> {
    (threads(), proptest::option::of(waits()), proptest::collection::vec(places(), 0..4))
        .prop_map(|(thread, wait, stack)| Whereabouts { thread, wait, stack })
}

fn cut_off() -> impl Strategy<Value = CutOff> {
    let unwritten = ("(?s).{0,9}", any::<u64>()).prop_map(|(file, bytes)| Unwritten { file, bytes });
    (leaked(), proptest::collection::vec(unwritten, 0..9)).prop_map(|(at, files)| CutOff { at, files })
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    let waits = || waits().boxed();
    let many = move || proptest::collection::vec(waits(), 0..9).boxed();
    prop_oneof![
        (many(), outcome()).prop_map(|(waits, outcome)| Verdict::Deadlock { cycle: Cycle { waits }, outcome }),
        many().prop_map(|waits| Verdict::Stalled { waits }),
        (threads(), "(?s).{0,9}", proptest::option::of(places()), many()).prop_map(|(thread, error, at, joiners)| {
            let held = joiners.len() % 2 == 0;
            Verdict::Died { thread: Box::new(thread), error, at, joiners, held }
        }),
        (threads(), "(?s).{0,9}", proptest::option::of(places())).prop_map(|(job, error, at)| Verdict::Unasked {
            job: Box::new(job),
            error,
            at
        }),
        waits().prop_map(|wait| Verdict::OwnerDead { wait: Box::new(wait), raised: false }),
        waits().prop_map(|wait| Verdict::Orphaned { wait: Box::new(wait) }),
        proptest::collection::vec((threads(), proptest::option::of(waits())), 0..9)
            .prop_map(|threads| Verdict::KeepsAlive { cause: Cause::Asleep, threads }),
        proptest::collection::vec((waits(), waits()), 0..9).prop_map(|circle| {
            let nested = |(first, second): (Wait, Wait)| Nested {
                thread: first.thread,
                first: first.object,
                first_at: first.at,
                second: second.object,
                second_at: second.at,
            };
            Verdict::Inversion { circle: circle.into_iter().map(nested).collect() }
        }),
        (many(), proptest::collection::vec(threads(), 0..9))
            .prop_map(|(waits, running)| Verdict::LongestWaits { waits, running }),
        proptest::collection::vec(leaked(), 0..9).prop_map(|threads| Verdict::LeftBehind { threads }),
        proptest::collection::vec(cut_off(), 0..9).prop_map(|threads| Verdict::CutOff { threads }),
        (waits(), leaked(), many()).prop_map(|(wait, holder, waits)| Verdict::LongHold {
            object: Box::new(wait.object),
            holder: Box::new(holder),
            held: wait.since,
            waits,
        }),
    ]
}

/// Reports are written on the thread that found the fault, and a program may give its threads very little.
fn on_a_small_stack(work: impl FnOnce() -> String + Send) -> String {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(64 << 10);
        thread.spawn_scoped(scope, work).unwrap().join().unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_verdict_becomes_text(verdict in verdicts(), color in any::<bool>(), width in 0..200usize) {
        let text = on_a_small_stack(|| render(&verdict, &Style { color, width }));
        prop_assert!(text.contains(verdict.code().id()) && text.ends_with('\n') && !text.ends_with("\n\n"));
        prop_assert!(color || !text.contains('\x1b'));
        prop_assert!(!on_a_small_stack(|| summary(&verdict)).contains('\x1b'));
    }
    #[test]
    fn any_misuse_becomes_one_line(misuse in misuses()) {
        let text = on_a_small_stack(|| detail(&misuse));
        prop_assert!(!text.is_empty() && !text.contains(['\x1b', '\n']), "{text:?}");
    }
}
