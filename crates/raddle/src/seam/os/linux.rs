//! Linux: futexes, and `ppoll` for the one thread that has to hear of signals while it sleeps.
//!
//! A sleep takes an absolute deadline on the monotonic clock, so that an interruption does not lengthen it.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::clock::Time;
use super::fork::fork_generation;

/// Why a park ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Somebody unparked the thread, or it woke for no reason.
    Unparked,
    /// The deadline has passed.
    TimedOut,
    /// A signal handler ran, or wrote to the pipe of [`Parker::signal_pipe`].
    Interrupted,
}

/// Nanoseconds of the monotonic clock.
pub(super) fn monotonic() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970; 0 before that.
pub(super) fn realtime() -> u64 {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for a timespec; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut now) };
    now.tv_sec.max(0) as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// How many threads the operating system counts in this process; 0 if it does not say.
pub fn os_threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count())
}

fn timespec(nanos: u64) -> libc::timespec {
    libc::timespec { tv_sec: (nanos / 1_000_000_000) as libc::time_t, tv_nsec: (nanos % 1_000_000_000) as libc::c_long }
}

/// Sleeps while `word` holds `expected`, until woken, interrupted or past the deadline.
fn futex_wait(word: &AtomicU32, expected: u32, deadline: Option<Time>) -> Woken {
    let until = deadline.map(|time| timespec(time.0));
    let until = until.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `word` lives for the whole call; `until` is null or points to `until`, which does too. The kernel reads
    // both and writes neither. FUTEX_WAIT_BITSET takes the deadline as an absolute time of the monotonic clock.
    let status = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            expected,
            until,
            ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
    outcome(status == 0)
}

/// What the system call that just ended says: call it before anything else can change `errno`.
fn outcome(ok: bool) -> Woken {
    if ok {
        return Woken::Unparked;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ETIMEDOUT) => Woken::TimedOut,
        Some(libc::EINTR) => Woken::Interrupted,
        _ => Woken::Unparked,
    }
}

fn futex_wake_one(word: &AtomicU32) {
    // SAFETY: the kernel only uses the address of `word`, to find its sleepers.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
}

/// The bed of one thread.
///
/// `state` is EMPTY, TOKEN (an unpark that nobody has slept for yet), ASLEEP or NAPPING, which say what has to be done to
/// wake the owner. Only the owner writes others than TOKEN.
/// The waker's swap to TOKEN is a release, the sleeper's swap to EMPTY an acquire, so what was written before an unpark
/// is seen after the park that it ends.
#[derive(Debug, Default)]
pub struct Parker {
    state: AtomicU32,
    /// Null until [`Parker::signal_pipe`] is called. Replaced ones are leaked: a waker may be about to use one.
    ears: AtomicPtr<Ears>,
}

const EMPTY: u32 = 0;
const TOKEN: u32 = 1;
const ASLEEP: u32 = 2;
const NAPPING: u32 = 3;

impl Parker {
    /// The two ends of a pipe, for reading and for writing: a byte written to it ends the owner's park with
    /// [`Woken::Interrupted`], now or next time.
    ///
    /// To be asked for by the owner before each park that should hear, because it need not stay the same: the child of a
    /// fork must not share its parent's, and a program that closes all descriptors (to become a daemon, say) closes this
    /// one too and may have given its number to a file.
    ///
    /// # Errors
    /// If the operating system has no descriptor left.
    pub fn signal_pipe(&self) -> std::io::Result<(RawFd, RawFd)> {
        // SAFETY: null or leaked by this function, so it is never freed.
        if let Some(ears) = unsafe { self.ears.load(Ordering::Acquire).as_ref() }
            && ears.are_ours()
        {
            return Ok((ears.read.number, ears.write.number));
        }
        let ears = Box::leak(Box::new(Ears::new()?));
        self.ears.store(ears, Ordering::Release);
        Ok((ears.read.number, ears.write.number))
    }

