//! Places in Python code: a code object and the index of an instruction in it, packed into one word.
//!
//! A lock remembers where it was taken with every take, so finding the place must cost a few nanoseconds: it is read from
//! the interpreter's own frame. The layout of that is internal. [`calibrate`] compares what it reads at import with what
//! the public functions say, and unless they agree the public ones, which cost some 20 ns more, are used for good.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyString};
use raddle::graph::Site;
use raddle::graph::verdict::Place;

/// Where the interpreter keeps what, in bytes, by version.
mod layout {
    #[cfg(not(Py_3_12))]
    pub(super) const FRAME: (usize, Option<usize>) = (56, Some(8));
    #[cfg(all(Py_3_12, not(Py_3_13)))]
    pub(super) const FRAME: (usize, Option<usize>) = (56, Some(0));
    #[cfg(Py_3_13)]
    pub(super) const FRAME: (usize, Option<usize>) = (72, None);

    #[cfg(not(Py_3_12))]
    pub(super) const CODE: usize = 32;
    #[cfg(Py_3_12)]
    pub(super) const CODE: usize = 0;

    pub(super) const INSTRUCTION: usize = 56;

    /// Versions whose frames look like this.
    pub(super) const KNOWN: bool =
        cfg!(not(Py_3_14)) && cfg!(not(Py_GIL_DISABLED)) && cfg!(target_pointer_width = "64");
}

/// Bytes from a code object to its first instruction; negative: not known, use the public functions.
static CODE_START: AtomicI64 = AtomicI64::new(-1);

/// A code object's address and an instruction's index, packed; 0 is no place yet. Addresses of user space have 47 bits.
const INDEX_BITS: u32 = 16;

fn pack(code: *mut ffi::PyObject, index: i64) -> u64 {
    let index = u64::try_from(index).unwrap_or(0).min((1 << INDEX_BITS) - 1);
    (code as u64) << INDEX_BITS | index
}

/// What has no place has been done all the same: no code object is at this address.
const NOWHERE: u64 = 1 << INDEX_BITS;

fn code_of(packed: u64) -> *mut ffi::PyObject {
    if packed == NOWHERE { std::ptr::null_mut() } else { (packed >> INDEX_BITS) as *mut ffi::PyObject }
}

/// The present instruction of the calling Python code, as the interpreter's own frame says.
///
/// # Safety
/// Attached, and `start` found out by [`calibrate`].
#[inline]
unsafe fn read_frame(start: i64) -> u64 {
    let read = |base: *const u8, offset: usize| {
        // SAFETY: `calibrate` has seen that these offsets lead from a thread state to its frame and from there to its code.
        // A thread state that is current is alive, and so are its frame and code while it is in a call.
        unsafe { base.add(offset).cast::<*const u8>().read() }
    };
    // SAFETY: attached.
    let state = unsafe { ffi::PyThreadState_Get() }.cast::<u8>().cast_const();
    let frame = match layout::FRAME {
        (outer, Some(inner)) => read(read(state, outer), inner),
        (outer, None) => read(state, outer),
    };
    if frame.is_null() {
        return NOWHERE;
    }
    let code = read(frame, layout::CODE);
    // SAFETY: not null, so a live object: the frame's code, or what a frame of C code has in its place.
    if code.is_null() || unsafe { ffi::PyCode_Check(code.cast_mut().cast()) } == 0 {
        return NOWHERE;
    }
    let instruction = read(frame, layout::INSTRUCTION) as i64;
    pack(code.cast_mut().cast(), (instruction - code as i64 - start) / 2)
}

/// The same by the public functions.
fn ask_frame() -> u64 {
    // SAFETY: attached; each function returns a new reference or null, and each is given back here. A code object stays
    // alive beyond that, because the frame that runs it is the caller's.
    unsafe {
        let frame = ffi::PyThreadState_GetFrame(ffi::PyThreadState_Get());
        if frame.is_null() {
            return NOWHERE;
        }
        let code = ffi::PyFrame_GetCode(frame).cast::<ffi::PyObject>();
        let packed = pack(code, i64::from(ffi::PyFrame_GetLasti(frame)) / 2);
        ffi::Py_DECREF(code);
        ffi::Py_DECREF(frame.cast());
        packed
    }
}

