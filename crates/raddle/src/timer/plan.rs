//! When a job's runs are due and what becomes of each: a pure structure, which is told what the clocks say.
//!
//! A plan is a line of moments, its *points*: the n-th lies at `first + n * every`, whenever the runs before it began, so
//! there is no drift. A single run is a line of one point. At every look a point is in one of four states, and the numbers
//! add up: `begun + missed + owed == passed`, where `passed` points have come so far.
//!
//! ```text
//! to come --its moment--> owed --free--> begun
//!                           `--the rule, or too late--> missed
//! ```
//!
//! A point that comes while the job is free begins within the same look, so points are owed only while the job is paused
//! or has all its instances running; or if several have come since the last look, because the machine was busy, asleep,
//! or had its clock set forward. Then [`Missed`] decides. Owed points are always the latest that have passed, so a range says
//! which they are, however many.
//!
//! All moments of a plan are on one clock. On the wall's they may come sooner or later than was thought, when that is set;
//! a point that has passed does not come again when it is set back.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use crate::seam::{Time, Wall};

/// A moment, on the clock that decides when it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So far from now, whatever the clock on the wall is set to.
    Monotonic(Time),
    /// When the clock on the wall says so.
    Wall(Wall),
}

/// What both clocks say.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic clock.
    pub time: Time,
    /// The clock on the wall.
    pub wall: Wall,
}

impl Now {
    /// What they say now. The wall's is read first: a moment on it is then never thought to be earlier than it is.
    pub fn read() -> Now {
        let wall = Wall::now();
        Now { time: Time::now(), wall }
    }

    fn on(self, clock: Clock) -> u64 {
        match clock {
            Clock::Monotonic => self.time.0,
            Clock::Wall => self.wall.0,
        }
    }

    /// When `moment` comes, as far as can be known now, in nanoseconds of `clock`.
    fn map(self, moment: Moment, clock: Clock) -> u64 {
        let (theirs, at) = moment.parts();
        if theirs == clock { at } else { shifted(at, self.on(theirs), self.on(clock)) }
    }
}

fn shifted(at: u64, from: u64, to: u64) -> u64 {
    let at = i128::from(at) - i128::from(from) + i128::from(to);
    u64::try_from(at.max(0)).unwrap_or(u64::MAX)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Monotonic,
    Wall,
}

impl Clock {
    fn moment(self, nanos: u64) -> Moment {
        match self {
            Clock::Monotonic => Moment::Monotonic(Time(nanos)),
            Clock::Wall => Moment::Wall(Wall(nanos)),
        }
    }
}

impl Moment {
    fn parts(self) -> (Clock, u64) {
        match self {
            Moment::Monotonic(time) => (Clock::Monotonic, time.0),
            Moment::Wall(wall) => (Clock::Wall, wall.0),
        }
    }

    /// When it comes on the clock on the wall, as far as can be known now.
    pub fn on_the_wall(self, now: Now) -> Wall {
        Wall(now.map(self, Clock::Wall))
    }
}

/// What becomes of runs that could not begin when they were due, because the job was paused or busy, or the machine was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// One run as soon as possible stands for all of them; the others are missed.
    #[default]
    Coalesce,
    /// All are missed that came while the job was paused or busy. If several are due at once for another reason, the latest
    /// begins and the others are missed.
    Skip,
    /// Each of them, as soon as possible.
    CatchUp,
}

/// What is to be done when.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// When the first run is due.
    pub first: Moment,
    /// From one run to the next; zero: there is one run only.
    pub every: Duration,
    /// What becomes of runs that could not begin when they were due.
    pub missed: Missed,
    /// By how much a run may be late; it is missed if it could begin only later.
    pub misfire_grace: Option<Duration>,
    /// Each run is due up to so much later than it would be, by chance. Not more than `every`.
    pub jitter: Duration,
    /// Which chance.
    pub seed: u64,
    /// How many runs may be under way at the same time.
    pub max_instances: usize,
    /// How many runs begin before the job is over.
    pub times: u64,
    /// No run is due after this.
    pub until: Option<Moment>,
}

impl Rules {
    /// One run, however late.
    pub fn once(at: Moment) -> Rules {
        Rules {
            first: at,
            every: Duration::ZERO,
            missed: Missed::Coalesce,
            misfire_grace: None,
            jitter: Duration::ZERO,
            seed: 0,
            max_instances: 1,
            times: 1,
            until: None,
        }
    }

