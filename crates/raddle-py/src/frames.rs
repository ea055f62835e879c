//! The memory for a thread's Python frames, kept for the next thread.
//!
//! A new thread state asks the system for 16 KiB with its first frame and gives them back with its end: two system calls and
//! a page fault, a third of the CPU of a short thread. The interpreter asks through its allocator of arenas, which may be
//! replaced, so a few pieces of just that size are kept. Whatever else it asks for is the business of the allocator that
//! was there before.
//!
//! A kept piece is not zeroed. The interpreter does not need that: frames come and go in the same piece all the time.

use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;

use pyo3::ffi::{PyObject_GetArenaAllocator, PyObject_SetArenaAllocator, PyObjectArenaAllocator};
use pyo3::prelude::*;
use raddle::seam::Mutex;

/// What CPython 3.11 and later ask for; where it is another size, nothing is kept.
const SIZE: usize = 16 * 1024;

/// More pieces than this go back to the system: as many threads as run at once end close together.
const MOST: usize = 8;

/// Addresses of pieces that nobody uses, the first `count` of them. Forgotten in the child of a fork in whose parent
/// somebody has used this since.
#[derive(Default)]
struct Kept {
    pieces: [usize; MOST],
    count: usize,
}

static KEPT: OnceLock<Mutex<Kept>> = OnceLock::new();

struct Before(PyObjectArenaAllocator);

// SAFETY: it is called as the interpreter would, under the same conditions, whichever thread that is on.
unsafe impl Send for Before {}
// SAFETY: as above.
unsafe impl Sync for Before {}

static BEFORE: OnceLock<Before> = OnceLock::new();

extern "C" fn allocate(_: *mut c_void, size: usize) -> *mut c_void {
    if size == SIZE {
        let mut kept = KEPT.get_or_init(Mutex::default).lock();
        if kept.count > 0 {
            kept.count -= 1;
            return ptr::with_exposed_provenance_mut(kept.pieces[kept.count]);
        }
    }
    BEFORE.get().and_then(|Before(it)| Some(it.alloc?(it.ctx, size))).unwrap_or(ptr::null_mut())
}

extern "C" fn free(_: *mut c_void, piece: *mut c_void, size: usize) {
    if size == SIZE {
        let mut kept = KEPT.get_or_init(Mutex::default).lock();
        if kept.count < MOST {
            let place = kept.count;
            kept.pieces[place] = piece.expose_provenance();
            kept.count += 1;
            return;
        }
    }
    if let Some((Before(it), free)) = BEFORE.get().and_then(|before| Some((before, before.0.free?))) {
        free(it.ctx, piece, size);
    }
}

/// Puts this in front of the interpreter's allocator of arenas. To be called at import.
pub(crate) fn keep(_: Python<'_>) {
    let mut before = PyObjectArenaAllocator { ctx: ptr::null_mut(), alloc: None, free: None };
    // SAFETY: attached, so nobody allocates meanwhile; both read and write a record of their own. The two functions live as
    // long as the process, for an extension module is never unloaded.
    unsafe {
        PyObject_GetArenaAllocator(&mut before);
        if BEFORE.set(Before(before)).is_ok() {
            let mut ours = PyObjectArenaAllocator { ctx: ptr::null_mut(), alloc: Some(allocate), free: Some(free) };
            PyObject_SetArenaAllocator(&mut ours);
        }
    }
}
