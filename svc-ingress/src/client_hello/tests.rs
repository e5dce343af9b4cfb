use std::io::Cursor;

use proptest::prelude::*;
use rustls::server::Acceptor;

use super::*;

/// What a client of rustls says first.
fn hello(name: &str) -> Vec<u8> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same message in records of so many bytes.
fn in_records(bytes: &[u8], size: usize) -> Vec<u8> {
    let record = |fragment: &[u8]| {
        let length = u16::try_from(fragment.len()).unwrap().to_be_bytes();
        [&[22, 3, 1][..], &length, fragment].concat()
    };
    bytes[RECORD_HEADER..].chunks(size).flat_map(record).collect()
}

/// The name as rustls reads it; `None` if it takes no such message.
fn rustlss(bytes: &[u8]) -> Option<Option<String>> {
    let mut acceptor = Acceptor::default();
    let mut bytes = Cursor::new(bytes);
    loop {
        match acceptor.accept() {
            Ok(Some(accepted)) => return Some(accepted.client_hello().server_name().map(str::to_owned)),
            Ok(None) if acceptor.read_tls(&mut bytes).ok()? > 0 => {}
            _ => return None,
        }
    }
}

#[test]
fn the_name_is_found_however_the_message_is_cut() {
    for name in ["foo.example", "a.b.c.foo.example", "192.0.2.1"] {
        let whole = hello(name);
        let expected = (!name.starts_with("192")).then(|| name.to_owned());
        for size in [whole.len(), 100, 61, 50] {
            let bytes = in_records(&whole, size);
            assert_eq!(rustlss(&bytes), Some(expected.clone()));
            for cut in 0..bytes.len() {
                assert_eq!(server_name(&bytes[..cut]), Ok(None), "{name} {size} {cut}");
            }
            let asked = server_name(&[&bytes[..], b"more"].concat()).unwrap().unwrap();
            assert_eq!(asked.name().map(str::to_owned), expected);
        }
    }
}

#[test]
fn what_is_no_handshake_or_too_large_is_refused() {
    let whole = hello("foo.example");
    let rows: &[(&[u8], ClientHelloError)] = &[
        (b"GET / HTTP/1.1\r\n", ClientHelloError::NotTls),
        (b"\x16\x02\x00", ClientHelloError::NotTls),
        (b"\x16\x03\x01\x00\x00", ClientHelloError::Malformed),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", ClientHelloError::Malformed),
        (b"\x16\x03\x01\x00\x04\x01\x00\x40\x01", ClientHelloError::TooLarge),
        (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", ClientHelloError::Malformed),
        (&in_records(&whole, 2), ClientHelloError::TooLarge),
    ];
    for (bytes, error) in rows {
        assert_eq!(server_name(bytes), Err(*error), "{bytes:?}");
    }
}

proptest! {
    /// Where rustls would take the message too, both find the same name: nobody is sent elsewhere than by the handshake.
    #[test]
    fn rustls_reads_the_same_name(at in 0usize..4096, byte: u8, size in 20usize..400) {
        let mut whole = hello("foo.example");
        let at = at % whole.len();
        whole[at] = byte;
        let bytes = in_records(&whole, size);
        if let (Ok(Some(asked)), Some(theirs)) = (server_name(&bytes), rustlss(&bytes)) {
            let theirs = theirs.map(|name| name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase());
            prop_assert_eq!(asked.name().map(str::to_owned), theirs);
        }
    }
}
