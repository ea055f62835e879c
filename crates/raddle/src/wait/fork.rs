//! A thread that forks while it waits: the handler of a signal does, run by a thread that sleeps in one of our queues.
//!
//! In the child its queue was thrown away like all that a mutex protects, yet the wait goes on. So each thread keeps a
//! list of the waits it is in (more than one if a handler waits itself), and the child's only thread takes its places
//! again before anything else can happen. The list is thread-local: no other thread may be cut off in the middle of a
//! change. Nothing else of a wait needs saving, for the waiters are the thread's own.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;

use super::Waiter;

/// Where a waiter has its place.
pub(crate) trait Home {
    /// The calling thread has forked and is in the child, where this has lost `waiter`, which is not notified.
    fn return_after_fork(&self, waiter: &Arc<Waiter>);
}

thread_local! {
    static ASLEEP: RefCell<Vec<(Arc<Waiter>, *const dyn Home)>> = const { RefCell::new(Vec::new()) };
}

/// The calling thread sleeps in `home`, or runs a handler there, for as long as this lives.
pub(crate) struct Asleep<'a> {
    waiter: &'a Arc<Waiter>,
    /// Only to borrow it: that is what makes the pointer in the list good.
    _home: &'a (dyn Home + 'a),
}

impl<'a> Asleep<'a> {
    pub(crate) fn new(waiter: &'a Arc<Waiter>, home: &'a (dyn Home + 'a)) -> Self {
        let pointer: *const (dyn Home + 'a) = home;
        // SAFETY: the two differ in a lifetime only. The entry is gone when the borrow of `home` ends, which `_home` holds.
        let pointer = unsafe { mem::transmute::<*const (dyn Home + 'a), *const (dyn Home + 'static)>(pointer) };
        // A thread whose locals are gone is about to end and runs no handler.
        let _ = ASLEEP.try_with(|list| list.borrow_mut().push((Arc::clone(waiter), pointer)));
        Asleep { waiter, _home: home }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        let _ = ASLEEP.try_with(|list| {
            let mut list = list.borrow_mut();
            let place = list.iter().rposition(|(waiter, _)| Arc::ptr_eq(waiter, self.waiter));
            place.map(|place| list.remove(place))
        });
    }
}

/// To be called in the child of a fork by its only thread, once mutexes know that it is one.
pub(crate) fn after_fork_in_child() {
    let waits = ASLEEP.try_with(|list| list.borrow().clone()).unwrap_or_default();
    for (waiter, home) in waits.iter().filter(|(waiter, _)| !waiter.is_notified()) {
        // SAFETY: the entry is there, so its `Asleep` lives, which borrows the home: it was made by a caller of this
        // function further up on this very stack, and the list is no other thread's.
        unsafe { &**home }.return_after_fork(waiter);
    }
}
