//! What threads waited for, one by one: how often and how long, who held it meanwhile, and in which order locks were taken.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use raddle::observe::recording::format::For;
use serde_json::{Value, json};

use super::Tables;
use super::pieces::nanos;
use crate::recording::story::{Recording, Span, Spent, Story};
use crate::recording::text::named;

/// How many things are listed: of a program with more, the ones that were waited for longest.
const LISTED: usize = 200;
/// How many lines of blame there is room for, for one thing and in all.
const BLAMED: usize = 400;
const BLAMED_IN_ALL: usize = 12_000;

/// Waits for one thing.
#[derive(Default)]
struct Sum<'a> {
    first: Option<&'a Span>,
    times: u64,
    all: u64,
    longest: u64,
    /// How many took less than a microsecond, how many less than 2, less than 4, ...
    lengths: Vec<u64>,
    /// By place.
    sites: HashMap<u32, u64>,
    /// By who held it, who waited, and where the holder was then.
    blame: HashMap<(u64, u64, u32), (u64, u64)>,
}

impl<'a> Sum<'a> {
    fn add(&mut self, waiter: u64, wait: &'a Span, length: u64) {
        self.first.get_or_insert(wait);
        self.times += 1;
        self.all = self.all.saturating_add(length);
        self.longest = self.longest.max(length);
        let bin = (length / 1000).checked_ilog2().map_or(0, |log| log as usize + 1);
        self.lengths.resize(self.lengths.len().max(bin + 1), 0);
        self.lengths[bin] += 1;
        let at = self.sites.entry(wait.site).or_default();
        *at = at.saturating_add(length);
        if wait.holder != 0 && wait.call != For::Join {
            let line = self.blame.entry((wait.holder, waiter, wait.busy)).or_default();
            *line = (line.0 + 1, line.1.saturating_add(length));
        }
    }
}

impl Recording {
    /// The things that were waited for, locks first, and how many there are.
    pub(super) fn waited_for(&self, tables: &mut Tables) -> (Vec<Value>, usize) {
        let mut sums: BTreeMap<(For, u64, u64), Sum<'_>> = BTreeMap::new();
        for story in &self.threads {
            for wait in &story.waits {
                let whom = if wait.object == 0 && wait.call == For::Join { wait.holder } else { 0 };
                let sum = sums.entry((wait.call, wait.object, whom)).or_default();
                sum.add(story.thread.serial, wait, nanos(wait.length(self.until)));
            }
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|((call, ..), sum)| (*call != For::Lock, Reverse(sum.all)));
        let at: HashMap<_, _> =
            sums.iter().enumerate().map(|(at, ((call, object, _), _))| ((*call, *object), at)).collect();
        for lock in self.locks() {
            let Some((_, sum)) = at.get(&(For::Lock, lock.object)).and_then(|at| sums.get_mut(*at)) else { continue };
            let line = |((holder, waiter), time): (&(u64, u64), &Duration)| {
                let times = lock.times.get(&(*holder, *waiter)).copied().unwrap_or(1);
                ((*holder, *waiter, lock.place_of(Some(*holder))), (times, nanos(*time)))
            };
            sum.blame = lock.blame.iter().map(line).collect();
        }
        let (count, mut room) = (sums.len(), BLAMED_IN_ALL);
        let listed = sums.iter().take(LISTED).map(|((call, object, _), sum)| {
            let lines = sum.blame.len().min(BLAMED).min(room);
            room -= lines;
            self.line(*call, *object, sum, lines, tables)
        });
        (listed.collect(), count)
    }

