//! A verdict in a few plain lines, for the text of an exception or a log.

use raddle::graph::verdict::{Ending, Verdict, Wait};

use crate::verdicts::{
    cut_off, cut_off_line, edge, headline, inversion, long_hold, nested_line, orphaned, taken_line, unasked, wait_line,
    whereabouts_line,
};
use crate::words::{Names, clean, spot, thing, threads};

/// The verdict without source lines: a headline, then one line for each thread, without a newline at the end.
///
/// ```
/// use raddle::graph::verdict::Verdict;
///
/// let nothing = Verdict::Stalled { waits: Vec::new() };
/// assert_eq!(raddle_report::summary(&nothing), "stalled: 0 threads asleep and nothing can wake one");
/// ```
pub fn summary(verdict: &Verdict) -> String {
    let names = Names::of(verdict);
    let (head, lines) = match verdict {
        Verdict::Deadlock { cycle, .. } => {
            let edges = (0..cycle.waits.len()).map(|at| edge(&cycle.waits, at, &names)).collect();
            (headline(&cycle.waits, &names), edges)
        }
        Verdict::Died { thread, error, joiners, .. } => {
            (format!("{} died: {}", names.with_origin(thread), clean(error)), lines(joiners.iter(), &names))
        }
        Verdict::Unasked { job, error, .. } => (unasked(job, error), Vec::new()),
        Verdict::OwnerDead { wait, .. } => (owner_dead(wait, &names), lines([&**wait].into_iter(), &names)),
        Verdict::Orphaned { wait } => (orphaned(wait, &names), lines([&**wait].into_iter(), &names)),
        list => listed(list, &names),
    };
    std::iter::once(head).chain(lines.into_iter().map(|line| format!("  {line}"))).collect::<Vec<_>>().join("\n")
}

fn listed(verdict: &Verdict, names: &Names) -> (String, Vec<String>) {
    match verdict {
        Verdict::Stalled { waits } => {
            let head = format!("stalled: {} asleep and nothing can wake one", threads(waits.len()));
            (head, lines(waits.iter(), names))
        }
        Verdict::KeepsAlive { threads: all, .. } => {
            let head = format!("kept alive by {} after the main thread is done", threads(all.len()));
            let line = |(thread, wait): &(_, Option<Wait>)| match wait {
                Some(wait) => wait_line(wait, names),
                None => format!("{} is running", names.with_origin(thread)),
            };
            (head, all.iter().map(line).collect())
        }
        Verdict::Inversion { circle } => {
            (inversion(circle), circle.iter().map(|nested| nested_line(nested, names)).collect())
        }
        Verdict::LongestWaits { waits, running } => {
            let running = running.iter().map(|thread| format!("{} is running", names.with_origin(thread)));
            (
                "who has waited longest for what".to_owned(),
                lines(waits.iter(), names).into_iter().chain(running).collect(),
            )
        }
        Verdict::LeftBehind { threads: left } => {
            let head = format!("the program ended without {}", threads(left.len()));
            (head, left.iter().map(|thread| whereabouts_line(thread, names)).collect())
        }
        Verdict::CutOff { threads } => {
            (cut_off(threads, names), threads.iter().map(|thread| cut_off_line(thread, names)).collect())
        }
        Verdict::LongHold { object, holder, held, waits } => {
            let first = [taken_line(object, holder, names), whereabouts_line(holder, names)];
            let all = first.into_iter().chain(lines(waits.iter(), names)).collect();
            (long_hold((object, *held), holder, waits, names), all)
        }
        _ => Default::default(),
    }
}

fn lines<'a>(waits: impl Iterator<Item = &'a Wait>, names: &Names) -> Vec<String> {
    waits.map(|wait| wait_line(wait, names)).collect()
}

/// `Lock 'audit' was taken by 'worker' at app.py:12, which ended without giving it back: ...`.
fn owner_dead(wait: &Wait, names: &Names) -> String {
    let object = thing(&wait.object);
    let Some(holder) = &wait.object.holder else {
        return format!("{object} belongs to a thread that has ended");
    };
    let place = holder.taken_at.as_ref().map(|place| format!(" at {}", spot(place))).unwrap_or_default();
    let end = match &holder.ended {
        Some(Ending::Failed(error)) => format!(" (it died: {})", clean(error)),
        Some(Ending::Stopped(by)) => format!(" (it was {})", clean(by)),
        _ => String::new(),
    };
    let who = names.with_origin(&holder.thread);
    format!("{object} was taken{place} by {who}, which ended without giving it back{end}")
}
