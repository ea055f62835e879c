//! The variables of a function that another thread is in, read without a trace.
//!
//! The public way, `frame.f_locals`, makes a dictionary before 3.13 that stays with the frame: it keeps alive what the
//! function lets go of afterwards, and undoes what a debugger is about to change. So the frame's slots are read. Where they
//! are is internal: [`Slots::find`] looks for them in a frame whose variables it knows, that of a generator, which lies
//! within the generator's own object. Where it does not find them, nothing is read.

use pyo3::ffi;
use pyo3::prelude::*;

/// `f_frame` of a frame object, from 3.11 to 3.13: the address of the interpreter's own frame.
const INNER: usize = 24;

/// Set for the code of functions, whose variables are in slots.
const CO_OPTIMIZED: u32 = 1;

/// From the start of the interpreter's frame to its first variable, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Slots(usize);

/// The word at `offset` of an object or a frame.
///
/// # Safety
/// That much belongs to it.
unsafe fn word(base: *const u8, offset: usize) -> usize {
    // SAFETY: the caller's; objects and frames are aligned to words.
    unsafe { base.add(offset).cast::<usize>().read() }
}

impl Slots {
    /// # Errors
    /// None that the program could be told.
    pub(crate) fn find(py: Python<'_>) -> PyResult<Option<Slots>> {
        const WORD: usize = size_of::<usize>();
        if cfg!(any(Py_3_14, Py_GIL_DISABLED)) || !cfg!(target_pointer_width = "64") {
            return Ok(None);
        }
        let object = py.import("builtins")?.getattr("object")?;
        let (one, two) = (object.call0()?, object.call0()?);
        let generator = py.eval(c"lambda one, two: (yield)", None, None)?.call1((&one, &two))?;
        let frame = generator.getattr("gi_frame")?;
        let size: usize = generator.call_method0("__sizeof__")?.extract()?;
        let frame_size: usize = frame.get_type().getattr("__basicsize__")?.extract()?;
        if frame_size < INNER + WORD {
            return Ok(None);
        }
        // SAFETY: within the frame object, which is as large as its class says.
        let inner = unsafe { word(frame.as_ptr().cast(), INNER) };
        let start = inner.wrapping_sub(generator.as_ptr() as usize);
        if start >= size || start % WORD != 0 {
            return Ok(None);
        }
        // SAFETY: within the generator, which is as large as it says.
        let at = |offset| unsafe { word(generator.as_ptr().cast(), start + offset) };
        let found = (0..(size - start).saturating_sub(WORD))
            .step_by(WORD)
            .filter(|offset| at(*offset) == one.as_ptr() as usize && at(offset + WORD) == two.as_ptr() as usize);
        let found: Vec<_> = found.collect();
        Ok(if let [only] = *found { Some(Slots(only)) } else { None })
    }

    /// The variables of `frame`, in the order of the code's names, the arguments first; `None` for one that is not set.
    /// Nothing for what is no function: a module's, a class's. To be called while nobody else is in the interpreter since
    /// the frame was found.
    pub(crate) fn of<'py>(self, frame: &Bound<'py, PyAny>) -> PyResult<Vec<Option<Bound<'py, PyAny>>>> {
        let py = frame.py();
        let code = frame.getattr("f_code")?;
        if code.getattr("co_flags")?.extract::<u32>()? & CO_OPTIMIZED == 0 {
            return Ok(Vec::new());
        }
        let names = |group: &str| code.getattr(group)?.extract::<Vec<String>>();
        let own = names("co_varnames")?;
        let cells = names("co_cellvars")?.into_iter().filter(|name| !own.contains(name)).count();
        let count = own.len() + cells + names("co_freevars")?.len();
        // SAFETY: `find` has seen that this is where a frame object has the address of the interpreter's frame.
        let inner = unsafe { word(frame.as_ptr().cast(), INNER) } as *const u8;
        let value = |slot: usize| {
            // SAFETY: `find` has seen where the slots begin, and the frame has one for each of the code's variables. It is
            // alive, since its function has not returned, and nobody writes to it while this thread is attached. A slot
            // holds null or a reference, of which `Bound` takes another one.
            let value = unsafe {
                let object = word(inner, self.0 + slot * size_of::<usize>()) as *mut ffi::PyObject;
                Bound::from_borrowed_ptr_or_opt(py, object)
            }?;
            // SAFETY: asks an object for its class.
            let is_cell = unsafe { (*value.as_ptr()).ob_type == &raw mut ffi::PyCell_Type };
            if is_cell { value.getattr("cell_contents").ok() } else { Some(value) }
        };
        Ok((0..count).map(value).collect())
    }
}
