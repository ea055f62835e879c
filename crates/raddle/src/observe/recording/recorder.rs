//! Writes a recording.
//!
//! What happens often is an event: four words into a page that belongs to the thread it happens in, and then the page's count. There
//! is no lock there, and nothing is recorded but on the way into a sleep and out of it, and at the two ends of a thread: the way
//! through a free lock does not come here. What is said once is a note, under a mutex: a note is written before the first event that
//! speaks of it, so a reader finds what it needs.
//!
//! # When there is no room
//!
//! When all pages are given out, a thread takes the oldest one that nobody writes into any more, and if there is none goes round
//! in its own: so the latest events are kept. Notes are not written any more when there is no room; the last of it is for verdicts.
//! What is lost is counted.
//!
//! # Who may do what
//!
//! The words of a page are written by its thread alone, or by whoever ends that thread, after its last instruction. What
//! threads are seen at is written by the sampler alone. Notes are
//! written under `books`, which is never held while code of the host runs: it describes first, and writes then.
//! The child of a fork records nothing; the file is its parent's.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::format::{Doing, Event, For, Kind, MAGIC, Note, PAGE, SAMPLER, VERSION, hand, header, how, ring, times};
use super::map::{Map, count_forks, process};
use crate::graph::verdict::{Ending, Verdict};
use crate::graph::{Call, Record, Resource, Site};
use crate::runtime::Runtime;
use crate::seam::{Mutex, Time, Wall, thread as system};
use crate::thread::{State, Thread};

/// The smallest file that is worth it, in bytes.
pub const SMALLEST: u64 = 1 << 20;

/// So many locks get their names written down, so many things that threads wait for, and so many places: to name one of a hundred
/// thousand things takes the host as long as to look through all of them, and places are kept.
const NAMED: usize = 4096;

/// What a recording keeps with a thread, for the thread itself.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Its page in the file: the number and 1; 0 if it has none.
    number: AtomicU64,
    /// What it waited for last, and where: mostly it does so again. Keys and numbers.
    site: [AtomicU64; 2],
    object: [AtomicU64; 3],
    /// The system's number for the thread it runs on; 0: not known.
    task: AtomicU32,
    /// The first word of its times; 0: it has none.
    times: AtomicUsize,
}

