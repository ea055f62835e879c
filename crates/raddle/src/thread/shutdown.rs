//! The end of a program, in order: who is told, who is asked, who is waited for, and who is left behind.
//!
//! 1. The main function is done.
//! 2. The callbacks of [`on_shutdown`](Runtime::on_shutdown) run, the latest first: what they say to threads is still heard.
//! 3. Those whom the program waits for are joined. The host does that, in its own way.
//! 4. Each of the others is asked to stop, if it gets a grace; one without is neither asked nor waited for nor told of.
//! 5. Each is waited for until its grace is over; all graces begin together.
//! 6. Those that are left are marked as left behind, and described once.
//! 7. The process ends, and whoever is left with it.
//!
//! What is decided is decided here. The host calls the steps, because only it knows how its main thread waits ([`Awaits`])
//! and when step 3 is over. A Rust program has no step 3: the end of its main function ends every thread, so it asks all of
//! them, see [`shutdown`](crate::shutdown()).
//!
//! A thread that begins after step 4 is not asked. The child of a fork begins without callbacks: what its parent wanted to
//! say at its end is not the child's to say.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{State, Thread};
use crate::graph::verdict::{ThreadKind, Whereabouts};
use crate::runtime::Runtime;
use crate::seam::{Mutex, Time};
use crate::stop::Stopped;

type Callback = Box<dyn FnOnce() + Send>;

/// What is to be called at the end. Empty in the child of a fork.
#[derive(Default)]
pub(crate) struct Callbacks {
    last: u64,
    list: Vec<(u64, Callback)>,
}

/// A callback that waits for the end of the program. Dropping it leaves the callback in place.
pub struct ShutdownCallback {
    callbacks: Arc<Mutex<Callbacks>>,
    key: u64,
}

/// How long a thread is waited for that was asked to stop at the end of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// So long, whatever the program says.
    Own(Duration),
    /// As long as the program says; so long if it says nothing.
    OrElse(Duration),
}

/// How the host's main thread waits: for the end of that thread, until that moment; whether it has come.
pub trait Awaits<E>: FnMut(&Arc<Thread>, Time) -> Result<bool, E> {}

impl<E, F: FnMut(&Arc<Thread>, Time) -> Result<bool, E>> Awaits<E> for F {}

impl std::fmt::Debug for ShutdownCallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShutdownCallback").field("key", &self.key).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callbacks").field("count", &self.list.len()).finish_non_exhaustive()
    }
}

impl ShutdownCallback {
    /// Takes the callback back; false if it has been called or taken back before.
    pub fn remove(&self) -> bool {
        let mut callbacks = self.callbacks.lock();
        let place = callbacks.list.iter().position(|(key, _)| *key == self.key);
        let callback = place.map(|place| callbacks.list.remove(place));
        // Dropped outside the mutex: it may own something of the program's.
        drop(callbacks);
        callback.is_some()
    }
}

/// How a thread is let go at the end of the program.
#[derive(Debug, Default)]
pub(crate) struct LettingGo {
    grace: OnceLock<Grace>,
    inherited: OnceLock<()>,
    left_behind: OnceLock<()>,
}

impl Thread {
    /// Says how long it is waited for at the end of the program, once.
    pub fn set_grace(&self, grace: Grace) {
        let _ = self.letting_go.grace.set(grace);
    }

    /// How long it is waited for at the end, in a program that gives each thread `of_program`.
    pub fn grace(&self, of_program: Duration) -> Duration {
        match self.letting_go.grace.get() {
            Some(Grace::Own(grace)) => *grace,
            Some(Grace::OrElse(grace)) if of_program.is_zero() => *grace,
            Some(Grace::OrElse(_)) | None => of_program,
        }
    }

    /// Notes that it is a daemon for no other reason than that its starter is one.
    pub fn set_inherited(&self) {
        let _ = self.letting_go.inherited.set(());
    }

    /// Whether it is a daemon for no other reason than that its starter is one.
    pub fn is_inherited(&self) -> bool {
        self.letting_go.inherited.get().is_some()
    }

    /// Whether the program ended without it.
    pub fn is_left_behind(&self) -> bool {
        self.letting_go.left_behind.get().is_some()
    }
}

impl Runtime {
    /// Has `callback` called when the program is about to end, before its threads are waited for or asked to stop; the
    /// latest first.
    pub fn on_shutdown(&self, callback: impl FnOnce() + Send + 'static) -> ShutdownCallback {
        let mut callbacks = self.shutdown.lock();
        callbacks.last += 1;
        let key = callbacks.last;
        callbacks.list.push((key, Box::new(callback)));
        ShutdownCallback { callbacks: Arc::clone(&self.shutdown), key }
    }

    /// Step 2. A callback may add others.
    pub fn run_shutdown_callbacks(&self) {
        let next = || self.shutdown.lock().list.pop();
        while let Some((_, callback)) = next() {
            callback();
        }
    }

