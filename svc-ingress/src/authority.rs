//! The `Host` header and `:authority`: one host name, perhaps a port (RFC 9110 section 7.2).

use std::fmt;

#[cfg(test)]
mod tests;

/// A host as clients name it: lower case, without the final dot, the port beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    host: String,
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
        valid.then(|| Self { host: host.to_ascii_lowercase(), port })
    }

    /// The host in lower case, without a final dot.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one was named.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let after_address = text.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = text.get(after_address..)?.find(':') else { return Some((text, None)) };
    let (host, port) = text.split_at(after_address + colon);
    match port.get(1..)? {
        "" => Some((host, None)),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        _ => None,
    }
}

fn is_name(host: &str) -> bool {
    let byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    !host.is_empty()
        && host.len() <= 255
        && !host.starts_with('.')
        && !host.contains("..")
        && host.bytes().all(byte)
}
