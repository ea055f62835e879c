//! Threads none of which can go on before another of them does, where a wait may be ended by any of several: a job that
//! waits in a full pool begins as soon as any worker has ended its own; or needs several things to come about: all of the
//! jobs that it waits for.
//!
//! A way along single holders ([`walk`](super::walk)) cannot see that: it would have to follow all workers at once. So where
//! it ends at a thing with helpers, everybody is collected who may have to go on first, in groups: a wait needs one of each.
//! Whoever has one in each group that runs, or that may go on itself, may go on. When nobody is left of whom that can be
//! said, the others are stuck for good: a knot. Whether somebody outside might do something out of the ordinary (cancel the
//! job) is not known, so a knot is told of and never raised.
//!
//! Of those who are stuck, only the ones who stand on a way back to themselves tell: whoever came last closed the knot, so
//! such a way leads through it.

use std::collections::VecDeque;

use super::verdict::Reason;
use super::{Call, Found, Hold, Record, Step};

/// A cycle in a knot, and the whole of it.
#[derive(Debug)]
pub(crate) struct Knot {
    /// From the thread that looked back to itself.
    pub(crate) cycle: Vec<Step>,
    /// The epochs of all waits, in order: the same ones later are the same waits.
    pub(crate) epochs: Vec<u64>,
}

impl Knot {
    /// Why it is told and not raised.
    pub(crate) fn reason(&self) -> Reason {
        let is_first_of_several =
            |step: &Step| step.record.call == Call::Join && step.record.resource.holder().is_none();
        if self.cycle.iter().any(is_first_of_several) { Reason::FirstOfSeveral } else { Reason::Job }
    }
}

struct Node {
    serial: u64,
    record: Record,
    /// Who has to go on first: one of each.
    groups: Vec<Vec<Hold>>,
    /// It may go on.
    free: bool,
}

impl Node {
    /// Nothing, if the wait may end by itself or nobody knows who could end it.
    fn new(serial: u64, record: Record, runs: &dyn Fn(u64) -> bool) -> Option<Node> {
        if !record.is_asleep() {
            return None;
        }
        let groups: Vec<Vec<Hold>> = match record.resource.holder() {
            Some(hold) => [hold].into_iter().chain(record.resource.other_holders()).map(|hold| vec![hold]).collect(),
            None => {
                let helpers = record.resource.helpers(runs);
                helpers.into_iter().map(|group| group.into_iter().map(shared).collect()).collect()
            }
        };
        (!groups.is_empty()).then_some(Node { serial, record, groups, free: false })
    }
}

fn shared(serial: u64) -> Hold {
    Hold { serial, owned: false, strict: false }
}

/// The knot that thread `start`, which waits as `record` says, is in.
pub(crate) fn knot(start: u64, record: Record, find: impl Fn(u64) -> Found) -> Option<Knot> {
    let mut nodes = collect(start, record, &find)?;
    set_free(&mut nodes);
    cycle(&nodes)
}

/// Thread `start`, if it sleeps, and all who may have to go on first and sleep as well.
fn collect(start: u64, record: Record, find: &dyn Fn(u64) -> Found) -> Option<Vec<Node>> {
    let runs = |serial| !find(serial).is_asleep();
    let mut nodes = vec![Node::new(start, record, &runs)?];
    let (mut known, mut at) = (vec![start], 0);
    while at < nodes.len() {
        let ways: Vec<_> = nodes[at].groups.iter().flatten().map(|way| way.serial).collect();
        for serial in ways {
            if known.contains(&serial) {
                continue;
            }
            known.push(serial);
            if let Found::Waiting(record) = find(serial) {
                nodes.extend(Node::new(serial, record, &runs));
            }
        }
        at += 1;
    }
    Some(nodes)
}

fn place(nodes: &[Node], serial: u64) -> Option<usize> {
    nodes.iter().position(|node| node.serial == serial && !node.free)
}

/// Marks all who may go on.
fn set_free(nodes: &mut [Node]) {
    let is_stuck = |nodes: &[Node], group: &[Hold]| group.iter().all(|way| place(nodes, way.serial).is_some());
    loop {
        let freed = nodes.iter().position(|node| !node.free && !node.groups.iter().any(|group| is_stuck(nodes, group)));
        match freed {
            Some(at) => nodes[at].free = true,
            None => return,
        }
    }
}

