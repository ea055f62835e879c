//! `sys.stdout` and `sys.stderr` when the interpreter ends under daemons that print.
//!
//! From the moment at which the interpreter finalizes, no other thread gets in any more. One that was cut off while it wrote
//! keeps the lock of the stream's buffer for ever, and the interpreter, which flushes its streams then, ends the process:
//! "Fatal Python error: _enter_buffered_busy: could not acquire lock for <_io.BufferedWriter name='<stdout>'>". With four
//! daemons that print it is every second run. And what that thread had in hand is lost, lines of main's among it, because
//! whoever fills the buffer of the text takes all that is in it.
//!
//! So after the last `atexit` callback [`settle`] has threads that come to print wait at a [gate](GATE), and waits for those
//! that are past it. Main keeps the interpreter from there on, and nobody is cut off inside. Callbacks that are older than raddle,
//! such as that of `logging`, run after that, and may want a lock of somebody who waits at the gate: so it lets everybody through
//! again, but [slowly](SLOWLY), and mostly the interpreter ends before anybody is inside. The gate is before the text, not before
//! the buffer: who comes there has text in hand, and not only its own.
//!
//! What is left is a thread whose pipe is full, one that writes to `sys.stdout.buffer`, or one that went on beside an older
//! callback. So the interpreter's last `flush()` is ours as well: it [gives](Buffer::rescue) a buffer whose lock is lost a
//! fresh one, since nobody can be in there any more. A thread that was cut off in the middle of a write is told of: the end of
//! what it wrote may be missing.
//!
//! Nothing in here may keep anything of the program alive, which the interpreter is about to take down.
//!
//! The lock can be reached only through the object's layout, which is internal: [`is_known`] compares it with what public
//! methods do, and unless that agrees nothing is done. Not taken: a stand-in for `sys.stdout`, which the program would see.

use std::ffi::{c_char, c_int, c_ulong, c_void};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use raddle::seam::Time;

use crate::lifecycle::{ident, is_main_thread};

/// How long those that write are waited for, together. The interpreter gives them as long before it ends the process.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_micros(100);

/// Closed: who is not main and comes to print waits.
static GATE: AtomicBool = AtomicBool::new(false);

/// Until when who comes to print waits for [`SLOWLY`] before it goes on.
static SLOW_UNTIL: AtomicU64 = AtomicU64::new(0);
const SLOWLY: Duration = Duration::from_millis(50);

/// A lock of the interpreter's. Opaque; on Linux a semaphore.
type Lock = *mut c_void;

// Not in pyo3-ffi, so declared here alone.
unsafe extern "C" {
    fn PyThread_allocate_lock() -> Lock;
    fn PyThread_acquire_lock(lock: Lock, wait: c_int) -> c_int;
    fn PyThread_release_lock(lock: Lock);
}

/// `buffered` of CPython's `Modules/_io/bufferedio.c`, the object of a BufferedWriter, from 3.11 to 3.13.
#[repr(C)]
pub(super) struct Buffer {
    object: ffi::PyObject,
    raw: *mut ffi::PyObject,
    ok: c_int,
    detached: c_int,
    readable: c_int,
    writable: c_int,
    finalizing: c_char,
    fast_closed_checks: c_int,
    abs_pos: i64,
    bytes: *mut c_char,
    pos: i64,
    raw_pos: i64,
    read_end: i64,
    write_pos: i64,
    write_end: i64,
    lock: Lock,
    owner: c_ulong,
    size: ffi::Py_ssize_t,
    mask: ffi::Py_ssize_t,
    dict: *mut ffi::PyObject,
    weakrefs: *mut ffi::PyObject,
}

impl Buffer {
    /// Whether a thread writes, or waits for one that does. To be asked by an attached thread.
    pub(super) fn is_busy(&self) -> bool {
        self.is_taken() || waiters(self.lock) > 0
    }

    /// How many bytes wait in it, unless it is busy.
    pub(super) fn unwritten(&self) -> u64 {
        if self.write_end < 0 { 0 } else { u64::try_from(self.write_end - self.write_pos).unwrap_or(0) }
    }

    fn is_taken(&self) -> bool {
        // SAFETY: `is_known` has seen that this is the buffer's lock, which lives as long as the buffer. Taken without
        // waiting, and given back at once by a thread that does not detach in between: nobody can tell.
        unsafe {
            let free = PyThread_acquire_lock(self.lock, 0) != 0;
            if free {
                PyThread_release_lock(self.lock);
            }
            !free
        }
    }

