//! Where a thread panicked.
//!
//! Only the panic hook of the process is told, so ours is put around the one that stands when the first thread is started: it
//! notes the place, and the calls if `RUST_BACKTRACE` asks for them, on threads of this crate only, and calls the other. A program
//! that sets a hook of its own later, and does not call the one that it takes out, takes ours out as well; a panic has no place
//! then. Nobody puts ours back: that would take the program's out for a moment, and there is no telling whose it is.
//!
//! The hook hears of every panic, also of those that the thread's own function catches, and not of one that is resumed. So
//! what was noted counts for the panic that ends the thread only if both are of one type and say the same.

use std::any::{Any, TypeId};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::error::{Payload, message};
use crate::graph::verdict::Place;

/// A panic that has ended a thread.
pub(crate) struct Caught {
    pub(crate) payload: Payload,
    pub(crate) message: String,
    pub(crate) at: Option<Place>,
    pub(crate) backtrace: Backtrace,
}

/// What the hook has heard.
struct Noted {
    kind: TypeId,
    message: String,
    at: Option<Place>,
    backtrace: Backtrace,
}

thread_local! {
    /// Whether somebody will ask what was noted on this thread.
    static LISTENS: Cell<bool> = const { Cell::new(false) };
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// To be called before a thread is started.
pub(super) fn listen() {
    static HOOK: Once = Once::new();
    // A thread that panics may not change the hook. The next start is another chance.
    if std::thread::panicking() {
        return;
    }
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            note(info);
            before(info);
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    if !LISTENS.try_with(Cell::get).unwrap_or(false) {
        return;
    }
    let noted = Noted {
        kind: info.payload().type_id(),
        message: message(info.payload()),
        at: info.location().map(Place::from),
        backtrace: Backtrace::capture(),
    };
    let _ = NOTED.try_with(|slot| slot.replace(Some(noted)));
}

/// Calls `f`, the function of the calling thread.
pub(super) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Box<Caught>> {
    LISTENS.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    LISTENS.set(false);
    let noted = NOTED.take();
    result.map_err(|payload| caught(payload, noted))
}

fn caught(payload: Payload, noted: Option<Noted>) -> Box<Caught> {
    let (kind, message) = (<dyn Any>::type_id(&*payload), message(&*payload));
    let is_it = |noted: &Noted| noted.kind == kind && noted.message == message;
    let (at, backtrace) = match noted.filter(is_it) {
        Some(noted) => (noted.at, noted.backtrace),
        None => (None, Backtrace::disabled()),
    };
    Box::new(Caught { payload, message, at, backtrace })
}
