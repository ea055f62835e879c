//! How a report looks: with colours or without, and how wide.

use std::ffi::OsStr;
use std::io::{IsTerminal, stderr};

/// The width where no terminal says otherwise; also what rustc takes.
const DEFAULT_WIDTH: usize = 140;

/// How a report looks.
///
/// ```
/// let narrow = raddle_report::Style { width: 80, ..raddle_report::Style::plain() };
/// assert!(!narrow.color);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to use terminal colours.
    pub color: bool,
    /// How many columns there are; longer source lines are cut around what is underlined.
    pub width: usize,
}

impl Style {
    /// No colours, 140 columns: for files, pipes and tests.
    ///
    /// ```
    /// assert_eq!(raddle_report::Style::plain().width, 140);
    /// ```
    pub fn plain() -> Self {
        Style { color: false, width: DEFAULT_WIDTH }
    }

    /// What suits the standard error stream of this process: colours only if it is a terminal and `NO_COLOR` is unset
    /// or empty, and the terminal's width.
    ///
    /// ```
    /// let style = raddle_report::Style::for_stderr();
    /// assert!(style.width > 0);
    /// ```
    pub fn for_stderr() -> Self {
        let no_color = std::env::var_os("NO_COLOR");
        Style::fitting(stderr().is_terminal(), no_color.as_deref(), stderr_width())
    }

    fn fitting(terminal: bool, no_color: Option<&OsStr>, width: Option<usize>) -> Self {
        Style {
            color: terminal && no_color.is_none_or(OsStr::is_empty),
            width: width.filter(|_| terminal).unwrap_or(DEFAULT_WIDTH),
        }
    }
}

#[cfg(unix)]
fn stderr_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

#[cfg(not(unix))]
fn stderr_width() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_need_a_terminal_and_an_unset_or_empty_no_color() {
        assert!(Style::fitting(true, None, None).color);
        assert!(Style::fitting(true, Some(OsStr::new("")), None).color);
        assert!(!Style::fitting(true, Some(OsStr::new("1")), None).color);
        assert!(!Style::fitting(false, None, None).color);
    }

    #[test]
    fn the_width_is_the_terminals_or_140() {
        assert_eq!(Style::fitting(true, None, Some(80)).width, 80);
        assert_eq!(Style::fitting(true, None, None).width, 140);
        assert_eq!(Style::fitting(false, None, Some(80)).width, 140);
    }
}
