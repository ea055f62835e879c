//! What threads do while they wait for nothing that raddle keeps: seen from outside, every few milliseconds.
//!
//! The sampler is a thread of its own, which runs no code of the host and takes no lock on the way of the program's threads.
//! Whether a thread waits for something of raddle's it reads in the recording; who runs the host's code, and who waits to,
//! the host says ([`Turns`]); all else is what the kernel tells of a thread that sleeps.
//!
//! What it finds goes into [`times`], so that the sums are whole though nothing of the rest may be in the file any more, and into pages
//! of its own, an event for each change. A wait needs none: it ends what the thread was seen at before.
//!
//! # What the program must not notice
//!
//! - Processors: the looks may take the hundredth part of one, and become rare if they would take more, or if nothing runs.
//! - Files: the sampler has a table of its own, so it takes no number that the program's next file would get.
//! - Signals: it gets none, so the threads of the program get them all.
//! - Forks: there is no such thread while the process forks, and none in the child. Who counts the system's threads counts
//!   [`Sampler::is_there`].

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::format::{CALLS, Doing, times};
use super::recorder::Recorder;
use crate::runtime::Runtime;
use crate::seam::task::{self, Glance, Task};
use crate::seam::{Mutex, Parker, Time, thread as system};
use crate::thread::{State, Thread, changes as thread_changes};

/// Between two looks, at least.
const PERIOD: Duration = Duration::from_millis(2);

/// And at most, when nothing has run for a while.
const LONGEST: Duration = Duration::from_millis(20);

/// And whatever the looks cost.
const RARELY: Duration = Duration::from_millis(100);

/// How far what they cost may run ahead of the hundredth part of a processor that is theirs, in a hundred times what it is.
const CREDIT: Duration = Duration::from_secs(1);

/// How many looks that find nothing make the next one come later.
const QUIET: u32 = 50;

/// The times of processors are asked for once in a while.
const SELDOM: Duration = Duration::from_millis(40);

/// A retired sampler is gone by then, or not waited for any longer.
const REAPING: Duration = Duration::from_millis(200);

/// Whose turn it is to run the host's code, which one thread at a time may do: seen from outside.
pub trait Turns: Send + Sync + Debug {
    /// Whether it is the turn of the thread with that [mark](Thread::mark).
    fn has_turn(&self, mark: usize) -> bool;

    /// Whether a thread that sleeps on the word at `address` waits for its turn.
    fn is_door(&self, address: usize) -> bool;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sampler {
    turns: Option<Box<dyn Turns>>,
    parker: Parker,
    /// 0: there is no such thread.
    native_id: AtomicU32,
    is_over: AtomicBool,
    /// What it had used of a processor's time when that was last asked for, in nanoseconds.
    used: AtomicU64,
    /// Of those who send it and end it.
    turn: Mutex<()>,
}

/// What is kept of a thread between two looks.
struct Face {
    thread: Arc<Thread>,
    task: Option<Task>,
    /// The first word of its times.
    times: Option<usize>,
    doing: Option<(Doing, u64)>,
    looked: Time,
    /// How long it had run, when that was asked for last.
    ran: (Duration, Time),
    /// What its thread of the system had run before, and waited to run: for another thread of the program.
    before: (Duration, Duration),
}

impl Sampler {
    pub(crate) fn new(turns: Option<Box<dyn Turns>>) -> Sampler {
        Sampler {
            turns,
            parker: Parker::default(),
            native_id: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
            used: AtomicU64::new(0),
            turn: Mutex::default(),
        }
    }

    /// How many threads of the system this is: 0 or 1.
    pub(crate) fn is_there(&self) -> usize {
        usize::from(self.native_id.load(Ordering::Acquire) != 0)
    }

