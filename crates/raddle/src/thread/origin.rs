//! Who started a thread, and where; who started that one; and so on, down to the thread that the program began with.
//!
//! Each thread holds its own link and shares the rest with its starter, so a start costs one allocation, however long the
//! chain. A program whose threads start each other for ever must not grow for ever: a chain of [`LONGEST`] links is cut.

use std::fmt::{self, Display};
use std::sync::Arc;

use super::Thread;
use crate::graph::Site;

/// How many links a chain has at most.
const LONGEST: usize = 32;

/// One link of the chain.
#[derive(Debug)]
pub struct Origin {
    /// The starter's name at that moment.
    pub starter: Arc<str>,
    /// The starter's serial; 0: it is no thread.
    pub serial: u64,
    /// The call that started it.
    pub site: Option<Arc<dyn Site>>,
    /// Who started the starter.
    before: Option<Arc<Origin>>,
    length: usize,
}

impl Origin {
    /// For a thread that `starter` is about to start at `site`.
    pub fn new(starter: &Thread, site: Option<Arc<dyn Site>>) -> Origin {
        let before = starter.origin.as_ref().filter(|before| before.length < LONGEST).cloned();
        let length = before.as_ref().map_or(1, |before| before.length + 1);
        Origin { starter: starter.name(), serial: starter.serial(), site, before, length }
    }

    /// For a thread that no thread starts, but the runtime's own `part`.
    pub fn of_runtime(part: &str) -> Origin {
        Origin { starter: part.into(), serial: 0, site: None, before: None, length: 1 }
    }

    /// This link and those before it, the latest first.
    pub fn lineage(&self) -> impl Iterator<Item = &Origin> {
        std::iter::successors(Some(self), |origin| origin.before.as_deref())
    }
}

/// Who started a thread, who started that one, and so on; empty for a thread that something else started.
///
/// ```
/// let outer = raddle::spawn("outer", || raddle::spawn("inner", || ()).unwrap()).unwrap();
/// let inner = outer.join()?;
/// let starters: Vec<_> = inner.lineage().iter().map(|origin| origin.starter.to_string()).collect();
/// assert_eq!(starters, ["outer", "main"]);
/// # Ok::<(), raddle::JoinError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Lineage(pub(super) Option<Arc<Origin>>);

impl Lineage {
    /// The links, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.0.iter().flat_map(|origin| origin.lineage())
    }
}

impl Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, origin) in self.iter().enumerate() {
            let end_of_line = if place == 0 { "" } else { "\n" };
            write!(f, "{end_of_line}started by '{}'", origin.starter)?;
            if let Some(at) = origin.site.as_ref().and_then(|site| site.place()) {
                write!(f, " at {}:{}", at.file, at.line)?;
            }
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::graph::verdict::ThreadKind;

    #[test]
    fn a_chain_that_is_too_long_is_cut() {
        let start = |starter: &Arc<Thread>| Thread::new("child", ThreadKind::Regular, Some(Origin::new(starter, None)));
        let mut thread = Thread::new("main", ThreadKind::Main, None);
        for generation in 1..100 {
            thread = start(&thread);
            let length = thread.lineage().count();
            assert!((1..=LONGEST).contains(&length), "{length}");
            assert!(generation > LONGEST || length == generation);
        }
    }
}
