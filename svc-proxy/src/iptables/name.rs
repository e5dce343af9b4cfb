//! How chains are called.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::matching::Lower;
use crate::plan::{Endpoint, ServicePortName};

/// RFC 4648, section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// iptables allows 28 characters in a name: of these, 16 are left for a hash behind a prefix.
const CHARACTERS: usize = 16;

/// Sets of such names are ours.
pub(crate) const SET_PREFIX: &str = "SVC-PROXY-";

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
    hashed(&["KUBE-", kind, "-"], text)
}

/// The set of an endpoint's clients, of whom so many are remembered: one for more of them is another set. ip_set allows 31
/// characters in a name.
pub(crate) fn of_set(port: &ServicePortName, endpoint: Endpoint, clients: u32) -> String {
    hashed(&[SET_PREFIX], &format!("{}{} {clients}", text(port), endpoint.address()))
}

/// A prefix and the hash of a text.
fn hashed(prefix: &[&str], text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut name = String::with_capacity(prefix.iter().map(|part| part.len()).sum::<usize>() + CHARACTERS);
    name.extend(prefix.iter().copied());
    let bits =
        digest.iter().take(CHARACTERS * 5 / 8).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let index = |at: usize| usize::try_from(bits >> (5 * (CHARACTERS - 1 - at)) & 31).unwrap_or(0);
    name.extend((0..CHARACTERS).map(|at| char::from(BASE32[index(at)])));
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
