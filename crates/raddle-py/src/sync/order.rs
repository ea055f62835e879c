//! The methods of locks while lock orders are learned: each calls the plain one, then tells the engine's learner of the take
//! or the release (`raddle::graph::learner`).
//!
//! They are put on the classes in place of the plain ones when learning is switched on, and taken off again, so that nobody
//! pays for it otherwise. A lock's class takes part by `impl Learned` and a line in [`swaps`]. What was bound before (`get =
//! lock.acquire`) stays plain, so learning is for programs in which it is switched on first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::PyClass;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use raddle::graph::learner::{self, Described, Released, Take, Taken, Token};
use raddle::graph::verdict::Place;
use raddle::graph::{Description, Site};

use super::lock::Lock;
use super::rlock::RLock;
use super::rwlock::RWLockSide;
use super::strict::{self, StrictLock, StrictRLock};
use super::{Condition, condition, me};
use crate::fastcall::{Fast, FastKeywords, Method, NoArgs, guarded, none, receiver};
use crate::site::CodeSite;
use crate::{naming, runtime};

/// The methods of a lock.
#[derive(Clone, Copy)]
pub(crate) struct Calls {
    pub(crate) acquire: FastKeywords,
    pub(crate) release: NoArgs,
    pub(crate) enter: NoArgs,
    pub(crate) exit: Fast,
}

/// A class of locks whose orders can be learned.
pub(crate) trait Learned: PyClass<Frozen = True> + Sync {
    /// The plain methods.
    const CALLS: Calls;
    /// Whether only the thread that has taken it by `acquire` can release it.
    const OWNED: bool;
    /// The methods that tell of takes and releases.
    const LEARNED: Calls =
        Calls { acquire: acquire::<Self>, release: release::<Self>, enter: enter::<Self>, exit: exit::<Self> };

    /// The methods by their names.
    fn methods(calls: Calls) -> Vec<Method>;
    /// See [`RawLock::number`](raddle::sync::RawLock::number).
    fn number(&self) -> u64;
    /// See [`RawLock::number_so_far`](raddle::sync::RawLock::number_so_far).
    fn number_so_far(&self) -> u64;
    /// How often thread `me` has it, for a lock that can be taken again; else 0.
    #[inline]
    fn depth(&self, me: u64) -> usize {
        let _ = me;
        0
    }
    /// Whether it is taken to read.
    #[inline]
    fn reads(&self) -> bool {
        false
    }
    /// The way back to the lock, which is the object `this`.
    fn token(&self, this: *mut PyObject) -> Token;
}

/// A lock that is one object, which one thread holds.
pub(crate) trait Single: Learned {
    /// What a reader knows it as.
    const KIND: &'static str;

    /// Who has it.
    fn holder(&self) -> Option<u64>;
    /// Where it was made: the content of a [`SiteCell`](crate::site::SiteCell) of the lock.
    fn made(&self) -> u64;
    /// Where it was taken last, likewise.
    fn taken(&self) -> u64;
    /// What the program calls it, if it was given a name. Runs no code of the interpreter.
    fn name(this: Borrowed<'_, '_, Self>) -> Option<String> {
        let _ = this;
        None
    }
}

/// [`Learned::token`] of such a lock.
#[inline]
pub(super) fn token<L: Single>(this: *mut PyObject) -> Token {
    Token { lock: this.cast_const().cast(), read: read::<L> }
}

unsafe extern "C" fn acquire<L: Learned>(
    this: *mut PyObject,
    args: *const *mut PyObject,
    n: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of L, with its arguments.
    unsafe { acquire_by::<L>(L::CALLS.acquire, (this, args, n, names)) }
}

/// Calls a method `acquire`, and tells of the take.
///
/// # Safety
/// It must be a method of a class that is an L, called by the interpreter with these arguments.
pub(super) unsafe fn acquire_by<L: Learned>(
    plain: FastKeywords,
    (this, args, n, names): (*mut PyObject, *const *mut PyObject, isize, *mut PyObject),
) -> *mut PyObject {
    // SAFETY: this function's own condition.
    unsafe {
        let result = plain(this, args, n, names);
        if result == ffi::Py_True() {
            tell_of_take::<L>(this, L::OWNED, n == 0 && names.is_null() || says_wait(args, n, names));
        }
        result
    }
}

