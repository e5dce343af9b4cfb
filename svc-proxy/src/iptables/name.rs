//! How chains are called.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::matching::Lower;
use crate::plan::{Endpoint, ServicePortName};

/// RFC 4648, section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// iptables allows 28 characters in a name: of these, 16 are left for a hash behind a prefix.
const CHARACTERS: usize = 16;

/// `KUBE-SVC-XPGD46QRK7WJZT7O`: `kind` and a hash of `namespace/name:port` and the protocol, as kube-proxy has it.
pub(crate) fn of_port(kind: &str, port: &ServicePortName) -> String {
    of(kind, &text(port))
}

/// The chain of an endpoint.
pub(crate) fn of_endpoint(port: &ServicePortName, endpoint: Endpoint) -> String {
    of("SEP", &format!("{}{}", text(port), endpoint.address()))
}

/// `KUBE-` with a kind and the hash of a text.
pub(crate) fn of(kind: &str, text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut name = format!("KUBE-{kind}-");
    let mut bits = digest.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    for _ in 0..CHARACTERS {
        let index = bits.by_ref().take(5).fold(0, |index, bit| usize::from(bit) | index << 1);
        name.push(char::from(BASE32[index]));
    }
    name
}

fn text(port: &ServicePortName) -> String {
    let mut text = port.to_string();
    // Writing to a string never fails.
    let _ = write!(text, "{}", Lower(port.protocol()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use svc_model::{ObjectName, Protocol};

    #[test]
    fn names_are_kube_proxys() {
        let port =
            |name: &str, port: &str| ServicePortName::new(ObjectName::new("ns1", name), port, Protocol::Tcp);
        assert_eq!(of_port("SVC", &port("svc1", "p80")), "KUBE-SVC-XPGD46QRK7WJZT7O");
    }
}
