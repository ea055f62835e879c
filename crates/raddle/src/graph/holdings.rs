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

use std::any::TypeId;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Debug};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::learner::Described;
use crate::seam::{ByHost, Concurrent, Exclusion, Serialized, Sharing};

/// A kind of things that threads hold. Its functions are called with a thing of that kind that is in the list, and while the
/// list cannot change: they take no mutex but one that is never held while another is taken, and run no code of the host.
#[derive(Debug)]
pub struct Holdable {
    /// The type of the things, by which kinds are told apart: a constant may have several addresses.
    pub of: fn() -> TypeId,
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

/// A part of memory, as wide as most allocators keep things of one size together: so a program with a million locks has some
/// ten thousand of these, which stay in the processor's cache as the locks do not.
const PAGE: usize = 4096;

/// The things of one kind on one page: a bit for each address that is a multiple of 8.
#[derive(Debug)]
struct Page {
    kind: &'static Holdable,
    places: [u64; PAGE / 8 / 64],
}

impl Page {
    fn empty(kind: &'static Holdable) -> Self {
        Page { kind, places: [0; PAGE / 8 / 64] }
    }

    /// The addresses on page `number` that are things.
    fn things(&self, number: usize) -> impl Iterator<Item = usize> {
        let words = self.places.into_iter().enumerate();
        words.flat_map(move |(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits.checked_sub(1)?;
                Some(number * PAGE + (word * 64 + bit) * 8)
            })
        })
    }
}

/// The number of the page of an address, and the bit on it: word and mask.
fn place(address: usize) -> (usize, usize, u64) {
    debug_assert_eq!(address % 8, 0, "things with a word in them are aligned");
    let at = address % PAGE / 8;
    (address / PAGE, at / 64, 1 << (at % 64))
}

/// The number of a page, and the kind.
type Key = (usize, TypeId);

/// Keys are few and nobody chooses them.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers")
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// What is in the list, with what somebody was found to hold last: whoever asks again and again mostly asks for the same.
#[derive(Debug, Default)]
struct List {
    pages: HashMap<Key, Page, BuildHasherDefault<Mixed>>,
    found: Option<(usize, &'static Holdable)>,
}

impl List {
    fn contains(&self, address: usize, kind: &'static Holdable) -> bool {
        let (page, word, bit) = place(address);
        self.pages.get(&(page, (kind.of)())).is_some_and(|page| page.places[word] & bit != 0)
    }

    fn things(&self) -> impl Iterator<Item = (usize, &'static Holdable)> {
        self.pages.iter().flat_map(|((number, _), page)| page.things(*number).map(|address| (address, page.kind)))
    }
}

/// A list that was much longer once is made smaller, or each walk would go through its empty places.
const ROOMY: usize = 256;

/// See the module.
pub struct Holdings<S: Sharing = Concurrent> {
    list: S::Exclusive<List>,
}

impl<S: Sharing> Debug for Holdings<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holdings").finish_non_exhaustive()
    }
}

impl Default for Holdings {
    fn default() -> Self {
        Holdings { list: Default::default() }
    }
}

impl Holdings<Serialized> {
    /// An empty list, to which threads come one at a time.
    ///
    /// # Safety
    /// All its methods must be called while holding one lock that is the same for all callers.
    pub unsafe fn serialized() -> Self {
        // SAFETY: every method enters the exclusion in its caller's own call.
        Holdings { list: unsafe { ByHost::new(List::default()) } }
    }
}

impl<S: Sharing> Holdings<S> {
    /// The thing at `address` was taken for the first time. Once more does no harm.
    ///
    /// # Safety
    /// `kind` must be its kind, and [`strike`](Holdings::strike) be called before it is gone from there.
    pub unsafe fn enlist(&self, address: *const (), kind: &'static Holdable) {
        let (page, word, bit) = place(address.expose_provenance());
        self.list.with(|list| {
            list.pages.entry((page, (kind.of)())).or_insert_with(|| Page::empty(kind)).places[word] |= bit;
        });
    }

