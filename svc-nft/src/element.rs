//! Elements of sets and maps.

use std::{cmp::Ordering, fmt, sync::Arc, time::Duration};

use crate::{Name, Value, Verdict};

/// The key of an element: one value, or several concatenated.
///
/// Keys are ordered as the nft program prints them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<[Value]>);

impl Key {
    /// The key made of these parts.
    pub fn new(parts: impl IntoIterator<Item = Value>) -> Self {
        Self(parts.into_iter().collect())
    }

    /// The parts.
    #[must_use]
    pub fn parts(&self) -> &[Value] {
        &self.0
    }

    /// nft reads a concatenated key as one little-endian number, so its last byte weighs most. (This is the order of
    /// the program on a little-endian host.)
    fn compare_concatenation(&self, other: &Self) -> Ordering {
        let parts = self.0.iter().zip(other.0.iter()).rev();
        let first_difference = parts.map(|(a, b)| a.compare_weight(b)).find(|order| order.is_ne());
        first_difference.unwrap_or(Ordering::Equal)
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let printed = match (&self.0[..], &other.0[..]) {
            ([a], [b]) => a.number().cmp(&b.number()),
            (a, b) if a.len() == b.len() => self.compare_concatenation(other),
            (a, b) => a.len().cmp(&b.len()),
        };
        printed.then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<V: Into<Value>> From<V> for Key {
    fn from(value: V) -> Self {
        Self::new([value.into()])
    }
}

impl<const N: usize> From<[Value; N]> for Key {
    fn from(parts: [Value; N]) -> Self {
        Self::new(parts)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_parts(f, &self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a map says about a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Data {
    /// A verdict.
    Verdict(Verdict),
    /// One value, or several concatenated.
    Values(Arc<[Value]>),
}

impl From<Verdict> for Data {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl<V: Into<Value>> From<V> for Data {
    fn from(value: V) -> Self {
        Self::Values([value.into()].into())
    }
}

impl<const N: usize> From<[Value; N]> for Data {
    fn from(values: [Value; N]) -> Self {
        Self::Values(values.into())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => write!(f, "{verdict}"),
            Self::Values(values) => write_parts(f, values),
        }
    }
}

/// One element of a set or map.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    key: Key,
    data: Option<Data>,
    /// Apart, for most elements have none and there are many.
    times: Option<Box<Times>>,
    comment: Option<Arc<str>>,
}

/// What the clock does to an element.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Times {
    timeout: Option<Duration>,
    expires: Option<Duration>,
}

impl Element {
    /// An element of a set.
    pub fn new(key: impl Into<Key>) -> Self {
        Self { key: key.into(), data: None, times: None, comment: None }
    }

    /// An element of a map.
    pub fn mapping(key: impl Into<Key>, data: impl Into<Data>) -> Self {
        Self { data: Some(data.into()), ..Self::new(key) }
    }

    /// The same element that goes away after a while (whole milliseconds).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.times.get_or_insert_default().timeout = Some(timeout);
        self
    }

    /// The same element with a comment of up to 127 bytes; a longer one is cut.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(crate::rule::cut(comment.into()).into());
        self
    }

    pub(crate) fn with_expires(mut self, expires: Duration) -> Self {
        self.times.get_or_insert_default().expires = Some(expires);
        self
    }

    pub(crate) fn with_key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What the map says about it.
    #[must_use]
    pub fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }

    /// The chain that its verdict leads to.
    #[must_use]
    pub fn chain(&self) -> Option<&Name> {
        match &self.data {
            Some(Data::Verdict(verdict)) => verdict.chain(),
            _ => None,
        }
    }

    /// Its own timeout.
    #[must_use]
    pub fn timeout_after(&self) -> Option<Duration> {
        self.times.as_ref()?.timeout
    }

    pub(crate) fn has_times(&self) -> bool {
        self.times.is_some()
    }

    /// How long it has left; only listed elements of sets with timeouts have this.
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        self.times.as_ref()?.expires
    }

    /// The comment.
    #[must_use]
    pub fn comment_text(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The same element apart from how long it has left.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.key == other.key
            && self.data == other.data
            && self.timeout_after() == other.timeout_after()
            && self.comment == other.comment
    }
}

/// A node has a few for each Service.
const _: () = assert!(size_of::<Element>() <= 64 && size_of::<Value>() <= 24);

fn write_parts(f: &mut fmt::Formatter<'_>, parts: &[Value]) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(" . ")?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}
