//! How fast could a contended lock of Python be? `cargo bench -p raddle --bench contended`, by hand.
//!
//! Under contention a Python lock is mostly not the lock: a hold is dominated by the interpreter's own work and by the
//! hand-over of the interpreter's lock (the GIL). So the floor is neither a Rust mutex between free threads nor zero. It is
//! *the same program with the same interpreter, and a lock that costs no more than its word and one sleep*:
//!
//! - The program is that of the rows: N long-lived threads, each hold an attempt, a blocking take if that failed, and a
//!   give; one hold in a hundred lets the others run inside it.
//! - The interpreter is a GIL with CPython's protocol (a waiter asks for it after 5 ms, whoever gives it up on request waits
//!   until another has it; let go around every sleep and every blocking wait) and, for each hold, as much work as the
//!   row's loop costs on a real interpreter with functions that do nothing in the lock's place (`contended.py interpreter`).
//! - The prototype ("bare") is a counter and a futex: it has no owner, no name, no place where it was taken, no record of
//!   who waits, no fairness but the kernel's, no way to be interrupted. Nothing with raddle's contract can be faster.
//!
//! Beside it stand the engine's own lock with all of that under the same interpreter ("engine": what raddle's contract
//! costs), and for Lock the standard library's ("theirs": a semaphore that is taken before the GIL): if that one is far
//! from what Python itself measures, the model is wrong and so is the floor.
//!
//! The ratio is *the standard library, measured in Python* over *bare*, interleaved, the median of the rounds. 80 % of it is
//! the target in `benches/contended_targets.json`, and no less than 1.2 for Lock and 5 for Semaphore, which is the promise.
//! A prototype whose threads do not share (below 0.1, the least by the most) is no floor for a lock that has to: a thread
//! that keeps the lock pays for no hand-over. Such a row says `unfair`.
//!
//! `PYTHON` chooses the interpreter (an optimised build: `/usr/bin/python3`), `SECONDS` the length of a run, `ROUNDS` how
//! many. Figures of a machine that does other work are worth little.

use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use raddle::graph::{Blocked, Call, Description, Hold, Interrupt, Resource, Sleeper};
use raddle::seam::{Parker, Time, Woken};
use raddle::sync::{RawLock, RawSemaphore};
use raddle::thread::{current, serial};

const SWITCH_INTERVAL: Duration = Duration::from_millis(5);

/// CPython's lock of the interpreter, as `ceval_gil` has it.
#[derive(Default)]
struct Gil {
    state: Mutex<GilState>,
    free: Condvar,
    switched: Condvar,
    wanted: AtomicBool,
}

#[derive(Default)]
struct GilState {
    held: bool,
    holder: usize,
    switches: u64,
}

impl Gil {
    fn take(&self, me: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.held {
            let seen = state.switches;
            let (now, waited) = self.free.wait_timeout(state, SWITCH_INTERVAL).unwrap_or_else(PoisonError::into_inner);
            state = now;
            if waited.timed_out() && state.held && state.switches == seen {
                self.wanted.store(true, SeqCst);
            }
        }
        state.held = true;
        if state.holder != me {
            state.holder = me;
            state.switches += 1;
        }
        self.wanted.store(false, SeqCst);
        self.switched.notify_one();
    }

    fn give(&self, me: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.held = false;
        self.free.notify_one();
        if self.wanted.load(SeqCst) && state.holder == me {
            self.wanted.store(false, SeqCst);
            drop(self.switched.wait(state));
        }
    }

    /// Runs `wait` without the GIL.
    fn without<T>(&self, me: usize, wait: impl FnOnce() -> T) -> T {
        self.give(me);
        let result = wait();
        self.take(me);
        result
    }
}

/// What is measured: an object with permits, used by threads that hold the GIL.
trait Contended: Send + Sync + 'static {
    fn new(permits: u32) -> Self;
    fn try_acquire(&self) -> bool;
    fn acquire(&self, gil: &Gil, me: usize);
    fn release(&self);
}

/// A counter and a futex.
struct Bare {
    permits: AtomicU32,
    waiters: AtomicU32,
}

fn futex(word: &AtomicU32, operation: i32, value: u32) {
    // SAFETY: `word` lives through the call; the kernel reads it, or only uses its address; no time limit.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation | libc::FUTEX_PRIVATE_FLAG, value, 0usize) };
}

