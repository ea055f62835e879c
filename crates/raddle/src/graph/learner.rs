//! Learning in which orders threads take locks: brings what each thread does to `Orders`, and tells what comes of it.
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
//! Another thread cannot reach into a list, so a lock that it has released stays there. That does no harm: before anything
//! is learned, each entry is held against its lock ([`Token`]). To look at a lock is safe as long as its number is among the
//! `living`, under the mutex: it leaves them before its memory goes.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, OnceLock};

use super::order::{Held, Lesson, Number, Orders};
use super::verdict::{Nested, ObjectInfo, Verdict};
use super::{Description, Site};
use crate::observe::recording::format::Note;
use crate::observe::recording::{Hand, Recorder};
use crate::runtime::Runtime;
use crate::seam::Mutex;
use crate::thread::Thread;

/// A thread that holds more than this is not followed.
const DEEPEST: usize = 32;
/// How many lessons of a thread wait for a release at most.
const PENDING: usize = 64;
/// How many takes a thread remembers that it has shown; a power of two.
const SHOWN: usize = 512;

/// What the host has to say of a lock, without a reference to it.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// Where it is.
    pub lock: *const (),
    /// Called with `lock` by a thread that has taken it, while it is alive, and while the learner's mutex is held: it takes
    /// none and runs no code of the host. `None` if the calling thread does not hold it any more.
    pub read: unsafe fn(*const ()) -> Option<Taken>,
}

/// What is left of a lock when it is gone.
pub trait Described: Send + Sync + Debug {
    /// What a person should read about it. Called only for a report, by a thread that may run code of the host.
    fn describe(&self) -> Description;
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
    /// Whether it has it to read, as others may at the same time.
    pub reads: bool,
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

impl Evidence {
    fn describe(&self) -> Nested {
        let place = |site: &Option<Arc<dyn Site>>| site.as_ref().and_then(|site| site.place());
        let object = |lock: &Arc<dyn Described>| {
            let Description { kind, name, made_at, .. } = lock.describe();
            ObjectInfo { kind, name, made_at, holder: None, producers: Vec::new() }
        };
        Nested {
            thread: self.thread.info(),
            first: object(&self.first.lock),
            first_at: place(&self.first.site),
            second: object(&self.second.lock),
            second_at: place(&self.second.site),
        }
    }
}

/// A recording in which it is written down what threads hold.
static RECORDER: OnceLock<Arc<Recorder>> = OnceLock::new();

/// Has it written down in a recording what threads hold, of those that have taken none so far. Only the first call counts.
pub fn record(recorder: Arc<Recorder>) {
    let _ = RECORDER.set(recorder);
}

/// Whether somebody wants to know what locks are called that threads hold.
#[inline]
pub fn is_recorded() -> bool {
    RECORDER.get().is_some()
}

/// Notes what the lock is that the calling thread has just taken, for the first time. Runs code of the host.
#[cold]
pub fn introduce(take: &Take) {
    let Some(recorder) = RECORDER.get().filter(|recorder| recorder.names_one_more()) else { return };
    let taken = {
        let memory = LEARNED.lock_keeping();
        let is_alive = memory.living.contains(&take.number);
        // SAFETY: this thread has taken it, it is alive, and the mutex is held.
        is_alive.then(|| unsafe { (take.token.read)(take.token.lock) }).flatten()
    };
    if let Some(Description { kind, name, .. }) = taken.map(|taken| taken.lock.describe()) {
        recorder.note(&Note::Lock { number: take.number, kind, name });
    }
}

/// What a thread knows of itself.
struct Mine {
    /// Whose this is: a thread of the system can be one after the other.
    serial: u64,
    held: Vec<Take>,
    /// A digest of the numbers in `held`, in whatever order.
    digest: u64,
    /// The takes that need not be shown again, each in the place that its own digest gives it. Empty until there is one.
    shown: Vec<u64>,
    /// What is learned when its first lock is released.
    pending: Vec<Lesson<Arc<Evidence>>>,
    /// Where `held` is written down, if it is.
    hand: Option<(&'static Recorder, Hand)>,
}

thread_local! {
    static MINE: RefCell<Mine> = const { RefCell::new(Mine::EMPTY) };
}

/// What all threads have shown.
#[derive(Debug, Default)]
struct Memory {
    orders: Orders<Arc<Evidence>>,
    /// The numbers of locks whose memory is there.
    living: HashSet<Number>,
}

static LEARNED: LazyLock<Mutex<Memory>> = LazyLock::new(Mutex::default);

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
/// does anything else.
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
    let hand = RECORDER.get().and_then(|recorder| Some((&**recorder, recorder.hand(me)?)));
    drop(mine.replace(Mine { serial: me, hand, ..Mine::EMPTY }));
}

impl Take {
    /// What goes into a digest.
    #[inline]
    fn key(&self) -> u64 {
        self.number << 1 | u64::from(self.reads)
    }
}

impl Mine {
    const EMPTY: Mine =
        Mine { serial: 0, held: Vec::new(), digest: 0, shown: Vec::new(), pending: Vec::new(), hand: None };

