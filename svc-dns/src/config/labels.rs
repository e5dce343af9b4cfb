//! Label selectors in the text form of `kubectl --selector` and of CoreDNS's `labels`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::error::ConfigError;

/// What labels an object must have: `app=web,tier in (front, back),!canary`.
///
/// ```
/// use svc_dns::LabelExpression;
///
/// let wanted: LabelExpression = "tier in (front, back),!canary".parse()?;
/// assert!(wanted.matches(&[("tier".to_owned(), "back".to_owned())].into()));
/// assert!(!wanted.matches(&[("canary".to_owned(), "yes".to_owned())].into()));
/// # Ok::<(), svc_dns::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelExpression(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    /// Also without the label.
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl LabelExpression {
    /// Whether all that is wanted holds for these labels.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.operator {
                Operator::In(values) => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::Missing => value.is_none(),
            }
        })
    }
}

impl FromStr for LabelExpression {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::Labels { text: text.to_owned() };
        let all: Option<Vec<_>> = split(text).map(|part| requirement(part.trim())).collect();
        all.map(Self).ok_or_else(wrong)
    }
}

impl TryFrom<&str> for LabelExpression {
    type Error = ConfigError;

    fn try_from(text: &str) -> Result<Self, ConfigError> {
        text.parse()
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |character| {
        inside = character == '(' || inside && character != ')';
        character == ',' && !inside
    })
}

fn requirement(text: &str) -> Option<Requirement> {
    let one = |value: &str| vec![value.trim().to_owned()];
    let (key, operator) = if let Some((key, value)) = text.split_once("!=") {
        (key, Operator::NotIn(one(value)))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Operator::In(one(value)))
    } else if let Some((key, values)) = text.split_once(" notin ") {
        (key, Operator::NotIn(list(values)?))
    } else if let Some((key, values)) = text.split_once(" in ") {
        (key, Operator::In(list(values)?))
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Operator::Missing)
    } else {
        (text, Operator::Exists)
    };
    let key = key.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    (!key.is_empty() && key.bytes().all(plain)).then(|| Requirement { key: key.to_owned(), operator })
}

fn list(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
}

impl fmt::Display for LabelExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Requirement { key, operator }) in self.0.iter().enumerate() {
            f.write_str(if number > 0 { "," } else { "" })?;
            match operator {
                Operator::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Operator::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Operator::Exists => f.write_str(key)?,
                Operator::Missing => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}
