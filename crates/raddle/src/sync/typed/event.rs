//! A flag to wait for, for Rust: [`RawEvent`] with a name.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::named::{Named, Raw};
use crate::graph::Call;
use crate::stop::Stopped;
use crate::sync::RawEvent;

/// A flag that is up or down; threads wait until it is up.
///
/// ```
/// use raddle::Event;
/// use std::sync::Arc;
/// let ready = Arc::new(Event::named("ready"));
/// let server = raddle::spawn("server", { let ready = ready.clone(); move || ready.set() }).unwrap();
/// ready.wait()?;
/// assert!(ready.is_set());
/// server.join().unwrap();
/// # Ok::<(), raddle::Stopped>(())
/// ```
pub struct Event {
    flag: Arc<Named<RawEvent>>,
}

impl Raw for RawEvent {
    const KIND: &'static str = "Event";
}

impl Default for Event {
    #[track_caller]
    fn default() -> Self {
        Event::new()
    }
}

impl Event {
    /// A flag that is down, called after the place where it is made.
    #[track_caller]
    pub fn new() -> Self {
        Event { flag: Named::unnamed(RawEvent::default()) }
    }

    /// A flag that is down and that reports call `name`.
    #[track_caller]
    pub fn named(name: &str) -> Self {
        Event { flag: Named::called(name, RawEvent::default()) }
    }

    /// Raises the flag: all who wait return, and nobody waits until it is lowered.
    pub fn set(&self) {
        self.flag.raw.set();
    }

    /// Lowers the flag.
    pub fn clear(&self) {
        self.flag.raw.clear();
    }

    /// Whether the flag is up.
    pub fn is_set(&self) -> bool {
        self.flag.raw.is_set()
    }

    /// Waits until the flag is raised; returns at once if it is up. Whoever was woken by [`set`](Event::set) returns even
    /// if the flag is down again by then.
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that.
    #[track_caller]
    pub fn wait(&self) -> Result<(), Stopped> {
        self.wait_within(None).map(drop)
    }

    /// The same for no longer than `limit`: whether the flag was raised.
    ///
    /// ```
    /// use std::time::Duration;
    /// let never = raddle::Event::new();
    /// assert_eq!(never.wait_for(Duration::from_millis(1)), Ok(false));
    /// ```
    ///
    /// # Errors
    /// [`Stopped`] if the thread has to stop before that.
    #[track_caller]
    pub fn wait_for(&self, limit: Duration) -> Result<bool, Stopped> {
        self.wait_within(Some(limit))
    }

    #[track_caller]
    fn wait_within(&self, limit: Option<Duration>) -> Result<bool, Stopped> {
        let site = Location::caller();
        let flag = &self.flag;
        if self.is_set() {
            return Ok(true);
        }
        flag.block_for((Call::Wait, limit), site, |blocked| flag.raw.wait(blocked))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("name", &self.flag.name()).field("is_set", &self.is_set()).finish()
    }
}
