//! Reads a recording, and says what it shows: `file.rs` gets notes and events out of the bytes, `story.rs` makes of them what each
//! thread did and when, `text.rs` and `json.rs` write that down.

mod file;
mod findings;
mod json;
mod locks;
mod story;
mod text;

pub use file::Unreadable;
pub use locks::LockUse;
pub use story::{Ended, OVER_ALL, Object, Recording, Seen, Span, Spent, Story};

use raddle::observe::recording::format::For;

/// What waits for each kind of thing are called.
fn called(call: For) -> &'static str {
    match call {
        For::Lock => "lock",
        For::Notice => "notice",
        For::Sleep => "sleep",
        For::Join => "join",
        For::Import => "import",
        For::Queue => "queue",
        For::Result => "result",
    }
}
