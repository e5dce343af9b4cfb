//! The set of fields in an entry of `managedFields`.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// FieldsV1 (meta/v1): a tree of keys such as `f:spec`, whose leaves are `{}`. Nobody here asks what it says; it is kept
/// as it came, in one piece of memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FieldsV1(
    /// Each key as a netstring, what is below it in brackets: `6:f:spec(7:f:ports())`.
    Box<str>,
);

impl<'de> Deserialize<'de> for FieldsV1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::new();
        Tree(&mut text).deserialize(deserializer)?;
        Ok(Self(text.into()))
    }
}

impl Serialize for FieldsV1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Level(&self.0).serialize(serializer)
    }
}

impl fmt::Debug for FieldsV1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Level(&self.0).fmt(f)
    }
}

/// Writes a tree to the text. What is no tree is none: bookkeeping that is out of order is no reason to refuse an object.
struct Tree<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            *self.0 += &format!("{}:{key}(", key.len());
            map.next_value_seed(Tree(self.0))?;
            self.0.push(')');
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// The keys of one level, each with the level below.
struct Level<'a>(&'a str);

impl<'a> Level<'a> {
    /// O(length of the text below).
    fn keys(&self) -> impl Iterator<Item = (&'a str, Level<'a>)> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (key, after) = netstring(rest)?;
            let below = after.strip_prefix('(')?;
            let end = end(below)?;
            rest = &below[end + 1..];
            Some((key, Level(&below[..end])))
        })
    }
}

fn netstring(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once(':')?;
    rest.split_at_checked(length.parse().ok()?)
}

/// Where the bracket closes that was open before `text`.
fn end(text: &str) -> Option<usize> {
    let (mut rest, mut depth) = (text, 0_usize);
    loop {
        match (rest.as_bytes().first()?, depth) {
            (b')', 0) => return Some(text.len() - rest.len()),
            (b')', _) => {
                depth -= 1;
                rest = &rest[1..];
            }
            _ => {
                depth += 1;
                rest = netstring(rest)?.1.strip_prefix('(')?;
            }
        }
    }
}

impl Serialize for Level<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, below) in self.keys() {
            map.serialize_entry(key, &below)?;
        }
        map.end()
    }
}

impl fmt::Debug for Level<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_comes_back_whatever_its_keys_are() {
        for text in [
            "{}",
            r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{}}"#,
            r#"{"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}"#,
            r#"{"":{"(":{},")":{},"3:(":{"é\n":{}}}}"#,
        ] {
            let fields: FieldsV1 = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&fields).unwrap(), text, "{fields:?}");
        }
    }

    #[test]
    fn what_is_no_tree_is_none() {
        for text in ["null", "7", "-7", "0.5", "true", "\"f:spec\"", r#"[{"f:spec":{}}]"#] {
            let fields: FieldsV1 = serde_json::from_str(text).unwrap();
            assert_eq!(fields, FieldsV1::default(), "{text}");
        }
        let fields: FieldsV1 = serde_json::from_str(r#"{"f:spec":null,"f:status":{}}"#).unwrap();
        assert_eq!(serde_json::to_string(&fields).unwrap(), r#"{"f:spec":{},"f:status":{}}"#);
    }
}