impl Bare {
    fn sleep(&self) {
        self.waiters.fetch_add(1, SeqCst);
        futex(&self.permits, libc::FUTEX_WAIT, 0);
        self.waiters.fetch_sub(1, SeqCst);
    }
}

impl Contended for Bare {
    fn new(permits: u32) -> Self {
        Bare { permits: AtomicU32::new(permits), waiters: AtomicU32::new(0) }
    }

    fn try_acquire(&self) -> bool {
        self.permits.fetch_update(SeqCst, SeqCst, |permits| permits.checked_sub(1)).is_ok()
    }

    fn acquire(&self, gil: &Gil, me: usize) {
        while !self.try_acquire() {
            gil.without(me, || self.sleep());
        }
    }

    fn release(&self) {
        self.permits.fetch_add(1, SeqCst);
        if self.waiters.load(SeqCst) > 0 {
            futex(&self.permits, libc::FUTEX_WAKE, 1);
        }
    }
}

/// The standard library's Lock: taken while the GIL is let go, so its holder may wait for the GIL.
struct Theirs(Bare);

impl Contended for Theirs {
    fn new(permits: u32) -> Self {
        Theirs(Bare::new(permits))
    }

    fn try_acquire(&self) -> bool {
        self.0.try_acquire()
    }

    fn acquire(&self, gil: &Gil, me: usize) {
        gil.without(me, || {
            while !self.0.try_acquire() {
                self.0.sleep();
            }
        });
    }

    fn release(&self) {
        self.0.release();
    }
}

/// raddle's, with the wait graph and all.
enum Engine {
    Lock(RawLock),
    Semaphore(RawSemaphore),
}

#[derive(Debug)]
struct Something(Option<Hold>);

impl Resource for Something {
    fn holder(&self) -> Option<Hold> {
        self.0
    }
    fn describe(&self) -> Description {
        Description::default()
    }
}

struct UnderGil<'a>(&'a Gil, usize);

impl Sleeper for UnderGil<'_> {
    fn sleep(&mut self, parker: &Parker, deadline: Option<Time>) -> Result<Woken, Interrupt> {
        Ok(self.0.without(self.1, || parker.park(deadline)))
    }
}

impl Contended for Engine {
    fn new(permits: u32) -> Self {
        match permits {
            1 => Engine::Lock(RawLock::new()),
            _ => Engine::Semaphore(RawSemaphore::new(permits.into())),
        }
    }

    fn try_acquire(&self) -> bool {
        match self {
            Engine::Lock(lock) => lock.try_acquire(serial(raddle::runtime), false),
            Engine::Semaphore(semaphore) => semaphore.try_acquire(),
        }
    }

    fn acquire(&self, gil: &Gil, me: usize) {
        if self.try_acquire() {
            return;
        }
        let (runtime, thread, mut sleeper) = (raddle::runtime(), current(raddle::runtime()), UnderGil(gil, me));
        let wait = |hold| Arc::new(Something(hold));
        let taken = match self {
            Engine::Lock(lock) => {
                let call = (Call::Acquire, None);
                lock.acquire(false, &mut Blocked::new((runtime, &thread), &mut sleeper, call, wait(lock.hold()), None))
            }
            Engine::Semaphore(semaphore) => {
                let call = (Call::Acquire, None);
                semaphore.acquire(&mut Blocked::new((runtime, &thread), &mut sleeper, call, wait(None), None))
            }
        };
        taken.expect("there is no cycle");
    }

    fn release(&self) {
        match self {
            Engine::Lock(lock) => lock.release().expect("held"),
            Engine::Semaphore(semaphore) => semaphore.release(1),
        }
    }
}

/// So much work of the interpreter.
#[derive(Clone, Copy)]
struct Work(u64);

impl Work {
    fn of(nanoseconds: f64) -> Work {
        const MANY: u64 = 20_000_000;
        let begin = Instant::now();
        Work(MANY).spend();
        let per_turn = begin.elapsed().as_nanos() as f64 / MANY as f64;
        Work((nanoseconds / per_turn) as u64)
    }

    fn spend(self) {
        for turn in 0..self.0 {
            black_box(turn);
        }
    }
}

/// Nanoseconds per hold, and the smallest share of a thread by the largest.
#[derive(Clone, Copy)]
struct Figure {
    cost: f64,
    share: f64,
}

