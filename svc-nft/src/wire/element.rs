//! Elements of sets and maps.

use std::time::Duration;

use super::{
    attr::{Attr, Attrs, Writer},
    program,
    set::milliseconds,
    uapi::*,
    userdata,
};
use crate::{Data, DataType, Element, Key, L4Proto, Set, SetData, SetFlag, Value, value::Bytes};

/// Appends an element to a list.
pub(crate) fn write_to(list: &mut Vec<u8>, set: &Set, element: &Element) {
    let mut writer = Writer::onto(std::mem::take(list));
    write(&mut writer, set, element);
    *list = writer.into_bytes();
}

/// Writes an element; one of an interval set of one part becomes two, its first value and the one after its last.
pub(crate) fn write(writer: &mut Writer, set: &Set, element: &Element) {
    let parts = element.key().parts();
    let interval = set.has(SetFlag::Interval);
    match parts {
        [single] if interval => {
            let (first, last) = single.bounds();
            write_one(writer, &first, None, 0, Some(element));
            if let Some(end) = successor(last) {
                write_one(writer, &end, None, NFT_SET_ELEM_INTERVAL_END, None);
            }
        }
        several if interval => {
            let (first, last) = bounds(several);
            write_one(writer, &first, Some(&last), 0, Some(element));
        }
        plain => {
            let start = writer.open(NFTA_LIST_ELEM);
            program::values(writer, NFTA_SET_ELEM_KEY, plain);
            write_rest(writer, element);
            writer.close(start);
        }
    }
}

/// How many elements begin in so much of a list, the last of which may be cut.
#[cfg(feature = "netlink")]
pub(crate) fn count(mut list: &[u8]) -> usize {
    let mut count = 0;
    while let Some((head, _)) = list.split_first_chunk::<2>() {
        let len = usize::from(u16::from_ne_bytes(*head)).next_multiple_of(4).max(4);
        let attrs = Attrs(list.get(4..len).unwrap_or_default());
        let ends =
            attrs.be32(NFTA_SET_ELEM_FLAGS).is_some_and(|flags| flags & NFT_SET_ELEM_INTERVAL_END != 0);
        count += usize::from(!ends);
        list = list.get(len..).unwrap_or_default();
    }
    count
}

/// First and last key, each part padded to four bytes.
fn bounds(parts: &[Value]) -> (Vec<u8>, Vec<u8>) {
    let (mut first, mut last) = (Vec::with_capacity(20), Vec::with_capacity(20));
    for part in parts {
        let (low, high) = part.bounds();
        push_padded(&mut first, &low);
        push_padded(&mut last, &high);
    }
    (first, last)
}

fn push_padded(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(part);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The value after this one, unless it is the greatest.
fn successor(bytes: Bytes) -> Option<Vec<u8>> {
    let mut next = bytes.to_vec();
    for byte in next.iter_mut().rev() {
        let (sum, overflow) = byte.overflowing_add(1);
        *byte = sum;
        if !overflow {
            return Some(next);
        }
    }
    None
}

fn predecessor(bytes: &[u8]) -> Vec<u8> {
    let mut previous = bytes.to_vec();
    for byte in previous.iter_mut().rev() {
        let (difference, underflow) = byte.overflowing_sub(1);
        *byte = difference;
        if !underflow {
            break;
        }
    }
    previous
}

fn write_one(writer: &mut Writer, key: &[u8], end: Option<&[u8]>, flags: u32, element: Option<&Element>) {
    let start = writer.open(NFTA_LIST_ELEM);
    if flags != 0 {
        writer.be32(NFTA_SET_ELEM_FLAGS, flags);
    }
    program::data(writer, NFTA_SET_ELEM_KEY, key);
    if let Some(end) = end {
        program::data(writer, NFTA_SET_ELEM_KEY_END, end);
    }
    if let Some(element) = element {
        write_rest(writer, element);
    }
    writer.close(start);
}

fn write_rest(writer: &mut Writer, element: &Element) {
    match element.data() {
        None => {}
        Some(Data::Verdict(verdict)) => program::verdict(writer, NFTA_SET_ELEM_DATA, verdict),
        Some(Data::Values(values)) => program::values(writer, NFTA_SET_ELEM_DATA, values),
    }
    if let Some(timeout) = element.timeout_after() {
        writer.be64(NFTA_SET_ELEM_TIMEOUT, milliseconds(timeout));
    }
    if let Some(comment) = element.comment_text() {
        writer.attr(NFTA_SET_ELEM_USERDATA, &userdata::comment(comment));
    }
}

/// What elements of one set look like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form {
    /// Without elements.
    set: Set,
    key: Vec<DataType>,
    /// Of a map to values.
    data: Vec<DataType>,
}

