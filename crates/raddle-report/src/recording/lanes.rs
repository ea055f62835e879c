//! What the threads of a recording did, as slices for a picture of it: on one lane for each thread, none of which overlaps another
//! one, and all in the order of time.
//!
//! A [`Story`] keeps waits and what the sampler saw apart, and the sampler notices late that a wait began. Here a wait counts where
//! both are there. Files that lie may have times that go back; here they never do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use raddle::observe::recording::format::Doing;

use super::story::{Recording, Seen, Span, Story};

/// What a slice shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slice<'a> {
    Wait(&'a Span),
    Seen(Doing),
}

/// Where something changes on a lane.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edge<'a> {
    /// The thread lives from here on.
    Lives,
    Begins(Slice<'a>),
    Ends(Slice<'a>),
    /// It has lived, or the recording ends.
    Lived,
}

/// The edges of one thread that are still to come.
struct Lane<'a> {
    waits: &'a [Span],
    seen: &'a [Seen],
    /// Up to where its slices have come.
    reached: Duration,
    /// Where its life ends.
    end: Duration,
    open: Option<(Duration, Slice<'a>)>,
    /// Whether its life has begun, and whether it has ended.
    lives: bool,
    lived: bool,
    next: Option<Edge<'a>>,
}

impl<'a> Lane<'a> {
    fn of(story: &'a Story, until: Duration) -> Option<Lane<'a>> {
        let reached = story.began.or(story.seen.first().map(|seen| seen.from))?;
        let end = story.ended.as_ref().map_or(until, |(at, _)| *at);
        let (waits, seen) = (&story.waits[..], &story.seen[..]);
        Some(Lane { waits, seen, reached, end, open: None, lives: false, lived: false, next: None })
    }

    /// Its next slice, with its end.
    fn slice(&mut self) -> Option<(Duration, Slice<'a>)> {
        loop {
            let waits_at = self.waits.first().map(|wait| wait.from.max(self.reached));
            if let Some(seen) = self.seen.first() {
                let seen_to = seen.to.unwrap_or(self.end).min(self.end);
                let (from, to) = (seen.from.max(self.reached), waits_at.map_or(seen_to, |at| at.min(seen_to)));
                if from >= seen_to {
                    self.seen = &self.seen[1..];
                    continue;
                }
                if from < to {
                    self.reached = from;
                    return Some((to, Slice::Seen(seen.doing)));
                }
            }
            let (wait, rest) = self.waits.split_first()?;
            self.waits = rest;
            self.reached = waits_at?;
            return Some((wait.to.unwrap_or(self.end).max(self.reached), Slice::Wait(wait)));
        }
    }

    /// Goes on to the next edge, which is then at `reached`.
    fn advance(&mut self) -> Option<Duration> {
        self.next = if !self.lives {
            self.lives = true;
            Some(Edge::Lives)
        } else if let Some((to, slice)) = self.open.take() {
            self.reached = to;
            Some(Edge::Ends(slice))
        } else if let Some((to, slice)) = self.slice() {
            self.open = Some((to, slice));
            Some(Edge::Begins(slice))
        } else if !self.lived {
            self.lived = true;
            self.reached = self.reached.max(self.end);
            Some(Edge::Lived)
        } else {
            None
        };
        self.next.map(|_| self.reached)
    }
}

/// The edges of all threads, in the order of time.
pub(super) struct Lanes<'a> {
    /// By the place of its thread in the recording.
    lanes: Vec<Option<Lane<'a>>>,
    next: BinaryHeap<Reverse<(Duration, usize)>>,
}

impl<'a> Lanes<'a> {
    pub(super) fn of(recording: &'a Recording) -> Lanes<'a> {
        let mut lanes: Vec<_> = recording.threads.iter().map(|story| Lane::of(story, recording.until)).collect();
        let first = |(number, lane): (usize, &mut Option<Lane<'a>>)| Some(Reverse((lane.as_mut()?.advance()?, number)));
        let next = lanes.iter_mut().enumerate().filter_map(first).collect();
        Lanes { lanes, next }
    }
}

impl<'a> Iterator for Lanes<'a> {
    /// When, the place of the thread in the recording, and what.
    type Item = (Duration, usize, Edge<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((at, number)) = self.next.pop()?;
        let lane = self.lanes[number].as_mut()?;
        let edge = lane.next?;
        if let Some(at) = lane.advance() {
            self.next.push(Reverse((at, number)));
        }
        Some((at, number, edge))
    }
}