/// Where the calling Python code is; borrowed: good only while that call is under way.
#[inline]
fn here() -> u64 {
    let start = CODE_START.load(Ordering::Relaxed);
    // SAFETY: callers are attached; `start` is not negative only if `calibrate` says so.
    if start >= 0 { unsafe { read_frame(start) } } else { ask_frame() }
}

/// Finds out whether frames can be read directly. Called at import, by Python code.
pub(crate) fn calibrate(_: Python<'_>) {
    let asked = ask_frame();
    if !layout::KNOWN || asked == NOWHERE {
        return;
    }
    // SAFETY: attached. The offsets are not known to be right yet: that is what is being found out, on the versions they
    // were read off. Read with a start of 0, the index is off by the start itself.
    let read = unsafe { read_frame(0) };
    let index = |packed: u64| (packed & ((1 << INDEX_BITS) - 1)) as i64;
    let start = (index(read) - index(asked)) * 2;
    if code_of(read) == code_of(asked) && (0..1024).contains(&start) {
        CODE_START.store(start, Ordering::Relaxed);
    }
}

/// A place that is written at every take: a lock's latest holder's, or the one where it was made.
#[derive(Debug, Default)]
pub(crate) struct SiteCell(AtomicU64);

impl SiteCell {
    /// A cell that holds the place of the calling Python code.
    pub(crate) fn here() -> SiteCell {
        let site = here();
        // SAFETY: attached; null or a code object that the running frame keeps alive. The new reference is the cell's.
        unsafe { ffi::Py_XINCREF(code_of(site)) };
        SiteCell(AtomicU64::new(site))
    }

    /// Remembers the place of the calling Python code, keeping its code object alive. `first` is called if the cell was
    /// empty, before it is not.
    #[inline]
    pub(crate) fn note(&self, first: impl FnOnce()) {
        let new = here();
        if (self.0.load(Ordering::Relaxed) ^ new) >> INDEX_BITS == 0 {
            self.0.store(new, Ordering::Relaxed);
        } else {
            self.exchange(new, first);
        }
    }

    #[cold]
    fn exchange(&self, new: u64, first: impl FnOnce()) {
        if self.is_empty() {
            first();
        }
        // SAFETY: attached; `new` is null or a code object that the running frame keeps alive; the reference that the cell
        // had is given back once, by whoever swapped it out.
        unsafe {
            ffi::Py_XINCREF(code_of(new));
            ffi::Py_XDECREF(code_of(self.0.swap(new, Ordering::AcqRel)));
        }
    }

    /// Whether nothing was ever noted.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// The cell's content, with its reference; below 2**63.
    pub(crate) fn into_number(mut self) -> u64 {
        std::mem::take(self.0.get_mut())
    }

    /// The cell of that content.
    ///
    /// # Safety
    /// `number` must come from [`into_number`](SiteCell::into_number), and its reference is the new cell's: only one of all
    /// that are made of it may be dropped, and none used after that.
    pub(crate) unsafe fn of_number(number: u64) -> SiteCell {
        SiteCell(AtomicU64::new(number))
    }

    /// The cell's content, borrowed.
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Of the cell of where an object was made, and its name: what tells it from another one that had its address before.
    pub(crate) fn key(&self, name: Option<&str>) -> u64 {
        let Some(name) = name else { return self.number() };
        let mut hasher = DefaultHasher::new();
        (self.number(), name).hash(&mut hasher);
        hasher.finish()
    }

    /// What is remembered.
    pub(crate) fn get(&self, py: Python<'_>) -> Option<CodeSite> {
        CodeSite::of(py, self.0.load(Ordering::Acquire))
    }
}

impl Drop for SiteCell {
    fn drop(&mut self) {
        // SAFETY: Python objects are freed by attached threads; the cell's own reference goes with it.
        unsafe { ffi::Py_XDECREF(code_of(*self.0.get_mut())) };
    }
}

