//! Which thread this is.
//!
//! The serial lies in a thread-local word of its own, so that the owner of a lock is one load away. The rest is made when
//! somebody asks for it first: a thread that the runtime did not start (a callback from C, `_thread`) becomes known, as
//! foreign, with the first lock it takes, and stays the same thread until the operating system's thread ends.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::{State, Thread};
use crate::graph::verdict::ThreadKind;
use crate::runtime::Runtime;

struct Current(RefCell<Option<(&'static Runtime, Arc<Thread>)>>);

thread_local! {
    static SERIAL: Cell<u64> = const { Cell::new(0) };
    static CURRENT: Current = const { Current(RefCell::new(None)) };
}

impl Drop for Current {
    /// The last thing of a thread that the runtime sees. No code of the host may run here: it may have ended.
    fn drop(&mut self) {
        if let Some((runtime, thread)) = self.0.take() {
            SERIAL.set(0);
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
            SERIAL.set(thread.serial());
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
    SERIAL.set(0);
    if let Some((runtime, thread)) = thread {
        runtime.ended(&thread);
    }
}
