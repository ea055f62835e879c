//! The way from a waiting thread to whatever it depends on in the end.

use super::{Hold, Record};

/// One thread on the way that waits, and the hold it waits for.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) serial: u64,
    pub(crate) record: Record,
    pub(crate) hold: Hold,
}

/// The steps of a way, and its end.
pub(crate) type Walk = (Vec<Step>, End);

/// Where the way ends.
#[derive(Clone, Debug, Default)]
pub(crate) enum End {
    /// At its beginning: the steps are a cycle.
    Cycle,
    /// At an object whose holder has ended.
    Dead,
    /// At an object that any of several threads may give.
    Shared,
    /// Anywhere else: at a thread that runs or will by itself, at an object that nobody in particular holds, or in a cycle further on,
    /// which is the business of those who are in it.
    #[default]
    Open,
}

/// What a walk needs to know of a thread.
pub(crate) enum Found {
    /// It waits.
    Waiting(Record),
    /// It does not wait for anything.
    Running,
    /// There is no such thread any more.
    Ended,
}

impl Found {
    /// Whether nothing but another thread can end its wait, and none has yet.
    pub(super) fn is_asleep(&self) -> bool {
        matches!(self, Found::Waiting(record) if record.is_asleep())
    }
}

/// A way that may fork: where a thing is held by several, each of them has to let go.
#[derive(Default)]
struct Way {
    steps: Walked,
    /// What was passed by: how many steps lead there, and the one that was not taken.
    forks: Vec<(usize, Step)>,
    /// Threads that the way has come through.
    met: Vec<u64>,
}

type Walked = Vec<Step>;

impl Way {
    /// The step from thread `serial`, which waits as `record` says, to the first of those it waits for.
    fn step(&mut self, serial: u64, record: Record, find: &impl Fn(u64) -> Found) -> Result<Step, End> {
        let Some(hold) = record.resource.holder() else {
            let alone = record.resource.helpers(&|serial| !find(serial).is_asleep()).is_empty();
            return Err(if alone { End::Open } else { End::Shared });
        };
        for other in record.resource.other_holders() {
            self.forks.push((self.steps.len(), Step { serial, record: record.clone(), hold: other }));
        }
        Ok(Step { serial, record, hold })
    }

    /// Takes a step; where it leads to, if the way goes on from there.
    fn take(&mut self, start: u64, step: Step, find: &impl Fn(u64) -> Found) -> Result<(u64, Record), End> {
        let next = step.hold.serial;
        self.steps.push(step);
        if next == start {
            return Err(End::Cycle);
        }
        if self.met.contains(&next) {
            return Err(End::Open);
        }
        self.met.push(next);
        match find(next) {
            // A wait with a limit ends by itself, and must not hide, where the way forks, what lies on the other side.
            Found::Waiting(record) if record.timed => Err(End::Open),
            Found::Waiting(record) => Ok((next, record)),
            Found::Running => Err(End::Open),
            Found::Ended => Err(End::Dead),
        }
    }
}

/// Follows holders from thread `start`, which waits as `record` says. `find` is asked once for each thread on the way, and for
/// helpers. Of several ends a cycle counts most, then whatever is not open.
pub(crate) fn walk(start: u64, record: Record, find: impl Fn(u64) -> Found) -> Walk {
    let mut way = Way { steps: Vec::with_capacity(2), ..Way::default() };
    let mut best = None;
    let mut step = way.step(start, record, &find);
    loop {
        let end = match step.and_then(|step| way.take(start, step, &find)) {
            Ok((serial, record)) => {
                step = way.step(serial, record, &find);
                continue;
            }
            Err(end) => end,
        };
        let Some((depth, other)) = way.forks.pop().filter(|_| !matches!(end, End::Cycle)) else {
            return best.filter(|_| !matches!(end, End::Cycle)).unwrap_or((way.steps, end));
        };
        if !matches!(end, End::Open) {
            best.get_or_insert_with(|| (way.steps.clone(), end));
        }
        way.steps.truncate(depth);
        step = Ok(other);
    }
}

/// Whether two walks saw the same threads in the same waits for the same holds.
pub(crate) fn same(one: &[Step], two: &[Step]) -> bool {
    let key = |step: &Step| (step.serial, step.record.epoch, step.hold);
    one.iter().map(key).eq(two.iter().map(key))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Call, Description, Resource};
    use crate::seam::Time;
    use crate::wait::Waiter;

    #[derive(Debug)]
    struct Held(Vec<u64>);

    fn hold(serial: &u64) -> Hold {
        Hold { serial: *serial, owned: true, strict: false }
    }

    impl Resource for Held {
        fn holder(&self) -> Option<Hold> {
            self.0.first().map(hold)
        }
        fn other_holders(&self) -> Vec<Hold> {
            self.0.iter().skip(1).map(hold).collect()
        }
        fn describe(&self) -> Description {
            Description::default()
        }
    }

    fn waits_for(holders: &[u64]) -> Record {
        Record {
            epoch: 0,
            resource: Arc::new(Held(holders.to_vec())),
            waiter: Waiter::new(&Arc::default()),
            call: Call::Acquire,
            site: None,
            since: Time(0),
            timed: false,
        }
    }

    /// Each entry: thread i+1 waits for a thing of the given holders; none: it runs. Threads beyond the end have ended.
    fn walk_from_1_to(holders: &[&[u64]]) -> (usize, End) {
        let find = |serial: u64| match holders.get(serial as usize - 1) {
            Some([]) => Found::Running,
            Some(holders) => Found::Waiting(waits_for(holders)),
            None => Found::Ended,
        };
        let (steps, end) = walk(1, waits_for(holders[0]), find);
        (steps.len(), end)
    }

    /// The same with one holder each.
    fn walk_from_1(holders: &[Option<u64>]) -> (usize, End) {
        let holders: Vec<&[u64]> = holders.iter().map(Option::as_slice).collect();
        walk_from_1_to(&holders)
    }

    #[test]
    fn finds_the_cycle_it_is_in() {
        assert!(matches!(walk_from_1(&[Some(2), Some(3), Some(1)]), (3, End::Cycle)));
        assert!(matches!(walk_from_1(&[Some(1)]), (1, End::Cycle)));
    }

    #[test]
    fn leaves_a_cycle_further_on_to_those_in_it() {
        assert!(matches!(walk_from_1(&[Some(2), Some(3), Some(2)]), (3, End::Open)));
    }

    #[test]
    fn ends_at_a_running_thread_and_at_a_dead_one() {
        assert!(matches!(walk_from_1(&[Some(2), None]), (1, End::Open)));
        assert!(matches!(walk_from_1(&[Some(2), Some(9)]), (2, End::Dead)));
    }

    #[test]
    fn goes_through_each_of_several_holders() {
        assert!(matches!(walk_from_1_to(&[&[2, 3], &[], &[1]]), (2, End::Cycle)));
        assert!(matches!(walk_from_1_to(&[&[3, 2, 4], &[4], &[], &[2, 1]]), (2, End::Cycle)));
        assert!(matches!(walk_from_1_to(&[&[2, 3], &[3], &[2]]), (_, End::Open)));
    }

    #[test]
    fn a_dead_one_among_several_holders_is_found() {
        assert!(matches!(walk_from_1_to(&[&[2, 9, 3], &[], &[]]), (1, End::Dead)));
        assert!(matches!(walk_from_1_to(&[&[9, 2], &[1]]), (2, End::Cycle)));
    }
}
