//! Which locks threads waited for, and whose fault that was.
//!
//! A wait says who held the lock when it began. Later holders are told by the waits that ended: who had waited and went on has the lock
//! from then until the next one does. A thread that found it free in between is not seen; where threads wait all the time, there is
//! none.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use raddle::observe::recording::format::For;

use super::story::{Recording, Span, Spent};

/// So many holders one wait is shared out among; what is left goes to the last of them.
const HOLDERS: usize = 256;

/// So many holders all waits are shared out among; those behind have one or two.
const STEPS: usize = 1_000_000;

/// What one thread at a time holds. Semaphores are taken by several, and often to make others wait.
const EXCLUSIVE: [&str; 4] = ["Lock", "RLock", "Mutex", "ReentrantMutex"];

/// How a lock was waited for.
#[derive(Clone, Debug, Default)]
pub struct LockUse {
    /// The number of the object.
    pub object: u64,
    /// How often it was waited for.
    pub waits: u64,
    /// When the first wait began.
    pub first: Duration,
    /// How long all waits were.
    pub total: Duration,
    /// How long the longest was.
    pub longest: Duration,
    /// Where it was waited for, and how long; the numbers of sites.
    pub places: BTreeMap<u32, Duration>,
    /// How long each thread waited for it.
    pub waiters: BTreeMap<u64, Duration>,
    /// How long each thread waited for each holder, as far as that is known.
    pub blame: BTreeMap<(u64, u64), Duration>,
    /// In how many waits one held it, for each waiter.
    pub times: BTreeMap<(u64, u64), u64>,
    /// Where the holders were when waits began, and how long those took, by holder; the numbers of sites.
    pub busy: BTreeMap<(u64, u32), Duration>,
    /// What the holders did meanwhile, as far as it was seen.
    pub during: BTreeMap<Spent, Duration>,
}

impl LockUse {
    /// How long each thread held it while others waited; the longest first.
    pub fn holders(&self) -> Vec<(u64, Duration)> {
        let mut sums: BTreeMap<u64, Duration> = BTreeMap::new();
        self.blame.iter().for_each(|((holder, _), time)| *sums.entry(*holder).or_default() += *time);
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(serial, time)| (std::cmp::Reverse(*time), *serial));
        sums
    }

    /// Where most of the time was waited; 0: not known.
    pub fn place(&self) -> u32 {
        most(self.places.iter().map(|(site, time)| (*site, *time)))
    }

    /// Where `holder` was mostly while others waited for it, or where all holders were, for `None`; 0: not known.
    pub fn place_of(&self, holder: Option<u64>) -> u32 {
        let is_asked = |who: u64| holder.is_none_or(|holder| holder == who);
        most(self.busy.iter().filter(|((who, _), _)| is_asked(*who)).map(|((_, site), time)| (*site, *time)))
    }
}

/// The one with the largest sum, but for 0.
fn most(times: impl Iterator<Item = (u32, Duration)>) -> u32 {
    let mut sums: BTreeMap<u32, Duration> = BTreeMap::new();
    times.filter(|(site, _)| *site != 0).for_each(|(site, time)| *sums.entry(site).or_default() += time);
    sums.into_iter().max_by_key(|(_, time)| *time).map_or(0, |(site, _)| site)
}

/// When who got a lock that had waited for it.
type Takes = Vec<(Duration, u64)>;

/// By lock.
type AllTakes = HashMap<u64, Takes>;

impl Recording {
    fn takes(&self) -> AllTakes {
        let mut takes = AllTakes::new();
        for (serial, wait) in self.lock_waits() {
            // One with a limit may have ended for that.
            if let Some(to) = wait.to.filter(|_| !wait.timed) {
                takes.entry(wait.object).or_default().push((to, serial));
            }
        }
        takes.values_mut().for_each(|takes| takes.sort_unstable());
        takes
    }

    /// Fills [`Span::last`] in.
    pub(super) fn find_last_holders(&mut self) {
        let takes = self.takes();
        for story in &mut self.threads {
            let serial = story.thread.serial;
            for wait in story.waits.iter_mut().filter(|wait| takes.contains_key(&wait.object)) {
                let takes = takes.get(&wait.object).map_or(&[][..], Vec::as_slice);
                let end = wait.to.unwrap_or(self.until);
                let before = takes.partition_point(|(at, _)| *at < end);
                let others = takes[..before].iter().rev().take_while(|(at, _)| *at >= wait.from);
                let last = others.map(|(_, other)| *other).find(|other| *other != serial);
                wait.last = last.unwrap_or(wait.holder);
            }
        }
    }

