//! Why a scope did not give a value.

use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::error::{LockError, Panic};
use crate::graph::verdict::{ThreadInfo, Verdict};
use crate::thread::Lineage;

/// What went wrong in a scope; all of it.
#[derive(Debug)]
pub struct ScopeError {
    /// What the scope is called, if it has a name.
    pub name: Option<String>,
    /// The errors of its threads that nobody has taken by a join, in the order in which they came.
    pub errors: Vec<ChildError>,
    /// The time limit, if it has stopped the body or a thread.
    pub elapsed: Option<Duration>,
    /// A thread waited for something that the thread which had opened the scope held at its end.
    pub deadlock: Option<Box<Verdict>>,
}

/// How one thread of a scope failed.
#[derive(Debug)]
pub enum ChildError {
    /// It panicked.
    Panicked(Box<Panic>),
    /// Its function returned an error.
    Failed {
        /// Which thread.
        thread: Box<ThreadInfo>,
        /// Who started it, who started that one, and so on.
        lineage: Lineage,
        /// What it returned.
        error: Box<dyn Error + Send + Sync>,
    },
}

impl ScopeError {
    /// Panics with it: a panic of a thread goes on as it was.
    ///
    /// # Panics
    /// Always.
    #[track_caller]
    pub fn resume(self) -> ! {
        let text = self.to_string();
        let panic = self.errors.into_iter().find_map(|error| match error {
            ChildError::Panicked(panic) => Some(panic),
            ChildError::Failed { .. } => None,
        });
        match panic {
            Some(panic) => panic.resume(),
            None => panic!("{text}"),
        }
    }
}

impl Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scope ")?;
        self.name.iter().try_for_each(|name| write!(f, "'{name}' "))?;
        match self.elapsed {
            Some(limit) => write!(f, "was not done within {limit:?}")?,
            None => f.write_str("failed")?,
        }
        self.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))?;
        self.deadlock.iter().try_for_each(|verdict| write!(f, "\n  {}", LockError::Deadlock(verdict.clone())))
    }
}

impl Error for ScopeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.errors.first().map(|error| error as &(dyn Error + 'static))
    }
}

impl Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChildError::Panicked(panic) => panic.fmt(f),
            ChildError::Failed { thread, error, .. } => {
                write!(f, "thread '{}' failed: {error}", thread.name)?;
                match (&thread.started_by, &thread.started_at) {
                    (Some(by), Some(at)) => write!(f, " (started by '{by}' at {}:{})", at.file, at.line),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl Error for ChildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ChildError::Panicked(_) => None,
            ChildError::Failed { error, .. } => Some(&**error),
        }
    }
}
