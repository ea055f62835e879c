//! The methods of `threading.Condition` as the interpreter calls them, and those that are there while lock orders are learned.

use std::ptr::null_mut;

use pyo3::ffi::{self, PyObject};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{Beneath, Condition};
use crate::fastcall::{Fast, FastKeywords, Method, NoArgs, guarded, install, none, object, receiver, truth};
use crate::limit::{Limit, one_argument};
use crate::sync::lock::{self, Lock};
use crate::sync::order::{Calls, Learned};
use crate::sync::rlock::{self, RLock};

/// The lock's own `acquire`.
unsafe extern "C" fn acquire(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Condition, with its arguments, by an attached thread. The condition
    // keeps its lock for as long as it lives.
    unsafe {
        match receiver::<Condition>(this).beneath.get(Python::assume_attached()) {
            Some(Beneath::RLock(lock)) => rlock::acquire(lock.as_ptr(), args, n, names),
            Some(Beneath::Lock(lock)) => lock::acquire(lock.as_ptr(), args, n, names),
            _ => ask_the_lock(this, "acquire", (args, n, names)),
        }
    }
}

/// The lock's own `release`.
unsafe extern "C" fn release(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as in `acquire`.
    unsafe {
        match receiver::<Condition>(this).beneath.get(Python::assume_attached()) {
            Some(Beneath::RLock(lock)) if n == 0 && names.is_null() => rlock::release(lock.as_ptr(), null_mut()),
            Some(Beneath::Lock(lock)) if n == 0 && names.is_null() => lock::release(lock.as_ptr(), null_mut()),
            _ => ask_the_lock(this, "release", (args, n, names)),
        }
    }
}

/// Calls a method of the lock beneath as this one was called.
///
/// # Safety
/// `this` is a Condition and the rest what the interpreter passed with it; the thread is attached.
#[cold]
unsafe fn ask_the_lock(
    this: *mut PyObject,
    method: &str,
    (args, n, names): (*const *mut PyObject, isize, *mut PyObject),
) -> *mut PyObject {
    guarded(move |py| {
        // SAFETY: this function's own condition. The callee returns a new reference, or null with an error set.
        unsafe {
            let method = receiver::<Condition>(this).beneath(py)?.object(py).getattr(method)?;
            let result = ffi::PyObject_Vectorcall(method.as_ptr(), args, n.unsigned_abs(), names);
            Bound::from_owned_ptr_or_err(py, result).map(Bound::into_ptr)
        }
    })
}

unsafe extern "C" fn enter(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Condition, by an attached thread.
    unsafe {
        match receiver::<Condition>(this).beneath.get(Python::assume_attached()) {
            Some(Beneath::RLock(lock)) if lock.get().try_acquire() => return truth(true),
            Some(Beneath::Lock(lock)) if lock.get().try_acquire(true) => return truth(true),
            _ => {}
        }
        guarded(move |py| match receiver::<Condition>(this).beneath(py)? {
            Beneath::RLock(lock) => RLock::acquire(lock.clone_ref(py), py, Limit::Never).map(truth),
            Beneath::Lock(lock) => Lock::acquire(lock.clone_ref(py), py, true, Limit::Never).map(truth),
            Beneath::Other(lock) => {
                lock.bind(py).call_method0(intern!(py, "__enter__")).map(|entered| entered.into_ptr())
            }
        })
    }
}

unsafe extern "C" fn exit(this: *mut PyObject, args: *mut *mut PyObject, n: isize) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Condition, with its arguments, by an attached thread.
    unsafe {
        match receiver::<Condition>(this).beneath.get(Python::assume_attached()) {
            Some(Beneath::RLock(lock)) if lock.get().release_mine().is_ok() => return none(),
            Some(Beneath::Lock(lock)) if lock.get().release_plain().is_ok() => return none(),
            _ => {}
        }
        guarded(move |py| {
            let lock = receiver::<Condition>(this).beneath(py)?.object(py);
            let args = (0..n).map(|index| Borrowed::from_ptr(py, *args.offset(index)).to_owned());
            let args = PyTuple::new(py, args.collect::<Vec<_>>())?;
            lock.call_method1(intern!(py, "__exit__"), args).map(|left| left.into_ptr())
        })
    }
}

unsafe extern "C" fn wait(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    guarded(move |py| {
        // SAFETY: called by the interpreter as a method of Condition, with its arguments.
        let (this, timeout) =
            unsafe { (object(py, this), one_argument(py, ("Condition.wait", "timeout"), args, n, names)?) };
        Condition::wait(this, py, timeout.filter(|arg| !arg.is_none()).as_ref()).map(truth)
    })
}

