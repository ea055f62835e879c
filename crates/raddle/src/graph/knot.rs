//! Threads none of which can go on before another of them does, where a wait may be ended by any of several: a job that
//! waits in a full pool begins as soon as any worker has ended its own.
//!
//! A way along single holders ([`walk`](super::walk)) cannot see that: it would have to follow all workers at once. So where
//! it ends at a thing with helpers, all threads that could end any of the waits are collected. If each of them waits for
//! good, nobody outside can help: a knot. Whether somebody outside might do something out of the ordinary (cancel the job)
//! is not known, so a knot is told of and never raised.

use std::collections::VecDeque;

use super::{Found, Hold, Record, Step};

/// A cycle in a knot, and the whole of it.
#[derive(Debug)]
pub(crate) struct Knot {
    /// From the thread that looked back to itself.
    pub(crate) cycle: Vec<Step>,
    /// The epochs of all waits, in order: the same ones later are the same waits.
    pub(crate) epochs: Vec<u64>,
}

struct Node {
    serial: u64,
    record: Record,
    /// Who could end the wait.
    ways: Vec<Hold>,
    /// The node from which this one was found first.
    from: usize,
}

impl Node {
    fn new(serial: u64, record: Record, from: usize) -> Option<Node> {
        let ways: Vec<_> = match record.resource.holder() {
            Some(hold) => vec![hold],
            None => record.resource.helpers().into_iter().map(shared).collect(),
        };
        (!record.timed && !ways.is_empty()).then_some(Node { serial, record, ways, from })
    }
}

fn shared(serial: u64) -> Hold {
    Hold { serial, owned: false, strict: false }
}

/// The knot that thread `start`, which waits as `record` says, is in.
pub(crate) fn knot(start: u64, record: Record, find: impl Fn(u64) -> Found) -> Option<Knot> {
    let mut nodes = vec![Node::new(start, record, 0)?];
    let mut ahead = VecDeque::from([0]);
    let mut last = None;
    while let Some(at) = ahead.pop_front() {
        for way in nodes[at].ways.clone() {
            if way.serial == start {
                last.get_or_insert(at);
            }
            if nodes.iter().any(|node| node.serial == way.serial) {
                continue;
            }
            let Found::Waiting(record) = find(way.serial) else { return None };
            ahead.push_back(nodes.len());
            nodes.push(Node::new(way.serial, record, at)?);
        }
    }
    let mut epochs: Vec<_> = nodes.iter().map(|node| node.record.epoch).collect();
    epochs.sort_unstable();
    Some(Knot { cycle: cycle(&nodes, last?), epochs })
}

/// The steps from the first node to the one at `last`, each with the hold that leads to the next.
fn cycle(nodes: &[Node], last: usize) -> Vec<Step> {
    let (mut steps, mut at, mut next) = (Vec::new(), last, nodes[0].serial);
    loop {
        let node = &nodes[at];
        let hold = node.ways.iter().find(|way| way.serial == next).copied().unwrap_or(shared(next));
        steps.push(Step { serial: node.serial, record: node.record.clone(), hold });
        if at == 0 {
            steps.reverse();
            return steps;
        }
        (next, at) = (node.serial, node.from);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Call, Description, Resource};
    use crate::seam::Time;
    use crate::wait::Waiter;

    #[derive(Debug)]
    struct Thing(Vec<u64>);

    impl Resource for Thing {
        fn holder(&self) -> Option<Hold> {
            None
        }
        fn helpers(&self) -> Vec<u64> {
            self.0.clone()
        }
        fn describe(&self) -> Description {
            Description::default()
        }
    }

    fn waits_for(helpers: &[u64], timed: bool) -> Record {
        Record {
            epoch: 0,
            resource: Arc::new(Thing(helpers.to_vec())),
            waiter: Waiter::new(&Arc::default()),
            call: Call::Result,
            site: None,
            since: Time(0),
            timed,
        }
    }

    /// Each entry: who could help thread i+1; none: it runs. The way back to thread 1, if it is in a knot.
    fn knot_of_1(helpers: &[&[u64]]) -> Option<Vec<u64>> {
        let find = |serial: u64| match helpers.get(serial as usize - 1) {
            Some([]) => Found::Running,
            Some(helpers) => Found::Waiting(waits_for(helpers, false)),
            None => Found::Ended,
        };
        let knot = knot(1, waits_for(helpers[0], false), find)?;
        Some(knot.cycle.iter().map(|step| step.serial).collect())
    }

    #[test]
    fn the_only_worker_waits_for_a_job_behind_its_own() {
        assert_eq!(knot_of_1(&[&[1]]), Some(vec![1]));
    }

    #[test]
    fn all_workers_wait_for_jobs_behind_their_own() {
        assert_eq!(knot_of_1(&[&[1, 2, 3], &[1, 2, 3], &[1, 2, 3]]), Some(vec![1]));
        assert_eq!(knot_of_1(&[&[2, 3], &[3], &[1]]), Some(vec![1, 3]));
    }

    #[test]
    fn one_that_runs_may_help_all() {
        assert_eq!(knot_of_1(&[&[1, 2], &[]]), None);
        assert_eq!(knot_of_1(&[&[1, 2], &[1, 3], &[]]), None);
    }

    #[test]
    fn whoever_only_waits_for_a_knot_is_not_in_it() {
        assert_eq!(knot_of_1(&[&[2], &[2]]), None);
    }

    #[test]
    fn a_time_limit_ends_any_knot() {
        assert!(knot(1, waits_for(&[1], true), |_| Found::Running).is_none());
    }
}
