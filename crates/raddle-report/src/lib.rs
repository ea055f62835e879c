//! Renders verdicts for people: [`render`] for a terminal, [`summary`] for the text of an exception, [`explain`] for
//! somebody who wants to know what a code means.
//!
//! A verdict goes through three hands. `verdicts` decides what is said about it and in which order: one section for
//! each thing that a reader looks at, with marks on places in the source. `source` finds the text at these places.
//! `page` turns both into the look of rustc's messages. Words that several of them use (who, what, how long) are in
//! `words`.
//!
//! Names, errors and places come from a running program and may hold anything: control characters, lines that do not
//! exist, files that have changed. Nothing here panics or fails on them; what cannot be shown as source is said in a
//! sentence.
//!
//! ```
//! use raddle::graph::verdict::{ThreadInfo, ThreadKind, Verdict};
//! use raddle_report::{Style, render};
//!
//! let verdict = Verdict::Died {
//!     thread: Box::new(ThreadInfo {
//!         serial: 7,
//!         name: "worker".into(),
//!         kind: ThreadKind::Regular,
//!         started_by: Some("MainThread".into()),
//!         started_at: None,
//!     }),
//!     error: "ValueError: no such account".into(),
//!     at: None,
//!     joiners: Vec::new(),
//!     held: false,
//! };
//! let text = render(&verdict, &Style::plain());
//! assert!(text.starts_with("error[RD003]: 'worker' died: ValueError: no such account\n"));
//! ```

mod annotation;
mod command;
mod detail;
mod explain;
mod page;
mod recording;
mod source;
mod style;
mod summary;
mod verdicts;
mod words;

use raddle::graph::verdict::Verdict;

pub use annotation::annotation;
pub use command::{codes_to_fail_on, command};
pub use detail::{detail, overdue};
pub use explain::{codes, explain};
pub use recording::{Ended, LockUse, Object, Recording, Seen, Span, Spent, Story, Told, Unreadable};
pub use style::Style;
pub use summary::summary;

/// The verdict as a screen of text that ends with a newline.
///
/// Source lines come from `Place::source` or else from the file; without either the place is named in words. Paths
/// below the current directory are shown relative to it.
///
/// ```
/// use raddle::graph::verdict::{Cycle, Outcome, Verdict};
/// use raddle_report::{Style, render};
///
/// let nobody = Verdict::Deadlock { cycle: Cycle { waits: Vec::new() }, outcome: Outcome::Raised };
/// assert!(render(&nobody, &Style::plain()).contains("raddle explain RD001"));
/// ```
pub fn render(verdict: &Verdict, style: &Style) -> String {
    page::print(verdicts::report(verdict), style)
}
