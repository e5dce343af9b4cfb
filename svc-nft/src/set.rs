//! Sets and maps.

use std::{collections::BTreeMap, time::Duration};

use crate::{DataType, Element, Expr, Key, Name, Value};

/// The type of a set's key or of a map's data, part by part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// `type ipv4_addr . inet_proto`.
    Types(Vec<DataType>),
    /// `typeof ip daddr . meta l4proto . numgen random mod 2`: by expressions of that type. Needed for
    /// [`DataType::Integer`], which has no name. Only expressions with a [`Expr::data_type`] count.
    Typeof(Vec<Expr>),
}

impl KeyType {
    /// The types, part by part.
    #[must_use]
    pub fn types(&self) -> Vec<DataType> {
        match self {
            Self::Types(types) => types.clone(),
            Self::Typeof(exprs) => exprs.iter().filter_map(|expr| expr.data_type()).collect(),
        }
    }
}

impl From<DataType> for KeyType {
    fn from(data_type: DataType) -> Self {
        Self::Types(vec![data_type])
    }
}

impl<const N: usize> From<[DataType; N]> for KeyType {
    fn from(types: [DataType; N]) -> Self {
        Self::Types(types.into())
    }
}

impl From<Expr> for KeyType {
    fn from(expr: Expr) -> Self {
        Self::Typeof(vec![expr])
    }
}

impl<const N: usize> From<[Expr; N]> for KeyType {
    fn from(exprs: [Expr; N]) -> Self {
        Self::Typeof(exprs.into())
    }
}

/// What a map maps to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SetData {
    /// Verdicts.
    Verdict,
    /// Values.
    Values(KeyType),
}

/// A property of a set, fixed when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SetFlag {
    /// Elements never change once a rule uses the set.
    Constant,
    /// Elements may be networks and ranges.
    Interval,
    /// Elements may expire.
    Timeout,
    /// Rules may add elements. Such a set should have a size.
    Dynamic,
}

/// A named set or map with its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    name: Name,
    key: KeyType,
    data: Option<SetData>,
    flags: Vec<SetFlag>,
    timeout: Option<Duration>,
    size: Option<u32>,
    comment: Option<String>,
    elements: BTreeMap<Key, Element>,
}

impl Set {
    /// A set of keys.
    pub fn new(name: impl Into<Name>, key: impl Into<KeyType>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
            data: None,
            flags: Vec::new(),
            timeout: None,
            size: None,
            comment: None,
            elements: BTreeMap::new(),
        }
    }

    /// A map from keys to values. Tell both by expressions, or else both are told by their types.
    pub fn map(name: impl Into<Name>, key: impl Into<KeyType>, data: impl Into<KeyType>) -> Self {
        let (key, data) = match (key.into(), data.into()) {
            (key @ KeyType::Typeof(_), data @ KeyType::Typeof(_)) => (key, data),
            (key, data) => (KeyType::Types(key.types()), KeyType::Types(data.types())),
        };
        Self { data: Some(SetData::Values(data)), ..Self::new(name, key) }
    }

    /// A map from keys to verdicts.
    pub fn vmap(name: impl Into<Name>, key: impl Into<KeyType>) -> Self {
        Self { data: Some(SetData::Verdict), ..Self::new(name, key) }
    }

    /// The same set with one more flag.
    #[must_use]
    pub fn flag(mut self, flag: SetFlag) -> Self {
        if let Err(place) = self.flags.binary_search(&flag) {
            self.flags.insert(place, flag);
        }
        self
    }

    /// The same set whose elements expire after a while (whole milliseconds) unless they say otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self.flag(SetFlag::Timeout)
    }

    /// The same set with room for this many elements.
    #[must_use]
    pub fn size(mut self, size: u32) -> Self {
        self.size = Some(size);
        self
    }

    /// The same set with a comment of up to 127 bytes; a longer one is cut.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(crate::rule::cut(comment.into()));
        self
    }

    /// The same set with one more element; an element of the same key is replaced.
    #[must_use]
    pub fn element(mut self, element: Element) -> Self {
        self.insert(element);
        self
    }

    /// Puts an element in and gives back the one of the same key.
    pub fn insert(&mut self, element: Element) -> Option<Element> {
        self.elements.insert(element.key().clone(), element)
    }

    /// Takes an element out.
    pub fn remove(&mut self, key: &Key) -> Option<Element> {
        self.elements.remove(key)
    }

    pub(crate) fn clear(&mut self) {
        self.elements.clear();
    }

    /// The set without its elements.
    #[must_use]
    pub fn header(&self) -> Self {
        Self {
            name: self.name.clone(),
            key: self.key.clone(),
            data: self.data.clone(),
            flags: self.flags.clone(),
            timeout: self.timeout,
            size: self.size,
            comment: self.comment.clone(),
            elements: BTreeMap::new(),
        }
    }

    /// Whether the kernel takes the other set for this one when it is added again: types, flags and timeout are the
    /// same. Size and comment do not count, nor does how a type is told.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let data = |set: &Self| match &set.data {
            None => (false, None),
            Some(SetData::Verdict) => (true, None),
            Some(SetData::Values(key)) => (true, Some(key.types())),
        };
        self.key.types() == other.key.types()
            && data(self) == data(other)
            && self.timeout == other.timeout
            && self.flags == other.flags
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The type of keys.
    #[must_use]
    pub fn key_type(&self) -> &KeyType {
        &self.key
    }

    /// What a map maps to; none for sets.
    #[must_use]
    pub fn data_type(&self) -> Option<&SetData> {
        self.data.as_ref()
    }

    /// The flags, in order.
    #[must_use]
    pub fn flags(&self) -> &[SetFlag] {
        &self.flags
    }

    /// Whether it has a flag.
    #[must_use]
    pub fn has(&self, flag: SetFlag) -> bool {
        self.flags.contains(&flag)
    }

    /// The timeout of elements that have none of their own.
    #[must_use]
    pub fn default_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// How many elements fit.
    #[must_use]
    pub fn max_size(&self) -> Option<u32> {
        self.size
    }

    /// The comment.
    #[must_use]
    pub fn comment_text(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The elements, in the order nft prints them.
    pub fn elements(&self) -> impl ExactSizeIterator<Item = &Element> {
        self.elements.values()
    }

    /// What is there under a key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Element> {
        self.elements.get(key)
    }

    /// The element that a packet with these values meets: the one with this key, or the network or range around it.
    #[must_use]
    pub fn find(&self, parts: &[Value]) -> Option<&Element> {
        let exact = self.elements.get(&Key::new(parts.iter().cloned()));
        exact.or_else(|| match self.has(SetFlag::Interval) {
            true => self.elements.values().find(|element| {
                let key = element.key().parts();
                key.len() == parts.len() && key.iter().zip(parts).all(|(set, part)| set.contains(part))
            }),
            false => None,
        })
    }
}
