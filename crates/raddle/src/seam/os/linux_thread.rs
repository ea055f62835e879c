//! Linux: threads of the operating system, and what a new one inherits from the thread that makes it.

use std::ffi::CStr;
use std::io;
use std::os::raw::c_void;
use std::os::unix::thread::JoinHandleExt;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// What a thread runs.
type Body = Box<dyn FnOnce() + Send>;

/// Starts a thread of the operating system; `stack` is the size of its stack in bytes, 0 for the system's default (the
/// `pthread` default, unlike that of `std`, which is smaller). Returns its `pthread_t`.
///
/// # Errors
/// What the system says if it refuses.
pub(crate) fn spawn(stack: usize, body: Body) -> io::Result<u64> {
    let body = Box::into_raw(Box::new(body));
    // SAFETY: the attributes are initialised before they are used and destroyed after; `main` takes back the box that it
    // is given, once, and `body` is a box made above.
    unsafe {
        let mut attributes = std::mem::zeroed::<libc::pthread_attr_t>();
        let mut thread: libc::pthread_t = 0;
        let mut status = libc::pthread_attr_init(&mut attributes);
        if status == 0 {
            libc::pthread_attr_setdetachstate(&mut attributes, libc::PTHREAD_CREATE_DETACHED);
            if stack > 0 {
                status = libc::pthread_attr_setstacksize(&mut attributes, stack);
            }
            if status == 0 {
                status = libc::pthread_create(&mut thread, &attributes, main, body.cast());
            }
            libc::pthread_attr_destroy(&mut attributes);
        }
        if status != 0 {
            drop(Box::from_raw(body));
            return Err(io::Error::from_raw_os_error(status));
        }
        Ok(thread as u64)
    }
}

/// Starts a thread that gets none of the process's signals: not even one that comes while it is being made.
///
/// # Errors
/// What the system says if it refuses.
#[cfg(not(loom))]
pub(crate) fn spawn_deaf(body: Body) -> io::Result<u64> {
    // SAFETY: both sets are valid places; the mask of the calling thread is what it was when this returns.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        let mut mine = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut all);
        // An error of the thread's own ends the process, with whatever the program has for that.
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT]
            .into_iter()
            .for_each(|own| _ = libc::sigdelset(&mut all, own));
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut mine);
        let spawned = spawn(0, body);
        libc::pthread_sigmask(libc::SIG_SETMASK, &mine, ptr::null_mut());
        spawned
    }
}

extern "C" fn main(body: *mut c_void) -> *mut c_void {
    // SAFETY: `spawn` made the box for this thread alone.
    let body = unsafe { Box::from_raw(body.cast::<Body>()) };
    body();
    ptr::null_mut()
}

/// The system's number for the calling thread.
pub(crate) fn native_id() -> u32 {
    // SAFETY: asks for a number.
    unsafe { libc::gettid() as u32 }
}

/// How much of the processor's time the thread of that number has used; `None` if there is none.
pub(crate) fn cpu_time(native_id: u32) -> Option<std::time::Duration> {
    // What `pthread_getcpuclockid` gives, of a number that may be nobody's any more; see the kernel's `posix-timers.h`.
    const OF_A_THREAD: libc::clockid_t = 4;
    const TIME_THAT_IT_RAN: libc::clockid_t = 2;
    let clock = (!(native_id as libc::clockid_t) << 3) | OF_A_THREAD | TIME_THAT_IT_RAN;
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `used` is a valid place for a timespec; a clock that does not exist is an error.
    let status = unsafe { libc::clock_gettime(clock, &mut used) };
    (status == 0).then(|| std::time::Duration::new(used.tv_sec as u64, used.tv_nsec as u32))
}

/// How long the thread of that number has waited for a processor, up to when it got one last; `None` if that is not known.
pub(crate) fn run_queue_time(native_id: u32) -> Option<std::time::Duration> {
    let numbers = std::fs::read_to_string(format!("/proc/self/task/{native_id}/schedstat")).ok()?;
    let waited = numbers.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(std::time::Duration::from_nanos(waited))
}

/// Whether the thread of that number runs, or would if it got a processor.
pub(crate) fn is_runnable(native_id: u32) -> bool {
    let line = std::fs::read(format!("/proc/self/task/{native_id}/stat")).unwrap_or_default();
    // Its name, which stands before, may hold anything.
    let name_ends = line.iter().rposition(|byte| *byte == b')');
    name_ends.is_some_and(|end| line.get(end + 2) == Some(&b'R'))
}

/// Whether the system has no thread of that number in this process any more.
pub(crate) fn is_gone(native_id: u32) -> bool {
    // SAFETY: signal 0 is none: the call only looks whether there is such a thread.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), native_id as libc::pid_t, 0) != 0 }
}

