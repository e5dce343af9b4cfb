//! Reading bytes from the front, never past the end.

/// A layer that was cut short: which, where in the frame, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{layer} cut short at byte {offset}: {wanted} bytes wanted, {present} there")]
pub struct Malformed {
    layer: &'static str,
    offset: usize,
    wanted: usize,
    present: usize,
}

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn array<const N: usize>(&mut self, layer: &'static str) -> Result<[u8; N], Malformed> {
        let cut = Malformed { layer, offset: self.offset, wanted: N, present: self.rest.len() };
        let (head, rest) = self.rest.split_first_chunk().ok_or(cut)?;
        self.rest = rest;
        self.offset += N;
        Ok(*head)
    }

    pub(super) fn skip(&mut self, wanted: usize, layer: &'static str) -> Result<(), Malformed> {
        let cut = Malformed { layer, offset: self.offset, wanted, present: self.rest.len() };
        self.rest = self.rest.get(wanted..).ok_or(cut)?;
        self.offset += wanted;
        Ok(())
    }

    /// Forgets what is behind the layer's own length: the padding of a short frame.
    pub(super) fn truncate(&mut self, wanted: usize, layer: &'static str) -> Result<(), Malformed> {
        let cut = Malformed { layer, offset: self.offset, wanted, present: self.rest.len() };
        self.rest = self.rest.get(..wanted).ok_or(cut)?;
        Ok(())
    }

    pub(super) fn u8(&mut self, layer: &'static str) -> Result<u8, Malformed> {
        self.array(layer).map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self, layer: &'static str) -> Result<u16, Malformed> {
        self.array(layer).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, layer: &'static str) -> Result<u32, Malformed> {
        self.array(layer).map(u32::from_be_bytes)
    }
}
