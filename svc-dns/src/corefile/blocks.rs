//! What the keys of a server block say: scheme, zone, port.

use super::{Block, Problems, plan::Scheme, words::zones};
use crate::message::Name;

/// Of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) scheme: Scheme,
    pub(super) zones: Vec<Name>,
    pub(super) port: u16,
}

pub(super) fn keys(block: &Block, problems: &mut Problems) -> Vec<Key> {
    let mut keys = Vec::new();
    for key in &block.keys {
        match parse(key) {
            Ok(key) => keys.push(key),
            Err(problem) => problems.error(&block.place, format!("zone {key:?}: {problem}")),
        }
    }
    keys
}

fn parse(key: &str) -> Result<Key, String> {
    let (scheme, rest) = match key.split_once("://") {
        None => (Scheme::Dns, key),
        Some(("dns", rest)) => (Scheme::Dns, rest),
        Some(("tls", rest)) => (Scheme::Tls, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some((other, _)) => return Err(format!("{other} is not spoken here; dns, tls and https are")),
    };
    let (zone, port) = match rest.rsplit_once(':') {
        // `2001:db8::/32` has colons of its own.
        Some((zone, port)) if !port.contains('/') && !port.is_empty() => {
            (zone, port.parse().map_err(|_| format!("{port:?} is no port"))?)
        }
        _ => (rest, scheme.port()),
    };
    let zone = if zone.is_empty() { "." } else { zone };
    Ok(Key { scheme, zones: zones(zone)?, port })
}
