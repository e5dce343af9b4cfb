//! Netlink messages: header, nfnetlink header, attributes.

use super::{
    attr::{Attrs, Writer},
    uapi::{NFNL_SUBSYS_NFTABLES, NLM_F_REQUEST},
};
use crate::Family;

/// Length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;
/// Where the flags stand in it.
pub(crate) const FLAGS_AT: usize = 6;
/// Length of `struct nfgenmsg`.
const GENMSG: usize = 4;

/// One nf_tables message; `kind` is an `NFT_MSG_*`.
pub(crate) fn write(
    writer: &mut Writer,
    kind: u16,
    flags: u16,
    sequence: u32,
    family: Option<Family>,
    attributes: impl FnOnce(&mut Writer),
) {
    write_as(writer, NFNL_SUBSYS_NFTABLES << 8 | kind, flags, sequence, family, attributes);
}

/// One message of any subsystem, which stands in the upper byte of `kind`.
pub(crate) fn write_as(
    writer: &mut Writer,
    kind: u16,
    flags: u16,
    sequence: u32,
    family: Option<Family>,
    attributes: impl FnOnce(&mut Writer),
) {
    let genmsg = [family.map_or(0, Family::number), 0, 0, 0];
    write_raw(writer, kind, flags, sequence, genmsg, attributes);
}

/// A message that begins or ends a batch.
pub(crate) fn write_batch(
    writer: &mut Writer,
    kind: u16,
    sequence: u32,
    attributes: impl FnOnce(&mut Writer),
) {
    let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
    write_raw(writer, kind, 0, sequence, [0, 0, high, low], attributes);
}

fn write_raw(
    writer: &mut Writer,
    kind: u16,
    flags: u16,
    sequence: u32,
    genmsg: [u8; GENMSG],
    attributes: impl FnOnce(&mut Writer),
) {
    let start = writer.len();
    writer.raw(&[0; 4]);
    writer.raw(&kind.to_ne_bytes());
    writer.raw(&(NLM_F_REQUEST | flags).to_ne_bytes());
    writer.raw(&sequence.to_ne_bytes());
    writer.raw(&[0; 4]);
    writer.raw(&genmsg);
    attributes(writer);
    let len = writer.len() - start;
    set_len(writer, start, len);
}

/// Tells how long the message is that begins here.
pub(crate) fn set_len(writer: &mut Writer, start: usize, len: usize) {
    writer.patch_u32(start, u32::try_from(len).unwrap_or(u32::MAX));
}

/// One message that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u16,
    #[cfg(feature = "netlink")]
    pub(crate) flags: u16,
    #[cfg(feature = "netlink")]
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Received<'a> {
    /// The `NFT_MSG_*`, if this is an nf_tables message.
    pub(crate) fn nft_kind(&self) -> Option<u16> {
        (self.kind >> 8 == NFNL_SUBSYS_NFTABLES).then_some(self.kind & 0xff)
    }

    pub(crate) fn family(&self) -> Option<Family> {
        let number = *self.payload.first()?;
        Family::ALL.into_iter().find(|family| family.number() == number)
    }

    /// Which table this tells of.
    #[cfg(feature = "netlink")]
    pub(crate) fn table(&self) -> Option<crate::TableId> {
        let is_table = self.nft_kind() == Some(super::uapi::NFT_MSG_NEWTABLE);
        let name = self.attrs().text(super::uapi::NFTA_TABLE_NAME).filter(|_| is_table)?;
        Some(crate::TableId::new(self.family()?, name))
    }

    pub(crate) fn attrs(&self) -> Attrs<'a> {
        Attrs(self.payload.get(GENMSG..).unwrap_or_default())
    }
}

/// Splits what one receive gave into messages; ends at the first malformed one.
pub(crate) fn split(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let (head, _) = bytes.split_first_chunk::<HEADER>()?;
        let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = usize::try_from(word(0)).ok()?;
        let payload = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        let kind = u16::from_ne_bytes([head[4], head[5]]);
        Some(Received {
            kind,
            #[cfg(feature = "netlink")]
            flags: u16::from_ne_bytes([head[FLAGS_AT], head[FLAGS_AT + 1]]),
            #[cfg(feature = "netlink")]
            sequence: word(8),
            payload,
        })
    })
}