    /// Begins, or goes on in the process that has forked. Where the system refuses a thread there are no samples.
    pub(crate) fn send(self: &Arc<Self>, runtime: &'static Runtime) {
        let _turn = self.turn.lock();
        if self.is_there() != 0 {
            return;
        }
        self.is_over.store(false, Ordering::Relaxed);
        let sampler = Arc::clone(self);
        // Until the thread has put its own number here: it is there already.
        self.native_id.store(u32::MAX, Ordering::Release);
        if system::spawn_deaf(Box::new(move || sampler.run(runtime))).is_err() {
            self.native_id.store(0, Ordering::Release);
        }
    }

    /// Ends, and waits until the system has no such thread any more. Before a fork.
    pub(crate) fn retire(&self) {
        let _turn = self.turn.lock();
        self.is_over.store(true, Ordering::Relaxed);
        self.parker.unpark();
        let deadline = Time::now().after(REAPING);
        let is_gone = || match self.native_id.load(Ordering::Acquire) {
            0 => true,
            u32::MAX => false,
            native_id => system::is_gone(native_id),
        };
        while !is_gone() && Time::now() < deadline {
            system::nap();
        }
        self.native_id.store(0, Ordering::Release);
    }

    fn run(&self, runtime: &'static Runtime) {
        self.native_id.store(system::native_id(), Ordering::Release);
        // Without a table of its own the files that it opens would be the program's.
        let can_look = task::own_files();
        let Some(recorder) = runtime.recorder() else { return };
        recorder.is_sampled(PERIOD, self.turns.is_some());
        let (mut faces, mut quiet, mut debt) = (HashMap::new(), 0, Duration::ZERO);
        let (mut counted, mut changes) = (Time::now(), None);
        while !self.is_over.load(Ordering::Relaxed) {
            let began = Time::now();
            if counted.elapsed() >= SELDOM {
                faces.values().filter(|face: &&Face| face.doing.is_some()).for_each(|face| face.count(recorder));
                counted = began;
            }
            let present = Some(thread_changes());
            if changes != present {
                refresh(runtime, &mut faces, can_look);
                changes = present;
            }
            let busy = faces.values_mut().map(|face| usize::from(self.look(recorder, face, began))).sum::<usize>();
            quiet = if busy == 0 { quiet + 1 } else { 0 };
            let pause = if quiet > QUIET { LONGEST } else { PERIOD };
            debt += self.cost(began) * 99;
            // A dear look now and then is no reason to look away: the first at each thread is one.
            let pause = if debt > CREDIT { debt.clamp(pause, RARELY) } else { pause };
            let _ = self.parker.park(Some(Time::now().after(pause)));
            debt = debt.saturating_sub(began.elapsed());
        }
        faces.values().for_each(|face| face.count(recorder));
    }

    /// What the look that began then has taken of a processor's time.
    fn cost(&self, began: Time) -> Duration {
        const CHEAP: Duration = Duration::from_micros(20);
        let passed = began.elapsed();
        if passed <= CHEAP {
            return passed;
        }
        // Most of it may have been a wait for a processor.
        let used = system::cpu_time(self.native_id.load(Ordering::Relaxed)).unwrap_or(passed);
        let before = Duration::from_nanos(self.used.swap(nanos(used), Ordering::Relaxed));
        used.saturating_sub(before).min(passed)
    }

    /// Whether it found the thread at something.
    fn look(&self, recorder: &Recorder, face: &mut Face, now: Time) -> bool {
        let seen = self.glance(recorder, face);
        let passed = now.nanos().saturating_sub(face.looked.nanos()).min(LONGEST.as_nanos() as u64);
        face.looked = now;
        let Some((doing, call)) = seen else {
            if face.doing.take().is_some()
                && let Some(start) = face.times
            {
                recorder.set_time(start, times::LATEST, 0);
            }
            return false;
        };
        face.times = face.times.or_else(|| recorder.times(face.thread.serial()));
        if let Some(start) = face.times {
            recorder.add_time(start, times::DOING + doing as usize, passed);
            recorder.set_time(start, times::LATEST, doing as u64 | call << 8);
        }
        if face.doing != Some((doing, call)) {
            face.doing = Some((doing, call));
            recorder.saw(face.thread.serial(), now, doing, call);
        }
        true
    }