/// A place with a reference of its own.
#[derive(Debug)]
pub(crate) struct CodeSite {
    pub(crate) code: Py<PyCode>,
    /// Of the instruction, in units of two bytes.
    pub(crate) index: usize,
}

/// First and last line, first and last column.
type Position = (Option<u32>, Option<u32>, Option<u32>, Option<u32>);

impl CodeSite {
    fn enters_with(&self, py: Python<'_>) -> bool {
        let opcode = || -> PyResult<bool> {
            let bytes: Vec<u8> = self.code.bind(py).getattr("co_code")?.extract()?;
            let before_with: u8 = py.import("opcode")?.getattr("opmap")?.get_item("BEFORE_WITH")?.extract()?;
            Ok(bytes.get(self.index * 2) == Some(&before_with))
        };
        opcode().unwrap_or(false)
    }

    /// Whether this is where a thread calls its target, or else in raddle's own code: no place in the program, if the target
    /// is no Python code.
    pub(crate) fn is_thread_target(&self, py: Python<'_>) -> bool {
        let text =
            |name| self.code.bind(py).getattr(name).and_then(|text| text.extract::<String>()).unwrap_or_default();
        let file = text("co_filename");
        file.ends_with("/threading.py") && text("co_qualname").ends_with(".run") || file.contains("/raddle/_")
    }

    /// # Safety of the caller's source
    /// `packed` is the content of a [`SiteCell`] that keeps its code object alive, or a place in a frame that does.
    pub(crate) fn of(py: Python<'_>, packed: u64) -> Option<CodeSite> {
        // SAFETY: null or a code object that the caller's source of `packed` keeps alive.
        let code = unsafe { Borrowed::from_ptr_or_opt(py, code_of(packed)) }?;
        let code = code.to_owned().cast_into::<PyCode>().ok()?;
        Some(CodeSite { code: code.unbind(), index: (packed & ((1 << INDEX_BITS) - 1)) as usize })
    }

    fn read(&self, py: Python<'_>) -> PyResult<Place> {
        let code = self.code.bind(py);
        let file: String = code.getattr("co_filename")?.extract()?;
        let positions = code.call_method0("co_positions")?.try_iter()?.take(self.index + 1);
        let positions: Vec<Position> = positions.map(|p| p?.extract()).collect::<PyResult<_>>()?;
        // The instruction that enters a `with` block is said to span the block; the one before it is the expression.
        let spans_lines = |at: &usize| matches!(positions.get(*at), Some((line, end, ..)) if line != end);
        let index =
            Some(self.index).filter(|at| !spans_lines(at) || !self.enters_with(py)).or(self.index.checked_sub(1));
        let position = index.and_then(|at| positions.get(at).copied());
        let (line, end_line, start, end) = position.unwrap_or_default();
        let line = line.unwrap_or(code.getattr("co_firstlineno")?.extract()?);
        let end_line = end_line.unwrap_or(line).max(line);
        let function = code.getattr("co_qualname")?.extract()?;
        let source = source_of(py, &file, line, end_line);
        Ok(Place { file, line, end_line, columns: start.zip(end), function, source })
    }
}

impl Site for CodeSite {
    fn place(&self) -> Option<Place> {
        Python::attach(|py| self.read(py).ok())
    }

    fn key(&self) -> u64 {
        pack(self.code.as_ptr(), self.index as i64)
    }
}

/// The lines of a file that is none, as `linecache` knows them: a zip archive, a doctest, a notebook's cell.
fn source_of(py: Python<'_>, file: &str, line: u32, end_line: u32) -> Option<String> {
    if std::path::Path::new(file).exists() {
        return None;
    }
    let lines = py.import("linecache").ok()?.call_method1("getlines", (file,)).ok()?;
    let lines: Vec<String> = lines.extract().ok()?;
    let range = line.checked_sub(1)? as usize..end_line as usize;
    lines.get(range).map(|lines| lines.concat())
}

