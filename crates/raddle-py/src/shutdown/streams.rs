//! `sys.stdout` and `sys.stderr` when the interpreter ends under daemons that print.
//!
//! From the moment at which the interpreter finalizes, no other thread gets in any more. One that was cut off while it wrote
//! keeps the lock of the stream's buffer for ever, and the interpreter, which flushes its streams then, ends the process:
//! "Fatal Python error: _enter_buffered_busy: could not acquire lock for <_io.BufferedWriter name='<stdout>'>". With four
//! daemons that print it is every second run. And what that thread had in hand is lost, lines of main's among it, because
//! whoever fills the buffer of the text takes all that is in it.
//!
//! So after the last `atexit` callback [`settle`] has threads that come to print wait at a [gate](GATE), and waits for those
//! that are past it. Main keeps the interpreter from there on, if no callback is older than raddle's import, and nobody is
//! cut off inside.
//!
//! What is left is a thread whose pipe is full, one that writes to `sys.stdout.buffer`, or one that went on beside an older
//! callback. So the interpreter's last `flush()` is ours as well: it [gives](Buffer::rescue) a buffer whose lock is lost a
//! fresh one, since nobody can be in there any more.
//!
//! The lock can be reached only through the object's layout, which is internal: [`is_known`] compares it with what public
//! methods do, and unless that agrees nothing is done. Not taken: a stand-in for `sys.stdout`, which the program would see.

use std::ffi::{c_char, c_int, c_ulong, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyTuple};
use raddle::seam::Time;

use crate::lifecycle::{ident, is_main_thread};

/// How long those that write are waited for, together. The interpreter gives them as long before it ends the process.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_micros(100);

/// Closed: who is not main and comes to print waits.
static GATE: AtomicBool = AtomicBool::new(false);

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
struct Buffer {
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
    fn is_busy(&self) -> bool {
        self.is_taken() || waiters(self.lock) > 0
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

    /// Makes a buffer usable whose lock is held by a thread that is no more, when the interpreter finalizes.
    ///
    /// A thread that owns the buffer is in the middle of a write of all that is in it: that has been handed to the system.
    /// One that has the lock without being the owner was woken and got no further: nothing has been written.
    #[cold]
    fn rescue(&mut self) {
        if !self.is_taken() || self.owner == ident() {
            return;
        }
        // SAFETY: asks for a new lock. The old one is left to those who wait for it, for ever.
        let lock = unsafe { PyThread_allocate_lock() };
        if lock.is_null() {
            return;
        }
        if self.owner != 0 {
            (self.write_pos, self.write_end, self.owner) = (0, -1, 0);
        }
        self.lock = lock;
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

/// Whether a BufferedWriter's object is what we take it for.
fn is_known(py: Python<'_>) -> PyResult<bool> {
    if cfg!(any(Py_3_14, Py_GIL_DISABLED)) || !cfg!(target_pointer_width = "64") {
        return Ok(false);
    }
    let io = py.import("io")?;
    let class = io.getattr("BufferedWriter")?;
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
            && (buffer.ok, buffer.detached, buffer.readable, buffer.writable) == (1, 0, 0, 1)
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
        Ok(buffer.get_type().is(io.getattr("BufferedWriter")?).then_some(Self { text, buffer }))
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

    /// Has whoever calls one of these methods on these objects do `first` before.
    ///
    /// By a function of Python's: a thread that is cut off in the method is unwound, which frames of ours must not be.
    fn guard(&self, first: &Bound<'py, PyCFunction>) -> PyResult<()> {
        let before = c"lambda first, own: lambda *args, **options: (first(), own(*args, **options))[1]";
        let before = self.text.py().eval(before, None, None)?;
        for object in [&self.text, &self.buffer] {
            for name in METHODS {
                object.setattr(name, before.call1((first, object.getattr(name)?))?)?;
            }
        }
        Ok(())
    }
}

/// What threads write by. All else calls these.
const METHODS: [&str; 2] = ["write", "flush"];

/// After the last `atexit` callback: has nobody cut off in the middle of a line.
///
/// # Errors
/// None that is of the program's doing: streams of other classes are left alone.
pub(crate) fn settle(py: Python<'_>) -> PyResult<()> {
    if is_alone(py) || !is_known(py)? {
        return Ok(());
    }
    let streams = Stream::all(py)?;
    let is_finalizing = py.import("sys")?.getattr("is_finalizing")?;
    for stream in &streams {
        let (buffer, is_finalizing) = (stream.buffer.clone().unbind(), is_finalizing.clone().unbind());
        let first = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            let py = args.py();
            if is_finalizing.bind(py).call0()?.is_truthy()? {
                // SAFETY: `is_known`, and of that class. Nobody else gets into the interpreter any more.
                unsafe { &mut *buffer.as_ptr().cast::<Buffer>() }.rescue();
            } else {
                wait_at_gate(py);
            }
            Ok(())
        };
        stream.guard(&PyCFunction::new_closure(py, None, None, first)?)?;
    }
    GATE.store(true, Ordering::SeqCst);
    let deadline = Time::now().after(PATIENCE);
    while streams.iter().any(Stream::is_busy) && Time::now() < deadline {
        py.detach(|| std::thread::sleep(LOOK));
    }
    GATE.store(false, Ordering::SeqCst);
    Ok(())
}

fn wait_at_gate(py: Python<'_>) {
    if !is_main_thread() {
        py.detach(|| {
            while GATE.load(Ordering::SeqCst) {
                std::thread::sleep(LOOK);
            }
        });
    }
}

/// Whether the interpreter has no other thread.
fn is_alone(_: Python<'_>) -> bool {
    // SAFETY: attached, so there is a current interpreter, whose list of threads has a first.
    unsafe {
        let first = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
        ffi::PyThreadState_Next(first).is_null()
    }
}
