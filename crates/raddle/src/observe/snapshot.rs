//! All threads, and what each is doing.

use std::cmp::Reverse;

use crate::graph::verdict::{ThreadInfo, Verdict, Wait};
use crate::runtime::Runtime;
use crate::thread::{State, Thread};

/// The threads of a program that have not ended, with what each of them waits for.
///
/// Owns everything in it, so it may be kept, compared with a later one or sent to another thread.
///
/// ```
/// use raddle::Mutex;
/// use raddle::observe::Activity;
/// use std::sync::Arc;
///
/// let ledger = Arc::new(Mutex::named("ledger", ()));
/// let guard = ledger.lock()?;
/// let clerk = raddle::spawn("clerk", { let ledger = ledger.clone(); move || drop(ledger.lock()) }).unwrap();
/// # let waits = || raddle::runtime().snapshot().threads.iter().any(|thread| thread.wait().is_some());
/// # while !waits() { std::thread::yield_now(); }
///
/// // The clerk waits for us by now.
/// let now = raddle::runtime().snapshot();
/// let view = now.threads.iter().find(|view| view.thread.name == "clerk").unwrap();
/// let Activity::Waiting(wait) = &view.activity else { panic!("it is {:?}", view.activity) };
/// assert_eq!(wait.object.name, "ledger");
///
/// let me = wait.object.holder.as_ref().unwrap().thread.serial;
/// assert_eq!(now.waits_on(me).map(|wait| wait.thread.name.as_str()).collect::<Vec<_>>(), ["clerk"]);
/// # drop(guard);
/// # clerk.join().unwrap();
/// # Ok::<(), raddle::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Oldest first.
    pub threads: Vec<ThreadSnapshot>,
}

/// One thread of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadSnapshot {
    /// Who it is, who started it and where.
    pub thread: ThreadInfo,
    /// What it was doing when it was looked at.
    pub activity: Activity,
}

/// What a thread is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Another thread has asked for it; no code of its own has run yet.
    Starting,
    /// It does not wait for anything that this runtime knows. It may still sleep in a system call.
    Running,
    /// It sleeps: for what, held by whom, since when, where.
    Waiting(Box<Wait>),
}

impl ThreadSnapshot {
    /// What it waits for, if it does.
    pub fn wait(&self) -> Option<&Wait> {
        match &self.activity {
            Activity::Waiting(wait) => Some(wait),
            Activity::Starting | Activity::Running => None,
        }
    }
}

impl Snapshot {
    /// The waits for what thread `serial` holds: a lock that it took, or its own end.
    ///
    /// Things that it holds and nobody wants are not among them, because the runtime keeps no list of all objects: a lock
    /// knows its holder, a holder does not know its locks.
    pub fn waits_on(&self, serial: u64) -> impl Iterator<Item = &Wait> {
        let held_by_it = move |wait: &&Wait| wait.object.holder.as_ref().is_some_and(|by| by.thread.serial == serial);
        self.threads.iter().filter_map(ThreadSnapshot::wait).filter(held_by_it)
    }

    pub(super) fn into_longest_waits(self) -> Verdict {
        let (mut waits, mut running) = (Vec::new(), Vec::new());
        for ThreadSnapshot { thread, activity } in self.threads {
            match activity {
                Activity::Waiting(wait) => waits.push(*wait),
                Activity::Starting | Activity::Running => running.push(thread),
            }
        }
        waits.sort_by_key(|wait| Reverse(wait.since));
        Verdict::LongestWaits { waits, running }
    }
}

impl Runtime {
    /// What every thread is doing now. Runs code of the host: call it with no lock held that such code may want.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { threads: self.threads().iter().map(|thread| self.view(thread)).collect() }
    }

    /// What `thread` is doing now. As [`snapshot`](Runtime::snapshot), it runs code of the host.
    pub fn activity_of(&self, thread: &Thread) -> Activity {
        match (self.wait_of(thread), thread.state()) {
            (Some(wait), _) => Activity::Waiting(Box::new(wait)),
            (None, State::Starting) => Activity::Starting,
            (None, State::Running | State::Ended) => Activity::Running,
        }
    }

    fn view(&self, thread: &Thread) -> ThreadSnapshot {
        ThreadSnapshot { thread: thread.info(), activity: self.activity_of(thread) }
    }
}