fn run<C: Contended>(permits: u32, threads: usize, half: Work, length: Duration) -> Figure {
    let (gil, object, stop) = (Arc::new(Gil::default()), Arc::new(C::new(permits)), Arc::new(AtomicBool::new(false)));
    let started = Arc::new(std::sync::Barrier::new(threads + 1));
    let counts: Arc<Vec<AtomicU64>> = Arc::new((0..threads).map(|_| AtomicU64::new(0)).collect());
    let worker = |me: usize| {
        let (gil, object, stop) = (gil.clone(), object.clone(), stop.clone());
        let (started, counts) = (started.clone(), counts.clone());
        move || {
            let listen = || {
                if gil.wanted.load(SeqCst) {
                    gil.without(me, || ())
                }
            };
            started.wait();
            gil.take(me);
            while !stop.load(SeqCst) {
                for hold in 0..100 {
                    if !object.try_acquire() {
                        object.acquire(&gil, me);
                    }
                    half.spend();
                    listen();
                    if hold == 50 {
                        gil.without(me, sleep_zero);
                    }
                    object.release();
                    half.spend();
                    listen();
                }
                counts[me - 1].fetch_add(100, SeqCst);
            }
            gil.give(me);
        }
    };
    let workers: Vec<_> =
        (1..=threads).map(|me| raddle::spawn(&format!("worker-{me}"), worker(me)).expect("a thread")).collect();
    started.wait();
    let begin = Instant::now();
    thread::sleep(length);
    stop.store(true, SeqCst);
    workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
    let took = begin.elapsed().as_nanos() as f64;
    let counts: Vec<_> = counts.iter().map(|count| count.load(SeqCst) as f64).collect();
    let (least, most) = counts.iter().fold((f64::MAX, 0f64), |(a, b), count| (a.min(*count), b.max(*count)));
    Figure { cost: took / counts.iter().sum::<f64>(), share: least / most }
}

/// `time.sleep(0)`, which is a system call; Rust's own returns without one.
fn sleep_zero() {
    let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `zero` lives through the call and is a valid time; what would be left is not asked for.
    unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &zero, std::ptr::null_mut()) };
}

fn python(arguments: &[&str]) -> Vec<f64> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/contended.py");
    let output = Command::new(&python).arg(script).args(arguments).output().expect("PYTHON can be run");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().map(|figure| figure.parse().expect("a figure")).collect()
}

fn number(name: &str, or: f64) -> f64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn row(kind: &str, permits: u32, threads: usize, promise: f64) {
    let seconds = number("SECONDS", 2.0);
    let length = Duration::from_secs_f64(seconds);
    let mut rounds = Vec::new();
    for _ in 0..number("ROUNDS", 5.0) as usize {
        let half = Work::of(python(&["interpreter"])[0] / 2.0);
        let stdlib = python(&[kind, &threads.to_string(), &seconds.to_string()]);
        let bare = run::<Bare>(permits, threads, half, length);
        let engine = run::<Engine>(permits, threads, half, length);
        let theirs = (permits == 1).then(|| run::<Theirs>(permits, threads, half, length));
        rounds.push((Figure { cost: stdlib[0], share: stdlib[1] }, bare, engine, theirs));
    }
    let show = |name: &str, of: &dyn Fn(usize) -> Figure| {
        let all = || (0..rounds.len()).map(of);
        let (cost, share) = (median(all().map(|figure| figure.cost)), median(all().map(|figure| figure.share)));
        let ratio = median((0..rounds.len()).map(|round| rounds[round].0.cost / of(round).cost));
        let unfair = if share < 0.1 { "  unfair" } else { "" };
        println!("  {name:34} {cost:8.0} ns   {ratio:6.2}x   share {share:.3}{unfair}");
        ratio
    };
    println!("{kind}, {threads} threads");
    show("the standard library, in Python", &|round| rounds[round].0);
    if permits == 1 {
        show("theirs, modelled", &|round| rounds[round].3.expect("measured"));
    }
    show("engine", &|round| rounds[round].2);
    let floor = show("bare", &|round| rounds[round].1);
    println!("  target: {:.2}x", promise.max(0.8 * floor));
}

fn main() {
    row("Lock", 1, 4, 1.2);
    row("Lock", 1, 32, 1.2);
    row("Semaphore", 4, 8, 5.0);
    row("Semaphore", 4, 32, 5.0);
}
