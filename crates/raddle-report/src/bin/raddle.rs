//! `raddle report`, `raddle postmortem` and `raddle explain` without Python.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use raddle_report::{Recording, codes, explain};

const USAGE: &str = "\
usage: raddle report [--json] FILE
       raddle postmortem FILE
       raddle explain [CODE ...]

  report      what a recording shows: what was found out, what each thread did with its time, what threads waited for
  postmortem  where every thread was at the end of a recording, also of a program that was killed
  explain     what a code of a report means
  --json      everything that is in the recording, for other programs
";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    let asks_for_help = |argument: &OsString| argument == "--help" || argument == "-h";
    let text = match command.to_str() {
        _ if asks_for_help(&command) || arguments.iter().any(asks_for_help) => Ok(USAGE.to_owned()),
        Some("report") => match &arguments[..] {
            [json, file] | [file, json] if json == "--json" => read(file.as_ref()).map(|recording| recording.json()),
            files => one(files).and_then(read).map(|recording| recording.report()),
        },
        Some("postmortem") => one(&arguments).and_then(read).map(|recording| recording.postmortem()),
        Some("explain") => explained(&arguments),
        _ => Err(format!("no command {command:?} (it has report, postmortem, explain; raddle --help)")),
    };
    match text {
        Ok(text) => {
            // Whoever reads may have had enough.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("raddle {}: {problem}", command.display());
            ExitCode::from(2)
        }
    }
}

fn one(files: &[OsString]) -> Result<&Path, String> {
    match files {
        [file] if !file.as_encoded_bytes().starts_with(b"-") => Ok(file.as_ref()),
        [option] => Err(format!("unknown option {option:?} (raddle --help)")),
        files => Err(format!("one recording is needed, got {} (raddle --help)", files.len())),
    }
}

fn read(file: &Path) -> Result<Recording, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Recording::read(&bytes).map_err(|error| format!("{}: {error}", file.display()))
}

fn explained(asked: &[OsString]) -> Result<String, String> {
    if asked.is_empty() {
        return Ok(codes().into_iter().map(|(code, title)| format!("{code}  {title}\n")).collect());
    }
    let text = |code: &OsString| {
        let known = || codes().into_iter().map(|(code, _)| code).collect::<Vec<_>>().join(", ");
        code.to_str().and_then(explain).ok_or_else(|| format!("unknown code {code:?} (known: {})", known()))
    };
    asked.iter().map(text).collect::<Result<Vec<_>, _>>().map(|texts| texts.join("\n"))
}
