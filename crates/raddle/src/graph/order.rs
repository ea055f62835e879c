//! In which orders threads take locks while they hold others, and whether two of these orders are opposite.
//!
//! A pure structure: locks are numbers that are never used again, and what a reader wants to know of a take (`E`) is the
//! caller's. An *order* is "the second was taken while the first was held"; its *witnesses* say by which threads, and what
//! each held then. Orders in a circle (A then B, B then A; or A-B, B-C, C-A) are an inversion if each can have a witness
//! such that
//!
//! - all are different threads: one thread cannot wait for itself in two places;
//! - no lock was held by two of them: two threads that hold a common lock (a gate) are never there at the same time. Unless
//!   both hold it to read.
//!
//! Who wants to read waits for nobody who reads, so that is no part of a circle; that a writer may stand in line between them
//! is not considered.
//!
//! That is Havelund's GoodLock. Unlike Linux's lockdep it is about single locks, not about classes of them: the thousand
//! accounts of a bank are made in one line, and whoever locks two of them by their numbers is right.
//!
//! Everything is bounded, and where a bound is met an inversion is missed, never made up: an order has at most [`WITNESSES`]
//! witnesses, there are at most [`ORDERS`] orders, circles have at most [`LONGEST`] locks, and a search ends after
//! [`STEPS`] steps.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

const WITNESSES: usize = 8;
const ORDERS: usize = 1 << 16;
const LONGEST: usize = 8;
const STEPS: usize = 10_000;
/// How many inversions are told at most, of locks that are alive.
const TOLD: usize = 1000;

/// A lock's number.
pub(crate) type Number = u64;

/// What a thread holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) alone: BTreeSet<Number>,
    /// To read, as others may at the same time.
    pub(crate) reading: BTreeSet<Number>,
}

impl Held {
    pub(crate) fn contains(&self, lock: &Number) -> bool {
        self.alone.contains(lock) || self.reading.contains(lock)
    }

    /// Whether a thread that holds `more` keeps away everybody whom this keeps away.
    fn is_within(&self, more: &Held) -> bool {
        self.alone.is_subset(&more.alone) && self.reading.iter().all(|lock| more.contains(lock))
    }

    /// Whether nobody can hold this while somebody else holds `other`.
    fn excludes(&self, other: &Held) -> bool {
        self.alone.iter().any(|lock| other.contains(lock)) || !self.reading.is_disjoint(&other.alone)
    }
}

/// A take of a lock by a thread that held another one.
#[derive(Clone, Debug)]
pub(crate) struct Lesson<E> {
    pub(crate) first: Number,
    pub(crate) second: Number,
    /// Whether it held the first to read, and took the second to read.
    pub(crate) reads: (bool, bool),
    /// The serial of the thread.
    pub(crate) thread: u64,
    /// All that it held then, `first` among them.
    pub(crate) held: Held,
    pub(crate) evidence: E,
}

impl<E> Lesson<E> {
    /// Whether this, about the same two locks, tells no less than `other`: who held less excludes less.
    fn tells_all_of(&self, other: &Self) -> bool {
        self.reads == other.reads && self.held.is_within(&other.held)
    }

