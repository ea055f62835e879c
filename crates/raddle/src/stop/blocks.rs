//! The blocks that a thread has entered, innermost last: deadlines, shields, and blocks that end when a token is stopped.
//!
//! Where it may have to stop, the thread looks at them from the inside out. A deadline that has passed stops it, and so does a
//! token that was stopped; a closed shield hides everything outside it. Of several stops the outermost counts, because leaving
//! its block leaves the others as well. So a deadline never hides that the thread itself is to end.
//!
//! Where a stop is a value and no exception, nobody sees it pass the end of its block. So whoever ends a call because of one
//! says so ([`Blocks::obey`]), and [`Blocks::leave`] tells. It is not noted at the look: a call that was to stop may have got
//! what it was for at the last moment, and then nothing was stopped.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::{StopToken, Stopped};
use crate::seam::{Mutex, Parker, Time};

/// What a block does to the stop points inside it.
#[derive(Clone, Debug)]
pub enum Block {
    /// From that moment on they stop. The text says what it was, such as `move_on_after(1.0)`.
    Deadline(Time, Arc<str>),
    /// From the moment on in which this is stopped, they stop. Whoever enters it has the thread unparked then.
    Token(StopToken),
    /// What is outside does not stop them, until that moment or for ever.
    Shield(Option<Time>),
}

/// A thread's blocks, and its own token. Blocks are entered, left and looked at by the thread itself; anybody may use the
/// token, and move a deadline.
#[derive(Debug, Default)]
pub struct Blocks {
    token: OnceLock<StopToken>,
    /// How many there are, so that most threads need not look.
    depth: AtomicUsize,
    stack: Mutex<Vec<Entered>>,
    /// Whether a call of the thread has ended because the thread itself was to stop.
    obeyed: AtomicBool,
}

#[derive(Debug)]
struct Entered {
    number: u64,
    block: Block,
    obeyed: bool,
}

/// Set in the numbers of blocks with a token, so that a stop says by itself that it is no deadline's.
pub(super) const TOKEN: u64 = 1 << 63;

/// What a thread sees that is about to wait.
#[derive(Debug)]
pub(crate) enum Outlook {
    /// It may wait, and has to look again then.
    Wait(Option<Time>),
    /// It has to stop.
    Stop(Stopped),
}

static LAST: AtomicU64 = AtomicU64::new(0);

impl Blocks {
    /// The thread's token, made when somebody asks for it. `parker` is the thread's.
    pub(crate) fn token(&self, parker: &Arc<Parker>) -> &StopToken {
        self.token.get_or_init(|| StopToken::of_thread(parker))
    }

    /// Whether the thread was asked to stop.
    pub(crate) fn stop_requested(&self) -> Option<&Stopped> {
        self.token.get().and_then(StopToken::stopped)
    }

    /// Whether there is nothing that could stop the thread at this moment.
    #[inline]
    pub(crate) fn are_silent(&self) -> bool {
        self.depth.load(Ordering::Relaxed) == 0 && self.token.get().is_none()
    }

    /// Enters a block; its number.
    pub fn enter(&self, block: Block) -> u64 {
        let kind = if matches!(block, Block::Token(_)) { TOKEN } else { 0 };
        let number = kind | (LAST.fetch_add(1, Ordering::Relaxed) + 1);
        let mut stack = self.stack.lock_keeping();
        stack.push(Entered { number, block, obeyed: false });
        self.depth.store(stack.len(), Ordering::Relaxed);
        number
    }

    /// Leaves a block; whether a call in it has [obeyed](Blocks::obey) it. Generators may leave them in any order.
    pub fn leave(&self, number: u64) -> bool {
        let mut stack = self.stack.lock_keeping();
        let place = stack.iter().rposition(|entered| entered.number == number);
        let left = place.map(|place| stack.remove(place));
        self.depth.store(stack.len(), Ordering::Relaxed);
        drop(stack);
        left.is_some_and(|left| left.obeyed)
    }

    /// A call of the thread has ended because of the block of this number; 0: because the thread itself is to end.
    pub fn obey(&self, number: u64) {
        if number == 0 {
            self.obeyed.store(true, Ordering::Relaxed);
            return;
        }
        let mut stack = self.stack.lock_keeping();
        if let Some(entered) = stack.iter_mut().find(|entered| entered.number == number) {
            entered.obeyed = true;
        }
    }

    /// Whether a call of the thread has ended because the thread itself was to end.
    pub fn has_obeyed(&self) -> bool {
        self.obeyed.load(Ordering::Relaxed)
    }

    /// The tokens that may stop the thread at this moment, which `parker` is of: those of its blocks, out to a closed shield, and
    /// its own if there is none.
    pub(crate) fn heard(&self, parker: &Arc<Parker>) -> Vec<StopToken> {
        let mut heard = Vec::new();
        for entered in self.stack.lock_keeping().iter().rev() {
            match &entered.block {
                Block::Token(token) => heard.push(token.clone()),
                Block::Shield(open) if open.is_none_or(|open| open > Time::now()) => return heard,
                Block::Shield(_) | Block::Deadline(..) => {}
            }
        }
        heard.push(self.token(parker).clone());
        heard
    }

    /// Whether the thread, or a block that it is in, was asked to stop, whatever shields hide. Any thread may ask.
    pub(crate) fn is_stop_pending(&self) -> bool {
        let is_stopped = |entered: &Entered| matches!(&entered.block, Block::Token(token) if token.is_stopped());
        self.stop_requested().is_some()
            || self.depth.load(Ordering::Relaxed) > 0 && self.stack.lock_keeping().iter().any(is_stopped)
    }

