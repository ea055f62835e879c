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
//! - The prototype ("bare") is a counter and a line of sleepers, protected by the GIL itself: no atomic, no owner, no name,
//!   no place where it was taken, no record of who waits, no time limit, no way to be interrupted. It wakes one sleeper at
//!   a time and lets nobody starve, for its own sake: a counter and a futex, which do neither, are slower (each give is a
//!   system call while anybody sleeps) and never let some threads in at all.
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
//! `PYTHON` chooses the interpreter, which should be an optimised build; `SECONDS` is the length of a run, `ROUNDS` how
//! many. For Linux; figures of a machine that does other work are worth little.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use raddle::graph::{Blocked, Call, Description, Hold, Interrupt, Resource, Sleeper};
use raddle::seam::{Parker, Time, Woken};
use raddle::sync::{RawLock, RawSemaphore};
use raddle::thread::{current, serial};

const SWITCH_INTERVAL: Duration = Duration::from_millis(5);

/// CPython's lock of the interpreter, as `ceval_gil` has it, on the mutex and the conditions that it uses: std's spin
/// before they sleep, which changes who gets the GIL.
struct Gil {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    free: UnsafeCell<libc::pthread_cond_t>,
    switched: UnsafeCell<libc::pthread_cond_t>,
    state: UnsafeCell<GilState>,
    wanted: AtomicBool,
}

#[derive(Default)]
struct GilState {
    held: bool,
    holder: usize,
    switches: u64,
}

// SAFETY: `state` is touched only between `lock` and `unlock`; the rest is made to be shared.
unsafe impl Sync for Gil {}
// SAFETY: a `Gil` is made by `shared` and stays in its `Arc`; nothing in it belongs to a thread.
unsafe impl Send for Gil {}

