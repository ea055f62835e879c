//! `RD012`: more threads that could run than there are processors for them.

use std::time::Duration;

use raddle::graph::verdict::Code;

use super::{LISTED, explained, help, long, note, percent, share, warning};
use crate::page::Report;
use crate::recording::story::{Recording, Story};

/// They wait for a processor for longer than they have one, and for so long in all.
const LEAST: Duration = Duration::from_secs(1);

/// The program wants so many times the processors there are: less may be somebody else's load.
const WANTS: f64 = 1.5;

/// A thread is in it that waits for a processor for so much of its life.
const WAITS: f64 = 0.2;

pub(super) fn find(recording: &Recording) -> Option<(Code, Report)> {
    let mut crowd: Vec<&Story> =
        recording.threads.iter().filter(|story| share(story.run_queue, story.life(recording.until)) >= WAITS).collect();
    crowd.sort_by_key(|story| (std::cmp::Reverse(story.run_queue), story.thread.serial));
    let (ran, queued): (Duration, Duration) =
        (crowd.iter().map(|story| story.processor).sum(), crowd.iter().map(|story| story.run_queue).sum());
    let there = union(recording, &crowd);
    let wanted = share(ran + queued, there);
    let at_once = share(crowd.iter().map(|story| story.life(recording.until)).sum(), there);
    let processors = recording.processors as f64;
    // One whose threads are as many as the processors, or fewer, is kept waiting by others.
    if processors == 0.0 || at_once <= processors * WANTS || queued < LEAST.max(ran) || wanted < processors * WANTS {
        return None;
    }
    let title = format!(
        "oversubscribed: {} threads wanted {wanted:.1} processors of {processors}; they waited for one for {} of the time they could have run",
        crowd.len(),
        percent(queued, ran + queued)
    );
    let mut report = warning(Code::Oversubscribed, title);
    for story in crowd.iter().take(LISTED) {
        let who = recording.with_origin(&story.thread);
        report.notes.push(note(format!(
            "{who} ran for {} and waited for a processor for {}",
            long(story.processor),
            long(story.run_queue)
        )));
    }
    if let Some(more) = crowd.len().checked_sub(LISTED).filter(|more| *more > 0) {
        report.notes.push(note(format!("and {more} more threads")));
    }
    report.notes.push(explained(Code::Oversubscribed));
    report.notes.push(help(format!("{processors} threads that compute are enough here: a smaller pool, or fewer threads inside of libraries (OMP_NUM_THREADS and the like)")));
    Some((Code::Oversubscribed, report))
}

/// How long one of them at least was there.
fn union(recording: &Recording, crowd: &[&Story]) -> Duration {
    let life = |story: &&Story| Some((story.began?, story.began? + story.life(recording.until)));
    let mut lives: Vec<_> = crowd.iter().filter_map(life).collect();
    lives.sort_unstable();
    let (mut covered, mut until) = (Duration::ZERO, Duration::ZERO);
    for (from, to) in lives {
        covered += to.saturating_sub(from.max(until));
        until = until.max(to);
    }
    covered
}
