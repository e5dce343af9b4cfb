//! Secret and ConfigMap.

use std::collections::BTreeMap;

use crate::problem::Findings;
use crate::wire;
use crate::{ConfigMap, Meta, Secret};

pub(super) fn secret(wire: &wire::Secret, meta: Meta, findings: &mut Findings<'_>) -> Secret {
    let mut data = bytes("data", "stringData", &wire.data, findings);
    for (key, text) in wire.string_data.iter().flatten() {
        data.insert(key.clone(), text.clone().into_bytes());
    }
    let secret_type = super::said(wire.secret_type.as_ref()).unwrap_or_else(|| "Opaque".to_owned());
    Secret { meta, secret_type, data, immutable: wire.immutable.unwrap_or(false) }
}

pub(super) fn config_map(wire: &wire::ConfigMap, meta: Meta, findings: &mut Findings<'_>) -> ConfigMap {
    let data = wire.data.clone().unwrap_or_default();
    let binary_data = bytes("binaryData", "data", &wire.binary_data, findings);
    for key in binary_data.keys().filter(|key| data.contains_key(*key)) {
        findings.report(format!("binaryData.{key}"), "is a key of data too");
    }
    ConfigMap { meta, data, binary_data, immutable: wire.immutable.unwrap_or(false) }
}

fn bytes(
    field: &str,
    text_field: &str,
    wire: &Option<BTreeMap<String, String>>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, Vec<u8>> {
    let decode = |(key, text): (&String, &String)| {
        // The value itself is never repeated: it may be a key that someone forgot to encode.
        let decoded =
            decode_base64(text).ok_or(format!("is not base64 (plain text goes under {text_field})"));
        Some((key.clone(), findings.parsed(&format!("{field}.{key}"), decoded)?))
    };
    wire.iter().flatten().filter_map(decode).collect()
}

/// Standard base64 (RFC 4648 section 4), line breaks allowed as YAML block scalars bring them.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let packed: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(packed).ok()
}
