//! What a thread waits for that no other one holds.

use crate::graph::{Description, Hold, Resource};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// That time passes.
    Time,
    /// That a token is stopped.
    Stop,
}

impl Resource for Awaited {
    fn holder(&self) -> Option<Hold> {
        None
    }

    fn can_be_left(&self) -> bool {
        false
    }

    fn describe(&self) -> Description {
        let (kind, name) = match self {
            Awaited::Time => ("sleep", "time"),
            Awaited::Stop => ("StopToken", "a stop"),
        };
        Description { kind: kind.into(), name: name.into(), ..Description::default() }
    }
}
