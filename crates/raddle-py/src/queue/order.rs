//! The engine's container of Python objects, in one of three orders.
//!
//! The engine's exclusion forbids that code of the program runs inside. So a heap compares only what can be compared
//! without: numbers, strings and tuples of them, all of one shape ([`shape`]). Anything else is refused at the door and
//! makes the queue compatible.

use std::cmp::Ordering;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use raddle::queue::{Container, Fifo, Heap, Lifo};

/// Which class of queue it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fifo,
    Lifo,
    Priority,
}

#[derive(Debug)]
pub(super) enum Order {
    Fifo(Fifo<Py<PyAny>>),
    Lifo(Lifo<Py<PyAny>>),
    Priority(Heap<Ranked>),
}

impl Order {
    pub(super) fn new(kind: Kind) -> Order {
        match kind {
            Kind::Fifo => Order::Fifo(Fifo::default()),
            Kind::Lifo => Order::Lifo(Lifo::default()),
            Kind::Priority => Order::Priority(Heap::default()),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Order::Fifo(_) => Kind::Fifo,
            Order::Lifo(_) => Kind::Lifo,
            Order::Priority(_) => Kind::Priority,
        }
    }

    /// As they lie in the `deque` or `list` of CPython's queue.
    pub(super) fn into_vec(self) -> Vec<Py<PyAny>> {
        match self {
            Order::Fifo(items) => items.into_iter().collect(),
            Order::Lifo(items) => items.into_iter().collect(),
            Order::Priority(items) => items.into_iter().map(|Ranked(item)| item).collect(),
        }
    }
}

impl Default for Order {
    fn default() -> Self {
        Order::new(Kind::Fifo)
    }
}

impl Container for Order {
    type Item = Py<PyAny>;

    #[inline]
    fn len(&self) -> usize {
        match self {
            Order::Fifo(items) => items.len(),
            Order::Lifo(items) => items.len(),
            Order::Priority(items) => items.len(),
        }
    }

    #[inline(always)]
    fn push(&mut self, item: Py<PyAny>) {
        match self {
            Order::Fifo(items) => items.push(item),
            Order::Lifo(items) => items.push(item),
            Order::Priority(items) => items.push(Ranked(item)),
        }
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<Py<PyAny>> {
        match self {
            Order::Fifo(items) => items.pop(),
            Order::Lifo(items) => items.pop(),
            Order::Priority(items) => items.pop().map(|Ranked(item)| item),
        }
    }

    fn take(&mut self) -> Self {
        let empty = Order::new(self.kind());
        std::mem::replace(self, empty)
    }

    fn for_each(&self, mut visit: impl FnMut(&Py<PyAny>)) {
        match self {
            Order::Fifo(items) => items.for_each(visit),
            Order::Lifo(items) => items.for_each(visit),
            Order::Priority(items) => items.for_each(|Ranked(item)| visit(item)),
        }
    }
}

/// An object whose comparison with its like runs no code of the program.
#[derive(Debug)]
pub(super) struct Ranked(Py<PyAny>);

impl Ranked {
    fn compare(&self, other: &Ranked, how: std::ffi::c_int) -> bool {
        // SAFETY: both are live objects, and queues are used by attached threads only. Of the shapes that are let in no
        // comparison can fail but for want of stack or memory; that error stays set, and whoever put or got finds it.
        unsafe { ffi::PyObject_RichCompareBool(self.0.as_ptr(), other.0.as_ptr(), how) == 1 }
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other, ffi::Py_EQ)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.lt(other), other.lt(self)) {
            (true, _) => Some(Ordering::Less),
            (_, true) => Some(Ordering::Greater),
            _ => self.eq(other).then_some(Ordering::Equal),
        }
    }

    #[inline]
    fn lt(&self, other: &Self) -> bool {
        self.compare(other, ffi::Py_LT)
    }
}

const NUMBER: u32 = 1;
const TEXT: u32 = 2;
const BYTES: u32 = 3;
const BITS: u32 = 2;
const TUPLE: u32 = 1 << 31;

/// How many items a tuple may have.
const WIDEST: isize = 15;

/// What an object has to have in common with another one to be compared with it in native mode; 0 if it cannot be.
///
/// # Safety
/// Attached, and `item` is a live object.
#[inline]
pub(super) unsafe fn shape(item: *mut PyObject) -> u32 {
    // SAFETY: this function's own condition; a tuple's items live as long as it does.
    unsafe {
        match plain(item) {
            0 if ffi::PyTuple_CheckExact(item) != 0 && ffi::PyTuple_GET_SIZE(item) <= WIDEST => {
                (0..ffi::PyTuple_GET_SIZE(item))
                    .try_fold(TUPLE, |shape, index| {
                        match plain(ffi::PyTuple_GET_ITEM(item, index)) {
                            0 => None,
                            // The first bit says where the tuple begins, so that its length shows.
                            part => Some(TUPLE | ((shape & !TUPLE) + u32::from(index == 0)) << BITS | part),
                        }
                    })
                    .unwrap_or(0)
            }
            plain => plain,
        }
    }
}

#[inline]
unsafe fn plain(item: *mut PyObject) -> u32 {
    // SAFETY: `shape`'s own condition.
    unsafe {
        if ffi::PyLong_CheckExact(item) != 0 || ffi::PyFloat_CheckExact(item) != 0 || ffi::PyBool_Check(item) != 0 {
            NUMBER
        } else if ffi::PyUnicode_CheckExact(item) != 0 {
            TEXT
        } else if ffi::PyBytes_CheckExact(item) != 0 {
            BYTES
        } else {
            0
        }
    }
}