    /// The locks that threads waited for, those with the longest waits first: such as one thread holds at a time. Waits for things
    /// without a name are not told apart, and left out.
    pub fn locks(&self) -> Vec<LockUse> {
        let (takes, mut steps) = (self.takes(), STEPS);
        let mut uses: HashMap<u64, LockUse> = HashMap::new();
        for (serial, wait) in self.lock_waits() {
            let lock = uses.entry(wait.object).or_insert_with(|| LockUse { first: wait.from, ..LockUse::default() });
            let length = wait.length(self.until);
            lock.object = wait.object;
            lock.waits += 1;
            lock.first = lock.first.min(wait.from);
            lock.total += length;
            lock.longest = lock.longest.max(length);
            *lock.places.entry(wait.site).or_default() += length;
            *lock.waiters.entry(serial).or_default() += length;
            *lock.busy.entry((wait.holder, wait.busy)).or_default() += length;
            let takes = takes.get(&wait.object).map_or(&[][..], Vec::as_slice);
            let held = holders(wait, serial, takes, (self.until, HOLDERS.min(steps)));
            steps = steps.saturating_sub(held.len());
            for (holder, from, to) in held {
                *lock.blame.entry((holder, serial)).or_default() += to - from;
                *lock.times.entry((holder, serial)).or_default() += 1;
                self.add_what_it_did(holder, (from, to), &mut lock.during);
            }
        }
        let mut uses: Vec<_> = uses.into_values().collect();
        uses.sort_by_key(|lock| (std::cmp::Reverse(lock.total), lock.object));
        uses
    }

    fn lock_waits(&self) -> impl Iterator<Item = (u64, &Span)> {
        let waits = self.threads.iter().flat_map(|story| story.waits.iter().map(|wait| (story.thread.serial, wait)));
        waits.filter(|(_, wait)| self.is_of_lock(wait))
    }

    fn is_of_lock(&self, wait: &Span) -> bool {
        let object = self.objects.get(&wait.object).filter(|_| wait.call == For::Lock);
        object.is_some_and(|object| EXCLUSIVE.contains(&object.kind.as_str()))
    }

    fn add_what_it_did(&self, serial: u64, (from, to): (Duration, Duration), during: &mut BTreeMap<Spent, Duration>) {
        let Some(story) = self.thread(serial) else { return };
        let overlap = |start: Duration, end: Duration| end.min(to).saturating_sub(start.max(from));
        let first = story.seen.partition_point(|seen| seen.to.is_some_and(|end| end <= from));
        for seen in story.seen[first..].iter().take_while(|seen| seen.from < to) {
            *during.entry(Spent::of_doing(seen.doing)).or_default() +=
                overlap(seen.from, seen.to.unwrap_or(self.until));
        }
        let first = story.waits.partition_point(|wait| wait.to.is_some_and(|end| end <= from));
        for wait in story.waits[first..].iter().take_while(|wait| wait.from < to) {
            *during.entry(Spent::of_wait(wait.call)).or_default() += overlap(wait.from, wait.to.unwrap_or(self.until));
        }
    }
}

/// Who held the lock during a wait, one after the other, from when to when.
fn holders(
    wait: &Span,
    waiter: u64,
    takes: &[(Duration, u64)],
    (until, most): (Duration, usize),
) -> Vec<(u64, Duration, Duration)> {
    let end = wait.to.unwrap_or(until).max(wait.from);
    let next = takes.partition_point(|(at, _)| *at <= wait.from);
    // Nobody's: it is on its way from one who let it go to one who waits.
    let before = next.checked_sub(1).map_or(0, |at| takes[at].1);
    let first = if wait.holder == 0 && before != waiter { before } else { wait.holder };
    let mut held = vec![(first, wait.from)];
    let others = takes[next..].iter().take_while(|(at, _)| *at < end).filter(|(_, serial)| *serial != waiter);
    held.extend(others.take(most).map(|(at, serial)| (*serial, *at)));
    let ends: Vec<_> = held.iter().skip(1).map(|(_, from)| *from).chain([end]).collect();
    let spans = held.into_iter().zip(ends).map(|((holder, from), to)| (holder, from, to));
    spans.filter(|(holder, from, to)| *holder != 0 && to > from).collect()
}