    /// Whether who took the second lock of this one would have waited for who held it as the first of `next`.
    fn waits_for(&self, next: &Self) -> bool {
        !(self.reads.1 && next.reads.0)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Orders<E> {
    locks: HashMap<Number, Lock<E>>,
    orders: usize,
    /// The locks of each inversion that was told.
    told: HashSet<BTreeSet<Number>>,
}

#[derive(Debug)]
struct Lock<E> {
    /// What was taken while this was held.
    then: BTreeMap<Number, Vec<Lesson<E>>>,
    /// What was held while this was taken.
    before: BTreeSet<Number>,
    /// A thread has released what another one had taken: it is a signal, not a lock, and nothing follows from its order.
    shared: bool,
}

impl<E> Default for Lock<E> {
    fn default() -> Self {
        Lock { then: BTreeMap::new(), before: BTreeSet::new(), shared: false }
    }
}

impl<E> Default for Orders<E> {
    fn default() -> Self {
        Orders { locks: HashMap::new(), orders: 0, told: HashSet::new() }
    }
}

/// What has come of a lesson.
#[derive(Debug)]
pub(crate) struct Learned<E> {
    /// The circle that it closes, if there is one that was not told yet: what each take's thread took second, the next
    /// one's held first. The lesson itself comes last.
    pub(crate) inversion: Option<Vec<E>>,
    /// What is not needed any more. To be dropped where that may run code.
    pub(crate) waste: Vec<Lesson<E>>,
}

impl<E: Clone> Orders<E> {
    /// Adds what a thread did.
    pub(crate) fn learn(&mut self, lesson: Lesson<E>) -> Learned<E> {
        let mut waste = Vec::new();
        if self.is_shared(lesson.first) || self.is_shared(lesson.second) || self.knows(&lesson) {
            waste.push(lesson);
            return Learned { inversion: None, waste };
        }
        let inversion = self.inversion(&lesson);
        if let Some(circle) = &inversion {
            self.told.insert(circle.iter().map(|lesson| lesson.first).collect());
        }
        let inversion = inversion.map(|circle| circle.iter().map(|lesson| lesson.evidence.clone()).collect());
        self.add(lesson, &mut waste);
        Learned { inversion, waste }
    }

    fn is_shared(&self, lock: Number) -> bool {
        self.locks.get(&lock).is_some_and(|lock| lock.shared)
    }

    /// Whether the thread has shown the same before, holding no more than now.
    fn knows(&self, lesson: &Lesson<E>) -> bool {
        let known = self.locks.get(&lesson.first).and_then(|lock| lock.then.get(&lesson.second));
        known.is_some_and(|known| known.iter().any(|known| known.thread == lesson.thread && known.tells_all_of(lesson)))
    }

    fn add(&mut self, lesson: Lesson<E>, waste: &mut Vec<Lesson<E>>) {
        let (first, second) = (lesson.first, lesson.second);
        let known = self.locks.get(&first).is_some_and(|lock| lock.then.contains_key(&second));
        if !known && self.orders == ORDERS {
            return waste.push(lesson);
        }
        self.orders += usize::from(!known);
        let witnesses = self.locks.entry(first).or_default().then.entry(second).or_default();
        let is_less = |old: &mut Lesson<E>| old.thread == lesson.thread && lesson.tells_all_of(old);
        waste.extend(witnesses.extract_if(.., is_less));
        // Who held less tells more.
        let more = |old: &&mut Lesson<E>| lesson.tells_all_of(old) && lesson.held != old.held;
        if witnesses.len() < WITNESSES {
            witnesses.push(lesson);
        } else if let Some(more) = witnesses.iter_mut().find(more) {
            waste.push(std::mem::replace(more, lesson));
        } else {
            waste.push(lesson);
        }
        self.locks.entry(second).or_default().before.insert(first);
    }

    /// A circle that `last` closes and that was not told yet.
    fn inversion(&self, last: &Lesson<E>) -> Option<Vec<Lesson<E>>> {
        if self.told.len() == TOLD {
            return None;
        }
        let mut search = Search { orders: self, goal: last.first, chosen: vec![last], steps: STEPS };
        let found = search.reaches(last.second) && search.close(last.second);
        found.then(|| {
            search.chosen.rotate_left(1);
            search.chosen.into_iter().cloned().collect()
        })
    }

    /// The lock is no more. What is returned is to be dropped where that may run code.
    pub(crate) fn forget(&mut self, lock: Number) -> Vec<Lesson<E>> {
        let waste = self.cut(lock);
        if self.locks.remove(&lock).is_some() {
            self.told.retain(|circle| !circle.contains(&lock));
        }
        waste
    }

    /// The lock was released by another thread than had taken it. As [`forget`](Orders::forget), and nothing is learned of
    /// the lock from now on.
    pub(crate) fn share(&mut self, lock: Number) -> Vec<Lesson<E>> {
        let waste = self.cut(lock);
        self.locks.entry(lock).or_default().shared = true;
        waste
    }

    /// Takes out all orders that the lock is part of.
    fn cut(&mut self, number: Number) -> Vec<Lesson<E>> {
        let Some(lock) = self.locks.get_mut(&number) else { return Vec::new() };
        let (then, before) = (std::mem::take(&mut lock.then), std::mem::take(&mut lock.before));
        for later in then.keys() {
            self.locks.get_mut(later).map(|lock| lock.before.remove(&number));
        }
        let earlier = before.iter().filter_map(|earlier| self.locks.get_mut(earlier)?.then.remove(&number));
        let waste: Vec<_> = earlier.chain(then.into_values()).collect();
        self.orders -= waste.len();
        waste.into_iter().flatten().collect()
    }
}

/// A search for the rest of a circle.
struct Search<'a, E> {
    orders: &'a Orders<E>,
    /// The lock with which the circle ends.
    goal: Number,
    chosen: Vec<&'a Lesson<E>>,
    /// How many are left.
    steps: usize,
}

impl<'a, E> Search<'a, E> {
    fn then(&self, lock: Number) -> impl Iterator<Item = (Number, &'a [Lesson<E>])> + use<'a, E> {
        let then = self.orders.locks.get(&lock).map(|lock| &lock.then);
        then.into_iter().flatten().map(|(next, witnesses)| (*next, witnesses.as_slice()))
    }

    /// Whether there is a way from `start` to the goal at all; mostly there is none, and this is cheaper than [`close`].
    ///
    /// [`close`]: Search::close
    fn reaches(&mut self, start: Number) -> bool {
        let (mut seen, mut ahead) = (HashSet::from([start]), vec![start]);
        while let Some(lock) = ahead.pop() {
            for (next, _) in self.then(lock) {
                if next == self.goal {
                    self.steps = STEPS;
                    return true;
                }
                if !self.step() {
                    return false;
                }
                if seen.insert(next) {
                    ahead.push(next);
                }
            }
        }
        false
    }

    fn step(&mut self) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0
    }

