//! `RD010`: threads that run Python code, and wait for each other to do so. The answer to «threads or processes?».

use std::time::Duration;

use raddle::graph::verdict::Code;

use super::{LEAST, LISTED, explained, help, long, note, percent, share, warning};
use crate::page::{Mark, Report, Section};
use crate::recording::story::{Recording, Spent, Story};

/// Who is in it waits for the GIL for so much of its life.
const WAITS: f64 = 0.2;

/// All of them together run Python code for so much of the time that they are there.
const FULL: f64 = 0.75;

/// More than this nobody gains.
const LEAST_GAIN: f64 = 1.2;

pub(super) fn find(recording: &Recording) -> Option<(Code, Report)> {
    let of = |story: &Story, kind| story.times(recording.until).get(&Some(kind)).copied().unwrap_or_default();
    let (python, gil) = (|story: &Story| of(story, Spent::Python), |story: &Story| of(story, Spent::Gil));
    let mut bound: Vec<&Story> =
        recording.threads.iter().filter(|story| share(gil(story), story.life(recording.until)) >= WAITS).collect();
    bound.sort_by_key(|story| (std::cmp::Reverse(gil(story)), story.thread.serial));
    let (ran, waited): (Duration, Duration) =
        (bound.iter().map(|story| python(story)).sum(), bound.iter().map(|story| gil(story)).sum());
    let span = span(recording, &bound);
    if bound.len() < 2 || waited < LEAST || share(ran, span) < FULL {
        return None;
    }
    let wanted = share(ran + waited, ran);
    let processors = if recording.processors == 0 { f64::MAX } else { recording.processors as f64 };
    let gain = wanted.min(processors).min(bound.len() as f64);
    let title = format!(
        "GIL-bound: {} threads shared {:.1} core for {}; they waited for the GIL for {} of their time",
        bound.len(),
        share(ran, span).min(1.0),
        long(span),
        percent(waited, ran + waited)
    );
    let mut report = warning(Code::GilBound, title);
    report.sections.push(started(&bound));
    for story in bound.iter().take(LISTED) {
        let who = recording.with_origin(&story.thread);
        let since = story.began.map(|began| format!(", since {} after the start", long(began))).unwrap_or_default();
        report.notes.push(note(format!(
            "{who} ran Python code for {} and waited for the GIL for {}{since}",
            long(python(story)),
            long(gil(story))
        )));
    }
    if let Some(more) = bound.len().checked_sub(LISTED).filter(|more| *more > 0) {
        report.notes.push(note(format!("and {more} more threads")));
    }
    report.notes.push(explained(Code::GilBound));
    report.notes.push(help(advice(gain, recording.processors)));
    Some((Code::GilBound, report))
}

fn advice(gain: f64, processors: u64) -> String {
    if processors == 0 {
        return "more threads give nothing here; processes or sub-interpreters may, if there are processors for them"
            .to_owned();
    }
    if gain < LEAST_GAIN {
        return format!(
            "more threads give nothing here, nor would processes: this machine has {processors} processor for them"
        );
    }
    format!(
        "more threads give nothing here; processes (ProcessPoolExecutor) or sub-interpreters could give up to {gain:.1}x on these \
         {processors} processors, and so could calls that let go of the GIL"
    )
}

/// Where most of them were started.
fn started(bound: &[&Story]) -> Section {
    let place = bound.iter().find_map(|story| story.thread.started_at.clone());
    Section {
        title: String::new(),
        marks: place.map(|place| Mark::main(&Some(place), "started here".to_owned())).into_iter().collect(),
    }
}

/// From when the first of them began to when the last had ended: where they overlap, nearly.
fn span(recording: &Recording, bound: &[&Story]) -> Duration {
    let began = bound.iter().filter_map(|story| story.began).min().unwrap_or_default();
    let ended =
        bound.iter().map(|story| story.ended.as_ref().map_or(recording.until, |(at, _)| *at)).max().unwrap_or_default();
    ended.saturating_sub(began)
}