    /// Makes a buffer usable whose lock may be lost, when the interpreter finalizes: it gets a new one, also if the old one is free,
    /// for a thread that is on its way to it, or was woken there, goes on without the interpreter, and may yet take it.
    ///
    /// A thread that owns the buffer is in the middle of a write of all that is in it: the system has that, or is still reading
    /// it there, so the memory is left to it. One that has the lock without being the owner was woken and got no further: nothing
    /// has been written. Returns whether somebody was cut off.
    #[cold]
    fn rescue(&mut self) -> bool {
        #[allow(clippy::unnecessary_cast, reason = "narrower on systems of 32 bits")]
        let owner = self.owner as u64;
        if owner == ident() {
            return false;
        }
        // SAFETY: asks for a new lock. The old one is left to those who wait for it, for ever.
        let lock = unsafe { PyThread_allocate_lock() };
        if lock.is_null() {
            return false;
        }
        if owner != 0 {
            // SAFETY: attached. The buffer frees this with the same allocator that it has its own memory from.
            let bytes = unsafe { ffi::PyMem_Malloc(self.size as usize) };
            if bytes.is_null() {
                return false;
            }
            (self.bytes, self.write_pos, self.write_end, self.owner) = (bytes.cast(), 0, -1, 0);
        }
        self.lock = lock;
        owner != 0
    }
}

/// How many threads wait for a lock, as far as that can be known: glibc counts them in the upper half of a semaphore's word.
fn waiters(lock: Lock) -> u64 {
    if !cfg!(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64", target_endian = "little")) {
        return 0;
    }
    // SAFETY: a lock is a `sem_t` here, which is aligned and changed by atomic operations only.
    unsafe { AtomicU64::from_ptr(lock.cast()) }.load(Ordering::SeqCst) >> 32
}

/// Whether the object of a BufferedWriter or a BufferedRandom is what we take it for.
pub(super) fn is_known(py: Python<'_>, class: &str) -> PyResult<bool> {
    if cfg!(any(Py_3_14, Py_GIL_DISABLED)) || !cfg!(target_pointer_width = "64") {
        return Ok(false);
    }
    let io = py.import("io")?;
    let readable = c_int::from(class == "BufferedRandom");
    let class = io.getattr(class)?;
    let size: usize = class.getattr("__basicsize__")?.extract()?;
    if size != size_of::<Buffer>() {
        return Ok(false);
    }
    let raw = io.getattr("BytesIO")?.call0()?;
    let object = class.call1((&raw, 4099))?;
    object.call_method1("write", (PyBytes::new(py, b"seven!!"),))?;
    // SAFETY: the object is as long as `Buffer`, all of whose fields take any bits, and nobody else knows it. The lock is
    // asked only if all that stands around it is what it has to be.
    let known = unsafe {
        let buffer = &*object.as_ptr().cast::<Buffer>();
        let around = buffer.raw == raw.as_ptr()
            && (buffer.ok, buffer.detached, buffer.readable, buffer.writable) == (1, 0, readable, 1)
            && (buffer.write_pos, buffer.write_end) == (0, 7)
            && (buffer.owner, buffer.size, buffer.mask) == (0, 4099, 0);
        around && !buffer.lock.is_null() && !buffer.is_busy()
    };
    Ok(known)
}

/// A text stream over a buffer with a lock, of exactly the classes whose objects are known.
struct Stream<'py> {
    text: Bound<'py, PyAny>,
    buffer: Bound<'py, PyAny>,
}

impl<'py> Stream<'py> {
    fn of(text: Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        let io = text.py().import("io")?;
        if !text.get_type().is(io.getattr("TextIOWrapper")?) || text.getattr("closed")?.is_truthy()? {
            return Ok(None);
        }
        let buffer = text.getattr("buffer")?;
        let is_known = buffer.get_type().is(io.getattr("BufferedWriter")?)
            && buffer.getattr("raw")?.get_type().is(io.getattr("FileIO")?);
        Ok(is_known.then_some(Self { text, buffer }))
    }

