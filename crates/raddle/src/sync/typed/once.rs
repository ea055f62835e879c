//! Something that is done once, for Rust: [`RawOnce`] with a name.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::named::{Named, Raw};
use crate::error::LockError;
use crate::facade::runtime;
use crate::graph::{Call, Hold};
use crate::sync::RawOnce;
use crate::thread::serial;

/// Something that is done once, by whoever comes first, while the others wait for it.
///
/// Unlike with `std::sync::Once` a panic poisons nothing: it goes to its caller, and the next one tries again. And a
/// thread that comes back to it while it is doing it gets an error instead of waiting for itself.
///
/// ```
/// use raddle::{LockError, Once};
/// let setup = Once::named("setup");
/// let mut times = 0;
/// setup.call_once(|| times += 1)?;
/// setup.call_once(|| times += 1)?;
/// assert_eq!(times, 1);
///
/// let ring = Once::named("ring");
/// ring.call_once(|| assert!(matches!(ring.call_once(|| ()), Err(LockError::Deadlock(_)))))?;
/// # Ok::<(), LockError>(())
/// ```
pub struct Once {
    once: Arc<Named<RawOnce>>,
}

impl Raw for RawOnce {
    const KIND: &'static str = "Once";

    fn hold(&self) -> Option<Hold> {
        RawOnce::hold(self)
    }
}

/// Ends a turn however it ends.
struct Turn<'a> {
    once: &'a RawOnce,
    done: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.once.end(self.done);
    }
}

impl Default for Once {
    #[track_caller]
    fn default() -> Self {
        Once::new()
    }
}

impl Once {
    /// Not done yet; called after the place where it is made.
    #[track_caller]
    pub fn new() -> Self {
        Once { once: Named::unnamed(RawOnce::new()) }
    }

    /// Not done yet; reports call it `name`.
    #[track_caller]
    pub fn named(name: &str) -> Self {
        Once { once: Named::called(name, RawOnce::new()) }
    }

    /// Calls `f` if that has not been done; when this returns, it has.
    ///
    /// # Errors
    /// [`LockError::Deadlock`] if the thread that is doing it waits for this one, or is it.
    ///
    /// # Panics
    /// If `f` does; the next caller tries again.
    #[track_caller]
    pub fn call_once(&self, f: impl FnOnce()) -> Result<(), LockError> {
        let (site, raw) = (Location::caller(), &self.once.raw);
        let mine = match raw.try_begin(serial(runtime)) {
            Some(mine) => mine,
            None => self.once.block_for_lock((Call::Acquire, None), site, |blocked| raw.begin(blocked))?,
        };
        if mine {
            self.once.note(site);
            let mut turn = Turn { once: raw, done: false };
            f();
            turn.done = true;
        }
        Ok(())
    }

    /// Whether it is done.
    pub fn is_completed(&self) -> bool {
        self.once.raw.is_done()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("name", &self.once.name()).field("is_completed", &self.is_completed()).finish()
    }
}
