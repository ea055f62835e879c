//! The command line of `raddle report`, `raddle postmortem` and `raddle explain`, for the command of the crate and for that of the
//! Python package: what is said, and with which exit status, is the same in both.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use raddle::graph::verdict::Code;

use crate::recording::Recording;
use crate::words::clean;
use crate::{codes, explain};

const REPORT: &str = "\
usage: raddle report [options] FILE
       raddle postmortem [--fail-on CODES] FILE

Read a recording, which `raddle run --record FILE app.py` makes. It may be one of a program that still runs, or was killed.

  report      what was found out, what each thread did with its time, and what threads waited for
  postmortem  where every thread was at the end: what it waited for, since when, and who held it

  --fail-on CODES  exit with status 70 if one of these is in it (default: none):
                   codes with commas between them; any (RD001, RD002, RD003, RD004, RD006); or none
  --html           one page to look at, which needs nothing else: raddle report --html app.rec > app.html
  --json           everything that is in the recording, for other programs
  --perfetto       lanes for a viewer of traces: raddle report --perfetto app.rec > app.pftrace, opened in ui.perfetto.dev
";

const EXPLAIN: &str = "\
usage: raddle explain [CODE ...]

Says what a code of a report means, why it happens and what to do. Without a code: lists all codes.
";

/// The exit status if a verdict of `--fail-on` is there, as that of `raddle run`.
const FAILED: u8 = 70;

/// What `--fail-on any` stands for: what is wrong with a program, not what somebody asked to see.
const ANY: [Code; 5] = [Code::Deadlock, Code::Stalled, Code::Died, Code::OwnerDead, Code::Inversion];

type Form = fn(&Recording, &mut dyn Write) -> io::Result<()>;

/// What a recording can be written as, by the option that asks for it.
const FORMS: [(&str, Form); 3] = [
    ("--html", |recording, out| out.write_all(recording.html().as_bytes())),
    ("--json", Recording::write_json),
    ("--perfetto", Recording::write_perfetto),
];

/// Does what a command line asks for: `arguments` begins with `report`, `postmortem` or `explain`, and what there is to print is
/// written to `out`.
///
/// Returns the exit status. That `out` takes no more, as a pipe that nobody reads any longer, changes nothing about it.
///
/// # Errors
/// Why nothing, or not all, was printed, for stderr; the exit status for it is 2.
///
/// ```
/// let mut text = Vec::new();
/// assert_eq!(raddle_report::command(&["explain".into(), "rd001".into()], &mut text), Ok(0));
/// assert!(text.starts_with(b"# RD001: deadlock\n"));
/// assert!(raddle_report::command(&["report".into()], &mut text).unwrap_err().starts_with("report: one recording is needed"));
/// ```
pub fn command(arguments: &[OsString], out: &mut dyn Write) -> Result<u8, String> {
    let (name, rest) = arguments.split_first().map_or((OsStr::new(""), arguments), |(name, rest)| (name, rest));
    let asks_for_help = rest.iter().any(|argument| argument == "--help" || argument == "-h");
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let done = match name.to_str() {
        Some("report" | "postmortem") if asks_for_help => Ok((out.write_all(REPORT.as_bytes()), 0)),
        Some("explain") if asks_for_help => Ok((out.write_all(EXPLAIN.as_bytes()), 0)),
        Some("report") => show(rest, &FORMS, Recording::write_report, &mut out),
        Some("postmortem") => show(rest, &[], Recording::write_postmortem, &mut out),
        Some("explain") => explained(rest).map(|text| (out.write_all(text.as_bytes()), 0)),
        _ => Err(format!("no command {} (there are report, postmortem, explain)", quoted(name))),
    };
    let problem = |text: String| format!("{}: {text}", name.display());
    let (written, status) = done.map_err(problem)?;
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(problem(format!("what it says cannot be written: {}", reason(&error))))
        }
        _ => Ok(status),
    }
}