/// Has the system call a thread of this process `name`: the first 15 bytes of it, cut between two characters.
pub(crate) fn rename(thread: u32, name: &str) {
    let end = (0..=15.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    let name = &name.as_bytes()[..end];
    if thread == native_id() {
        let mut text = [0u8; 16];
        text[..end].copy_from_slice(name);
        // SAFETY: the kernel reads at most 16 bytes, up to the 0 at the end.
        unsafe { libc::prctl(libc::PR_SET_NAME, text.as_ptr()) };
    } else {
        // A thread that has ended has no such file, and needs no name.
        let _ = std::fs::write(format!("/proc/self/task/{thread}/comm"), name);
    }
}

/// Lets a thread run on those processors only.
///
/// # Errors
/// What the system says if it refuses: the process may use none of them.
pub(crate) fn set_affinity(thread: &JoinHandle<()>, processors: &[usize]) -> io::Result<()> {
    const BITS: usize = u64::BITS as usize;
    /// More than any kernel is built for.
    const MOST: usize = 1 << 16;
    let mut set = vec![0u64; 16];
    for processor in processors.iter().copied().filter(|processor| *processor < MOST) {
        set.resize(set.len().max(processor / BITS + 1), 0);
        set[processor / BITS] |= 1 << (processor % BITS);
    }
    // SAFETY: the handle keeps the thread's number valid; the set is as large as it says, and the call reads it as the words
    // that it is made of, which is what a `cpu_set_t` is.
    let status = unsafe {
        libc::pthread_setaffinity_np(thread.as_pthread_t(), size_of_val(&*set), set.as_ptr().cast::<libc::cpu_set_t>())
    };
    if status == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(status)) }
}

/// What the system keeps for each thread and hands from a thread to those it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inherited {
    mask: u64,
    affinity: [u64; 16],
    scheduling: [i32; 3],
    restrictions: [i32; 2],
    capabilities: [u32; 6],
    /// Looked at only where they can be changed, for that takes ten times as long as all the rest: by a thread with
    /// CAP_SYS_ADMIN, in a process that has the means.
    namespaces: [u64; 7],
}

const CAP_SYS_ADMIN: u32 = 1 << 21;

impl Inherited {
    /// Those of the calling thread; some nine system calls, and seven more for a thread that may change its namespaces.
    pub(crate) fn of_caller() -> Inherited {
        let mut inherited = Inherited {
            mask: 0,
            affinity: [0; 16],
            scheduling: [0; 3],
            restrictions: [0; 2],
            capabilities: [0; 6],
            namespaces: [0; 7],
        };
        let mut parameters = libc::sched_param { sched_priority: 0 };
        // Version 3 of the call, of the calling thread.
        let mut header = [0x2008_0522u32, 0];
        // SAFETY: each call writes to the place given to it, which is as large as it says (the kernel's signal mask has
        // eight bytes, `capget` fills two records of three words). A call that fails leaves its zeros.
        unsafe {
            libc::syscall(libc::SYS_rt_sigprocmask, 0, ptr::null::<u64>(), &mut inherited.mask, 8);
            libc::syscall(libc::SYS_sched_getaffinity, 0, 128, inherited.affinity.as_mut_ptr());
            libc::sched_getparam(0, &mut parameters);
            inherited.scheduling =
                [libc::sched_getscheduler(0), parameters.sched_priority, libc::getpriority(libc::PRIO_PROCESS, 0)];
            inherited.restrictions =
                [libc::prctl(libc::PR_GET_SECCOMP), libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)];
            libc::syscall(libc::SYS_capget, header.as_mut_ptr(), inherited.capabilities.as_mut_ptr());
        }
        if inherited.capabilities[0] & CAP_SYS_ADMIN != 0 && can_change_namespaces() {
            inherited.namespaces = namespaces();
        }
        inherited
    }
}

/// The calling thread's namespaces, as a number each.
fn namespaces() -> [u64; 7] {
    const LINKS: [&CStr; 7] = [
        c"/proc/thread-self/ns/cgroup",
        c"/proc/thread-self/ns/ipc",
        c"/proc/thread-self/ns/mnt",
        c"/proc/thread-self/ns/net",
        c"/proc/thread-self/ns/pid_for_children",
        c"/proc/thread-self/ns/time_for_children",
        c"/proc/thread-self/ns/uts",
    ];
    LINKS.map(|link| {
        let mut text = [0u8; 48];
        // SAFETY: writes at most as many bytes as there is room for. (Following the link instead takes twice as long.)
        let length = unsafe { libc::readlink(link.as_ptr(), text.as_mut_ptr().cast(), text.len()) };
        let text = text.get(..length.max(0) as usize).unwrap_or_default();
        text.iter().filter(|byte| byte.is_ascii_digit()).fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    })
}

/// Whether a library is loaded that is known to keep state of its own for each thread, so that a thread that is used
/// again would find what another one left.
pub(crate) fn has_thread_bound_libraries() -> bool {
    loaded_libraries() & THREAD_BOUND != 0
}

/// Whether a library is loaded that can change a thread's namespaces, or call whatever it likes.
fn can_change_namespaces() -> bool {
    loaded_libraries() & CHANGES_NAMESPACES != 0
}

const THREAD_BOUND: u64 = 1;
const CHANGES_NAMESPACES: u64 = 2;

