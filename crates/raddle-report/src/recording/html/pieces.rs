//! The life of a thread as pieces for a picture, few enough to be sent and drawn.
//!
//! A recording may have a million waits, and a screen has two thousand columns. Neighbours that lie together within the
//! *resolution* become one piece that keeps how long each kind of thing took in it, how many there were, and which was the longest;
//! what is longer stays as it is. So what a reader can see without zooming is exact, the sums are exact at any zoom, and
//! only the order of things that are shorter than the resolution is lost.

use std::time::Duration;

use raddle::observe::recording::format::For;

use crate::recording::story::{Span, Spent, Story};

pub(super) const KINDS: usize = Spent::ALL.len();

/// What a thread did in a piece, by numbers of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct What {
    pub(super) spent: Spent,
    /// `None`: that was seen by the sampler, and the rest is 0.
    pub(super) call: Option<For>,
    pub(super) site: u32,
    pub(super) object: u64,
    pub(super) holder: u64,
    pub(super) busy: u32,
    pub(super) timed: bool,
}

/// A part of a thread's life. Times are in nanoseconds since the recording began.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) from: u64,
    pub(super) to: u64,
    /// Of several: the longest.
    pub(super) what: What,
    pub(super) longest: u64,
    pub(super) count: u32,
    /// A wait that had no end; it is never merged.
    pub(super) is_open: bool,
    /// Of several: how long each kind took.
    pub(super) times: Option<Box<[u64; KINDS]>>,
}

impl Piece {
    fn of(from: u64, to: u64, what: What) -> Piece {
        Piece { from, to, what, longest: to - from, count: 1, is_open: false, times: None }
    }

    /// How long each kind took.
    pub(super) fn times(&self) -> impl Iterator<Item = (Spent, u64)> + '_ {
        let single = self.times.is_none().then_some((self.what.spent, self.to - self.from));
        let several = self.times.iter().flat_map(|times| Spent::ALL.into_iter().zip(times.iter().copied()));
        single.into_iter().chain(several.filter(|(_, time)| *time != 0))
    }

    fn absorb(&mut self, other: &Piece) {
        let mut times = self.times.take().unwrap_or_else(|| {
            let mut times = Box::new([0; KINDS]);
            times[self.what.spent as usize] = self.to - self.from;
            times
        });
        other.times().for_each(|(spent, time)| times[spent as usize] += time);
        self.times = Some(times);
        if other.longest > self.longest {
            (self.what, self.longest) = (other.what, other.longest);
        }
        self.count = self.count.saturating_add(other.count);
        self.to = other.to;
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// From its first instruction to its last, or to `until`; `None`: it never began.
pub(super) fn life(story: &Story, until: Duration) -> Option<(u64, u64)> {
    let from = nanos(story.began?);
    let end = story.ended.as_ref().map_or(until, |(at, _)| *at);
    Some((from, nanos(end).max(from)))
}

/// Everything that is known of a thread's life, in order and without overlaps: its waits, and what it was seen at between them.
/// Times of a file that lies are moved to where they can be.
pub(super) fn pieces(story: &Story, until: Duration) -> Vec<Piece> {
    let Some((began, end)) = life(story, until) else { return Vec::new() };
    let mut pieces = Vec::with_capacity(story.waits.len() + story.seen.len());
    let (mut at, mut seen) = (began, story.seen.iter().peekable());
    let mut between = |pieces: &mut Vec<Piece>, at: u64, next: u64| {
        while let Some(look) = seen.peek() {
            let to = look.to.map_or(end, nanos);
            let (from, until) = (nanos(look.from).max(at), to.min(next));
            if from < until {
                pieces.push(Piece::of(from, until, seen_at(Spent::of_doing(look.doing))));
            }
            if to > next {
                break; // It may go on after the wait.
            }
            seen.next();
        }
    };
    for wait in &story.waits {
        let from = nanos(wait.from).max(at);
        let to = wait.to.map_or(end, nanos).max(from);
        between(&mut pieces, at, from);
        let is_open = wait.to.is_none() && story.ended.is_none();
        pieces.push(Piece { is_open, ..Piece::of(from, to, waited(wait)) });
        at = to;
    }
    between(&mut pieces, at, end);
    pieces
}

fn seen_at(spent: Spent) -> What {
    What { spent, call: None, site: 0, object: 0, holder: 0, busy: 0, timed: false }
}

fn waited(wait: &Span) -> What {
    let Span { call, site, object, busy, timed, .. } = *wait;
    // Who held it last is who the arrow to the end of the wait comes from.
    let holder = if wait.last == 0 { wait.holder } else { wait.last };
    let busy = if holder == wait.holder { busy } else { 0 };
    What { spent: Spent::of_wait(call), call: Some(call), site, object, holder, busy, timed }
}

/// The same with neighbours made one where they lie within `resolution`.
pub(super) fn merged(pieces: Vec<Piece>, resolution: u64) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    for piece in pieces {
        match out.last_mut() {
            Some(last) if !last.is_open && !piece.is_open && piece.to - last.from <= resolution => last.absorb(&piece),
            _ => out.push(piece),
        }
    }
    out
}

/// How much of each of `parts` equal parts of the recording each thing took, over all threads; the last thing is what is not
/// known of a life. In hundredths of a thread.
pub(super) fn over_time(lives: &[(u64, u64)], threads: &[Vec<Piece>], until: u64, parts: usize) -> Vec<Vec<u64>> {
    let width = (until / parts as u64).max(1);
    let mut sums = vec![vec![0; parts]; KINDS + 1];
    for piece in threads.iter().flatten() {
        let length = u128::from((piece.to - piece.from).max(1));
        for (spent, time) in piece.times() {
            spread(&mut sums[spent as usize], piece.from, piece.to, width, |part| {
                (u128::from(part) * u128::from(time) / length) as u64
            });
        }
    }
    let mut alive = vec![0; parts];
    lives.iter().for_each(|(from, to)| spread(&mut alive, *from, *to, width, |part| part));
    for (part, alive) in alive.into_iter().enumerate() {
        let known = sums[..KINDS].iter().fold(0, |known: u64, of| known.saturating_add(of[part]));
        sums[KINDS][part] = alive.saturating_sub(known);
    }
    for sum in sums.iter_mut().flatten() {
        *sum = (u128::from(*sum) * 100 / u128::from(width)) as u64;
    }
    sums
}

fn spread(sums: &mut [u64], from: u64, to: u64, width: u64, share: impl Fn(u64) -> u64) {
    let first = usize::try_from(from / width).unwrap_or(usize::MAX);
    for (part, sum) in sums.iter_mut().enumerate().skip(first) {
        let start = part as u64 * width;
        if start >= to {
            break;
        }
        *sum = sum.saturating_add(share(to.min(start + width).saturating_sub(from.max(start))));
    }
}
