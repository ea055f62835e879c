//! What the runtime has found out, as plain data: who, what, held by whom, since when, where.
//!
//! A verdict owns everything in it, so it may be kept, sent to another thread or rendered long after the threads are
//! gone. It is built only when somebody is going to read it; nothing here is touched on a hot path. Rendering lives in
//! the crate `raddle-report`.

use std::time::Duration;

/// A place in a source file.
///
/// Lines count from 1, columns are byte offsets into the line and count from 0, as in Python's `co_positions()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file as the program knows it; may be no real file, such as `<string>`.
    pub file: String,
    /// First line of the expression.
    pub line: u32,
    /// Last line of the expression.
    pub end_line: u32,
    /// Where the expression starts and ends, if that is known: start in `line`, end in `end_line`.
    pub columns: Option<(u32, u32)>,
    /// The function or method around it, such as `Account.transfer`; empty if unknown.
    pub function: String,
    /// The lines `line..=end_line` where they cannot be read from `file`.
    pub source: Option<String>,
}

/// How a thread came into the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadKind {
    /// The thread that the process began with.
    Main,
    /// A thread that the process waits for at its end.
    Regular,
    /// A thread that the process does not wait for.
    Daemon,
    /// A thread that something else started and that called in.
    Foreign,
}

/// One thread, as far as a reader of a report needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadInfo {
    /// Never reused, unlike the identifiers of the operating system.
    pub serial: u64,
    /// The name that the program gave it.
    pub name: String,
    /// How it came into the runtime.
    pub kind: ThreadKind,
    /// The name of the thread that started it.
    pub started_by: Option<String>,
    /// Where it was started.
    pub started_at: Option<Place>,
}

/// How a thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its function returned.
    Finished,
    /// An error left its function; one line that names it.
    Failed(String),
    /// It was asked to stop, and did; one line that says by whom.
    Stopped(String),
}

/// Who holds an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The holding thread.
    pub thread: ThreadInfo,
    /// Where it took the object.
    pub taken_at: Option<Place>,
    /// Set if the thread has ended without giving the object back, and how it ended.
    pub ended: Option<Ending>,
}

/// A thread that gave others what they wait for, and has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Who.
    pub thread: ThreadInfo,
    /// How it ended.
    pub ended: Ending,
}

/// Something that threads wait for: a lock, a semaphore, the end of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// What it is: `Lock`, `RLock`, `Thread`, ...
    pub kind: String,
    /// How a person would call it: `Account.lock#2`, or the name of the thread that is waited for.
    pub name: String,
    /// Where it was made.
    pub made_at: Option<Place>,
    /// Who has it now.
    pub holder: Option<Holder>,
    /// For a thing that threads give: who has given so far, if all of them have ended and one died; else empty.
    pub producers: Vec<Producer>,
}

/// A thread that sleeps until it gets something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Who waits.
    pub thread: ThreadInfo,
    /// For what.
    pub object: ObjectInfo,
    /// In which call: `acquire`, `wait`, `join`, ...
    pub call: String,
    /// Where the call stands.
    pub at: Option<Place>,
    /// For how long it has waited so far.
    pub since: Duration,
    /// Whether the call gives up by itself.
    pub timed: bool,
}

/// Where a thread is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Who.
    pub thread: ThreadInfo,
    /// What it waits for; `None`: it waits for nothing that the runtime knows.
    pub wait: Option<Wait>,
    /// The calls that it is in, the innermost first, as far as they are known.
    pub stack: Vec<Place>,
}

/// Data that a program has written to a file, and that never got there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritten {
    /// The file as the program knows it.
    pub file: String,
    /// How many bytes, of text as well.
    pub bytes: u64,
}

/// A thread that the end of the program has cut off in the middle of its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// Who, and where it was.
    pub at: Whereabouts,
    /// The files that it had open and what they lack: at least one.
    pub files: Vec<Unwritten>,
}

/// Threads that wait for each other: each waits for something that the next one holds, the last for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// At least one; the thread whose wait closed the cycle comes last.
    pub waits: Vec<Wait>,
}

