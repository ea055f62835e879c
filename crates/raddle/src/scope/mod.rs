//! Scopes: threads that do not outlive a call, and so may borrow what does.
//!
//! That they end is the standard library's promise ([`std::thread::scope`]), which is underneath; so nothing here has to be
//! right for a borrow to be sound. What is here is how they come to an end:
//!
//! - A scope is a token and a list. The token of each of its threads follows the scope's, and the scope's follows those that the
//!   thread hears that opened it: its own, and those of scopes around this one. So one stop reaches them all, and the threads
//!   that they have started in scopes of their own.
//! - The body is in a block that the token ends: what a thread of the scope stops, it stops in the body as well.
//! - A time limit needs no timer: the body and each thread are in a block with the same deadline, and whoever obeys it first
//!   stops the token.
//! - At the end the threads are waited for one after the other, with the edges in the wait graph that any join has. A stop
//!   that comes meanwhile is handed on to them, and the wait goes on: they hold borrows.
//!
//! A thread takes itself off the list when it has ended. What has failed stays in it, with the error, until somebody joins it or
//! the end collects it; so a scope that serves for years holds only what runs.

mod error;
mod running;

pub use error::{ChildError, ScopeError};
pub(crate) use running::Shared;
use running::Turn;

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::facade::runtime;
use crate::seam::Time;
use crate::stop::{Block, Entered, StopToken, Stopped, request};
use crate::thread::{Builder as ThreadBuilder, Child, JoinHandle, Judge, Packet, Role, current, run};

/// What the failure of one of a scope's threads does to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// It stops them, and the body.
    #[default]
    StopSiblings,
    /// Nothing: all errors are collected.
    Collect,
    /// Nothing, but the first thread that succeeds stops the others, and the scope succeeds then.
    FirstSuccess,
}

/// Calls `f` with a scope, whose threads have ended when this returns; its value.
///
/// A thread that fails stops the others and the body. [`Scope::builder`] has other ways, a time limit, and errors as values.
///
/// ```
/// let words = ["warp", "weft!"];
/// let mut lengths = [0; 2];
/// raddle::scope(|scope| {
///     for (word, length) in words.iter().zip(&mut lengths) {
///         scope.spawn(word, || *length = word.len());
///     }
/// });
/// assert_eq!(lengths, [4, 5]);
/// ```
///
/// # Panics
/// If the body panics; else with the panic of a thread that nobody has joined, or the error of one.
#[track_caller]
pub fn scope<'env, R>(f: impl for<'scope> FnOnce(&Scope<'scope, 'env>) -> R) -> R {
    match Scope::builder().run(f) {
        Ok(value) => value,
        Err(error) => error.resume(),
    }
}

/// Threads that do not outlive a call of [`scope`] or [`Builder::run`]. Clones are the same scope, for threads of it that start
/// others.
///
/// ```
/// let (left, right) = (&[1, 2], &[3, 4]);
/// let sum = raddle::scope(|scope| {
///     let inner = scope.clone();
///     let halves = scope.spawn("halves", move || {
///         let right = inner.spawn("right", || right.iter().sum::<i32>());
///         left.iter().sum::<i32>() + right.join().unwrap()
///     });
///     halves.join().unwrap()
/// });
/// assert_eq!(sum, 10);
/// ```
#[derive(Clone, Debug)]
pub struct Scope<'scope, 'env: 'scope> {
    system: &'scope std::thread::Scope<'scope, 'env>,
    shared: Arc<Shared<'scope>>,
}

/// See [`Scope::builder`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    name: Option<String>,
    on_error: OnError,
    timeout: Option<Duration>,
    limit: Option<u64>,
}

impl Builder {
    /// What texts call it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What the failure of a thread does to the others; [`OnError::StopSiblings`] unless this is said.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// The time after which the body and the threads are stopped.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// How many of its threads there are at a time; a start waits for its turn. If the waiting thread is to stop, it waits no
    /// longer: a thread that is started then is stopped before it begins to wait for anything.
    ///
    /// A thread that starts others in the scope it belongs to counts itself, so with a limit it must not wait for them.
    ///
    /// ```
    /// use raddle::Scope;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// let (now, most) = (AtomicU32::new(0), AtomicU32::new(0));
    /// Scope::builder().name("resize").limit(2).run(|scope| {
    ///     for _ in 0..6 {
    ///         scope.spawn("worker", || {
    ///             most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    ///             now.fetch_sub(1, Ordering::SeqCst);
    ///         });
    ///     }
    /// })?;
    /// assert!(most.into_inner() <= 2);
    /// # Ok::<(), raddle::scope::ScopeError>(())
    /// ```
    ///
    /// # Panics
    /// If `threads` is 0: no thread of it could ever run.
    #[track_caller]
    pub fn limit(mut self, threads: u64) -> Self {
        assert!(threads > 0, "limit(0) lets no thread of the scope run; limit(1) runs them one at a time");
        self.limit = Some(threads);
        self
    }

