//! A recording as JSON, for other programs. Times are seconds since the recording began.

use std::time::Duration;

use raddle::graph::verdict::{Place, ThreadKind};
use serde_json::{Value, json};

use super::called;
use super::story::{Ended, Recording, Span, Story};

fn seconds(duration: Duration) -> Value {
    json!(duration.as_secs_f64())
}

fn place(place: &Place) -> Value {
    json!({ "file": place.file, "line": place.line, "function": place.function })
}

impl Recording {
    /// Everything that is in it.
    pub fn json(&self) -> String {
        let verdict =
            |(at, code, text): &(Duration, String, String)| json!({ "at": seconds(*at), "code": code, "text": text });
        let value = json!({
            "program": self.program,
            "process": self.process,
            "began": self.began.as_secs_f64(),
            "ended": self.ended.map(seconds),
            "until": seconds(self.until),
            "verdicts": self.verdicts.iter().map(verdict).collect::<Vec<_>>(),
            "threads": self.threads.iter().map(|story| self.story(story)).collect::<Vec<_>>(),
            "lost": { "events": self.lost.0, "notes": self.lost.1 },
        });
        format!("{value:#}\n")
    }

    fn story(&self, story: &Story) -> Value {
        let thread = &story.thread;
        let kind = match thread.kind {
            ThreadKind::Main => "main",
            ThreadKind::Regular => "regular",
            ThreadKind::Daemon => "daemon",
            ThreadKind::Foreign => "foreign",
        };
        let how = story.ended.as_ref().map(|(_, how)| match how {
            Ended::Finished => "finished",
            Ended::Died(_) => "died",
            Ended::Stopped => "stopped",
            Ended::TakenBack => "taken back",
        });
        let error = story.ended.as_ref().and_then(|(_, how)| match how {
            Ended::Died(error) => Some(error),
            _ => None,
        });
        let waited: serde_json::Map<_, _> =
            story.waited(self.until).into_iter().map(|(call, time)| (called(call).to_owned(), seconds(time))).collect();
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
            "waits": story.waits.iter().map(|wait| self.wait(wait)).collect::<Vec<_>>(),
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
            "timed": wait.timed,
        })
    }
}
