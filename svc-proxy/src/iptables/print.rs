//! Writing into one buffer, without the machinery of `fmt`: ten thousand Services have a hundred thousand lines, and what it costs
//! to write them comes on top of what the program takes to read them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What stands in rules.
pub(super) trait Print {
    /// Writes it as `iptables-save` does.
    fn print(&self, out: &mut String);

    /// As a text of its own.
    fn printed(&self) -> String {
        let mut text = String::new();
        self.print(&mut text);
        text
    }
}

impl Print for u64 {
    fn print(&self, out: &mut String) {
        if *self >= 10 {
            (self / 10).print(out);
        }
        out.push(char::from(b"0123456789"[usize::try_from(self % 10).unwrap_or(0)]));
    }
}

impl Print for u16 {
    fn print(&self, out: &mut String) {
        u64::from(*self).print(out);
    }
}

impl Print for u8 {
    fn print(&self, out: &mut String) {
        u64::from(*self).print(out);
    }
}

/// As RFC 5952 has it.
impl Print for IpAddr {
    fn print(&self, out: &mut String) {
        match self {
            IpAddr::V4(address) => {
                let [first, rest @ ..] = address.octets();
                first.print(out);
                for octet in rest {
                    out.push('.');
                    octet.print(out);
                }
            }
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(mapped) => {
                    out.push_str("::ffff:");
                    IpAddr::V4(mapped).print(out);
                }
                None => print_ipv6(*address, out),
            },
        }
    }
}

fn print_ipv6(address: Ipv6Addr, out: &mut String) {
    let segments = address.segments();
    match longest_zeros(segments) {
        (_, 0 | 1) => list(&segments, out),
        (start, length) => {
            list(&segments[..start], out);
            out.push_str("::");
            list(&segments[start + length..], out);
        }
    }
}

fn list(segments: &[u16], out: &mut String) {
    for (at, segment) in segments.iter().enumerate() {
        if at > 0 {
            out.push(':');
        }
        hexadecimal((*segment).into(), out);
    }
}

/// Where the first of the longest rows of zeros begins, and how long it is.
fn longest_zeros(segments: [u16; 8]) -> (usize, usize) {
    let length = |start: usize| segments[start..].iter().take_while(|segment| **segment == 0).count();
    let rows = (0..segments.len()).rev().map(|start| (start, length(start)));
    rows.max_by_key(|(_, length)| *length).unwrap_or_default()
}

impl Print for SocketAddr {
    fn print(&self, out: &mut String) {
        if self.is_ipv6() {
            out.push('[');
            self.ip().print(out);
            out.push(']');
        } else {
            self.ip().print(out);
        }
        out.push(':');
        self.port().print(out);
    }
}

/// Without `0x`.
pub(super) fn hexadecimal(number: u128, out: &mut String) {
    if number >= 16 {
        hexadecimal(number >> 4, out);
    }
    out.push(char::from(b"0123456789abcdef"[usize::try_from(number & 15).unwrap_or(0)]));
}

/// So many of 2^31 with eleven digits behind the point, as `printf` rounds them.
pub(super) fn probability(share: u32, out: &mut String) {
    const SCALE: u64 = 100_000_000_000;
    let exact = u128::from(share) * u128::from(SCALE);
    let (whole, rest, half) = (exact >> 31, exact & ((1 << 31) - 1), 1_u128 << 30);
    let is_up = rest > half || rest == half && whole & 1 == 1;
    let digits = u64::try_from(whole).unwrap_or(u64::MAX) + u64::from(is_up);
    (digits / SCALE).print(out);
    out.push('.');
    // A one in front keeps zeros.
    let behind = (SCALE + digits % SCALE).printed();
    out.push_str(&behind[1..]);
}

/// A word as `xtables_save_string` writes it.
pub(super) fn quoted(word: &str, out: &mut String) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !word.is_empty() && word.bytes().all(is_plain) {
        return out.push_str(word);
    }
    out.push('"');
    let mut rest = word;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | b'\'')) {
        out.push_str(&rest[..at]);
        out.push('\\');
        out.push_str(&rest[at..=at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn addresses_are_written_as_the_standard_library_does(
            address in any::<IpAddr>(), port in any::<u16>(), segments in prop::array::uniform8(prop::sample::select(vec![0, 1, 0xffff]))
        ) {
            for ip in [address, Ipv6Addr::from(segments).into()] {
                prop_assert_eq!(ip.printed(), ip.to_string());
                let socket = SocketAddr::new(ip, port);
                prop_assert_eq!(socket.printed(), socket.to_string());
            }
        }

        #[test]
        fn shares_are_written_as_printf_does(share in 0_u32..=1 << 31, count in 1_u32..5_000) {
            for share in [share, (1 << 31) / count, share & !((1 << 20) - 1)] {
                let mut text = String::new();
                probability(share, &mut text);
                prop_assert_eq!(text, format!("{:.11}", f64::from(share) / f64::from(1_u32 << 31)));
            }
        }
    }
}