    /// Calls `f` with the scope; its value, when all threads have ended and all is well.
    ///
    /// # Errors
    /// [`ScopeError`] if a thread has failed and nobody has taken its error by a join, or if the time limit has stopped
    /// something.
    ///
    /// # Panics
    /// If the body panics: the threads are stopped and waited for, and the panic goes on.
    #[track_caller]
    pub fn run<'env, R>(self, f: impl for<'scope> FnOnce(&Scope<'scope, 'env>) -> R) -> Result<R, ScopeError> {
        let (site, me) = (Location::caller(), current(runtime()));
        let due = self.timeout.map(|limit| Time::now().after(limit));
        std::thread::scope(|system| {
            let shared = Arc::new(Shared::new(self.name, self.on_error, self.timeout.zip(due), self.limit));
            // What a shield hides from this thread, it hides from those that it waits for.
            shared.token().follow(&me.heard_tokens());
            let scope = Scope { system, shared: Arc::clone(&shared) };
            let _wake = shared.token().unparks(me.parker());
            let stop = Entered::new(Arc::clone(&me), Block::Token(shared.token().clone()));
            let deadline = shared.deadline().map(|deadline| Entered::new(Arc::clone(&me), deadline));
            let returned = catch_unwind(AssertUnwindSafe(|| f(&scope)));
            if returned.is_err() {
                shared.stop(request(Some("the body of its scope panicked")));
            }
            let deadlock = shared.join_all(site);
            stop.leave();
            let elapsed = deadline.is_some_and(Entered::leave) || shared.elapsed.load(Ordering::Acquire);
            match returned {
                Err(payload) => resume_unwind(payload),
                Ok(value) => shared.verdict(elapsed, deadlock).map_or(Ok(value), Err),
            }
        })
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Describes a scope.
    ///
    /// ```
    /// use raddle::Scope;
    /// use raddle::scope::OnError;
    /// use std::time::Duration;
    /// let (fast, slow) = (Duration::ZERO, Duration::from_secs(3600));
    /// let answers = Scope::builder().on_error(OnError::FirstSuccess).timeout(Duration::from_secs(60)).run(|scope| {
    ///     [fast, slow].map(|delay| scope.try_spawn("mirror", move || raddle::sleep(delay)))
    /// })?;
    /// let answers = answers.map(|answer| answer.join().unwrap().is_ok());
    /// assert_eq!(answers, [true, false]);
    /// # Ok::<(), raddle::scope::ScopeError>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts a thread called `name` that calls `f`, which may borrow whatever outlives the scope. It fails if it panics.
    ///
    /// # Panics
    /// If the operating system refuses the thread.
    #[track_caller]
    pub fn spawn<T: Send + 'scope>(&self, name: &str, f: impl FnOnce() -> T + Send + 'scope) -> JoinHandle<T> {
        let turn = self.shared.await_turn();
        self.start(name, f, Judge::LENIENT, (turn, Location::caller()))
    }

    /// The same for a function that returns a `Result`: it fails also if that is an error, unless there is a
    /// [`Stopped`] [behind](Stopped::behind) it.
    ///
    /// ```
    /// use raddle::Scope;
    /// let failed = Scope::builder().run(|scope| {
    ///     scope.try_spawn("parser", || "12.50".parse::<u32>());
    ///     let other = scope.try_spawn("other", || raddle::sleep(std::time::Duration::from_secs(3600)));
    ///     other.join() // ends as soon as the parser has failed
    /// });
    /// let errors = failed.unwrap_err().errors;
    /// assert_eq!(errors.len(), 1);
    /// assert!(errors[0].to_string().starts_with("thread 'parser' failed: invalid digit found in string"));
    /// ```
    ///
    /// # Panics
    /// If the operating system refuses the thread.
    #[track_caller]
    pub fn try_spawn<T, E>(
        &self,
        name: &str,
        f: impl FnOnce() -> Result<T, E> + Send + 'scope,
    ) -> JoinHandle<Result<T, E>>
    where
        T: Send + 'scope,
        E: std::error::Error + Send + Sync + 'static,
    {
        let judge = Judge {
            fails: |result: &Result<T, E>| result.as_ref().is_err_and(|error| Stopped::behind(error).is_none()),
            error: |result: Result<T, E>| result.err().map(Into::into),
        };
        let noting = || f().inspect_err(note_failure);
        let turn = self.shared.await_turn();
        self.start(name, noting, judge, (turn, Location::caller()))
    }

    fn start<T: Send + 'scope>(
        &self,
        name: &str,
        f: impl FnOnce() -> T + Send + 'scope,
        judge: Judge<T>,
        (turn, site): (Turn<'scope>, &'static Location<'static>),
    ) -> JoinHandle<T> {
        let builder = ThreadBuilder::new().name(name);
        let thread = builder.register(site);
        thread.set_role(Role::Scoped);
        thread.token().follow(std::slice::from_ref(self.shared.token()));
        let packet = Arc::new(Packet::new(Arc::clone(&thread), judge));
        self.shared.begins(Arc::clone(&packet) as Arc<dyn Child + 'scope>);
        let body = {
            let (packet, shared) = (Arc::clone(&packet), Arc::clone(&self.shared));
            move || {
                run(&packet, || Ok(()), || shared.in_time(f));
                shared.ends(&*packet);
                drop(turn);
            }
        };
        if let Err(error) = builder.system(&thread).spawn_scoped(self.system, body) {
            self.shared.ends(&*packet);
            runtime().forget(&thread);
            panic!("the system refuses the thread '{name}' of a scope: {error} ({})", crate::thread::limits());
        }
        JoinHandle::new(packet)
    }

    /// Asks all its threads to stop, and the body, and says why, or `None`; false if that was done before. Threads that are
    /// still to come are stopped as well.
    ///
    /// ```
    /// use std::time::Duration;
    /// raddle::scope(|scope| {
    ///     scope.spawn("heart", || while raddle::sleep(Duration::from_millis(1)).is_ok() {});
    ///     scope.stop("all is done");
    /// });
    /// ```
    pub fn stop<'a>(&self, reason: impl Into<Option<&'a str>>) -> bool {
        self.shared.stop(request(reason.into()))
    }

    /// What asks all its threads to stop.
    pub fn token(&self) -> StopToken {
        self.shared.token().clone()
    }
}

/// The calling thread's function has returned an error: for reports.
fn note_failure(error: &(impl std::error::Error + 'static)) {
    if Stopped::behind(error).is_none() {
        current(runtime()).set_error(error.to_string());
    }
}
