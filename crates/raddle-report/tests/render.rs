//! What a reader gets to see for each kind of verdict.

mod common;

use common::*;
use insta::assert_snapshot;
use raddle::graph::verdict::{
    Cause, CutOff, Nested, Outcome, Place, Reason, ThreadInfo, ThreadKind, Unwritten, Verdict, Wait, Whereabouts,
};
use raddle_report::{Style, render};

fn plain(verdict: &Verdict) -> String {
    render(verdict, &Style::plain())
}

#[test]
fn two_threads_that_run_the_same_two_lines() {
    assert_snapshot!(plain(&transfer()));
}

#[test]
fn colours_are_on_the_title_the_lines_and_the_labels() {
    let style = Style { color: true, ..Style::plain() };
    assert_snapshot!(format!("{:?}", render(&transfer(), &style)).replace("\\n", "\n"));
}

#[test]
fn two_threads_that_take_and_wait_in_one_expression() {
    let place = at("transfer.py", 10, "self.lock");
    assert_snapshot!(plain(&crossed(&savings(), &checking(), place.clone(), place)));
}

#[test]
fn two_expressions_in_one_line_are_both_underlined() {
    let took = at("größe.py", 2, "schloß");
    let waits = at("größe.py", 2, "schloß.acquire()");
    assert_snapshot!(plain(&crossed(&savings(), &checking(), took, waits)));
}

#[test]
fn threads_of_one_name_are_told_apart() {
    let twins = [2, 3].map(|serial| ThreadInfo { name: "worker".into(), ..thread(serial, "", savings().started_at) });
    let (took, waits) = (at("transfer.py", 10, "self.lock"), at("transfer.py", 11, "other.lock"));
    assert_snapshot!(plain(&crossed(&twins[0], &twins[1], took, waits)));
}

#[test]
fn a_thread_that_takes_its_lock_twice() {
    let main = main_thread();
    let lock = object("Lock", "lock#1", Some((&main, at("worker.py", 9, "lock.acquire()"))));
    assert_snapshot!(plain(&deadlock(vec![wait(&main, lock, at("worker.py", 19, "lock.acquire()"))], Outcome::Raised)));
}

#[test]
fn a_join_under_a_lock_that_the_other_needs() {
    let (main, worker) = (main_thread(), worker());
    let lock = object("RLock", "lock#1", Some((&main, at("worker.py", 19, "lock.acquire()"))));
    let end = object("Thread", "worker", Some((&worker, None)));
    let join = wait(&main, end, at("worker.py", 18, "worker.join()"));
    assert_snapshot!(plain(&deadlock(
        vec![join, wait(&worker, lock, at("worker.py", 9, "lock.acquire()"))],
        Outcome::Told(Reason::SignalHandler)
    )));
}

#[test]
fn two_threads_that_join_each_other() {
    let waits_for = |who: &ThreadInfo, whom: &ThreadInfo| {
        wait(who, object("Thread", &whom.name, Some((whom, None))), at("worker.py", 18, "worker.join()"))
    };
    let (a, b) = (worker(), savings());
    assert_snapshot!(plain(&deadlock(vec![waits_for(&a, &b), waits_for(&b, &a)], Outcome::Raised)));
}

#[test]
fn a_deadlock_that_was_only_told_says_why() {
    let Verdict::Deadlock { cycle, .. } = transfer() else { unreachable!() };
    let why = |reason| {
        let text = plain(&deadlock(cycle.waits.clone(), Outcome::Told(reason)));
        text.lines().find(|line| line.contains("nothing was raised")).unwrap().to_owned()
    };
    let reasons = [Reason::Policy, Reason::NotOwned, Reason::Reacquire, Reason::Import, Reason::SignalHandler];
    assert_snapshot!(reasons.map(why).join("\n"));
}

#[test]
fn a_module_that_joins_a_thread_that_imports_it() {
    let (main, worker) = (main_thread(), worker());
    let module = object("the import lock of", "worker", Some((&main, at("worker.py", 1, "import queue"))));
    let end = object("Thread", "worker", Some((&worker, None)));
    let import = Wait { call: "import".into(), ..wait(&worker, module, at("worker.py", 10, "raise")) };
    let join = wait(&main, end, at("worker.py", 18, "worker.join()"));
    assert_snapshot!(plain(&deadlock(vec![import, join], Outcome::Told(Reason::Import))));
}

#[test]
fn a_lock_that_was_a_threads_target() {
    let Verdict::OwnerDead { mut wait, raised } = abandoned() else { unreachable!() };
    wait.object.holder.as_mut().unwrap().taken_at = None;
    assert_snapshot!(plain(&Verdict::OwnerDead { wait, raised }));
}

#[test]
fn the_seventh_thread_of_a_circle_and_all_after_it_get_a_line_each() {
    let people: Vec<_> = (0..8).map(|n| thread(n, &format!("p-{n}"), savings().started_at)).collect();
    let fork =
        |n: usize| object("Lock", &format!("fork#{n}"), Some((&people[n % 8], at("transfer.py", 10, "self.lock"))));
    let waits = (0..8).map(|n| wait(&people[n], fork(n + 1), at("transfer.py", 11, "other.lock"))).collect();
    assert_snapshot!(plain(&deadlock(waits, Outcome::Raised)));
}

#[test]
fn an_error_over_four_lines_and_a_joiner() {
    assert_snapshot!(plain(&died()));
}

#[test]
fn an_error_that_was_held_for_who_joins() {
    let Verdict::Died { thread, error, at, .. } = died() else { unreachable!() };
    let text = plain(&Verdict::Died { thread, error, at, joiners: Vec::new(), held: true });
    assert!(text.contains("  = help: join the thread, which raises the error, or give it on_exception=\n"), "{text}");
    assert!(!text.contains("catch the error"), "{text}");
}

