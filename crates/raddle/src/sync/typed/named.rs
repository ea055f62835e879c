//! A raw form that reports can speak of: what it is, what it is called, where it was made and where it was taken.

use std::fmt;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use crate::error::LockError;
use crate::facade;
use crate::graph::{Blocked, Call, Description, Halt, Hold, Lasting, Resource, Site, key_of};
use crate::stop::Stopped;

/// A raw form under a typed one.
pub(super) trait Raw: Send + Sync {
    /// What reports call the typed form.
    const KIND: &'static str;

    /// Who holds it; nobody in particular, if it is not a thing that one thread holds.
    fn hold(&self) -> Option<Hold> {
        None
    }

    /// See [`Resource::lasting`].
    fn lasting(&self) -> Option<Lasting<'_>> {
        None
    }
}

/// See the module. Lives in an `Arc` because a report may still describe it while its owner goes away.
pub(super) struct Named<R> {
    pub(super) raw: R,
    name: String,
    made: &'static Location<'static>,
    /// Where the present holder took it; null before the first. Written by the holder, read by anybody for a report.
    taken: AtomicPtr<Location<'static>>,
}

impl<R: Raw + 'static> Named<R> {
    /// Called after the place where it is made.
    #[track_caller]
    pub(super) fn unnamed(raw: R) -> Arc<Self> {
        let made = Location::caller();
        Self::made(raw, format!("{}:{}", made.file(), made.line()), made)
    }

    /// Called `name`.
    #[track_caller]
    pub(super) fn called(name: &str, raw: R) -> Arc<Self> {
        Self::made(raw, name.to_owned(), Location::caller())
    }

    fn made(raw: R, name: String, made: &'static Location<'static>) -> Arc<Self> {
        Arc::new(Named { raw, name, made, taken: AtomicPtr::new(ptr::null_mut()) })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The calling thread took it at `site`.
    pub(super) fn note(&self, site: &'static Location<'static>) {
        self.taken.store(ptr::from_ref(site).cast_mut(), Ordering::Relaxed);
    }

    /// Runs a blocking call of the raw form, for the calling thread.
    pub(super) fn block<T, E>(
        self: &Arc<Self>,
        call: (Call, Option<Duration>),
        site: &'static Location<'static>,
        wait: impl FnOnce(&mut Blocked<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        facade::block(Arc::clone(self) as Arc<dyn Resource>, call, site, wait)
    }

    /// The same for a thing that one thread holds.
    pub(super) fn block_for_lock<T>(
        self: &Arc<Self>,
        call: (Call, Option<Duration>),
        site: &'static Location<'static>,
        wait: impl FnOnce(&mut Blocked<'_>) -> Result<T, Halt>,
    ) -> Result<T, LockError> {
        facade::block_for_lock(Arc::clone(self) as Arc<dyn Resource>, call, site, wait)
    }

    /// The same for a wait that nothing but its time limit or a stop can end before its time: whether it got what it was for.
    pub(super) fn block_for(
        self: &Arc<Self>,
        call: (Call, Option<Duration>),
        site: &'static Location<'static>,
        wait: impl FnOnce(&mut Blocked<'_>) -> Result<(), Halt>,
    ) -> Result<bool, Stopped> {
        match self.block(call, site, wait) {
            Ok(()) => Ok(true),
            Err(Halt::Stopped(stopped)) => Err(*stopped),
            // Nobody holds it, so no look at the graph ends the wait, and Rust's sleeper has no interruptions.
            Err(halt) => {
                debug_assert!(matches!(halt, Halt::TimedOut));
                Ok(false)
            }
        }
    }
}

impl<R: Raw + 'static> Resource for Named<R> {
    fn holder(&self) -> Option<Hold> {
        self.raw.hold()
    }

    fn lasting(&self) -> Option<Lasting<'_>> {
        self.raw.lasting()
    }

    fn identity(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((self.identity(), key_of(self.made, &self.name)))
    }

    fn describe(&self) -> Description {
        // SAFETY: null or a `&'static Location`, as `note` stored it.
        let taken = unsafe { self.taken.load(Ordering::Relaxed).as_ref() };
        Description {
            kind: R::KIND.into(),
            name: self.name.clone(),
            made_at: self.made.place(),
            taken_at: taken.and_then(Site::place),
        }
    }
}

impl<R: Raw> fmt::Debug for Named<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", R::KIND, self.name)
    }
}