    fn ears(&self) -> Option<&'static Ears> {
        // SAFETY: null or leaked by `signal_pipe`.
        unsafe { self.ears.load(Ordering::Acquire).as_ref() }
    }

    /// Sleeps until [`unpark`](Parker::unpark), a signal or the deadline. Only for the thread that this belongs to.
    pub fn park(&self, deadline: Option<Time>) -> Woken {
        self.lie_down(ASLEEP, || match self.ears() {
            None => futex_wait(&self.state, ASLEEP, deadline),
            Some(ears) => ears.listen(deadline),
        })
    }

    /// The same without an ear for the signal pipe, which is lighter.
    pub fn nap(&self, deadline: Time) -> Woken {
        self.lie_down(NAPPING, || futex_wait(&self.state, NAPPING, Some(deadline)))
    }

    fn lie_down(&self, state: u32, sleep: impl FnOnce() -> Woken) -> Woken {
        if self.state.compare_exchange(EMPTY, state, Ordering::Acquire, Ordering::Acquire).is_err() {
            self.state.store(EMPTY, Ordering::Relaxed);
            return Woken::Unparked;
        }
        let woken = sleep();
        // A token that came in the meantime is this sleep's, however it ended.
        match self.state.swap(EMPTY, Ordering::Acquire) {
            TOKEN => Woken::Unparked,
            _ => woken,
        }
    }

    /// Ends the current park of the owner, or its next one.
    pub fn unpark(&self) {
        match (self.state.swap(TOKEN, Ordering::Release), self.ears()) {
            (ASLEEP, Some(ears)) => ears.ring(),
            (ASLEEP | NAPPING, _) => futex_wake_one(&self.state),
            _ => {}
        }
    }
}

/// What a thread listens to that must hear of signals: its bell, which wakers ring, and a pipe, which signal handlers
/// write to. Belongs to one process.
#[derive(Debug)]
struct Ears {
    bell: Descriptor,
    read: Descriptor,
    write: Descriptor,
    process: libc::pid_t,
}

/// A descriptor's number, and what it led to when it was opened.
#[derive(Debug)]
struct Descriptor {
    number: RawFd,
    inode: Option<(libc::dev_t, libc::ino_t)>,
}

impl Descriptor {
    fn new(number: RawFd) -> Descriptor {
        Descriptor { number, inode: Self::inode(number) }
    }

    fn inode(number: RawFd) -> Option<(libc::dev_t, libc::ino_t)> {
        // SAFETY: a stat of zeros is a valid one, and fstat only writes to it.
        let (status, stat) = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            (libc::fstat(number, &mut stat), stat)
        };
        (status == 0).then_some((stat.st_dev, stat.st_ino))
    }

    fn is_ours(&self) -> bool {
        Self::inode(self.number) == self.inode
    }

    fn drain(&self) {
        let mut bytes = [0u8; 64];
        // SAFETY: `bytes` has room for as many; the descriptor does not block.
        while unsafe { libc::read(self.number, bytes.as_mut_ptr().cast(), bytes.len()) } == bytes.len() as isize {}
    }
}

impl Ears {
    fn new() -> std::io::Result<Ears> {
        let mut pipe = [0; 2];
        // SAFETY: no memory is involved but `pipe`, which has room for the two descriptors.
        let (bell, piped) = unsafe {
            let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
            (libc::eventfd(0, flags), libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK))
        };
        if bell < 0 || piped != 0 {
            return Err(std::io::Error::last_os_error());
        }
        let [read, write] = pipe.map(Descriptor::new);
        // SAFETY: asks for a number.
        Ok(Ears { bell: Descriptor::new(bell), read, write, process: unsafe { libc::getpid() } })
    }

    fn are_ours(&self) -> bool {
        // SAFETY: asks for a number.
        let process = unsafe { libc::getpid() };
        // eventfds share one inode on most kernels; the pipe's is its own, and whoever closes one closes all.
        self.process == process && self.bell.is_ours() && self.read.is_ours() && self.write.is_ours()
    }

    fn ring(&self) {
        let one = 1u64;
        // SAFETY: reads eight bytes of `one`. A full counter (EAGAIN) means that the bell rings already.
        unsafe { libc::write(self.bell.number, ptr::from_ref(&one).cast(), 8) };
    }

    fn listen(&self, deadline: Option<Time>) -> Woken {
        let fd = |descriptor: &Descriptor| libc::pollfd { fd: descriptor.number, events: libc::POLLIN, revents: 0 };
        let mut fds = [fd(&self.bell), fd(&self.read)];
        let left = deadline.map(|time| timespec(time.0.saturating_sub(monotonic())));
        let left = left.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: `fds` holds two entries; `left` is null or points to a timespec that lives through the call; no mask.
        let ready = unsafe { libc::ppoll(fds.as_mut_ptr(), 2, left, ptr::null()) };
        let woken = match ready {
            0 => Woken::TimedOut,
            1.. if fds[1].revents != 0 => Woken::Interrupted,
            _ => outcome(ready > 0),
        };
        self.bell.drain();
        self.read.drain();
        woken
    }
}

