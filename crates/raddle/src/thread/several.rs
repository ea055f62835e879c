//! Waiting for several threads: for all of them, for whichever is first, for the first that fails.
//!
//! What has to come of a thread is that its function ends; whoever runs it says so ([`Several::ended`]), which is before the
//! end of the thread itself. Until then the thread is one to be waited for, and in the graph:
//!
//! - A wait for all of them, or for the last one, has an edge to each, as a join: only that thread can end it. So a way
//!   back through any of them is a deadlock. There may be thousands, and whoever waits looks whenever it goes to sleep, so
//!   the oldest [`EDGES`] are shown; the others follow as those end.
//! - A wait for whichever is first may be ended by any of them, so it is stuck when all are: that is a knot, see
//!   [`graph`](crate::graph).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{State, Thread};
use crate::graph::{Blocked, Description, Halt, Hold, Resource};
use crate::seam::{Mutex, Parker};
use crate::wait::{Queue, Sleep};

/// How many of those that a wait is for are followed at a time.
const EDGES: usize = 64;

/// When a wait for several threads is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One has ended that was not [taken](Several::take) yet.
    First,
    /// One has failed, or all have ended.
    FirstFailure,
    /// All have ended.
    All,
}

/// See the module. Each thread has a number that its owner gives it here.
pub struct Several {
    rule: Rule,
    progress: Mutex<Progress>,
    queue: Queue,
}

#[derive(Default)]
struct Progress {
    awaited: BTreeMap<usize, Arc<Thread>>,
    /// How many have ended and were not taken.
    ready: usize,
    failed: bool,
}

impl Progress {
    fn is_enough(&self, rule: Rule) -> bool {
        match rule {
            Rule::First => self.ready > 0,
            Rule::FirstFailure => self.failed || self.awaited.is_empty(),
            Rule::All => self.awaited.is_empty(),
        }
    }
}

impl Several {
    /// A wait for `threads`, each with its number, that is over as `rule` says.
    pub fn new(rule: Rule, threads: impl IntoIterator<Item = (usize, Arc<Thread>)>) -> Self {
        let several = Several { rule, progress: Mutex::default(), queue: Queue::default() };
        several.progress.lock().awaited.extend(threads);
        several
    }

    /// The function of thread `number` has ended, or never will begin.
    pub fn ended(&self, number: usize, failed: bool) {
        let mut progress = self.progress.lock();
        let thread = progress.awaited.remove(&number);
        progress.ready += 1;
        progress.failed |= failed;
        let enough = progress.is_enough(self.rule);
        drop(progress);
        drop(thread);
        // Who came to wait after the change has seen it; who came before is in the queue.
        if enough {
            self.queue.wake(usize::MAX);
        }
    }

    /// One that has ended is dealt with; false if there is none.
    pub fn take(&self) -> bool {
        let mut progress = self.progress.lock();
        let ready = progress.ready;
        progress.ready = ready.saturating_sub(1);
        ready > 0
    }

    /// Whether a wait would be over at once.
    pub fn is_enough(&self) -> bool {
        self.progress.lock().is_enough(self.rule)
    }

    /// Sleeps as `blocked` says until the rule is met.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn wait(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        let parker = Arc::clone(blocked.me.parker());
        self.sleep(&parker, blocked)
    }

    pub(super) fn sleep<S: Sleep>(&self, parker: &Arc<Parker>, sleep: &mut S) -> Result<(), S::Halt> {
        let waiter = self.queue.enlist(parker);
        if self.is_enough() {
            self.queue.leave(&waiter);
            return Ok(());
        }
        self.queue.sleep(&waiter, sleep)
    }

    /// The first so many of those that are still waited for, and whether each has to end; none once the wait is over, though
    /// whoever waits may not have noticed yet.
    fn awaited(&self, most: usize) -> (Vec<Arc<Thread>>, bool) {
        let progress = self.progress.lock();
        if progress.is_enough(self.rule) {
            return (Vec::new(), false);
        }
        let each = self.rule == Rule::All || progress.awaited.len() == 1;
        let alive = progress.awaited.values().filter(|thread| thread.state() != State::Ended);
        (alive.take(most).cloned().collect(), each)
    }

    /// Those each of which has to end before a wait is over.
    fn needed(&self) -> Vec<Hold> {
        let (awaited, each) = self.awaited(EDGES);
        let hold = |thread: Arc<Thread>| Hold { serial: thread.serial(), owned: true, strict: false };
        if each { awaited.into_iter().map(hold).collect() } else { Vec::new() }
    }
}

