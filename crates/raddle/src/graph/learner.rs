//! Learning in which orders threads take locks: brings what each thread does to [`Orders`], and tells what comes of it.
//!
//! The host calls [`took`] after each take and [`let_go`] after each release, of those locks and for as long as it likes; as
//! long as it does not, nothing of this costs anything. Each thread has a list of what it holds, which is all that a take
//! touches while nothing else is held. If something is, the take is looked up among those that the thread has shown already:
//! one word for "this lock, with just these in hand". Only what is new there goes to the orders, which have a mutex.
//!
//! What is no order:
//!
//! - A take that gives up by itself (`waits` is false): the thread that tries, or waits with a limit, goes on. What it took so
//!   is in its hands like anything else.
//! - What a thread does that is the only one there is. All others are before or after it.
//! - A lock that is released by another thread than had taken it is a signal. It leaves the orders for good. Since nobody can
//!   know that before it happens, an order that begins with a lock which anybody may release (`owned` is false) is learned
//!   only when its taker has released it.
//!
//! Threads that ran one after the other count as threads that could run at the same time: it is by chance that most
//! opposite orders are seen at different moments.
//!
//! # Entries that are not true any more
//!
//! Another thread cannot reach into a list, so a lock that it releases, or that is freed while it is held, is written down
//! in `gone`, with the count of such events. A thread that sees a new count first strikes out what is older than its
//! entry there. So an entry that is used is a lock that the thread holds: what its [`Token`] speaks of is alive.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use super::order::{Lesson, Number, Orders};
use super::{Description, Site};
use crate::runtime::Runtime;
use crate::seam::Mutex;
use crate::thread::Thread;

/// A thread that holds more than this is not followed.
const DEEPEST: usize = 32;
/// How many lessons of a thread wait for a release at most.
const PENDING: usize = 64;
/// How many takes a thread remembers that it has shown; a power of two.
const SHOWN: usize = 512;
/// How many locks `gone` has at most.
const GONE: usize = 4096;

/// What the host wants to remember of a take, without a reference to anything: true while the lock is held by that take.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What kind of lock it is.
    pub kind: &'static str,
    /// Where it is.
    pub address: usize,
    /// Where it was made, as the host writes that down.
    pub made: u64,
    /// Where it was taken, likewise.
    pub taken: u64,
}

impl Token {
    pub(crate) fn plain(&self) -> Taken {
        Taken { lock: Arc::new(Description { kind: self.kind.to_owned(), ..Description::default() }), site: None }
    }
}

/// What is left of a lock when it is gone.
pub trait Described: Send + Sync + Debug {
    /// What a person should read about it. Called only for a report, by a thread that may run code of the host.
    fn describe(&self) -> Description;
}

impl Described for Description {
    fn describe(&self) -> Description {
        self.clone()
    }
}

/// A take that may be told of later.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The lock, with no reference to it.
    pub lock: Arc<dyn Described>,
    /// Where it was taken.
    pub site: Option<Arc<dyn Site>>,
}

/// A take, just done by the calling thread.
#[derive(Clone, Copy, Debug)]
pub struct Take {
    /// [The lock's number](crate::sync::RawLock::number).
    pub number: u64,
    /// Whether only this thread can release it.
    pub owned: bool,
    /// Whether the thread would have waited for it for ever.
    pub waits: bool,
    /// The rest.
    pub token: Token,
}

/// What a reader needs of two takes by one thread.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) thread: Arc<Thread>,
    pub(crate) first: Taken,
    pub(crate) second: Taken,
}

/// A lock in the hands of the thread.
#[derive(Clone, Copy, Debug)]
struct Held {
    take: Take,
    /// How many locks had [gone](Memory::gone) by then.
    since: u64,
}

/// What a thread knows of itself.
struct Mine {
    /// Whose this is: a thread of the system can be one after the other.
    serial: u64,
    held: Vec<Held>,
    /// A digest of the numbers in `held`, in whatever order.
    digest: u64,
    /// Up to which count `held` is known to be true.
    checked: u64,
    /// The takes that need not be shown again, each in the place that its own digest gives it. Empty until there is one.
    shown: Vec<u64>,
    /// What is learned when its first lock is released.
    pending: Vec<Lesson<Arc<Evidence>>>,
}

thread_local! {
    static MINE: RefCell<Mine> = const { RefCell::new(Mine::EMPTY) };
}

