//! The check as a person reads it.

use std::fmt::{self, Display, Formatter};

use svc_model::{PathType, Problem};

use crate::table::{RegexHost, RegexPath};

use super::{Check, CheckedAnnotation, CheckedIngress};

pub(super) fn write(check: &Check, f: &mut Formatter<'_>) -> fmt::Result {
    check.ingresses.iter().try_for_each(|ingress| write!(f, "{ingress}"))?;
    if !check.regex_hosts.is_empty() {
        writeln!(
            f,
            "\nEvery path of these hosts is a regular expression without regard to case, the longest text first:"
        )?;
    }
    check.regex_hosts.iter().try_for_each(|host| regex_host(host, f))?;
    if !check.conflicts.is_empty() {
        writeln!(f, "\nThe same host and path twice:")?;
    }
    check.conflicts.iter().try_for_each(|conflict| writeln!(f, "  {conflict}"))?;
    let (others, ours): (Vec<_>, Vec<_>) =
        check.ingresses.iter().partition(|ingress| ingress.ignored().is_some());
    let clean = ours.iter().filter(|ingress| ingress.is_clean()).count();
    let (all, others) = (check.ingresses.len(), others.len());
    let rest = ours.len() - clean;
    writeln!(
        f,
        "\n{all} Ingresses: {clean} obeyed as written, {rest} not in every point, {others} of other controllers"
    )
}

impl Display for CheckedIngress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts().iter().map(|host| named(host)).collect();
        write!(f, "Ingress {}", self.name())?;
        if let Some(why) = self.ignored() {
            return writeln!(f, ": another controller's: {why}");
        }
        writeln!(f, ": {}", if hosts.is_empty() { "every host".to_owned() } else { hosts.join(", ") })?;
        self.annotations().iter().try_for_each(|annotation| write!(f, "{annotation}"))?;
        let mut each = |what: &str, problems: &[Problem]| {
            let line =
                |problem: &Problem| row(f, what, &format!("{}: {}", problem.field(), problem.message()));
            problems.iter().try_for_each(line)
        };
        each("wrong", self.problems())?;
        each("absent", self.absent())
    }
}

impl Display for CheckedAnnotation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (verdict, name) = (self.verdict().as_str(), self.name());
        if self.messages().is_empty() {
            row(f, verdict, name)?;
        }
        self.messages().iter().try_for_each(|message| row(f, verdict, &format!("{name} {message}")))?;
        self.instead().iter().try_for_each(|instead| match instead.what {
            Some(what) if self.instead().len() == 1 && instead.of == name => {
                row(f, "", &format!("instead: {what}"))
            }
            Some(what) => row(f, "", &format!("instead of {}: {what}", instead.of)),
            None => row(f, "", &format!("instead of {}: nothing here", instead.of)),
        })
    }
}

fn row(f: &mut Formatter<'_>, what: &str, text: &str) -> fmt::Result {
    writeln!(f, "  {what:<12} {text}")
}

fn regex_host(host: &RegexHost, f: &mut Formatter<'_>) -> fmt::Result {
    let cause =
        |cause: &crate::table::RegexCause| format!("{} of Ingress {}", cause.annotation, cause.ingress);
    let causes: Vec<_> = host.causes().iter().map(cause).collect();
    writeln!(f, "  {}: by {}", named(host.host()), causes.join(", "))?;
    host.paths().iter().try_for_each(|path| writeln!(f, "    {}", wider(path)))
}

/// What a path takes beyond what its type says.
fn wider(path: &RegexPath) -> String {
    let RegexPath { ingress, path, path_type } = path;
    let more = match path_type {
        PathType::Exact => format!("whatever begins with it, such as {path}/more"),
        PathType::Prefix => format!("whatever begins with it, such as {path}more"),
        _ => "other cases".to_owned(),
    };
    let case =
        if *path == path.to_uppercase() { String::new() } else { format!(", and {}", path.to_uppercase()) };
    format!("{path_type:?} {path} of Ingress {ingress} takes {more}{case}")
}

fn named(host: &str) -> &str {
    if host.is_empty() { "every host" } else { host }
}