    /// When a point is due, in nanoseconds of this plan's clock; its moment without the chance.
    fn nominal(&self, point: u64) -> u64 {
        let offset = u128::from(point) * self.every.as_nanos();
        let at = u128::from(self.first.parts().1).saturating_add(offset);
        u64::try_from(at).unwrap_or(u64::MAX)
    }

    /// The same with the chance, which is a function of the point: asked again, it is the same.
    fn due(&self, point: u64) -> u64 {
        let most = nanos(self.jitter);
        let chance = (u128::from(scramble(self.seed ^ point)) * (u128::from(most) + 1)) >> 64;
        self.nominal(point).saturating_add(chance as u64)
    }

    /// How many points are due by `moment`. The chance is at most a step, so only the latest can be still to come.
    fn due_by(&self, moment: u64) -> u64 {
        let Some(since) = moment.checked_sub(self.first.parts().1) else { return 0 };
        let latest = since.checked_div(nanos(self.every)).unwrap_or(0);
        if self.due(latest) <= moment { latest.saturating_add(1) } else { latest }
    }

    /// How many points there are at all, if the clocks are not set.
    fn points(&self, now: Now) -> u64 {
        if self.every.is_zero() {
            return 1;
        }
        let clock = self.first.parts().0;
        self.until.map_or(u64::MAX, |until| self.due_by(now.map(until, clock)))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A step of splitmix64: numbers that lie beside each other give such as have nothing to do with each other.
fn scramble(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Why no run comes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All have come.
    Done,
    /// It was cancelled.
    Cancelled,
    /// The only run could not begin in time.
    Missed {
        /// When it was due.
        due: Moment,
        /// By how much it was too late when that was found.
        late: Duration,
    },
    /// It belongs to the process that this one was forked from.
    LeftBehind,
}

/// How many of a job's runs there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// How many have begun.
    pub runs: u64,
    /// How many of these are under way.
    pub running: usize,
    /// How many of them failed.
    pub failed: u64,
    /// How many were due and did not begin, nor will.
    pub missed: u64,
}

/// See the module. The default is what a fork leaves of one in the child.
#[derive(Debug)]
pub struct Plan {
    rules: Option<Rules>,
    /// Points that have passed and not begun, nor been missed. The end is how many have passed.
    owed: Range<u64>,
    stats: Stats,
    /// Whether the run that ended last failed.
    failed: bool,
    paused: bool,
    cancelled: bool,
    end: Option<End>,
}

impl Default for Plan {
    fn default() -> Self {
        let (stats, end) = (Stats::default(), Some(End::LeftBehind));
        Plan { rules: None, owed: 0..0, stats, failed: false, paused: false, cancelled: false, end }
    }
}

impl Plan {
    /// A plan of which nothing has happened yet.
    pub fn new(rules: Rules) -> Plan {
        let (jitter, max_instances) = (rules.jitter.min(rules.every), rules.max_instances.max(1));
        Plan { rules: Some(Rules { jitter, max_instances, ..rules }), end: None, ..Plan::default() }
    }

    /// What has become of the points that have come by now: how many runs have to begin. They count as under way.
    #[must_use]
    pub fn look(&mut self, now: Now) -> usize {
        let Some(rules) = self.rules.filter(|_| self.end.is_none()) else { return 0 };
        let moment = now.on(rules.first.parts().0);
        let all = rules.points(now);
        self.owed.end = rules.due_by(moment).min(all).max(self.owed.end);
        let free = !self.paused && self.stats.running < rules.max_instances;
        if self.cancelled {
            self.owed.start = self.owed.end;
        }
        self.keep(match rules.missed {
            Missed::CatchUp => u64::MAX,
            Missed::Coalesce => 1,
            Missed::Skip => u64::from(free),
        });
        let late = self.give_up_late(&rules, moment);
        let count = if free { self.begin(&rules) } else { 0 };
        let exhausted = self.owed.is_empty() && self.owed.end >= all;
        if self.stats.running == 0 && (self.cancelled || exhausted || self.stats.runs >= rules.times) {
            self.end = Some(match late {
                _ if self.cancelled => End::Cancelled,
                Some(late) if self.stats.runs == 0 && rules.every.is_zero() => {
                    End::Missed { due: rules.first, late: Duration::from_nanos(late) }
                }
                _ => End::Done,
            });
        }
        count
    }