/// What all threads have shown.
#[derive(Debug, Default)]
struct Memory {
    orders: Orders<Arc<Evidence>>,
    /// Locks that are not held any more by the thread in whose list they are, and the count when that was found out.
    gone: HashMap<Number, u64>,
    /// What was taken before this count is not held any more.
    floor: u64,
}

static LEARNED: LazyLock<Mutex<Memory>> = LazyLock::new(Mutex::default);

/// How often a lock has gone. Written under the mutex.
static EVENTS: AtomicU64 = AtomicU64::new(0);

/// Forgets what threads hold, as nobody has told of takes and releases for a while.
pub fn begin() {
    let mut learned = LEARNED.lock_keeping();
    learned.floor = EVENTS.fetch_add(1, Ordering::Relaxed) + 1;
    learned.gone.clear();
}

/// What a release calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// Nothing.
    Quietly,
    /// [`settle`]: something may be proved by it.
    Proof,
    /// [`settle`]: the lock was not in this thread's hands.
    Foreign,
}

/// Thread `me`, which is the calling one, has taken a lock that it did not hold. True if [`teach`] is to be called before it
/// takes the next one.
#[inline]
pub fn took(me: u64, take: Take, runtime: impl FnOnce() -> &'static Runtime) -> bool {
    with_mine(me, |mine| {
        if mine.held.is_empty() {
            mine.push(take);
            return false;
        }
        mine.take_more(take, runtime)
    })
    .unwrap_or(false)
}

/// The calling thread has taken a lock once more that it holds already; `token` is the latest take's.
#[inline]
pub fn took_again(me: u64, number: Number, token: Token) {
    with_mine(me, |mine| {
        let held = mine.held.iter_mut().rev().find(|held| held.take.number == number);
        held.into_iter().for_each(|held| held.take.token = token);
    });
}

/// The calling thread has released a lock for good.
#[inline]
pub fn let_go(me: u64, number: Number) -> Released {
    with_mine(me, |mine| mine.let_go(number)).unwrap_or(Released::Quietly)
}

/// The calling thread releases a lock and will take it again before it goes on. Whether it was in its hands.
pub fn part_with(me: u64, number: Number) -> bool {
    with_mine(me, |mine| mine.let_go(number) != Released::Foreign).unwrap_or(false)
}

/// The list of the calling thread; `None` when its thread-local memory is gone. No code of the host may run in `body`.
#[inline]
fn with_mine<R>(me: u64, body: impl FnOnce(&mut Mine) -> R) -> Option<R> {
    MINE.try_with(|mine| {
        if mine.borrow().serial != me {
            renew(mine, me);
        }
        body(&mut mine.borrow_mut())
    })
    .ok()
}

/// A thread of the system has become another thread.
#[cold]
fn renew(mine: &RefCell<Mine>, me: u64) {
    drop(mine.replace(Mine { serial: me, ..Mine::EMPTY }));
}

impl Mine {
    const EMPTY: Mine =
        Mine { serial: 0, held: Vec::new(), digest: 0, checked: 0, shown: Vec::new(), pending: Vec::new() };

    #[inline]
    fn push(&mut self, take: Take) {
        self.digest ^= mixed(take.number);
        self.held.push(Held { take, since: EVENTS.load(Ordering::Relaxed) });
    }

    /// The same with other locks in hand.
    fn take_more(&mut self, take: Take, runtime: impl FnOnce() -> &'static Runtime) -> bool {
        self.check();
        let shown = mixed(self.digest ^ take.number);
        self.push(take);
        let place = shown as usize % SHOWN;
        if !take.waits || self.shown.get(place) == Some(&shown) || self.held.len() > DEEPEST || self.held.len() == 1 {
            return false;
        }
        if runtime().has_one_thread() {
            return false;
        }
        if self.shown.is_empty() {
            self.shown.resize(SHOWN, 0);
        }
        self.shown[place] = shown;
        true
    }

    #[inline]
    fn let_go(&mut self, number: Number) -> Released {
        self.check();
        let Some(at) = self.held.iter().rposition(|held| held.take.number == number) else {
            return Released::Foreign;
        };
        self.digest ^= mixed(number);
        self.held.remove(at);
        if self.pending.is_empty() { Released::Quietly } else { Released::Proof }
    }

