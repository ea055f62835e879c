//! Things to be done at a moment: one heap, one thread.
//!
//! [`Timers`] do a deed at a moment. Above them stand jobs: a [`Plan`] says which runs are due when, [`RawJob`] has the
//! timers drive it, a [`Crew`] carries out what is due. For Rust programs there are [`after`], [`at`] and [`every`].
//!
//! The thread is a carrier's ([`Carriers`]): it is there while there is something to wait for and for 0.3 s
//! afterwards. It does the deeds itself, one after the other, so a deed is a few instructions: handing a job to a carrier, waking
//! somebody. Time limits of blocking calls are not here: a thread that waits parks until its own deadline.
//!
//! # Protocol
//!
//! State and heap are changed under one mutex. Whoever arms an entry that is earlier than all others unparks the thread;
//! whoever arms one while there is no thread starts it. The thread says under the mutex that it is gone, when the heap is
//! empty, so an entry is never left without a thread.

mod crew;
#[cfg(not(loom))]
mod facade;
mod heap;
mod job;
#[cfg(all(test, loom))]
mod models;
mod plan;
#[cfg(all(test, not(loom)))]
mod plan_tests;

pub use crew::{Crew, Worker};
#[cfg(not(loom))]
pub use facade::{At, Every, Job, JobError, after, at, every};
pub use job::{RawJob, Task};
pub use plan::{End, Missed, Moment, Now, Plan, Rules, Stats};

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use self::heap::{Heap, Key};
use crate::seam::thread::Inherited;
use crate::seam::{Mutex, Parker, Time, Woken};
use crate::thread::Carriers;

/// What is to be done: a few instructions that neither block nor panic.
pub type Deed = Box<dyn FnOnce() + Send>;

/// How long the thread stays when there is nothing left.
const LINGERING: Duration = Duration::from_millis(300);

/// How long the thread sleeps at least after a deed. Waking up costs fifty times as much as a deed, so those that are due
/// within this time are done together. An entry that is armed meanwhile and is earlier than all others does not wait for
/// that: timers that arm the next one are as punctual as a single one.
const REST: Duration = Duration::from_millis(1);

/// The timers of a process.
///
/// ```
/// use raddle::{seam::Time, thread::Carriers, timer::Timers};
/// use std::{sync::{Arc, mpsc::channel}, time::Duration};
///
/// let timers = Timers::new(Arc::new(Carriers::default()));
/// let (sender, receiver) = channel();
/// let soon = Time::now().after(Duration::from_millis(10));
/// let late = timers.at(soon.after(Duration::from_secs(3600)), Box::new(|| unreachable!()))?;
/// timers.at(soon, Box::new(move || sender.send("done").unwrap()))?;
/// assert_eq!(receiver.recv().unwrap(), "done");
/// assert!(late.cancel().is_some());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Timers {
    shared: Arc<Shared>,
    carriers: Arc<Carriers>,
}

#[derive(Default)]
struct Shared {
    inside: Mutex<Inside>,
    wallflowers: Mutex<job::Wallflowers>,
}

/// Empty in the child of a fork, where neither the thread nor those who armed the entries exist.
#[derive(Default)]
struct Inside {
    heap: Heap<Deed>,
    thread: Option<Driver>,
}

/// The thread that waits.
#[derive(Clone)]
struct Driver {
    parker: Arc<Parker>,
    inherited: Arc<Inherited>,
    /// Whether it is to end as soon as there is nothing left.
    hurry: bool,
}

/// An armed entry. Dropping it leaves it armed.
#[must_use]
pub struct Entry {
    shared: Arc<Shared>,
    key: Key,
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("armed", &self.armed()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Timers {
    /// Timers whose thread is one of `carriers`.
    pub fn new(carriers: Arc<Carriers>) -> Self {
        Timers { shared: Arc::default(), carriers }
    }

    /// Has `deed` done at `due`.
    ///
    /// # Errors
    /// If there is no thread yet and the system refuses one; nothing was armed then.
    pub fn at(&self, due: Time, deed: Deed) -> io::Result<Entry> {
        let mut inside = self.shared.inside.lock();
        let (key, first) = inside.heap.arm(due, deed);
        let driver = inside.thread.clone();
        drop(inside);
        match driver {
            Some(driver) if first => driver.parker.unpark(),
            Some(_) => {}
            None => self.start().inspect_err(|_| drop(self.shared.inside.lock().heap.cancel(key)))?,
        }
        Ok(Entry { shared: Arc::clone(&self.shared), key })
    }

    /// Starts the thread, unless another one did meanwhile.
    #[cold]
    fn start(&self) -> io::Result<()> {
        let carrier = self.carriers.reserve(0)?;
        let parker = Arc::<Parker>::default();
        let driver = Driver { parker, inherited: Arc::new(Inherited::of_caller()), hurry: false };
        let mut inside = self.shared.inside.lock();
        if inside.thread.is_some() {
            return Ok(());
        }
        inside.thread = Some(driver.clone());
        drop(inside);
        let shared = Arc::clone(&self.shared);
        carrier.run(Box::new(move |_| shared.drive(&driver.parker)));
        Ok(())
    }

    /// Whether the thread is, to whatever it starts, as the calling thread would be. True if there is none yet: the caller
    /// may start it.
    pub fn is_like_caller(&self) -> bool {
        let driver = self.shared.inside.lock().thread.clone();
        driver.is_none_or(|driver| *driver.inherited == Inherited::of_caller())
    }

    fn wallflowers(&self) -> &Mutex<job::Wallflowers> {
        &self.shared.wallflowers
    }

    /// How many entries are armed.
    pub fn armed(&self) -> usize {
        self.shared.inside.lock().heap.len()
    }

    /// Has the thread end at once if it has nothing to wait for. To be called before a fork.
    pub fn retire(&self) {
        let mut inside = self.shared.inside.lock();
        if inside.heap.len() > 0 {
            return;
        }
        let driver = inside.thread.as_mut().map(|driver| {
            driver.hurry = true;
            driver.clone()
        });
        drop(inside);
        if let Some(driver) = driver {
            driver.parker.unpark();
        }
    }
}

impl Shared {
    /// The thread's work.
    fn drive(&self, parker: &Parker) {
        let mut lingered = false;
        // Until when it sleeps at least.
        let mut resting = None;
        loop {
            let (now, mut inside) = (Time::now(), self.inside.lock());
            if let Some(deed) = inside.heap.pop_due(now) {
                drop(inside);
                deed();
                lingered = false;
                resting = Some(now.after(REST));
                continue;
            }
            let next = inside.heap.next();
            let hurry = inside.thread.as_ref().is_none_or(|driver| driver.hurry);
            if next.is_none() && (hurry || lingered) {
                inside.thread = None;
                return;
            }
            drop(inside);
            let until = next.max(resting).filter(|_| next.is_some()).unwrap_or_else(|| now.after(LINGERING));
            let woken = parker.park(Some(until));
            lingered = woken == Woken::TimedOut && next.is_none();
            if woken == Woken::Unparked {
                resting = None;
            }
        }
    }
}

impl Entry {
    /// Takes it back: the deed, which will not be done; `None` if it is being done, was done or was taken back before.
    pub fn cancel(&self) -> Option<Deed> {
        let mut inside = self.shared.inside.lock();
        inside.heap.cancel(self.key)
    }
}
