//! What a scope and its threads share: the token, the list, what has become of the time limit.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{OnError, ScopeError};
use crate::facade::{block, runtime};
use crate::graph::verdict::{Ending, Verdict};
use crate::graph::{Call, Halt};
use crate::seam::Time;
use crate::stop::{Block, Entered, StopToken, Stopped, request};
use crate::sync::Semaphore;
use crate::thread::{Child, State, Thread, current};

/// How often a scope's end looks that waits in spite of a deadlock: a wait that ends by itself is not told of again.
const LOOK: Duration = Duration::from_millis(50);

type Kid<'scope> = Arc<dyn Child + 'scope>;

/// See the module of the room.
pub(crate) struct Shared<'scope> {
    name: Option<String>,
    token: StopToken,
    on_error: OnError,
    /// The time limit, and when it ends.
    limit: Option<(Duration, Time)>,
    /// How many threads may still be started, if there is a limit to it.
    turns: Option<Semaphore>,
    /// Whether one of the threads has obeyed it.
    pub(super) elapsed: AtomicBool,
    /// Whether one of the threads has succeeded.
    succeeded: AtomicBool,
    children: Mutex<Children<'scope>>,
}

/// One of the threads that there may be at a time, until it is dropped.
pub(super) struct Turn<'scope>(Option<Arc<Shared<'scope>>>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let turns = self.0.as_ref().and_then(|shared| shared.turns.as_ref());
        turns.inspect(|turns| turns.add_permits(1));
    }
}

#[derive(Default)]
struct Children<'scope> {
    /// By their numbers: the oldest first.
    running: BTreeMap<u64, Kid<'scope>>,
    /// Those that have done their work, and may be in their last thread-local destructors.
    ending: Vec<Arc<Thread>>,
    failed: Vec<Kid<'scope>>,
}

impl<'scope> Shared<'scope> {
    pub(super) fn new(
        name: Option<String>,
        on_error: OnError,
        limit: Option<(Duration, Time)>,
        threads: Option<u64>,
    ) -> Self {
        let called = name.as_deref().unwrap_or("a scope");
        let turns = threads.map(|threads| Semaphore::named(&format!("{called}: limit({threads})"), threads));
        Shared {
            name,
            token: StopToken::default(),
            on_error,
            limit,
            turns,
            elapsed: AtomicBool::new(false),
            succeeded: AtomicBool::new(false),
            children: Mutex::default(),
        }
    }

    pub(super) fn token(&self) -> &StopToken {
        &self.token
    }

    pub(super) fn stop(&self, stopped: Stopped) -> bool {
        self.token.stop(stopped)
    }

    /// The block that the time limit makes.
    pub(super) fn deadline(&self) -> Option<Block> {
        self.limit.map(|(limit, due)| Block::Deadline(due, format!("the scope's timeout({limit:?})").into()))
    }

    fn children(&self) -> MutexGuard<'_, Children<'scope>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another thread may be started, or the caller is to stop: that one comes on top of the limit.
    #[track_caller]
    pub(super) fn await_turn(self: &Arc<Self>) -> Turn<'scope> {
        let turn = self.turns.as_ref().map(Semaphore::acquire).and_then(Result::ok);
        // It goes with the thread, which gives it back.
        Turn(turn.map(|turn| {
            turn.forget();
            Arc::clone(self)
        }))
    }

    /// A thread is about to be started.
    pub(super) fn begins(&self, child: Kid<'scope>) {
        self.children().running.insert(child.thread().serial(), child);
    }

    /// Calls `f` on a thread of the scope, which the time limit stops.
    pub(super) fn in_time<T>(&self, f: impl FnOnce() -> T) -> T {
        let me = current(runtime());
        let deadline = self.deadline().map(|deadline| Entered::new(Arc::clone(&me), deadline));
        let value = f();
        if deadline.is_some_and(Entered::leave) {
            self.expired();
            // Its own token is stopped by now, for the same reason.
            me.blocks().obey(0);
        }
        value
    }

    fn expired(&self) {
        self.elapsed.store(true, Ordering::Release);
        if let Some((limit, _)) = self.limit {
            self.stop(request(Some(&format!("the scope's timeout({limit:?}) expired"))));
        }
    }

    /// A thread has done its work, and nothing that borrows is left but its value; or it never ran.
    pub(super) fn ends(&self, child: &dyn Child) {
        let (thread, failed) = (child.thread(), child.has_failed());
        let mut children = self.children();
        children.ending.retain(|other| other.state() == State::Running);
        children.ending.push(Arc::clone(thread));
        let kid = children.running.remove(&thread.serial());
        let succeeded = if failed {
            children.failed.extend(kid);
            None
        } else {
            kid
        };
        // The value that it may be the last owner of is the program's: it is dropped outside the mutex.
        drop(children);
        drop(succeeded);
        match (self.on_error, failed) {
            (OnError::StopSiblings, true) => self.stop_siblings(thread, "failed"),
            (OnError::FirstSuccess, false) if thread.ending() == Ending::Finished => {
                self.succeeded.store(true, Ordering::Release);
                self.stop_siblings(thread, "has returned");
            }
            _ => {}
        }
    }

    fn stop_siblings(&self, of: &Thread, why: &str) {
        self.stop(request(Some(&format!("thread '{}' of the same scope {why}", of.name()))));
    }

    /// Waits for all threads. What would end the wait before is handed on to them; a deadlock is returned.
    pub(super) fn join_all(&self, site: &'static Location<'static>) -> Option<Box<Verdict>> {
        let (mut stoppable, mut deadlock) = (true, None);
        while let Some(child) = self.oldest() {
            let limit = deadlock.is_some().then_some(LOOK);
            let joined = block(child.end(), (Call::Join, limit), site, |blocked| {
                if !stoppable {
                    blocked.is_no_stop_point();
                }
                child.wait_for_end(blocked)
            });
            match joined {
                Ok(()) | Err(Halt::TimedOut | Halt::Interrupted) => {}
                Err(Halt::Stopped(stopped)) => {
                    stoppable = false;
                    self.stop(Stopped { block: 0, ..*stopped });
                }
                Err(Halt::Deadlock(verdict) | Halt::Abandoned(verdict)) => {
                    self.stop(request(Some("its scope's end waits for it, and it for the scope's thread")));
                    deadlock = Some(verdict);
                }
            }
        }
        deadlock
    }

    /// One to be waited for.
    fn oldest(&self) -> Option<Arc<Thread>> {
        let mut children = self.children();
        children.ending.retain(|thread| thread.state() == State::Running);
        let running = children.running.values().next().map(|child| child.thread());
        running.or(children.ending.first()).cloned()
    }

    /// What is to be said at the end, if not all is well.
    pub(super) fn verdict(&self, elapsed: bool, deadlock: Option<Box<Verdict>>) -> Option<ScopeError> {
        let failed = std::mem::take(&mut self.children().failed);
        let errors: Vec<_> = failed.iter().filter_map(|child| child.take_error()).collect();
        if self.succeeded.load(Ordering::Acquire) {
            return None;
        }
        let elapsed = self.limit.filter(|_| elapsed).map(|(limit, _)| limit);
        let is_well = elapsed.is_none() && deadlock.is_none() && errors.is_empty();
        (!is_well).then(|| ScopeError { name: self.name.clone(), errors, elapsed, deadlock })
    }
}

impl fmt::Debug for Shared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let children = self.children();
        f.debug_struct("Scope")
            .field("name", &self.name)
            .field("on_error", &self.on_error)
            .field("running", &children.running.len())
            .field("failed", &children.failed.len())
            .finish_non_exhaustive()
    }
}
