//! A verdict as a line that GitHub's runner turns into a mark beside the source.
//!
//! The commands are described at <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.

use raddle::graph::verdict::Verdict;

use crate::{Style, render};

/// The line for a verdict, with its place if it has one in a file; ends with a newline.
///
/// ```
/// use raddle::graph::verdict::{Cycle, Outcome, Verdict};
///
/// let nobody = Verdict::Deadlock { cycle: Cycle { waits: Vec::new() }, outcome: Outcome::Raised };
/// assert!(raddle_report::annotation(&nobody).starts_with("::error title=RD001::deadlock"));
/// ```
pub fn annotation(verdict: &Verdict) -> String {
    let text = render(verdict, &Style::plain());
    let first = text.lines().next().unwrap_or_default();
    let (level, headline) = first.split_once(": ").unwrap_or(("error", first));
    let level = if level.starts_with("warning") { "warning" } else { "error" };
    let code = verdict.code().id();
    let place = text.lines().find_map(|line| line.trim_start().strip_prefix("--> ")).and_then(file_and_line);
    let place = place.map(|(file, line)| format!("file={},line={line},", property(file))).unwrap_or_default();
    format!("::{level} {place}title={code}::{}\n", data(headline))
}

/// `app.py:24:14`.
fn file_and_line(place: &str) -> Option<(&str, u32)> {
    let (rest, _column) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_and_a_line() {
        assert_eq!(file_and_line("src/app.py:24:14"), Some(("src/app.py", 24)));
        assert_eq!(file_and_line("<string>"), None);
    }

    #[test]
    fn what_the_runner_would_misread_is_escaped() {
        assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
    }
}
