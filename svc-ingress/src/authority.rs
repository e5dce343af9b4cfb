//! The `Host` header and `:authority`: one host name, perhaps a port (RFC 9110 section 7.2).

use std::fmt;

#[cfg(test)]
mod tests;

/// A host as a client names it: looked up in lower case and without the final dot, passed on as it was written.
#[derive(Clone, Debug)]
pub struct Authority {
    written: String,
    /// The host, where it was not written so.
    lower: Option<String>,
    host_length: usize,
    port: Option<u16>,
}

impl Authority {
    /// Reads a `Host` value; `None` for anything but `uri-host [":" port]`.
    ///
    /// User information, an empty name and a name with characters outside RFC 3986's registered names are refused: two
    /// programs that read such a value differently would serve different hosts.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = split_port(text)?;
        let host = host.strip_suffix('.').unwrap_or(host);
        let valid = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_name(host),
        };
        valid.then(|| Self {
            written: text.to_owned(),
            lower: host.bytes().any(|byte| byte.is_ascii_uppercase()).then(|| host.to_ascii_lowercase()),
            host_length: host.len(),
            port,
        })
    }

    /// The host in lower case, without a final dot.
    #[must_use]
    pub fn host(&self) -> &str {
        self.lower.as_deref().unwrap_or(&self.written[..self.host_length])
    }

    /// Host and port as the client wrote them: nginx passes them on so.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The port, if one was named.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// The same host and port, however they are written.
impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        (self.host(), self.port) == (other.host(), other.port)
    }
}

impl Eq for Authority {}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let bytes = text.as_bytes();
    let after_address = match bytes.first() {
        Some(b'[') => bytes.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1),
        _ => 0,
    };
    let Some(colon) = bytes[after_address..].iter().position(|byte| *byte == b':') else {
        return Some((text, None));
    };
    let (host, port) = text.split_at(after_address + colon);
    match port.get(1..)? {
        "" => Some((host, None)),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        _ => None,
    }
}

/// RFC 3986's unreserved characters.
const NAME_BYTES: [bool; 256] = {
    let (mut bytes, mut at) = ([false; 256], 0_u8);
    while at < 128 {
        bytes[at as usize] = at.is_ascii_alphanumeric() || matches!(at, b'-' | b'.' | b'_' | b'~');
        at += 1;
    }
    bytes
};

fn is_name(host: &str) -> bool {
    let mut before = b'.';
    for byte in host.bytes() {
        if !NAME_BYTES[usize::from(byte)] || (byte == b'.' && before == b'.') {
            return false;
        }
        before = byte;
    }
    // Neither is there one at its end: the only one that may be is cut.
    before != b'.' && host.len() <= 255
}