    /// Gives a deadline another moment; false if the block has been left. Any thread may do this; it has to unpark the one
    /// that the blocks belong to, which may be asleep until the moment before.
    pub fn move_deadline(&self, number: u64, to: Time) -> bool {
        let mut stack = self.stack.lock_keeping();
        let block = stack.iter_mut().find(|entered| entered.number == number).map(|entered| &mut entered.block);
        match block {
            Some(Block::Deadline(at, _)) => {
                *at = to;
                true
            }
            _ => false,
        }
    }

    /// What the thread, called `name`, has to do at `now`.
    pub(crate) fn look(&self, name: &Arc<str>, now: Time) -> Outlook {
        let (mut until, mut stop) = (None::<Time>, None);
        let mut sooner = |moment: Time| until = Some(until.map_or(moment, |until| until.min(moment)));
        let stack = self.stack.lock_keeping();
        for Entered { number, block, .. } in stack.iter().rev() {
            match block {
                // It does not come by itself, so a wait in there is one without a time limit.
                Block::Deadline(Time::NEVER, _) => {}
                Block::Deadline(at, _) if *at > now => sooner(*at),
                Block::Deadline(at, what) => {
                    stop = Some(Stopped {
                        reason: Some(Arc::clone(what)),
                        requested_by: Arc::clone(name),
                        requested_at: *at,
                        block: *number,
                    });
                }
                Block::Token(token) => {
                    let stopped = token.stopped().map(|stopped| Stopped { block: *number, ..stopped.clone() });
                    stop = stopped.or(stop);
                }
                Block::Shield(None) => return stop.map_or(Outlook::Wait(until), Outlook::Stop),
                Block::Shield(Some(open)) if *open > now => {
                    sooner(*open);
                    return stop.map_or(Outlook::Wait(until), Outlook::Stop);
                }
                Block::Shield(Some(_)) => {}
            }
        }
        drop(stack);
        let stop = self.stop_requested().cloned().or(stop);
        stop.map_or(Outlook::Wait(until), Outlook::Stop)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stops(blocks: &Blocks, at: Time) -> Option<u64> {
        match blocks.look(&"t".into(), at) {
            Outlook::Stop(stopped) => Some(stopped.block),
            Outlook::Wait(_) => None,
        }
    }

    fn stop(blocks: &Blocks) {
        let stopped = Stopped { reason: None, requested_by: "m".into(), requested_at: Time::now(), block: 0 };
        assert!(blocks.token(&Arc::default()).stop(stopped));
    }

    #[test]
    fn the_outermost_stop_counts() {
        let (blocks, now) = (Blocks::default(), Time::now());
        let outer = blocks.enter(Block::Deadline(now, "outer".into()));
        let inner = blocks.enter(Block::Deadline(now, "inner".into()));
        assert_eq!(stops(&blocks, now), Some(outer));
        blocks.leave(outer);
        assert_eq!(stops(&blocks, now), Some(inner));
        stop(&blocks);
        assert_eq!(stops(&blocks, now), Some(0));
    }

    #[test]
    fn a_token_stops_what_is_inside_its_block_until_that_is_left() {
        let (blocks, now, token) = (Blocks::default(), Time::now(), StopToken::default());
        let number = blocks.enter(Block::Token(token.clone()));
        assert!(matches!(blocks.look(&"t".into(), now), Outlook::Wait(None)));
        token.stop(Stopped { reason: None, requested_by: "m".into(), requested_at: now, block: 0 });
        assert_eq!(stops(&blocks, now), Some(number));
        assert!(!blocks.leave(number), "nobody has said that it obeyed");
        assert_eq!(stops(&blocks, now), None);
    }

    #[test]
    fn a_block_that_a_call_has_obeyed_says_so_at_its_end() {
        let (blocks, now) = (Blocks::default(), Time::now());
        let (outer, inner) = (blocks.enter(Block::Shield(None)), blocks.enter(Block::Deadline(now, "inner".into())));
        blocks.obey(inner);
        assert!(blocks.leave(inner) && !blocks.leave(outer) && !blocks.has_obeyed());
        blocks.obey(0);
        assert!(blocks.has_obeyed());
    }

    #[test]
    fn what_is_started_in_there_may_follow_what_the_thread_hears() {
        let (blocks, parker, token) = (Blocks::default(), Arc::default(), StopToken::default());
        blocks.enter(Block::Token(token.clone()));
        assert_eq!(blocks.heard(&parker).len(), 2);
        let shield = blocks.enter(Block::Shield(None));
        assert!(blocks.heard(&parker).is_empty() && !blocks.is_stop_pending());
        token.stop(Stopped { reason: None, requested_by: "m".into(), requested_at: Time::now(), block: 0 });
        assert!(blocks.is_stop_pending(), "the shield may open");
        blocks.leave(shield);
        let [inner, own] = &blocks.heard(&parker)[..] else { panic!("the block's token, then its own") };
        assert!(inner.is_stopped() && !own.is_stopped());
    }

    #[test]
    fn a_shield_hides_what_is_outside_it_only() {
        let (blocks, now) = (Blocks::default(), Time::now());
        stop(&blocks);
        let later = now.after(Duration::from_secs(1));
        blocks.enter(Block::Shield(Some(later)));
        assert!(matches!(blocks.look(&"t".into(), now), Outlook::Wait(Some(until)) if until == later));
        let inner = blocks.enter(Block::Deadline(now, "inner".into()));
        assert_eq!(stops(&blocks, now), Some(inner));
        assert_eq!(stops(&blocks, later), Some(0), "the shield opens");
    }
}
