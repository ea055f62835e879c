//! A report as rustc would print it: a title, sections with marked source, notes at the end.
//!
//! A mark whose place has no text (a program given on the command line, a file that is gone) is said in words below
//! the name of its place.

use annotate_snippets::{AnnotationKind, Element, Group, Level, Message, Origin, Padding, Renderer, Snippet};
use raddle::graph::verdict::Place;

use crate::source::{Excerpt, Files};
use crate::style::Style;
use crate::words::{path, spot};

/// Narrower than this, source lines are cut to nothing.
const NARROWEST: usize = 40;

/// What a verdict has to say, in the order in which it is read.
pub(crate) struct Report {
    pub(crate) level: Level<'static>,
    pub(crate) code: &'static str,
    pub(crate) title: String,
    /// The first one stands directly below the title.
    pub(crate) sections: Vec<Section>,
    /// What is said at the end: `note`, or `help` for the next step.
    pub(crate) notes: Vec<(Level<'static>, String)>,
}

/// One thing to look at: a title, and places that show it.
#[derive(Default)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) marks: Vec<Mark>,
}

/// A place and what is to be said about it.
pub(crate) struct Mark {
    pub(crate) place: Option<Place>,
    /// May be empty.
    pub(crate) label: String,
    /// What the section is about, unlike what explains it.
    pub(crate) main: bool,
}

impl Mark {
    pub(crate) fn main(place: &Option<Place>, label: String) -> Self {
        Mark { place: place.clone(), label, main: true }
    }

    pub(crate) fn context(place: &Option<Place>, label: String) -> Self {
        Mark { place: place.clone(), label, main: false }
    }

    fn kind(&self) -> AnnotationKind {
        if self.main { AnnotationKind::Primary } else { AnnotationKind::Context }
    }
}

/// The report as text that ends with a newline.
pub(crate) fn print(report: Report, style: &Style) -> String {
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.term_width(style.width.max(NARROWEST)).render(&groups(report));
    text.push('\n');
    text
}

fn groups(report: Report) -> Vec<Group<'static>> {
    let mut files = Files::default();
    let mut sections = report.sections.into_iter();
    let first = sections.next().unwrap_or_default();
    let title = report.level.primary_title(report.title).id(report.code);
    let mut groups = vec![title.elements(elements(&first.marks, &mut files))];
    for section in sections {
        groups.push(Level::NOTE.secondary_title(section.title).elements(elements(&section.marks, &mut files)));
    }
    let notes = report.notes.into_iter().map(|(level, text)| level.message(text));
    let last = groups.pop().map(|group| group.element(Padding).elements(notes));
    groups.extend(last);
    groups
}

fn elements(marks: &[Mark], files: &mut Files) -> Vec<Element<'static>> {
    let excerpts = files.excerpts(marks.iter().filter_map(|mark| mark.place.as_ref()));
    let shown = |mark: &&Mark| excerpts.iter().any(|excerpt| shows(excerpt, mark));
    let mut elements: Vec<Element> = excerpts.iter().map(|excerpt| snippet(excerpt, marks).into()).collect();
    for mark in marks.iter().filter(|mark| !shown(mark)) {
        elements.extend(mark.place.as_ref().map(|place| Origin::path(described(place)).into()));
        elements.extend(sentence(mark).map(Element::from));
    }
    elements
}

fn shows(excerpt: &Excerpt, mark: &Mark) -> bool {
    mark.place.as_ref().is_some_and(|place| excerpt.span(place).is_some())
}

fn snippet(excerpt: &Excerpt, marks: &[Mark]) -> Snippet<'static, annotate_snippets::Annotation<'static>> {
    let annotations = marks.iter().filter_map(|mark| {
        let span = excerpt.span(mark.place.as_ref()?)?;
        Some(mark.kind().span(span).label(Some(mark.label.clone()).filter(|label| !label.is_empty())))
    });
    Snippet::source(excerpt.text()).path(path(&excerpt.file)).line_start(excerpt.first).annotations(annotations)
}

fn sentence(mark: &Mark) -> Option<Message<'static>> {
    (!mark.label.is_empty()).then(|| Level::NOTE.message(mark.label.clone()))
}

/// `app.py:20 in Account.transfer`.
fn described(place: &Place) -> String {
    match place.function.as_str() {
        "" => spot(place),
        function => format!("{} in {}", spot(place), crate::words::clean(function)),
    }
}
