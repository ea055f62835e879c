//! `raddle run --record`, and what reads it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use raddle::graph::learner;
use raddle::observe::recording::format::Note;
use raddle::observe::recording::{Recorder, Turns};
use raddle_report::Recording;

use crate::turns::{self, Gil};
use crate::{lifecycle, runtime};

/// Has everything recorded that threads do, in a new file of so many bytes. `program`: what runs, for people.
///
/// Raises OSError if the file cannot be made, ValueError for too few bytes and if something is recorded already.
#[pyfunction]
fn record(py: Python<'_>, path: PathBuf, bytes: u64, program: String) -> PyResult<()> {
    // What describing a place needs: not to be imported by a thread that has just taken a lock, while others wait.
    py.import("opcode")?;
    let made = py.detach(|| Recorder::create(&path, bytes));
    let recorder = made.map_err(|error| match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, system_text(py, number), path.clone())),
        None => PyValueError::new_err(error.to_string()),
    })?;
    recorder.note(&Note::Program { text: program });
    // The calling thread is to be in it from the start.
    raddle::thread::current(runtime());
    runtime().record(Arc::clone(&recorder)).map_err(|_| PyValueError::new_err("the program is recorded already"))?;
    learner::record(recorder);
    let me = raddle::thread::current(runtime());
    turns::mark(py, &me, lifecycle::is_main_thread());
    runtime().sample(Gil::find(py).map(|gil| Box::new(gil) as Box<dyn Turns>));
    Ok(())
}

fn system_text(py: Python<'_>, number: i32) -> String {
    let text = py.import("os").and_then(|os| os.call_method1("strerror", (number,))?.extract());
    text.unwrap_or_else(|_| "the system refused it".to_owned())
}

/// Does what a command line asks for that begins with report, postmortem or explain, and returns its exit status. What it says
/// goes straight to the descriptor of stdout.
///
/// Raises ValueError, with the text for stderr, if that makes no sense or cannot be done.
#[pyfunction]
fn command(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    py.detach(|| raddle_report::command(&arguments, &mut std::io::stdout())).map_err(PyValueError::new_err)
}

/// The codes that a value of `--fail-on` stands for. Raises ValueError for one that does not exist.
#[pyfunction]
fn codes_to_fail_on(value: OsString) -> PyResult<BTreeSet<&'static str>> {
    raddle_report::codes_to_fail_on(&value.to_string_lossy(), true).map_err(PyValueError::new_err)
}

/// Prints what the recording shows so far, if there is one.
pub(crate) fn tell_findings() {
    let Some(recorder) = runtime().recorder() else { return };
    if let Ok(recording) = Recording::read(&recorder.content()) {
        let texts = recording.verdicts.into_iter().filter(|told| told.over_all).map(|told| told.text);
        let _ = std::io::stderr().write_all(texts.collect::<String>().as_bytes());
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(record, module)?)?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    module.add_function(wrap_pyfunction!(codes_to_fail_on, module)?)
}
