//! What a lock for readers and writers and its sides share: its word, and where it was taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use raddle::error::Misuse;
use raddle::graph::learner::Taken;
use raddle::graph::{Call, Description, Hold, Lasting, Resource};
use raddle::sync::{NotHeld, Policy, RawRwLock, Side};

use crate::fastcall::receiver;
use crate::limit::Limit;
use crate::site::{CodeSite, SiteCell};
use crate::sync::lock::{describe_named, place_taken};
use crate::sync::order::Remains;
use crate::sync::{Sharing, holdings, me, unheld};
use crate::{detach, error};

/// What a lock and its sides share.
#[pyclass(frozen)]
pub(super) struct Core {
    /// First, so that its number is gone before the places are.
    pub(super) raw: RawRwLock<Sharing>,
    made: SiteCell,
    pub(super) name: Option<String>,
    written: SiteCell,
    /// Where the last reader took it, and who that was; nobody, if a writer has taken it since.
    read: SiteCell,
    last_reader: AtomicU64,
    /// Where the one that may upgrade took it.
    upgradable: SiteCell,
}

/// A side as a thing that thread `serial` waits for.
#[derive(Debug)]
pub(super) struct Asked {
    core: Py<Core>,
    side: Side,
    serial: u64,
}

impl Asked {
    fn holds(&self) -> Vec<Hold> {
        self.core.get().raw.holds(self.serial, self.side)
    }
}

impl Resource for Asked {
    fn holder(&self) -> Option<Hold> {
        self.holds().into_iter().next()
    }

    fn other_holders(&self) -> Vec<Hold> {
        self.holds().into_iter().skip(1).collect()
    }

    fn lasting(&self) -> Option<Lasting<'_>> {
        Some(self.core.get().raw.lasting(self.side))
    }

    fn identity(&self) -> usize {
        self.core.as_ptr() as usize
    }

    fn key(&self) -> Option<(usize, u64)> {
        let core = self.core.get();
        Some((self.identity(), core.made.key(core.name.as_deref())))
    }

    fn describe(&self) -> Description {
        let core = self.core.get();
        let holder = self.holder().map(|hold| hold.serial);
        Python::attach(|py| {
            let name = core.name.as_deref();
            let nowhere = SiteCell::default();
            let mut about = describe_named(py, name, ("RWLock", self.identity()), &core.made, &nowhere);
            about.taken_at = match holder {
                Some(holder) => core.taken_at(py, holder),
                None if core.last_reader.load(Ordering::Relaxed) == 0 => place_taken(py, &core.written),
                None => place_taken(py, &core.read),
            };
            about
        })
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        holdings::strike(self);
    }
}

impl holdings::Held for Core {
    const KIND: &'static str = "RWLock";

    fn holders(&self, see: &mut dyn FnMut(u64)) {
        self.raw.writer().into_iter().chain(self.readers()).for_each(see);
    }

    fn made(&self) -> u64 {
        self.made.number()
    }

