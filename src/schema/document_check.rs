//! Checks of a front end's documents, for `check-documents`: against the schema and the limits, without a gateway.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use async_graphql::Pos;
use graphql_prepare::{Definition, Limits, Preparer, RequestError, definitions};

use super::preparation::operator_preparer;
use super::trusted_documents::TrustedDocuments;

/// Checks documents as a gateway with these settings would.
#[derive(Debug)]
pub struct DocumentCheck {
    preparer: Preparer,
    problems: BTreeSet<Problem>,
    operations: usize,
}

/// What is wrong with a document. Its `Display` output is `FILE:LINE:COLUMN: MESSAGE`, or `FILE#ID:LINE:COLUMN: MESSAGE` for a
/// document of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    place: String,
    /// Line and column.
    position: Option<(usize, usize)>,
    message: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { place, position, message } = self;
        match position {
            Some((line, column)) => write!(f, "{place}:{line}:{column}: {message}"),
            None => write!(f, "{place}: {message}"),
        }
    }
}

/// A fragment of a folder: the place of its definition.
type Fragments<'a> = HashMap<&'a str, (&'a Path, &'a Definition<'a>)>;

impl DocumentCheck {
    /// No document has been checked yet.
    #[must_use]
    pub fn new(limits: Limits, default_page_size: usize) -> Self {
        let preparer = operator_preparer(limits, default_page_size);
        Self { preparer, problems: BTreeSet::new(), operations: 0 }
    }

    /// The problems found, in the order of their places, and the number of documents.
    #[must_use]
    pub fn finish(self) -> (BTreeSet<Problem>, usize) {
        (self.problems, self.operations)
    }

    /// Checks the documents of a manifest.
    pub fn manifest(&mut self, file: &Path, documents: &TrustedDocuments) {
        for (id, text) in documents.iter() {
            let place = format!("{}#{id}", file.display());
            self.operations += 1;
            for error in self.preparer.check(text).err().into_iter().flatten() {
                let position = error.locations.first().map(|pos| (pos.line, pos.column));
                self.problems.insert(Problem { place: place.clone(), position, message: error.message });
            }
        }
    }

    /// Checks files, each operation with the fragments that it needs, which may be in other files.
    pub fn files(&mut self, files: &[(PathBuf, String)]) {
        let parsed: Vec<(&Path, Vec<Definition<'_>>)> =
            files.iter().map(|(path, text)| (path.as_path(), definitions(text))).collect();
        let all = || parsed.iter().flat_map(|(path, found)| found.iter().map(move |one| (*path, one)));
        let mut fragments = Fragments::new();
        for (path, definition) in all() {
            let Some(name) = definition.fragment else { continue };
            if let Some((other, _)) = fragments.get(name) {
                let message = format!("The fragment `{name}` is also defined in {}.", other.display());
                self.add(path, definition.first_token, message);
            } else {
                fragments.insert(name, (path, definition));
            }
        }
        let mut used = HashSet::new();
        for (path, operation) in all().filter(|(_, definition)| definition.fragment.is_none()) {
            self.operations += 1;
            let document = Document::of(path, operation, &fragments, self.preparer.limits().document);
            used.extend(document.fragments.iter().copied());
            for error in self.preparer.check(&document.text).err().into_iter().flatten() {
                let RequestError { message, locations, .. } = error;
                let (path, pos) = match locations.first() {
                    Some(pos) => document.place(*pos),
                    None => (path, operation.first_token),
                };
                self.add(path, pos, message);
            }
        }
        for (name, (path, definition)) in &fragments {
            if !used.contains(name) {
                let message = format!("The fragment `{name}` is not used by an operation.");
                self.add(path, definition.first_token, message);
            }
        }
    }

    fn add(&mut self, path: &Path, pos: Pos, message: String) {
        let place = path.display().to_string();
        self.problems.insert(Problem { place, position: Some((pos.line, pos.column)), message });
    }
}

/// An operation and its fragments as one document.
struct Document<'a> {
    text: String,
    /// The first line of each part, the part's file, and where it begins there.
    parts: Vec<(usize, &'a Path, Pos)>,
    fragments: HashSet<&'a str>,
}

impl<'a> Document<'a> {
    /// Stops at `max_length`, beyond which the document is rejected in any case.
    fn of(
        path: &'a Path,
        operation: &'a Definition<'a>,
        fragments: &Fragments<'a>,
        max_length: usize,
    ) -> Self {
        let mut document = Self { text: String::new(), parts: Vec::new(), fragments: HashSet::new() };
        let mut rest = vec![(path, operation)];
        let mut line = 1;
        while let Some((path, definition)) = rest.pop() {
            if document.text.len() <= max_length {
                document.parts.push((line, path, definition.pos));
                line += line_ends(definition.text) + 1;
                document.text.push_str(definition.text);
                document.text.push('\n');
            }
            for name in &definition.spreads {
                if let Some(found) = fragments.get(name)
                    && document.fragments.insert(name)
                {
                    rest.push(*found);
                }
            }
        }
        document
    }

    /// The file of a position, and the position in it.
    fn place(&self, pos: Pos) -> (&'a Path, Pos) {
        let index = self.parts.partition_point(|(line, ..)| *line <= pos.line).saturating_sub(1);
        let (first_line, path, start) = &self.parts[index];
        let line = start.line + pos.line.saturating_sub(*first_line);
        let column =
            if pos.line == *first_line { (start.column + pos.column).saturating_sub(1) } else { pos.column };
        (path, Pos { line, column })
    }
}

/// Number of line ends, of which a line feed after a carriage return is part (GraphQL, "Line Terminators").
fn line_ends(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_end = |index: &usize| match bytes[*index] {
        b'\r' => true,
        b'\n' => *index == 0 || bytes[*index - 1] != b'\r',
        _ => false,
    };
    (0..bytes.len()).filter(is_end).count()
}
