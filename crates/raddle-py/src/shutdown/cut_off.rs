//! `RD011`: daemon threads that are cut off with data in hand, which nobody will write.
//!
//! It is the last thing that is done: after the last `atexit` callback the interpreter lets no other thread in any more, and
//! main does not leave it between the last look and that moment. So what has not been written then is lost for certain. It
//! is not if callbacks come later that are older than raddle, beside which threads go on: then nothing is said.
//!
//! A daemon that writes all the time is mostly found in the middle of a write, for that is where it lets main in, and what is
//! lost cannot be known there. So it is let go on for a moment, and asked for the interpreter again at once: then it gives
//! that up between two of its instructions.
//!
//! Nothing is said of a file that is written at the very end all the same: the interpreter flushes `sys.stdout` and
//! `sys.stderr`, whatever stands in for them, and whoever has a finalizer may close what it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PyModule, PySet, PyString, PyTuple, PyType};
use raddle::graph::verdict::{CutOff, ThreadKind, Unwritten, Verdict};
use raddle::thread::{State, Thread};

use super::requests::exit_with;
use super::streams::is_alone;
use super::unwritten::{Counts, File, attributes_of};
use crate::locals::Slots;
use crate::quiet::Quiet;
use crate::{host, runtime};

/// Whether callbacks of `atexit` come after ours.
static OLDER: AtomicBool = AtomicBool::new(false);

/// What the process ends with if something was told; 0: its own status.
static STATUS: AtomicI32 = AtomicI32::new(0);

/// How often it is looked, at most, for a moment at which nobody writes.
const LOOKS: usize = 100;
const A_MOMENT: Duration = Duration::from_micros(100);

/// To be called before ours is registered.
pub(crate) fn note_older_callbacks(py: Python<'_>) -> PyResult<()> {
    let count: usize = py.import("atexit")?.call_method0("_ncallbacks")?.extract()?;
    OLDER.store(count > 0, Ordering::Relaxed);
    Ok(())
}

/// The status is that of the process that was told of it.
pub(super) fn after_fork_in_child() {
    STATUS.store(0, Ordering::Relaxed);
}

/// Ends the process with this status when a thread was cut off with data in hand, instead of its own status.
#[pyfunction]
fn exit_with_if_cut_off(status: i32) {
    STATUS.store(status, Ordering::Relaxed);
}

/// As the last thing before the interpreter ends. What cannot be found out is not told.
pub(crate) fn tell_cut_off(py: Python<'_>) {
    if !host::is_observed() || OLDER.load(Ordering::Relaxed) || is_alone(py) {
        return;
    }
    let is_told = find(py).ok().flatten().inspect(host::tell).is_some();
    let status = STATUS.load(Ordering::Relaxed);
    if is_told && status != 0 {
        let _ = exit_with(status);
    }
}

/// A thread, and the files of its that are not written.
type Lost<'py> = (Arc<Thread>, Vec<File<'py>>);

struct Look<'py> {
    py: Python<'py>,
    threads: Vec<Arc<Thread>>,
    slots: Slots,
    counts: Counts,
}

fn find(py: Python<'_>) -> PyResult<Option<Verdict>> {
    let _quiet = Quiet::new(py);
    let me = raddle::thread::current(runtime());
    let is_daemon = |thread: &Arc<Thread>| {
        thread.kind() == ThreadKind::Daemon && thread.state() != State::Ended && thread.ident() != 0
    };
    let threads: Vec<_> = runtime().others(&me).into_iter().filter(is_daemon).collect();
    if threads.is_empty() {
        return Ok(None);
    }
    let (Some(slots), Some(counts)) = (Slots::find(py)?, Counts::find(py)?) else { return Ok(None) };
    let look = Look { py, threads, slots, counts };
    let sys = py.import("sys")?;
    let interval = sys.call_method0("getswitchinterval")?;
    let verdict = look.until_certain(&sys);
    sys.call_method1("setswitchinterval", (interval,))?;
    verdict
}

impl<'py> Look<'py> {
    fn until_certain(&self, sys: &Bound<'py, PyModule>) -> PyResult<Option<Verdict>> {
        for looks in 1..=LOOKS {
            let mut lost = self.files()?;
            if lost.iter().flat_map(|(_, files)| files).any(File::is_busy) {
                if looks < LOOKS {
                    sys.call_method1("setswitchinterval", (1e-6,))?;
                    self.py.detach(|| std::thread::sleep(A_MOMENT));
                    continue;
                }
                lost.iter_mut().for_each(|(_, files)| files.retain(|file| !file.is_busy()));
            }
            let written_at_the_end = WrittenAtTheEnd::of(self.py)?;
            for (_, files) in &mut lost {
                let mut is_lost = Vec::new();
                for file in files.drain(..) {
                    if !written_at_the_end.contains(&file)? && !may_be_closed(&file)? {
                        is_lost.push(file);
                    }
                }
                *files = is_lost;
            }
            lost.retain(|(_, files)| !files.is_empty());
            if lost.is_empty() {
                return Ok(None);
            }
            let threads: Vec<_> = lost.iter().map(|lost| self.describe(lost)).collect();
            // Describing may have run Python code, beside which others go on.
            if lost.iter().zip(&threads).all(|((_, files), told)| self.is_still(files, &told.files)) {
                return Ok(Some(Verdict::CutOff { threads }));
            }
        }
        Ok(None)
    }

