//! Threads of the operating system that are used again.
//!
//! Making a thread costs as much as a hundred uncontended locks, and most threads of a program live for a moment. A
//! [`Carrier`] runs one job (a thread of the program, say) after the other.
//!
//! A job must not be able to tell. So a carrier is given a job only if a thread made by the starter would be no different:
//! what a thread inherits ([`Inherited`]) and the size of its stack are the same. And it is used again only if the job left
//! all that as it was; else its thread ends and a new one is made, by the next starter.
//! A process that has a library known for state of its own in each thread uses none again.
//!
//! # Protocol
//!
//! - Whoever takes a carrier out of `idle`, under the mutex, has the right to give it one job, and must.
//! - An idle carrier sleeps for [`IDLE`]. Then it takes itself out of `idle` and ends; if it is not in there, it was taken
//!   meanwhile, and waits for its job without a limit.
//! - A job announces its end ([`Over::announce`]) before anybody can know of it, so that
//!   `spare` counts exactly the threads that no job needs any more.
//! - Before a fork, [`retire`](Carriers::retire) ends the spare ones and waits until the system has none of them: a process
//!   that has joined its threads has one thread then, as it would have without carriers. In the child of a fork none of the
//!   carriers exists but the one that forked, and that one ends with its job.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::seam::thread::{self as os, Inherited};
use crate::seam::{Mutex, Parker, Time, Woken, fork_generation};

/// How long a carrier without a job waits for one.
const IDLE: Duration = Duration::from_millis(500);

/// How long [`Carriers::retire`] waits for the system.
const REAPING: Duration = Duration::from_millis(200);

/// What a carrier runs.
pub type Job = Box<dyn FnOnce(Over) + Send>;

/// The carriers of a process.
///
/// ```
/// use raddle::thread::Carriers;
/// use std::sync::{Arc, mpsc::channel};
///
/// let carriers = Arc::new(Carriers::default());
/// let (sender, receiver) = channel();
/// carriers.reserve(0)?.run(Box::new(move |mut over| {
///     let sum = 1 + 1;
///     over.announce();
///     sender.send(sum).unwrap();
/// }));
/// assert_eq!(receiver.recv().unwrap(), 2);
/// assert_eq!(carriers.spare(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Carriers {
    /// Latest last: the one that was used last is used first.
    idle: Mutex<Vec<Idle>>,
    /// What the latest one began with: most begin with the same, and share it.
    birth: Mutex<Option<Arc<Inherited>>>,
    /// The system's numbers of those that are ending.
    leaving: Mutex<Vec<u32>>,
    /// Threads of the system, and those among them whose job is not over.
    alive: AtomicUsize,
    busy: AtomicUsize,
    /// Whether each carries one job only.
    once: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    carrier: Arc<Carrier>,
    /// What its thread began with, and has again.
    birth: Arc<Inherited>,
}

/// What a carrier is to do next.
enum Errand {
    Run(Job),
    End,
}

/// One thread of the system.
struct Carrier {
    stack: usize,
    /// In which process of a chain of forks it was made.
    generation: u32,
    parker: Parker,
    /// Written by whoever took the carrier, then taken by the carrier.
    errand: Mutex<Option<Errand>>,
    /// `pthread_self` of its thread, written by whoever made it before it is handed out.
    ident: AtomicU64,
    /// The system's number for it, written by the thread itself; 0 before it runs.
    native_id: AtomicU32,
}

impl Carrier {
    fn send(&self, errand: Errand) {
        *self.errand.lock() = Some(errand);
        self.parker.unpark();
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").field("native_id", &self.native_id).finish_non_exhaustive()
    }
}

/// A carrier that waits for the job that it was taken for. Dropping this gives it none.
#[derive(Debug)]
#[must_use]
pub struct Reserved {
    carrier: Arc<Carrier>,
    given: bool,
}

