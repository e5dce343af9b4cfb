//! One document: text to a tree of values, within limits.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use yaml_serde::{Mapping, Value};

use super::limits::{self, MAX_DEPTH, MAX_ENTRIES};

/// The documents of a text, each with the number of its first line. A line that begins with `---` starts the next
/// one wherever it stands (YAML 1.2, section 9.1.2), so a fault in one document cannot hide the others.
pub(super) fn documents(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut rest, mut line) = (text, 1);
    std::iter::from_fn(move || {
        let (document, lines) = first(rest)?;
        let start = line;
        rest = &rest[document.len()..];
        line += lines;
        Some((start, document))
    })
}

/// The text up to the second line that starts a document, or up to the end, and how many lines these are.
fn first(text: &str) -> Option<(&str, usize)> {
    if text.is_empty() {
        return None;
    }
    let (mut end, mut lines) = (0, 0);
    for line in text.split_inclusive('\n') {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if marker && end > 0 {
            break;
        }
        end += line.len();
        lines += 1;
    }
    Some((&text[..end], lines))
}

/// Parses a document that begins at `line` of its text. Merge keys (`<<`) are applied.
pub(super) fn parse(document: &str, line: usize) -> Result<Value, String> {
    if let Some(refusal) = limits::refuse(document) {
        return Err(refusal);
    }
    let mut budget = Budget { left: limits::expansion(document), exceeded: None };
    let parsed = Tree { budget: &mut budget, depth: MAX_DEPTH }
        .deserialize(yaml_serde::Deserializer::from_str(document));
    let invalid = |error: yaml_serde::Error| format!("not valid YAML: {}", located(&error, line));
    match (parsed, budget.exceeded) {
        (_, Some(exceeded)) => Err(exceeded),
        (Err(error), None) => Err(invalid(error)),
        (Ok(mut value), None) => value.apply_merge().map(|()| value).map_err(invalid),
    }
}

/// The parser counts lines from the start of the document, people from the start of the file.
fn located(error: &yaml_serde::Error, line: usize) -> String {
    let message = error.to_string().replace('\n', " ");
    let Some(location) = error.location() else { return message };
    let relative = format!("line {} column", location.line());
    message.replace(&relative, &format!("line {} column", location.line() + line - 1))
}

/// What may still be read of a document, and which limit was hit.
struct Budget {
    left: usize,
    exceeded: Option<String>,
}

impl Budget {
    fn spend<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        match self.left.checked_sub(bytes + 1) {
            Some(left) => self.left = left,
            None => return Err(self.exceed("aliases make it far larger than its text".to_owned())),
        }
        Ok(())
    }

    fn exceed<E: serde::de::Error>(&mut self, message: String) -> E {
        let error = E::custom(&message);
        self.exceeded = Some(message);
        error
    }
}

/// A value and everything below it.
struct Tree<'b> {
    budget: &'b mut Budget,
    depth: usize,
}

impl Tree<'_> {
    fn below(&mut self) -> Tree<'_> {
        Tree { budget: self.budget, depth: self.depth - 1 }
    }

    fn count<E: serde::de::Error>(&mut self, entries: usize) -> Result<(), E> {
        if entries > MAX_ENTRIES {
            return Err(self.budget.exceed(format!("a list or mapping has more than {MAX_ENTRIES} entries")));
        }
        Ok(())
    }

    fn descend<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.depth == 0 {
            return Err(self.budget.exceed(limits::too_deep()));
        }
        self.budget.spend(0)
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, list or mapping without `!tag`")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.budget.spend(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.budget.spend(0)?;
        Ok(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.budget.spend(0)?;
        Ok(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.budget.spend(0)?;
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.budget.spend(0)?;
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.budget.spend(value.len())?;
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        self.descend()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.below())? {
            values.push(value);
            self.count(values.len())?;
        }
        Ok(Value::Sequence(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        self.descend()?;
        let mut values = Mapping::new();
        while let Some(key) = map.next_key_seed(self.below())? {
            let key = key_text(key).map_err(A::Error::custom)?;
            let value = map.next_value_seed(self.below())?;
            if values.insert(Value::String(key.clone()), value).is_some() {
                return Err(A::Error::custom(format!("`{key}` is written twice")));
            }
            self.count(values.len())?;
        }
        Ok(Value::Mapping(values))
    }
}

/// Numbers and truth values become texts, as they do on their way to an API server.
fn key_text(key: Value) -> Result<String, &'static str> {
    match key {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err("a key has to be a text"),
    }
}