/// A thread that took a lock while it held another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nested {
    /// Who.
    pub thread: ThreadInfo,
    /// What it held.
    pub first: ObjectInfo,
    /// Where it had taken that.
    pub first_at: Option<Place>,
    /// What it took then.
    pub second: ObjectInfo,
    /// Where it took that.
    pub second_at: Option<Place>,
}

/// A stable name for a kind of verdict, such as `RD001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// `RD001`: threads wait for each other.
    Deadlock,
    /// `RD002`: every thread sleeps and nothing can wake one.
    Stalled,
    /// `RD003`: a thread died of an error that nobody handled, and who may miss it.
    Died,
    /// `RD004`: a thread waits for a lock whose holder has ended.
    OwnerDead,
    /// `RD005`: threads keep the program alive after its main thread is done.
    KeepsAlive,
    /// `RD006`: threads take the same locks in opposite orders.
    Inversion,
    /// `RD007`: who has waited longest for what.
    LongestWaits,
    /// `RD008`: threads did not stop when the program ended.
    LeftBehind,
    /// `RD009`: who holds a lock sleeps, and others wait; found in recordings.
    SleepUnderLock,
    /// `RD010`: threads wait for each other to run Python code; found in recordings.
    GilBound,
    /// `RD011`: daemon threads were cut off, and what they had written was lost.
    CutOff,
    /// `RD012`: more threads that could run than processors; found in recordings.
    Oversubscribed,
    /// `RD013`: a lock has been held for long, and somebody waits for it.
    LongHold,
    /// `RD014`: a lock that many wait for, for much of their time; found in recordings.
    HotLock,
}

/// Why `RD005` was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Ctrl-C while the program waited for its threads at its end.
    Interrupt,
    /// SIGTERM, likewise.
    Terminate,
    /// SIGQUIT, likewise.
    Quit,
    /// Main has waited for so long, and the program wanted to know.
    Notice(Duration),
    /// All that are left have slept without a time limit since main returned, for two seconds at least.
    Asleep,
}

/// What was done about a deadlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The last thread of the cycle got an error instead of waiting on.
    Raised,
    /// It was told, and the program waits on.
    Told(Reason),
}

/// Why a deadlock was only told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing but telling was asked for.
    Policy,
    /// A thread outside the cycle may end one of the holds: that of a lock that any thread may release.
    NotOwned,
    /// One of the waits is for what comes of a job, which any thread may cancel while it waits.
    Job,
    /// One of the waits is for whichever of several threads ends first, each of which any thread may stop.
    FirstOfSeveral,
    /// One of the waits takes a lock back at the end of a condition's wait, and must not be left without it.
    Reacquire,
    /// One of the waits is for an import, in the host's own way of waiting, which the runtime cannot end.
    Import,
    /// One of the threads was asked to stop, and is about to leave its wait.
    Stopping,
    /// A signal handler may make the main thread leave its wait.
    SignalHandler,
}

