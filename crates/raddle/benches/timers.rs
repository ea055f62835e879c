//! What does a timer of the engine cost, and how late is it? `cargo bench -p raddle --bench timers`, by hand.
//!
//! Three things happen to an entry: it is armed, and then it expires, or it is cancelled and purged. A round arms COUNT of
//! them (`armed`), lets them expire (`expired`), and arms and cancels as many more (`purged`, with the arming). Costs are the
//! CPU time of the whole process, the timer's thread included, by entry; each part may cost 2 us.
//!
//! Lateness is what a deed itself sees: the present moment less the one that it was armed for. In one row all moments lie
//! within a second (a few dozen entries between two wake-ups of the machine), in the other all entries are due at once, so
//! that the last one waits for all the others. The 99th percentile may be 5 ms.
//!
//! Exits with 1 if a median of the ROUNDS misses its bar. Figures of a machine that does other work are worth little.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc::channel};
use std::time::Duration;

use raddle::seam::Time;
use raddle::thread::Carriers;
use raddle::timer::{Entry, Timers};

const COST_BAR: f64 = 2.0;
const LATENESS_BAR: f64 = 5000.0;

/// Microseconds: of CPU by entry, of lateness.
struct Round {
    armed: f64,
    expired: f64,
    purged: f64,
    middle: f64,
    late: f64,
}

/// CPU time of the process.
fn cpu() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for a timespec; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// What `work` takes, by entry, and what it gives.
fn cost<T>(count: usize, work: impl FnOnce() -> T) -> (f64, T) {
    let before = cpu();
    let result = work();
    ((cpu() - before).as_secs_f64() * 1e6 / count as f64, result)
}

/// A round of `count` entries, due from `lead` on over `spread`.
fn round(count: usize, lead: Duration, spread: Duration) -> Round {
    let timers = Timers::new(Arc::new(Carriers::default()));
    let lateness: Arc<[AtomicU64]> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let left = Arc::new(AtomicUsize::new(count));
    let (sender, receiver) = channel();
    let from = Time::now().after(lead);
    // No order at all, but the same in each run.
    let due = |number: usize| from.after(spread * (number * 7919 % count) as u32 / count as u32);
    let (armed, ()) = cost(count, || {
        for number in 0..count {
            let (due, lateness, left, sender) = (due(number), lateness.clone(), left.clone(), sender.clone());
            let deed = Box::new(move || {
                lateness[number].store(due.elapsed().as_nanos() as u64, Relaxed);
                if left.fetch_sub(1, Relaxed) == 1 {
                    sender.send(()).expect("somebody waits");
                }
            });
            drop(timers.at(due, deed).expect("a thread"));
        }
    });
    let (expired, ()) = cost(count, || receiver.recv().expect("all are done"));
    let (purged, ()) = cost(count, || {
        let arm = |_| timers.at(Time::now().after(Duration::from_secs(3600)), Box::new(|| {})).expect("a thread");
        let entries: Vec<Entry> = (0..count).map(arm).collect();
        entries.iter().for_each(|entry| drop(entry.cancel()));
    });
    assert_eq!(timers.armed(), 0);
    let mut lateness: Vec<_> = lateness.iter().map(|late| late.load(Relaxed) as f64 / 1e3).collect();
    lateness.sort_by(f64::total_cmp);
    Round { armed, expired, purged, middle: lateness[count / 2], late: lateness[count * 99 / 100] }
}

fn number(name: &str, or: f64) -> f64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut figures: Vec<_> = rounds.iter().map(of).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Measures one row; whether it keeps the bars.
fn row(name: &str, spread: Duration) -> bool {
    let (count, rounds) = (number("COUNT", 1e4) as usize, number("ROUNDS", 7.0) as usize);
    let rounds: Vec<_> = (0..rounds).map(|_| round(count, Duration::from_millis(100), spread)).collect();
    let [armed, expired, purged] =
        [|it: &Round| it.armed, |it: &Round| it.expired, |it: &Round| it.purged].map(|part| median(&rounds, part));
    let [middle, late] = [|it: &Round| it.middle, |it: &Round| it.late].map(|part| median(&rounds, part));
    println!(
        "{count} timers, {name}: armed {armed:.2} us, expired {expired:.2} us, armed and purged {purged:.2} us of CPU each; \
         late by {middle:.0} us, 99 % at most {late:.0} us"
    );
    [armed, expired, purged].iter().all(|part| *part <= COST_BAR) && late <= LATENESS_BAR
}

fn main() -> ExitCode {
    let rows = [("within a second", Duration::from_secs(1)), ("due at once", Duration::ZERO)];
    let kept = rows.map(|(name, spread)| row(name, spread));
    if kept.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
