//! A recording as JSON, for other programs. Times are seconds since the recording began.
//!
//! A full recording has a million waits, so only one of them is a [`Value`] at a time, and one line of the text; what stands
//! around them is written by hand.

use std::io::{self, Write};
use std::time::Duration;

use raddle::graph::verdict::{Place, ThreadKind};
use serde_json::{Map, Value, json};

use super::called;
use super::story::{Ended, Recording, Seen, Span, Spent, Story, Told};
use super::text::text_of;

fn seconds(duration: Duration) -> Value {
    json!(duration.as_secs_f64())
}

fn place(place: &Place) -> Value {
    json!({ "file": place.file, "line": place.line, "function": place.function })
}

/// The fields of an object that more fields follow, without its end.
fn fields(out: &mut dyn Write, indent: &str, fields: Value) -> io::Result<()> {
    for (name, value) in fields.as_object().into_iter().flatten() {
        writeln!(out, "{indent}{}: {value},", json!(name))?;
    }
    Ok(())
}

/// A field that is a list with one value on each line.
fn list(out: &mut dyn Write, indent: &str, name: &str, values: impl Iterator<Item = Value>) -> io::Result<()> {
    write!(out, "{indent}\"{name}\": [")?;
    let mut between = "";
    for value in values {
        write!(out, "{between}\n{indent}  {value}")?;
        between = ",";
    }
    if between.is_empty() { write!(out, "]") } else { write!(out, "\n{indent}]") }
}

impl Recording {
    /// Everything that is in it. Ends with a newline.
    pub fn json(&self) -> String {
        text_of(|out| self.write_json(out))
    }

    /// Writes what [`json`](Recording::json) gives.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{{")?;
        let head = json!({
            "program": self.program,
            "process": self.process,
            "began": self.began.as_secs_f64(),
            "ended": self.ended.map(seconds),
            "until": seconds(self.until),
            "period": self.period.map(seconds),
            "processors": (self.processors != 0).then_some(self.processors),
            "sees_turns": self.sees_turns,
            "lost": { "events": self.lost.0, "notes": self.lost.1 },
        });
        fields(out, "  ", head)?;
        list(out, "  ", "verdicts", self.verdicts.iter().map(told))?;
        write!(out, ",\n  \"threads\": [")?;
        for (number, story) in self.threads.iter().enumerate() {
            writeln!(out, "{}\n    {{", if number == 0 { "" } else { "," })?;
            self.write_story(out, story)?;
            write!(out, "\n    }}")?;
        }
        writeln!(out, "{}]\n}}", if self.threads.is_empty() { "" } else { "\n  " })
    }

    fn write_story(&self, out: &mut dyn Write, story: &Story) -> io::Result<()> {
        fields(out, "      ", self.story(story))?;
        list(out, "      ", "waits", story.waits.iter().map(|wait| self.wait(wait)))?;
        writeln!(out, ",")?;
        list(out, "      ", "seen", story.seen.iter().map(seen))
    }

    fn story(&self, story: &Story) -> Value {
        let thread = &story.thread;
        let kind = match thread.kind {
            ThreadKind::Main => "main",
            ThreadKind::Regular => "regular",
            ThreadKind::Daemon => "daemon",
            ThreadKind::Foreign => "foreign",
        };
        let how = story.ended.as_ref().map(|(_, how)| how.name());
        let error = story.ended.as_ref().and_then(|(_, how)| match how {
            Ended::Died(error) => Some(error),
            _ => None,
        });
        let waited: Map<_, _> =
            story.waited(self.until).into_iter().map(|(call, time)| (called(call).to_owned(), seconds(time))).collect();
        let times = story.times(self.until).into_iter();
        let times: Map<_, _> =
            times.map(|(spent, time)| (spent.map_or("rest", Spent::name).to_owned(), seconds(time))).collect();
        json!({
            "serial": thread.serial,
            "name": thread.name,
            "kind": kind,
            "started_by": thread.started_by,
            "started_at": thread.started_at.as_ref().map(place),
            "began": story.began.map(seconds),
            "ended": story.ended.as_ref().map(|(at, _)| seconds(*at)),
            "how": how,
            "error": error,
            "life": seconds(story.life(self.until)),
            "holds": story.holds.iter().map(|lock| json!({ "kind": lock.kind, "name": lock.name })).collect::<Vec<_>>(),
            "waited": waited,
            "times": times,
            "looks": story.sampled.iter().map(|(doing, time)| (Spent::of_doing(*doing).name().to_owned(), seconds(*time))).collect::<serde_json::Map<_, _>>(),
            "processor": seconds(story.processor),
            "run_queue": seconds(story.run_queue),
        })
    }

    fn wait(&self, wait: &Span) -> Value {
        let object = self.objects.get(&wait.object);
        json!({
            "from": seconds(wait.from),
            "to": wait.to.map(seconds),
            "for": called(wait.call),
            "kind": object.map(|object| &object.kind),
            "object": object.map(|object| &object.name),
            "at": self.sites.get(&wait.site).map(place),
            "holder": (wait.holder != 0).then_some(wait.holder),
            "busy": self.sites.get(&wait.busy).map(place),
            "timed": wait.timed,
        })
    }
}

fn told(told: &Told) -> Value {
    json!({ "at": seconds(told.at), "code": told.code, "text": told.text, "likely": told.likely, "over_all": told.over_all })
}

fn seen(seen: &Seen) -> Value {
    json!({ "from": seconds(seen.from), "to": seen.to.map(seconds), "doing": Spent::of_doing(seen.doing).name() })
}
