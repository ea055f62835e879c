//! Who has put into a queue, in a few words.
//!
//! A report wants to know it when all of them are dead; until then it must cost a put next to nothing. So the last
//! producer's [`footprint`] lies at hand and is compared, which is cheaper than to find out who calls. The record only
//! grows, and thread numbers are never used again. Once it cannot hold them all, or a thread has put that the runtime does
//! not know, it says nothing for good.

use crate::seam::atomic::{AtomicU64, Ordering};
use crate::thread::{footprint, known_giver};

/// How many producers are remembered.
const ROOM: usize = 4;

/// In the first place: there were others. Never replaced.
const OTHERS: u64 = u64::MAX;

/// See the module.
#[derive(Debug, Default)]
pub struct Producers {
    /// A footprint of a thread that has been added.
    last: AtomicU64,
    /// Filled from the front; 0: free.
    known: [AtomicU64; ROOM],
}

impl Producers {
    /// The calling thread puts.
    #[inline(always)]
    pub fn note(&self) {
        let footprint = footprint();
        if self.last.load(Ordering::Relaxed) != footprint {
            self.note_another(footprint);
        }
    }

    #[cold]
    fn note_another(&self, footprint: u64) {
        self.add(known_giver());
        self.last.store(footprint, Ordering::Relaxed);
    }

    /// 0: a thread that the runtime does not know.
    fn add(&self, serial: u64) {
        if serial == 0 || !self.known.iter().any(|place| claim(place, serial)) {
            self.known[0].store(OTHERS, Ordering::Relaxed);
        }
    }

    /// Everybody who has put. Empty: nobody has, or they are not all known.
    pub fn all(&self) -> Vec<u64> {
        let known: Vec<u64> = self.known.iter().map(|place| place.load(Ordering::Relaxed)).collect();
        if known.contains(&OTHERS) { Vec::new() } else { known.into_iter().filter(|serial| *serial != 0).collect() }
    }
}

/// Takes a free place for a producer; whether it has it now, or had it already.
fn claim(place: &AtomicU64, serial: u64) -> bool {
    match place.compare_exchange(0, serial, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => true,
        Err(there) => there == serial,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn after(serials: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let producers = Producers::default();
        serials.into_iter().for_each(|serial| producers.add(serial));
        producers.all()
    }

    #[test]
    fn each_producer_is_known_once() {
        assert_eq!(after([]), []);
        assert_eq!(after([7, 7, 3, 7, 3, 3]), [7, 3]);
        assert_eq!(after([1, 2, 3, 4, 1]), [1, 2, 3, 4]);
    }

    #[test]
    fn nothing_is_said_once_there_were_too_many_or_a_stranger() {
        assert_eq!(after([1, 2, 3, 4, 5]), []);
        assert_eq!(after([1, 2, 3, 4, 5, 1, 1]), []);
        assert_eq!(after([1, 0]), []);
        assert_eq!(after([0, 1, 2]), []);
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;

    /// Two threads put for the first time at once: none of them is forgotten.
    #[test]
    fn both_of_two_new_producers_are_known() {
        loom::model(|| {
            let producers = Arc::<Producers>::default();
            let other = loom::thread::spawn({
                let producers = producers.clone();
                move || producers.add(1)
            });
            producers.add(2);
            other.join().unwrap();
            let mut all = producers.all();
            all.sort_unstable();
            assert_eq!(all, [1, 2]);
        });
    }
}