unsafe extern "C" fn enter<L: Learned>(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of L.
    unsafe {
        let result = (L::CALLS.enter)(this, std::ptr::null_mut());
        if !result.is_null() {
            tell_of_take::<L>(this, true, true);
        }
        result
    }
}

unsafe extern "C" fn release<L: Learned>(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of L.
    unsafe {
        let result = (L::CALLS.release)(this, std::ptr::null_mut());
        if !result.is_null() {
            tell_of_release(receiver::<L>(this));
        }
        result
    }
}

unsafe extern "C" fn exit<L: Learned>(this: *mut PyObject, args: *mut *mut PyObject, n: isize) -> *mut PyObject {
    // SAFETY: called by the interpreter as a method of L, with its arguments, which the callee is given.
    unsafe {
        let result = (L::CALLS.exit)(this, args, n);
        if !result.is_null() {
            tell_of_release(receiver::<L>(this));
        }
        result
    }
}

/// Whether these arguments of `acquire` are `True` or `blocking=True` alone. All others may end the wait.
///
/// # Safety
/// They must be such arguments.
#[cold]
unsafe fn says_wait(args: *const *mut PyObject, n: isize, names: *mut PyObject) -> bool {
    // SAFETY: this function's own condition; there is an argument before it is read, and a name before that is.
    unsafe {
        let named = if names.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(names) };
        let is_blocking = |name| ffi::PyUnicode_CompareWithASCIIString(name, c"blocking".as_ptr()) == 0;
        n + named == 1 && *args == ffi::Py_True() && (named == 0 || is_blocking(ffi::PyTuple_GET_ITEM(names, 0)))
    }
}

/// # Safety
/// `this` must be an L that the calling thread has just taken, and the thread attached.
#[inline]
unsafe fn tell_of_take<L: Learned>(this: *mut PyObject, owned: bool, waits: bool) {
    // SAFETY: this function's own condition.
    let lock = unsafe { receiver::<L>(this) };
    tell_of_take_of(lock, lock.token(this), owned, waits);
}

#[inline]
fn tell_of_take_of<L: Learned>(lock: &L, token: Token, owned: bool, waits: bool) {
    let me = me();
    if lock.depth(me) > 1 {
        return;
    }
    let is_new = lock.number_so_far() == 0;
    let take = Take { number: lock.number(), owned, waits, reads: lock.reads(), token };
    if is_new && learner::is_recorded() {
        quietly(move || learner::introduce(&take));
    }
    if learner::took(me, take, runtime) {
        quietly(|| learner::teach(runtime()));
    }
}

#[inline]
fn tell_of_release<L: Learned>(lock: &L) {
    let me = me();
    if lock.depth(me) > 0 {
        return;
    }
    // Without a number it was taken by a plain method.
    let number = lock.number_so_far();
    if number == 0 {
        return;
    }
    let released = learner::let_go(me, number);
    if released != Released::Quietly {
        quietly(move || learner::settle(runtime(), number, released));
    }
}

/// Runs what is beside the point for the method that has been called.
#[cold]
fn quietly(body: impl FnOnce()) {
    let result = guarded(move |_| {
        body();
        Ok(none())
    });
    // SAFETY: attached, as all methods are; a new reference, or null with an error set.
    unsafe {
        match result.is_null() {
            true => ffi::PyErr_Clear(),
            false => ffi::Py_DECREF(result),
        }
    }
}

/// The lock was taken by a method that is not swapped, which `with` will release. `waits`: it would have waited for ever.
pub(super) fn took<L: Learned>(lock: &L, token: Token, waits: bool) {
    if is_on() {
        tell_of_take_of(lock, token, true, waits);
    }
}

/// The way back from [`took`].
pub(super) fn gave<L: Learned>(lock: &L) {
    if is_on() {
        tell_of_release(lock);
    }
}

/// A thread is about to release the lock and to take it back before it goes on: no order. Whether it has it in its hands.
pub(super) fn parted<L: Learned>(lock: &L) -> bool {
    let number = lock.number_so_far();
    number != 0 && is_on() && learner::part_with(me(), number)
}

/// The way back from [`parted`].
pub(super) fn rejoined<L: Learned>(lock: &Py<L>) {
    if lock.get().number_so_far() != 0 && is_on() {
        // SAFETY: the caller has taken it back; it has a reference to it, and is attached as such.
        unsafe { tell_of_take::<L>(lock.as_ptr(), L::OWNED, false) };
    }
}

