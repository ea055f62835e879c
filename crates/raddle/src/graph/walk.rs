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
    /// Anywhere else: at a thread that runs, at an object that nobody in particular holds, or in a cycle further on,
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

/// Follows holders from thread `start`, which waits as `record` says. `find` is asked once for each thread on the way, and for
/// helpers.
pub(crate) fn walk(start: u64, record: Record, find: impl Fn(u64) -> Found) -> Walk {
    let mut steps: Vec<Step> = Vec::with_capacity(2);
    let (mut serial, mut record) = (start, record);
    loop {
        let Some(hold) = record.resource.holder() else {
            let alone = record.resource.helpers(&|serial| !find(serial).is_asleep()).is_empty();
            return (steps, if alone { End::Open } else { End::Shared });
        };
        steps.push(Step { serial, record, hold });
        if hold.serial == start {
            return (steps, End::Cycle);
        }
        if steps.iter().any(|step| step.serial == hold.serial) {
            return (steps, End::Open);
        }
        serial = hold.serial;
        record = match find(serial) {
            Found::Waiting(record) => record,
            Found::Running => return (steps, End::Open),
            Found::Ended => return (steps, End::Dead),
        };
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
    struct Held(Option<u64>);

    impl Resource for Held {
        fn holder(&self) -> Option<Hold> {
            self.0.map(|serial| Hold { serial, owned: true, strict: false })
        }
        fn describe(&self) -> Description {
            Description::default()
        }
    }

    fn waits_for(holder: Option<u64>) -> Record {
        Record {
            epoch: 0,
            resource: Arc::new(Held(holder)),
            waiter: Waiter::new(&Arc::default()),
            call: Call::Acquire,
            site: None,
            since: Time(0),
            timed: false,
        }
    }

    /// Each entry: thread i+1 waits for a thing of the given holder; None: it runs. Threads beyond the end have ended.
    fn walk_from_1(holders: &[Option<u64>]) -> (usize, End) {
        let find = |serial: u64| match holders.get(serial as usize - 1) {
            Some(Some(holder)) => Found::Waiting(waits_for(Some(*holder))),
            Some(None) => Found::Running,
            None => Found::Ended,
        };
        let (steps, end) = walk(1, waits_for(holders[0]), find);
        (steps.len(), end)
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
}
