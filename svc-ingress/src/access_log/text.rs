//! Values as text, without the machinery of `fmt`: a line costs a request a third of what it would with that, or less.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A number in decimal digits.
pub(super) fn number(mut value: u64, line: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = digit(value % 10);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[at..]);
}

/// A number below 100 in two digits.
pub(super) fn two(value: i64, line: &mut Vec<u8>) {
    let value = u64::try_from(value).unwrap_or_default();
    line.extend_from_slice(&[digit(value / 10 % 10), digit(value % 10)]);
}

/// A number below 1000 in three digits.
pub(super) fn three(value: u32, line: &mut Vec<u8>) {
    let value = u64::from(value);
    line.extend_from_slice(&[digit(value / 100 % 10), digit(value / 10 % 10), digit(value % 10)]);
}

/// Seconds and thousandths.
pub(super) fn seconds(time: Duration, line: &mut Vec<u8>) {
    number(time.as_secs(), line);
    line.push(b'.');
    three(time.subsec_millis(), line);
}

/// An address as `Display` writes it.
pub(super) fn address(address: IpAddr, line: &mut Vec<u8>) {
    let IpAddr::V4(address) = address else {
        // Writing to memory does not fail.
        let _ = write!(line, "{address}");
        return;
    };
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            line.push(b'.');
        }
        number(octet.into(), line);
    }
}

/// An address with its port, as `Display` writes it.
pub(super) fn endpoint(endpoint: SocketAddr, line: &mut Vec<u8>) {
    if endpoint.is_ipv4() {
        address(endpoint.ip(), line);
        line.push(b':');
        number(endpoint.port().into(), line);
    } else {
        let _ = write!(line, "{endpoint}");
    }
}

/// Text in which some bytes are written in another way: what lies between them is copied as a whole.
pub(super) fn escaped(
    text: &[u8],
    is_plain: impl Fn(u8) -> bool,
    escape: impl Fn(u8, &mut Vec<u8>),
    line: &mut Vec<u8>,
) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| !is_plain(*byte)) {
        line.extend_from_slice(&rest[..at]);
        escape(rest[at], line);
        rest = &rest[at + 1..];
    }
    line.extend_from_slice(rest);
}

/// A byte in two hexadecimal digits, in capitals.
pub(super) fn hexadecimal(byte: u8, line: &mut Vec<u8>) {
    let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble & 15)];
    line.extend_from_slice(&[digit(byte >> 4), digit(byte)]);
}

fn digit(value: u64) -> u8 {
    b"0123456789"[usize::try_from(value).unwrap_or_default() % 10]
}