impl Page {
    pub(super) fn task(&self) -> u32 {
        self.task.load(Ordering::Acquire)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    map: Map,
    began: Time,
    /// The [process] that the recording is of.
    process: u32,
    books: Mutex<Books>,
    /// The sampler's.
    page: Page,
}

/// Where it is written down what a thread holds.
#[derive(Debug)]
pub(crate) struct Hand(usize);

/// What was noted already, and what is free again.
#[derive(Debug, Default)]
struct Books {
    sites: HashMap<u64, Noted>,
    objects: HashMap<(usize, u64), u64>,
    /// The pages that threads have or had, those that were given out first first.
    given: VecDeque<u64>,
    /// Those among them into which a thread writes now.
    present: HashSet<u64>,
    /// The first words of the hands of living threads, and of those that nobody has any more.
    hands: HashMap<u64, usize>,
    empty: Vec<usize>,
    /// The locks that are signals.
    signals: HashSet<u64>,
    /// How many locks have names.
    locks: usize,
}

/// A site that has a number. It is kept, so that no other can have its key.
#[derive(Debug)]
struct Noted {
    number: u32,
    _site: Arc<dyn Site>,
}

impl Recorder {
    /// Begins a recording of `bytes` at most into a new file at `path`, in place of one that is there.
    ///
    /// # Errors
    /// The system's, and [`InvalidInput`](io::ErrorKind::InvalidInput) for less than [`SMALLEST`] bytes.
    pub fn create(path: &Path, bytes: u64) -> io::Result<Arc<Recorder>> {
        if bytes < SMALLEST {
            let text = format!("a recording needs {SMALLEST} bytes at least, got {bytes}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        count_forks();
        let pages = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)? / (PAGE * 8);
        // A quarter for what is said at length, a sixteenth for what threads hold, half of that for what they are seen at.
        let (notes, hands, times, words) = (pages / 4, pages / 16, pages / 32, pages * PAGE);
        let recorder = Arc::new(Recorder {
            map: Map::create(path, words)?,
            began: Time::now(),
            process: process(),
            books: Mutex::default(),
            page: Page::default(),
        });
        let head = [
            (header::VERSION, VERSION),
            (header::WORDS, words as u64),
            (header::PROCESS, u64::from(std::process::id())),
            (header::BEGAN, recorder.began.nanos()),
            (header::BEGAN_WALL, Wall::now().nanos()),
            (header::NOTES, PAGE as u64),
            (header::NOTES_ROOM, (notes * PAGE) as u64),
            (header::HANDS, ((1 + notes) * PAGE) as u64),
            (header::HANDS_ROOM, (hands * PAGE / hand::WORDS) as u64),
            (header::TIMES, ((1 + notes + hands) * PAGE) as u64),
            (header::TIMES_ROOM, (times * PAGE / times::WORDS) as u64),
            (header::RINGS, ((1 + notes + hands + times) * PAGE) as u64),
            (header::RINGS_ROOM, (pages - 1 - notes - hands - times) as u64),
            (header::PROCESSORS, std::thread::available_parallelism().map_or(0, |count| count.get() as u64)),
        ];
        head.into_iter().for_each(|(at, value)| recorder.set(at, value));
        recorder.word(header::MAGIC).store(MAGIC.to_le(), Ordering::Release);
        Ok(recorder)
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        &self.map.words()[at]
    }

    fn set(&self, at: usize, value: u64) {
        self.word(at).store(value.to_le(), Ordering::Relaxed);
    }

    fn get(&self, at: usize) -> u64 {
        u64::from_le(self.word(at).load(Ordering::Relaxed))
    }

    /// Adds to a word that several write; the old value.
    fn add(&self, at: usize, amount: u64) -> u64 {
        let step = |old: u64| Some(u64::from_le(old).wrapping_add(amount).to_le());
        let old = self.word(at).fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        u64::from_le(old.unwrap_or_else(|old| old))
    }

    fn since(&self, moment: Time) -> u64 {
        moment.nanos().saturating_sub(self.began.nanos())
    }

    /// Whether the process is the one that is recorded, and has not ended.
    pub(super) fn goes_on_being_written(&self) -> bool {
        self.is_on() && self.get(header::ENDED) == 0
    }

    #[inline]
    fn is_on(&self) -> bool {
        self.process == process()
    }

    /// The process ends in order.
    pub fn end(&self) {
        if self.is_on() {
            self.set(header::ENDED, self.since(Time::now()).max(1));
        }
    }

    /// What the file has in it now: what a reader would find who came at this moment.
    pub fn content(&self) -> Vec<u8> {
        self.map.words().iter().flat_map(|word| word.load(Ordering::Acquire).to_ne_bytes()).collect()
    }

    // ---- notes ----

    /// Writes something down that is said once.
    pub fn note(&self, note: &Note) {
        if self.is_on() {
            self.write_note(&mut self.books.lock(), note);
        }
    }

    fn write_note(&self, _: &mut Books, note: &Note) {
        let (words, used) = (note.to_words(), self.get(header::NOTES_USED) as usize);
        let room = self.get(header::NOTES_ROOM) as usize;
        let counts_most = matches!(note, Note::Verdict { .. } | Note::Died { .. } | Note::Signal { .. });
        let room = if counts_most { room } else { room - room / 8 };
        if used + words.len() > room {
            self.add(header::NOTES_LOST, 1);
            return;
        }
        let start = PAGE + used;
        words.iter().zip(start..).for_each(|(word, at)| self.set(at, *word));
        let used = (used + words.len()) as u64;
        self.word(header::NOTES_USED).store(used.to_le(), Ordering::Release);
    }

    /// What was found out, as it was told.
    pub fn note_verdict(&self, verdict: &Verdict, text: &str) {
        let (at, code) = (self.since(Time::now()), verdict.code().id().to_owned());
        self.note(&Note::Verdict { at, likely: verdict.is_likely(), code, text: text.to_owned() });
    }

    /// A lock is one that threads release for each other. Once for each is enough.
    pub(crate) fn note_signal(&self, number: u64) {
        if self.is_on() && self.books.lock().signals.insert(number) {
            self.note(&Note::Signal { number });
        }
    }

    /// The lock of this number is no more.
    pub(crate) fn forget_signal(&self, number: u64) {
        if self.is_on() {
            self.books.lock().signals.remove(&number);
        }
    }

    /// Whether one more lock is to be named by a note.
    pub(crate) fn names_one_more(&self) -> bool {
        self.is_on() && {
            let mut books = self.books.lock();
            books.locks += 1;
            books.locks <= NAMED
        }
    }

    /// A thread is known from now on.
    pub(crate) fn met(&self, thread: &Thread) {
        // One that runs by now did so before the recording began.
        let runs = thread.state() == State::Running;
        if !self.is_on() {
            return;
        }
        let starter = thread.lineage().next();
        let site = starter.and_then(|starter| starter.site.as_ref()).map_or(0, |site| self.site(site));
        self.note(&Note::Thread {
            serial: thread.serial(),
            at: self.since(thread.since()),
            kind: thread.kind(),
            runs,
            name: thread.name().to_string(),
            starter: starter.map_or(0, |starter| starter.serial),
            started_by: starter.map_or_else(String::new, |starter| starter.starter.to_string()),
            site,
        });
    }

    /// A thread got another name.
    pub(crate) fn renamed(&self, thread: &Thread) {
        self.note(&Note::Renamed { serial: thread.serial(), name: thread.name().to_string() });
    }

    /// The number of a place, which is noted when it is met first. Runs code of the host.
    fn site(&self, site: &Arc<dyn Site>) -> u32 {
        let key = site.key();
        if key == 0 {
            return 0;
        }
        let known = self.books.lock().sites.get(&key).map(|noted| noted.number);
        known.unwrap_or_else(|| self.new_site(key, site))
    }

    #[cold]
    fn new_site(&self, key: u64, site: &Arc<dyn Site>) -> u32 {
        if self.books.lock().sites.len() >= NAMED {
            return 0;
        }
        let Some(place) = site.place() else { return 0 };
        let mut books = self.books.lock();
        let next = books.sites.len() as u32 + 1;
        let noted = books.sites.entry(key).or_insert_with(|| Noted { number: next, _site: Arc::clone(site) });
        let number = noted.number;
        if number == next {
            self.write_note(&mut books, &Note::Site { number, place });
        }
        number
    }

    /// The same for the thread itself.
    fn site_of(&self, me: &Thread, site: &Arc<dyn Site>) -> u32 {
        let (key, [last, number]) = (site.key(), &me.page.site);
        if last.load(Ordering::Relaxed) != key {
            number.store(self.site(site).into(), Ordering::Relaxed);
            last.store(key, Ordering::Relaxed);
        }
        number.load(Ordering::Relaxed) as u32
    }

    /// The number of a thing that threads wait for, which is noted when it is met first; 0: it cannot be told from others.
    /// For the thread itself. Runs code of the host.
    fn object_of(&self, me: &Thread, resource: &Arc<dyn Resource>) -> u64 {
        let Some(key) = resource.key() else { return 0 };
        let [address, made, number] = &me.page.object;
        if (address.load(Ordering::Relaxed), made.load(Ordering::Relaxed)) != (key.0 as u64, key.1) {
            let known = self.books.lock().objects.get(&key).copied();
            number.store(known.unwrap_or_else(|| self.new_object(key, resource)), Ordering::Relaxed);
            address.store(key.0 as u64, Ordering::Relaxed);
            made.store(key.1, Ordering::Relaxed);
        }
        number.load(Ordering::Relaxed)
    }

    #[cold]
    fn new_object(&self, key: (usize, u64), resource: &Arc<dyn Resource>) -> u64 {
        if self.books.lock().objects.len() >= NAMED {
            return 0;
        }
        let about = resource.describe();
        let made = about.made_at;
        let mut books = self.books.lock();
        let next = books.objects.len() as u64 + 1;
        let number = *books.objects.entry(key).or_insert(next);
        if number == next {
            self.write_note(&mut books, &Note::Object { number, kind: about.kind, name: about.name, made });
        }
        number
    }

    // ---- events ----

    /// A thread is about to go to sleep. Runs code of the host, for what has not been met before.
    #[cold]
    pub(crate) fn waits(&self, me: &Thread, record: &Record, at: Time, runtime: &Runtime) {
        if !self.is_on() {
            return;
        }
        let holder = record.resource.holder().map_or(0, |hold| hold.serial);
        let is_lock = what_for(record.call) == For::Lock && holder != 0;
        let busy = if is_lock { runtime.host_place_of(holder) } else { None };
        let event = Event {
            at: self.since(at),
            kind: Kind::Waits,
            call: Some(what_for(record.call)),
            timed: record.timed,
            site: record.site.as_ref().map_or(0, |site| self.site_of(me, site)),
            busy: busy.map_or(0, |site| self.site(&site)),
            doing: None,
            object: self.object_of(me, &record.resource),
            other: holder,
        };
        self.write(me, event);
    }

    /// It goes on, if only with the wait around that one, in which a handler of the host's has waited.
    #[cold]
    pub(crate) fn goes_on(&self, me: &Thread) {
        self.write(me, self.plain(Kind::GoesOn, 0));
        if let Some(outer) = me.record() {
            self.waits_again(me, &outer);
        }
    }

    /// The same for a wait that was written down before. Runs no code of the host.
    fn waits_again(&self, me: &Thread, record: &Record) {
        if !self.is_on() {
            return;
        }
        let (site, object) = {
            let books = self.books.lock();
            let site =
                record.site.as_ref().and_then(|site| books.sites.get(&site.key())).map_or(0, |noted| noted.number);
            (site, record.resource.key().and_then(|key| books.objects.get(&key)).copied().unwrap_or(0))
        };
        let call = Some(what_for(record.call));
        let event = Event { call, timed: record.timed, site, object, ..self.plain(Kind::Waits, 0) };
        self.write(me, event);
    }

    /// Its first instruction is about to run. Called on it.
    #[cold]
    pub(crate) fn begins(&self, thread: &Thread) {
        self.write(thread, self.plain(Kind::Began, 0));
    }

    /// The calling thread of the system is the one that the thread runs on.
    pub(crate) fn runs_here(&self, thread: &Thread) {
        thread.page.task.store(system::native_id(), Ordering::Release);
    }

    /// Nothing of it runs any more.
    #[cold]
    pub(crate) fn ended(&self, thread: &Thread) {
        let ended = match thread.ending() {
            _ if thread.state() == State::Starting => how::TAKEN_BACK,
            Ending::Finished => how::FINISHED,
            Ending::Failed(error) => {
                self.note(&Note::Died { serial: thread.serial(), error });
                how::DIED
            }
            Ending::Stopped(_) => how::STOPPED,
        };
        self.write(thread, self.plain(Kind::Ended, ended));
        let page = thread.page.number.swap(0, Ordering::Relaxed);
        if self.is_on() {
            let mut books = self.books.lock();
            books.present.remove(&page);
            if let Some(hand) = books.hands.remove(&thread.serial()) {
                self.set(hand + hand::SERIAL, 0);
                books.empty.push(hand);
            }
        }
    }

    // ---- hands ----

    /// Where the locks are written down that thread `serial` holds; `None` if there is no room. For that thread, and good until
    /// it ends.
    #[cold]
    pub(crate) fn hand(&self, serial: u64) -> Option<Hand> {
        if !self.is_on() {
            return None;
        }
        let mut books = self.books.lock();
        let start = books.hands.get(&serial).copied().or_else(|| books.empty.pop()).or_else(|| {
            let used = self.get(header::HANDS_USED);
            (used < self.get(header::HANDS_ROOM)).then(|| {
                let before = self.add(header::HANDS_USED, 1);
                self.get(header::HANDS) as usize + before as usize * hand::WORDS
            })
        })?;
        books.hands.insert(serial, start);
        self.set(start + hand::COUNT, 0);
        self.set(start + hand::SERIAL, serial);
        Some(Hand(start))
    }

    /// The thread holds `count` locks now, and those from place `from` on are these.
    #[inline]
    pub(crate) fn show(&self, Hand(start): &Hand, from: usize, numbers: impl Iterator<Item = u64>, count: usize) {
        if self.is_on() {
            numbers.zip(from..hand::ROOM).for_each(|(number, at)| self.set(start + hand::LOCKS + at, number));
            self.word(start + hand::COUNT).store((count as u64).to_le(), Ordering::Release);
        }
    }

    // ---- for the sampler ----

    /// How it looks, said once.
    pub(crate) fn is_sampled(&self, period: Duration, sees_turns: bool) {
        if self.is_on() {
            self.set(header::SEES_TURNS, u64::from(sees_turns));
            self.set(header::PERIOD, period.as_nanos() as u64);
        }
    }

    /// Whether the thread sleeps for something of raddle's: what it has written down last.
    pub(super) fn is_waiting(&self, thread: &Thread) -> bool {
        let page = thread.page.number.load(Ordering::Relaxed);
        let Some(start) = (page != 0).then(|| self.start_of(page)) else { return false };
        let count = u64::from_le(self.word(start + ring::COUNT).load(Ordering::Acquire));
        count.checked_sub(1).is_some_and(|last| {
            let at = start + ring::EVENTS + (last as usize % ring::ROOM) * ring::EVENT;
            self.get(at + 1) as u8 == Kind::Waits as u8
        })
    }

    /// Where it is written down what a thread is seen at; where there is no room left, in place of what an ended one of `ended`
    /// was. `None` if there is none.
    pub(super) fn times(&self, thread: &Thread, ended: &mut VecDeque<usize>) -> Option<usize> {
        let known = thread.page.times.load(Ordering::Relaxed);
        if known != 0 || !self.is_on() {
            return (known != 0).then_some(known);
        }
        let used = self.get(header::TIMES_USED);
        let start = if used < self.get(header::TIMES_ROOM) {
            let start = self.get(header::TIMES) as usize + used as usize * times::WORDS;
            self.set(header::TIMES_USED, used + 1);
            start
        } else {
            let start = ended.pop_front()?;
            (0..times::WORDS).for_each(|at| self.set(start + at, 0));
            start
        };
        self.set(start + times::SERIAL, thread.serial());
        thread.page.times.store(start, Ordering::Relaxed);
        Some(start)
    }

    /// The first word of a thread's times, if it has any.
    pub(super) fn times_of(&self, thread: &Thread) -> Option<usize> {
        Some(thread.page.times.load(Ordering::Relaxed)).filter(|start| *start != 0)
    }

    pub(super) fn set_time(&self, start: usize, at: usize, value: u64) {
        if self.is_on() {
            self.set(start + at, value);
        }
    }

    pub(super) fn add_time(&self, start: usize, at: usize, nanos: u64) {
        self.set_time(start, at, self.get(start + at).wrapping_add(nanos));
    }

    /// A thread was seen to begin something.
    pub(super) fn saw(&self, serial: u64, now: Time, doing: Doing, call: u64) {
        let doing = Some(doing);
        let event = Event { at: self.since(now), doing, object: call, ..self.plain(Kind::Seen, serial) };
        self.write_into(&self.page, SAMPLER, event);
    }

    fn plain(&self, kind: Kind, other: u64) -> Event {
        let at = self.since(Time::now());
        Event { at, kind, call: None, timed: false, site: 0, busy: 0, doing: None, object: 0, other }
    }

    fn write(&self, thread: &Thread, event: Event) {
        self.write_into(&thread.page, thread.serial(), event);
    }

    fn write_into(&self, page: &Page, serial: u64, event: Event) {
        if !self.is_on() {
            return;
        }
        let Some(page) = self.page(page, serial) else {
            self.add(header::EVENTS_LOST, 1);
            return;
        };
        let count = self.get(page + ring::COUNT);
        let start = page + ring::EVENTS + (count as usize % ring::ROOM) * ring::EVENT;
        event.to_words().into_iter().zip(start..).for_each(|(word, at)| self.set(at, word));
        self.word(page + ring::COUNT).store((count + 1).to_le(), Ordering::Release);
    }

    /// The first word of the page that the thread's next event goes into.
    fn page(&self, page: &Page, serial: u64) -> Option<usize> {
        let present = page.number.load(Ordering::Relaxed);
        if present == 0 {
            return self.next_page((page, serial), present);
        }
        let start = self.start_of(present);
        let full = self.get(start + ring::COUNT) >= ring::ROOM as u64;
        Some(if full { self.next_page((page, serial), present).unwrap_or(start) } else { start })
    }

    fn start_of(&self, page: u64) -> usize {
        self.get(header::RINGS) as usize + (page as usize - 1) * PAGE
    }

    /// A page in place of the full one.
    #[cold]
    fn next_page(&self, (of, serial): (&Page, u64), full: u64) -> Option<usize> {
        let mut books = self.books.lock();
        let page = self.new_page().or_else(|| self.oldest_page(&mut books))?;
        books.present.remove(&full);
        books.present.insert(page);
        books.given.push_back(page);
        let start = self.start_of(page);
        self.set(start + ring::NUMBER, self.add(header::PAGES_GIVEN, 1) + 1);
        self.set(start + ring::SERIAL, serial);
        of.number.store(page, Ordering::Relaxed);
        Some(start)
    }

    /// One that nobody had.
    fn new_page(&self) -> Option<u64> {
        let used = self.get(header::RINGS_USED);
        (used < self.get(header::RINGS_ROOM)).then(|| self.add(header::RINGS_USED, 1) + 1)
    }

    fn oldest_page(&self, books: &mut Books) -> Option<u64> {
        let is_free = |page: &u64| !books.present.contains(page);
        let at = books.given.iter().position(is_free)?;
        // Those before it are of threads that write little: they are not to be looked at every time.
        books.given.rotate_left(at);
        let page = books.given.pop_front()?;
        let count = self.word(self.start_of(page) + ring::COUNT);
        // Nobody's, from here on.
        self.add(header::EVENTS_LOST, u64::from_le(count.swap(0, Ordering::AcqRel)));
        Some(page)
    }
}

fn what_for(call: Call) -> For {
    match call {
        Call::Acquire | Call::Reacquire => For::Lock,
        Call::Wait => For::Notice,
        Call::Sleep => For::Sleep,
        Call::Join | Call::Exit => For::Join,
        Call::Import => For::Import,
        Call::Get | Call::Put | Call::Tasks => For::Queue,
        Call::Result => For::Result,
    }
}
