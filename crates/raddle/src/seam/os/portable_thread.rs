//! Anywhere else: threads of the standard library, which are never used again, since nothing is known of what they inherit.

use std::io;

/// Starts a thread; the answer is no number of the system's.
///
/// # Errors
/// What the system says if it refuses.
pub(crate) fn spawn(stack: usize, body: Box<dyn FnOnce() + Send>) -> io::Result<u64> {
    let builder = std::thread::Builder::new();
    let builder = if stack > 0 { builder.stack_size(stack) } else { builder };
    builder.spawn(body).map(|_| 0)
}

/// As [`spawn`].
///
/// # Errors
/// What the system says if it refuses.
pub(crate) fn spawn_deaf(body: Box<dyn FnOnce() + Send>) -> io::Result<u64> {
    spawn(0, body)
}

/// Not known.
pub(crate) fn native_id() -> u32 {
    0
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

/// Not known: so assumed.
pub(crate) fn is_gone(_: u32) -> bool {
    true
}

/// Not done.
pub(crate) fn rename(_: u32, _: &str) {}

/// Not done.
///
/// # Errors
/// Always.
pub(crate) fn set_affinity(_: &std::thread::JoinHandle<()>, _: &[usize]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "nothing is known here of which processors a thread may run on"))
}

/// Nothing equals it, not even itself.
#[derive(Clone, Debug)]
pub(crate) struct Inherited;

impl PartialEq for Inherited {
    fn eq(&self, _: &Inherited) -> bool {
        false
    }
}

impl Inherited {
    /// Those of the calling thread.
    pub(crate) fn of_caller() -> Inherited {
        Inherited
    }
}

/// Not known.
pub(crate) fn has_thread_bound_libraries() -> bool {
    true
}

/// Lets others run for a moment.
pub(crate) fn nap() {
    std::thread::sleep(std::time::Duration::from_micros(50));
}

/// What limits the number of threads, in words.
pub fn limits() -> String {
    "the system does not say what its limits are".to_owned()
}