    /// Strikes out what this thread holds no more.
    #[inline]
    fn check(&mut self) {
        let now = EVENTS.load(Ordering::Relaxed);
        if self.checked != now {
            self.strike_out(now);
        }
    }

    #[cold]
    fn strike_out(&mut self, now: u64) {
        self.checked = now;
        let learned = LEARNED.lock_keeping();
        let is_true = |held: &mut Held| {
            let gone = learned.gone.get(&held.take.number).copied().unwrap_or(0);
            held.since >= gone.max(learned.floor)
        };
        self.held.retain_mut(is_true);
        self.digest = self.held.iter().fold(0, |digest, held| digest ^ mixed(held.take.number));
    }
}

/// Shows what the calling thread's latest take was, and tells of the inversion that it makes, if it does. Runs code of the
/// host.
pub fn teach(runtime: &'static Runtime) {
    let held = MINE.try_with(|mine| mine.borrow().held.clone()).unwrap_or_default();
    let Some((latest, earlier)) = held.split_last() else { return };
    let thread = crate::thread::current(runtime);
    let numbers: BTreeSet<_> = earlier.iter().map(|held| held.take.number).collect();
    let second = runtime.host().taken(&latest.take.token);
    let lesson = |first: &Held| {
        let (thread, second) = (Arc::clone(&thread), second.clone());
        Lesson {
            first: first.take.number,
            second: latest.take.number,
            thread: thread.serial(),
            held: numbers.clone(),
            evidence: Arc::new(Evidence { thread, first: runtime.host().taken(&first.take.token), second }),
        }
    };
    let (now, later): (Vec<_>, Vec<_>) = earlier.iter().partition(|first| first.take.owned);
    let later: Vec<_> = later.into_iter().map(lesson).collect();
    // What is not pending any more, as its first lock was released by another thread, is dropped out here.
    let is_over = |lesson: &mut Lesson<_>| !numbers.contains(&lesson.first);
    let _over = MINE.try_with(|mine| {
        let pending = &mut mine.borrow_mut().pending;
        let over: Vec<_> = pending.extract_if(.., is_over).collect();
        pending.extend(later.iter().take(PENDING - pending.len()).cloned());
        over
    });
    now.into_iter().map(lesson).for_each(|lesson| learn(runtime, lesson));
}

/// Draws the conclusions from a release by the calling thread. Runs code of the host.
#[cold]
pub fn settle(runtime: &'static Runtime, number: Number, released: Released) {
    let is_foreign = released == Released::Foreign;
    if is_foreign {
        has_gone(number, Orders::share);
    }
    let first_is = |lesson: &mut Lesson<_>| lesson.first == number;
    let proved = MINE.try_with(|mine| mine.borrow_mut().pending.extract_if(.., first_is).collect::<Vec<_>>());
    let proved = proved.into_iter().flatten().filter(|_| !is_foreign);
    proved.for_each(|lesson| learn(runtime, lesson));
}

fn learn(runtime: &'static Runtime, lesson: Lesson<Arc<Evidence>>) {
    let learned = LEARNED.lock_keeping().orders.learn(lesson);
    drop(learned.waste);
    if let Some(takes) = learned.inversion {
        runtime.tell(&runtime.describe_inversion(&takes));
    }
}

/// The lock of this number, 0 if it has none, is no more. Called by the thread that frees it, which may run code of the host.
pub(crate) fn died(number: Number, while_held: bool) {
    match (number, while_held) {
        (0, _) => {}
        (_, true) => has_gone(number, Orders::forget),
        (_, false) => {
            let waste = LEARNED.lock_keeping().orders.forget(number);
            drop(waste);
        }
    }
}

/// Writes down that the lock is not held by the thread in whose list it may be, and changes the orders as told.
fn has_gone(number: Number, change: impl FnOnce(&mut Orders<Arc<Evidence>>, Number) -> Vec<Lesson<Arc<Evidence>>>) {
    let mut learned = LEARNED.lock_keeping();
    let event = EVENTS.fetch_add(1, Ordering::Relaxed) + 1;
    if learned.gone.len() == GONE {
        learned.gone.clear();
        learned.floor = event;
    }
    learned.gone.insert(number, event);
    let waste = change(&mut learned.orders, number);
    drop(learned);
    drop(waste);
}

/// A number whose bits depend on all of those of `number`.
#[inline]
fn mixed(number: u64) -> u64 {
    let product = u128::from(number ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product >> 64) as u64 ^ product as u64
}
