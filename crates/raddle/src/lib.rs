//! A threading runtime that knows who holds what and who waits for whom.
//!
//! Calls go down: `sync` and `thread` decide and wait, `wait` is the one way to wait, `seam` is the only room that parks
//! a thread or reads a clock. Facts come up: `graph` finds out who waits for whom and says so as data, a
//! [`Verdict`](graph::verdict::Verdict). Nothing in here prints.

pub mod graph;
pub mod runtime;
pub mod seam;
pub mod sync;
pub mod thread;
mod wait;
