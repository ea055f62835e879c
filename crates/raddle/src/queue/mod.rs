//! Queues: what one thread puts, another one gets.
//!
//! | file | order |
//! |---|---|
//! | `fifo.rs` | first in, first out |
//! | `lifo.rs` | last in, first out |
//! | `priority.rs` | smallest first |
//! | `simple.rs` | first in, first out, without a bound, tasks or an end |
//!
//! `raw.rs` is the one queue behind all of them: a [`Container`], who waits, what has been put and not been done. It brings
//! no runtime (Python's objects are made of it); `typed.rs` is its face for Rust. `producers.rs` remembers who has put.
//!
//! # Protocol
//!
//! The wait room's (`wait/mod.rs`), with the state under one short exclusion instead of in a word:
//!
//! - While an item is there and a getter waits, a woken getter is under way (and likewise for room and putters). Whoever
//!   makes an item or room wakes one waiter *unless one is under way already*: a producer that puts a thousand items
//!   before the consumer has come back wakes it once.
//! - A waiter that comes back says so (`under_way` ends), takes, and wakes the next one if something is left. One that goes
//!   away empty-handed (time-out, interruption) does the same.
//! - Nothing is handed over: an awake thread may take what a woken one was woken for. The woken one queues in front then.
//! - The end ([`shutdown`](RawQueue::shutdown)) and a move ([`move_out`](RawQueue::move_out)) wake all.
//!
//! Waiting for all tasks to be done is another line, woken as a whole.
//!
//! The alternative, a lock with two conditions as in CPython, wakes a thread for each item and switches twice for it; a
//! lock-free list is slower than this where the host has a lock of its own that excludes others anyway.

mod fifo;
mod lifo;
mod priority;
mod producers;
mod raw;
#[cfg(not(loom))]
mod simple;
#[cfg(not(loom))]
mod typed;

#[cfg(all(test, loom))]
mod models;

pub use fifo::Fifo;
pub use lifo::Lifo;
pub use priority::Heap;
pub use producers::Producers;
pub use raw::{Container, Denied, Inside, RawQueue, Refused, TooManyDone};
#[cfg(not(loom))]
pub use {
    fifo::Queue,
    lifo::LifoQueue,
    priority::PriorityQueue,
    simple::SimpleQueue,
    typed::{GetError, OrderedQueue, PutError},
};
