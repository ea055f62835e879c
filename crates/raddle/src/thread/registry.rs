//! The threads there are, and the last of those that were.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Thread;

/// How many ended threads are remembered, so that a lock that one of them left can say whose it was.
const REMEMBERED: usize = 256;

/// See the module. Reset in the child of a fork, where none of these threads runs.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    threads: BTreeMap<u64, Arc<Thread>>,
    ended: VecDeque<Arc<Thread>>,
}

impl Registry {
    pub(crate) fn add(&mut self, thread: Arc<Thread>) {
        self.threads.insert(thread.serial(), thread);
    }

    pub(crate) fn remove(&mut self, serial: u64) -> Option<Arc<Thread>> {
        self.threads.remove(&serial)
    }

    pub(crate) fn get(&self, serial: u64) -> Option<&Arc<Thread>> {
        self.threads.get(&serial)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Thread>> {
        self.threads.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.threads.len()
    }

    /// Remembers an ended thread; returns the one that is forgotten for it, to be dropped outside the mutex.
    pub(crate) fn remember(&mut self, thread: Arc<Thread>) -> Option<Arc<Thread>> {
        self.ended.push_back(thread);
        if self.ended.len() > REMEMBERED { self.ended.pop_front() } else { None }
    }

    pub(crate) fn remembered(&self, serial: u64) -> Option<&Arc<Thread>> {
        self.ended.iter().rev().find(|thread| thread.serial() == serial)
    }
}