    /// The interpreter's streams that have a lock, each once.
    fn all(py: Python<'py>) -> PyResult<Vec<Self>> {
        let mut all: Vec<Self> = Vec::new();
        for name in ["stdout", "stderr", "__stdout__", "__stderr__"] {
            // A stream in some odd state is none of ours.
            let stream = py.import("sys")?.getattr(name).and_then(Self::of).unwrap_or_default();
            all.extend(stream.filter(|new| all.iter().all(|old| !old.text.is(&new.text))));
        }
        Ok(all)
    }

    fn is_busy(&self) -> bool {
        // SAFETY: `is_known`, and of that class. Attached.
        unsafe { &*self.buffer.as_ptr().cast::<Buffer>() }.is_busy()
    }

    /// Has whoever calls this method on the text do `first` before, which gets the text.
    ///
    /// By a function of Python's: a thread that is cut off in the method is unwound, which frames of ours must not be.
    fn guard(&self, name: &str, first: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = self.text.py();
        let before = c"lambda first, own, text: lambda *args, **options: (first(text), own(*args, **options))[1]";
        // Globals of its own: those of `__main__` would be kept alive.
        let before = py.eval(before, Some(&PyDict::new(py)), None)?;
        self.text.setattr(name, before.call1((first, self.text.getattr(name)?, &self.text))?)
    }
}

/// After the last `atexit` callback: has nobody cut off in the middle of a line.
///
/// # Errors
/// None that is of the program's doing: streams of other classes are left alone.
pub(crate) fn settle(py: Python<'_>) -> PyResult<()> {
    if is_alone(py) || !is_known(py, "BufferedWriter")? {
        return Ok(());
    }
    let streams = Stream::all(py)?;
    GATE.store(true, Ordering::SeqCst);
    let settled = settle_all(py, &streams);
    SLOW_UNTIL.store(Time::now().after(PATIENCE).nanos(), Ordering::SeqCst);
    GATE.store(false, Ordering::SeqCst);
    settled
}

fn settle_all(py: Python<'_>, streams: &[Stream<'_>]) -> PyResult<()> {
    let (gate, last_flush) = (wrap_pyfunction!(wait_at_gate, py)?, wrap_pyfunction!(before_last_flush, py)?);
    for stream in streams {
        stream.guard("flush", &last_flush)?;
        stream.guard("write", &gate)?;
    }
    let deadline = Time::now().after(PATIENCE);
    while streams.iter().any(Stream::is_busy) && Time::now() < deadline {
        py.detach(|| std::thread::sleep(LOOK));
    }
    Ok(())
}

/// The child of a fork has nobody who would open the gate.
pub(super) fn after_fork_in_child() {
    SLOW_UNTIL.store(0, Ordering::SeqCst);
    GATE.store(false, Ordering::SeqCst);
}

/// Before a `flush()` of a stream: the interpreter's last ones come when no other thread gets in any more.
#[pyfunction]
fn before_last_flush(text: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = text.py();
    if !py.import("sys")?.call_method0("is_finalizing")?.is_truthy()? {
        wait_at_gate(text);
        return Ok(());
    }
    let _ = text.delattr("flush");
    let _ = text.delattr("write");
    let Some(stream) = Stream::of(text.clone())? else { return Ok(()) };
    // SAFETY: `is_known`, or this would not have been put there, and of that class. Nobody else gets into the interpreter.
    let cut_off = unsafe { &mut *stream.buffer.as_ptr().cast::<Buffer>() }.rescue();
    if cut_off {
        let name = stream.text.getattr("name")?;
        let _ = writeln!(
            std::io::stderr(),
            "raddle: a daemon thread was cut off by the end of the program while it wrote to {name}: the end of its output may be \
             missing (give it time with raddle.Thread(grace=), or join it)"
        );
    }
    Ok(())
}

#[pyfunction]
fn wait_at_gate(text: &Bound<'_, PyAny>) {
    if !is_main_thread() {
        text.py().detach(|| {
            while GATE.load(Ordering::SeqCst) {
                std::thread::sleep(LOOK);
            }
            if Time::now().nanos() < SLOW_UNTIL.load(Ordering::SeqCst) {
                std::thread::sleep(SLOWLY);
            }
        });
    }
}

/// Whether the interpreter has no other thread.
pub(super) fn is_alone(_: Python<'_>) -> bool {
    // SAFETY: attached, so there is a current interpreter, whose list of threads has a first.
    unsafe {
        let first = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
        ffi::PyThreadState_Next(first).is_null()
    }
}
