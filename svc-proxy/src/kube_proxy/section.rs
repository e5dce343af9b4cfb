//! A mapping of the file, whose fields are taken one by one: what is left was not known.

use std::time::Duration;

use serde_json::{Map, Value};
use svc_model::Problem;

use super::{KIND, go_duration};

/// What was found wrong, and what has no effect.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

#[derive(Debug)]
pub(super) struct Section {
    path: String,
    fields: Map<String, Value>,
}

impl Section {
    pub(super) fn new(fields: Map<String, Value>) -> Self {
        Self { path: String::new(), fields }
    }

    fn path(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// What is said of a field; nothing and null are the same.
    fn take(&mut self, field: &str) -> Option<Value> {
        self.fields.remove(field).filter(|value| !value.is_null())
    }

    /// A value as its field needs it, or an error that shows what is there.
    fn read<T>(
        &mut self,
        field: &str,
        findings: &mut Findings,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(field)?;
        let wrong = |rule| self.wrong(field, format!("{} {rule}", shown(&value)), findings);
        read(&value).map_err(wrong).ok()
    }

    /// Text that is not empty, as something else.
    pub(super) fn parsed<T>(
        &mut self,
        field: &str,
        findings: &mut Findings,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let read = |value: &Value| match value.as_str() {
            Some("") => Ok(None),
            Some(text) => parse(text).map(Some),
            None => Err("is not text".to_owned()),
        };
        self.read(field, findings, read).flatten()
    }

    /// Text that is not empty.
    pub(super) fn text(&mut self, field: &str, findings: &mut Findings) -> Option<String> {
        self.parsed(field, findings, |text| Ok(text.to_owned()))
    }

    pub(super) fn flag(&mut self, field: &str, findings: &mut Findings) -> bool {
        let read = |value: &Value| value.as_bool().ok_or_else(|| "is not true or false".to_owned());
        self.read(field, findings, read).unwrap_or_default()
    }

    /// A whole number from 0 to `most`.
    pub(super) fn number(&mut self, field: &str, most: u32, findings: &mut Findings) -> Option<u32> {
        let read = |value: &Value| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| *number <= most).ok_or_else(|| format!("is not in 0-{most}"))
        };
        self.read(field, findings, read)
    }

    /// A duration as Go writes it: `1h30m`.
    pub(super) fn duration(&mut self, field: &str, findings: &mut Findings) -> Option<Duration> {
        self.parsed(field, findings, |text| {
            go_duration::parse(text).ok_or_else(|| "is not a duration such as 30s or 1h30m".to_owned())
        })
    }

    /// A list of texts, each as something else.
    pub(super) fn list<T>(
        &mut self,
        field: &str,
        findings: &mut Findings,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let read = |value: &Value| value.as_array().cloned().ok_or_else(|| "is not a list".to_owned());
        let items = self.read(field, findings, read).unwrap_or_default();
        let mut parsed = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.as_str().ok_or_else(|| "is not text".to_owned()).and_then(&parse) {
                Ok(item) => parsed.push(item),
                Err(rule) => {
                    let path = format!("{}[{index}]", self.path(field));
                    findings.errors.push(Problem::unnamed(KIND, path, format!("{} {rule}", shown(item))));
                }
            }
        }
        parsed
    }

    /// A mapping below this one; empty where there is none.
    pub(super) fn section(&mut self, field: &str, findings: &mut Findings) -> Section {
        let read = |value: &Value| value.as_object().cloned().ok_or_else(|| "is not a mapping".to_owned());
        let fields = self.read(field, findings, read).unwrap_or_default();
        Section { path: self.path(field), fields }
    }

    /// A field that kube-proxy has. Where it is more than empty, it has no effect, and that is said with the reason.
    pub(super) fn without_effect(&mut self, field: &str, why: &str, findings: &mut Findings) {
        if self.take(field).is_some_and(|value| !is_empty(&value)) {
            let message = format!("has no effect: {why}");
            findings.warnings.push(Problem::unnamed(KIND, self.path(field), message));
        }
    }

    /// An error about a field that was read.
    pub(super) fn wrong(&self, field: &str, rule: impl Into<String>, findings: &mut Findings) {
        findings.errors.push(Problem::unnamed(KIND, self.path(field), rule));
    }

    /// Names what is left.
    pub(super) fn finish(self, findings: &mut Findings) {
        for field in self.fields.keys() {
            let message = "has no effect: there is no such field in v1alpha1";
            findings.warnings.push(Problem::unnamed(KIND, cut(&self.path(field)), message));
        }
    }
}

/// As kubeadm writes what nobody has set.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || go_duration::parse(text) == Some(Duration::ZERO),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", cut(text)),
        other => format!("`{}`", cut(&other.to_string())),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
