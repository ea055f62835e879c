//! The part of `raddle.Once` that waits. What is done once is code of the program, so Python calls it: a frame of ours must
//! not lie below code that may be cut off at the interpreter's end.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use raddle::graph::{Call, Description, Hold, Resource, Site};
use raddle::sync::RawOnce;

use super::lock::describe_named;
use super::{Sharing, me};
use crate::limit::Limit;
use crate::site::SiteCell;
use crate::{detach, site};

/// Whether something was done, and who is doing it.
#[pyclass(frozen, weakref, subclass, module = "raddle")]
pub(crate) struct OnceBase {
    raw: RawOnce<Sharing>,
    /// Where it was begun last: the program's own line, not that of the method in between.
    begun: Mutex<Option<Arc<dyn Site>>>,
    made: SiteCell,
    name: Option<String>,
}

/// Something that another thread is doing, as a thing to wait for.
#[derive(Debug)]
struct Doing(Py<OnceBase>);

impl Resource for Doing {
    fn holder(&self) -> Option<Hold> {
        self.0.get().raw.hold()
    }

    fn identity(&self) -> usize {
        self.0.as_ptr() as usize
    }

    fn key(&self) -> Option<(usize, u64)> {
        let once = self.0.get();
        Some((self.identity(), once.made.key(once.name.as_deref())))
    }

    fn describe(&self) -> Description {
        let once = self.0.get();
        let name = once.name.as_deref();
        let nowhere = SiteCell::default();
        let mut about = Python::attach(|py| describe_named(py, name, ("Once", self.identity()), &once.made, &nowhere));
        let begun = once.begun.lock().unwrap_or_else(PoisonError::into_inner).clone();
        about.taken_at = begun.and_then(|site| site.place());
        about
    }
}

#[pymethods]
impl OnceBase {
    #[new]
    #[pyo3(signature = (*, name=None))]
    fn new(name: Option<String>) -> Self {
        OnceBase { raw: RawOnce::default(), begun: Mutex::default(), made: SiteCell::here(), name }
    }

    /// The name it was given.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether it is done.
    #[getter]
    fn done(&self) -> bool {
        self.raw.is_done()
    }

    /// Whether the caller is to do it now, and to say so by `_end`; waits while another thread is doing it.
    fn _begin(this: &Bound<'_, Self>) -> PyResult<bool> {
        let (once, py) = (this.get(), this.py());
        let mut mine = once.raw.try_begin(me());
        if mine.is_none() {
            let resource = Arc::new(Doing(this.clone().unbind()));
            detach::block(py, resource, (Call::Wait, Limit::Never), |blocked| {
                mine = Some(once.raw.begin(blocked)?);
                Ok(())
            })?;
        }
        let mine = mine.unwrap_or_default();
        if mine {
            let site = site::of_user(py);
            // The old one goes after the mutex is released: that may run code.
            let _old = std::mem::replace(&mut *once.begun.lock().unwrap_or_else(PoisonError::into_inner), site);
        }
        Ok(mine)
    }

    /// The caller, which began it, has done it or failed.
    fn _end(&self, done: bool) {
        self.raw.end(done);
    }

    fn __repr__(this: &Bound<'_, Self>) -> String {
        let once = this.get();
        let state = match (once.raw.is_done(), once.raw.hold()) {
            (true, _) => "done",
            (false, Some(_)) => "being done",
            (false, None) => "not done",
        };
        let name = once.name().map(|name| format!(" '{name}'")).unwrap_or_default();
        format!("<raddle.Once{name}, {state}, at {:p}>", this.as_ptr())
    }
}
