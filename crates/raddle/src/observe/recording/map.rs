//! The file as words in memory. What is stored there is the file's content at once, also after the process was killed.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::MmapRaw;

/// See the module.
#[derive(Debug)]
pub(super) struct Map {
    memory: MmapRaw,
    words: usize,
}

impl Map {
    /// A new file of so many words, all 0, in place of the one that was there.
    ///
    /// # Errors
    /// The system's: no such directory, no right to write there, no room.
    pub(super) fn create(path: &Path, words: usize) -> io::Result<Map> {
        // Not truncated, which would end a process that still records into it: it keeps the old file, without a name.
        if path.is_file() {
            std::fs::remove_file(path)?;
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let made = reserve(&file, words as u64 * 8).and_then(|()| MmapRaw::map_raw(&file));
        match made {
            Ok(memory) => Ok(Map { memory, words }),
            Err(error) => {
                let _ = std::fs::remove_file(path);
                Err(error)
            }
        }
    }

    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the map begins on a page, so it is aligned; it is as long as was reserved, it lives as long as `self`, and nobody
        // in this process touches it but through these words.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), self.words) }
    }
}

/// How many forks lie between the first process that had a recording and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// In which process of a chain of forks this is. Known before any other code runs in a child, whose writes would go into its
/// parent's file.
#[inline]
pub(super) fn process() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Has [`process`] count.
pub(super) fn count_forks() {
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            FORKS.fetch_add(1, Ordering::Relaxed);
        }
        static ONCE: Once = Once::new();
        // SAFETY: the function does nothing that a handler of the system's must not do.
        ONCE.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        });
    }
}

/// Room on the disk for all of it: where there is none, a store into the map would be a fatal signal.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    file.set_len(bytes)?;
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let length = libc::off_t::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // SAFETY: `file` is open.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
            0 => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
    Ok(())
}