    /// The thing of that kind at `address` is about to go. If it was never taken, that does no harm.
    pub fn strike(&self, address: *const (), kind: &'static Holdable) {
        let (page, word, bit) = place(address.addr());
        self.list.with(|list| {
            let Entry::Occupied(mut entry) = list.pages.entry((page, (kind.of)())) else { return };
            let places = &mut entry.get_mut().places;
            places[word] &= !bit;
            if places.iter().all(|word| *word == 0) {
                entry.remove();
                let pages = &mut list.pages;
                if pages.capacity() > ROOMY && pages.len() < pages.capacity() / 8 {
                    pages.shrink_to(pages.len() * 2);
                }
            }
        });
    }

    /// Whether thread `serial` holds any of them.
    pub fn holds_any(&self, serial: u64) -> bool {
        let holds = |(address, kind): (usize, &'static Holdable)| {
            let (address, mut holds) = (std::ptr::with_exposed_provenance::<()>(address), false);
            // SAFETY: it is in the list, so `enlist` says that it is there and of that kind; nobody can strike it out now.
            unsafe { (kind.holders)(address, &mut |holder| holds |= holder == serial) };
            holds
        };
        self.list.with(|list| {
            let before = list.found.filter(|(address, kind)| list.contains(*address, kind));
            if before.is_some_and(holds) {
                return true;
            }
            let found = list.things().find(|thing| holds(*thing));
            list.found = found.or(list.found);
            found.is_some()
        })
    }

    /// Who holds what, in no particular order, as far as `of` is true of the holder's serial.
    pub fn list(&self, of: impl Fn(u64) -> bool) -> Vec<Holding> {
        let mut holdings = Vec::new();
        self.list.with(|list| {
            for (identity, kind) in list.things() {
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
        of: TypeId::of::<RawLock>,
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
        locks.iter().skip(10).for_each(|lock| holdings.strike(address(lock), &LOCK));
        let [held] = &of(7)[..] else { panic!("it holds one that is in the list") };
        assert_eq!((held.thing.describe().name.as_str(), held.identity), ("lock", address(&locks[5]).addr()));
        locks[5].release().unwrap();
        assert!(!holdings.holds_any(7));
        assert!(holdings.list.with(|list| list.pages.capacity()) < ROOMY, "the list is as small as it can be");
        locks.iter().for_each(|lock| holdings.strike(address(lock), &LOCK));
        assert!(!holdings.holds_any(8));
    }

    #[test]
    fn things_of_several_kinds_may_lie_side_by_side() {
        static OTHER: Holdable =
            Holdable { of: TypeId::of::<u64>, holders: |_, see| see(9), describe: |_, _| Arc::new(Name("other")) };
        let holdings = Holdings::default();
        let pairs: Vec<(RawLock, u64)> = (0..100).map(|_| (RawLock::new(), 0)).collect();
        let other = |pair: &(RawLock, u64)| std::ptr::from_ref(&pair.1).cast();
        for pair in &pairs {
            // SAFETY: each is struck out below, before the vector is dropped.
            unsafe {
                holdings.enlist(address(&pair.0), &LOCK);
                holdings.enlist(other(pair), &OTHER);
            }
        }
        assert!(pairs[40].0.try_acquire(7, false));
        assert_eq!((holdings.list(|_| true).len(), holdings.holds_any(7), holdings.holds_any(9)), (101, true, true));
        pairs.iter().for_each(|pair| holdings.strike(other(pair), &OTHER));
        let [held] = &holdings.list(|_| true)[..] else { panic!("the others are gone, and they alone") };
        assert_eq!((held.holder, held.identity), (7, address(&pairs[40].0).addr()));
        pairs.iter().for_each(|pair| holdings.strike(address(&pair.0), &LOCK));
        assert!(!holdings.holds_any(7) && !holdings.holds_any(9));
    }
}