    #[inline]
    fn push(&mut self, take: Take) {
        self.digest ^= mixed(take.key());
        self.held.push(take);
        self.show(self.held.len() - 1);
    }

    /// Writes down what is held, of which that from place `from` on is new.
    #[inline]
    fn show(&self, from: usize) {
        if let Some((recorder, hand)) = &self.hand {
            let numbers = self.held[from..].iter().map(|take| take.number);
            recorder.show(hand, from, numbers, self.held.len());
        }
    }

    /// The same with other locks in hand.
    fn take_more(&mut self, take: Take, runtime: impl FnOnce() -> &'static Runtime) -> bool {
        let shown = mixed(self.digest ^ take.key());
        self.push(take);
        let place = shown as usize % SHOWN;
        if !take.waits || self.shown.get(place) == Some(&shown) || runtime().has_one_thread() {
            return self.held.len() > DEEPEST && self.held.len().is_power_of_two();
        }
        if self.shown.is_empty() {
            self.shown.resize(SHOWN, 0);
        }
        self.shown[place] = shown;
        true
    }

    #[inline]
    fn let_go(&mut self, number: Number) -> Released {
        let Some(at) = self.held.iter().rposition(|take| take.number == number) else {
            return Released::Foreign;
        };
        self.digest ^= mixed(self.held.remove(at).key());
        self.show(at);
        if self.pending.is_empty() { Released::Quietly } else { Released::Proof }
    }

    /// Keeps the entries that are true; gives what is to be known of each.
    fn held_really(&mut self) -> Vec<(Take, Taken)> {
        let memory = LEARNED.lock_keeping();
        let read = |take: &Take| {
            let is_alive = memory.living.contains(&take.number);
            // SAFETY: this thread has taken it, it is alive, and the mutex is held.
            let taken = is_alive.then(|| unsafe { (take.token.read)(take.token.lock) }).flatten()?;
            Some((*take, taken))
        };
        // Of a lock that is in here twice, the first take was ended by another thread.
        let is_latest =
            |(at, take): &(usize, &Take)| self.held[at + 1..].iter().all(|later| later.number != take.number);
        let latest = self.held.iter().enumerate().filter(is_latest).map(|(_, take)| take);
        let held: Vec<_> = latest.filter_map(read).collect();
        self.held = held.iter().map(|(take, _)| *take).collect();
        self.show(0);
        self.digest = self.held.iter().fold(0, |digest, take| digest ^ mixed(take.key()));
        held
    }
}

/// Shows what the calling thread's latest take was, and tells of the inversion that it makes, if it does. Runs code of the
/// host.
pub fn teach(runtime: &'static Runtime) {
    let held = MINE.try_with(|mine| mine.borrow_mut().held_really()).unwrap_or_default();
    let Some((latest, earlier)) = held.split_last().filter(|(latest, _)| latest.0.waits) else { return };
    if earlier.is_empty() || held.len() > DEEPEST {
        return;
    }
    let thread = crate::thread::current(runtime);
    let numbers = |reads| -> BTreeSet<_> {
        earlier.iter().filter(|(take, _)| take.reads == reads).map(|(take, _)| take.number).collect()
    };
    let in_hand = Held { alone: numbers(false), reading: numbers(true) };
    let lesson = |(first, taken): &(Take, Taken)| {
        let evidence = Evidence { thread: Arc::clone(&thread), first: taken.clone(), second: latest.1.clone() };
        Lesson {
            first: first.number,
            second: latest.0.number,
            reads: (first.reads, latest.0.reads),
            thread: thread.serial(),
            held: in_hand.clone(),
            evidence: Arc::new(evidence),
        }
    };
    let (now, later): (Vec<_>, Vec<_>) = earlier.iter().partition(|(first, _)| first.owned);
    let later: Vec<_> = later.into_iter().map(lesson).collect();
    // What is not pending any more, as its first lock was released by another thread, is dropped out here.
    let is_over = |lesson: &mut Lesson<_>| !in_hand.contains(&lesson.first);
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
        let waste = LEARNED.lock_keeping().orders.share(number);
        drop(waste);
        if let Some(recorder) = RECORDER.get() {
            recorder.note_signal(number);
        }
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
        runtime.tell(&Verdict::Inversion { circle: takes.iter().map(|take| take.describe()).collect() });
    }
}

/// A lock has got its number.
pub(crate) fn born(number: Number) {
    LEARNED.lock_keeping().living.insert(number);
}

/// The lock of this number, 0 if it has none, is about to be freed. May run code of the host.
pub(crate) fn died(number: Number) {
    if number == 0 {
        return;
    }
    if let Some(recorder) = RECORDER.get() {
        recorder.forget_signal(number);
    }
    let waste = {
        let mut memory = LEARNED.lock_keeping();
        memory.living.remove(&number);
        memory.orders.forget(number)
    };
    drop(waste);
}

/// A number whose bits depend on all of those of `number`.
#[inline]
fn mixed(number: u64) -> u64 {
    let product = u128::from(number ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product >> 64) as u64 ^ product as u64
}