    fn taken_by(&self, py: Python<'_>, serial: u64) -> Option<CodeSite> {
        self.cell_of(serial).and_then(|cell| cell.get(py))
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Core {
    pub(super) fn new(policy: Policy, name: Option<String>) -> Core {
        Core {
            raw: RawRwLock::shared(policy),
            made: SiteCell::here(),
            name,
            written: SiteCell::default(),
            read: SiteCell::default(),
            last_reader: AtomicU64::new(0),
            upgradable: SiteCell::default(),
        }
    }

    /// The threads that read, each once.
    pub(super) fn readers(&self) -> Vec<u64> {
        let mut readers = self.raw.readers();
        readers.sort_unstable();
        readers.dedup();
        readers
    }

    #[inline]
    pub(super) fn try_acquire(&self, side: Side) -> bool {
        let me = me();
        match side {
            Side::Read => {
                let took = self.raw.try_read(me);
                if took {
                    self.note_read(me);
                }
                took
            }
            Side::Write => {
                let took = self.raw.try_write(me);
                if took {
                    self.note_write();
                }
                took
            }
            Side::Upgradable | Side::Upgrade => self.try_rare(side, me),
        }
    }

    /// Not where the two common sides are taken: they are the ones to be quick.
    #[cold]
    #[inline(never)]
    fn try_rare(&self, side: Side, me: u64) -> bool {
        let took = match side {
            Side::Upgrade => self.may_upgrade(me) && self.raw.try_upgrade(me),
            _ => self.raw.try_upgradable(me),
        };
        if took {
            self.note(side, me);
        }
        took
    }

    #[cold]
    #[inline(never)]
    fn release_rare(&self, side: Side, me: u64) -> Result<(), NotHeld> {
        if side == Side::Upgrade { self.raw.downgrade(me) } else { self.raw.release_upgradable(me) }
    }

    /// Whether `me` is inside `upgradable()`; it may have upgraded.
    fn may_upgrade(&self, me: u64) -> bool {
        self.raw.upgrader() == Some(me)
    }

    fn note(&self, side: Side, me: u64) {
        match side {
            Side::Read => self.note_read(me),
            Side::Write | Side::Upgrade => self.note_write(),
            Side::Upgradable => self.upgradable.note(|| holdings::enlist(self)),
        }
    }

    #[inline]
    fn note_read(&self, me: u64) {
        self.read.note(|| holdings::enlist(self));
        self.last_reader.store(me, Ordering::Relaxed);
    }

    #[inline]
    fn note_write(&self) {
        self.written.note(|| holdings::enlist(self));
        self.last_reader.store(0, Ordering::Relaxed);
    }

    /// Where thread `serial`, which holds it, took it, if that is known.
    pub(super) fn taken_at(&self, py: Python<'_>, serial: u64) -> Option<raddle::graph::verdict::Place> {
        self.cell_of(serial).and_then(|cell| place_taken(py, cell))
    }

    /// Where that is noted.
    fn cell_of(&self, serial: u64) -> Option<&SiteCell> {
        if self.raw.writer() == Some(serial) {
            return Some(&self.written);
        }
        if self.raw.upgrader() == Some(serial) {
            return Some(&self.upgradable);
        }
        let reads = self.last_reader.load(Ordering::Relaxed) == serial && self.raw.readers().contains(&serial);
        reads.then_some(&self.read)
    }

    #[inline]
    pub(super) fn release(&self, side: Side) -> Result<(), NotHeld> {
        match side {
            Side::Read => self.raw.release_read(me()),
            Side::Write => self.raw.release_write(me()),
            Side::Upgradable | Side::Upgrade => self.release_rare(side, me()),
        }
    }

    pub(super) fn asked(this: &Py<Self>, py: Python<'_>, side: Side) -> Asked {
        Asked { core: this.clone_ref(py), side, serial: me() }
    }

    pub(super) fn acquire(this: &Py<Self>, py: Python<'_>, side: Side, limit: Limit) -> PyResult<bool> {
        let core = this.get();
        if core.try_acquire(side) {
            return Ok(true);
        }
        if side == Side::Upgrade && !core.may_upgrade(me()) {
            let text = "cannot upgrade a lock that this thread did not take with upgradable()";
            return Err(error::misuse(text, &Misuse::ReleasedUnheld(unheld(&Core::asked(this, py, Side::Upgradable)))));
        }
        if limit == Limit::Now {
            return Ok(false);
        }
        let resource = Arc::new(Core::asked(this, py, side));
        let took = detach::block(py, resource, (Call::Acquire, limit), |blocked| match side {
            Side::Read => core.raw.read(blocked),
            Side::Write => core.raw.write(blocked),
            Side::Upgradable => core.raw.upgradable(blocked),
            Side::Upgrade => core.raw.upgrade(blocked),
        })?;
        if took {
            core.note(side, me());
        }
        Ok(took)
    }

    #[cold]
    pub(super) fn not_held(this: &Py<Self>, py: Python<'_>, side: Side) -> PyErr {
        let what = match side {
            Side::Read => "is not read by this thread",
            Side::Write => "is not written by this thread",
            Side::Upgradable => "this thread did not take with upgradable(), or has upgraded",
            Side::Upgrade => "this thread has not upgraded",
        };
        let text = format!("cannot release a lock that {what}");
        error::misuse(&text, &Misuse::ReleasedUnheld(unheld(&Core::asked(this, py, Side::Write))))
    }
}

/// What is kept of a take, to read or to write: see [`Token`]. It leads to the core, since a side may be gone before that.
///
/// # Safety
/// `core` must be a living Core, and the thread attached.
pub(super) unsafe fn taken<const READS: bool>(core: *const ()) -> Option<Taken> {
    let address = core.addr();
    // SAFETY: this function's own condition. The core's cells keep alive what their contents speak of.
    let (core, py) = unsafe { (receiver::<Core>(core.cast_mut().cast()), Python::assume_attached()) };
    let (me, last_reader) = (me(), core.last_reader.load(Ordering::Relaxed));
    let (is_held, site) = match READS {
        true => (core.raw.reads_of(me) > 0, if last_reader == me { core.read.number() } else { 0 }),
        false => (core.raw.writer() == Some(me), core.written.number()),
    };
    let made = CodeSite::of(py, core.made.number());
    let remains = || Remains { kind: "RWLock", name: core.name.clone(), address, made };
    is_held.then(|| remains().taken_at(py, site))
}
