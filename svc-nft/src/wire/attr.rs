//! Netlink attributes: length, type, payload padded to four bytes; payloads may be attributes again.

const NLA_F_NESTED: u16 = 0x8000;
const NLA_TYPE_MASK: u16 = 0x3fff;
const HEADER: usize = 4;

/// Appends messages and attributes to bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Goes on after bytes that are there, whole attributes all of them.
    pub(crate) fn onto(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes over four bytes that are there.
    pub(crate) fn patch_u32(&mut self, at: usize, value: u32) {
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_ne_bytes());
        }
    }

    /// Sets more bits of two bytes that are there.
    pub(crate) fn or_u16(&mut self, at: usize, bits: u16) {
        if let Some(place) = self.bytes.get_mut(at..at + 2) {
            let flags = u16::from_ne_bytes([place[0], place[1]]);
            place.copy_from_slice(&(flags | bits).to_ne_bytes());
        }
    }

    fn patch_u16(&mut self, at: usize, value: u16) {
        if let Some(place) = self.bytes.get_mut(at..at + 2) {
            place.copy_from_slice(&value.to_ne_bytes());
        }
    }

    /// One attribute. Callers keep payloads far below the 65 531 bytes that its length field can tell.
    pub(crate) fn attr(&mut self, kind: u16, payload: &[u8]) {
        self.raw(&length(HEADER + payload.len()).to_ne_bytes());
        self.raw(&kind.to_ne_bytes());
        self.raw(payload);
        self.pad();
    }

    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_be_bytes());
    }

    pub(crate) fn be64(&mut self, kind: u16, value: u64) {
        self.attr(kind, &value.to_be_bytes());
    }

    /// Text with its final NUL.
    pub(crate) fn text(&mut self, kind: u16, text: &str) {
        self.raw(&length(HEADER + text.len() + 1).to_ne_bytes());
        self.raw(&kind.to_ne_bytes());
        self.raw(text.as_bytes());
        self.raw(&[0]);
        self.pad();
    }

    /// One attribute of several parts, each padded.
    pub(crate) fn padded(
        &mut self,
        kind: u16,
        parts: impl IntoIterator<Item: std::ops::Deref<Target = [u8]>>,
    ) {
        let start = self.len();
        self.raw(&[0; 2]);
        self.raw(&kind.to_ne_bytes());
        for part in parts {
            self.raw(&part);
            self.pad();
        }
        self.close(start);
    }

    /// The head of an attribute of attributes whose payload stands elsewhere.
    pub(crate) fn head(&mut self, kind: u16, payload: usize) {
        self.raw(&length(HEADER + payload).to_ne_bytes());
        self.raw(&(kind | NLA_F_NESTED).to_ne_bytes());
    }

    /// An attribute of what `inside` writes.
    pub(crate) fn nested(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        let start = self.open(kind);
        inside(self);
        self.close(start);
    }

    /// Begins an attribute of attributes; `close` ends it.
    pub(crate) fn open(&mut self, kind: u16) -> usize {
        let start = self.len();
        self.raw(&[0; 2]);
        self.raw(&(kind | NLA_F_NESTED).to_ne_bytes());
        start
    }

    pub(crate) fn close(&mut self, start: usize) {
        self.patch_u16(start, length(self.len() - start));
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn length(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// One attribute that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attr<'a> {
    pub(crate) kind: u16,
    pub(crate) payload: &'a [u8],
}

impl<'a> Attr<'a> {
    pub(crate) fn be32(self) -> Option<u32> {
        Some(u32::from_be_bytes(self.payload.try_into().ok()?))
    }

    pub(crate) fn be64(self) -> Option<u64> {
        Some(u64::from_be_bytes(self.payload.try_into().ok()?))
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        let text = self.payload.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(text).ok()
    }

    pub(crate) fn nested(self) -> Attrs<'a> {
        Attrs(self.payload)
    }
}

/// The attributes of a message or of an attribute; ends at the first malformed one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attrs<'a>(pub(crate) &'a [u8]);

impl<'a> Attrs<'a> {
    /// The first attribute of this kind.
    pub(crate) fn find(self, kind: u16) -> Option<Attr<'a>> {
        Iterator::find(&mut { self }, |attr| attr.kind == kind)
    }

    pub(crate) fn be32(self, kind: u16) -> Option<u32> {
        self.find(kind)?.be32()
    }

    pub(crate) fn be64(self, kind: u16) -> Option<u64> {
        self.find(kind)?.be64()
    }

    pub(crate) fn text(self, kind: u16) -> Option<&'a str> {
        self.find(kind)?.text()
    }

    pub(crate) fn nested(self, kind: u16) -> Option<Attrs<'a>> {
        Some(self.find(kind)?.nested())
    }

    pub(crate) fn bytes(self, kind: u16) -> Option<&'a [u8]> {
        Some(self.find(kind)?.payload)
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Attr<'a>;

    fn next(&mut self) -> Option<Attr<'a>> {
        let (head, rest) = self.0.split_first_chunk::<HEADER>()?;
        let len = usize::from(u16::from_ne_bytes([head[0], head[1]])).checked_sub(HEADER)?;
        let kind = u16::from_ne_bytes([head[2], head[3]]) & NLA_TYPE_MASK;
        let payload = rest.get(..len)?;
        self.0 = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Attr { kind, payload })
    }
}
