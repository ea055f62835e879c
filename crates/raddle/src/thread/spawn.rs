//! Starting a thread from Rust and waiting for its value.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Origin, Thread, bind, current};
use crate::error::JoinError;
use crate::facade::{block, runtime};
use crate::graph::verdict::ThreadKind;
use crate::graph::{Call, Halt};

type Slot<T> = Arc<Mutex<Option<Result<T, Box<dyn Any + Send>>>>>;

/// A thread that may still run, and the value it will give.
///
/// Dropping it lets the thread run on by itself.
#[derive(Debug)]
pub struct JoinHandle<T> {
    thread: Arc<Thread>,
    slot: Slot<T>,
}

/// Starts a thread called `name`.
///
/// ```
/// let thread = raddle::spawn("adder", || 1 + 1).unwrap();
/// assert_eq!(thread.join().unwrap(), 2);
/// ```
///
/// # Errors
/// If the operating system refuses.
#[track_caller]
pub fn spawn<T: Send + 'static>(name: &str, f: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    let origin = Origin::new(&current(runtime()), Some(Arc::new(*Location::caller())));
    let thread = runtime().prepare(name, ThreadKind::Regular, origin);
    let slot: Slot<T> = Arc::default();
    let started = std::thread::Builder::new().name(name.to_owned()).spawn({
        let (thread, slot) = (Arc::clone(&thread), Arc::clone(&slot));
        move || run(&thread, &slot, f)
    });
    match started {
        Ok(_) => Ok(JoinHandle { thread, slot }),
        Err(error) => {
            runtime().forget(&thread);
            Err(error)
        }
    }
}

fn run<T>(thread: &Arc<Thread>, slot: &Slot<T>, f: impl FnOnce() -> T) {
    bind(runtime(), thread);
    let result = catch_unwind(AssertUnwindSafe(f)).inspect_err(|payload| {
        thread.set_error(message(payload.as_ref()));
        runtime().tell(&runtime().died(thread, message(payload.as_ref()), None, false));
    });
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
}

/// What a panic says, if it is text.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without text".to_owned())
}

impl<T> JoinHandle<T> {
    /// Waits for the thread's end; its value.
    ///
    /// # Errors
    /// [`JoinError::Panicked`], or [`JoinError::Deadlock`] if the thread waits for the caller.
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        let site = Location::caller();
        let waited = block(self.thread.end(), (Call::Join, None), site, |blocked| {
            blocked.is_no_stop_point();
            self.thread.wait_for_end(blocked)
        });
        if let Err(Halt::Deadlock(verdict)) = waited {
            return Err(JoinError::Deadlock(verdict));
        }
        let result = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        match result {
            Some(Ok(value)) => Ok(value),
            Some(Err(payload)) => Err(self.panicked(message(payload.as_ref()))),
            None => Err(self.panicked("it was ended from outside".to_owned())),
        }
    }

    fn panicked(&self, message: String) -> JoinError {
        JoinError::Panicked { thread: Box::new(self.thread.info()), message }
    }

    /// The thread.
    pub fn thread(&self) -> &Arc<Thread> {
        &self.thread
    }
}
