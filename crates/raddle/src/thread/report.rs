//! How a thread ended, told at its end to whoever described it.

use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::{Lineage, Thread};
use crate::graph::verdict::{Ending, Place, ThreadInfo};

/// How a thread ended; see [`Builder::on_exit`](super::Builder::on_exit).
#[derive(Clone, Debug)]
pub struct Report {
    /// Which thread.
    pub thread: ThreadInfo,
    /// How it ended.
    pub ending: Ending,
    /// Where it panicked, if it did and that is known; see [`Panic::at`](crate::Panic::at).
    pub at: Option<Place>,
    /// How long it took, from its start on.
    pub lasted: Duration,
    /// Who started it, who started that one, and so on.
    pub lineage: Lineage,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.lasted.as_secs_f64();
        write!(f, "thread '{}' ", self.thread.name)?;
        match &self.ending {
            Ending::Finished => write!(f, "ended after {seconds:.1} s"),
            Ending::Stopped(by) => write!(f, "was {by}, after {seconds:.1} s"),
            Ending::Failed(error) => {
                write!(f, "panicked after {seconds:.1} s")?;
                self.at.iter().try_for_each(|at| write!(f, " at {}:{}", at.file, at.line))?;
                write!(f, ": {error}")
            }
        }
    }
}

type Hook = Arc<dyn Fn(&Report) + Send + Sync>;

/// Those who are told, in the order in which they have asked.
#[derive(Clone, Default)]
pub(super) struct OnExit(Vec<Hook>);

impl OnExit {
    pub(super) fn add(&mut self, hook: impl Fn(&Report) + Send + Sync + 'static) {
        self.0.push(Arc::new(hook));
    }

    /// The calling thread, which is `thread`, has ended; `at` is where it panicked.
    pub(super) fn tell(&self, thread: &Thread, at: Option<Place>) {
        if self.0.is_empty() {
            return;
        }
        let (ending, lineage) = (thread.ending(), thread.whole_lineage());
        let report = Report { thread: thread.info(), ending, at, lasted: thread.age(), lineage };
        for hook in &self.0 {
            // The panic hook of the process is told of it; the next one here is, too, of the thread.
            let _ = catch_unwind(AssertUnwindSafe(|| hook(&report)));
        }
    }
}

impl fmt::Debug for OnExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hooks", self.0.len())
    }
}
