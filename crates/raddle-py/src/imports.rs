//! Who waits for whose import, read from importlib's own tables.
//!
//! A thread that imports a module holds the module's lock; another one that needs the module waits for it. Both happen
//! in importlib, out of the engine's sight, but importlib keeps books to break circles of imports: `_module_locks` has a
//! weak reference to each lock there is, so it is empty unless something is being imported, and `_blocking_on` says which
//! lock a thread (by `get_ident()`) is about to take: the lock, on 3.11, and from 3.12 on a weak reference to a list of
//! locks, of which the last is the one. Circles that are made of imports alone are importlib's business.
//!
//! The alternative, to put locks of the engine's own in the place of importlib's, would have made every import slower.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};
use raddle::graph::verdict::Place;
use raddle::graph::{Description, ForeignWait, Hold, Resource};

use crate::{runtime, site};

/// The thread that holds a module's lock.
fn owner(lock: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
    lock.getattr("owner")?.extract()
}

/// Whether the thread is importing a module. Asked whenever a thread is about to sleep: mostly, one look at an empty table.
pub(crate) fn is_importing(py: Python<'_>, ident: u64) -> PyResult<bool> {
    static LOCKS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let locks = LOCKS.import(py, "_frozen_importlib", "_module_locks")?.cast::<PyDict>()?;
    if locks.is_empty() {
        return Ok(false);
    }
    // A copy: a garbage collection in between may import something.
    for lock in locks.values() {
        let lock = lock.call0()?;
        if !lock.is_none() && owner(&lock)? == Some(ident) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The import that the thread waits for, if another known thread is at it.
pub(crate) fn wait_of(py: Python<'_>, ident: u64) -> PyResult<Option<ForeignWait>> {
    let Some(lock) = awaited(py, ident)? else { return Ok(None) };
    let owner = owner(&lock)?.filter(|owner| *owner != ident);
    let holder = runtime().threads().into_iter().find(|thread| owner == Some(thread.ident()));
    let (Some(owner), Some(holder)) = (owner, holder) else { return Ok(None) };
    let import = Import { module: lock.getattr("name")?.extract()?, owner, serial: holder.serial() };
    let place = site::of_user_from(py, frame_of(py, ident)?);
    Ok(Some(ForeignWait { key: lock.as_ptr() as u64, resource: Arc::new(import), site: place }))
}

fn awaited(py: Python<'_>, ident: u64) -> PyResult<Option<Bound<'_, PyAny>>> {
    static BLOCKING_ON: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let blocking_on = BLOCKING_ON.import(py, "_frozen_importlib", "_blocking_on")?;
    if !cfg!(Py_3_12) {
        return blocking_on.cast::<PyDict>()?.get_item(ident);
    }
    let Some(locks) = blocking_on.getattr("data")?.cast_into::<PyDict>()?.get_item(ident)? else { return Ok(None) };
    let locks = locks.call0()?;
    Ok(locks.cast_into::<PyList>().ok().and_then(|locks| locks.iter().last()))
}

/// The innermost frame of a thread.
fn frame_of(py: Python<'_>, ident: u64) -> PyResult<Option<Bound<'_, PyAny>>> {
    py.import("sys")?.call_method0("_current_frames")?.cast_into::<PyDict>()?.get_item(ident)
}

/// The module that a frame of importlib is about to import, or reload, under the module's lock.
fn imported_by(frame: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let code = frame.getattr("f_code")?;
    if !code.getattr("co_filename")?.extract::<String>()?.starts_with("<frozen importlib") {
        return Ok(None);
    }
    let local = |name| frame.getattr("f_locals")?.get_item(name);
    match code.getattr("co_name")?.extract::<String>()?.as_str() {
        "_find_and_load" => local("name")?.extract().map(Some),
        "_exec" => local("spec")?.getattr("name")?.extract().map(Some),
        _ => Ok(None),
    }
}

/// A module's lock, as a thing that is held by the thread that imports the module.
#[derive(Debug)]
struct Import {
    module: String,
    owner: u64,
    serial: u64,
}

impl Import {
    /// The import statement, or whatever else in the program made its holder import the module.
    fn taken_at(&self, py: Python<'_>) -> PyResult<Option<Place>> {
        let mut frame = frame_of(py, self.owner)?;
        while let Some(present) = frame.filter(|frame| !frame.is_none()) {
            if imported_by(&present).is_ok_and(|module| module.as_ref() == Some(&self.module)) {
                return Ok(site::of_user_from(py, Some(present)).and_then(|site| site.place()));
            }
            frame = Some(present.getattr("f_back")?);
        }
        Ok(None)
    }
}

impl Resource for Import {
    fn holder(&self) -> Option<Hold> {
        Some(Hold { serial: self.serial, owned: true, strict: false })
    }

    fn describe(&self) -> Description {
        let taken_at = Python::attach(|py| self.taken_at(py).ok().flatten());
        Description { kind: "the import lock of".into(), name: self.module.clone(), made_at: None, taken_at }
    }
}