/// A finding, with everyone and everything involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `RD001`.
    Deadlock {
        /// Who waits for whom.
        cycle: Cycle,
        /// What was done about it.
        outcome: Outcome,
    },
    /// `RD002`.
    Stalled {
        /// Every thread of the program, with what it waits for.
        waits: Vec<Wait>,
    },
    /// `RD003`.
    Died {
        /// The thread that died.
        thread: Box<ThreadInfo>,
        /// The last line of its traceback: `ValueError: no such account`.
        error: String,
        /// Where the error was raised.
        at: Option<Place>,
        /// Those who wait in `join` for it.
        joiners: Vec<Wait>,
        /// Whether its `join` would have raised the error.
        held: bool,
    },
    /// `RD003`, for a job whose error its future keeps, because nobody has asked for it.
    Unasked {
        /// The thread that worked on it; as started by who submitted the job, and where.
        job: Box<ThreadInfo>,
        /// The last line of its traceback: `ValueError: no such account`.
        error: String,
        /// Where the error was raised.
        at: Option<Place>,
    },
    /// `RD004`: the object's holder says who ended, and how.
    OwnerDead {
        /// Who waits for the object of the ended thread.
        wait: Box<Wait>,
        /// Whether that thread got an error instead of waiting on.
        raised: bool,
    },
    /// `RD003`, likely: a thread waits for what only ended threads have given so far. The object's producers say who they
    /// were and how they ended. Another thread may still give it.
    Orphaned {
        /// Who waits.
        wait: Box<Wait>,
    },
    /// `RD005`.
    KeepsAlive {
        /// Why it is told now.
        cause: Cause,
        /// The threads that the process still waits for, with what each waits for; `None`: it is running.
        threads: Vec<(ThreadInfo, Option<Wait>)>,
    },
    /// `RD006`: no deadlock, but one that can come.
    Inversion {
        /// At least two, by different threads: each took second what the next one held first, the last took what the first
        /// one held. The one that was seen last comes last.
        circle: Vec<Nested>,
    },
    /// `RD007`.
    LongestWaits {
        /// Longest first.
        waits: Vec<Wait>,
        /// Threads that are not waiting for anything that raddle knows.
        running: Vec<ThreadInfo>,
    },
    /// `RD008`.
    LeftBehind {
        /// Who was asked to stop, and had not ended when the time for it was over.
        threads: Vec<Whereabouts>,
    },
    /// `RD011`.
    CutOff {
        /// Who, each with what was lost; at least one.
        threads: Vec<CutOff>,
    },
    /// `RD013`.
    LongHold {
        /// What is held. Its holder says by whom, and where it was taken.
        object: Box<ObjectInfo>,
        /// Where the holder is now.
        holder: Box<Whereabouts>,
        /// For how long, or longer: so long ago somebody who waits has seen the hold first.
        held: Duration,
        /// Who waits for it, longest first.
        waits: Vec<Wait>,
    },
}

impl Code {
    /// All codes, in order.
    pub const ALL: [Code; 14] = [
        Code::Deadlock,
        Code::Stalled,
        Code::Died,
        Code::OwnerDead,
        Code::KeepsAlive,
        Code::Inversion,
        Code::LongestWaits,
        Code::LeftBehind,
        Code::SleepUnderLock,
        Code::GilBound,
        Code::CutOff,
        Code::Oversubscribed,
        Code::LongHold,
        Code::HotLock,
    ];

    /// Whether only the whole of a recording shows it.
    pub fn is_of_recordings(self) -> bool {
        matches!(self, Code::SleepUnderLock | Code::GilBound | Code::Oversubscribed | Code::HotLock)
    }

    /// The stable name: `RD001`.
    pub fn id(self) -> &'static str {
        match self {
            Code::Deadlock => "RD001",
            Code::Stalled => "RD002",
            Code::Died => "RD003",
            Code::OwnerDead => "RD004",
            Code::KeepsAlive => "RD005",
            Code::Inversion => "RD006",
            Code::LongestWaits => "RD007",
            Code::LeftBehind => "RD008",
            Code::SleepUnderLock => "RD009",
            Code::GilBound => "RD010",
            Code::CutOff => "RD011",
            Code::Oversubscribed => "RD012",
            Code::LongHold => "RD013",
            Code::HotLock => "RD014",
        }
    }
}

impl Verdict {
    /// Which kind of verdict this is.
    pub fn code(&self) -> Code {
        match self {
            Verdict::Deadlock { .. } => Code::Deadlock,
            Verdict::Stalled { .. } => Code::Stalled,
            Verdict::Died { .. } | Verdict::Unasked { .. } | Verdict::Orphaned { .. } => Code::Died,
            Verdict::OwnerDead { .. } => Code::OwnerDead,
            Verdict::KeepsAlive { .. } => Code::KeepsAlive,
            Verdict::Inversion { .. } => Code::Inversion,
            Verdict::LongestWaits { .. } => Code::LongestWaits,
            Verdict::LeftBehind { .. } => Code::LeftBehind,
            Verdict::CutOff { .. } => Code::CutOff,
            Verdict::LongHold { .. } => Code::LongHold,
        }
    }

    /// Whether it may be wrong, so that nothing should be failed for it.
    pub fn is_likely(&self) -> bool {
        matches!(self, Verdict::Orphaned { .. })
    }
}
