//! What the sampler's looks find, and how often it looks.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::format::{CALLS, Doing, times};
use super::recorder::Recorder;
use super::sampler::Turns;
use crate::runtime::Runtime;
use crate::seam::task::{self, Glance, Task};
use crate::seam::{Parker, Time, thread as system};
use crate::thread::{State, Thread, changes as thread_changes};

/// Between two looks, at least.
const PERIOD: Duration = Duration::from_millis(2);

/// And at most, when nothing has run for a while.
const LONGEST: Duration = Duration::from_millis(20);

/// And whatever the looks cost.
const RARELY: Duration = Duration::from_millis(100);

/// How far what they cost may run ahead of the hundredth part of a processor that is theirs, in a hundred times what it is.
const CREDIT: Duration = Duration::from_secs(5);

/// How many looks that find nothing make the next one come later.
const QUIET: u32 = 50;

/// One look asks the system about so many threads; those behind come next time.
const AT_ONCE: usize = 256;

/// The times of processors are asked for once in a while.
const SELDOM: Duration = Duration::from_millis(40);

/// More than this has not passed between two looks, unless the process was stopped.
const STOPPED: Duration = Duration::from_secs(1);

/// One life of the sampler.
pub(super) struct Watch<'a> {
    turns: Option<&'a dyn Turns>,
    recorder: &'a Recorder,
    can_look: bool,
    faces: Vec<Face>,
    /// Where the next look begins.
    first: usize,
    /// The times of threads that have ended, in the order in which they did.
    ended: VecDeque<usize>,
    /// What the look before has cost, all in all.
    used: Duration,
}

/// What is kept of a thread between two looks.
struct Face {
    thread: Arc<Thread>,
    task: Option<Task>,
    doing: Option<(Doing, u64)>,
    looked: Time,
    looks: u32,
    /// How long it had run, when that was asked for last.
    ran: (Duration, Time),
    /// What its thread of the system had run before, and waited to run: for another thread of the program.
    before: Option<(Duration, Duration)>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(turns: Option<&'a dyn Turns>, recorder: &'a Recorder, can_look: bool) -> Watch<'a> {
        recorder.is_sampled(PERIOD, turns.is_some());
        let (faces, ended) = (Vec::new(), VecDeque::new());
        Watch {
            turns,
            recorder,
            can_look,
            faces,
            first: 0,
            ended,
            used: system::cpu_time(system::native_id()).unwrap_or_default(),
        }
    }

    pub(super) fn look_until(mut self, runtime: &Runtime, parker: &Parker, is_over: impl Fn() -> bool) {
        let (mut quiet, mut debt) = (0, Duration::ZERO);
        let (mut counted, mut changes, mut refresh_after) = (Time::now(), None, Time::now());
        while !is_over() {
            let began = Time::now();
            if counted.elapsed() >= SELDOM {
                self.count();
                counted = began;
            }
            let present = Some(thread_changes());
            if changes != present && began >= refresh_after {
                self.refresh(runtime);
                (changes, refresh_after) = (present, Time::now().after(began.elapsed() * 20));
            }
            quiet = if self.look(began) { 0 } else { quiet + 1 };
            let pause = if quiet > QUIET { LONGEST } else { PERIOD };
            debt += self.cost(began) * 99;
            // A dear look now and then is no reason to look away: the first at each thread is one.
            let pause = debt.saturating_sub(CREDIT).clamp(pause, RARELY);
            let _ = parker.park(Some(Time::now().after(pause)));
            debt = debt.saturating_sub(began.elapsed());
        }
        self.count();
    }

    /// What the look that began then has taken of a processor's time.
    fn cost(&mut self, began: Time) -> Duration {
        const CHEAP: Duration = Duration::from_micros(20);
        let passed = began.elapsed();
        if passed <= CHEAP {
            return passed;
        }
        // Most of it may have been a wait for a processor.
        let used = system::cpu_time(system::native_id()).unwrap_or(passed);
        used.saturating_sub(std::mem::replace(&mut self.used, used)).min(passed)
    }

    /// Which threads there are.
    fn refresh(&mut self, runtime: &Runtime) {
        let Watch { faces, ended, recorder, .. } = self;
        faces.retain(|face| {
            let lives = face.thread.state() != State::Ended;
            if !lives {
                ended.extend(recorder.times_of(&face.thread));
            }
            lives
        });
        let known: HashSet<u64> = self.faces.iter().map(|face| face.thread.serial()).collect();
        let runs = |thread: &Arc<Thread>| thread.page.task() != 0 && thread.state() == State::Running;
        let new = runtime.threads().into_iter().filter(|thread| runs(thread) && !known.contains(&thread.serial()));
        self.faces.extend(new.map(Face::new));
    }

    /// How much of the processors those have used that have done something.
    fn count(&mut self) {
        let recorder = self.recorder;
        self.faces.iter_mut().filter(|face| face.doing.is_some()).take(AT_ONCE).for_each(|face| face.count(recorder));
    }

    /// Whether it found a thread at something.
    fn look(&mut self, now: Time) -> bool {
        let (count, mut left, mut found) = (self.faces.len(), AT_ONCE, false);
        let first = if self.first < count { self.first } else { 0 };
        for at in (first..count).chain(0..first) {
            let face = &mut self.faces[at];
            let seen = if face.waits(self.recorder) {
                None
            } else if left == 0 {
                // It is the first next time.
                self.first = at;
                break;
            } else {
                left -= 1;
                face.glance(self.turns, self.recorder, self.can_look)
            };
            face.note(seen, now, self.recorder, &mut self.ended);
            found |= seen.is_some();
        }
        found
    }
}

