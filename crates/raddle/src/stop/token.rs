//! What is set when something is to stop, and who hears of it.
//!
//! Set once and for good. Whoever listens is called by the thread that stops it; the runtime's own listeners (a thread to be
//! unparked, a token that depends on this one) come first, because a callback of the program may take its time.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use super::Stopped;
use crate::graph::{Blocked, Halt};
use crate::seam::atomic::{AtomicBool, Ordering, fence};
use crate::seam::{Mutex, Parker};
use crate::wait::{Queue, Sleep};

type Listener = Box<dyn FnOnce(&Stopped) + Send>;

#[derive(Default)]
struct Inner {
    /// Set after `stopped`; read before it.
    is_stopped: AtomicBool,
    stopped: OnceLock<Stopped>,
    listeners: Mutex<Listeners>,
    /// Those who wait for it to be stopped.
    waiters: Queue,
    /// What makes this token depend on others.
    links: OnceLock<Vec<Registration>>,
}

#[derive(Default)]
struct Listeners {
    last: u64,
    list: Vec<(u64, Listener)>,
}

/// The side that stops.
///
/// ```
/// use raddle::stop::StopSource;
/// let source = StopSource::new();
/// let token = source.token();
/// assert!(!token.is_stopped());
/// assert!(source.stop("enough"));
/// assert_eq!(token.stopped().unwrap().reason.as_deref(), Some("enough"));
/// assert!(!source.stop(None), "only the first stop counts");
/// ```
#[derive(Clone, Debug, Default)]
pub struct StopSource(StopToken);

/// The side that hears of a stop. Clones are the same token.
#[derive(Clone, Default)]
pub struct StopToken(Arc<Inner>);

/// A callback that waits for a stop. Dropping it takes the callback back, unless it has been called.
#[must_use = "dropping it takes the callback back"]
pub struct Registration {
    token: Weak<Inner>,
    key: u64,
}

impl fmt::Debug for StopToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopToken").field("stopped", &self.stopped()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("key", &self.key).finish_non_exhaustive()
    }
}

impl StopSource {
    /// One that has not been stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its other side.
    pub fn token(&self) -> StopToken {
        self.0.clone()
    }

    /// Asks whoever has the token to stop, and says why, or `None`; false if that was done before.
    #[cfg(not(loom))]
    pub fn stop<'a>(&self, reason: impl Into<Option<&'a str>>) -> bool {
        self.0.stop(super::here::request(reason.into()))
    }

    /// The same, with all that is to be said about it.
    pub fn stop_with(&self, stopped: Stopped) -> bool {
        self.0.stop(stopped)
    }
}

impl StopToken {
    /// Whether a stop was asked for.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Acquire)
    }

    /// The stop that was asked for.
    pub fn stopped(&self) -> Option<&Stopped> {
        if self.is_stopped() { self.0.stopped.get() } else { None }
    }

    pub(crate) fn stop(&self, stopped: Stopped) -> bool {
        let inner = &self.0;
        if inner.stopped.set(stopped.clone()).is_err() {
            return false;
        }
        inner.is_stopped.store(true, Ordering::Release);
        // See `sleep`.
        fence(Ordering::SeqCst);
        inner.waiters.wake(usize::MAX);
        // Taken out under the mutex, called outside it. Whoever registers after that sees `is_stopped`.
        let listeners = std::mem::take(&mut inner.listeners.lock_keeping().list);
        listeners.into_iter().for_each(|(_, listener)| listener(&stopped));
        true
    }

    /// Has `callback` called by whoever stops this, or at once if that was done already.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// let source = raddle::stop::StopSource::new();
    /// let (sender, receiver) = channel();
    /// let _registration = source.token().on_stop(move |stopped| sender.send(stopped.reason.clone()).unwrap());
    /// source.stop("enough");
    /// assert_eq!(receiver.recv().unwrap().as_deref(), Some("enough"));
    /// ```
    pub fn on_stop(&self, callback: impl FnOnce(&Stopped) + Send + 'static) -> Registration {
        self.register(Box::new(callback), false)
    }

    /// The token of the thread that this belongs to, which has to look again when it is stopped.
    pub(super) fn of_thread(parker: &Arc<Parker>) -> StopToken {
        let (token, parker) = (StopToken::default(), Arc::clone(parker));
        token.listen(Box::new(move |_| parker.unpark()), true);
        token
    }

    /// As [`on_stop`](StopToken::on_stop), before the callbacks of the program; for a thread that has to look again then.
    #[cfg(not(loom))]
    pub fn unparks(&self, parker: &Arc<Parker>) -> Registration {
        let parker = Arc::clone(parker);
        self.register(Box::new(move |_| parker.unpark()), true)
    }

    fn register(&self, listener: Listener, first: bool) -> Registration {
        match self.listen(listener, first) {
            Some(key) => Registration { token: Arc::downgrade(&self.0), key },
            None => Registration { token: Weak::new(), key: 0 },
        }
    }

    /// The key of the listener; `None` if it was called at once.
    fn listen(&self, listener: Listener, first: bool) -> Option<u64> {
        let mut listeners = self.0.listeners.lock_keeping();
        if let Some(stopped) = self.stopped() {
            drop(listeners);
            listener(stopped);
            return None;
        }
        listeners.last += 1;
        let key = listeners.last;
        let place = if first { 0 } else { listeners.list.len() };
        listeners.list.insert(place, (key, listener));
        Some(key)
    }

    /// Sleeps as `blocked` says until a stop was asked for.
    ///
    /// # Errors
    /// Why the wait ended before.
    pub fn wait_in(&self, blocked: &mut Blocked<'_>) -> Result<(), Halt> {
        self.sleep(blocked.me.parker(), blocked)
    }

    pub(super) fn sleep<S: Sleep>(&self, parker: &Arc<Parker>, sleep: &mut S) -> Result<(), S::Halt> {
        let waiter = self.0.waiters.enlist(parker);
        // Enlist, then look; the stop is set, then looks for those enlisted, with a full fence between on both sides.
        fence(Ordering::SeqCst);
        if self.is_stopped() {
            self.0.waiters.leave(&waiter);
            return Ok(());
        }
        self.0.waiters.sleep(&waiter, sleep)
    }
}

/// A token that is stopped as soon as one of `tokens` is.
///
/// ```
/// use raddle::stop::{StopSource, any_of};
/// let (one, other) = (StopSource::new(), StopSource::new());
/// let both = any_of(&[one.token(), other.token()]);
/// other.stop(None);
/// assert!(both.is_stopped());
/// ```
pub fn any_of(tokens: &[StopToken]) -> StopToken {
    let any = StopToken::default();
    any.follow(tokens);
    any
}

impl StopToken {
    /// Makes this one stop as soon as one of `tokens` does. To be called once.
    pub fn follow(&self, tokens: &[StopToken]) {
        let link = |token: &StopToken| {
            let follower = Arc::downgrade(&self.0);
            let listener = move |stopped: &Stopped| {
                let _ = follower.upgrade().map(|inner| StopToken(inner).stop(stopped.clone()));
            };
            token.register(Box::new(listener), true)
        };
        let _ = self.0.links.set(tokens.iter().map(link).collect());
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Some(token) = self.token.upgrade() else { return };
        let mut listeners = token.listeners.lock_keeping();
        let place = listeners.list.iter().position(|(key, _)| *key == self.key);
        let listener = place.map(|place| listeners.list.remove(place));
        // Dropped outside the mutex: it may own something of the program's.
        drop(listeners);
        drop(listener);
    }
}