    /// Goes on from `lock` to the goal by orders whose witnesses can be there together; they are `chosen` then.
    fn close(&mut self, lock: Number) -> bool {
        for (next, witnesses) in self.then(lock) {
            let ends = next == self.goal;
            if !ends && (self.chosen.len() + 1 == LONGEST || self.passes(next)) {
                continue;
            }
            for witness in witnesses {
                if !self.step() {
                    return false;
                }
                if !self.follows(witness, ends) || !self.chosen.iter().all(|chosen| can_be_together(chosen, witness)) {
                    continue;
                }
                self.chosen.push(witness);
                if (ends && self.is_new()) || (!ends && self.close(next)) {
                    return true;
                }
                self.chosen.pop();
            }
        }
        false
    }

    /// Whether the last that was chosen would wait for `witness`, and that one, if the circle ends with it, for the first.
    fn follows(&self, witness: &Lesson<E>, ends: bool) -> bool {
        let waits = self.chosen.last().is_none_or(|last| last.waits_for(witness));
        waits && (!ends || self.chosen.first().is_none_or(|first| witness.waits_for(first)))
    }

    fn passes(&self, lock: Number) -> bool {
        self.chosen.iter().any(|chosen| chosen.second == lock)
    }

    fn is_new(&self) -> bool {
        !self.orders.told.contains(&self.chosen.iter().map(|chosen| chosen.first).collect::<BTreeSet<_>>())
    }
}

/// Whether two threads can each hold what they held at the same time.
fn can_be_together<E>(one: &Lesson<E>, other: &Lesson<E>) -> bool {
    one.thread != other.thread && !one.held.excludes(&other.held)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GATE: Number = 100;
    /// Added to the number of a lock that is taken to read.
    const READ: Number = 1 << 32;

    fn number(lock: Number) -> Number {
        lock % READ
    }

    fn reads(lock: Number) -> bool {
        lock >= READ
    }

    /// Thread `thread` takes the last of these locks while it holds all the others.
    fn lessons(thread: u64, locks: &[Number]) -> Vec<Lesson<(Number, Number)>> {
        let (second, held) = locks.split_last().unwrap();
        let all = |to_read| held.iter().filter(|lock| reads(**lock) == to_read).map(|lock| number(*lock)).collect();
        let lesson = |first: &Number| Lesson {
            first: number(*first),
            second: number(*second),
            reads: (reads(*first), reads(*second)),
            thread,
            held: Held { alone: all(false), reading: all(true) },
            evidence: (number(*first), number(*second)),
        };
        held.iter().map(lesson).collect()
    }

    /// The last inversion after these takes.
    fn after(takes: &[(u64, &[Number])]) -> Option<Vec<(Number, Number)>> {
        let mut orders = Orders::default();
        let all = takes.iter().flat_map(|(thread, locks)| lessons(*thread, locks));
        all.fold(None, |found, lesson| orders.learn(lesson).inversion.or(found))
    }

    #[test]
    fn two_threads_with_opposite_orders_and_the_last_take_comes_last() {
        assert_eq!(after(&[(7, &[1, 2]), (8, &[2, 1])]), Some(vec![(1, 2), (2, 1)]));
    }

    #[test]
    fn three_threads_in_a_circle() {
        assert_eq!(after(&[(7, &[1, 2]), (8, &[2, 3]), (9, &[3, 1])]), Some(vec![(1, 2), (2, 3), (3, 1)]));
        assert_eq!(after(&[(7, &[1, 2]), (8, &[2, 3]), (9, &[1, 3])]), None);
    }

    #[test]
    fn one_thread_cannot_wait_for_itself() {
        assert_eq!(after(&[(7, &[1, 2]), (7, &[2, 1])]), None);
        assert_eq!(after(&[(7, &[1, 2]), (8, &[2, 3]), (7, &[3, 1])]), None);
    }

    #[test]
    fn a_gate_keeps_them_apart_as_long_as_both_hold_it() {
        assert_eq!(after(&[(7, &[GATE, 1, 2]), (8, &[GATE, 2, 1])]), None);
        assert_eq!(after(&[(7, &[GATE, 1, 2]), (8, &[2, 1])]), Some(vec![(1, 2), (2, 1)]));
        let once_without = [(7, &[GATE, 1, 2][..]), (8, &[GATE, 2, 1]), (7, &[1, 2])];
        assert_eq!(after(&once_without), Some(vec![(2, 1), (1, 2)]));
    }

    #[test]
    fn a_reader_waits_for_no_reader() {
        assert_eq!(after(&[(7, &[READ + 1, READ + 2]), (8, &[READ + 2, READ + 1])]), None);
        assert_eq!(after(&[(7, &[READ + 1, 2]), (8, &[READ + 2, READ + 1])]), None);
        assert_eq!(after(&[(7, &[1, READ + 2]), (8, &[READ + 2, READ + 1])]), None);
        assert_eq!(after(&[(7, &[READ + 1, 2]), (8, &[READ + 2, 1])]), Some(vec![(1, 2), (2, 1)]));
        assert_eq!(after(&[(7, &[1, READ + 2]), (8, &[2, READ + 1])]), Some(vec![(1, 2), (2, 1)]));
    }

    #[test]
    fn a_gate_that_both_read_is_none() {
        assert!(after(&[(7, &[GATE + READ, 1, 2]), (8, &[GATE + READ, 2, 1])]).is_some());
        assert_eq!(after(&[(7, &[GATE + READ, 1, 2]), (8, &[GATE, 2, 1])]), None);
    }

    #[test]
    fn a_crowd_behind_a_gate_does_not_hide_who_comes_without() {
        let mut orders = Orders::default();
        for thread in 0..2 * WITNESSES as u64 {
            lessons(thread, &[GATE, 1, 2]).into_iter().for_each(|lesson| drop(orders.learn(lesson)));
        }
        orders.learn(lessons(50, &[1, 2]).remove(0));
        assert!(orders.learn(lessons(51, &[GATE, 2, 1]).remove(1)).inversion.is_some());
    }

    #[test]
    fn an_inversion_is_told_once() {
        let mut orders = Orders::default();
        let mut told = |thread, locks: &[Number]| {
            lessons(thread, locks).into_iter().filter(|lesson| orders.learn(lesson.clone()).inversion.is_some()).count()
        };
        assert_eq!([told(7, &[1, 2]), told(8, &[2, 1]), told(9, &[2, 1]), told(9, &[1, 2])], [0, 1, 0, 0]);
    }

    #[test]
    fn a_lock_that_is_gone_leaves_nothing_behind() {
        let mut orders = Orders::default();
        for lesson in [lessons(7, &[1, 2]), lessons(8, &[2, 1]), lessons(8, &[2, 3])].concat() {
            orders.learn(lesson);
        }
        assert_eq!(orders.forget(2).len(), 3);
        assert!(orders.told.is_empty() && orders.orders == 0);
        assert!(orders.locks.values().all(|lock| lock.then.is_empty() && lock.before.is_empty()));
    }

    #[test]
    fn nothing_follows_from_a_lock_that_others_release() {
        let mut orders = Orders::default();
        orders.learn(lessons(7, &[1, 2]).remove(0));
        assert_eq!(orders.share(1).len(), 1);
        assert!(orders.learn(lessons(7, &[1, 2]).remove(0)).inversion.is_none());
        assert!(orders.learn(lessons(8, &[2, 1]).remove(0)).inversion.is_none());
        assert_eq!(orders.orders, 0);
    }

    #[test]
    fn the_number_of_orders_is_bounded_and_so_is_a_search() {
        let mut orders = Orders::default();
        for number in 0..ORDERS as u64 + 10 {
            orders.learn(lessons(7, &[number, number + 1]).remove(0));
        }
        assert_eq!(orders.orders, ORDERS);
        assert!(orders.learn(lessons(8, &[STEPS as u64 + 1, 0]).remove(0)).inversion.is_none());
    }

    type Take = (u64, Vec<Number>);

    /// Some threads, each taking a few locks one inside the other, some of them to read.
    fn programs() -> impl Strategy<Value = Vec<Take>> {
        let locks = Just((0..4u64).collect::<Vec<_>>()).prop_shuffle();
        let take = (0..3u64, locks, 2..=4usize, proptest::array::uniform4(proptest::bool::weighted(0.3)));
        let take = take.prop_map(|(thread, locks, depth, reads)| {
            let lock = |(lock, reads): (&Number, bool)| lock + if reads { READ } else { 0 };
            (thread, locks[..depth].iter().zip(reads).map(lock).collect())
        });
        proptest::collection::vec(take, 0..9)
    }

    /// Whether some of the takes, `last` among them, can each stand before its last lock with the next one's in hand. Tries
    /// all there are, and knows nothing of orders: only of who holds what, and wants what.
    fn can_stand_still(takes: &[Take], last: &Take) -> bool {
        fn extend(takes: &[Take], chosen: &mut Vec<Take>) -> bool {
            let held = |take: &Take| take.1[..take.1.len() - 1].to_vec();
            let wanted = *chosen.last().unwrap().1.last().unwrap();
            let clash = |one: Number, other: Number| number(one) == number(other) && !(reads(one) && reads(other));
            let is_in_the_way = |take: &Take, wanted| held(take).iter().any(|lock| clash(*lock, wanted));
            if chosen.len() > 1 && is_in_the_way(&chosen[0], wanted) {
                return true;
            }
            takes.iter().any(|take| {
                let apart = chosen
                    .iter()
                    .all(|other| other.0 != take.0 && held(other).iter().all(|lock| !is_in_the_way(take, *lock)));
                if !apart || !is_in_the_way(take, wanted) {
                    return false;
                }
                chosen.push(take.clone());
                let found = extend(takes, chosen);
                chosen.pop();
                found
            })
        }
        extend(takes, &mut vec![last.clone()])
    }

    /// A program's takes, each with the takes that come before its last lock.
    fn unfolded(program: &[Take]) -> Vec<Take> {
        program.iter().flat_map(|(thread, locks)| (2..=locks.len()).map(|n| (*thread, locks[..n].to_vec()))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        /// The first inversion is found by the take with which the program can stand still for the first time.
        #[test]
        fn an_inversion_is_found_when_a_deadlock_has_become_possible(program in programs()) {
            let takes = unfolded(&program);
            let mut orders = Orders::default();
            let told = takes.iter().position(|(thread, locks)| {
                let learned: Vec<_> = lessons(*thread, locks).into_iter().map(|one| orders.learn(one)).collect();
                learned.iter().any(|learned| learned.inversion.is_some())
            });
            let possible = (0..takes.len()).find(|n| can_stand_still(&takes[..=*n], &takes[*n]));
            prop_assert_eq!(told, possible);
        }
    }
}
