//! Reads a recording, and says what it shows: `file.rs` gets notes and events out of the bytes, `story.rs` makes of them what each
//! thread did and when, `text.rs`, `json.rs`, `html.rs` and `perfetto.rs` write that down (`lanes.rs`: as slices in the order of time).

mod file;
mod findings;
mod html;
mod json;
mod lanes;
mod locks;
mod perfetto;
mod protobuf;
mod story;
mod text;

pub use file::Unreadable;
pub use locks::LockUse;
pub use story::{Ended, Object, Recording, Seen, Span, Spent, Story, Told};

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
