//! Certificates that will do, and those that will not.

use super::*;

fn signed() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["dns.test".to_owned()]).unwrap()
}

#[test]
fn what_is_no_certificate_or_key_is_named() {
    let (one, other) = (signed(), signed());
    let (chain, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    let error = |chain: &str, key: &str| match Tls::from_pem(chain.as_bytes(), key.as_bytes()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    assert_eq!(error(&chain, &key), "");
    assert_eq!(error("", &key), "certificate: it is no PEM with a certificate");
    assert_eq!(error(&chain, "x"), "key: it is no PEM with a private key");
    let foreign = error(&chain, &other.signing_key.serialize_pem());
    assert!(foreign.starts_with("certificate and key: "), "{foreign}");
    assert!(!foreign.contains("BEGIN"), "{foreign}");
}

#[test]
fn without_authorities_nobody_could_be_believed() {
    let error = TlsClient::builder().build().unwrap_err();
    assert_eq!(error.to_string(), "authorities: there is no PEM with a certificate of an authority");
    let name = TlsClient::builder().authorities(signed().cert.pem().as_bytes()).server_name("not a name");
    assert_eq!(name.build().unwrap_err().to_string(), "server name: \"not a name\" is none");
}
