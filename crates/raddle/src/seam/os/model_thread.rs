//! Inside loom's model checker: its own threads, which are all alike.

use std::io;

/// Starts a thread of the model.
///
/// # Errors
/// Never.
pub(crate) fn spawn(_: usize, body: Box<dyn FnOnce() + Send>) -> io::Result<u64> {
    loom::thread::spawn(body);
    Ok(0)
}

/// All alike.
pub(crate) fn native_id() -> u32 {
    1
}

/// Not known.
pub(crate) fn cpu_time(_: u32) -> Option<std::time::Duration> {
    None
}

/// Not known.
pub(crate) fn run_queue_time(_: u32) -> Option<std::time::Duration> {
    None
}

/// Not known.
pub(crate) fn is_runnable(_: u32) -> bool {
    false
}

/// Not waited for.
pub(crate) fn is_gone(_: u32) -> bool {
    true
}

/// Without names.
pub(crate) fn rename(_: u32, _: &str) {}

/// All alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inherited;

impl Inherited {
    /// Those of the calling thread.
    pub(crate) fn of_caller() -> Inherited {
        Inherited
    }
}

/// None.
pub(crate) fn has_thread_bound_libraries() -> bool {
    false
}

/// Lets others run for a moment.
pub(crate) fn nap() {
    loom::thread::yield_now();
}

/// What limits the number of threads, in words.
pub fn limits() -> String {
    "the system does not say what its limits are".to_owned()
}
