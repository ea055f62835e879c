//! `raddle report`, `raddle postmortem` and `raddle explain` without Python.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use raddle_report::command;

const USAGE: &str = "\
usage: raddle COMMAND ...

  report      what a recording shows: what was found out, what each thread did with its time, what threads waited for
  postmortem  where every thread was at the end of a recording, also of a program that was killed
  explain     what a code of a report means

raddle COMMAND --help says more.
";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--help" | "-h") => print!("{USAGE}"),
        None => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
        Some(_) => match command(&arguments, &mut io::stdout().lock()) {
            Ok(status) => return ExitCode::from(status),
            Err(problem) => {
                eprintln!("raddle {problem}");
                return ExitCode::from(2);
            }
        },
    }
    ExitCode::SUCCESS
}
