//! Where a thread panicked, whatever the program does with the panic hook. One test after the other: the hook is the process's.

use std::backtrace::BacktraceStatus;
use std::env;
use std::panic::{catch_unwind, resume_unwind, set_hook, take_hook};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use raddle::{JoinError, Panic};

fn panic_of(f: impl FnOnce() + Send + 'static) -> Panic {
    match raddle::spawn("clerk", f).unwrap().join() {
        Err(JoinError::Panicked(panic)) => *panic,
        other => panic!("{other:?}"),
    }
}

fn line_of(panic: &Panic) -> Option<u32> {
    panic.at.as_ref().map(|at| {
        assert_eq!(at.file, file!());
        at.line
    })
}

fn the_hook_before_is_called_and_the_place_is_known() {
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    set_hook(Box::new(|_| {
        CALLED.fetch_add(1, Ordering::Relaxed);
    }));
    let panic = panic_of(|| panic!("no such account"));
    assert_eq!(line_of(&panic), Some(line!() - 1));
    assert!(panic.to_string().starts_with(&format!("thread 'clerk' panicked at {}:{}: no such", file!(), line!() - 2)));
    assert_eq!(CALLED.load(Ordering::Relaxed), 1);
    let number = panic_of(|| std::panic::panic_any(7));
    assert_eq!((line_of(&number), CALLED.load(Ordering::Relaxed)), (Some(line!() - 1), 2));
    let elsewhere = catch_unwind(|| panic!("no thread of the crate"));
    assert!(elsewhere.is_err());
}

fn a_panic_that_was_caught_lends_its_place_to_no_other() {
    let caught_and_other = panic_of(|| {
        drop(catch_unwind(|| panic!("caught")));
        resume_unwind(Box::new("resumed"));
    });
    assert_eq!((line_of(&caught_and_other), caught_and_other.message.as_str()), (None, "resumed"));
    let same_text = panic_of(|| {
        drop(catch_unwind(|| panic!("7")));
        resume_unwind(Box::new(7));
    });
    assert_eq!(line_of(&same_text), None);
    let two = panic_of(|| {
        drop(catch_unwind(|| panic!("once")));
        panic!("once");
    });
    assert_eq!(line_of(&two), Some(line!() - 2));
}

fn a_hook_that_takes_ours_out_takes_the_place_with_it() {
    let ours = take_hook();
    set_hook(Box::new(|_| {}));
    assert_eq!(line_of(&panic_of(|| panic!("no such account"))), None);
    set_hook(Box::new(move |info| ours(info)));
    assert_eq!(line_of(&panic_of(|| panic!("no such account"))), Some(line!()));
}

#[test]
fn the_place_of_a_panic() {
    the_hook_before_is_called_and_the_place_is_known();
    a_panic_that_was_caught_lends_its_place_to_no_other();
    a_hook_that_takes_ours_out_takes_the_place_with_it();
    let _ = take_hook();
}

#[test]
#[ignore = "run by the next one, with and without RUST_BACKTRACE"]
fn the_calls_if_they_are_asked_for() {
    let backtrace = panic_of(|| panic!("no such account")).backtrace;
    let asked_for = env::var("RUST_BACKTRACE").is_ok_and(|value| value == "1");
    assert_eq!(backtrace.status() == BacktraceStatus::Captured, asked_for);
    assert_eq!(backtrace.to_string().contains("the_calls_if_they_are_asked_for"), asked_for);
}

#[test]
fn the_calls_of_a_panic_are_kept_if_the_environment_asks_for_them() {
    for asked_for in ["1", "0"] {
        let mut test = Command::new(env::current_exe().unwrap());
        test.args(["--exact", "the_calls_if_they_are_asked_for", "--ignored"]);
        let output = test.env("RUST_BACKTRACE", asked_for).env_remove("RUST_LIB_BACKTRACE").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{asked_for}: {text}");
    }
}
