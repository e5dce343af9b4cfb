//! The name that a client asks for at the beginning of TLS (RFC 8446 section 4.1.2, RFC 6066 section 3), read without taking
//! part in the handshake.
//!
//! ```
//! use svc_ingress::client_hello::{ClientHelloError, server_name};
//!
//! assert_eq!(server_name(b"\x16\x03\x01"), Ok(None), "there is more to come");
//! assert_eq!(server_name(b"GET / HTTP/1.1\r\n"), Err(ClientHelloError::NotTls));
//! ```

#[cfg(test)]
mod tests;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
const RECORD_HEADER: usize = 5;
const MAX_FRAGMENT: usize = 1 << 14;
/// A message with the keys of several post-quantum exchanges takes some thousand bytes.
const MAX_MESSAGE: usize = 1 << 14;
/// Of the message in records, which clients may make as small as they like.
const MAX_RECORDS: usize = 64;

/// Bytes that begin no handshake that could be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientHelloError {
    /// No record of a handshake.
    #[error("the connection does not begin with a handshake of TLS")]
    NotTls,
    /// The message contradicts itself.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// The message, or the number of its records, is larger than any client's.
    #[error("the ClientHello is too large")]
    TooLarge,
}

/// What a client asks for, once its message is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    name: Option<String>,
}

impl Asked {
    /// The name in lower case without a final dot; `None` if there is none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// Reads a connection's first bytes; `None` as long as more are needed. The message may be spread over records in any way, and
/// bytes may follow it.
///
/// # Errors
///
/// They are no beginning of TLS, or not one that any client makes.
pub fn server_name(bytes: &[u8]) -> Result<Option<Asked>, ClientHelloError> {
    let Some(message) = message(bytes)? else { return Ok(None) };
    let name = read(&message).ok_or(ClientHelloError::Malformed)?;
    Ok(Some(Asked { name: name.map(|name| name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase()) }))
}

/// The content of the message, out of its records.
fn message(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, ClientHelloError> {
    let mut message = Vec::new();
    for _ in 0..MAX_RECORDS {
        match bytes {
            [kind, ..] if *kind != HANDSHAKE => return Err(ClientHelloError::NotTls),
            [_, major, ..] if *major != 3 => return Err(ClientHelloError::NotTls),
            _ => {}
        }
        let Some((header, rest)) = bytes.split_at_checked(RECORD_HEADER) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || length > MAX_FRAGMENT {
            return Err(ClientHelloError::Malformed);
        }
        let (fragment, rest) = rest.split_at(length.min(rest.len()));
        message.extend_from_slice(fragment);
        if let [kind, ..] = message[..]
            && kind != CLIENT_HELLO
        {
            return Err(ClientHelloError::Malformed);
        }
        if let Some((header, content)) = message.split_at_checked(4) {
            let wanted = usize::from(header[1]) << 16 | usize::from(header[2]) << 8 | usize::from(header[3]);
            if wanted > MAX_MESSAGE {
                return Err(ClientHelloError::TooLarge);
            }
            if let Some(content) = content.get(..wanted) {
                return Ok(Some(content.to_vec()));
            }
        }
        if fragment.len() < length {
            return Ok(None);
        }
        bytes = rest;
    }
    Err(ClientHelloError::TooLarge)
}

/// The name in a message; the outer `None` if the message is malformed.
fn read(message: &[u8]) -> Option<Option<String>> {
    let rest = message.get(2 + 32..)?;
    let (_session, rest) = prefixed_by_byte(rest)?;
    let (_suites, rest) = prefixed(rest)?;
    let (_compression, rest) = prefixed_by_byte(rest)?;
    // TLS 1.2 knows messages without extensions.
    if rest.is_empty() {
        return Some(None);
    }
    let (mut extensions, rest) = prefixed(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let mut name = None;
    while !extensions.is_empty() {
        let (kind, content) = extensions.split_at_checked(2)?;
        let (content, rest) = prefixed(content)?;
        if u16::from_be_bytes([kind[0], kind[1]]) == SERVER_NAME {
            // Two of a kind, of which one reader might take the first and another the last.
            if name.is_some() {
                return None;
            }
            name = Some(host_name(content)?);
        }
        extensions = rest;
    }
    Some(name)
}

fn host_name(list: &[u8]) -> Option<String> {
    let (entry, rest) = prefixed(list)?;
    let (&kind, entry) = entry.split_first()?;
    let (name, more) = prefixed(entry)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let whole = rest.is_empty() && more.is_empty() && kind == HOST_NAME && !name.is_empty();
    (whole && name.iter().all(plain)).then(|| String::from_utf8_lossy(name).into_owned())
}

/// Content that one byte gives the length of, and what follows.
fn prefixed_by_byte(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(length))
}

/// Content that two bytes give the length of, and what follows.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes([length[0], length[1]])))
}
