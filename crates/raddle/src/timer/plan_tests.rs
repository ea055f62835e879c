//! Plans under a clock that says what the test wants.

use std::time::Duration;

use proptest::prelude::*;

use super::plan::{End, Missed, Moment, Now, Plan, Rules};
use crate::seam::{Time, Wall};

/// When the clocks of these tests begin: the one on the wall at a date of its own.
const START: u64 = 1_000_000;
const DATE: u64 = 1_800_000_000_000;

/// Both clocks, in milliseconds since their beginning; the one on the wall as far as it was set.
#[derive(Clone, Copy, Default)]
struct Clocks {
    passed: u64,
    set: i64,
}

impl Clocks {
    fn now(self) -> Now {
        Now { time: time(self.passed), wall: wall(self.passed.saturating_add_signed(self.set)) }
    }
}

fn time(ms: u64) -> Time {
    Time::from_nanos((START + ms) * 1_000_000)
}

fn wall(ms: u64) -> Wall {
    Wall::from_nanos((DATE + ms) * 1_000_000)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Every 100 ms, for the first time after 100.
fn every_100() -> Rules {
    Rules { every: ms(100), times: u64::MAX, ..Rules::once(Moment::Monotonic(time(100))) }
}

/// A plan and its clocks, which go on to the moment at which it wants to be looked at.
struct Driven {
    plan: Plan,
    clocks: Clocks,
    /// When each run began.
    begun: Vec<u64>,
    /// Whether runs end as soon as they have begun.
    short: bool,
}

impl Driven {
    fn new(rules: Rules) -> Driven {
        Driven { plan: Plan::new(rules), clocks: Clocks::default(), begun: Vec::new(), short: true }
    }

    fn look(&mut self) {
        let count = self.plan.look(self.clocks.now());
        self.begun.extend(std::iter::repeat_n(self.clocks.passed, count));
        if self.short && count > 0 {
            (0..count).for_each(|_| self.plan.finish(false));
            self.look();
        }
    }

    /// Lets the time pass, with looks when the plan wants them and no others.
    fn run_to(&mut self, end: u64) -> &mut Self {
        self.look();
        while let Some(wake) = self.plan.wake(self.clocks.now()).filter(|wake| *wake <= time(end)) {
            let wake = wake.nanos() / 1_000_000 - START;
            assert!(wake > self.clocks.passed, "it wants to be looked at again and again");
            self.clocks.passed = wake;
            self.look();
        }
        self.clocks.passed = end;
        self
    }

    /// Lets the time pass without a look, as while the machine is busy or asleep.
    fn sleep_to(&mut self, end: u64) -> &mut Self {
        self.clocks.passed = end;
        self.look();
        self
    }

    fn set_clock(&mut self, by: i64) -> &mut Self {
        self.clocks.set += by;
        self.look();
        self
    }

    fn finish(&mut self) -> &mut Self {
        self.plan.finish(false);
        self.look();
        self
    }

    fn missed(&self) -> u64 {
        self.plan.stats().missed
    }
}

#[test]
fn the_nth_run_is_due_n_intervals_after_the_beginning() {
    let mut job = Driven::new(every_100());
    assert_eq!(job.run_to(550).begun, [100, 200, 300, 400, 500]);
    // One look late moves nothing that follows.
    assert_eq!(job.sleep_to(630).run_to(820).begun[5..], [630, 700, 800]);
    assert_eq!(job.missed(), 0);
}

#[test]
fn the_latest_stands_for_all_that_were_slept_through() {
    let mut job = Driven::new(every_100());
    job.sleep_to(550).run_to(600);
    assert_eq!((job.begun.clone(), job.missed()), (vec![550, 600], 4));
}

#[test]
fn all_that_were_slept_through_are_caught_up_with() {
    let mut job = Driven::new(Rules { missed: Missed::CatchUp, ..every_100() });
    job.sleep_to(350).run_to(400);
    assert_eq!((job.begun.clone(), job.missed()), (vec![350, 350, 350, 400], 0));
}

/// What comes while the one instance runs: one run after it, none, or each.
#[test]
fn runs_that_come_while_the_job_is_busy() {
    for (missed, begun, count) in [
        (Missed::Coalesce, vec![100, 350, 400], 1),
        (Missed::Skip, vec![100, 400], 2),
        (Missed::CatchUp, vec![100, 350, 350], 0),
    ] {
        let mut job = Driven::new(Rules { missed, ..every_100() });
        job.short = false;
        job.run_to(350).finish().finish();
        if missed != Missed::CatchUp {
            job.run_to(400);
        }
        assert_eq!((job.begun.clone(), job.missed()), (begun, count), "{missed:?}");
    }
}

#[test]
fn runs_that_come_during_a_pause() {
    for (missed, begun, count) in [
        (Missed::Coalesce, vec![100, 450, 500], 2),
        (Missed::Skip, vec![100, 500], 3),
        (Missed::CatchUp, vec![100, 450, 450, 450, 500], 0),
    ] {
        let mut job = Driven::new(Rules { missed, ..every_100() });
        job.run_to(150).plan.pause();
        assert_eq!((job.plan.next_run(job.clocks.now()), job.plan.wake(job.clocks.now())), (None, None));
        job.clocks.passed = 450;
        job.plan.resume(job.clocks.now());
        job.run_to(500);
        assert_eq!((job.begun.clone(), job.missed()), (begun, count), "{missed:?}");
    }
}

#[test]
fn no_more_run_at_once_than_there_may() {
    let mut job = Driven::new(Rules { max_instances: 2, missed: Missed::CatchUp, ..every_100() });
    job.short = false;
    job.run_to(450);
    assert_eq!((job.begun.clone(), job.plan.stats().running), (vec![100, 200], 2));
    assert_eq!(job.finish().begun, [100, 200, 450]);
}

#[test]
fn a_run_that_is_too_late_is_missed() {
    let mut job = Driven::new(Rules { misfire_grace: Some(ms(30)), ..every_100() });
    job.sleep_to(130).sleep_to(231).run_to(300);
    assert_eq!((job.begun.clone(), job.missed()), (vec![130, 300], 1));
    let catch_up = Rules { misfire_grace: Some(ms(150)), missed: Missed::CatchUp, ..every_100() };
    let mut job = Driven::new(catch_up);
    job.sleep_to(1_000_040);
    assert_eq!((job.begun.clone(), job.missed()), (vec![1_000_040, 1_000_040], 9998));
}

#[test]
fn a_single_run_that_is_too_late_says_so() {
    let rules = Rules { misfire_grace: Some(ms(30)), ..Rules::once(Moment::Wall(wall(0))) };
    let mut job = Driven::new(rules);
    assert_eq!((job.sleep_to(30).begun.clone(), job.plan.end()), (vec![30], Some(End::Done)));
    let mut job = Driven::new(rules);
    let late = End::Missed { due: Moment::Wall(wall(0)), late: ms(31) };
    assert_eq!((job.sleep_to(31).begun.clone(), job.plan.end(), job.missed()), (vec![], Some(late), 1));
}

#[test]
fn the_job_ends_after_so_many_runs_or_with_its_last_moment() {
    let mut job = Driven::new(Rules { times: 3, ..every_100() });
    assert_eq!((job.run_to(900).begun.clone(), job.plan.end()), (vec![100, 200, 300], Some(End::Done)));
    for until in [Moment::Monotonic(time(200)), Moment::Wall(wall(299))] {
        let mut job = Driven::new(Rules { until: Some(until), ..every_100() });
        assert_eq!((job.run_to(900).begun.clone(), job.plan.end()), (vec![100, 200], Some(End::Done)));
    }
    let mut job = Driven::new(Rules { times: 2, missed: Missed::CatchUp, ..every_100() });
    assert_eq!(job.sleep_to(900).begun, [900, 900]);
}

#[test]
fn a_job_is_over_when_its_last_run_is() {
    let mut job = Driven::new(Rules { times: 1, ..every_100() });
    job.short = false;
    assert_eq!(job.run_to(150).plan.end(), None);
    assert_eq!((job.plan.next_run(job.clocks.now()), job.plan.wake(job.clocks.now())), (None, None));
    assert_eq!(job.finish().plan.end(), Some(End::Done));
}

#[test]
fn a_cancelled_job_begins_nothing_and_ends_when_its_runs_have() {
    let mut job = Driven::new(every_100());
    job.short = false;
    job.run_to(250);
    assert!(job.plan.cancel());
    assert!(!job.plan.cancel(), "it is no news");
    assert_eq!((job.run_to(900).begun.clone(), job.plan.end()), (vec![100], None));
    assert_eq!(job.finish().plan.end(), Some(End::Cancelled));
}

#[test]
fn a_single_run_that_has_begun_cannot_be_cancelled() {
    let mut job = Driven::new(Rules::once(Moment::Monotonic(time(10))));
    job.short = false;
    job.run_to(20);
    assert!(!job.plan.cancel());
    assert_eq!(job.finish().plan.end(), Some(End::Done));
}

// ---- the clock on the wall is set ----

#[test]
fn a_clock_that_is_set_forward_brings_a_run_at_once() {
    let mut job = Driven::new(Rules::once(Moment::Wall(wall(10_000))));
    job.run_to(1000).set_clock(20_000);
    assert_eq!(job.begun, [1000]);
}

#[test]
fn a_clock_that_is_set_back_puts_a_run_off() {
    let mut job = Driven::new(Rules::once(Moment::Wall(wall(10_000))));
    job.run_to(9000).set_clock(-5000);
    assert_eq!(job.run_to(14_999).begun, []);
    assert_eq!(job.run_to(15_000).begun, [15_000]);
}

/// If nobody has told it of the change, the look at the moment for which it was armed does.
#[test]
fn a_run_is_not_early_though_nobody_saw_the_clock_set() {
    let mut job = Driven::new(Rules::once(Moment::Wall(wall(10_000))));
    job.run_to(9000).clocks.set = -500;
    assert_eq!(job.sleep_to(10_000).begun, []);
    assert_eq!(job.run_to(20_000).begun, [10_500]);
}

#[test]
fn a_line_of_runs_follows_the_clock_on_the_wall_and_none_comes_twice() {
    let first = Moment::Wall(wall(1000));
    let mut job = Driven::new(Rules { first, every: ms(1000), ..every_100() });
    // Set forward over three of them, then back: the fourth is the first that has not come.
    job.run_to(1500).set_clock(3000);
    assert_eq!((job.begun.clone(), job.missed()), (vec![1000, 1500], 2));
    job.set_clock(-3000);
    assert_eq!(job.run_to(6000).begun[2..], [5000, 6000]);
}

#[test]
fn other_jobs_do_not_care() {
    let mut job = Driven::new(every_100());
    job.run_to(150).set_clock(1_000_000).run_to(250).set_clock(-2_000_000);
    assert_eq!(job.run_to(350).begun, [100, 200, 300]);
}

#[test]
fn the_end_on_the_wall_follows_that_clock() {
    let mut job = Driven::new(Rules { until: Some(Moment::Wall(wall(1000))), ..every_100() });
    job.run_to(350).set_clock(700);
    assert_eq!((job.run_to(900).begun.len(), job.plan.end()), (3, Some(End::Done)));
}

// ---- whatever happens ----

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Set(i64),
    Finish,
    Pause,
    Resume,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u64..500).prop_map(Step::Wait),
        1 => (-2000i64..2000).prop_map(Step::Set),
        2 => Just(Step::Finish),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
    ];
    proptest::collection::vec(step, 0..60)
}

