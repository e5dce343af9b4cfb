//! Answers, written record by record until the client's limit.

use super::{Class, Edns, Header, Query, Rcode, RecordType};

/// The owner of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    /// The name at this offset of the message.
    At(usize),
    /// A name in wire form.
    Wire(&'a [u8]),
}

impl Owner<'_> {
    /// The name of the question.
    pub(crate) const QUESTION: Self = Self::At(Header::LEN);
}

/// The section a record goes to. They are filled in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer = 1,
    Authority = 2,
    Additional = 3,
}

/// A response being written over `out`.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    counts: [u16; 4],
    flags: u16,
    edns: Option<Edns>,
    limit: usize,
}

impl<'o> Writer<'o> {
    /// Starts a response: id, opcode, RD and CD of the query, its question, nothing else yet. `limit` is the whole message.
    pub(crate) fn reply(query: &Query<'_>, limit: usize, out: &'o mut Vec<u8>) -> Self {
        let header = query.header();
        let flags = Header::QR | header.flags & (Header::RD | Header::CD);
        out.clear();
        // The header is written over when all is said.
        out.extend_from_slice(query.front());
        Self { out, counts: [1, 0, 0, 0], flags, edns: query.edns(), limit }
    }

    /// A bare header: for a query whose question cannot be read.
    pub(crate) fn bare(query: Header, rcode: Rcode, out: &mut Vec<u8>) {
        // Opcode and RD are repeated.
        let flags = Header::QR | query.flags & 0x7900 | rcode.number();
        out.clear();
        Header { id: query.id, flags, counts: [0; 4] }.emit(out);
    }

    /// Takes up a response that was finished without OPT.
    pub(crate) fn resume(out: &'o mut Vec<u8>, edns: Option<Edns>, limit: usize) -> Option<Self> {
        let header = Header::parse(out).ok()?;
        Some(Self { out, counts: header.counts, flags: header.flags, edns, limit })
    }

    /// Sets flags (of [`Header`]).
    pub(crate) fn set(&mut self, flags: u16) {
        self.flags |= flags;
    }

    /// Sets exactly these flags.
    pub(crate) fn replace_flags(&mut self, flags: u16) {
        self.flags = flags;
    }

    /// Appends a record and gives the offset of its data; `None`, and nothing appended, when it does not fit.
    pub(crate) fn record(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        kind: RecordType,
        ttl: u32,
        data: impl FnOnce(&mut Vec<u8>),
    ) -> Option<usize> {
        let start = self.out.len();
        self.owner(owner);
        self.out.extend_from_slice(&kind.number().to_be_bytes());
        self.out.extend_from_slice(&Class::IN.number().to_be_bytes());
        self.out.extend_from_slice(&ttl.to_be_bytes());
        self.out.extend_from_slice(&[0, 0]);
        let at = self.out.len();
        data(self.out);
        let length = u16::try_from(self.out.len() - at).ok().filter(|_| self.out.len() <= self.room());
        let Some(length) = length else {
            self.out.truncate(start);
            return None;
        };
        self.out[at - 2..at].copy_from_slice(&length.to_be_bytes());
        self.counts[section as usize] += 1;
        Some(at)
    }

    /// Appends as many answers as fit of these whole records, all of one length, owned by the question's name; the first one is
    /// the one with this number. Gives how many.
    pub(crate) fn ready<const LENGTH: usize>(&mut self, records: &[u8], first: usize) -> usize {
        let room = self.room().saturating_sub(self.out.len()) / LENGTH;
        let count = (records.len() / LENGTH).min(room);
        let (behind, front) = records.split_at(first * LENGTH);
        let bytes = count * LENGTH;
        self.out.extend_from_slice(&front[..bytes.min(front.len())]);
        if bytes > front.len() {
            self.out.extend_from_slice(&behind[..bytes - front.len()]);
        }
        self.counts[Section::Answer as usize] += u16::try_from(count).unwrap_or(u16::MAX);
        count
    }

    /// Appends one whole record; false, and nothing appended, when it does not fit.
    pub(crate) fn whole(&mut self, section: Section, record: &[u8]) -> bool {
        let fits = self.out.len() + record.len() <= self.room();
        if fits {
            self.out.extend_from_slice(record);
            self.counts[section as usize] += 1;
        }
        fits
    }

    /// Takes all records out again.
    pub(crate) fn clear_records(&mut self, question_end: usize) {
        self.out.truncate(question_end);
        self.counts = [1, 0, 0, 0];
    }

    /// How long the message is so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// The bytes written so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.out
    }

    /// Writes the counts, the flags and, when the query had one, the OPT record.
    pub(crate) fn finish(mut self, rcode: Rcode) {
        if let Some(edns) = self.edns {
            edns.emit(rcode, self.out);
            self.counts[Section::Additional as usize] += 1;
        }
        self.pause(rcode);
    }

    /// Writes counts and flags only: to be taken up by [`Writer::resume`].
    pub(crate) fn pause(self, rcode: Rcode) -> &'o Vec<u8> {
        let flags = self.flags & !0xf | rcode.number() & 0xf;
        if let Some(front) = self.out.first_chunk_mut::<{ Header::LEN }>() {
            let id = u16::from_be_bytes([front[0], front[1]]);
            *front = Header { id, flags, counts: self.counts }.bytes();
        }
        self.out
    }

    /// The longest message allowed.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    fn room(&self) -> usize {
        self.limit - if self.edns.is_some() { Edns::LEN } else { 0 }
    }

    /// A pointer reaches the first 16 KiB only; offsets given here are those of the question and of early records.
    fn owner(&mut self, owner: Owner<'_>) {
        match owner {
            Owner::Wire(wire) => self.out.extend_from_slice(wire),
            Owner::At(offset) => push_pointer(offset, self.out),
        }
    }
}

/// Appends a compression pointer, or the name itself where a pointer cannot reach.
pub(crate) fn push_pointer(offset: usize, out: &mut Vec<u8>) {
    match u16::try_from(offset) {
        Ok(offset) if offset < 0x4000 => out.extend_from_slice(&(offset | 0xc000).to_be_bytes()),
        _ => {
            let length = super::name::suffixes(&out[offset..])
                .take_while(|rest| rest.first().is_some_and(|&length| length != 0))
                .map(|rest| usize::from(rest[0]) + 1)
                .sum::<usize>();
            out.extend_from_within(offset..=offset + length);
        }
    }
}
