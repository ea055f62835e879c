//! Which things a thread holds, found by asking all of them.
//!
//! A lock knows its holder, a holder does not know its locks: to tell it, every take and every release would have to. So this
//! is the other way round, and slow: a list of the living things that were ever taken, and a walk along it.
//!
//! Nothing in here has a reference to a thing. It enters the list with its first take, and leaves it before its memory goes;
//! takes and releases do not come here. To look at a thing is safe while the list cannot change, which is what the exclusion is
//! for. In the child of a fork the list is as it was, since its things are; only where threads come at once, and one of them was
//! cut off in the middle of a change, it is empty there.
//!
//! There is no model of this: a list that is changed and read under one mutex has no interleavings.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::learner::Described;
use crate::seam::{ByHost, Concurrent, Exclusion, Serialized, Sharing};

/// A kind of things that threads hold. Its functions are called with a thing of that kind that is in the list, and while the
/// list cannot change: they take no mutex but one that is never held while another is taken, and run no code of the host.
#[derive(Debug)]
pub struct Holdable {
    /// Hands over the serial of each thread that holds it now.
    pub holders: unsafe fn(*const (), &mut dyn FnMut(u64)),
    /// What is to be said of it as a thing that thread `serial` holds, without a reference to it.
    pub describe: unsafe fn(*const (), serial: u64) -> Arc<dyn Described>,
}

/// A thread's hold on a thing.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Which thread.
    pub holder: u64,
    /// A number that no two living things share.
    pub identity: usize,
    /// What is to be said of the thing.
    pub thing: Arc<dyn Described>,
}

/// An address as a key: the lowest bits are the same in all, and the multiplication brings the others to where they count.
#[derive(Default)]
pub struct ByAddress(u64);

impl Hasher for ByAddress {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are addresses")
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (address as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

type List = HashMap<usize, &'static Holdable, BuildHasherDefault<ByAddress>>;

/// A list that was much longer once is made smaller, or each walk would go through its empty places.
const ROOMY: usize = 1024;

/// See the module.
pub struct Holdings<S: Sharing = Concurrent> {
    list: S::Exclusive<List>,
    /// What somebody was found to hold last. Whoever asks again and again mostly asks for the same.
    found: AtomicUsize,
}

impl<S: Sharing> Debug for Holdings<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holdings").finish_non_exhaustive()
    }
}

impl Default for Holdings {
    fn default() -> Self {
        Holdings { list: Default::default(), found: AtomicUsize::new(0) }
    }
}

impl Holdings<Serialized> {
    /// An empty list, to which threads come one at a time.
    ///
    /// # Safety
    /// All its methods must be called while holding one lock that is the same for all callers.
    pub unsafe fn serialized() -> Self {
        // SAFETY: every method enters the exclusion in its caller's own call.
        Holdings { list: unsafe { ByHost::new(List::default()) }, found: AtomicUsize::new(0) }
    }
}

impl<S: Sharing> Holdings<S> {
    /// The thing at `address` was taken for the first time. Once more does no harm.
    ///
    /// # Safety
    /// `kind` must be its kind, and [`strike`](Holdings::strike) be called before it is gone from there.
    pub unsafe fn enlist(&self, address: *const (), kind: &'static Holdable) {
        self.list.with(|list| list.insert(address.expose_provenance(), kind));
    }

    /// The thing at `address` is about to go. If it was never taken, that does no harm.
    pub fn strike(&self, address: *const ()) {
        self.list.with(|list| {
            list.remove(&address.addr());
            if list.capacity() > ROOMY && list.len() < list.capacity() / 8 {
                list.shrink_to(list.len() * 2);
            }
        });
    }

    /// Whether thread `serial` holds any of them.
    pub fn holds_any(&self, serial: u64) -> bool {
        let holds = |address: usize, kind: &Holdable| {
            let (address, mut holds) = (std::ptr::with_exposed_provenance::<()>(address), false);
            // SAFETY: it is in the list, so `enlist` says that it is there and of that kind; nobody can strike it out now.
            unsafe { (kind.holders)(address, &mut |holder| holds |= holder == serial) };
            holds
        };
        self.list.with(|list| {
            let before = self.found.load(Ordering::Relaxed);
            if list.get(&before).is_some_and(|kind| holds(before, kind)) {
                return true;
            }
            let found = list.iter().find(|(address, kind)| holds(**address, kind)).map(|(address, _)| *address);
            found.inspect(|address| self.found.store(*address, Ordering::Relaxed)).is_some()
        })
    }

    /// Who holds what, in no particular order, as far as `of` is true of the holder's serial.
    pub fn list(&self, of: impl Fn(u64) -> bool) -> Vec<Holding> {
        let mut holdings = Vec::new();
        self.list.with(|list| {
            for (identity, kind) in list.iter().map(|(address, kind)| (*address, *kind)) {
                let address = std::ptr::with_exposed_provenance::<()>(identity);
                let mut see = |holder| {
                    if of(holder) {
                        // SAFETY: as below.
                        let thing = unsafe { (kind.describe)(address, holder) };
                        holdings.push(Holding { holder, identity, thing });
                    }
                };
                // SAFETY: as in `holds_any`.
                unsafe { (kind.holders)(address, &mut see) };
            }
        });
        holdings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Description;
    use crate::sync::RawLock;

    #[derive(Debug)]
    struct Name(&'static str);

    impl Described for Name {
        fn describe(&self) -> Description {
            Description { name: self.0.to_owned(), ..Description::default() }
        }
    }

    static LOCK: Holdable = Holdable {
        holders: |address, see| {
            // SAFETY: the test enlists locks with this kind only.
            unsafe { &*address.cast::<RawLock>() }.holder().into_iter().for_each(see)
        },
        describe: |_, _| Arc::new(Name("lock")),
    };

    fn address(lock: &RawLock) -> *const () {
        std::ptr::from_ref(lock).cast()
    }

    #[test]
    fn what_was_taken_and_is_alive_is_found() {
        let holdings = Holdings::default();
        let locks: Vec<RawLock> = (0..3000).map(|_| RawLock::new()).collect();
        for lock in &locks {
            // SAFETY: each is struck out below, before the vector is dropped.
            unsafe { holdings.enlist(address(lock), &LOCK) };
        }
        let of = |serial: u64| holdings.list(|holder| holder == serial);
        assert!(!holdings.holds_any(7) && holdings.list(|_| true).is_empty());
        assert!(locks[5].try_acquire(7, false) && locks[9].try_acquire(8, true) && locks[2999].try_acquire(7, true));
        assert!(holdings.holds_any(7) && holdings.holds_any(8) && !holdings.holds_any(9));
        assert_eq!((of(7).len(), holdings.list(|_| true).len()), (2, 3));
        locks.iter().skip(10).for_each(|lock| holdings.strike(address(lock)));
        let [held] = &of(7)[..] else { panic!("it holds one that is in the list") };
        assert_eq!((held.thing.describe().name.as_str(), held.identity), ("lock", address(&locks[5]).addr()));
        locks[5].release().unwrap();
        assert!(!holdings.holds_any(7));
        assert!(holdings.list.with(|list| list.capacity()) < ROOMY, "the list is as small as it can be");
        locks.iter().for_each(|lock| holdings.strike(address(lock)));
        assert!(!holdings.holds_any(8));
    }
}
