//! No garbage collection for a while.
//!
//! Making an object may collect garbage at once (before 3.12), which runs code of the program, beside which other threads go on:
//! not while somebody looks into what is another thread's.

use pyo3::ffi;
use pyo3::prelude::*;

/// No garbage collection while this lives.
pub(crate) struct Quiet(bool);

impl Quiet {
    pub(crate) fn new(_: Python<'_>) -> Quiet {
        // SAFETY: attached.
        Quiet(unsafe { ffi::PyGC_Disable() } != 0)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.0 {
            // SAFETY: attached as in `new`: the caller handles objects.
            unsafe { ffi::PyGC_Enable() };
        }
    }
}
