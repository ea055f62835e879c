//! The text at a place, and the bytes in it that are meant.
//!
//! Several places in one file become one [`Excerpt`], so that a reader sees them in order under each other. A file is
//! read once for each report, and only if it is a plain file of sensible size: a program's idea of its file's name
//! may as well be a pipe. A file that is not UTF-8 is taken for Latin-1, which also puts the columns right: Python
//! counts them in the line as decoded and encoded again as UTF-8.
//!
//! The file may have changed since the program read it; nobody can see that here, so every number is clamped to what
//! the text has.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use raddle::graph::verdict::Place;

const LARGEST_FILE: u64 = 16 << 20;
/// Places farther apart than this many lines are shown as if they were in different files.
const WIDEST_GAP: usize = 500;

/// The lines of the files that a report has looked at; `None` where a file cannot be read.
#[derive(Default)]
pub(crate) struct Files(HashMap<String, Option<Vec<String>>>);

/// Lines that follow each other in one file.
#[derive(Debug, PartialEq)]
pub(crate) struct Excerpt {
    pub(crate) file: String,
    /// The number of the first line.
    pub(crate) first: usize,
    lines: Vec<String>,
}

impl Files {
    /// The excerpts that show these places: in the order of the files, then of the lines. Places without text are left
    /// out.
    pub(crate) fn excerpts<'p>(&mut self, places: impl Iterator<Item = &'p Place>) -> Vec<Excerpt> {
        let mut sheets: Vec<(&str, BTreeMap<usize, String>)> = Vec::new();
        for place in places {
            let lines = self.at(place);
            match sheets.iter_mut().find(|(file, _)| *file == place.file) {
                Some((_, sheet)) => sheet.extend(lines),
                None => sheets.push((&place.file, lines)),
            }
        }
        sheets.into_iter().flat_map(|(file, sheet)| self.runs(file, sheet)).collect()
    }

    /// The numbered lines of one place, as far as they can be had.
    fn at(&mut self, place: &Place) -> BTreeMap<usize, String> {
        let first = place.line as usize;
        let count = (place.end_line as usize).saturating_sub(first) + 1;
        match (&place.source, first) {
            (_, 0) => BTreeMap::new(),
            (Some(text), _) => (first..).zip(split(text)).take(count).collect(),
            (None, _) => {
                let lines = self.lines(&place.file).iter().cloned();
                (1..).zip(lines).skip(first - 1).take(count).collect()
            }
        }
    }

    /// Fills what the file has between the lines of a sheet, and cuts where it has nothing.
    fn runs(&mut self, file: &str, sheet: BTreeMap<usize, String>) -> Vec<Excerpt> {
        let mut runs: Vec<Excerpt> = Vec::new();
        for (number, line) in sheet {
            let gap = runs.last().and_then(|run| self.between(file, run.end()..number));
            match (gap, runs.last_mut()) {
                (Some(gap), Some(run)) => run.lines.extend(gap.into_iter().chain([line])),
                _ => runs.push(Excerpt { file: file.to_owned(), first: number, lines: vec![line] }),
            }
        }
        runs
    }

    fn between(&mut self, file: &str, gap: Range<usize>) -> Option<Vec<String>> {
        match gap.len() {
            0 => Some(Vec::new()),
            1..=WIDEST_GAP => Some(self.lines(file).get(gap.start - 1..gap.end - 1)?.to_vec()),
            _ => None,
        }
    }

    fn lines(&mut self, file: &str) -> &[String] {
        let read = || read(Path::new(file)).map(|text| split(&text).collect());
        self.0.entry(file.to_owned()).or_insert_with(read).as_deref().unwrap_or_default()
    }
}

impl Excerpt {
    fn end(&self) -> usize {
        self.first + self.lines.len()
    }

    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// Which bytes of [`text`](Excerpt::text) a place means; `None` if the place is not in here.
    pub(crate) fn span(&self, place: &Place) -> Option<Range<usize>> {
        let line = place.line as usize;
        let here = place.file == self.file && (self.first..self.end()).contains(&line);
        let last = (place.end_line as usize).clamp(line, (self.end() - 1).max(line));
        here.then(|| self.columns(place, line - self.first, last - self.first))
    }

    fn columns(&self, place: &Place, first: usize, last: usize) -> Range<usize> {
        let columns = place.columns.map(|(from, to)| {
            let from = floor(&self.lines[first], from as usize);
            let to = ceil(&self.lines[last], to as usize);
            self.offset(first) + from..self.offset(last) + to
        });
        columns.filter(|span| span.start < span.end).unwrap_or_else(|| self.whole(first, last))
    }