#[test]
fn a_job_whose_future_nobody_asked() {
    assert_snapshot!(plain(&unasked()));
}

#[test]
fn a_consumer_whose_producers_are_dead() {
    assert_snapshot!(plain(&orphaned()));
}

#[test]
fn a_lock_whose_holder_died() {
    assert_snapshot!(plain(&abandoned()));
}

#[test]
fn stalled_threads_beyond_six_get_a_line_each() {
    assert_snapshot!(plain(&Verdict::Stalled { waits: sleepers(8) }));
}

#[test]
fn who_keeps_the_program_alive_sleeping_or_running() {
    let threads = sleepers(1).into_iter().map(|wait| (wait.thread.clone(), Some(wait))).chain([(worker(), None)]);
    let verdict = Verdict::KeepsAlive { cause: Cause::Interrupt, threads: threads.collect() };
    assert_snapshot!(plain(&verdict));
}

#[test]
fn who_was_left_behind_at_the_end() {
    let wait = sleepers(1).pop().unwrap();
    let sleeper = Whereabouts { thread: wait.thread.clone(), wait: Some(wait), stack: Vec::new() };
    let stack = [at("worker.py", 9, "lock.acquire()"), at("worker.py", 19, "lock.acquire()")];
    let runner = Whereabouts { thread: worker(), wait: None, stack: stack.into_iter().flatten().collect() };
    assert_snapshot!(plain(&Verdict::LeftBehind { threads: vec![sleeper, runner] }));
}

#[test]
fn who_was_cut_off_with_data_in_hand() {
    assert_snapshot!(plain(&cut_off()));
}

#[test]
fn several_that_were_cut_off_and_one_that_waits() {
    let wait = sleepers(1).pop().unwrap();
    let sleeper = Whereabouts { thread: wait.thread.clone(), wait: Some(wait), stack: Vec::new() };
    let file = |bytes| Unwritten { file: format!("/data/{bytes}.txt"), bytes };
    let Verdict::CutOff { mut threads } = cut_off() else { unreachable!() };
    threads.push(CutOff { at: sleeper, files: [1, 2, 3, 4].map(file).to_vec() });
    let threads = threads.iter().cycle().take(8).cloned().collect();
    assert_snapshot!(plain(&Verdict::CutOff { threads }));
}

#[test]
fn a_lock_that_is_held_for_long() {
    assert_snapshot!(plain(&long_hold(1)));
}

#[test]
fn a_lock_that_is_held_for_long_while_more_than_six_wait() {
    assert_snapshot!(plain(&long_hold(8)));
}

#[test]
fn two_threads_with_opposite_orders() {
    assert_snapshot!(plain(&inversion()));
}

#[test]
fn locks_in_a_circle_taken_in_one_line_or_who_knows_where() {
    let one_line = at("transfer.py", 10, "self.lock");
    let circle = vec![
        Nested { second_at: one_line, ..nested(&savings(), 1, 2) },
        Nested { first_at: at("worker.py", 9, "lock.acquire()"), ..nested(&checking(), 2, 3) },
        Nested { first_at: None, second_at: None, ..nested(&main_thread(), 3, 1) },
    ];
    assert_snapshot!(plain(&Verdict::Inversion { circle }));
}

#[test]
fn the_longest_waits_and_who_holds_the_thing() {
    let lock = object("Lock", "lock#1", Some((&worker(), at("worker.py", 9, "lock.acquire()"))));
    let waits = vec![wait(&main_thread(), lock, at("worker.py", 19, "lock.acquire()"))];
    let foreign = ThreadInfo { kind: ThreadKind::Foreign, ..thread(9, "Dummy-1", None) };
    assert_snapshot!(plain(&Verdict::LongestWaits { waits, running: vec![worker(), foreign] }));
}

#[test]
fn places_without_text_are_named() {
    let place = |line| Some(whole_line("<string>", line));
    let nowhere = ThreadInfo { started_at: None, ..savings() };
    assert_snapshot!(plain(&crossed(&nowhere, &checking(), place(10), place(11))));
}

#[test]
fn places_that_are_not_known_are_not_hidden() {
    assert_snapshot!(plain(&crossed(&savings(), &checking(), None, None)));
}

#[test]
fn a_program_from_the_command_line_brings_its_own_text() {
    let place = |line, text: &str| Some(Place { source: Some(text.into()), ..whole_line("<string>", line) });
    let (took, waits) = (place(3, "    with a:"), place(4, "        with b: pass"));
    assert_snapshot!(plain(&crossed(&savings(), &checking(), took, waits)));
}

#[test]
fn columns_out_of_range_underline_what_there_is() {
    let took = at("größe.py", 3, "schloß").map(|place| Place { columns: Some((1, 4_000_000_000)), ..place });
    let waits = at("größe.py", 3, "schloß").map(|place| Place { columns: Some((40, 2)), end_line: 9_000, ..place });
    assert_snapshot!(plain(&crossed(&savings(), &checking(), took, waits)));
}

#[test]
fn a_narrow_terminal_cuts_long_lines_around_the_mark() {
    let place = Place {
        source: Some(format!("{}lock.acquire(){}", "x = 1; ".repeat(40), "; y = 2".repeat(40))),
        columns: Some((280, 294)),
        ..whole_line("<string>", 3)
    };
    let verdict =
        Verdict::Died { thread: Box::new(worker()), error: "E".into(), at: Some(place), joiners: vec![], held: false };
    assert_snapshot!(render(&verdict, &Style { width: 60, ..Style::plain() }));
}