unsafe extern "C" fn notify(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Condition, with its arguments, by an attached thread.
    unsafe {
        let condition = receiver::<Condition>(this);
        if n == 0 && names.is_null() && condition.is_mine(Python::assume_attached()) {
            condition.raw.notify(1);
            return none();
        }
        guarded(move |py| {
            let most = one_argument(py, ("Condition.notify", "n"), args, n, names)?;
            let most = match most {
                _ if condition.raw.waiters() == 0 => 0,
                None => 1,
                Some(most) if !most.gt(0)? => 0,
                Some(most) => most.extract::<usize>().unwrap_or(usize::MAX),
            };
            Condition::notify_some(&object(py, this), py, most).map(|()| none())
        })
    }
}

unsafe extern "C" fn notify_all(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of Condition.
    guarded(move |py| Condition::notify_some(&unsafe { object(py, this) }, py, usize::MAX).map(|()| none()))
}

const ACQUIRE: &std::ffi::CStr = c"acquire($self, /, *args, **kwargs)\n--\n\nThe lock's own `acquire`.";
const RELEASE: &std::ffi::CStr = c"release($self, /, *args, **kwargs)\n--\n\nThe lock's own `release`.";
const WAIT: &std::ffi::CStr = c"wait($self, /, timeout=None)\n--\n\nRelease the lock, wait to be notified, at most `timeout` seconds, take the lock again. Whether it was notified.";
const NOTIFY: &std::ffi::CStr = c"notify($self, /, n=1)\n--\n\nWake up to `n` threads that wait.";

/// While lock orders are learned, the lock's own methods are called, which see to that.
pub(in crate::sync) mod learned {
    use super::*;

    pub(in crate::sync) fn methods() -> [Method; 4] {
        super::methods(acquire, release, enter, exit)
    }

    /// The lock beneath, and its methods.
    ///
    /// # Safety
    /// `this` is a Condition, and the thread attached. The condition keeps its lock for as long as it lives.
    unsafe fn beneath(this: *mut PyObject) -> Option<(*mut PyObject, Calls)> {
        // SAFETY: this function's own condition.
        match unsafe { receiver::<Condition>(this).beneath.get(Python::assume_attached()) }? {
            Beneath::RLock(lock) => Some((lock.as_ptr(), RLock::LEARNED)),
            Beneath::Lock(lock) => Some((lock.as_ptr(), Lock::LEARNED)),
            Beneath::Other(_) => None,
        }
    }

    unsafe extern "C" fn acquire(
        this: *mut PyObject,
        args: *const *mut PyObject,
        n: isize,
        names: *mut PyObject,
    ) -> *mut PyObject {
        // SAFETY: called by the interpreter as a method of Condition, with its arguments.
        unsafe {
            match beneath(this) {
                Some((lock, calls)) => (calls.acquire)(lock, args, n, names),
                None => super::acquire(this, args, n, names),
            }
        }
    }

    unsafe extern "C" fn release(
        this: *mut PyObject,
        args: *const *mut PyObject,
        n: isize,
        names: *mut PyObject,
    ) -> *mut PyObject {
        // SAFETY: as in `acquire`.
        unsafe {
            match beneath(this).filter(|_| n == 0 && names.is_null()) {
                Some((lock, calls)) => (calls.release)(lock, null_mut()),
                None => super::release(this, args, n, names),
            }
        }
    }

    unsafe extern "C" fn enter(this: *mut PyObject, none: *mut PyObject) -> *mut PyObject {
        // SAFETY: as in `acquire`.
        unsafe {
            match beneath(this) {
                Some((lock, calls)) => (calls.enter)(lock, none),
                None => super::enter(this, none),
            }
        }
    }

    unsafe extern "C" fn exit(this: *mut PyObject, args: *mut *mut PyObject, n: isize) -> *mut PyObject {
        // SAFETY: as in `acquire`.
        unsafe {
            match beneath(this) {
                Some((lock, calls)) => (calls.exit)(lock, args, n),
                None => super::exit(this, args, n),
            }
        }
    }
}

fn methods(acquire: FastKeywords, release: FastKeywords, enter: NoArgs, exit: Fast) -> [Method; 4] {
    [
        Method::keywords(c"acquire", acquire, ACQUIRE),
        Method::keywords(c"release", release, RELEASE),
        Method::no_args(c"__enter__", enter, c"__enter__($self, /)\n--\n\nTake the lock."),
        Method::fast(c"__exit__", exit, c"__exit__($self, /, *args)\n--\n\nRelease the lock."),
    ]
}

pub(in crate::sync) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    install::<Condition>(module.py(), methods(acquire, release, enter, exit))?;
    let methods = [
        Method::keywords(c"wait", wait, WAIT),
        Method::keywords(c"notify", notify, NOTIFY),
        Method::no_args(c"notify_all", notify_all, c"notify_all($self, /)\n--\n\nWake all threads that wait."),
    ];
    install::<Condition>(module.py(), methods)?;
    module.add_class::<Condition>()
}
