//! In which process of a chain of forks we are.
//!
//! Mutexes carry the number of the process they were last taken in; see [`super::Mutex`].

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The mutex word keeps two bits for itself.
const LIMIT: u32 = 1 << 30;

/// How many forks lie between the first process and this one.
#[inline]
pub fn fork_generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Tells the runtime that this is the child of a fork. To be called before any other thread is started in the child.
pub fn after_fork_in_child() {
    // The child has one thread at this moment, so there is nothing to order this against.
    GENERATION.store((fork_generation() + 1) % LIMIT, Ordering::Relaxed);
}
