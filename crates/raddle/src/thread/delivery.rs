//! Who hears of an error that left a thread's function.
//!
//! An error is held for whoever joins the thread, and for all of them. If nobody has come for it by the time that nobody can
//! come any more (the last handle is dropped, the process ends), it is unhandled, and whoever finds that out delivers it.
//! So each error is taken or unhandled, and is delivered at most once.
//!
//! The child of a fork has a copy of everything, also of what is held; that is the parent's to deliver.
//!
//! ```text
//! Nothing --hold--> Held --take--> Taken
//!                    `---give_up--> Unhandled
//! ```

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::seam::fork_generation;

/// What has become of one error.
#[derive(Debug, Default)]
pub struct Delivery {
    state: AtomicU8,
    /// In which process of a chain of forks it is held. Written before `state`.
    process: AtomicU32,
}

const NOTHING: u8 = 0;
const HELD: u8 = 1;
const TAKEN: u8 = 2;
const UNHANDLED: u8 = 3;

impl Delivery {
    /// There is an error, and nobody has heard of it.
    pub fn hold(&self) {
        self.process.store(fork_generation(), Ordering::Relaxed);
        self.state.store(HELD, Ordering::Release);
    }

    /// Somebody takes the error; whether that is the first.
    pub fn take(&self) -> bool {
        self.state.compare_exchange(HELD, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Nobody will take it any more: true if the caller has to deliver it.
    pub fn give_up(&self) -> bool {
        self.is_held() && self.state.compare_exchange(HELD, UNHANDLED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether there is an error of this process that nobody has heard of.
    pub fn is_held(&self) -> bool {
        self.state.load(Ordering::Acquire) == HELD && self.process.load(Ordering::Relaxed) == fork_generation()
    }

    /// Whether somebody has heard of it.
    pub fn is_taken(&self) -> bool {
        self.state.load(Ordering::Acquire) == TAKEN
    }

    /// Whether it was delivered as unhandled.
    pub fn is_unhandled(&self) -> bool {
        self.state.load(Ordering::Acquire) == UNHANDLED
    }

    /// There is no error any more: the thread is started again.
    pub fn reset(&self) {
        self.state.store(NOTHING, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_taken_or_unhandled_but_never_both() {
        let taken = Delivery::default();
        assert!(!taken.take() && !taken.give_up(), "there is none yet");
        taken.hold();
        assert!(taken.is_held() && taken.take() && !taken.take() && !taken.give_up());
        let lost = Delivery::default();
        lost.hold();
        assert!(lost.give_up() && !lost.give_up() && !lost.take() && lost.is_unhandled());
    }
}
