//! Names in certificates as text, in the form that OpenSSL and nginx's `$ssl_client_s_dn` give them (RFC 2253).

use std::fmt::Write as _;

use super::der::element;

const OID: u8 = 0x06;
/// RFC 4519, RFC 4985, PKCS #9 and the CA/Browser Forum, by OpenSSL's short names.
const SHORT: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.20", "telephoneNumber"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
];

/// A name: its attributes, the last one first, and where those of common names begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DistinguishedName {
    text: String,
    common_names: Vec<usize>,
}

impl DistinguishedName {
    /// Reads the content of a `Name`; `None` if it is none.
    pub(super) fn parse(mut name: &[u8]) -> Option<Self> {
        let mut sets = Vec::new();
        while !name.is_empty() {
            let (_, set, rest) = element(name)?;
            sets.push(set);
            name = rest;
        }
        let mut read = Self::default();
        for set in sets.into_iter().rev() {
            read.add(set)?;
        }
        Some(read)
    }

    /// The name's text.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The text from each common name on, which begins with `CN=`.
    pub(crate) fn common_names(&self) -> impl Iterator<Item = &str> {
        self.common_names.iter().filter_map(|at| self.text.get(*at..))
    }

    fn add(&mut self, mut set: &[u8]) -> Option<()> {
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let (_, attribute, rest) = element(set)?;
            attributes.push(attribute);
            set = rest;
        }
        for (index, attribute) in attributes.into_iter().rev().enumerate() {
            if !self.text.is_empty() {
                self.text.push(if index == 0 { ',' } else { '+' });
            }
            let (_, kind, value) = element(attribute).filter(|(tag, ..)| *tag == OID)?;
            let kind = dotted(kind)?;
            match SHORT.iter().find(|(oid, _)| *oid == kind) {
                Some((_, short)) => {
                    if *short == "CN" {
                        self.common_names.push(self.text.len());
                    }
                    self.text.push_str(short);
                    self.text.push('=');
                    self.add_value(value)?;
                }
                None => {
                    self.text.push_str(&kind);
                    self.text.push('=');
                    self.add_dump(value);
                }
            }
        }
        Some(())
    }

    fn add_value(&mut self, value: &[u8]) -> Option<()> {
        let (tag, content, _) = element(value)?;
        match text(tag, content) {
            Some(text) => escape(&text?, &mut self.text),
            None => self.add_dump(value),
        }
        Some(())
    }

    /// What is no text, byte by byte.
    fn add_dump(&mut self, value: &[u8]) {
        self.text.push('#');
        value.iter().for_each(|byte| self.text.push_str(&format!("{byte:02X}")));
    }
}

/// `None` if it is no text by its tag; `Some(None)` if the text is malformed.
fn text(tag: u8, content: &[u8]) -> Option<Option<String>> {
    match tag {
        // UTF8String.
        0x0c => Some(std::str::from_utf8(content).ok().map(str::to_owned)),
        // NumericString, PrintableString, T61String, IA5String, VisibleString: a character for each byte.
        0x12 | 0x13 | 0x14 | 0x16 | 0x1a => Some(Some(content.iter().copied().map(char::from).collect())),
        // BMPString.
        0x1e => {
            let units = content.chunks_exact(2).map(|pair| u16::from(pair[0]) << 8 | u16::from(pair[1]));
            Some(
                char::decode_utf16(units)
                    .collect::<Result<_, _>>()
                    .ok()
                    .filter(|_| content.len().is_multiple_of(2)),
            )
        }
        _ => None,
    }
}

/// RFC 2253 section 2.4, with what is no printable ASCII byte by byte, as nginx asks OpenSSL for.
fn escape(text: &str, escaped: &mut String) {
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                escaped.push('\\');
                escaped.push(char::from(byte));
            }
            b'#' if at == 0 => escaped.push_str("\\#"),
            b' ' if at == 0 || at == last => escaped.push_str("\\ "),
            0x20..=0x7e => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("\\{byte:02X}")),
        }
    }
}

/// An object identifier as numbers (X.690 section 8.19).
fn dotted(oid: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut number: u64 = 0;
    for byte in oid {
        number = number.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            let first = (number / 40).min(2);
            write!(text, "{first}.{}", number - first * 40).ok()?;
        } else {
            write!(text, ".{number}").ok()?;
        }
        number = 0;
    }
    Some(text)
}
