//! Elements on their way to the kernel, packed.

use std::fmt;

use crate::{
    Element, Set,
    wire::{attr::Attrs, element, element::Form},
};

/// The length of a list is told in 16 bits; no single element is longer than the rest.
const LIST_BYTES: usize = 60_000;

/// Elements of one set or map that a batch adds or removes, in order.
///
/// They are kept as the bytes that are sent, a quarter of what [`Element`]s take: rules for ten thousand Services are
/// never in memory as values. Whoever asks gets each as a value again.
///
/// ```
/// use svc_nft::{DataType, Element, Elements, L4Proto, Set, Value};
///
/// let set = Set::new("open", [DataType::InetProto, DataType::InetService]);
/// let mut elements = Elements::new(&set);
/// elements.push(&Element::new([L4Proto::TCP.into(), Value::Port(443)]));
/// assert_eq!(elements.get(0).unwrap().to_string(), "tcp . 443");
/// ```
#[derive(Clone, PartialEq)]
pub struct Elements {
    form: Form,
    lists: Vec<List>,
    /// After all others: what cannot be told from its bytes alone, be it intervals, be it what does not belong into such a
    /// set, which the kernel has to say.
    others: Vec<Element>,
}

/// What one message carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct List {
    bytes: Vec<u8>,
    len: usize,
}

impl Elements {
    /// No elements, of a set: its elements do not count.
    #[must_use]
    pub fn new(set: &Set) -> Self {
        Self { form: Form::of(set), lists: Vec::new(), others: Vec::new() }
    }

    /// The set, without elements.
    #[must_use]
    pub fn set(&self) -> &Set {
        self.form.set()
    }

    /// One more, after the others of its kind.
    pub fn push(&mut self, element: &Element) {
        if self.form.fits(element) {
            List::put(&mut self.lists, self.form.set(), element);
        } else {
            self.others.push(element.clone());
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lists.iter().map(List::len).sum::<usize>() + self.others.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.others.is_empty()
    }

    /// All of them, as values.
    pub fn iter(&self) -> impl Iterator<Item = Element> + '_ {
        let packed = self.lists.iter().flat_map(|list| Attrs(list.bytes()));
        packed.filter_map(|attr| self.form.element(attr.nested())).chain(self.others.iter().cloned())
    }

    /// The one with this number.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<Element> {
        self.iter().nth(number)
    }

    /// Half of them each; none where there is but one.
    pub(crate) fn halves(&self) -> Option<[Self; 2]> {
        let middle = self.len() / 2;
        let [mut first, mut second] = [Self::new(self.set()), Self::new(self.set())];
        first.extend(self.iter().take(middle));
        second.extend(self.iter().skip(middle));
        (!first.is_empty()).then_some([first, second])
    }

    pub(crate) fn lists(&self) -> &[List] {
        &self.lists
    }

    pub(crate) fn others(&self) -> &[Element] {
        &self.others
    }
}

impl Extend<Element> for Elements {
    fn extend<I: IntoIterator<Item = Element>>(&mut self, elements: I) {
        elements.into_iter().for_each(|element| self.push(&element));
    }
}

impl fmt::Debug for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements")
            .field("set", self.set().name())
            .field("elements", &self.iter().collect::<Vec<_>>())
            .finish()
    }
}

impl List {
    /// Puts an element into the last list, or into a new one where that is full.
    pub(crate) fn put(lists: &mut Vec<List>, set: &Set, element: &Element) {
        if lists.last().is_none_or(|list| list.bytes.len() > LIST_BYTES) {
            lists.push(List::default());
        }
        if let Some(list) = lists.last_mut() {
            element::write_to(&mut list.bytes, set, element);
            list.len += 1;
        }
    }

    /// How many elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
