//! How chains are called.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::matching::lower;
use super::print::Print as _;
use crate::plan::{Endpoint, ServicePortName};

/// RFC 4648, section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// iptables allows 28 characters in a name: of these, 16 are left for a hash behind a prefix.
const CHARACTERS: usize = 16;
/// Prefixes are no longer than [`SET_PREFIX`].
const LONGEST: usize = 10 + CHARACTERS;

/// Sets of such names are ours.
pub(crate) const SET_PREFIX: &str = "SVC-PROXY-";

/// What names of a Service port's chains are hashes of.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// `namespace/name:port` and the protocol, as kube-proxy has it.
    text: String,
    /// How long it is without the protocol.
    name: usize,
}

impl Text {
    pub(crate) fn new(port: &ServicePortName) -> Self {
        let (service, protocol) = (port.service(), lower(port.protocol()));
        let mut text = String::with_capacity(
            service.namespace().len() + service.name().len() + port.port().len() + 2 + protocol.len(),
        );
        text.extend([service.namespace(), "/", service.name()]);
        if !port.port().is_empty() {
            text.extend([":", port.port()]);
        }
        let name = text.len();
        text += protocol;
        Self { text, name }
    }

    /// The port's name, as it displays.
    pub(crate) fn port_name(&self) -> &str {
        &self.text[..self.name]
    }

    /// `KUBE-SVC-XPGD46QRK7WJZT7O`: `kind` and a hash.
    pub(crate) fn chain(&self, kind: &str) -> Arc<str> {
        of(kind, &self.text)
    }

    /// The chain of an endpoint.
    pub(crate) fn endpoint_chain(&self, endpoint: Endpoint) -> Arc<str> {
        of("SEP", &self.with(endpoint))
    }

    /// The set of an endpoint's clients, of whom so many are remembered: one for more of them is another set. ip_set allows
    /// 31 characters in a name.
    pub(crate) fn set(&self, endpoint: Endpoint, clients: u32) -> Arc<str> {
        let mut text = self.with(endpoint);
        text.push(' ');
        u64::from(clients).print(&mut text);
        hashed(&[SET_PREFIX], &text)
    }

    fn with(&self, endpoint: Endpoint) -> String {
        let mut text = self.text.clone();
        endpoint.address().print(&mut text);
        text
    }
}

/// `KUBE-` with a kind and the hash of a text.
pub(crate) fn of(kind: &str, text: &str) -> Arc<str> {
    hashed(&["KUBE-", kind, "-"], text)
}

/// A prefix and the hash of a text.
fn hashed(prefix: &[&str], text: &str) -> Arc<str> {
    let digest = Sha256::digest(text.as_bytes());
    let mut name = String::with_capacity(LONGEST);
    name.extend(prefix.iter().copied());
    let bits =
        digest.iter().take(CHARACTERS * 5 / 8).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let index = |at: usize| usize::try_from(bits >> (5 * (CHARACTERS - 1 - at)) & 31).unwrap_or(0);
    name.extend((0..CHARACTERS).map(|at| char::from(BASE32[index(at)])));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use svc_model::{ObjectName, Protocol};

    #[test]
    fn names_are_kube_proxys() {
        let port =
            |name: &str, port: &str| ServicePortName::new(ObjectName::new("ns1", name), port, Protocol::Tcp);
        assert_eq!(&*Text::new(&port("svc1", "p80")).chain("SVC"), "KUBE-SVC-XPGD46QRK7WJZT7O");
        for port in [port("svc1", "p80"), port("svc1", "")] {
            assert_eq!(Text::new(&port).port_name(), port.to_string());
        }
    }
}
