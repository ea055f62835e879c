//! `raddle run --record`, and what reads it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use raddle::graph::learner;
use raddle::observe::recording::format::Note;
use raddle::observe::recording::{Recorder, Turns};
use raddle_report::{OVER_ALL, Recording};

use crate::turns::{self, Gil};
use crate::{lifecycle, runtime};

/// Has everything recorded that threads do, in a new file of so many bytes. `program`: what runs, for people.
///
/// Raises OSError if the file cannot be made, ValueError for too few bytes and if something is recorded already.
#[pyfunction]
fn record(py: Python<'_>, path: PathBuf, bytes: u64, program: String) -> PyResult<()> {
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

/// What a recording shows. `form`: "report", "postmortem" or "json".
///
/// Raises OSError if the file cannot be read, ValueError if it is no recording.
#[pyfunction]
fn read_recording(py: Python<'_>, path: PathBuf, form: &str) -> PyResult<String> {
    let read = || -> PyResult<String> {
        let recording =
            Recording::read(&std::fs::read(&path)?).map_err(|error| PyValueError::new_err(error.to_string()))?;
        match form {
            "report" => Ok(recording.report()),
            "postmortem" => Ok(recording.postmortem()),
            "json" => Ok(recording.json()),
            _ => Err(PyValueError::new_err(format!("unknown form {form:?} (it is report, postmortem or json)"))),
        }
    };
    py.detach(read)
}

/// Prints what the recording shows so far, if there is one.
pub(crate) fn tell_findings() {
    let Some(recorder) = runtime().recorder() else { return };
    if let Ok(recording) = Recording::read(&recorder.content()) {
        let texts = recording.verdicts.into_iter().filter(|(at, ..)| *at == OVER_ALL).map(|(.., text)| text);
        let _ = std::io::stderr().write_all(texts.collect::<String>().as_bytes());
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(record, module)?)?;
    module.add_function(wrap_pyfunction!(read_recording, module)?)
}