impl Gil {
    fn shared() -> Arc<Gil> {
        let gil = Arc::new(Gil {
            mutex: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
            free: UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER),
            switched: UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER),
            state: UnsafeCell::default(),
            wanted: AtomicBool::new(false),
        });
        // SAFETY: nobody uses `free` yet, it will not move any more, and the attributes live through the calls.
        unsafe {
            let mut attributes = std::mem::zeroed();
            libc::pthread_condattr_init(&mut attributes);
            libc::pthread_condattr_setclock(&mut attributes, libc::CLOCK_MONOTONIC);
            libc::pthread_cond_init(gil.free.get(), &attributes);
        }
        gil
    }

    /// Whether the wait ended by itself, not by a signal.
    fn wait_to_be_free(&self) -> bool {
        let mut until = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `until` is written, then read; the mutex is held by this thread, see `take`.
        unsafe {
            libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut until);
            until.tv_nsec += SWITCH_INTERVAL.as_nanos() as libc::c_long;
            until.tv_sec += until.tv_nsec / 1_000_000_000;
            until.tv_nsec %= 1_000_000_000;
            libc::pthread_cond_timedwait(self.free.get(), self.mutex.get(), &until) == libc::ETIMEDOUT
        }
    }

    fn take(&self, me: usize) {
        // SAFETY: the mutex is unlocked at the end; `state` is used in between only, and not across the wait.
        unsafe {
            libc::pthread_mutex_lock(self.mutex.get());
            while (*self.state.get()).held {
                let seen = (*self.state.get()).switches;
                let timed_out = self.wait_to_be_free();
                let state = &*self.state.get();
                if timed_out && state.held && state.switches == seen {
                    self.wanted.store(true, SeqCst);
                }
            }
            let state = &mut *self.state.get();
            state.held = true;
            if state.holder != me {
                state.holder = me;
                state.switches += 1;
            }
            libc::pthread_cond_signal(self.switched.get());
            self.wanted.store(false, SeqCst);
            libc::pthread_mutex_unlock(self.mutex.get());
        }
    }

    fn give(&self, me: usize) {
        // SAFETY: as in `take`.
        unsafe {
            libc::pthread_mutex_lock(self.mutex.get());
            (*self.state.get()).held = false;
            libc::pthread_cond_signal(self.free.get());
            if self.wanted.load(SeqCst) && (*self.state.get()).holder == me {
                self.wanted.store(false, SeqCst);
                libc::pthread_cond_wait(self.switched.get(), self.mutex.get());
            }
            libc::pthread_mutex_unlock(self.mutex.get());
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

/// A counter and a line of sleepers, which the GIL protects: nothing here is atomic. One sleeper is woken at a time, and
/// one that lost `PATIENCE` races has the others queue behind it; without the former every give under contention is a
/// system call, without the latter the threads do not share.
struct Bare(UnsafeCell<Line>);

#[derive(Default)]
struct Line {
    permits: u32,
    sleepers: VecDeque<Thread>,
    woken: bool,
    starved: bool,
}

const PATIENCE: u32 = 4;

// SAFETY: the line is touched only by threads that hold the GIL, see `line`.
unsafe impl Sync for Bare {}

impl Bare {
    #[expect(clippy::mut_from_ref, reason = "the GIL is the mutex")]
    fn line(&self) -> &mut Line {
        // SAFETY: all methods of `Contended` are called with the GIL held and use the line only while they have it: none
        // keeps this reference across `Gil::without`.
        unsafe { &mut *self.0.get() }
    }
}

impl Contended for Bare {
    fn new(permits: u32) -> Self {
        Bare(UnsafeCell::new(Line { permits, ..Line::default() }))
    }

    fn try_acquire(&self) -> bool {
        let line = self.line();
        let free = line.permits > 0 && !line.starved;
        line.permits -= u32::from(free);
        free
    }

    fn acquire(&self, gil: &Gil, me: usize) {
        let mut losses = 0;
        while !self.try_acquire() {
            let line = self.line();
            if losses == 0 {
                line.sleepers.push_back(thread::current())
            } else {
                line.sleepers.push_front(thread::current())
            }
            gil.without(me, thread::park);
            losses += 1;
            // Whoever parks is woken by `release` only, which took it out of the line.
            let line = self.line();
            line.woken = false;
            line.starved = losses >= PATIENCE && line.permits == 0;
        }
    }

    fn release(&self) {
        let line = self.line();
        line.permits += 1;
        if !line.woken
            && let Some(sleeper) = line.sleepers.pop_front()
        {
            line.woken = true;
            sleeper.unpark();
        }
    }
}

/// The standard library's Lock: a semaphore taken while the GIL is let go, so its holder may wait for the GIL.
struct Theirs {
    permits: AtomicU32,
    waiters: AtomicU32,
}

fn futex(word: &AtomicU32, operation: i32, value: u32) {
    // SAFETY: `word` lives through the call; the kernel reads it, or only uses its address; no time limit.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation | libc::FUTEX_PRIVATE_FLAG, value, 0usize) };
}

impl Contended for Theirs {
    fn new(permits: u32) -> Self {
        Theirs { permits: AtomicU32::new(permits), waiters: AtomicU32::new(0) }
    }

    fn try_acquire(&self) -> bool {
        self.permits.fetch_update(SeqCst, SeqCst, |permits| permits.checked_sub(1)).is_ok()
    }

    fn acquire(&self, gil: &Gil, me: usize) {
        gil.without(me, || {
            while !self.try_acquire() {
                self.waiters.fetch_add(1, SeqCst);
                futex(&self.permits, libc::FUTEX_WAIT, 0);
                self.waiters.fetch_sub(1, SeqCst);
            }
        });
    }

    fn release(&self) {
        self.permits.fetch_add(1, SeqCst);
        if self.waiters.load(SeqCst) > 0 {
            futex(&self.permits, libc::FUTEX_WAKE, 1);
        }
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
    /// As much as takes so long on a processor of its own: the best of some tries.
    fn of(nanoseconds: f64) -> Work {
        const MANY: u64 = 2_000_000;
        let tries = (0..10).map(|_| {
            let begin = Instant::now();
            Work(MANY).spend();
            begin.elapsed().as_nanos() as f64
        });
        Work((nanoseconds * MANY as f64 / tries.fold(f64::MAX, f64::min)) as u64)
    }

    fn spend(self) {
        for turn in 0..self.0 {
            black_box(turn);
        }
    }
}

/// Nanoseconds per hold, how many of the holds had to wait, and the smallest share of a thread by the largest.
#[derive(Clone, Copy)]
struct Figure {
    cost: f64,
    blocked: f64,
    share: f64,
}

fn run<C: Contended>(permits: u32, threads: usize, half: Work, length: Duration) -> Figure {
    let (gil, object, stop) = (Gil::shared(), Arc::new(C::new(permits)), Arc::new(AtomicBool::new(false)));
    let started = Arc::new(std::sync::Barrier::new(threads + 1));
    let blocked = Arc::new(AtomicU64::new(0));
    let counts: Arc<Vec<AtomicU64>> = Arc::new((0..threads).map(|_| AtomicU64::new(0)).collect());
    let worker = |me: usize| {
        let (gil, object, stop) = (gil.clone(), object.clone(), stop.clone());
        let (started, counts, blocked) = (started.clone(), counts.clone(), blocked.clone());
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
                        blocked.fetch_add(1, SeqCst);
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
    let holds = counts.iter().sum::<f64>();
    Figure { cost: took / holds, blocked: blocked.load(SeqCst) as f64 / holds, share: least / most }
}

/// `time.sleep(0)`: a sleep until now, as CPython asks for it, which the kernel makes some 50 us of (the timer's slack).
fn sleep_zero() {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` lives through the calls and is a valid time when it is read; what would be left is not asked for.
    unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now);
        libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &now, std::ptr::null_mut());
    }
}

fn python(arguments: &[&str]) -> Vec<f64> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
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
        rounds.push((Figure { cost: stdlib[0], blocked: stdlib[1], share: stdlib[2] }, bare, engine, theirs));
    }
    let show = |name: &str, of: &dyn Fn(usize) -> Figure| {
        let all = || (0..rounds.len()).map(of);
        let [cost, blocked, share] =
            [|it: Figure| it.cost, |it: Figure| it.blocked, |it: Figure| it.share].map(|of| median(all().map(of)));
        let ratio = median((0..rounds.len()).map(|round| rounds[round].0.cost / of(round).cost));
        let unfair = if share < 0.1 { "  unfair" } else { "" };
        println!(
            "  {name:34} {cost:8.0} ns   {ratio:6.2}x   blocked {:5.1}%   share {share:.3}{unfair}",
            blocked * 100.0
        );
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
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let rows = [("Lock", 1, 4, 1.2), ("Lock", 1, 32, 1.2), ("Semaphore", 4, 8, 5.0), ("Semaphore", 4, 32, 5.0)];
    for (kind, permits, threads, promise) in rows {
        if format!("{kind}, {threads} threads").contains(&only) {
            row(kind, permits, threads, promise);
        }
    }
}