/// A job's means to say that it is over, as far as anybody can tell; what it does after that is clearing up. Dropping it
/// says so too.
#[derive(Debug)]
pub struct Over {
    carriers: Arc<Carriers>,
    generation: u32,
    announced: bool,
}

impl Over {
    /// Says so.
    pub fn announce(&mut self) {
        if !self.announced && self.generation == fork_generation() {
            self.carriers.busy.fetch_sub(1, Ordering::AcqRel);
        }
        self.announced = true;
    }

    /// The job goes on with something that others wait for.
    pub fn resume(&mut self) {
        if self.announced && self.generation == fork_generation() {
            self.carriers.busy.fetch_add(1, Ordering::AcqRel);
        }
        self.announced = false;
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        self.announce();
    }
}

impl Carriers {
    /// A carrier that nobody could tell from a thread that the caller makes now: an idle one, or a new one. `stack` is the
    /// size of its stack in bytes, 0 for the system's default.
    ///
    /// # Errors
    /// What the system says if it refuses a thread.
    pub fn reserve(self: &Arc<Self>, stack: usize) -> io::Result<Reserved> {
        let carrier = match self.take_idle(stack) {
            Some(carrier) => carrier,
            None => self.make(stack)?,
        };
        self.busy.fetch_add(1, Ordering::AcqRel);
        Ok(Reserved { carrier, given: false })
    }

    fn take_idle(&self, stack: usize) -> Option<Arc<Carrier>> {
        if self.idle.lock().is_empty() {
            return None;
        }
        let wanted = Inherited::of_caller();
        let fits = |idle: &Idle| idle.carrier.stack == stack && *idle.birth == wanted;
        let mut idle = self.idle.lock();
        let place = idle.iter().rposition(fits)?;
        Some(idle.remove(place).carrier)
    }

    #[cold]
    fn make(self: &Arc<Self>, stack: usize) -> io::Result<Arc<Carrier>> {
        let carrier = Arc::new(Carrier {
            stack,
            generation: fork_generation(),
            parker: Parker::default(),
            errand: Mutex::default(),
            ident: AtomicU64::new(0),
            native_id: AtomicU32::new(0),
        });
        self.alive.fetch_add(1, Ordering::AcqRel);
        let made = os::spawn(stack, {
            let (carriers, carrier) = (Arc::clone(self), Arc::clone(&carrier));
            Box::new(move || carriers.live(&carrier))
        });
        match made {
            Ok(ident) => carrier.ident.store(ident, Ordering::Relaxed),
            Err(_) => drop(self.alive.fetch_sub(1, Ordering::AcqRel)),
        }
        made.map(|_| carrier)
    }

    /// The life of a carrier, on its own thread. What it does between jobs is in functions of their own: its frame lies
    /// below that of every thread that blocks.
    fn live(self: Arc<Self>, carrier: &Arc<Carrier>) {
        carrier.native_id.store(os::native_id(), Ordering::Release);
        let birth = self.inherited();
        let mut limit = None;
        while let Some(job) = self.next_job(carrier, limit) {
            let over = Over { carriers: Arc::clone(&self), generation: carrier.generation, announced: false };
            // The job's own error is the host's business; one that comes here must not end the process.
            let _ = catch_unwind(AssertUnwindSafe(|| job(over)));
            if carrier.generation != fork_generation() {
                return; // the child of a fork: nobody counts us there
            }
            if !self.rest(carrier, &birth) {
                break;
            }
            limit = Some(Time::now().after(IDLE));
        }
        let mut leaving = self.leaving.lock();
        leaving.retain(|native_id| !os::is_gone(*native_id));
        leaving.push(carrier.native_id.load(Ordering::Relaxed));
        drop(leaving);
        self.alive.fetch_sub(1, Ordering::AcqRel);
    }