impl Form {
    pub(crate) fn of(set: &Set) -> Self {
        let data = match set.data_type() {
            Some(SetData::Values(data)) => data.types(),
            _ => Vec::new(),
        };
        Self { set: set.header(), key: set.key_type().types(), data }
    }

    pub(crate) fn set(&self) -> &Set {
        &self.set
    }

    /// Whether an element can be told from its bytes.
    pub(crate) fn fits(&self, element: &Element) -> bool {
        let data = match (element.data(), self.set.data_type()) {
            (None, _) => true,
            (Some(Data::Verdict(verdict)), Some(SetData::Verdict)) => {
                verdict.chain().is_none_or(|chain| !chain.contains('\0'))
            }
            (Some(Data::Values(values)), Some(SetData::Values(_))) => are_plain(values, &self.data),
            _ => false,
        };
        let comment = element.comment_text().is_none_or(|comment| !comment.contains('\0'));
        data && comment
            && are_plain(element.key().parts(), &self.key)
            && !element.has_times()
            && !self.set.has(SetFlag::Interval)
    }

    /// An element without an end of its own.
    pub(crate) fn element(&self, attrs: Attrs<'_>) -> Option<Element> {
        let key = attrs.nested(NFTA_SET_ELEM_KEY)?.bytes(NFTA_DATA_VALUE)?;
        let end = attrs.nested(NFTA_SET_ELEM_KEY_END).and_then(|end| end.bytes(NFTA_DATA_VALUE));
        Some(self.rest(Element::new(self.key(key, end)?), attrs))
    }

    fn key(&self, first: &[u8], last: Option<&[u8]>) -> Option<Key> {
        let first = split(&self.key, first)?;
        let last = match last {
            Some(last) => split(&self.key, last)?,
            None => first.clone(),
        };
        let parts = self.key.iter().zip(first.iter().zip(last));
        Some(Key::new(
            parts.map(|(kind, (first, last))| value(*kind, first, last)).collect::<Option<Vec<_>>>()?,
        ))
    }

    fn rest(&self, mut element: Element, attrs: Attrs<'_>) -> Element {
        let data = attrs.nested(NFTA_SET_ELEM_DATA).and_then(|data| self.data(data));
        if let Some(data) = data {
            element = Element::mapping(element.key().clone(), data);
        }
        if let Some(timeout) = attrs.be64(NFTA_SET_ELEM_TIMEOUT) {
            let timeout = Duration::from_millis(timeout);
            if self.set.default_timeout() != Some(timeout) {
                element = element.timeout(timeout);
            }
        }
        if let Some(expires) = attrs.be64(NFTA_SET_ELEM_EXPIRATION) {
            element = element.with_expires(Duration::from_millis(expires));
        }
        match attrs.bytes(NFTA_SET_ELEM_USERDATA).and_then(userdata::read_comment) {
            Some(comment) => element.comment(comment),
            None => element,
        }
    }

    fn data(&self, data: Attrs<'_>) -> Option<Data> {
        match self.set.data_type()? {
            SetData::Verdict => program::parse_verdict(data).map(Data::Verdict),
            SetData::Values(_) => {
                values(&self.data, data.bytes(NFTA_DATA_VALUE)?).map(|values| Data::Values(values.into()))
            }
        }
    }
}

/// Constants of just these types, each a single value that its bytes tell.
fn are_plain(values: &[Value], types: &[DataType]) -> bool {
    let plain = |(value, kind): (&Value, &DataType)| {
        let ranges = matches!(
            value,
            Value::IfName(_)
                | Value::IfPrefix(_)
                | Value::Ipv4Net(_)
                | Value::Ipv6Net(_)
                | Value::PortRange(..)
                | Value::Ipv4Range(..)
                | Value::Ipv6Range(_)
        );
        !ranges && value.data_type() == *kind
    };
    values.len() == types.len() && values.iter().zip(types).all(plain)
}