/// Writes a recording in the form that is asked for; returns whether that went well, and the exit status.
fn show(
    arguments: &[OsString],
    forms: &[(&str, Form)],
    default: Form,
    out: &mut dyn Write,
) -> Result<(io::Result<()>, u8), String> {
    let (mut form, mut codes, mut files) = (default, BTreeSet::new(), Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let (option, value) = text.split_once('=').map_or((&*text, None), |(option, value)| (option, Some(value)));
        if let Some((_, asked)) = forms.iter().find(|(option, _)| *option == text) {
            form = *asked;
        } else if option == "--fail-on" {
            let next = || arguments.next().map(|next| next.to_string_lossy().into_owned());
            let value = value.map(str::to_owned).or_else(next);
            codes = codes_to_fail_on(&value.ok_or("--fail-on needs a value, as in --fail-on RD001")?, false)?;
        } else if text.starts_with('-') {
            let has: Vec<_> = forms.iter().map(|(option, _)| *option).chain(["--fail-on"]).collect();
            return Err(format!("unknown option {} (it has {})", quoted(argument), has.join(", ")));
        } else {
            files.push(Path::new(argument));
        }
    }
    let [file] = files[..] else {
        return Err(format!(
            "one recording is needed, got {} (raddle run --record FILE app.py makes one)",
            files.len()
        ));
    };
    let recording = read(file).map_err(|problem| format!("{}: {problem}", file.display()))?;
    // What only the whole shows is not in a post-mortem.
    let told = recording.verdicts.iter().filter(|told| !told.likely && (!told.over_all || !forms.is_empty()));
    let fails = told.into_iter().any(|told| codes.contains(told.code.as_str()));
    Ok((form(&recording, out), if fails { FAILED } else { 0 }))
}

/// No more of a file is read than it says it has, and of what is no recording nearly nothing: it may be a device without end.
fn read(path: &Path) -> Result<Recording, String> {
    let mut file = File::open(path).map_err(|error| reason(&error))?;
    let mut bytes = Vec::new();
    let mut more = |bytes: &mut Vec<u8>, most: u64| {
        let read = (&mut file).take(most.saturating_sub(bytes.len() as u64)).read_to_end(bytes);
        read.map_err(|error| reason(&error))
    };
    more(&mut bytes, Recording::HEAD)?;
    let length = Recording::length(&bytes).map_err(|problem| problem.to_string())?;
    more(&mut bytes, length)?;
    Recording::read(&bytes).map_err(|problem| problem.to_string())
}

/// What the system says, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(reason, _)| reason).to_owned()
}

fn quoted(text: &OsStr) -> String {
    format!("'{}'", clean(&text.to_string_lossy()))
}

/// The codes that a value of `--fail-on` stands for: codes with commas between them, `any`, or `none`. `of_run`: for a run, which does
/// not find what only the whole of a recording shows.
///
/// # Errors
/// Which code does not exist, and which ones do.
///
/// ```
/// use raddle_report::codes_to_fail_on;
///
/// assert!(codes_to_fail_on("rd001, RD003", true).unwrap().into_iter().eq(["RD001", "RD003"]));
/// assert_eq!(codes_to_fail_on("none", true).unwrap().len(), 0);
/// assert!(codes_to_fail_on("RD999", true).unwrap_err().starts_with("--fail-on: unknown code 'RD999' (known: RD001, "));
/// ```
pub fn codes_to_fail_on(value: &str, of_run: bool) -> Result<BTreeSet<&'static str>, String> {
    match value {
        "any" => return Ok(ANY.map(Code::id).into()),
        "none" => return Ok(BTreeSet::new()),
        _ => {}
    }
    let asked: BTreeSet<_> = value.split(',').map(|code| code.trim().to_uppercase()).collect();
    let known: BTreeSet<_> = codes().into_iter().map(|(code, _)| code).collect();
    let late = Code::ALL.into_iter().filter(|code| of_run && code.is_of_recordings()).map(Code::id);
    if let Some(late) = late.into_iter().find(|code| asked.contains(*code)) {
        return Err(format!(
            "--fail-on: {late} is found in the whole of a recording: raddle run --record app.rec ..., then raddle report --fail-on {late} app.rec"
        ));
    }
    let unknown: Vec<_> = asked.iter().filter(|code| !known.contains(code.as_str())).collect();
    if unknown.is_empty() {
        return Ok(known.into_iter().filter(|code| asked.contains(*code)).collect());
    }
    let unknown: Vec<_> = unknown.into_iter().map(|code| quoted(code.as_ref())).collect();
    let known: Vec<_> = known.into_iter().collect();
    Err(format!("--fail-on: unknown code {} (known: {}; or any, or none)", unknown.join(", "), known.join(", ")))
}

fn explained(asked: &[OsString]) -> Result<String, String> {
    if asked.is_empty() {
        return Ok(codes().into_iter().map(|(code, title)| format!("{code}  {title}\n")).collect());
    }
    let text = |code: &OsString| {
        let known = || codes().into_iter().map(|(code, _)| code).collect::<Vec<_>>().join(", ");
        code.to_str().and_then(explain).ok_or_else(|| format!("unknown code {} (known: {})", quoted(code), known()))
    };
    asked.iter().map(text).collect::<Result<Vec<_>, _>>().map(|texts| texts.join("\n"))
}
