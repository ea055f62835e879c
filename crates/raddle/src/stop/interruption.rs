//! Interrupting a thread that calls no stop point: a host may be able to raise an error in the middle of running code.
//!
//! ```text
//! ready --the thread's function begins--> open --somebody asks--> due --it was raised, or a stop point stopped the thread--> open
//!                                           `-----------------------`---- the function has ended ----> over
//! ```
//!
//! So there is one error for each time that somebody asks, and what the thread does in its `finally` is not hit once more. When
//! and where it may be raised is the host's to know; that the thread holds nothing and hears of stops, it has to ask.

use std::sync::atomic::{AtomicU8, Ordering};

const OPEN: u8 = 1;
const DUE: u8 = 2;
const OVER: u8 = 4;

/// See the module.
#[derive(Debug, Default)]
pub struct Interruption(AtomicU8);

impl Interruption {
    /// The thread's function begins.
    pub fn open(&self) {
        self.0.fetch_or(OPEN, Ordering::AcqRel);
    }

    /// The thread's function has ended: what is due still will never be raised.
    pub fn close(&self) {
        self.0.store(OVER, Ordering::Release);
    }

    /// Asks for an error; false if the thread's function has ended.
    pub fn ask(&self) -> bool {
        self.0.fetch_or(DUE, Ordering::AcqRel) & OVER == 0
    }

    /// Whether an error is to be raised, now or when the thread's function has begun.
    pub fn is_pending(&self) -> bool {
        self.0.load(Ordering::Acquire) & (DUE | OVER) == DUE
    }

    /// Whether an error is to be raised now.
    pub fn is_due(&self) -> bool {
        self.0.load(Ordering::Acquire) == OPEN | DUE
    }

    /// It was raised, or need not be any more, because the thread has heard of its stop in another way.
    pub fn settle(&self) {
        self.0.fetch_and(!DUE, Ordering::AcqRel);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_error_for_each_time_that_somebody_asks() {
        let interruption = Interruption::default();
        assert!(
            interruption.ask() && interruption.is_pending() && !interruption.is_due(),
            "its function has not begun"
        );
        interruption.open();
        assert!(interruption.ask() && interruption.is_due());
        interruption.settle();
        assert!(!interruption.is_due() && !interruption.is_pending());
        assert!(interruption.ask() && interruption.is_due());
        interruption.close();
        assert!(!interruption.is_due() && !interruption.is_pending() && !interruption.ask());
    }
}
