//! A JSON object read as Go reads one: keys in any case, `null` as missing, unknown keys ignored.

use serde_json::{Map, Value};

use super::{NetConfError, bad};

pub(super) struct Object {
    path: &'static str,
    map: Map<String, Value>,
}

impl Object {
    pub(super) fn new(path: &'static str, map: Map<String, Value>) -> Self {
        Object { path, map }
    }

    /// The value of a key; an exact match goes before one in another case.
    fn find(&self, key: &str) -> Option<&Value> {
        let mut any_case = self.map.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        let found = self.map.get(key).or_else(|| any_case.next().map(|(_, value)| value));
        found.filter(|value| !value.is_null())
    }

    /// An object; empty where it is missing.
    pub(super) fn object(&self, key: &'static str) -> Result<Object, NetConfError> {
        match self.find(key) {
            None => Ok(Object::new(key, Map::new())),
            Some(Value::Object(map)) => Ok(Object::new(key, map.clone())),
            Some(other) => Err(bad(self.name(key), format!("{other} is not an object"))),
        }
    }

    /// A string; an empty one counts as missing.
    pub(super) fn string(&self, key: &'static str) -> Result<Option<&str>, NetConfError> {
        match self.find(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(other) => Err(bad(self.name(key), format!("{other} is not a string"))),
        }
    }

    pub(super) fn parsed<T: std::str::FromStr>(
        &self,
        key: &'static str,
        example: &str,
    ) -> Result<Option<T>, NetConfError> {
        let Some(text) = self.string(key)? else { return Ok(None) };
        let problem = |_| bad(self.name(key), format!("{text:?} is not of the form {example}"));
        text.parse().map(Some).map_err(problem)
    }

    /// A whole number of at most `max`.
    pub(super) fn limited(&self, key: &'static str, max: u64) -> Result<Option<u64>, NetConfError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if number > max => {
                Err(bad(self.name(key), format!("{number} is greater than {max}")))
            }
            Some(number) => Ok(Some(number)),
            None => Err(bad(self.name(key), format!("{value} is not a whole number"))),
        }
    }

    pub(super) fn boolean(&self, key: &'static str) -> Result<Option<bool>, NetConfError> {
        match self.find(key) {
            None => Ok(None),
            Some(Value::Bool(on)) => Ok(Some(*on)),
            Some(other) => Err(bad(self.name(key), format!("{other} is neither true nor false"))),
        }
    }

    /// The key with its object, as errors name it.
    fn name(&self, key: &'static str) -> &'static str {
        match (self.path, key) {
            ("Backend", "Type") => "Backend.Type",
            ("Backend", "VNI") => "Backend.VNI",
            ("Backend", "Port") => "Backend.Port",
            ("Backend", "MTU") => "Backend.MTU",
            ("Backend", "GBP") => "Backend.GBP",
            ("Backend", "Learning") => "Backend.Learning",
            ("Backend", "DirectRouting") => "Backend.DirectRouting",
            _ => key,
        }
    }
}
