//! Giving way for a moment before a sleep.
//!
//! A short job is over by then, and nobody has to sleep and be woken, which takes longer than such a job if a processor
//! idles. But on a processor that others want as well, giving way costs a turn of theirs: milliseconds, where a thread that
//! sleeps is let in as soon as it is woken. Nothing tells the one from the other but the clock, afterwards. So whoever gave
//! way in vain leaves a debt, which is paid back by waits that sleep at once, a microsecond each: that is all that the trying
//! can cost on the average. It begins with a debt, because a program that waits seldom has little to win.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use raddle::seam::Time;

/// About what it takes to sleep and be woken on a processor that idles. With 20 us one run in five was slower than the
/// standard library.
const MOMENT: Duration = Duration::from_micros(50);

/// What takes longer than this was somebody else's turn.
const TURN: Duration = Duration::from_micros(200);

/// The largest debt. A process that was stopped meanwhile shall not pay for that.
const LIMIT: Duration = Duration::from_millis(10);

/// How many waits shall sleep at once.
struct Debt(AtomicU32);

static DEBT: Debt = Debt(AtomicU32::new(100));

impl Debt {
    /// Pays for a wait that sleeps at once; false if there is no debt.
    fn pay(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |debt| debt.checked_sub(1)).is_ok()
    }

    fn owe(&self, spent: Duration) {
        self.0.store(spent.min(LIMIT).as_micros() as u32, Ordering::Relaxed);
    }
}

/// Gives way for a moment, unless that has not paid of late; whether it is `over` then. To be called outside the
/// interpreter.
pub(super) fn until(over: impl Fn() -> bool) -> bool {
    if DEBT.pay() {
        return false;
    }
    let began = Time::now();
    loop {
        std::thread::yield_now();
        let (over, spent) = (over(), began.elapsed());
        if spent > TURN {
            DEBT.owe(spent);
        }
        if over || spent > MOMENT {
            return over;
        }
    }
}