    /// The threads that are there, without the calling one, which is `me`, and those that the runtime did not start.
    pub fn others(&self, me: &Thread) -> Vec<Arc<Thread>> {
        let ours = |thread: &Arc<Thread>| matches!(thread.kind(), ThreadKind::Regular | ThreadKind::Daemon);
        self.threads().into_iter().filter(|thread| ours(thread) && thread.serial() != me.serial()).collect()
    }

    /// Steps 4 to 6 for `threads`, each with the grace that it gets.
    ///
    /// # Errors
    /// That of a wait. Who is left then was asked to stop, and is not marked as left behind.
    pub fn let_go<E>(
        &self,
        threads: Vec<(Arc<Thread>, Duration)>,
        stopped: &Stopped,
        awaits: impl Awaits<E>,
    ) -> Result<Vec<Whereabouts>, E> {
        let asked: Vec<_> = threads.into_iter().filter(|(_, grace)| !grace.is_zero()).collect();
        for (thread, _) in &asked {
            thread.stop(stopped.clone());
        }
        let now = Time::now();
        let until = |(thread, grace): (Arc<Thread>, Duration)| (thread, now.after(grace));
        let left = self.await_each(asked.into_iter().map(until), awaits)?;
        Ok(self.leave_behind(left))
    }

    /// Step 5: waits for each until its moment; who is left.
    ///
    /// # Errors
    /// That of a wait.
    pub fn await_each<E>(
        &self,
        threads: impl Iterator<Item = (Arc<Thread>, Time)>,
        mut awaits: impl Awaits<E>,
    ) -> Result<Vec<Arc<Thread>>, E> {
        let mut left = Vec::new();
        for (thread, until) in threads {
            if thread.state() != State::Ended && !awaits(&thread, until)? {
                left.push(thread);
            }
        }
        // One that had the shorter grace may have ended while another was waited for.
        left.retain(|thread| thread.state() != State::Ended);
        Ok(left)
    }

    /// Step 6: marks and describes those that are left. Runs code of the host.
    pub fn leave_behind(&self, left: Vec<Arc<Thread>>) -> Vec<Whereabouts> {
        for thread in &left {
            let _ = thread.letting_go.left_behind.set(());
        }
        left.iter().map(|thread| self.whereabouts(thread)).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::facade::runtime;
    use crate::graph::verdict::ThreadKind;
    use crate::thread::Origin;

    fn thread(name: &str) -> Arc<Thread> {
        let me = crate::thread::current(runtime());
        Thread::new(name, ThreadKind::Daemon, Some(Origin::new(&me, None)))
    }

    fn stopped() -> Stopped {
        Stopped { reason: Some("the end".into()), requested_by: "main".into(), requested_at: Time::now(), block: 0 }
    }

    #[test]
    fn a_thread_without_a_grace_is_neither_asked_nor_waited_for() {
        let (idle, deaf) = (thread("idle"), thread("deaf"));
        let mut waited = Vec::new();
        let awaits = |thread: &Arc<Thread>, _| -> Result<bool, ()> {
            waited.push(thread.name().to_string());
            Ok(false)
        };
        let threads = vec![(Arc::clone(&idle), Duration::ZERO), (Arc::clone(&deaf), Duration::from_secs(1))];
        let left = runtime().let_go(threads, &stopped(), awaits).unwrap();
        assert_eq!(left.iter().map(|it| it.thread.name.as_str()).collect::<Vec<_>>(), ["deaf"]);
        assert_eq!(waited, ["deaf"]);
        assert!(idle.stop_requested().is_none() && !idle.is_left_behind());
        assert!(deaf.stop_requested().is_some() && deaf.is_left_behind());
    }

    #[test]
    fn the_graces_of_all_begin_together() {
        let graces = [5, 1, 3].map(|seconds| (thread("deaf"), Duration::from_secs(seconds)));
        let mut untils = Vec::new();
        let awaits = |_: &Arc<Thread>, until: Time| -> Result<bool, ()> {
            untils.push(until);
            Ok(false)
        };
        runtime().let_go(graces.to_vec(), &stopped(), awaits).unwrap();
        assert_eq!(untils[0].since(untils[1]), Duration::from_secs(4));
        assert_eq!(untils[2].since(untils[1]), Duration::from_secs(2));
    }

    #[test]
    fn whose_grace_counts() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let (plain, own, or_else) = (thread("plain"), thread("own"), thread("or else"));
        own.set_grace(Grace::Own(Duration::ZERO));
        or_else.set_grace(Grace::OrElse(second));
        for (thread, silent, minutes) in
            [(plain, Duration::ZERO, minute), (own, Duration::ZERO, Duration::ZERO), (or_else, second, minute)]
        {
            assert_eq!((thread.grace(Duration::ZERO), thread.grace(minute)), (silent, minutes), "{}", thread.name());
        }
    }
}
