//! What the loom models of all rooms share.

use std::sync::Arc;

use super::Sleep;
use super::queue::Waiter;

/// Sleeps until notified, or gives up at the first look if it has no patience.
pub(crate) struct Sleeper {
    pub(crate) patient: bool,
}

impl Sleep for Sleeper {
    type Halt = ();
    fn sleep(&mut self, waiter: &Arc<Waiter>) -> Result<(), ()> {
        while !waiter.is_notified() {
            if !self.patient {
                return Err(());
            }
            waiter.parker().park(None);
        }
        Ok(())
    }
}

/// Runs `body` in every interleaving with up to three switches that nobody has to make.
pub(crate) fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}
