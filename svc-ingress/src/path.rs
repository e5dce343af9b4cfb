//! Request paths: the form that rules are matched against, and the form that goes to a backend.

use std::borrow::Cow;
use std::fmt::Write as _;

#[cfg(test)]
mod tests;

/// Why a path matches nothing at all; the client is told 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The path does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// `..` leads above the root.
    #[error("`..` leads above the root")]
    AboveRoot,
    /// `%` without two hexadecimal digits.
    #[error("`%` is not followed by two hexadecimal digits")]
    Escape,
    /// A control character, escaped or not.
    #[error("the path holds a control character")]
    Control,
}

/// The path as rules see it: percent-decoded, `.` and `..` resolved, runs of `/` merged, query and fragment cut.
///
/// A path that is in this form already is not copied.
///
/// # Errors
///
/// A path that no rule may see, [`PathError`].
pub fn normalise(raw: &str) -> Result<Cow<'_, [u8]>, PathError> {
    let bytes = raw.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(PathError::NotAbsolute);
    }
    // One pass, since nearly every path is in this form.
    let (mut before, mut normal, mut end) = (0, true, bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'?' | b'#' => {
                end = at;
                break;
            }
            b'%' => normal = false,
            b'/' | b'.' if before == b'/' => normal = false,
            0..0x20 | 0x7f => return Err(PathError::Control),
            _ => {}
        }
        before = *byte;
    }
    let raw = &bytes[..end];
    if normal { Ok(Cow::Borrowed(raw)) } else { resolve(&decode(raw)?).map(Cow::Owned) }
}

fn decode(raw: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            byte => byte,
        };
        if byte.is_ascii_control() {
            return Err(PathError::Control);
        }
        decoded.push(byte);
    }
    Ok(decoded)
}

fn hex(digit: Option<u8>) -> Result<u8, PathError> {
    match digit {
        Some(d @ b'0'..=b'9') => Ok(d - b'0'),
        Some(d @ b'a'..=b'f') => Ok(d - b'a' + 10),
        Some(d @ b'A'..=b'F') => Ok(d - b'A' + 10),
        _ => Err(PathError::Escape),
    }
}

fn resolve(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut directory = false;
    for segment in path.split(|b| *b == b'/').skip(1) {
        directory = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop().ok_or(PathError::AboveRoot)?),
            name => segments.push(name),
        }
    }
    let mut resolved = Vec::with_capacity(path.len());
    for segment in &segments {
        resolved.push(b'/');
        resolved.extend_from_slice(segment);
    }
    if directory || segments.is_empty() {
        resolved.push(b'/');
    }
    Ok(resolved)
}

/// Appends a decoded path in the form of a request target; what could end the path or the line is escaped again.
pub(crate) fn emit(path: &[u8], target: &mut String) {
    for &byte in path {
        match byte {
            b' '
            | b'#'
            | b'%'
            | b'?'
            | b'"'
            | b'<'
            | b'>'
            | b'\\'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | 0..0x20
            | 0x7f.. => {
                let _ = write!(target, "%{byte:02X}");
            }
            byte => target.push(char::from(byte)),
        }
    }
}
