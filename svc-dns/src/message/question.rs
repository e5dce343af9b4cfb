//! The question of a query, and its name as it is looked up.

use std::fmt;

use super::{Class, Header, Name, ParseError, RecordType, u16_at};

/// The question of a query.
#[derive(Clone, Copy, Debug)]
pub struct Question<'m> {
    /// Name, type and class as they are in the message.
    raw: &'m [u8],
    kind: RecordType,
    class: Class,
}

impl<'m> Question<'m> {
    /// Reads the question behind the header. A compressed name has nothing to point at: an error.
    pub(crate) fn parse(message: &'m [u8]) -> Result<Self, ParseError> {
        let mut at = Header::LEN;
        loop {
            let length = *message.get(at).ok_or(ParseError { at, expected: "a label" })?;
            if usize::from(length) > Name::MAX_LABEL {
                return Err(ParseError { at, expected: "an uncompressed name" });
            }
            at += usize::from(length) + 1;
            if length == 0 {
                break;
            }
        }
        if at - Header::LEN > Name::MAX_LEN {
            return Err(ParseError { at: Header::LEN, expected: "a name of at most 255 bytes" });
        }
        let (kind, class) = (RecordType::new(u16_at(message, at)?), Class::new(u16_at(message, at + 2)?));
        Ok(Self { raw: &message[Header::LEN..at + 4], kind, class })
    }

    /// The name in lower case.
    #[must_use]
    pub fn name(&self) -> QuestionName {
        QuestionName::lower(self.raw_name())
    }

    /// The name as the client spells it.
    #[must_use]
    pub fn spelling(&self) -> Name {
        Name::from_wire(self.raw_name())
    }

    fn raw_name(&self) -> &'m [u8] {
        &self.raw[..self.raw.len() - 4]
    }

    /// The type asked for.
    #[must_use]
    pub const fn kind(&self) -> RecordType {
        self.kind
    }

    /// The class asked for.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The bytes as they came: to be repeated in the answer.
    #[must_use]
    pub const fn raw(&self) -> &'m [u8] {
        self.raw
    }

    /// Offset in the message of what follows.
    #[must_use]
    pub const fn end(&self) -> usize {
        Header::LEN + self.raw.len()
    }
}

/// A name in lower-case wire form, with the places of its labels, on the stack.
#[derive(Clone)]
pub struct QuestionName {
    bytes: [u8; 256],
    len: u8,
    starts: [u8; 128],
    labels: u8,
}

/// Bytes that are made lower case at once: what a vector register holds.
const STEP: usize = 32;

impl QuestionName {
    /// Takes a valid wire form.
    pub(crate) fn lower(wire: &[u8]) -> Self {
        let mut name = Self {
            bytes: [0; 256],
            len: u8::try_from(wire.len()).unwrap_or(u8::MAX),
            starts: [0; 128],
            labels: 0,
        };
        let length = usize::from(name.len);
        name.bytes[..length].copy_from_slice(&wire[..length]);
        // Length bytes are below 64 and so never look like a letter.
        for step in name.bytes.chunks_exact_mut(STEP).take(length.div_ceil(STEP)) {
            step.make_ascii_lowercase();
        }
        name.find_labels();
        name
    }

    fn find_labels(&mut self) {
        let mut at = 0_u8;
        for start in &mut self.starts {
            let length = self.bytes[usize::from(at)];
            if length == 0 {
                return;
            }
            *start = at;
            self.labels += 1;
            at = at.wrapping_add(length).wrapping_add(1);
        }
    }

    /// The wire form, the root's zero byte included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// How many labels there are, the root not counted.
    pub(crate) fn count(&self) -> usize {
        usize::from(self.labels)
    }

    /// Where this label, counted from the left, starts: its length byte. The last start is the root's.
    #[inline]
    pub(crate) fn start(&self, label: usize) -> usize {
        self.starts[..self.count()]
            .get(label)
            .map_or(usize::from(self.len.saturating_sub(1)), |&at| at.into())
    }

    /// These labels in wire form, without a root.
    #[inline]
    pub(crate) fn between(&self, first: usize, end: usize) -> &[u8] {
        &self.bytes[self.start(first)..self.start(end)]
    }

    /// How many labels stand in front of this place, which is the start of one.
    #[inline]
    pub(crate) fn labels_before(&self, at: usize) -> usize {
        let before = |start: &&u8| usize::from(**start) < at;
        self.starts[..self.count()].iter().take_while(before).count()
    }

    /// Where `domain`, in lower case, starts in this name, if this is the domain or a name in it.
    #[inline]
    pub(crate) fn suffix_of(&self, domain: &Name) -> Option<usize> {
        let wire = self.wire();
        let at = wire.len().checked_sub(domain.wire().len()).filter(|&at| wire[at..] == *domain.wire())?;
        // The same bytes may stand inside a label: only a start of a label counts.
        let starts = &self.starts[..self.count()];
        (at + 1 == wire.len() || starts.iter().any(|&start| usize::from(start) == at)).then_some(at)
    }

    /// This name and all those it is in, but for the root, and where each starts.
    pub(crate) fn suffixes(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.starts[..self.count()].iter().map(|&at| (usize::from(at), &self.wire()[usize::from(at)..]))
    }
}

impl From<&Name> for QuestionName {
    fn from(name: &Name) -> Self {
        Self::lower(name.wire())
    }
}

impl fmt::Debug for QuestionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuestionName({})", Name::from_wire(self.wire()))
    }
}