/// Reads lists of elements of one set, which may come in several messages.
#[derive(Debug)]
pub(crate) struct Reader {
    form: Form,
    elements: Vec<Element>,
    ends: Vec<Vec<u8>>,
}

impl Reader {
    pub(crate) fn new(set: &Set) -> Self {
        Self { form: Form::of(set), elements: Vec::new(), ends: Vec::new() }
    }

    /// Takes in the elements of one message.
    pub(crate) fn read(&mut self, list: Attrs<'_>) {
        for attr in list.nested(NFTA_SET_ELEM_LIST_ELEMENTS).into_iter().flatten() {
            self.read_one(attr);
        }
    }

    fn read_one(&mut self, attr: Attr<'_>) {
        let attrs = attr.nested();
        let flags = attrs.be32(NFTA_SET_ELEM_FLAGS).unwrap_or(0);
        let Some(key) = attrs.nested(NFTA_SET_ELEM_KEY).and_then(|key| key.bytes(NFTA_DATA_VALUE)) else {
            return;
        };
        if flags & NFT_SET_ELEM_INTERVAL_END != 0 {
            self.ends.push(key.to_vec());
            return;
        }
        if flags & NFT_SET_ELEM_CATCHALL != 0 {
            return;
        }
        self.elements.extend(self.form.element(attrs));
    }

    /// The elements that were read. Interval sets of one part come as first values and ends: each first value goes
    /// with the least end above it.
    pub(crate) fn finish(self) -> Vec<Element> {
        let Self { form, mut ends, elements } = self;
        let ([kind], true) = (&form.key[..], form.set.has(SetFlag::Interval)) else { return elements };
        ends.sort_unstable();
        let close = |element: Element| {
            let [first] = element.key().parts() else { return element };
            let first = first.bytes();
            let end = ends.get(ends.partition_point(|end| end[..] <= first[..]));
            let last = end.map_or_else(|| vec![0xff; first.len()], |end| predecessor(end));
            match value(*kind, &first, &last) {
                Some(value) => element.with_key(Key::from(value)),
                None => element,
            }
        };
        elements.into_iter().map(close).collect()
    }
}

/// Constants of these types from bytes.
pub(crate) fn values(types: &[DataType], bytes: &[u8]) -> Option<Vec<Value>> {
    let parts = split(types, bytes)?;
    types.iter().zip(parts).map(|(kind, part)| value(*kind, part, part)).collect()
}

/// Cuts bytes into parts of these types; each is padded to four bytes, but a single one need not be.
fn split<'a>(types: &[DataType], mut bytes: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let mut parts = Vec::with_capacity(types.len());
    for part in types {
        parts.push(bytes.get(..part.len())?);
        bytes = bytes.get(part.len().next_multiple_of(4)..).unwrap_or_default();
    }
    Some(parts)
}

/// The value, network or range from `first` to `last`.
pub(crate) fn value(kind: DataType, first: &[u8], last: &[u8]) -> Option<Value> {
    if first != last {
        return range(kind, first, last);
    }
    Some(match kind {
        DataType::Ipv4Addr => Value::Ipv4(<[u8; 4]>::try_from(first).ok()?.into()),
        DataType::Ipv6Addr => Value::Ipv6(<[u8; 16]>::try_from(first).ok()?.into()),
        DataType::InetProto => Value::Proto(L4Proto::new(*first.first()?)),
        DataType::InetService => Value::Port(u16::from_be_bytes(first.try_into().ok()?)),
        DataType::Mark => Value::Mark(u32::from_ne_bytes(first.try_into().ok()?)),
        DataType::Integer => Value::Integer(u32::from_ne_bytes(first.try_into().ok()?)),
        DataType::IfName => {
            let name = first.split(|byte| *byte == 0).next()?;
            Value::IfName(std::str::from_utf8(name).ok()?.into())
        }
    })
}

fn range(kind: DataType, first: &[u8], last: &[u8]) -> Option<Value> {
    let (low, high) = (value(kind, first, first)?, value(kind, last, last)?);
    match (low, high) {
        (Value::Ipv4(low), Value::Ipv4(high)) => Some(Value::ipv4_range(low, high)),
        (Value::Ipv6(low), Value::Ipv6(high)) => Some(Value::ipv6_range(low, high)),
        (Value::Port(low), Value::Port(high)) => Some(Value::PortRange(low, high)),
        _ => None,
    }
}
