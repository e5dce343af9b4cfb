//! As much JSON as a kube-dns ConfigMap has: objects, lists and texts.

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Lists in lists.
const DEEPEST: usize = 4;

impl Json {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let value = value(&mut rest, 0)?;
        rest.is_empty().then_some(value)
    }

    /// The texts of a list of texts.
    pub(super) fn strings(self) -> Option<Vec<String>> {
        let Self::List(list) = self else { return None };
        list.into_iter().map(|item| if let Self::Text(text) = item { Some(text) } else { None }).collect()
    }
}

/// Takes one value and the white space behind it off the front.
fn value(rest: &mut &str, depth: usize) -> Option<Json> {
    if depth > DEEPEST {
        return None;
    }
    match rest.chars().next()? {
        '"' => text(rest).map(Json::Text),
        '[' => items(rest, ']', |rest| value(rest, depth + 1)).map(Json::List),
        '{' => items(rest, '}', |rest| {
            let key = text(rest)?;
            skip(rest, ':')?;
            Some((key, value(rest, depth + 1)?))
        })
        .map(Json::Object),
        _ => None,
    }
}

fn items<T>(rest: &mut &str, close: char, item: impl Fn(&mut &str) -> Option<T>) -> Option<Vec<T>> {
    *rest = rest[1..].trim_start();
    let mut all = Vec::new();
    if skip(rest, close).is_some() {
        return Some(all);
    }
    loop {
        all.push(item(rest)?);
        if skip(rest, close).is_some() {
            return Some(all);
        }
        skip(rest, ',')?;
    }
}

fn skip(rest: &mut &str, c: char) -> Option<()> {
    *rest = rest.strip_prefix(c)?.trim_start();
    Some(())
}

/// Names and addresses need no escapes.
fn text(rest: &mut &str) -> Option<String> {
    let (text, behind) = rest.strip_prefix('"')?.split_once('"')?;
    *rest = behind.trim_start();
    (!text.contains('\\')).then(|| text.to_owned())
}
