//! Secret and ConfigMap.

use std::collections::BTreeMap;

use super::name;
use crate::problem::Findings;
use crate::wire;

/// What an object of either kind may hold.
const MAX_BYTES: usize = 1 << 20;

type Data = Option<BTreeMap<String, String>>;

/// What makes a Secret of this type usable; the values themselves are for those who use them.
pub(super) fn secret(wire: &wire::Secret, findings: &mut Findings<'_>) {
    let kind = wire.secret_type.as_deref().unwrap_or_default();
    let written =
        |key: &str| [&wire.data, &wire.string_data].into_iter().flatten().any(|map| map.contains_key(key));
    let required: &[&str] = match kind {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        _ => &[],
    };
    for key in required.iter().filter(|key| !written(key)) {
        findings.report(format!("data.{key}"), format!("is required for type {kind}"));
    }
    let anonymous = kind == "kubernetes.io/basic-auth" && !written("username") && !written("password");
    findings.require(!anonymous, "data", || format!("username or password is required for type {kind}"));
    contents("data", [&wire.data, &wire.string_data], findings);
}

pub(super) fn config_map(wire: &wire::ConfigMap, findings: &mut Findings<'_>) {
    contents("data", [&wire.data, &wire.binary_data], findings);
}

/// base64 is a third longer than what it stands for; the exact size does not matter here.
fn contents(field: &str, maps: [&Data; 2], findings: &mut Findings<'_>) {
    let all = maps.into_iter().flatten().flatten();
    for (key, _) in all.clone() {
        findings.parsed(&format!("{field}.{key}"), name::secret_key(key));
    }
    let size: usize = all.map(|(_, value)| value.len()).sum();
    findings.require(size <= MAX_BYTES / 3 * 4, field, || {
        format!("{size} bytes as text are more than the 1 MiB that an object may hold")
    });
}
