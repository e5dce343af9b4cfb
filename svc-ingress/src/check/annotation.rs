//! One annotation of an Ingress, and what becomes of it.

use svc_model::Problem;

use crate::annotation::{
    PREFIX, SNIPPETS, Support, annotation_field, directives, instead, instead_of_directive, protects, support,
};

/// Prefixes of annotations that other Ingress controllers read. F5's is often taken for ours.
const OTHERS: [&str; 7] = [
    "alb.ingress.kubernetes.io/",
    "haproxy.org/",
    "haproxy-ingress.github.io/",
    "konghq.com/",
    "nginx.com/",
    "nginx.org/",
    "traefik.ingress.kubernetes.io/",
];

/// What becomes of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// It does what it does under ingress-nginx.
    Honoured,
    /// It is accepted, and there is nothing for it to change.
    NoEffect,
    /// Its value is not obeyed as written.
    Wrong,
    /// It is not supported yet.
    Unsupported,
    /// It is never obeyed: its value would be configuration text.
    Refused,
    /// Nobody knows an annotation of this name.
    Unknown,
    /// Another Ingress controller's: ingress-nginx does not read it either.
    Foreign,
}

/// What to write instead of an annotation, or of a directive in a snippet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instead {
    /// The annotation or the directive.
    pub of: String,
    /// What to write, or why nothing is needed; `None` where there is nothing.
    pub what: Option<&'static str>,
}

/// An annotation with what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAnnotation {
    name: String,
    verdict: Verdict,
    messages: Vec<String>,
    closes: bool,
    instead: Vec<Instead>,
}

impl CheckedAnnotation {
    /// `None` where no controller is known to read the annotation. `problems` are those of its Ingress that an edit of the
    /// Ingress has to cure.
    pub(super) fn new(full_name: &str, value: &str, problems: &[&Problem]) -> Option<Self> {
        let Some(name) = full_name.strip_prefix(PREFIX) else {
            let foreign = OTHERS.iter().any(|prefix| full_name.starts_with(prefix));
            return foreign.then(|| Self::foreign(full_name));
        };
        let field = annotation_field(name);
        let messages: Vec<_> = problems
            .iter()
            .filter(|problem| problem.field() == field)
            .map(|problem| problem.message().to_owned())
            .collect();
        let verdict = match support(name) {
            Some(Support::Honoured | Support::NoEffect) if !messages.is_empty() => Verdict::Wrong,
            Some(Support::Honoured) => Verdict::Honoured,
            Some(Support::NoEffect) => Verdict::NoEffect,
            Some(Support::Refused) => Verdict::Refused,
            Some(Support::NotYet) => Verdict::Unsupported,
            None => Verdict::Unknown,
        };
        let closes = !messages.is_empty() && protects(name);
        Some(Self { name: name.to_owned(), verdict, closes, messages, instead: replacements(name, value) })
    }

    fn foreign(name: &str) -> Self {
        let messages = vec!["is read by another Ingress controller".to_owned()];
        Self {
            name: name.to_owned(),
            verdict: Verdict::Foreign,
            messages,
            closes: false,
            instead: Vec::new(),
        }
    }

    /// The name, without the prefix if that is ingress-nginx's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What becomes of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// What is wrong with it, and what follows.
    #[must_use]
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    /// All requests of the Ingress are answered 503 because of it, or those that it should protect.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// What to write instead; for a snippet directive by directive.
    #[must_use]
    pub fn instead(&self) -> &[Instead] {
        &self.instead
    }

    /// It is obeyed, or it was never ours to obey.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self.verdict, Verdict::Honoured | Verdict::NoEffect | Verdict::Foreign)
    }
}

impl Verdict {
    /// A word or two for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::NoEffect => "no effect",
            Self::Wrong => "wrong",
            Self::Unsupported => "unsupported",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Foreign => "foreign",
        }
    }
}

fn replacements(name: &str, value: &str) -> Vec<Instead> {
    if SNIPPETS.contains(&name) {
        let found = directives(value).into_iter();
        return found
            .map(|directive| Instead { of: directive.to_owned(), what: instead_of_directive(directive) })
            .collect();
    }
    instead(name).map(|what| Instead { of: name.to_owned(), what: Some(what) }).into_iter().collect()
}
