//! Kubernetes manifests from text: YAML (JSON is YAML), many documents in one text, `List`s.
//!
//! Every document stands alone: one that cannot be read is reported and the others go on. What a text may ask for is
//! limited ([`limits`]): no document takes memory or time that its length does not justify.
//!
//! Anchors, aliases and merge keys (`<<`) are read; tags (`!name`) and keys that are written twice are refused.

mod contents;
mod declaration;
mod document;
pub mod limits;
mod manifests;
#[cfg(test)]
mod tests;

use yaml_serde::Value;

pub(crate) use contents::{Contents, Entry, Form};
pub(crate) use declaration::Declaration;
pub use manifests::Manifests;

use crate::{Object, Problem};
use limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENTS};

/// Reads all documents of a text. Never fails as a whole: see [`Manifests::problems`]. O(length of the text).
///
/// ```
/// let manifests = svc_model::yaml::read("
/// kind: Service
/// apiVersion: v1
/// metadata: {name: web}
/// spec: {clusterIP: 10.96.0.1, ports: [{port: eighty}]}
/// ---
/// kind: Deployment
/// apiVersion: apps/v1
/// metadata: {name: web}
/// ");
/// let problem = &manifests.problems()[0];
/// assert_eq!(problem.object(), "Service default/web");
/// assert_eq!(problem.field(), "spec.ports[0].port");
/// assert_eq!(manifests.ignored(), ["Deployment default/web"]);
/// ```
#[must_use]
pub fn read(text: &str) -> Manifests {
    Manifests(Contents::of(text))
}

/// Every document of a text as something that is not an object of a cluster, such as the configuration of a program: within
/// the same limits, each by itself. The field that is wrong is named. Empty documents are left out.
///
/// ```
/// let documents = svc_model::yaml::documents::<std::collections::BTreeMap<String, u16>>("a: 1\n---\nb: many\n");
/// assert_eq!(documents[0].as_ref().unwrap()["a"], 1);
/// assert_eq!(documents[1].as_ref().unwrap_err().field(), "b");
/// ```
#[must_use]
pub fn documents<T: serde::de::DeserializeOwned>(text: &str) -> Vec<Result<T, Problem>> {
    let object = |line: usize| format!("document at line {line}");
    if text.len() > MAX_DOCUMENT_BYTES {
        let message = format!("{} bytes are more than the {MAX_DOCUMENT_BYTES} that are read", text.len());
        return vec![Err(Problem::unnamed(object(1), "", message))];
    }
    let parsed = document::documents(text).take(MAX_DOCUMENTS).map(|(line, document)| {
        let value =
            document::parse(document, line).map_err(|error| Problem::unnamed(object(line), "", error))?;
        if value.is_null() {
            return Ok(None);
        }
        let wrong = |error: serde_path_to_error::Error<yaml_serde::Error>| {
            let field = shown(&error.path().to_string());
            Problem::unnamed(object(line), field, shown(&error.into_inner().to_string()))
        };
        serde_path_to_error::deserialize(value).map(Some).map_err(wrong)
    });
    parsed.filter_map(Result::transpose).collect()
}

/// One document of any type, within the limits: the field that is wrong, and why.
#[cfg(feature = "kube")]
pub(crate) fn typed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, (String, String)> {
    let value = document::parse(text, 1).map_err(|error| (String::new(), error))?;
    serde_path_to_error::deserialize(value)
        .map_err(|error| (error.path().to_string(), error.into_inner().to_string()))
}

/// An object as one YAML document, without a `---` line. Secrets are written with their values.
///
/// ```
/// use svc_model::yaml;
///
/// let (objects, _) = yaml::read("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").stored();
/// assert_eq!(yaml::write(&objects[0]), "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n");
/// ```
#[must_use]
pub fn write(object: &Object) -> String {
    yaml_serde::to_string(&crate::write::manifest(object)).unwrap_or_default()
}

/// An item of a list: in a `ServiceList`, as the API answers it, items need not say what they are.
fn listed(mut item: Value, kind: &str, version: &str) -> Value {
    if let Some(fields) =
        item.as_mapping_mut().filter(|fields| !kind.is_empty() && !fields.contains_key("kind"))
    {
        fields.insert("kind".into(), kind.into());
        fields.insert("apiVersion".into(), version.into());
    }
    item
}

/// The text at this path of keys; empty if there is none.
fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    let found = path.iter().try_fold(value, |value, key| value.get(*key));
    found.and_then(Value::as_str).unwrap_or_default()
}

fn described(kind: &str, namespaced: bool, value: &Value) -> String {
    let named = |key: &str, otherwise: &str| match text(value, &["metadata", key]) {
        "" => otherwise.to_owned(),
        text => shown(text),
    };
    let (kind, name) = (shown(kind), named("name", "(unnamed)"));
    if namespaced {
        format!("{kind} {}/{name}", named("namespace", "default"))
    } else {
        format!("{kind} {name}")
    }
}

/// No name of Kubernetes is longer than 253 bytes; what is, is cut where it is only mentioned.
fn shown(text: &str) -> String {
    match text.char_indices().nth(253) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Same letters in another case, or one letter off.
fn is_misspelt(written: &str, known: &str) -> bool {
    let (written, known) = (written.to_lowercase(), known.to_lowercase());
    if written == known {
        return true;
    }
    let (short, long) = if written.len() < known.len() { (&written, &known) } else { (&known, &written) };
    let prefix = short.bytes().zip(long.bytes()).take_while(|(a, b)| a == b).count();
    let suffix = short.bytes().rev().zip(long.bytes().rev()).take_while(|(a, b)| a == b).count();
    long.len() - short.len() <= 1 && long.len() > 3 && prefix + suffix + 1 >= long.len()
}
