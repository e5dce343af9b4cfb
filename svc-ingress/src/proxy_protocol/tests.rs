use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A binary header with this version and command, family, and rest.
fn header(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[version, family], &length, rest].concat()
}

fn addresses(bytes: &[u8]) -> Result<Option<(String, String)>, ProxyProtocolError> {
    let (header, length) = ProxyHeader::parse(bytes)?.expect("the header is whole");
    assert_eq!(length, bytes.len());
    Ok(header.source().zip(header.destination()).map(|(a, b)| (a.to_string(), b.to_string())))
}

#[test]
fn lines_are_read_as_the_specification_has_them() {
    let both = |a: &str, b: &str| Ok(Some((a.to_owned(), b.to_owned())));
    let rows = [
        ("PROXY TCP4 192.0.2.7 198.51.100.1 41000 443\r\n", both("192.0.2.7:41000", "198.51.100.1:443")),
        ("PROXY TCP6 2001:db8::7 ::1 1 0\r\n", both("[2001:db8::7]:1", "[::1]:0")),
        ("PROXY UNKNOWN\r\n", Ok(None)),
        ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Ok(None)),
        ("PROXY TCP4 2001:db8::7 ::1 1 2\r\n", Err(ProxyProtocolError::Line)),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 41000\r\n", Err(ProxyProtocolError::Line)),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 41000 443 x\r\n", Err(ProxyProtocolError::Line)),
        ("PROXY TCP4 192.0.2.7  198.51.100.1 41000 443\r\n", Err(ProxyProtocolError::Line)),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n", Err(ProxyProtocolError::Line)),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 +1 443\r\n", Err(ProxyProtocolError::Line)),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 01 443\r\n", Err(ProxyProtocolError::Line)),
        ("PROXY TCP4 host 198.51.100.1 1 443\r\n", Err(ProxyProtocolError::Line)),
        ("PROXY UDP4 192.0.2.7 198.51.100.1 1 443\r\n", Err(ProxyProtocolError::Line)),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1 443\nGET / HTTP/1.1\r\n", Err(ProxyProtocolError::Line)),
        ("GET / HTTP/1.1\r\n", Err(ProxyProtocolError::Missing)),
        ("proxy TCP4 192.0.2.7 198.51.100.1 1 443\r\n", Err(ProxyProtocolError::Missing)),
    ];
    for (text, expected) in rows {
        assert_eq!(addresses(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn binary_headers_are_read_as_the_specification_has_them() {
    let four = [192, 0, 2, 7, 198, 51, 100, 1, 0xa0, 0x28, 0x01, 0xbb];
    let with_extension = [&four[..], &[3, 0, 1, 0]].concat();
    let mut six = [0; 36];
    (six[0], six[15], six[31], six[33], six[35]) = (0x20, 7, 1, 9, 80);
    let to = || Ok(Some(("192.0.2.7:41000".to_owned(), "198.51.100.1:443".to_owned())));
    let rows = [
        (header(0x21, 0x11, &four), to()),
        (header(0x21, 0x11, &with_extension), to()),
        (header(0x21, 0x21, &six), Ok(Some(("[2000::7]:9".to_owned(), "[::1]:80".to_owned())))),
        (header(0x20, 0x11, &four), Ok(None)),
        (header(0x20, 0x00, &[]), Ok(None)),
        (header(0x21, 0x00, &[]), Ok(None)),
        (header(0x21, 0x31, &[0; 216]), Ok(None)),
        (header(0x21, 0x11, &four[..11]), Err(ProxyProtocolError::Binary)),
        (header(0x21, 0x21, &four), Err(ProxyProtocolError::Binary)),
        (header(0x21, 0x41, &four), Err(ProxyProtocolError::Binary)),
        (header(0x11, 0x11, &four), Err(ProxyProtocolError::Binary)),
        (header(0x22, 0x11, &four), Err(ProxyProtocolError::Binary)),
        (header(0x21, 0x11, &[0; 5000]), Err(ProxyProtocolError::Binary)),
    ];
    for (bytes, expected) in rows {
        assert_eq!(addresses(&bytes), expected, "{bytes:?}");
    }
}

#[test]
fn a_line_ends_within_107_bytes() {
    let long = format!("PROXY UNKNOWN {}", "x".repeat(100));
    assert_eq!(ProxyHeader::parse(long.as_bytes()), Err(ProxyProtocolError::Line));
    assert_eq!(ProxyHeader::parse(&long.as_bytes()[..106]), Ok(None));
}

proptest! {
    #[test]
    fn no_prefix_of_a_header_is_refused_and_nothing_panics(bytes in vec(any::<u8>(), 0..64), cut in 0..60_usize) {
        let _ = ProxyHeader::parse(&bytes);
        let _ = ProxyHeader::parse(&header(0x21, 0x11, &bytes));
        let whole = header(0x21, 0x11, &[7; 44]);
        prop_assert_eq!(ProxyHeader::parse(&whole[..cut.min(whole.len() - 1)]), Ok(None));
        let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 41000 443\r\n";
        prop_assert_eq!(ProxyHeader::parse(&line[..cut.min(line.len() - 1)]), Ok(None));
    }
}