    /// Misses all owed points but the latest `most`.
    fn keep(&mut self, most: u64) {
        let start = self.owed.end.saturating_sub(most).max(self.owed.start);
        self.stats.missed += start - self.owed.start;
        self.owed.start = start;
    }

    /// Misses the owed points that are too late; by how much the latest of these is.
    fn give_up_late(&mut self, rules: &Rules, moment: u64) -> Option<u64> {
        let oldest = moment.checked_sub(nanos(rules.misfire_grace?))?;
        // Those that were due before `oldest`.
        let due = rules.due_by(oldest.checked_sub(1)?).min(self.owed.end);
        if due <= self.owed.start {
            return None;
        }
        self.keep(self.owed.end - due);
        Some(moment - rules.due(due - 1))
    }

    fn begin(&mut self, rules: &Rules) -> usize {
        let owed = self.owed.end - self.owed.start;
        let room = (rules.max_instances - self.stats.running) as u64;
        let count = owed.min(room).min(rules.times.saturating_sub(self.stats.runs));
        self.owed.start += count;
        self.stats.runs += count;
        self.stats.running += count as usize;
        count as usize
    }

    /// A run is over.
    pub fn finish(&mut self, failed: bool) {
        self.stats.running = self.stats.running.saturating_sub(1);
        self.stats.failed += u64::from(failed);
        self.failed = failed;
    }

    /// No run begins any more: whether that changes anything.
    pub fn cancel(&mut self) -> bool {
        let single = self.rules.as_ref().is_none_or(|rules| rules.every.is_zero());
        let begun = single && self.stats.running > 0;
        let news = self.end.is_none() && !begun && !self.cancelled;
        self.cancelled |= news;
        news
    }

    /// No run begins from now on. Nor does the job end, until it is resumed.
    pub fn pause(&mut self) {
        self.paused = self.end.is_none();
    }

    /// Runs may begin again, which a look has to follow. What has come until now came during the pause.
    pub fn resume(&mut self, now: Now) {
        if self.paused {
            let begun = self.look(now);
            debug_assert_eq!(begun, 0, "a paused job begins nothing");
        }
        self.paused = false;
    }

    /// Whether no run begins for now.
    pub fn is_paused(&self) -> bool {
        self.paused && self.end.is_none()
    }

    /// When there is something to look at next, if nothing else happens and no clock is set.
    pub fn wake(&self, now: Now) -> Option<Time> {
        let next = self.next_to_come(now).filter(|_| !self.paused)?;
        Some(Time(now.map(next, Clock::Monotonic)))
    }

    /// When the next run is due; one that cannot begin yet comes first. `None`: no run comes, or the job is paused.
    pub fn next_run(&self, now: Now) -> Option<Moment> {
        let rules = self.rules.as_ref().filter(|_| !self.paused && self.end.is_none() && !self.cancelled)?;
        let owed = (!self.owed.is_empty()).then(|| rules.first.parts().0.moment(rules.due(self.owed.start)));
        owed.filter(|_| self.stats.runs < rules.times).or_else(|| self.next_to_come(now))
    }

    fn next_to_come(&self, now: Now) -> Option<Moment> {
        let rules = self.rules.as_ref().filter(|_| self.end.is_none() && !self.cancelled)?;
        let next = self.owed.end;
        let comes = next < rules.points(now) && self.stats.runs < rules.times;
        comes.then(|| rules.first.parts().0.moment(rules.due(next)))
    }

    /// Whether the clock on the wall decides when runs are due.
    pub fn follows_the_wall(&self) -> bool {
        let is_wall =
            |rules: &Rules| matches!(rules.first, Moment::Wall(_)) || matches!(rules.until, Some(Moment::Wall(_)));
        self.end.is_none() && self.rules.as_ref().is_some_and(is_wall)
    }

    /// How many runs there were.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether the run that ended last failed.
    pub fn last_failed(&self) -> bool {
        self.failed
    }

    /// How many runs have been due and have neither begun nor been missed.
    pub fn owed_runs(&self) -> u64 {
        self.owed.end - self.owed.start
    }

    /// Why no run comes any more; `None`: some may.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Whether it is a single run that has neither begun nor been missed.
    pub fn is_promised(&self) -> bool {
        let single = self.rules.as_ref().is_some_and(|rules| rules.every.is_zero());
        single && self.end.is_none() && self.stats.runs == 0
    }
}

impl From<SystemTime> for Moment {
    fn from(moment: SystemTime) -> Moment {
        Moment::Wall(moment.into())
    }
}