/// What is kept of a take.
///
/// # Safety
/// `lock` must be a living L, and the thread attached.
unsafe fn read<L: Single>(lock: *const ()) -> Option<Taken> {
    let object = lock.cast_mut().cast();
    // SAFETY: this function's own condition. The lock's cells keep alive what their contents speak of.
    let (lock, this, py) = unsafe {
        let py = Python::assume_attached();
        (receiver::<L>(object), Borrowed::from_ptr(py, object).cast_unchecked::<L>(), py)
    };
    if lock.holder() != Some(me()) {
        return None;
    }
    let remains =
        Remains { kind: L::KIND, name: L::name(this), address: object.addr(), made: CodeSite::of(py, lock.made()) };
    Some(remains.taken_at(py, lock.taken()))
}

/// What a reader may want to know of a lock that is gone.
#[derive(Debug)]
pub(super) struct Remains {
    pub(super) kind: &'static str,
    /// What the program calls it.
    pub(super) name: Option<String>,
    pub(super) address: usize,
    pub(super) made: Option<CodeSite>,
}

impl Remains {
    /// With where it was taken: the content of a [`SiteCell`](crate::site::SiteCell).
    pub(super) fn taken_at(self, py: Python<'_>, site: u64) -> Taken {
        let site = CodeSite::of(py, site).map(|site| Arc::new(TakenAt(site)) as Arc<dyn Site>);
        Taken { lock: Arc::new(self), site }
    }
}

impl Described for Remains {
    fn describe(&self) -> Description {
        Python::attach(|py| Description {
            kind: self.kind.to_owned(),
            name: self.name.clone().unwrap_or_else(|| naming::of(py, self.made.as_ref(), self.address, self.kind)),
            made_at: self.made.as_ref().and_then(Site::place),
            taken_at: None,
        })
    }
}

/// Where a lock was taken.
#[derive(Debug)]
struct TakenAt(CodeSite);

impl Site for TakenAt {
    fn place(&self) -> Option<Place> {
        let is_known = Python::attach(|py| !self.0.is_thread_target(py));
        is_known.then(|| self.0.place()).flatten()
    }
}

/// A method with its class and name, plain and learning.
struct Swap {
    class: Py<PyType>,
    name: &'static str,
    plain: Py<PyAny>,
    learning: Py<PyAny>,
}

static ON: AtomicBool = AtomicBool::new(false);

fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

fn swaps(py: Python<'_>) -> PyResult<&[Swap]> {
    static SWAPS: PyOnceLock<Vec<Swap>> = PyOnceLock::new();
    let make = || {
        let mut swaps = Vec::new();
        add(&mut swaps, &py.get_type::<Lock>(), Lock::methods(Lock::LEARNED))?;
        add(&mut swaps, &py.get_type::<RLock>(), RLock::methods(RLock::LEARNED))?;
        add(&mut swaps, &py.get_type::<Condition>(), condition::learned::methods())?;
        add(&mut swaps, &py.get_type::<StrictLock>(), StrictLock::methods(StrictLock::LEARNED))?;
        add(&mut swaps, &py.get_type::<StrictRLock>(), [strict::acquire_again_method(true)])?;
        add(&mut swaps, &py.get_type::<RWLockSide>(), RWLockSide::methods(RWLockSide::LEARNED))?;
        Ok::<_, PyErr>(swaps)
    };
    Ok(SWAPS.get_or_try_init(py, make)?)
}

fn add(swaps: &mut Vec<Swap>, class: &Bound<'_, PyType>, methods: impl IntoIterator<Item = Method>) -> PyResult<()> {
    for method in methods {
        let name = method.name();
        let plain = class.getattr("__dict__")?.get_item(name)?.unbind();
        let learning = method.of(class)?.unbind();
        swaps.push(Swap { class: class.clone().unbind(), name, plain, learning });
    }
    Ok(())
}

/// Switches the learning of lock orders on or off; whether it was on before.
#[pyfunction]
fn learn_lock_order(py: Python<'_>, on: bool) -> PyResult<bool> {
    let swaps = swaps(py)?;
    let before = ON.swap(on, Ordering::Relaxed);
    if before == on {
        return Ok(before);
    }
    for swap in swaps {
        let method = if on { &swap.learning } else { &swap.plain };
        swap.class.bind(py).setattr(swap.name, method)?;
    }
    Ok(before)
}

pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(learn_lock_order, module)?)
}
