//! Linux: what another thread of this process is doing, as the kernel tells in `/proc/self/task`.

use std::cell::OnceCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glance {
    /// It runs, or could if there were a processor for it.
    Running,
    /// It sleeps in a call of the system's.
    Asleep {
        /// The number of the call.
        call: i64,
        /// Its first argument.
        first: u64,
    },
    /// It has ended, or the system does not say.
    Unknown,
}

/// A thread of this process.
#[derive(Debug)]
pub(crate) struct Task {
    native_id: u32,
    call: File,
    /// Opened when it is asked for: most threads sleep.
    times: OnceCell<Option<File>>,
}

impl Task {
    /// The thread of that number; `None` if there is none, or the system does not tell of it.
    pub(crate) fn open(native_id: u32) -> Option<Task> {
        Some(Task { native_id, call: open(native_id, "syscall")?, times: OnceCell::new() })
    }

    /// What it does now. Takes about a microsecond.
    pub(crate) fn glance(&self) -> Glance {
        parse(read(&self.call, &mut [0; 160]))
    }

    /// How long it has run, and how long it could have and got no processor. Takes about a microsecond.
    pub(crate) fn times(&self) -> Option<(Duration, Duration)> {
        let file = self.times.get_or_init(|| open(self.native_id, "schedstat")).as_ref()?;
        let mut text = [0; 80];
        let mut numbers =
            read(file, &mut text).split_ascii_whitespace().map(|number| number.parse().map(Duration::from_nanos));
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }
}

fn open(native_id: u32, file: &str) -> Option<File> {
    File::open(format!("/proc/self/task/{native_id}/{file}")).ok()
}

fn read<'a>(file: &File, text: &'a mut [u8]) -> &'a str {
    let length = file.read_at(text, 0).unwrap_or(0);
    std::str::from_utf8(&text[..length]).unwrap_or_default()
}

/// `running`, or the number of the call, its arguments in hexadecimal digits and two addresses; -1 outside of any call, where
/// a page is fetched, say.
fn parse(text: &str) -> Glance {
    let mut words = text.split_ascii_whitespace();
    let glance = match words.next() {
        Some("running") => Some(Glance::Running),
        Some("-1") => Some(Glance::Running),
        number => number.and_then(|number| {
            let first = words.next()?.strip_prefix("0x")?;
            Some(Glance::Asleep { call: number.parse().ok()?, first: u64::from_str_radix(first, 16).ok()? })
        }),
    };
    glance.unwrap_or(Glance::Unknown)
}

/// Gives the calling thread a table of open files of its own, in which there are none; whether that could be had. From here on
/// what it opens takes no number of the program's, and keeps nothing of the program's open.
pub(crate) fn own_files() -> bool {
    // SAFETY: the files that are closed are those of a new table, which only this thread has.
    unsafe { libc::close_range(0, u32::MAX, libc::CLOSE_RANGE_UNSHARE as i32) == 0 }
}

/// Whether a thread that sleeps in that call waits on a word in memory, at its first argument: for a lock, that is.
pub(crate) fn is_futex(call: i64) -> bool {
    call == libc::SYS_futex
}

/// Whether it waits for time to pass, and nothing else.
pub(crate) fn is_sleep(call: i64) -> bool {
    matches!(call, libc::SYS_clock_nanosleep | libc::SYS_nanosleep)
}

/// What a call is called; the empty name stands for all that are not listed.
pub(crate) fn name_of(call: i64) -> &'static str {
    #[cfg(target_arch = "x86_64")]
    match call {
        libc::SYS_poll => return "poll",
        libc::SYS_select => return "select",
        libc::SYS_epoll_wait => return "epoll_wait",
        libc::SYS_accept => return "accept",
        libc::SYS_open => return "open",
        libc::SYS_pause => return "pause",
        _ => {}
    }
    match call {
        libc::SYS_read | libc::SYS_readv | libc::SYS_pread64 => "read",
        libc::SYS_write | libc::SYS_writev | libc::SYS_pwrite64 => "write",
        libc::SYS_ppoll => "poll",
        libc::SYS_pselect6 => "select",
        libc::SYS_epoll_pwait => "epoll_wait",
        libc::SYS_accept4 => "accept",
        libc::SYS_connect => "connect",
        libc::SYS_recvfrom | libc::SYS_recvmsg | libc::SYS_recvmmsg => "recv",
        libc::SYS_sendto | libc::SYS_sendmsg | libc::SYS_sendmmsg | libc::SYS_sendfile => "send",
        libc::SYS_wait4 | libc::SYS_waitid => "wait",
        libc::SYS_fsync | libc::SYS_fdatasync => "fsync",
        libc::SYS_flock | libc::SYS_fcntl => "lock of a file",
        libc::SYS_openat => "open",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(parse("running\n"), Glance::Running);
        assert_eq!(parse("-1 0x7ffc239b3428 0x7f14fd3872ad\n"), Glance::Running);
        let futex = "202 0x55d0c8 0x189 0x0 0x0 0x0 0xffffffff 0x7f14fd29eb60 0x7f14fd3872ad\n";
        assert_eq!(parse(futex), Glance::Asleep { call: 202, first: 0x55_d0c8 });
        assert!(["", "x", "202", "202 55", "202 0xz"].into_iter().all(|text| parse(text) == Glance::Unknown));
    }

    #[test]
    fn another_thread_is_seen() {
        let (tell, told) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(crate::seam::thread::native_id()).unwrap();
            let _ = ends.recv();
        });
        let task = Task::open(told.recv().unwrap()).unwrap();
        while !matches!(task.glance(), Glance::Asleep { call, .. } if is_futex(call)) {
            std::thread::yield_now();
        }
        assert!(task.times().unwrap().0 > Duration::ZERO);
        end.send(()).unwrap();
        thread.join().unwrap();
        while task.glance() != Glance::Unknown {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_table_of_files_of_its_own_takes_nothing_of_the_others() {
        let file = File::open("/proc/self/stat").unwrap();
        std::thread::spawn(|| {
            assert!(own_files());
            assert_eq!(std::fs::read_dir("/proc/thread-self/fd").unwrap().count(), 1, "the folder itself");
        })
        .join()
        .unwrap();
        assert!(file.metadata().is_ok());
    }
}
