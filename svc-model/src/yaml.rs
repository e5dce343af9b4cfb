//! Kubernetes manifests from text: YAML (JSON is YAML), many documents in one text, `List`s.
//!
//! Every document stands alone: one that cannot be read is reported and the others go on.

use serde_json::Value;

use crate::wire::Manifest;
use crate::{Kind, Object, Problem, read};

/// No manifest text larger than this is parsed.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// What a text (or several) holds: the objects of kinds this project knows, what could not be read, and which other
/// kinds were passed over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    entries: Vec<(Option<String>, Manifest)>,
    problems: Vec<Problem>,
    ignored: Vec<String>,
}

impl Manifests {
    /// The manifests, in the order of the text, not yet validated.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.entries.iter().map(|(_, manifest)| manifest)
    }

    /// With the file in which each stood, where known.
    pub fn sourced(&self) -> impl Iterator<Item = (Option<&str>, &Manifest)> {
        self.entries.iter().map(|(source, manifest)| (source.as_deref(), manifest))
    }

    /// What could not be read as an object.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Objects of kinds that do not concern the network, such as `Deployment default/web`.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Says of every entry and problem that it came from `source` (a file).
    #[must_use]
    pub fn in_source(mut self, source: &str) -> Self {
        for (place, _) in &mut self.entries {
            *place = Some(source.to_owned());
        }
        self.problems = self.problems.into_iter().map(|problem| problem.in_source(source)).collect();
        self
    }

    /// Of a source that could not be read at all.
    #[cfg(feature = "dir")]
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { problems: vec![Problem::unnamed("", "", message)], ..Self::default() }
    }

    /// Adds the entries of another text.
    pub fn extend(&mut self, other: Manifests) {
        self.entries.extend(other.entries);
        self.problems.extend(other.problems);
        self.ignored.extend(other.ignored);
    }

    /// The objects as a cluster holds them (nothing is defaulted beyond the API's own defaults, nothing allocated), and
    /// the faults of the others.
    #[must_use]
    pub fn stored(&self) -> (Vec<Object>, Vec<Problem>) {
        let mut objects = Vec::with_capacity(self.entries.len());
        let mut problems = self.problems.clone();
        for (source, manifest) in &self.entries {
            match read::object(manifest) {
                Ok(object) => objects.push(object),
                Err(found) => problems.extend(found.into_vec().into_iter().map(|problem| match source {
                    Some(source) => problem.in_source(source.clone()),
                    None => problem,
                })),
            }
        }
        (objects, problems)
    }
}

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
    let mut manifests = Manifests::default();
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("{} bytes are more than the {MAX_TEXT_BYTES} that are read", text.len());
        manifests.problems.push(Problem::unnamed("", "", message));
        return manifests;
    }
    for (line, document) in documents(text) {
        match yaml_serde::from_str::<Value>(document) {
            Ok(value) => manifests.add(value, line),
            Err(error) => {
                let error = error.to_string().replace('\n', " ");
                manifests.problems.push(Problem::unnamed(
                    format!("document at line {line}"),
                    "",
                    format!("not valid YAML: {error}"),
                ));
            }
        }
    }
    manifests
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
    let value = json(object);
    yaml_serde::to_string(&value).unwrap_or_default()
}

/// An object as Kubernetes' API writes it in JSON.
#[must_use]
pub fn json(object: &Object) -> Value {
    let kind = object.kind();
    let version = Kind::ALL.iter().find(|(known, _)| *known == kind).map_or("v1", |(_, version)| version);
    let body = match crate::write::manifest(object) {
        Manifest::EndpointSlice(wire) => serde_json::to_value(wire),
        Manifest::Ingress(wire) => serde_json::to_value(wire),
        Manifest::IngressClass(wire) => serde_json::to_value(wire),
        Manifest::Namespace(wire) => serde_json::to_value(wire),
        Manifest::Node(wire) => serde_json::to_value(wire),
        Manifest::Pod(wire) => serde_json::to_value(wire),
        Manifest::Secret(wire) => serde_json::to_value(wire),
        Manifest::Service(wire) => serde_json::to_value(wire),
    };
    let mut all = serde_json::Map::new();
    all.insert("apiVersion".to_owned(), version.into());
    all.insert("kind".to_owned(), kind.to_string().into());
    if let Ok(Value::Object(body)) = body {
        all.extend(body);
    }
    Value::Object(all)
}