impl Resource for Several {
    fn holder(&self) -> Option<Hold> {
        self.needed().into_iter().next()
    }

    fn other_holders(&self) -> Vec<Hold> {
        self.needed().into_iter().skip(1).collect()
    }

    fn can_be_left(&self) -> bool {
        false
    }

    fn helpers(&self, runs: &dyn Fn(u64) -> bool) -> Vec<Vec<u64>> {
        let serials: Vec<_> = self.awaited(usize::MAX).0.iter().map(|thread| thread.serial()).collect();
        let stuck = !serials.is_empty() && !serials.iter().any(|serial| runs(*serial));
        if stuck { vec![serials] } else { Vec::new() }
    }

    fn describe(&self) -> Description {
        const NAMED: usize = 3;
        let (awaited, _) = self.awaited(usize::MAX);
        let names: Vec<_> = awaited.iter().take(NAMED).map(|thread| thread.name().to_string()).collect();
        let more = awaited.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Description { kind: "Thread".into(), name: names.join(", ") + &more, ..Description::default() }
    }
}

impl fmt::Debug for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Several").field("rule", &self.rule).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::graph::verdict::ThreadKind;

    fn threads(count: usize) -> Vec<Arc<Thread>> {
        (0..count).map(|number| Thread::new(&format!("t{number}"), ThreadKind::Regular, None)).collect()
    }

    fn several(rule: Rule, threads: &[Arc<Thread>]) -> Several {
        Several::new(rule, threads.iter().cloned().enumerate())
    }

    fn edges(several: &Several) -> Vec<u64> {
        let holds = several.holder().into_iter().chain(several.other_holders());
        holds.map(|hold| hold.serial).collect()
    }

    #[test]
    fn each_is_an_edge_of_a_wait_for_all_until_its_function_has_ended() {
        let threads = threads(3);
        let all = several(Rule::All, &threads);
        all.ended(1, true);
        assert_eq!(edges(&all), [threads[0].serial(), threads[2].serial()]);
        assert!(all.describe().name == "t0, t2" && !all.is_enough());
        threads[2].set_state(State::Ended);
        assert_eq!(edges(&all), [threads[0].serial()], "whatever it says, it cannot be waited for any more");
        all.ended(0, false);
        all.ended(2, false);
        assert!(all.is_enough() && edges(&all).is_empty());
    }

    #[test]
    fn thousands_are_followed_a_few_at_a_time() {
        let threads = threads(EDGES * 3);
        let all = several(Rule::All, &threads);
        assert_eq!(edges(&all).len(), EDGES);
        (0..EDGES * 2).for_each(|number| all.ended(number, false));
        assert_eq!(edges(&all).last(), threads.last().map(|thread| thread.serial()).as_ref());
        assert_eq!(several(Rule::First, &threads).describe().name, "t0, t1, t2 and 189 more");
    }

    #[test]
    fn one_of_several_is_no_edge_but_the_last_one_is() {
        let threads = threads(2);
        let first = several(Rule::First, &threads);
        let serials: Vec<_> = threads.iter().map(|thread| thread.serial()).collect();
        assert!(first.holder().is_none() && first.helpers(&|serial| serial == serials[1]).is_empty());
        assert_eq!(first.helpers(&|_| false), std::slice::from_ref(&serials));
        first.ended(0, false);
        assert!(edges(&first).is_empty() && first.helpers(&|_| false).is_empty(), "a wait is over");
        assert!(first.is_enough() && first.take() && !first.take() && !first.is_enough());
        assert_eq!(edges(&first), serials[1..]);
    }

    #[test]
    fn a_failure_is_enough() {
        let threads = threads(3);
        let failure = several(Rule::FirstFailure, &threads);
        failure.ended(0, false);
        assert!(!failure.is_enough() && failure.holder().is_none());
        failure.ended(1, true);
        assert!(failure.is_enough());
    }
}
