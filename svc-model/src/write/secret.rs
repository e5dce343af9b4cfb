//! Secret and ConfigMap.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{flag, meta};
use crate::wire;
use crate::{ConfigMap, Secret};

pub(super) fn secret(secret: &Secret) -> wire::Secret {
    wire::Secret {
        metadata: meta(secret.meta()),
        secret_type: Some(secret.secret_type().to_owned()),
        data: base64(&secret.data),
        string_data: None,
        immutable: flag(secret.immutable()),
    }
}

pub(super) fn config_map(map: &ConfigMap) -> wire::ConfigMap {
    wire::ConfigMap {
        metadata: meta(map.meta()),
        data: (!map.data().is_empty()).then(|| map.data().clone()),
        binary_data: base64(map.binary_data()),
        immutable: flag(map.immutable()),
    }
}

fn base64(data: &BTreeMap<String, Vec<u8>>) -> Option<BTreeMap<String, String>> {
    let encoded = data.iter().map(|(key, bytes)| (key.clone(), STANDARD.encode(bytes)));
    (!data.is_empty()).then(|| encoded.collect())
}
