//! A recording: what every thread did, in a file that is complete up to the last event, also after the process was killed.
//!
//! [`Recorder`] writes it, a sampler adds what is seen from outside, [`format`](mod@format) says how it lies in the file. Reading it and making sense of it is the business of
//! `raddle-report`.

pub mod format;
#[cfg(not(loom))]
mod looks;
#[cfg(not(loom))]
mod map;
#[cfg_attr(loom, path = "absent.rs")]
mod recorder;
#[cfg(not(loom))]
mod sampler;

#[cfg(not(loom))]
pub(crate) use recorder::Hand;
pub(crate) use recorder::Page;
pub use recorder::{Recorder, SMALLEST};
#[cfg(not(loom))]
pub(crate) use sampler::Sampler;
#[cfg(not(loom))]
pub use sampler::Turns;
