//! Domain names in wire form.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::Arc,
};

use super::ParseError;

/// A domain name: uncompressed wire form, at most 255 bytes, labels of 1 to 63 bytes, the root at the end.
///
/// Two names are equal when they differ in the case of ASCII letters only (RFC 4343); the spelling is kept.
///
/// ```
/// use svc_dns::message::Name;
///
/// let name: Name = "Web.default.svc.cluster.local".parse()?;
/// assert_eq!(name, "web.default.svc.cluster.local.".parse()?);
/// assert!(name.is_within(&"cluster.local".parse()?));
/// assert_eq!(name.to_string(), "Web.default.svc.cluster.local.");
/// # Ok::<(), svc_dns::message::NameError>(())
/// ```
#[derive(Clone)]
pub struct Name {
    wire: Arc<[u8]>,
}

/// A text that is no domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("domain name {text:?}: {problem}")]
#[non_exhaustive]
pub struct NameError {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Name {
    /// The longest wire form.
    pub const MAX_LEN: usize = 255;
    /// The longest label.
    pub const MAX_LABEL: usize = 63;

    /// The root: no labels.
    #[must_use]
    pub fn root() -> Self {
        Self { wire: Arc::from([0].as_slice()) }
    }

    /// The wire form, the root's zero byte included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The labels from left to right.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        Labels { rest: &self.wire }
    }

    /// The same name in lower case.
    #[must_use]
    pub fn to_lowercase(&self) -> Self {
        // Length bytes are below 64 and so never look like a letter.
        Self { wire: self.wire.to_ascii_lowercase().into() }
    }

    /// Whether this is `zone` or below it.
    #[must_use]
    pub fn is_within(&self, zone: &Self) -> bool {
        suffixes(&self.wire).any(|suffix| suffix.eq_ignore_ascii_case(&zone.wire))
    }

    /// Reads the name at `*at`, following compression pointers, and moves `at` behind it.
    ///
    /// # Errors
    /// When the name leaves the message, is longer than 255 bytes or points forward.
    pub fn parse(message: &[u8], at: &mut usize) -> Result<Self, ParseError> {
        let mut wire = Vec::with_capacity(64);
        let mut here = *at;
        let mut behind = None;
        let mut floor = *at;
        loop {
            match step(message, here)? {
                Step::Root => break,
                Step::Label(label) => {
                    wire.extend_from_slice(label);
                    here += label.len();
                }
                // Each pointer must point in front of all that was read: so this ends.
                Step::Pointer(target) if target < floor => {
                    behind.get_or_insert(here + 2);
                    (here, floor) = (target, target);
                }
                Step::Pointer(_) => {
                    return Err(ParseError { at: here, expected: "a pointer to an earlier name" });
                }
            }
            if wire.len() >= Self::MAX_LEN {
                return Err(ParseError { at: here, expected: "a name of at most 255 bytes" });
            }
        }
        wire.push(0);
        *at = behind.unwrap_or(here + 1);
        Ok(Self { wire: wire.into() })
    }

    /// Moves `at` behind the name there, without looking at what it says.
    pub(super) fn skip(message: &[u8], at: &mut usize) -> Result<(), ParseError> {
        loop {
            match step(message, *at)? {
                Step::Root => {
                    *at += 1;
                    return Ok(());
                }
                Step::Label(label) => *at += label.len(),
                Step::Pointer(_) => {
                    *at += 2;
                    return Ok(());
                }
            }
        }
    }

    /// A name from bytes known to be a valid wire form.
    pub(crate) fn from_wire(wire: &[u8]) -> Self {
        debug_assert_eq!(suffixes(wire).last(), Some([0].as_slice()));
        Self { wire: wire.into() }
    }

    /// A name from labels, the root left out.
    ///
    /// # Errors
    /// When a label is empty or too long, or the whole is.
    pub(crate) fn from_labels<'l>(labels: impl IntoIterator<Item = &'l [u8]>) -> Result<Self, &'static str> {
        let mut wire = Vec::with_capacity(64);
        for label in labels {
            push_label(label, &mut wire)?;
        }
        if wire.len() >= Self::MAX_LEN {
            return Err("longer than 253 characters");
        }
        wire.push(0);
        Ok(Self { wire: wire.into() })
    }
}