/// What is said of the libraries loaded now; looked at again only when there are more.
fn loaded_libraries() -> u64 {
    /// How many had been loaded when we last looked, and what was found: in the lowest two bits.
    static LOOKED: AtomicU64 = AtomicU64::new(0);

    let mut loaded = 0u64;
    // SAFETY: the callback gets the pointer given here, and both live as long as the call.
    unsafe { libc::dl_iterate_phdr(Some(count_loads), (&raw mut loaded).cast()) };
    let looked = LOOKED.load(Ordering::Relaxed);
    if looked >> 2 == loaded {
        return looked & 3;
    }
    let mut found = 0u64;
    // SAFETY: as above.
    unsafe { libc::dl_iterate_phdr(Some(look_at_library), (&raw mut found).cast()) };
    LOOKED.store(loaded << 2 | found, Ordering::Relaxed);
    found
}

extern "C" fn count_loads(info: *mut libc::dl_phdr_info, _: usize, loaded: *mut c_void) -> i32 {
    // SAFETY: the loader passes a record that is valid during the call; `loaded` is the `u64` of the caller.
    unsafe { *loaded.cast::<u64>() = (*info).dlpi_adds };
    1 // the first record has the count: no need of the others
}

extern "C" fn look_at_library(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> i32 {
    const BOUND: [&str; 9] =
        ["libcuda.", "libcudart", "libGL.", "libEGL.", "libgomp", "libomp.", "libiomp5", "libjvm.", "_jpype"];
    const CALLS_ANYTHING: [&str; 2] = ["_ctypes.", "_cffi_backend."];
    const DEFINES_THEM: [&str; 3] = ["libc.", "ld-linux", "linux-vdso"];
    // SAFETY: the loader passes a record that is valid during the call, with a name that is null or a string; `found` is
    // the `u64` of the caller.
    let (path, found) = unsafe {
        let name = (*info).dlpi_name;
        let path = if name.is_null() { c"" } else { CStr::from_ptr(name) };
        (path.to_string_lossy(), &mut *found.cast::<u64>())
    };
    let file = path.rsplit('/').next().unwrap_or_default();
    let is_one_of = |names: &[&str]| names.iter().any(|name| file.starts_with(name));
    if is_one_of(&BOUND) {
        *found |= THREAD_BOUND;
    }
    // SAFETY: the record is valid, see above, and that of a library that the loader has relocated.
    if is_one_of(&CALLS_ANYTHING) || !is_one_of(&DEFINES_THEM) && unsafe { imports(&*info, &[b"unshare", b"setns"]) } {
        *found |= CHANGES_NAMESPACES;
    }
    0
}

/// Whether a library's table of names has one of `names`: it calls a function of that name, or has one.
///
/// # Safety
/// `info` must be the loader's record of a loaded library other than the kernel's (whose addresses are not absolute).
unsafe fn imports(info: &libc::dl_phdr_info, names: &[&[u8]]) -> bool {
    const DT_NULL: u64 = 0;
    const DT_STRTAB: u64 = 5;
    const DT_STRSZ: u64 = 10;
    // SAFETY: the headers are those of a loaded library; its dynamic section ends with DT_NULL, and gives the address and
    // the size of a table that is loaded with it.
    unsafe {
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
        let Some(dynamic) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) else { return false };
        let mut entry = (info.dlpi_addr + dynamic.p_vaddr) as *const [u64; 2];
        let (mut table, mut size) = (0, 0);
        while (*entry)[0] != DT_NULL {
            match *entry {
                [DT_STRTAB, address] => table = address,
                [DT_STRSZ, bytes] => size = bytes,
                _ => {}
            }
            entry = entry.add(1);
        }
        // An address below the library's own is one that the loader did not relocate.
        if table < info.dlpi_addr || table == 0 {
            return false;
        }
        let table = std::slice::from_raw_parts(table as *const u8, size as usize);
        table.split(|byte| *byte == 0).any(|name| names.contains(&name))
    }
}

/// Lets others run for a moment.
pub(crate) fn nap() {
    std::thread::sleep(std::time::Duration::from_micros(50));
}

/// What limits the number of threads, in words.
pub fn limits() -> String {
    let mut processes = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `processes` has room for the answer.
    unsafe { libc::getrlimit(libc::RLIMIT_NPROC, &mut processes) };
    let user = match processes.rlim_cur {
        libc::RLIM_INFINITY => "unlimited".to_owned(),
        limit => limit.to_string(),
    };
    let read = |path: &str| std::fs::read_to_string(path).map_or_else(|_| "?".into(), |text| text.trim().to_owned());
    let status = read("/proc/self/status");
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map_or_else(|| "?".into(), |it| it.trim().to_owned())
    };
    format!(
        "this process has {} threads and {} of memory; limits: RLIMIT_NPROC {user}, pids.max {}, threads-max {}",
        field("Threads:"),
        field("VmSize:"),
        read("/sys/fs/cgroup/pids.max"),
        read("/proc/sys/kernel/threads-max"),
    )
}
