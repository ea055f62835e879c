//! What the graph asks of the things that threads wait for.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::Location;
use std::sync::Arc;

use super::Lasting;
use super::verdict::Place;

/// Something that threads wait for.
///
/// For a thing that is asked for in several ways (a lock for readers and writers), one way of asking for it.
pub trait Resource: Send + Sync + Debug {
    /// Who holds it now, if it is a thing that threads hold. Called from any thread at any moment: reads words, takes no
    /// mutex but one that is never held while another is taken, and runs no code of the program or its host.
    fn holder(&self) -> Option<Hold>;

    /// If several threads hold it and all of them have to let go: the others.
    fn other_holders(&self) -> Vec<Hold> {
        Vec::new()
    }

    /// Which object it is, as a number that no two living ones share; 0 if nobody is to ask who waits for it.
    fn identity(&self) -> usize {
        0
    }

    /// By what a recording knows the object, whichever way of asking this is: its address, and a number that tells it from
    /// another object that had the address before, such as where it was made. `None`: it is not told from others.
    fn key(&self) -> Option<(usize, u64)> {
        None
    }

    /// The present hold, if it is a thing of which one hold can be told from the next by a thread that waits for it. Called by
    /// such a thread, like [`holder`](Resource::holder).
    fn lasting(&self) -> Option<Lasting<'_>> {
        None
    }

    /// Whether a thread may end and leave it held, or be the last that gave it. If not, whoever waits for it need not hear of
    /// the ends of threads.
    fn can_be_left(&self) -> bool {
        true
    }

    /// If no one thread holds it, but some have to go on before it comes about: groups of them, of each of which one has to.
    /// A group with one that `runs` may be left out, so where there are many the first look often suffices. Empty: not known,
    /// or nobody has to. Called like [`holder`](Resource::holder), though it may take a mutex that is never held while
    /// another is taken, nor while `runs` is asked.
    fn helpers(&self, runs: &dyn Fn(u64) -> bool) -> Vec<Vec<u64>> {
        let _ = runs;
        Vec::new()
    }

    /// If it is a thing that threads give and others take: who has given so far. Empty: nobody, or they are not all known.
    /// Called like [`holder`](Resource::holder).
    fn producers(&self) -> Vec<u64> {
        Vec::new()
    }

    /// What a person should read about it. Called only for a report, by a thread that may run code of the host.
    fn describe(&self) -> Description;
}

/// Of a Rust object: what tells it from another one that had its address before.
#[cfg(not(loom))]
pub(crate) fn key_of(made: &Location<'static>, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (made, name).hash(&mut hasher);
    hasher.finish()
}

/// A thread's wait for something that the host keeps the books of, such as an import.
#[derive(Debug)]
pub struct ForeignWait {
    /// Tells one wait from another for as long as the holder of the thing sleeps.
    pub key: u64,
    /// What it waits for.
    pub resource: Arc<dyn Resource>,
    /// Where.
    pub site: Option<Arc<dyn Site>>,
}

/// A thread's hold on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The holder.
    pub serial: u64,
    /// Whether only the holder can end it: a re-entrant lock, a lock taken by `with`, a thread's own life. A hold that is
    /// not owned may be ended by anybody, so a cycle through it need not be for ever.
    pub owned: bool,
    /// Whether it is an error to wait for it once the holder has ended.
    pub strict: bool,
}

/// What a person should read about an object.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// `Lock`, `Thread`, ...
    pub kind: String,
    /// `Account.lock#2`.
    pub name: String,
    /// Where it was made.
    pub made_at: Option<Place>,
    /// Where the present holder took it.
    pub taken_at: Option<Place>,
}

impl dyn Resource + '_ {
    /// Whether thread `serial` is among those who hold it.
    pub(crate) fn is_held_by(&self, serial: u64) -> bool {
        let is_its = |hold: Hold| hold.serial == serial;
        self.holder().is_some_and(|first| is_its(first) || self.other_holders().into_iter().any(is_its))
    }
}

/// A place in the program, remembered cheaply and made readable on demand.
pub trait Site: Send + Sync + Debug {
    /// The place. Called only for a report, by a thread that may run code of the host.
    fn place(&self) -> Option<Place>;

    /// A number that no other place has for as long as this one is kept; 0: none.
    fn key(&self) -> u64 {
        0
    }
}

impl Site for Location<'static> {
    fn place(&self) -> Option<Place> {
        Some(Place::from(self))
    }

    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish().max(1)
    }
}

impl From<&Location<'_>> for Place {
    fn from(location: &Location<'_>) -> Place {
        let (file, line) = (location.file().to_owned(), location.line());
        Place { file, line, end_line: line, ..Place::default() }
    }
}