    /// From the first to the last character that is no white space.
    fn whole(&self, first: usize, last: usize) -> Range<usize> {
        let indent = self.lines[first].len() - self.lines[first].trim_start().len();
        let end = self.offset(last) + self.lines[last].trim_end().len();
        let start = self.offset(first) + indent;
        if start < end { start..end } else { self.offset(first)..self.offset(first) }
    }

    /// Where a line starts in the text.
    fn offset(&self, index: usize) -> usize {
        self.lines[..index].iter().map(|line| line.len() + 1).sum()
    }
}

fn floor(line: &str, column: usize) -> usize {
    (0..=column.min(line.len())).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0)
}

fn ceil(line: &str, column: usize) -> usize {
    (column.min(line.len())..line.len()).find(|&at| line.is_char_boundary(at)).unwrap_or(line.len())
}

fn read(file: &Path) -> Option<String> {
    let about = std::fs::metadata(file).ok().filter(|about| about.is_file() && about.len() <= LARGEST_FILE)?;
    let mut bytes = Vec::with_capacity(about.len() as usize);
    std::io::Read::read_to_end(&mut std::fs::File::open(file).ok()?, &mut bytes).ok()?;
    Some(match String::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text),
        Err(latin) => latin.as_bytes().iter().map(|&byte| char::from(byte)).collect(),
    })
}

/// Lines as Python's tokenizer counts them: all three kinds of line ends.
fn split(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<String> = text.strip_suffix('\n').unwrap_or(&text).split('\n').map(str::to_owned).collect();
    lines.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(lines: (u32, u32), columns: Option<(u32, u32)>, text: &str) -> Place {
        Place {
            file: "<t>".into(),
            line: lines.0,
            end_line: lines.1,
            columns,
            source: Some(text.into()),
            ..Place::default()
        }
    }

    fn meant(place: &Place) -> String {
        let excerpt = Files::default().excerpts([place].into_iter()).remove(0);
        excerpt.text()[excerpt.span(place).unwrap()].to_owned()
    }

    #[test]
    fn columns_are_bytes_and_never_cut_a_character() {
        assert_eq!(meant(&place((3, 3), Some((8, 12)), "größe = lock.acquire()")), "= lo");
        assert_eq!(meant(&place((3, 3), Some((3, 6)), "größe")), "öß");
    }

    #[test]
    fn columns_that_cannot_be_are_clamped_or_replaced_by_the_line() {
        assert_eq!(meant(&place((1, 1), Some((2, u32::MAX)), "  lock")), "lock");
        assert_eq!(meant(&place((1, 1), Some((9, 3)), "  lock  ")), "lock");
        assert_eq!(meant(&place((1, 1), None, "  lock  ")), "lock");
        assert_eq!(meant(&place((1, 1), Some((0, 5)), "")), "");
    }

    #[test]
    fn an_expression_may_span_lines_and_may_miss_some() {
        assert_eq!(meant(&place((1, 2), Some((2, 3)), "a(b,\r\n  c)\n")), "b,\n  c");
        assert_eq!(meant(&place((1, u32::MAX), Some((2, 3)), "a(b,\rc)")), "b,\nc)");
        assert_eq!(meant(&place((2, 1), Some((0, 1)), "ab")), "a");
    }

    #[test]
    fn places_that_touch_share_an_excerpt_and_others_do_not() {
        let places = [place((5, 5), None, "five"), place((4, 4), None, "four"), place((9, 9), None, "nine")];
        let excerpts = Files::default().excerpts(places.iter());
        assert_eq!(excerpts.iter().map(Excerpt::text).collect::<Vec<_>>(), ["four\nfive", "nine"]);
    }

    #[test]
    fn line_zero_and_lines_after_the_end_have_no_text() {
        assert!(Files::default().excerpts([&place((0, 3), None, "x")].into_iter()).is_empty());
        let late = Place { file: file!().into(), line: u32::MAX, end_line: 0, ..Place::default() };
        assert!(Files::default().excerpts([&late].into_iter()).is_empty());
    }

    #[test]
    fn other_encodings_keep_the_columns_right() {
        let read = |file: &str| read(Path::new(file)).unwrap();
        assert!(read("tests/fixtures/latin.py").contains("größe = lock"));
        assert!(read("tests/fixtures/bom.py").starts_with("lock"));
    }

    #[test]
    fn what_is_no_plain_file_is_not_read() {
        assert_eq!(read(Path::new("/dev/zero")), None);
        assert_eq!(read(Path::new("src")), None);
    }
}