    /// What the calling thread has inherited.
    #[inline(never)]
    fn inherited(&self) -> Arc<Inherited> {
        let mine = Inherited::of_caller();
        let mut latest = self.birth.lock();
        match &*latest {
            Some(known) if **known == mine => Arc::clone(known),
            _ => Arc::clone(latest.insert(Arc::new(mine))),
        }
    }

    /// Makes a carrier that has done a job an idle one; false if it must not carry another.
    #[inline(never)]
    fn rest(&self, carrier: &Arc<Carrier>, birth: &Arc<Inherited>) -> bool {
        if self.once.load(Ordering::Relaxed) || os::has_thread_bound_libraries() || Inherited::of_caller() != **birth {
            return false;
        }
        self.idle.lock().push(Idle { carrier: Arc::clone(carrier), birth: Arc::clone(birth) });
        true
    }

    /// Waits for a job; `None` if none came until `limit`, or if there is to be none.
    fn next_job(&self, carrier: &Arc<Carrier>, mut limit: Option<Time>) -> Option<Job> {
        loop {
            let errand = carrier.errand.lock().take();
            match errand {
                Some(Errand::Run(job)) => return Some(job),
                Some(Errand::End) => return None,
                None => {}
            }
            if carrier.parker.park(limit) == Woken::TimedOut {
                if self.withdraw(carrier) {
                    return None;
                }
                limit = None; // it was taken: its errand is on the way
            }
        }
    }

    /// Takes a carrier out of the idle ones; false if it is none.
    fn withdraw(&self, carrier: &Arc<Carrier>) -> bool {
        let mut idle = self.idle.lock();
        let place = idle.iter().position(|idle| Arc::ptr_eq(&idle.carrier, carrier));
        let entry = place.map(|place| idle.remove(place));
        drop(idle);
        entry.is_some()
    }

    /// From now on each carries one job and ends: for programs that tell all the same.
    pub fn use_once(&self) {
        self.once.store(true, Ordering::Relaxed);
    }

    /// How many threads of the system no job needs.
    pub fn spare(&self) -> usize {
        self.alive.load(Ordering::Acquire).saturating_sub(self.busy.load(Ordering::Acquire))
    }

    /// Ends the spare threads and waits, for a fifth of a second at most, until the system has none of them. To be called
    /// before a fork.
    pub fn retire(&self) {
        let deadline = Time::now().after(REAPING);
        while !self.all_gone() && Time::now() < deadline {
            let idle = std::mem::take(&mut *self.idle.lock());
            idle.iter().for_each(|idle| idle.carrier.send(Errand::End));
            os::nap();
        }
    }

    fn all_gone(&self) -> bool {
        let mut leaving = self.leaving.lock();
        leaving.retain(|native_id| !os::is_gone(*native_id));
        leaving.is_empty() && self.spare() == 0
    }

    /// To be called in the child of a fork by its only thread.
    pub(crate) fn after_fork_in_child(&self) {
        self.alive.store(0, Ordering::Relaxed);
        self.busy.store(0, Ordering::Relaxed);
    }
}

impl Reserved {
    /// The `pthread_t` of its thread.
    pub fn ident(&self) -> u64 {
        self.carrier.ident.load(Ordering::Relaxed)
    }

    /// Its thread.
    pub fn thread(&self) -> Running {
        Running(Arc::clone(&self.carrier))
    }

    /// Gives it the job.
    pub fn run(mut self, job: Job) {
        self.give(job);
    }

    fn give(&mut self, job: Job) {
        self.given = true;
        self.carrier.send(Errand::Run(job));
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.given {
            self.give(Box::new(drop));
        }
    }
}

/// The thread of the system that a job has got, or will get.
#[derive(Debug)]
pub struct Running(Arc<Carrier>);

impl Running {
    /// The system's number for it. A thread that was made a moment ago does not know it yet: this waits.
    pub fn native_id(&self) -> u32 {
        loop {
            match self.0.native_id.load(Ordering::Acquire) {
                0 => os::nap(),
                native_id => return native_id,
            }
        }
    }
}
