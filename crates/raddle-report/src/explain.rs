//! What `raddle explain RD001` prints. The texts are the files in `explain/`, so that they can be read and mended as
//! text.

use raddle::graph::verdict::Code;

/// What a code means, with an example, the reason, and what to do: Markdown, ends with a newline. `None` for a code
/// that does not exist; lower case will do.
///
/// ```
/// assert!(raddle_report::explain("rd001").unwrap().starts_with("# RD001: deadlock\n"));
/// assert_eq!(raddle_report::explain("RD999"), None);
/// ```
pub fn explain(code: &str) -> Option<String> {
    let wanted = Code::ALL.into_iter().find(|known| known.id().eq_ignore_ascii_case(code.trim()))?;
    Some(text(wanted).to_owned())
}

/// Every code with its title, in order.
///
/// ```
/// assert_eq!(raddle_report::codes()[0], ("RD001", "deadlock"));
/// ```
pub fn codes() -> Vec<(&'static str, &'static str)> {
    Code::ALL.into_iter().map(|code| (code.id(), title(code))).collect()
}

fn text(code: Code) -> &'static str {
    match code {
        Code::Deadlock => include_str!("explain/RD001.md"),
        Code::Stalled => include_str!("explain/RD002.md"),
        Code::Died => include_str!("explain/RD003.md"),
        Code::OwnerDead => include_str!("explain/RD004.md"),
        Code::KeepsAlive => include_str!("explain/RD005.md"),
        Code::Inversion => include_str!("explain/RD006.md"),
        Code::LongestWaits => include_str!("explain/RD007.md"),
        Code::LeftBehind => include_str!("explain/RD008.md"),
        Code::SleepUnderLock => include_str!("explain/RD009.md"),
        Code::GilBound => include_str!("explain/RD010.md"),
        Code::CutOff => include_str!("explain/RD011.md"),
        Code::Oversubscribed => include_str!("explain/RD012.md"),
        Code::LongHold => include_str!("explain/RD013.md"),
        Code::HotLock => include_str!("explain/RD014.md"),
    }
}

fn title(code: Code) -> &'static str {
    match code {
        Code::Deadlock => "deadlock",
        Code::Stalled => "stalled",
        Code::Died => "died",
        Code::OwnerDead => "lock of a dead thread",
        Code::KeepsAlive => "keeps the program alive",
        Code::Inversion => "lock order",
        Code::LongestWaits => "longest waits",
        Code::LeftBehind => "left behind",
        Code::SleepUnderLock => "sleeping under a lock",
        Code::GilBound => "GIL-bound",
        Code::CutOff => "cut off",
        Code::Oversubscribed => "oversubscribed",
        Code::LongHold => "long hold",
        Code::HotLock => "hot lock",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_its_title_and_all_its_parts() {
        let parts = ["## Example", "```python", "## Why it happens", "## What to do", "## What raddle can see"];
        for (code, title) in codes() {
            let text = explain(code).unwrap();
            assert!(text.starts_with(&format!("# {code}: {title}\n")), "{code}");
            assert!(text.ends_with('\n') && text.contains("--fail-on"), "{code}");
            assert!(parts.iter().all(|part| text.contains(part)), "{code}");
        }
    }
}
