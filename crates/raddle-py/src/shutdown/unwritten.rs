//! What a file of the program's was given and has not written yet, found out without touching the file: `flush()` and
//! `tell()` would write, and wait for a lock that a thread may hold that gets no further.
//!
//! Bytes wait in two places: in the text, until it has 8 KB of them, and in the buffer below. Both are counted in the
//! objects, whose layout is internal. [`Counts::find`] looks for the text's count in a text of its own, and has the buffer's
//! checked by `streams.rs`; where that fails, nothing is known.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString, PyType};

use super::streams::{Buffer, is_known};

/// Where the counts are.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    /// Of the bytes that wait in a text, from the start of its object.
    text: usize,
}

impl Counts {
    /// # Errors
    /// None that the program could be told.
    pub(super) fn find(py: Python<'_>) -> PyResult<Option<Self>> {
        if !is_known(py, "BufferedWriter")? || !is_known(py, "BufferedRandom")? {
            return Ok(None);
        }
        let io = py.import("io")?;
        let buffer = io.getattr("BufferedWriter")?.call1((io.getattr("BytesIO")?.call0()?,))?;
        let class = io.getattr("TextIOWrapper")?;
        let text = class.call1((buffer, "latin-1"))?;
        let size: usize = class.getattr("__basicsize__")?.extract()?;
        let words = || -> Vec<u64> {
            let word = |at| {
                // SAFETY: within the object, which is as large as its class says, and whose memory was zeroed when it was
                // made. Nobody else knows it.
                unsafe { text.as_ptr().cast::<u64>().add(at).read() }
            };
            (0..size / size_of::<u64>()).map(word).collect()
        };
        text.call_method1("write", ("x".repeat(731),))?;
        let first = words();
        text.call_method1("write", ("x".repeat(300),))?;
        let second = words();
        text.call_method0("flush")?;
        let third = words();
        let counts = |at: &usize| (first[*at], second[*at], third[*at]) == (731, 1031, 0);
        let found: Vec<_> = (0..first.len()).filter(counts).collect();
        Ok(if let [only] = *found { Some(Counts { text: only * size_of::<u64>() }) } else { None })
    }
}

/// A file of `open()`, for writing.
pub(super) struct File<'py> {
    text: Option<Bound<'py, PyAny>>,
    buffer: Bound<'py, PyAny>,
    raw: Bound<'py, PyAny>,
}

impl<'py> File<'py> {
    /// `value` as a file, if it is one, of exactly the classes whose objects are known, and anybody can read it later.
    pub(super) fn of(value: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        let io = value.py().import("io")?;
        let is = |value: &Bound<'py, PyAny>, class| PyResult::Ok(value.get_type().is(io.getattr(class)?));
        let text = is(value, "TextIOWrapper")?.then(|| value.clone());
        let buffer = if text.is_some() { value.getattr("buffer")? } else { value.clone() };
        if !is(&buffer, "BufferedWriter")? && !is(&buffer, "BufferedRandom")? {
            return Ok(None);
        }
        let raw = buffer.getattr("raw")?;
        if !is(&raw, "FileIO")? || raw.getattr("closed")?.is_truthy()? {
            return Ok(None);
        }
        Ok(can_be_read(raw.call_method0("fileno")?.extract()?).then_some(Self { text, buffer, raw }))
    }

    fn object(&self) -> &Buffer {
        // SAFETY: of a class that `Counts::find` has had checked. Attached.
        unsafe { &*self.buffer.as_ptr().cast::<Buffer>() }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.buffer.is(&other.buffer)
    }

    /// Whether a thread is in the middle of writing it: what is in the buffer may be on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.object().is_busy()
    }

    /// How many bytes wait in it.
    pub(super) fn unwritten(&self, counts: Counts) -> u64 {
        let in_text = self.text.as_ref().map_or(0, |text| {
            // SAFETY: `Counts::find` has seen that objects of this class have the number there. Attached.
            unsafe { text.as_ptr().byte_add(counts.text).cast::<u64>().read() }
        });
        in_text + self.object().unwritten()
    }

    /// The objects that it is made of.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Bound<'py, PyAny>> {
        self.text.iter().chain([&self.buffer, &self.raw])
    }

    /// What the program calls it.
    pub(super) fn name(&self) -> String {
        let Ok(name) = self.raw.getattr("name") else { return "a file without a name".to_owned() };
        if let Ok(name) = name.cast_exact::<PyString>() {
            return name.to_string_lossy().into_owned();
        }
        if let Ok(name) = name.cast_exact::<PyBytes>() {
            return String::from_utf8_lossy(name.as_bytes()).into_owned();
        }
        match name.cast_exact::<PyInt>() {
            Ok(number) => format!("file descriptor {number}"),
            Err(_) => "a file without a name".to_owned(),
        }
    }
}

/// Whether what is written there can be read by anybody: not so of devices, and of files that have no name any more.
fn can_be_read(descriptor: i32) -> bool {
    // SAFETY: all zeros are a valid `stat`, which the call fills in.
    let (status, about) = unsafe {
        let mut about: libc::stat = std::mem::zeroed();
        (libc::fstat(descriptor, &mut about), about)
    };
    let kind = about.st_mode & libc::S_IFMT;
    status == 0 && kind != libc::S_IFCHR && !(kind == libc::S_IFREG && about.st_nlink == 0)
}

/// The values of an object's attributes, if it keeps them in a dictionary; runs no code of the program.
pub(super) fn attributes_of<'py>(object: &Bound<'py, PyAny>) -> Vec<Bound<'py, PyAny>> {
    if object.is_instance_of::<PyType>() {
        return Vec::new();
    }
    // SAFETY: attached; returns a new reference, or null with an error set, which `from_owned_ptr_or_err` takes.
    let dict = unsafe {
        Bound::from_owned_ptr_or_err(object.py(), ffi::PyObject_GenericGetDict(object.as_ptr(), ptr::null_mut()))
    };
    let dict = dict.ok().and_then(|dict| dict.cast_into::<PyDict>().ok());
    dict.map(|dict| dict.values().iter().collect()).unwrap_or_default()
}
