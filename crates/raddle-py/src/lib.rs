//! The Python binding: one file per engine room, with the same names. Converts, leaves the interpreter, calls the engine,
//! maps the error; decides nothing.

mod carrier;
mod detach;
mod error;
mod executor;
mod fastcall;
mod frames;
mod host;
mod imports;
mod interrupt;
mod job;
mod lifecycle;
mod limit;
mod locals;
mod naming;
mod outcome;
mod queue;
mod quiet;
mod recording;
mod several;
mod shutdown;
mod site;
mod stop;
mod sync;
mod thread;
mod threads;
mod timer;
mod turns;

use std::sync::LazyLock;

use pyo3::prelude::*;
use raddle::runtime::Runtime;

/// Python's runtime.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new(Box::new(host::PyHost)));

pub(crate) fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// The engine's face to the package `raddle`; see `_raddle.pyi`.
#[pymodule(gil_used = false)]
fn _raddle(module: &Bound<'_, PyModule>) -> PyResult<()> {
    lifecycle::refuse_sub_interpreters(module.py())?;
    site::calibrate(module.py());
    frames::keep(module.py());
    error::add_to(module)?;
    sync::add_to(module)?;
    queue::add_to(module)?;
    executor::add_to(module)?;
    thread::add_to(module)?;
    stop::add_to(module)?;
    interrupt::add_to(module)?;
    outcome::add_to(module)?;
    threads::add_to(module)?;
    several::add_to(module)?;
    job::add_to(module)?;
    host::add_to(module)?;
    lifecycle::add_to(module)?;
    recording::add_to(module)?;
    shutdown::add_to(module)
}