/// Appends one label with its length.
fn push_label(label: &[u8], wire: &mut Vec<u8>) -> Result<(), &'static str> {
    match u8::try_from(label.len()) {
        Ok(0) => Err("an empty label (two dots in a row, or one in front)"),
        Ok(length) if label.len() <= Name::MAX_LABEL => {
            wire.push(length);
            wire.extend_from_slice(label);
            Ok(())
        }
        _ => Err("a label longer than 63 characters"),
    }
}

enum Step<'m> {
    Root,
    /// With its length byte.
    Label(&'m [u8]),
    Pointer(usize),
}

fn step(message: &[u8], at: usize) -> Result<Step<'_>, ParseError> {
    let first = *message.get(at).ok_or(ParseError { at, expected: "a label" })?;
    match first {
        0 => Ok(Step::Root),
        1..=63 => {
            let label = message.get(at..=at + usize::from(first));
            label.map(Step::Label).ok_or(ParseError { at, expected: "the whole label" })
        }
        0xc0..=0xff => Ok(Step::Pointer(usize::from(super::u16_at(message, at)? & 0x3fff))),
        _ => Err(ParseError { at, expected: "a label of at most 63 bytes or a pointer" }),
    }
}

/// A wire form and all its suffixes, the root last.
pub(crate) fn suffixes(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(wire), |rest| match rest.first() {
        None | Some(0) => None,
        Some(&length) => rest.get(usize::from(length) + 1..),
    })
}

/// The labels of a [`Name`].
#[derive(Clone, Debug)]
pub struct Labels<'n> {
    rest: &'n [u8],
}

impl<'n> Labels<'n> {
    /// Labels of a wire form that may lack its root.
    pub(crate) fn of(wire: &'n [u8]) -> Self {
        Self { rest: wire }
    }
}

impl<'n> Iterator for Labels<'n> {
    type Item = &'n [u8];

    fn next(&mut self) -> Option<&'n [u8]> {
        let (&length, rest) = self.rest.split_first()?;
        if length == 0 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        Some(label)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.wire.to_ascii_lowercase().hash(state);
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Accepts the usual text form; the final dot may be missing; `\.` and `\DDD` escape (RFC 4343 section 2.1).
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "." {
            return Ok(Self::root());
        }
        let wrong = |problem| NameError { text: text.to_owned(), problem };
        let labels = unescape(text.as_bytes()).map_err(wrong)?;
        Self::from_labels(labels.iter().map(Vec::as_slice)).map_err(wrong)
    }
}

/// Splits at dots, taking escapes out.
fn unescape(text: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut labels = vec![Vec::new()];
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'.' => {
                labels.push(Vec::new());
                continue;
            }
            b'\\' => escaped(&mut rest)?,
            other => other,
        };
        if let Some(label) = labels.last_mut() {
            label.push(byte);
        }
    }
    if labels.len() > 1 && labels.last().is_some_and(Vec::is_empty) {
        labels.pop();
    }
    Ok(labels)
}

/// What follows a backslash: three digits, or a character that stands for itself.
fn escaped(rest: &mut impl Iterator<Item = u8>) -> Result<u8, &'static str> {
    const BAD: &str = "a backslash without three digits below 256 or a character behind it";
    let first = rest.next().ok_or(BAD)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let digits = [first, rest.next().ok_or(BAD)?, rest.next().ok_or(BAD)?];
    std::str::from_utf8(&digits).ok().and_then(|text| text.parse().ok()).ok_or(BAD)
}

impl TryFrom<&str> for Name {
    type Error = NameError;

    fn try_from(text: &str) -> Result<Self, NameError> {
        text.parse()
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wire.len() == 1 {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    0x21..=0x7e => write!(f, "{}", char::from(byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}
