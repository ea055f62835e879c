//! What threads wait for though nobody holds it: anybody may bring it about, or time does.

use std::fmt;

use pyo3::PyClass;
use pyo3::prelude::*;
use raddle::graph::{Description, Hold, Resource};

/// A class of such things.
pub(super) trait Describe: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync {
    fn describe(this: &Bound<'_, Self>) -> Description;

    /// What tells it from another object that had its address before.
    fn key(&self) -> u64;
}

/// One of them, as a thing to wait for.
pub(super) struct Unowned<T>(pub(super) Py<T>);

impl<T> fmt::Debug for Unowned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unowned").field(&self.0).finish()
    }
}

impl<T: Describe> Resource for Unowned<T> {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn identity(&self) -> usize {
        self.0.as_ptr() as usize
    }

    fn key(&self) -> Option<(usize, u64)> {
        Some((self.identity(), self.0.get().key()))
    }

    fn can_be_left(&self) -> bool {
        false
    }

    fn describe(&self) -> Description {
        Python::attach(|py| T::describe(self.0.bind(py)))
    }
}