/// A mutex for short, non-blocking work that survives a fork.
///
/// The word is `generation << 2 | state`. A word of an older generation belongs to the parent process: whatever its
/// state, the first taker in the child wins it with a compare-exchange and resets the content (the old one is forgotten,
/// not dropped: it may be torn). parking_lot's mutexes keep their sleepers in a table that cannot be reset so.
#[derive(Debug, Default)]
pub struct Mutex<T> {
    word: AtomicU32,
    value: UnsafeCell<T>,
}

const FREE: u32 = 0;
const HELD: u32 = 1;
const CROWDED: u32 = 2;
const STATE: u32 = 3;

// SAFETY: the value is reached only through a guard, and there is one guard at a time: `lock` returns only after a
// compare-exchange from FREE (or from a dead generation) to HELD or CROWDED. T moves between threads, hence `T: Send`.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T: Default> Mutex<T> {
    #[inline]
    /// Takes it.
    pub fn lock(&self) -> Guard<'_, T> {
        let generation = fork_generation() << 2;
        let free = self.word.compare_exchange(generation, generation | HELD, Ordering::Acquire, Ordering::Relaxed);
        match free {
            Ok(_) => Guard { mutex: self, inherited: false },
            Err(_) => self.lock_slow(generation, false),
        }
    }

    /// The same, but in the child of a fork the content is thrown away only if somebody was changing it at that moment.
    #[inline]
    pub(crate) fn lock_keeping(&self) -> Guard<'_, T> {
        let generation = fork_generation() << 2;
        let free = self.word.compare_exchange(generation, generation | HELD, Ordering::Acquire, Ordering::Relaxed);
        match free {
            Ok(_) => Guard { mutex: self, inherited: false },
            Err(_) => self.lock_slow(generation, true),
        }
    }

    #[cold]
    fn lock_slow(&self, generation: u32, keep: bool) -> Guard<'_, T> {
        let mut wanted = HELD;
        let mut spins = 40;
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word & !STATE != generation || word & STATE == FREE {
                let taken = generation | wanted;
                if self.word.compare_exchange_weak(word, taken, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    let inherited = word & !STATE != generation;
                    return self.taken(inherited, inherited && !(keep && word & STATE == FREE));
                }
            } else if spins > 0 && word & STATE == HELD {
                spins -= 1;
                std::hint::spin_loop();
            } else {
                let crowded = generation | CROWDED;
                if word == crowded
                    || self.word.compare_exchange(word, crowded, Ordering::Relaxed, Ordering::Relaxed).is_ok()
                {
                    futex_wait(&self.word, crowded, None);
                }
                // Others may sleep too: from here on the word has to say so while we hold it.
                wanted = CROWDED;
            }
        }
    }

    fn taken(&self, inherited: bool, torn: bool) -> Guard<'_, T> {
        if torn {
            // SAFETY: the word is ours, so nobody else reaches the value. It is overwritten without being dropped.
            unsafe { ptr::write(self.value.get(), T::default()) };
        }
        Guard { mutex: self, inherited }
    }
}

/// Access to the content of a [`Mutex`].
pub struct Guard<'a, T> {
    mutex: &'a Mutex<T>,
    /// Whether this is the first lock since a fork: the content was thrown away.
    pub(crate) inherited: bool,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one, see `Sync` above.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` keeps a second reference out.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let generation = fork_generation() << 2;
        if self.mutex.word.swap(generation | FREE, Ordering::Release) & STATE == CROWDED {
            futex_wake_one(&self.mutex.word);
        }
    }
}
