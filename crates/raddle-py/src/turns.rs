//! Whose turn it is to run Python code, seen from outside: who holds the GIL, and who sleeps at its door.
//!
//! The interpreter keeps that in a record of its own: how long a turn lasts, whose it was last, and whether it is taken; then the condition
//! variables that threads sleep on who want one. Where that record lies differs from version to version, so it is not
//! known but looked for: the interpreter's whole state is an exported symbol with a size, and while the caller has the GIL
//! exactly one place in there reads «the switch interval, my thread state, taken». What was found must stop saying so when
//! the caller lets go. If there is no such place, or more than one, nobody knows whose turn it is.
//!
//! Reading it takes no lock and does not disturb: words that the interpreter itself reads without one.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use raddle::graph::Site;
use raddle::observe::recording::Turns;
use raddle::thread::Thread;

use crate::carrier::Attached;
use crate::quiet::Quiet;
use crate::site;

/// The beginning of the interpreter's record, as 3.11, 3.12 and 3.13 have it.
#[repr(C)]
#[derive(Debug)]
struct Record {
    /// In microseconds.
    interval: usize,
    last_holder: AtomicUsize,
    locked: AtomicI32,
    switches: usize,
    conditions: [Condition; 2],
}

#[repr(C)]
struct Condition(libc::pthread_cond_t, libc::pthread_mutex_t);

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Condition")
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Gil(&'static Record);

impl Turns for Gil {
    fn has_turn(&self, mark: usize) -> bool {
        self.holder() == mark & !OPEN
    }

    fn is_door(&self, address: usize) -> bool {
        let start = ptr::from_ref(self.0).addr();
        (start..start + size_of::<Record>()).contains(&address)
    }
}

impl Gil {
    /// The address of the thread state that has it; 0: nobody's.
    fn holder(&self) -> usize {
        if self.0.locked.load(Ordering::Relaxed) == 0 { 0 } else { self.0.last_holder.load(Ordering::Relaxed) }
    }

    /// `None` if it cannot be seen in this interpreter.
    pub(crate) fn find(py: Python<'_>) -> Option<Gil> {
        let interval: f64 = py.import("sys").ok()?.call_method0("getswitchinterval").ok()?.extract().ok()?;
        let state = state_of_interpreter()?;
        // SAFETY: attached.
        let me = unsafe { ffi::PyThreadState_Get() }.addr();
        let mut found = (state.start..=state.end.checked_sub(size_of::<Record>())?)
            .step_by(align_of::<Record>())
            // SAFETY: the record lies in the interpreter's state, which is there and can be read for as long as the process is,
            // and is aligned as the state is; any words make one.
            .map(|at| unsafe { &*ptr::with_exposed_provenance::<Record>(at) })
            .filter(|record| (record.interval as f64 / 1e6 - interval).abs() < 1e-6 && Gil(record).holder() == me);
        let (first, second) = (found.next()?, found.next());
        let gil = Gil(first);
        let lets_go = || py.detach(|| gil.holder() != me);
        (second.is_none() && lets_go()).then_some(gil)
    }
}

/// Where the interpreter's state lies: words, from an aligned address on.
fn state_of_interpreter() -> Option<Range<usize>> {
    // SAFETY: the name is a C string; the two places are valid for what the call writes, which is a symbol of a library that stays
    // loaded, for it is the interpreter.
    unsafe {
        let start = libc::dlsym(libc::RTLD_DEFAULT, c"_PyRuntime".as_ptr());
        let mut info = std::mem::zeroed::<libc::Dl_info>();
        let mut symbol = ptr::null_mut::<c_void>();
        const SYMBOL: i32 = 1; // RTLD_DL_SYMENT
        if start.is_null() || libc::dladdr1(start, &mut info, &mut symbol, SYMBOL) == 0 || symbol.is_null() {
            return None;
        }
        let size = (*symbol.cast::<libc::Elf64_Sym>()).st_size;
        let start = start.expose_provenance();
        start.is_multiple_of(align_of::<Record>()).then(|| start..start + size as usize)
    }
}

/// A bit of a mark, which is otherwise the address of a thread state: whoever is attached may look into that. It is set while
/// the state cannot end without us: [`unmark`] comes first.
const OPEN: usize = 1;

/// The calling thread is `thread`, which is the main thread, or one whose thread state may end when it likes.
pub(crate) fn mark(_: Python<'_>, thread: &Thread, is_main: bool) {
    // SAFETY: attached, so there is one.
    let state = unsafe { ffi::PyThreadState_Get() }.expose_provenance();
    thread.set_mark(state | if is_main { OPEN } else { 0 });
}

/// The calling thread is `thread`; [`unmark`] is called before it gives its thread state up.
pub(crate) fn mark_open(thread: &Thread, state: &Attached) {
    thread.set_mark(state.address() | OPEN);
}

/// Its thread state is about to end.
pub(crate) fn unmark(thread: &Thread) {
    thread.set_mark(0);
}

/// Where `thread` is in the user's own code; `None` if that cannot be told.
pub(crate) fn place_of(py: Python<'_>, thread: &Thread) -> Option<Arc<dyn Site>> {
    let mark = thread.mark();
    // Without a GIL its frames might change meanwhile.
    if mark & OPEN == 0 || cfg!(Py_GIL_DISABLED) {
        return None;
    }
    let state = ptr::with_exposed_provenance_mut::<ffi::PyThreadState>(mark & !OPEN);
    // Frame objects are made on the way; a collection then could let that thread run, out of the frame that is looked at.
    let _quiet = Quiet::new(py);
    // SAFETY: attached, so no thread state can end meanwhile that has not been unmarked; the function gives a new reference or null, which
    // `Bound` gives back.
    let frame = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyThreadState_GetFrame(state).cast()) };
    site::of_user_from(py, frame)
}