    fn line(&self, call: For, object: u64, sum: &Sum<'_>, lines: usize, tables: &mut Tables) -> Value {
        let mut blame: Vec<_> = sum.blame.iter().collect();
        blame.sort_by_key(|(who, (_, time))| (Reverse(*time), **who));
        let micros = |time: &u64| time / 1000;
        let rest = blame.iter().skip(lines).fold(0u64, |all, (_, (_, time))| all.saturating_add(*time));
        let blame = blame.iter().take(lines).map(|((holder, waiter, busy), (times, time))| {
            json!([tables.who(self, *holder), tables.who(self, *waiter), tables.site(self, *busy), times, micros(time)])
        });
        let blame: Vec<_> = blame.collect();
        let mut sites: Vec<_> = sum.sites.iter().collect();
        sites.sort_by_key(|(site, time)| (Reverse(**time), **site));
        let sites: Vec<_> =
            sites.iter().take(4).map(|(site, time)| json!([tables.site(self, **site), micros(time)])).collect();
        let made = self.objects.get(&object).and_then(|object| object.made.as_ref());
        json!({
            "kind": Spent::of_wait(call) as usize,
            "name": sum.first.map(|wait| self.thing(wait)),
            "made": made.map(|place| tables.place(place)),
            "times": sum.times,
            "all": micros(&sum.all),
            "longest": micros(&sum.longest),
            "lengths": sum.lengths,
            "sites": sites,
            "blame": blame,
            "rest": micros(&rest),
        })
    }

    /// Who waits for whom when the recording ends: `[waiter, holder, what, place, since]`; the holder is the one whose hand the
    /// lock is in, or else the one that held it when the wait began.
    pub(super) fn waits_at_the_end(&self, tables: &mut Tables) -> Vec<Value> {
        let mut hands: HashMap<String, Vec<u64>> = HashMap::new();
        for story in self.threads.iter().filter(|story| story.ended.is_none()) {
            story.holds.iter().for_each(|lock| hands.entry(named(lock)).or_default().push(story.thread.serial));
        }
        let edge = |story: &Story| {
            let wait = story.present()?;
            let thing = self.thing(wait);
            let holder = match hands.get(&thing).map(Vec::as_slice) {
                Some([one]) if *one != story.thread.serial => *one,
                _ => wait.holder,
            };
            let (waiter, holder) = (tables.who(self, story.thread.serial), tables.who(self, holder));
            let site = tables.site(self, wait.site);
            (holder >= 0).then(|| json!([waiter, holder, tables.thing(thing), site, nanos(wait.from) / 1000]))
        };
        self.threads.iter().filter_map(edge).collect()
    }

    /// Which lock was waited for by a thread that held which other one: `[held, wanted, who, place, times]`.
    ///
    /// Nothing else says what a thread held in mid-run: at the moment when a wait begins its holder has the lock, and may
    /// itself be waiting for another one. At the end the hands say it. Locks without names are left out, since two of them
    /// could not be told apart.
    pub(super) fn order(&self, tables: &mut Tables) -> Vec<Value> {
        let mut edges: BTreeMap<(String, String), (u64, u32, u64)> = BTreeMap::new();
        let is_lock =
            |wait: &&Span| wait.call == For::Lock && self.objects.get(&wait.object).is_some_and(|o| !o.name.is_empty());
        let mut add = |held: String, wait: &Span, who: u64| {
            let wanted = self.thing(wait);
            if held != wanted {
                edges.entry((held, wanted)).or_insert((who, wait.site, 0)).2 += 1;
            }
        };
        for wait in self.threads.iter().flat_map(|story| &story.waits).filter(is_lock) {
            let Some(holder) = self.thread(wait.holder) else { continue };
            let before = holder.waits.partition_point(|other| other.from <= wait.from);
            let other = before.checked_sub(1).and_then(|at| holder.waits.get(at)).filter(is_lock);
            if let Some(other) = other.filter(|other| other.to.is_none_or(|to| to > wait.from)) {
                add(self.thing(wait), other, holder.thread.serial);
            }
        }
        for story in &self.threads {
            if let Some(wait) = story.present().filter(is_lock) {
                let held = story.holds.iter().filter(|lock| !lock.name.is_empty());
                held.for_each(|lock| add(named(lock), wait, story.thread.serial));
            }
        }
        let mut edges: Vec<_> = edges.into_iter().collect();
        edges.sort_by_key(|(_, (.., times))| Reverse(*times));
        let edge = |((held, wanted), (who, site, times)): ((String, String), (u64, u32, u64))| {
            let (held, wanted) = (tables.thing(held), tables.thing(wanted));
            json!([held, wanted, tables.who(self, who), tables.site(self, site), times])
        };
        edges.into_iter().take(LISTED).map(edge).collect()
    }
}
