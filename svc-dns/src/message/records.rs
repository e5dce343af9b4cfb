//! A walk over the records of a message: where they stand, for those who patch or copy them.

use std::ops::Range;

use super::{Header, Name, ParseError, Record, RecordType, Section, reader::record, u16_at, u32_at};

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordAt {
    pub(crate) section: Section,
    pub(crate) kind: RecordType,
    pub(crate) ttl: u32,
    /// Owner, type and all the rest.
    pub(crate) whole: Range<usize>,
    /// The 32 bits of the time to live.
    pub(crate) ttl_at: usize,
    pub(crate) data: Range<usize>,
}

/// The records behind the one question that ends at `question_end`. Ends at the first that breaks the format.
pub(crate) fn records(
    message: &[u8],
    question_end: usize,
) -> impl Iterator<Item = Result<RecordAt, ParseError>> {
    let mut at = question_end;
    sections(message).map(move |section| {
        let start = at;
        Name::skip(message, &mut at)?;
        let kind = RecordType::new(u16_at(message, at)?);
        let ttl = u32_at(message, at + 4)?;
        let data = at + 10..at + 10 + usize::from(u16_at(message, at + 8)?);
        if data.end > message.len() {
            return Err(ParseError { at: data.start, expected: "the whole record" });
        }
        let ttl_at = at + 4;
        at = data.end;
        Ok(RecordAt { section, kind, ttl, whole: start..at, ttl_at, data })
    })
}

/// The same, taken out of the message, names uncompressed.
pub(crate) fn all_records(message: &[u8], question_end: usize) -> Result<Vec<(Section, Record)>, ParseError> {
    let mut at = question_end;
    sections(message).map(|section| Ok((section, record(message, &mut at)?))).collect()
}

/// The section of each record. Each takes eleven bytes or more: no count makes a walk longer than the message.
fn sections(message: &[u8]) -> impl Iterator<Item = Section> {
    let counts = Header::parse(message).map_or([0; 4], |header| header.counts);
    let most = message.len() / 11;
    [Section::Answer, Section::Authority, Section::Additional]
        .into_iter()
        .flat_map(move |section| std::iter::repeat_n(section, usize::from(counts[section as usize])))
        .take(most + 1)
}
