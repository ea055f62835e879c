//! What a reader may know of the runtime, as plain data; nothing here formats, decides or wakes anybody.
//!
//! `describe.rs` makes a person's words of the graph's facts (a record becomes a [`Wait`](crate::graph::verdict::Wait)),
//! `snapshot.rs` does so for all threads at once, and the verdicts that are no more than a look (`RD003`, `RD005`,
//! `RD007`) are built from those. `recording` keeps what happened in a file. What follows from a fact is the business of `graph` and of the runtime.
//!
//! # When
//!
//! Describing may run code of the host (a Python object says what it is called), so nothing here is called with a mutex
//! held: threads and records are cloned out of theirs first. The price is that a snapshot is not one instant. Each thread
//! is seen at a moment of its own, and what is said of it was true then; stopping all threads would make it one instant,
//! and would change the program that is looked at.

mod describe;
pub mod recording;
mod snapshot;

pub use snapshot::{Activity, Snapshot, ThreadSnapshot};