/// The documents of a text, each with the number of its first line. A line that begins with `---` starts the next
/// one wherever it stands (YAML 1.2, section 9.1.2), so a fault in one document cannot hide the others.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.trim_end() == "---" || line.starts_with("--- ");
        if marker && offset > start {
            documents.push((start_line, &text[start..offset]));
            (start, start_line) = (offset, index + 1);
        }
        offset += line.len();
    }
    documents.push((start_line, &text[start..]));
    documents
}

impl Manifests {
    fn add(&mut self, value: Value, line: usize) {
        if value.is_null() {
            return;
        }
        let text =
            |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = text("/kind");
        if kind.is_empty() {
            let object = format!("document at line {line}");
            return self.problems.push(Problem::unnamed(object, "kind", "is required"));
        }
        if kind == "List" {
            let items = value.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            return items.into_iter().for_each(|item| self.add(item, line));
        }
        let version = text("/apiVersion");
        let known = Kind::ALL.iter().find(|(known, _)| known.to_string() == kind);
        let named = described(&kind, known.is_none_or(|(kind, _)| kind.is_namespaced()), &value);
        match known {
            Some((_, expected)) if version != *expected => self.wrong_version(&named, &version, expected),
            Some((kind, _)) => match manifest(*kind, value) {
                Ok(manifest) => self.entries.push((None, manifest)),
                Err((field, message)) => self.problems.push(Problem::unnamed(named, field, message)),
            },
            None => self.unknown_kind(&kind, named),
        }
    }

    /// A known kind in another group is somebody else's kind, unless only the version is off.
    fn wrong_version(&mut self, named: &str, version: &str, expected: &str) {
        let group =
            |version: &str| version.rsplit_once('/').map_or(String::new(), |(group, _)| group.to_owned());
        if group(version) == group(expected) || version.is_empty() {
            let message = format!("`{version}` is not served: write {expected}");
            self.problems.push(Problem::unnamed(named, "apiVersion", message));
        } else {
            self.ignored.push(format!("{named} ({version})"));
        }
    }

    /// A spelling mistake deserves an error; a kind that is none of ours only a mention.
    fn unknown_kind(&mut self, kind: &str, named: String) {
        let alike = Kind::ALL.iter().find(|(known, _)| is_misspelt(kind, &known.to_string()));
        match alike {
            Some((known, _)) => {
                let message = format!("`{kind}` is not a kind: write {known}");
                self.problems.push(Problem::unnamed(named, "kind", message));
            }
            None => self.ignored.push(named),
        }
    }
}

fn described(kind: &str, namespaced: bool, value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("/metadata/name").unwrap_or("(unnamed)");
    if namespaced {
        format!("{kind} {}/{name}", text("/metadata/namespace").unwrap_or("default"))
    } else {
        format!("{kind} {name}")
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

fn manifest(kind: Kind, value: Value) -> Result<Manifest, (String, String)> {
    fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<Box<T>, (String, String)> {
        serde_path_to_error::deserialize(value).map(Box::new).map_err(|error| {
            let path = error.path().to_string();
            (if path == "." { String::new() } else { path }, error.into_inner().to_string())
        })
    }
    Ok(match kind {
        Kind::EndpointSlice => Manifest::EndpointSlice(typed(value)?),
        Kind::Ingress => Manifest::Ingress(typed(value)?),
        Kind::IngressClass => Manifest::IngressClass(typed(value)?),
        Kind::Namespace => Manifest::Namespace(typed(value)?),
        Kind::Node => Manifest::Node(typed(value)?),
        Kind::Pod => Manifest::Pod(typed(value)?),
        Kind::Secret => Manifest::Secret(typed(value).map_err(without_value)?),
        Kind::Service => Manifest::Service(typed(value)?),
    })
}

/// serde's message repeats the value, which a Secret must not.
fn without_value((field, _): (String, String)) -> (String, String) {
    (field, "has the wrong type (data and stringData hold texts)".to_owned())
}
