//! What texts hold, document by document, each object in the form in which it is kept.

#[cfg(feature = "dir")]
use std::collections::BTreeMap;
use std::sync::Arc;

use yaml_serde::Value;

use super::limits::{MAX_DOCUMENTS, MAX_TEXT_BYTES};
use super::{described, document, is_misspelt, listed, shown, text};
use crate::wire::Manifest;
use crate::{Kind, ObjectRef, Problem};

/// What becomes of a manifest as soon as it was read: before the next one is, so that a text of any length takes the memory
/// of what is kept of it.
pub(crate) trait Form: Clone + PartialEq + From<Manifest> {
    /// The object it is about.
    fn reference(&self) -> ObjectRef;
}

impl Form for Arc<Manifest> {
    fn reference(&self) -> ObjectRef {
        Manifest::reference(self)
    }
}

/// The objects of kinds this project knows, what could not be read, and which other kinds were passed over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contents<F> {
    pub(crate) entries: Vec<Entry<F>>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) ignored: Vec<String>,
}

/// An object, and the file in which it stood, where known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry<F> {
    pub(crate) source: Option<Arc<str>>,
    pub(crate) form: F,
}

impl<F> Default for Contents<F> {
    fn default() -> Self {
        Self { entries: Vec::new(), problems: Vec::new(), ignored: Vec::new() }
    }
}

impl<F: Form> Contents<F> {
    /// All documents of a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut contents = Self::default();
        if text.len() > MAX_TEXT_BYTES {
            let message = format!("{} bytes are more than the {MAX_TEXT_BYTES} that are read", text.len());
            contents.problems.push(Problem::unnamed("", "", message));
            return contents;
        }
        for (index, (line, document)) in document::documents(text).enumerate() {
            let object = format!("document at line {line}");
            if index == MAX_DOCUMENTS {
                let message =
                    format!("this and all after it are not read: {MAX_DOCUMENTS} are enough for one text");
                contents.problems.push(Problem::unnamed(object, "", message));
                break;
            }
            match document::parse(document, line) {
                Ok(value) => contents.add(value, line),
                Err(error) => contents.problems.push(Problem::unnamed(object, "", error)),
            }
        }
        contents
    }

    /// See [`Manifests::in_source`](super::Manifests::in_source).
    pub(crate) fn in_source(mut self, source: &str) -> Self {
        let place: Arc<str> = source.into();
        self.entries.iter_mut().for_each(|entry| entry.source = Some(Arc::clone(&place)));
        self.problems = self.problems.into_iter().map(|problem| problem.in_source(source)).collect();
        self
    }

    /// Of a source that could not be read at all.
    #[cfg(feature = "dir")]
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { problems: vec![Problem::unnamed("", "", message)], ..Self::default() }
    }

    /// Adds what another text holds.
    pub(crate) fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.problems.extend(other.problems);
        self.ignored.extend(other.ignored);
    }

    /// The same, sharing with `former` what is equal.
    #[cfg(feature = "dir")]
    pub(crate) fn sharing(mut self, former: &Self) -> Self {
        let former: BTreeMap<_, _> =
            former.entries.iter().map(|entry| (entry.form.reference(), &entry.form)).collect();
        for entry in &mut self.entries {
            if let Some(same) = former.get(&entry.form.reference()).filter(|known| ***known == entry.form) {
                entry.form = F::clone(same);
            }
        }
        self
    }

    fn add(&mut self, mut value: Value, line: usize) {
        if value.is_null() {
            return;
        }
        let kind = text(&value, &["kind"]).to_owned();
        if kind.is_empty() {
            let object = format!("document at line {line}");
            return self.problems.push(Problem::unnamed(object, "kind", "is required"));
        }
        let has_items = value.get("items").is_some_and(Value::is_sequence);
        if let Some(of) = kind.strip_suffix("List").filter(|of| of.is_empty() || has_items) {
            let version = text(&value, &["apiVersion"]).to_owned();
            let items = value.get_mut("items").and_then(Value::as_sequence_mut).map(std::mem::take);
            let items = items.into_iter().flatten().map(|item| listed(item, of, &version));
            return items.for_each(|item| self.add(item, line));
        }
        let version = text(&value, &["apiVersion"]).to_owned();
        let known = Kind::ALL.iter().find(|(known, _)| known.to_string() == kind);
        let named = described(&kind, known.is_none_or(|(kind, _)| kind.is_namespaced()), &value);
        match known {
            Some((kind, expected)) if !kind.api_versions().any(|known| known == version) => {
                self.wrong_version(&named, &version, expected);
            }
            Some((kind, _)) => match Manifest::deserialize(*kind, value) {
                Ok(manifest) => self.entries.push(Entry { source: None, form: manifest.into() }),
                Err((field, message)) => {
                    self.problems.push(Problem::unnamed(named, shown(&field), shown(&message)))
                }
            },
            None => self.unknown_kind(&kind, named),
        }
    }

    /// A known kind in another group is somebody else's kind, unless only the version is off.
    fn wrong_version(&mut self, named: &str, version: &str, expected: &str) {
        let group =
            |version: &str| version.rsplit_once('/').map_or(String::new(), |(group, _)| group.to_owned());
        if group(version) == group(expected) || version.is_empty() {
            let message = format!("`{}` is not served: write {expected}", shown(version));
            self.problems.push(Problem::unnamed(named, "apiVersion", message));
        } else {
            self.ignored.push(format!("{named} ({})", shown(version)));
        }
    }

    /// A spelling mistake deserves an error; a kind that is none of ours only a mention.
    fn unknown_kind(&mut self, kind: &str, named: String) {
        let alike = Kind::ALL.iter().find(|(known, _)| is_misspelt(kind, &known.to_string()));
        match alike {
            Some((known, _)) => {
                let message = format!("`{kind}` is not a kind: write {known}");
                self.problems.push(Problem::unnamed(named, "kind", message));
            }
            None => self.ignored.push(named),
        }
    }
}
