//! Which thread this is.
//!
//! The serial lies in a thread-local word of its own, so that the owner of a lock is one load away. The rest is made when
//! somebody asks for it first: a thread that the runtime did not start (a callback from C, `_thread`) becomes known, as
//! foreign, with the first lock it takes, and stays the same thread until the operating system's thread ends.

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{State, Thread};
use crate::graph::verdict::ThreadKind;
use crate::runtime::Runtime;

struct Current(RefCell<Option<(&'static Runtime, Arc<Thread>)>>);

/// How often a thread of the system has become, or ceased to be, one of the runtime's.
static CHANGES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static SERIAL: Cell<u64> = const { Cell::new(0) };
    static CURRENT: Current = const { Current(RefCell::new(None)) };
}

impl Drop for Current {
    /// The last thing of a thread that the runtime sees. No code of the host may run here: it may have ended.
    fn drop(&mut self) {
        if let Some((runtime, thread)) = self.0.take() {
            become_thread(0);
            runtime.ended(&thread);
        }
    }
}

/// The serial of the calling thread; `runtime` is asked for only if that is not known yet.
#[inline]
pub fn serial(runtime: impl FnOnce() -> &'static Runtime) -> u64 {
    match SERIAL.get() {
        0 => adopt(runtime()).serial(),
        serial => serial,
    }
}

/// The same of a thread that gives something to take, without making it known: 0 if it is not.
pub(crate) fn known_giver() -> u64 {
    let _ = CURRENT.try_with(|current| current.0.borrow().as_ref().inspect(|(_, thread)| thread.gives()).is_some());
    SERIAL.get()
}

/// Another number whenever a thread of the system has become, or ceased to be, one of the runtime's.
#[cfg(not(loom))]
pub(crate) fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}

/// The serial of the calling thread, if it is known already; else 0.
#[cfg(not(loom))]
pub(crate) fn known_serial() -> u64 {
    SERIAL.get()
}

fn become_thread(serial: u64) {
    SERIAL.set(serial);
    CHANGES.fetch_add(1, Ordering::Relaxed);
}

/// A word from which is seen, without a look into thread-local memory, that the calling thread is one that called before:
/// no two threads have the same, though one may have many.
///
/// It is the page of the stack that the call stands on, which is one living thread's alone, and how often any thread has
/// begun or ended so far: after that the page may be another's.
#[inline(always)]
pub(crate) fn footprint() -> u64 {
    const PAGE: u32 = 12;
    const PAGE_NUMBERS: u32 = 36;
    let here = MaybeUninit::<u8>::uninit();
    let page = std::ptr::from_ref(&here).addr() as u64 >> PAGE;
    page ^ (CHANGES.load(Ordering::Relaxed) << PAGE_NUMBERS)
}

/// The calling thread.
pub fn current(runtime: &'static Runtime) -> Arc<Thread> {
    let known = CURRENT.try_with(|current| current.0.borrow().as_ref().map(|(_, thread)| Arc::clone(thread)));
    known.ok().flatten().unwrap_or_else(|| adopt(runtime))
}

/// Takes a thread in that the runtime did not start.
#[cold]
fn adopt(runtime: &'static Runtime) -> Arc<Thread> {
    let thread = Thread::new("", ThreadKind::Foreign, None);
    runtime.register(&thread);
    bind(runtime, &thread);
    runtime.host_adopts(&thread);
    thread
}

/// Makes the calling operating system thread be `thread`, from here to its end or to [`unbind`].
///
/// A thread that is in its last thread-local destructors cannot be bound any more; it is registered by nobody then, which
/// makes it an ended thread for all others.
pub fn bind(runtime: &'static Runtime, thread: &Arc<Thread>) {
    if SERIAL.get() == thread.serial() {
        return; // it is so already
    }
    let before = CURRENT.try_with(|current| current.0.replace(Some((runtime, Arc::clone(thread)))));
    match before {
        Ok(before) => {
            thread.set_state(State::Running);
            // Before anybody is told of a change: who looks then is to find it.
            runtime.recorder().inspect(|recorder| recorder.runs_here(thread));
            become_thread(thread.serial());
            runtime.recorder().inspect(|recorder| recorder.begins(thread));
            if let Some((runtime, before)) = before {
                runtime.ended(&before);
            }
        }
        Err(_) => runtime.ended(thread),
    }
}

/// The end of the thread that the calling operating system thread was so far.
///
/// Nothing of it may run after this: whoever waits for its end is woken.
pub fn unbind() {
    let thread = CURRENT.try_with(|current| current.0.take()).ok().flatten();
    become_thread(0);
    if let Some((runtime, thread)) = thread {
        runtime.ended(&thread);
    }
}
