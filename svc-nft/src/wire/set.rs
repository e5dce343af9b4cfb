//! Sets and maps, without their elements.

use std::time::Duration;

use super::{
    attr::{Attrs, Writer},
    typeof_,
    uapi::*,
    userdata::{self, UserData},
};
use crate::{DataType, KeyType, Set, SetData, SetFlag};

const KEYBYTEORDER: u8 = 0;
const DATABYTEORDER: u8 = 1;
const KEY_TYPEOF: u8 = 3;
const DATA_TYPEOF: u8 = 4;
const DATA_INTERVAL: u8 = 6;
const COMMENT: u8 = 7;

/// What a duration is to the kernel; one that is shorter than a millisecond counts as one.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

pub(crate) fn write(writer: &mut Writer, set: &Set, id: u32) {
    let types = set.key_type().types();
    writer.be32(NFTA_SET_FLAGS, flags(set, types.len()));
    writer.be32(NFTA_SET_KEY_TYPE, type_number(&types));
    writer.be32(NFTA_SET_KEY_LEN, padded_len(&types));
    match set.data_type() {
        None => {}
        Some(SetData::Verdict) => {
            writer.be32(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
            writer.be32(NFTA_SET_DATA_LEN, 0);
        }
        Some(SetData::Values(data)) => {
            let types = data.types();
            writer.be32(NFTA_SET_DATA_TYPE, type_number(&types));
            writer.be32(NFTA_SET_DATA_LEN, padded_len(&types));
        }
    }
    write_desc(writer, set, &types);
    writer.be32(NFTA_SET_ID, id);
    if let Some(timeout) = set.default_timeout() {
        writer.be64(NFTA_SET_TIMEOUT, milliseconds(timeout));
    }
    writer.attr(NFTA_SET_USERDATA, user_data(set, &types).as_bytes());
}

fn flags(set: &Set, parts: usize) -> u32 {
    let mut bits = if set.data_type().is_some() { NFT_SET_MAP } else { 0 };
    for flag in set.flags() {
        bits |= match flag {
            SetFlag::Constant => NFT_SET_CONSTANT,
            SetFlag::Interval => NFT_SET_INTERVAL,
            SetFlag::Timeout => NFT_SET_TIMEOUT,
            SetFlag::Dynamic => NFT_SET_EVAL,
        };
    }
    // Intervals of several parts live in another kind of set (pipapo), which wants to be told.
    if set.has(SetFlag::Interval) && parts > 1 { bits | NFT_SET_CONCAT } else { bits }
}

/// The size, and of keys with intervals the length of each part.
fn write_desc(writer: &mut Writer, set: &Set, types: &[DataType]) {
    let concat = set.has(SetFlag::Interval) && types.len() > 1;
    if set.max_size().is_none() && !concat {
        return;
    }
    writer.nested(NFTA_SET_DESC, |writer| {
        if let Some(size) = set.max_size() {
            writer.be32(NFTA_SET_DESC_SIZE, size);
        }
        if concat {
            writer.nested(NFTA_SET_DESC_CONCAT, |writer| {
                for part in types {
                    writer.nested(NFTA_LIST_ELEM, |writer| {
                        writer.be32(NFTA_SET_FIELD_LEN, u32::try_from(part.len()).unwrap_or(0));
                    });
                }
            });
        }
    });
}

fn user_data(set: &Set, types: &[DataType]) -> UserData {
    let mut data = UserData::default();
    data.number(KEYBYTEORDER, byte_order(types));
    match set.data_type() {
        None => {}
        Some(SetData::Verdict) => data.number(DATABYTEORDER, 0),
        Some(SetData::Values(key)) => data.number(DATABYTEORDER, byte_order(&key.types())),
    }
    let key = match set.key_type() {
        KeyType::Typeof(exprs) => typeof_::write(exprs),
        KeyType::Types(_) => None,
    };
    if let Some(key) = key {
        data.nested(KEY_TYPEOF, &key);
        match set.data_type() {
            Some(SetData::Verdict) => data.nested(DATA_TYPEOF, &typeof_::write_verdict()),
            Some(SetData::Values(KeyType::Typeof(exprs))) => {
                if let Some(exprs) = typeof_::write(exprs) {
                    data.nested(DATA_TYPEOF, &exprs);
                }
            }
            _ => {}
        }
    }
    if set.data_type().is_some() {
        data.number(DATA_INTERVAL, 0);
    }
    if let Some(comment) = set.comment_text() {
        data.text(COMMENT, comment);
    }
    data
}

/// As the program has it: none for concatenations, else host (1) or big endian (2).
fn byte_order(types: &[DataType]) -> u32 {
    match types {
        [DataType::Mark | DataType::Integer | DataType::IfName] => 1,
        [_] => 2,
        _ => 0,
    }
}

/// The program's number of a type; of a concatenation, six bits for each part.
fn type_number(types: &[DataType]) -> u32 {
    types.iter().fold(0, |number, part| number << 6 | one_type_number(*part))
}

fn one_type_number(data_type: DataType) -> u32 {
    match data_type {
        DataType::Integer => 4,
        DataType::Ipv4Addr => 7,
        DataType::Ipv6Addr => 8,
        DataType::InetProto => 12,
        DataType::InetService => 13,
        DataType::Mark => 19,
        DataType::IfName => 41,
    }
}

const TYPES: [DataType; 7] = [
    DataType::Integer,
    DataType::Ipv4Addr,
    DataType::Ipv6Addr,
    DataType::InetProto,
    DataType::InetService,
    DataType::Mark,
    DataType::IfName,
];

fn parse_types(mut number: u32) -> Option<Vec<DataType>> {
    let mut types = Vec::new();
    while number != 0 {
        types.push(TYPES.into_iter().find(|known| one_type_number(*known) == number & 0x3f)?);
        number >>= 6;
    }
    types.reverse();
    Some(types)
}

fn padded_len(types: &[DataType]) -> u32 {
    u32::try_from(types.iter().map(|part| part.len().next_multiple_of(4)).sum::<usize>().min(match types {
        [single] => single.len(),
        _ => usize::MAX,
    }))
    .unwrap_or(u32::MAX)
}

/// The set that a message tells of; nothing if its types are not known here.
pub(crate) fn parse(attrs: Attrs<'_>) -> Option<Set> {
    let flags = attrs.be32(NFTA_SET_FLAGS).unwrap_or(0);
    if flags & (NFT_SET_ANONYMOUS | NFT_SET_OBJECT) != 0 {
        return None;
    }
    let name = attrs.text(NFTA_SET_NAME)?;
    let user = attrs.bytes(NFTA_SET_USERDATA).unwrap_or_default();
    let key = parse_key(user, KEY_TYPEOF, attrs.be32(NFTA_SET_KEY_TYPE)?)?;
    let set = match attrs.be32(NFTA_SET_DATA_TYPE) {
        _ if flags & NFT_SET_MAP == 0 => Set::new(name, key),
        Some(NFT_DATA_VERDICT) => Set::vmap(name, key),
        Some(data) => Set::map(name, key, parse_key(user, DATA_TYPEOF, data)?),
        None => return None,
    };
    Some(parse_rest(set, attrs, flags, user))
}

fn parse_key(user: &[u8], kind: u8, types: u32) -> Option<KeyType> {
    let exprs = userdata::find(user, kind).and_then(typeof_::parse);
    match exprs {
        Some(exprs) => Some(KeyType::Typeof(exprs)),
        None => Some(KeyType::Types(parse_types(types)?)),
    }
}

fn parse_rest(mut set: Set, attrs: Attrs<'_>, bits: u32, user: &[u8]) -> Set {
    let flags = [
        (NFT_SET_CONSTANT, SetFlag::Constant),
        (NFT_SET_INTERVAL, SetFlag::Interval),
        (NFT_SET_TIMEOUT, SetFlag::Timeout),
        (NFT_SET_EVAL, SetFlag::Dynamic),
    ];
    for (_, flag) in flags.iter().filter(|(bit, _)| bits & bit != 0) {
        set = set.flag(*flag);
    }
    if let Some(size) = attrs.nested(NFTA_SET_DESC).and_then(|desc| desc.be32(NFTA_SET_DESC_SIZE)) {
        set = set.size(size);
    }
    if let Some(timeout) = attrs.be64(NFTA_SET_TIMEOUT) {
        set = set.timeout(Duration::from_millis(timeout));
    }
    match userdata::read_text(user, COMMENT) {
        Some(comment) => set.comment(comment),
        None => set,
    }
}