    fn glance(&self, recorder: &Recorder, face: &mut Face) -> Option<(Doing, u64)> {
        if face.thread.state() != State::Running || recorder.is_waiting(&face.thread) {
            return None;
        }
        let mark = face.thread.mark();
        let has_turn = || mark != 0 && self.turns.as_ref().is_some_and(|turns| turns.has_turn(mark));
        if has_turn() {
            face.has_run();
            return Some((Doing::Python, 0));
        }
        match face.task.as_ref()?.glance() {
            Glance::Running if has_turn() => Some((Doing::Python, 0)),
            Glance::Running => Some(self.native(face)),
            // It fell asleep for something of raddle's meanwhile.
            Glance::Asleep { .. } if recorder.is_waiting(&face.thread) => None,
            Glance::Asleep { call, first } => Some(self.classify(call, first)),
            Glance::Unknown => None,
        }
    }

    /// A thread that could run, and whose turn it is not. Either it runs other code, or it has no processor: then it is still at what it
    /// was at before, at the door, say, where it was woken.
    fn native(&self, face: &mut Face) -> (Doing, u64) {
        if face.has_run() || self.turns.is_none() {
            return (Doing::Native, 0);
        }
        match face.doing {
            // Its turn was taken from it.
            Some((Doing::Python, _)) => (Doing::Gil, 0),
            doing => doing.unwrap_or((Doing::Native, 0)),
        }
    }

    fn classify(&self, call: i64, first: u64) -> (Doing, u64) {
        let is_door = |turns: &dyn Turns| usize::try_from(first).is_ok_and(|first| turns.is_door(first));
        if task::is_futex(call) {
            let waits_for_turn = self.turns.as_deref().is_some_and(is_door);
            return (if waits_for_turn { Doing::Gil } else { Doing::Lock }, 0);
        }
        if task::is_sleep(call) {
            return (Doing::Sleep, 0);
        }
        let name = task::name_of(call);
        (Doing::Io, CALLS.iter().position(|known| *known == name).map_or(0, |at| at as u64 + 1))
    }
}

impl Face {
    fn new(thread: Arc<Thread>, can_look: bool) -> Face {
        let task = can_look.then(|| Task::open(thread.page.task())).flatten();
        let before = task.as_ref().and_then(Task::times).unwrap_or_default();
        Face { thread, task, times: None, doing: None, looked: Time::now(), ran: (before.0, Time::now()), before }
    }

    /// Whether it has run for most of the time since this was asked last.
    fn has_run(&mut self) -> bool {
        let Some((ran, _)) = self.task.as_ref().and_then(Task::times) else { return true };
        let (before, asked) = std::mem::replace(&mut self.ran, (ran, Time::now()));
        ran.saturating_sub(before) * 2 >= asked.elapsed()
    }

    /// What it has used of the processors.
    fn count(&self, recorder: &Recorder) {
        if let (Some(start), Some((ran, waited))) = (self.times, self.task.as_ref().and_then(Task::times)) {
            recorder.set_time(start, times::PROCESSOR, nanos(ran.saturating_sub(self.before.0)));
            recorder.set_time(start, times::RUN_QUEUE, nanos(waited.saturating_sub(self.before.1)));
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Which threads there are.
fn refresh(runtime: &Runtime, faces: &mut HashMap<u64, Face>, can_look: bool) {
    faces.retain(|_, face| face.thread.state() != State::Ended);
    for thread in runtime.threads() {
        if thread.page.task() != 0 && thread.state() == State::Running {
            faces.entry(thread.serial()).or_insert_with(|| Face::new(thread, can_look));
        }
    }
}
