//! Asking a thread to stop, and where it hears of that.
//!
//! Nobody ends a thread from outside: whoever wants it to stop says so to its token, and the thread sees it at its next
//! stop point, which is a blocking call that has to wait, or a [`checkpoint`]. Such a call ends with
//! [`Halt::Stopped`](crate::graph::Halt::Stopped), and so does every later one (the stop is level-triggered, as trio calls
//! it), but for those inside a shield. A call that gets what it wants at once is no stop point: nothing that was taken is
//! ever lost.
//!
//! A thread hears from its own token and from the blocks it has entered: deadlines and shields, see `blocks.rs`. They are
//! the thread's own: only it enters, leaves and looks, so a thread that has neither been asked to stop nor entered a block
//! pays two loads before a sleep and nothing anywhere else.
//!
//! Errors that strike in the middle of running code are the host's business, if it can raise them at all, and asked for one by
//! one: see `interruption.rs`.

mod awaited;
mod blocks;
#[cfg(not(loom))]
mod here;
mod interruption;
#[cfg(all(test, loom))]
mod models;
mod token;

pub use awaited::Awaited;
pub(crate) use blocks::Outlook;
pub use blocks::{Block, Blocks};
#[cfg(not(loom))]
pub use here::{Elapsed, checkpoint, is_requested, shield, sleep, token, within};
#[cfg(not(loom))]
pub(crate) use here::{Entered, request};
pub use interruption::Interruption;
pub use token::{Registration, StopSource, StopToken, any_of};

use std::error::Error;
use std::fmt::{self, Display};
use std::sync::Arc;

use crate::seam::Time;

/// That something was asked to stop: why, by whom, when. As an error: that it obeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Why, if whoever asked said so.
    pub reason: Option<Arc<str>>,
    /// The name of the thread that asked.
    pub requested_by: Arc<str>,
    /// When it asked.
    pub requested_at: Time,
    /// The number of the block that is to be left; 0: the thread is to end.
    pub block: u64,
}

impl Stopped {
    /// Whether nobody asked for it: the time of a block was over.
    pub fn is_deadline(&self) -> bool {
        self.block != 0 && self.block & blocks::TOKEN == 0
    }

    /// The stop that an error is about, itself or as one of its sources; `None`: it has another reason.
    ///
    /// ```
    /// use raddle::stop::{StopSource, Stopped};
    /// let source = StopSource::new();
    /// source.stop("enough");
    /// let stopped = source.token().stopped().unwrap().clone();
    /// let error = raddle::LockError::from(stopped.clone());
    /// assert_eq!(Stopped::behind(&error), Some(&stopped));
    /// assert_eq!(Stopped::behind(&std::fmt::Error), None);
    /// ```
    pub fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Stopped> {
        let stopped = |error: &'a (dyn Error + 'static)| {
            error.downcast_ref::<Stopped>().or_else(|| error.downcast_ref::<Box<Stopped>>().map(|boxed| &**boxed))
        };
        let source = |error: &&'a (dyn Error + 'static)| <dyn Error>::source(*error);
        std::iter::successors(Some(error), source).find_map(stopped)
    }
}

impl Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason, self.is_deadline()) {
            (Some(reason), false) => write!(f, "stopped by '{}': {reason}", self.requested_by),
            (None, false) => write!(f, "stopped by '{}'", self.requested_by),
            (reason, true) => write!(f, "{} expired", reason.as_deref().unwrap_or("its deadline")),
        }
    }
}

impl Error for Stopped {}