impl Face {
    fn new(thread: Arc<Thread>) -> Face {
        let now = Time::now();
        let ran = (Duration::ZERO, now);
        Face { thread, task: None, doing: None, looked: now, looks: 0, ran, before: None }
    }

    /// Whether it is at nothing that could be seen.
    fn waits(&self, recorder: &Recorder) -> bool {
        self.thread.state() != State::Running || recorder.is_waiting(&self.thread)
    }

    fn note(&mut self, seen: Option<(Doing, u64)>, now: Time, recorder: &Recorder, ended: &mut VecDeque<usize>) {
        let passed = now.nanos().saturating_sub(self.looked.nanos()).min(STOPPED.as_nanos() as u64);
        self.looked = now;
        let Some((doing, call)) = seen else {
            if self.doing.take().is_some()
                && let Some(start) = recorder.times_of(&self.thread)
            {
                recorder.set_time(start, times::LATEST, 0);
            }
            return;
        };
        if let Some(start) = recorder.times(&self.thread, ended) {
            recorder.add_time(start, times::DOING + doing as usize, passed);
            recorder.set_time(start, times::LATEST, doing as u64 | call << 8);
        }
        if self.doing != Some((doing, call)) {
            self.doing = Some((doing, call));
            recorder.saw(self.thread.serial(), now, doing, call);
        }
        self.looks += 1;
        if self.looks.is_power_of_two() {
            self.count(recorder);
        }
    }

    fn glance(&mut self, turns: Option<&dyn Turns>, recorder: &Recorder, can_look: bool) -> Option<(Doing, u64)> {
        if self.task.is_none() && can_look {
            self.task = Task::open(self.thread.page.task());
        }
        // Of one that cannot be looked at it is not enough to know when it has its turn.
        self.task.as_ref()?;
        let mark = self.thread.mark();
        let has_turn = || mark != 0 && turns.is_some_and(|turns| turns.has_turn(mark));
        if has_turn() {
            self.has_run();
            return Some((Doing::Python, 0));
        }
        match self.task.as_ref()?.glance() {
            Glance::Running if has_turn() => Some((Doing::Python, 0)),
            Glance::Running => Some(self.native(turns.is_some())),
            // It fell asleep for something of raddle's meanwhile.
            Glance::Asleep { .. } if recorder.is_waiting(&self.thread) => None,
            Glance::Asleep { call, first } => Some(classify(turns, call, first)),
            Glance::Unknown => None,
        }
    }

    /// A thread that could run, and whose turn it is not. Either it runs other code, or it has no processor: then it is still
    /// at what it was at before, at the door, say, where it was woken.
    fn native(&mut self, are_turns_seen: bool) -> (Doing, u64) {
        if self.has_run() || !are_turns_seen {
            return (Doing::Native, 0);
        }
        match self.doing {
            // Its turn was taken from it.
            Some((Doing::Python, _)) => (Doing::Gil, 0),
            doing => doing.unwrap_or((Doing::Native, 0)),
        }
    }

    /// Whether it has run for most of the time since this was asked last.
    fn has_run(&mut self) -> bool {
        let Some((ran, _)) = self.task.as_ref().and_then(Task::times) else { return true };
        let (before, asked) = std::mem::replace(&mut self.ran, (ran, Time::now()));
        ran.saturating_sub(before) * 2 >= asked.elapsed()
    }

    /// What it has used of the processors.
    fn count(&mut self, recorder: &Recorder) {
        if let (Some(start), Some(now)) = (recorder.times_of(&self.thread), self.task.as_ref().and_then(Task::times)) {
            let (ran, waited) = *self.before.get_or_insert(now);
            recorder.add_time(start, times::PROCESSOR, nanos(now.0.saturating_sub(ran)));
            recorder.add_time(start, times::RUN_QUEUE, nanos(now.1.saturating_sub(waited)));
            self.before = Some(now);
        }
    }
}

fn classify(turns: Option<&dyn Turns>, call: i64, first: u64) -> (Doing, u64) {
    let is_door = |turns: &dyn Turns| usize::try_from(first).is_ok_and(|first| turns.is_door(first));
    if task::is_futex(call) {
        return (if turns.is_some_and(is_door) { Doing::Gil } else { Doing::Lock }, 0);
    }
    if task::is_sleep(call) {
        return (Doing::Sleep, 0);
    }
    let name = task::name_of(call);
    (Doing::Io, CALLS.iter().position(|known| *known == name).map_or(0, |at| at as u64 + 1))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