/// Directories whose code is not the user's: where a thread waits or was started is told at the frame that called them.
fn is_machinery(file: &str) -> bool {
    const PARTS: [&str; 6] = [
        "/threading.py",
        "/queue.py",
        "/concurrent/futures/",
        "/raddle/",
        "/socketserver.py",
        "/importlib/__init__.py",
    ];
    file.starts_with("<frozen ") || PARTS.iter().any(|part| file.contains(part)) && !file.contains("/tests/")
}

/// The innermost place of the calling thread's stack in the user's own code.
#[inline(never)]
pub(crate) fn of_user(py: Python<'_>) -> Option<Arc<dyn Site>> {
    // SAFETY: attached. The function returns a new reference or null; `Bound` gives it back.
    let frame =
        unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyThreadState_GetFrame(ffi::PyThreadState_Get()).cast()) };
    of_user_from(py, frame)
}

/// The innermost place in the user's own code, from `frame` outwards.
pub(crate) fn of_user_from<'py>(py: Python<'py>, mut frame: Option<Bound<'py, PyAny>>) -> Option<Arc<dyn Site>> {
    let mut innermost = None;
    // SAFETY: attached. The function returns a new reference or null; `Bound` gives it back.
    let owned = |frame: *mut ffi::PyFrameObject| unsafe { Bound::from_owned_ptr_or_opt(py, frame.cast()) };
    while let Some(present) = frame {
        let pointer = present.as_ptr().cast::<ffi::PyFrameObject>();
        // SAFETY: `present` keeps the frame alive.
        let (code, last) = unsafe { (ffi::PyFrame_GetCode(pointer), ffi::PyFrame_GetLasti(pointer)) };
        let packed = pack(code.cast(), i64::from(last) / 2);
        let site = CodeSite::of(py, packed);
        // SAFETY: the reference that PyFrame_GetCode gave.
        unsafe { ffi::Py_DECREF(code.cast()) };
        if let Some(site) = site {
            let file = site.code.bind(py).getattr(intern!(py, "co_filename")).ok();
            let file = file.as_ref().and_then(|file| file.cast::<PyString>().ok()?.to_str().ok());
            if !file.is_some_and(is_machinery) {
                return Some(Arc::new(site));
            }
            innermost.get_or_insert(site);
        }
        // SAFETY: as above.
        frame = owned(unsafe { ffi::PyFrame_GetBack(pointer) });
    }
    let innermost = innermost.filter(|site: &CodeSite| !site.is_thread_target(py));
    innermost.map(|site| Arc::new(site) as Arc<dyn Site>)
}

/// Where an error was raised: the last entry of its traceback.
pub(crate) fn of_error(py: Python<'_>, error: &PyErr) -> Option<Place> {
    let mut entry = error.traceback(py)?.into_any();
    while let Some(next) = entry.getattr("tb_next").ok().filter(|next| !next.is_none()) {
        entry = next;
    }
    let code = entry.getattr("tb_frame").ok()?.getattr("f_code").ok()?.cast_into::<PyCode>().ok()?;
    let index = entry.getattr("tb_lasti").ok()?.extract::<usize>().ok()? / 2;
    CodeSite { code: code.unbind(), index }.place()
}

/// How many calls of a stack are told.
const DEEPEST: usize = 3;

/// Where a thread is, the innermost call first, without those that are not the user's.
pub(crate) fn of_thread(py: Python<'_>, ident: u64) -> PyResult<Vec<Place>> {
    let mut frame = py.import("sys")?.call_method0("_current_frames")?.call_method1("get", (ident,))?;
    let mut places = Vec::new();
    while !frame.is_none() && places.len() < DEEPEST {
        let code = frame.getattr("f_code")?.cast_into::<PyCode>()?;
        let index = frame.getattr("f_lasti")?.extract::<usize>()? / 2;
        let place = CodeSite { code: code.unbind(), index }.read(py)?;
        if !is_machinery(&place.file) {
            places.push(place);
        }
        frame = frame.getattr("f_back")?;
    }
    Ok(places)
}
