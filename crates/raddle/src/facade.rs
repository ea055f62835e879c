//! The default runtime, for Rust programs.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use crate::graph::verdict::Verdict;
use crate::graph::{Blocked, Call, Interrupt, Resource, Sleeper};
use crate::runtime::{Host, Runtime};
use crate::seam::{Parker, Time, Woken};
use crate::thread::{Thread, current};

type Hook = Box<dyn Fn(&Verdict) + Send + Sync>;

/// Tells whoever has asked to be told.
#[derive(Default)]
struct Hooks(RwLock<Vec<Hook>>);

static HOOKS: LazyLock<Hooks> = LazyLock::new(Hooks::default);
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new(Box::new(RustHost)));

#[derive(Debug)]
struct RustHost;

impl Host for RustHost {
    fn told(&self, verdict: &Verdict) {
        HOOKS.0.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|hook| hook(verdict));
    }

    fn may_be_woken_from_outside(&self, known_threads: usize) -> bool {
        crate::seam::os_threads() > known_threads
    }

    fn adopted(&self, thread: &Thread) {
        thread.rename(std::thread::current().name().unwrap_or("unnamed"));
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

/// The runtime that the types of this crate use.
pub fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// Calls `hook` with everything that the runtime finds out, on the thread that found it.
///
/// ```
/// raddle::on_verdict(|verdict| eprintln!("{}", verdict.code().id()));
/// ```
pub fn on_verdict(hook: impl Fn(&Verdict) + Send + Sync + 'static) {
    HOOKS.0.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
}

/// Sleeps as any Rust thread does.
struct Plain;

impl Sleeper for Plain {
    fn sleep(&mut self, parker: &Parker, deadline: Option<Time>) -> Result<Woken, Interrupt> {
        Ok(parker.park(deadline))
    }
}

/// Runs a blocking call of a raw form on the default runtime, for the calling thread.
pub(crate) fn block<T, E>(
    resource: Arc<dyn Resource>,
    (call, limit): (Call, Option<Duration>),
    site: &'static Location<'static>,
    wait: impl FnOnce(&mut Blocked<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let me = current(runtime());
    let deadline = limit.map(|limit| Time::now().after(limit));
    let mut sleeper = Plain;
    wait(&mut Blocked::new((runtime(), &me), &mut sleeper, (call, deadline), resource, Some(Arc::new(*site))))
}