fn rules() -> impl Strategy<Value = Rules> {
    let missed = prop_oneof![Just(Missed::Coalesce), Just(Missed::Skip), Just(Missed::CatchUp)];
    let grace = proptest::option::of((0u64..300).prop_map(ms));
    (missed, grace, 1usize..4, 0u64..=100, any::<u64>(), any::<bool>()).prop_map(
        |(missed, misfire_grace, max_instances, jitter, seed, on_wall)| Rules {
            first: if on_wall { Moment::Wall(wall(100)) } else { Moment::Monotonic(time(100)) },
            missed,
            misfire_grace,
            max_instances,
            jitter: ms(jitter),
            seed,
            ..every_100()
        },
    )
}

proptest! {
    /// Each moment that has come is begun, missed or still owed, and no more run at once than may.
    #[test]
    fn every_run_is_accounted_for(rules in rules(), steps in steps()) {
        let mut job = Driven::new(rules);
        job.short = false;
        let mut furthest = 0;
        for step in steps {
            match step {
                Step::Wait(for_ms) => job.clocks.passed += for_ms,
                Step::Set(by) => job.clocks.set += by,
                Step::Finish => job.plan.finish(false),
                Step::Pause => job.plan.pause(),
                Step::Resume => job.plan.resume(job.clocks.now()),
            }
            job.look();
            let now = match rules.first {
                Moment::Wall(_) => job.clocks.now().wall.nanos() - DATE * 1_000_000,
                Moment::Monotonic(_) => job.clocks.now().time.nanos() - START * 1_000_000,
            };
            furthest = furthest.max(now.min(u64::MAX / 2));
            let stats = job.plan.stats();
            let owed = job.plan.owed_runs();
            // By its last moment without the chance, or the one before.
            let due = furthest / 100_000_000;
            prop_assert!((due.saturating_sub(1)..=due).contains(&(stats.runs + stats.missed + owed)));
            prop_assert!(stats.running <= rules.max_instances);
            prop_assert!(owed == 0 || job.plan.is_paused() || stats.running == rules.max_instances);
        }
    }

    /// A run begins at its moment or up to the jitter later, never earlier, and the same whenever it is asked.
    #[test]
    fn the_chance_is_within_its_bounds(seed in any::<u64>(), jitter in 0u64..=100) {
        let mut job = Driven::new(Rules { jitter: ms(jitter), seed, missed: Missed::CatchUp, ..every_100() });
        let mut begun = Vec::new();
        while begun.len() < 20 {
            let wake = job.plan.wake(job.clocks.now()).unwrap();
            begun.push(wake.nanos() - time(0).nanos());
            let before = Now { time: Time::from_nanos(wake.nanos() - 1), wall: wall(0) };
            prop_assert_eq!(job.plan.look(before), 0);
            prop_assert_eq!(job.plan.look(Now { time: wake, ..before }), 1);
            job.plan.finish(false);
        }
        for (point, begun) in (1..).zip(begun) {
            let earliest = point * 100_000_000;
            prop_assert!((earliest..=earliest + jitter * 1_000_000).contains(&begun), "{} at {}", point, begun);
        }
    }
}

#[test]
fn the_chance_uses_its_bounds() {
    let rules = Rules { jitter: ms(50), seed: 7, ..every_100() };
    let plan = |seed| Plan::new(Rules { seed, ..rules });
    let late = |seed| plan(seed).wake(Clocks::default().now()).unwrap().since(time(100));
    let all: Vec<_> = (0..1000).map(late).collect();
    assert!(all.iter().min().unwrap() < &ms(2) && all.iter().max().unwrap() > &ms(48));
}