    fn describe(&self, (thread, files): &Lost<'py>) -> CutOff {
        let unwritten = |file: &File| Unwritten { file: file.name(), bytes: file.unwritten(self.counts) };
        let files = files.iter().map(unwritten).collect();
        CutOff { at: runtime().whereabouts(thread), files }
    }

    fn is_still(&self, files: &[File<'py>], told: &[Unwritten]) -> bool {
        files.iter().zip(told).all(|(file, told)| !file.is_busy() && file.unwritten(self.counts) == told.bytes)
    }

    /// The files of each thread that are written at this moment, or have something to be written.
    fn files(&self) -> PyResult<Vec<Lost<'py>>> {
        let frames = self.py.import("sys")?.call_method0("_current_frames")?;
        let mut lost = Vec::new();
        for thread in &self.threads {
            let mut files = Vec::new();
            let mut frame = frames.call_method1("get", (thread.ident(),))?;
            while !frame.is_none() {
                self.add_files_of(&frame, &mut files)?;
                frame = frame.getattr("f_back")?;
            }
            if !files.is_empty() {
                lost.push((Arc::clone(thread), files));
            }
        }
        Ok(lost)
    }

    fn add_files_of(&self, frame: &Bound<'py, PyAny>, files: &mut Vec<File<'py>>) -> PyResult<()> {
        let code = frame.getattr("f_code")?;
        // Its handlers flush each record.
        if code.getattr("co_filename")?.extract::<String>()?.ends_with("/logging/__init__.py") {
            return Ok(());
        }
        let mut values = self.slots.of(frame)?;
        let first = code.getattr("co_varnames")?.get_item(0).and_then(|name| name.extract::<String>());
        if first.is_ok_and(|name| name == "self") {
            let of_self = values.first().and_then(Option::as_ref).map(attributes_of);
            values.extend(of_self.into_iter().flatten().map(Some));
        }
        for value in values.iter().flatten() {
            let Ok(Some(file)) = File::of(value) else { continue };
            let is_new = !files.iter().any(|known| known.is(&file));
            if is_new && (file.is_busy() || file.unwritten(self.counts) > 0) {
                files.push(file);
            }
        }
        Ok(())
    }
}

/// The objects that are written when the interpreter flushes its streams.
struct WrittenAtTheEnd<'py>(Vec<Bound<'py, PyAny>>);

impl<'py> WrittenAtTheEnd<'py> {
    fn of(py: Python<'py>) -> PyResult<Self> {
        /// A stand-in may write to a file of its own, which it has in an attribute, or in a list there.
        const DEPTH: usize = 4;
        /// A stand-in that knows half of the program says nothing about a file.
        const MOST: usize = 10_000;
        let sys = py.import("sys")?;
        let names = ["stdout", "stderr", "__stdout__", "__stderr__"];
        let mut all: Vec<_> = names.into_iter().filter_map(|name| sys.getattr(name).ok()).collect();
        let referents = py.import("gc")?.getattr("get_referents")?;
        let mut from = 0;
        for _ in 0..DEPTH {
            let next = referents.call1(PyTuple::new(py, &all[from..])?)?;
            from = all.len();
            for object in next.try_iter()? {
                let object = object?;
                let leads_on = !object.is_instance_of::<PyType>() && !object.is_instance_of::<PyModule>();
                if leads_on && !object.is_instance_of::<PyString>() && all.len() < MOST {
                    all.push(object);
                }
            }
        }
        Ok(Self(all))
    }

    fn contains(&self, file: &File<'py>) -> PyResult<bool> {
        Ok(file.parts().any(|part| self.0.iter().any(|object| object.is(part))))
    }
}

/// Whether somebody has the file who has a finalizer: it may close it when the interpreter takes down the program.
fn may_be_closed(file: &File<'_>) -> PyResult<bool> {
    /// An object may have it in an attribute, in a list or a dictionary there, or in a variable of a function within.
    const DEPTH: usize = 4;
    let is_part = |object: &Bound<'_, PyAny>| file.parts().any(|part| part.is(object));
    let mut wanted: Vec<_> = file.parts().cloned().collect();
    for _ in 0..DEPTH {
        let Some(py) = wanted.first().map(Bound::py) else { break };
        let owners = py.import("gc")?.call_method1("get_referrers", PyTuple::new(py, &wanted)?)?;
        wanted.clear();
        for owner in owners.try_iter()? {
            let owner = owner?;
            // SAFETY: asks an object for its class, and the class for two of its functions. Attached.
            let (has_finalizer, is_cell) = unsafe {
                let class = (*owner.as_ptr()).ob_type;
                ((*class).tp_finalize.is_some() || (*class).tp_del.is_some(), class == &raw mut ffi::PyCell_Type)
            };
            if has_finalizer && !is_part(&owner) {
                return Ok(true);
            }
            let is_container = owner.is_exact_instance_of::<PyDict>()
                || owner.is_exact_instance_of::<PyList>()
                || owner.is_exact_instance_of::<PyTuple>()
                || owner.is_exact_instance_of::<PySet>()
                || owner.is_exact_instance_of::<PyFrozenSet>();
            if is_container || is_cell {
                wanted.push(owner);
            }
        }
    }
    Ok(false)
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(exit_with_if_cut_off, module)?)
}
