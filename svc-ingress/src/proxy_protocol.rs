//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`): what a load balancer says of the client before the
//! client's own bytes.
//!
//! ```
//! use svc_ingress::proxy_protocol::ProxyHeader;
//!
//! let bytes = b"PROXY TCP4 192.0.2.7 198.51.100.1 41000 443\r\nGET / HTTP/1.1\r\n";
//! let (header, length) = ProxyHeader::parse(bytes)?.expect("the header is whole");
//! assert_eq!(header.source(), Some("192.0.2.7:41000".parse().unwrap()));
//! assert_eq!(header.destination().unwrap().port(), 443);
//! assert!(bytes[length..].starts_with(b"GET /"));
//! # Ok::<(), svc_ingress::proxy_protocol::ProxyProtocolError>(())
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(test)]
mod tests;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const VERSION_1: &[u8] = b"PROXY ";
/// The longest line of version 1, CR LF included (section 2.1).
const MAX_LINE: usize = 107;
/// The fixed part of version 2.
const FIXED: usize = 16;
// Addresses take 216 bytes at most; the rest are extensions, of which load balancers send some hundred bytes.
const MAX_LENGTH: usize = 4096;

/// Bytes that are no such header: the connection cannot be trusted, and has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyProtocolError {
    /// Neither version's first bytes.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// The header of version 1 is malformed or too long.
    #[error("the PROXY protocol line is malformed")]
    Line,
    /// The header of version 2 is malformed or too long.
    #[error("the binary PROXY protocol header is malformed")]
    Binary,
}

/// Where the client's connection came from and went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    addresses: Option<(SocketAddr, SocketAddr)>,
}

impl ProxyHeader {
    /// The client; `None` if the load balancer speaks for itself or does not know (`LOCAL`, `UNKNOWN`).
    #[must_use]
    pub fn source(&self) -> Option<SocketAddr> {
        self.addresses.map(|(source, _)| source)
    }

    /// What the client connected to.
    #[must_use]
    pub fn destination(&self) -> Option<SocketAddr> {
        self.addresses.map(|(_, destination)| destination)
    }

    /// Reads a header and its length from the first bytes of a connection; `None` until it is whole.
    ///
    /// # Errors
    ///
    /// The bytes are no header.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProxyProtocolError> {
        if begins(bytes, SIGNATURE) {
            binary(bytes)
        } else if begins(bytes, VERSION_1) {
            line(bytes)
        } else {
            Err(ProxyProtocolError::Missing)
        }
    }
}

/// As far as both go, they agree.
fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(byte, expected)| byte == expected)
}

fn line(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyProtocolError> {
    let within = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_LINE { Ok(None) } else { Err(ProxyProtocolError::Line) };
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| ProxyProtocolError::Line)?;
    let addresses = parse_line(text).ok_or(ProxyProtocolError::Line)?;
    Ok(Some((ProxyHeader { addresses }, end + 2)))
}

/// The addresses of a line without its end; outer `None` for a line that is none.
fn parse_line(text: &str) -> Option<Option<(SocketAddr, SocketAddr)>> {
    let mut words = text.strip_prefix("PROXY ")?.split(' ');
    let four = match words.next()? {
        // What follows `UNKNOWN` is to be passed over.
        "UNKNOWN" => return Some(None),
        "TCP4" => true,
        "TCP6" => false,
        _ => return None,
    };
    let mut address = || words.next()?.parse::<IpAddr>().ok().filter(|address| address.is_ipv4() == four);
    let (source, destination) = (address()?, address()?);
    let mut port = || {
        let word = words.next()?;
        let plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
        word.parse::<u16>().ok().filter(|_| plain)
    };
    let (from, to) = (port()?, port()?);
    let addresses = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
    words.next().is_none().then_some(Some(addresses))
}

fn binary(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyProtocolError> {
    let Some(&[version, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if version >> 4 != 2 || version & 0xf > 1 || length > MAX_LENGTH {
        return Err(ProxyProtocolError::Binary);
    }
    let Some(rest) = bytes.get(FIXED..FIXED + length) else { return Ok(None) };
    let local = version & 0xf == 0;
    let addresses = match family {
        _ if local => None,
        0x11 | 0x12 => Some(pair::<4>(rest, |octets| Ipv4Addr::from(octets).into())?),
        0x21 | 0x22 => Some(pair::<16>(rest, |octets| Ipv6Addr::from(octets).into())?),
        // Unspecified and Unix sockets: the connection's own addresses are the best there are.
        0x00 | 0x31 | 0x32 => None,
        _ => return Err(ProxyProtocolError::Binary),
    };
    Ok(Some((ProxyHeader { addresses }, FIXED + length)))
}

/// Two addresses, then two ports.
fn pair<const N: usize>(
    bytes: &[u8],
    address: impl Fn([u8; N]) -> IpAddr,
) -> Result<(SocketAddr, SocketAddr), ProxyProtocolError> {
    let (source, rest) = bytes.split_first_chunk::<N>().ok_or(ProxyProtocolError::Binary)?;
    let (destination, rest) = rest.split_first_chunk::<N>().ok_or(ProxyProtocolError::Binary)?;
    let (ports, _) = rest.split_first_chunk::<4>().ok_or(ProxyProtocolError::Binary)?;
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    Ok((SocketAddr::new(address(*source), port(0)), SocketAddr::new(address(*destination), port(2))))
}