/// The way from the first node back to itself along groups none of which can go on, if there is one, and all that can be
/// reached so.
fn cycle(nodes: &[Node]) -> Option<Knot> {
    if nodes[0].free {
        return None;
    }
    let (mut ahead, mut from, mut last) = (VecDeque::from([0]), vec![None; nodes.len()], None);
    let mut epochs = Vec::new();
    while let Some(at) = ahead.pop_front() {
        epochs.push(nodes[at].record.epoch);
        for group in &nodes[at].groups {
            let Some(group) = group.iter().map(|way| place(nodes, way.serial)).collect::<Option<Vec<_>>>() else {
                continue;
            };
            for next in group {
                if next == 0 {
                    last.get_or_insert(at);
                } else if from[next].is_none() {
                    from[next] = Some(at);
                    ahead.push_back(next);
                }
            }
        }
    }
    epochs.sort_unstable();
    Some(Knot { cycle: steps(nodes, &from, last?), epochs })
}

/// The steps from the first node to the one at `last`, each with the hold that leads to the next.
fn steps(nodes: &[Node], from: &[Option<usize>], last: usize) -> Vec<Step> {
    let (mut steps, mut at, mut next) = (Vec::new(), last, nodes[0].serial);
    loop {
        let node = &nodes[at];
        let way = node.groups.iter().flatten().find(|way| way.serial == next);
        let hold = way.copied().unwrap_or(shared(next));
        steps.push(Step { serial: node.serial, record: node.record.clone(), hold });
        let Some(before) = from[at] else {
            steps.reverse();
            return steps;
        };
        (next, at) = (node.serial, before);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Description, Resource};
    use crate::seam::Time;
    use crate::wait::Waiter;

    #[derive(Debug)]
    struct Thing(Vec<Vec<u64>>);

    impl Resource for Thing {
        fn holder(&self) -> Option<Hold> {
            None
        }
        fn helpers(&self, _: &dyn Fn(u64) -> bool) -> Vec<Vec<u64>> {
            self.0.clone()
        }
        fn describe(&self) -> Description {
            Description::default()
        }
    }

    fn waits_for(helpers: &[&[u64]], timed: bool) -> Record {
        Record {
            epoch: 0,
            resource: Arc::new(Thing(helpers.iter().map(|group| group.to_vec()).collect())),
            waiter: Waiter::new(&Arc::default()),
            call: Call::Result,
            site: None,
            since: Time(0),
            timed,
        }
    }

    /// Each entry: the groups of which thread i+1 needs one each; none: it runs. The way back to thread 1, if it is in a knot.
    fn knot_of(threads: &[&[&[u64]]]) -> Option<Vec<u64>> {
        let find = |serial: u64| match threads.get(serial as usize - 1) {
            Some([]) => Found::Running,
            Some(groups) => Found::Waiting(waits_for(groups, false)),
            None => Found::Ended,
        };
        let knot = knot(1, waits_for(threads[0], false), find)?;
        Some(knot.cycle.iter().map(|step| step.serial).collect())
    }

    /// The same with one group each.
    fn knot_of_1(helpers: &[&[u64]]) -> Option<Vec<u64>> {
        let groups: Vec<_> = helpers.iter().map(|group| if group.is_empty() { vec![] } else { vec![*group] }).collect();
        knot_of(&groups.iter().map(Vec::as_slice).collect::<Vec<_>>())
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
    fn one_of_each_group_is_needed() {
        // 3 runs, so the second group of 1 is no obstacle; the first is.
        assert_eq!(knot_of(&[&[&[1, 2], &[3]], &[&[1, 2]], &[]]), Some(vec![1]));
        assert_eq!(knot_of(&[&[&[3], &[1, 2]], &[&[1, 2]], &[]]), Some(vec![1]));
        assert_eq!(knot_of(&[&[&[1, 3], &[2, 3]], &[&[1]], &[]]), None);
    }

    #[test]
    fn whoever_waits_for_one_that_may_go_on_may_go_on() {
        assert_eq!(knot_of(&[&[&[1, 2]], &[&[3]], &[&[4]], &[]]), None);
        assert_eq!(knot_of(&[&[&[2]], &[&[1, 3]], &[&[4, 1]], &[]]), None);
    }

    #[test]
    fn a_time_limit_ends_any_knot() {
        assert!(knot(1, waits_for(&[&[1]], true), |_| Found::Running).is_none());
    }
}
