//! Hosts of which one annotation turned all paths into regular expressions.

use svc_model::{ObjectName, PathType};

use super::compile::{Compiled, CompiledPath};
use super::virtual_host::is_rewritten;

/// A host on which every path is a regular expression, as ingress-nginx has it: without regard to case, matched from the
/// path's start, in the order of descending length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexHost {
    host: String,
    causes: Vec<RegexCause>,
    paths: Vec<RegexPath>,
}

/// An Ingress that turned a host, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegexCause {
    /// The Ingress.
    pub ingress: ObjectName,
    /// Its annotation, without the prefix: `use-regex` or `rewrite-target`.
    pub annotation: &'static str,
}

/// A path that was not written as a regular expression and is read as one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegexPath {
    /// The Ingress.
    pub ingress: ObjectName,
    /// The path.
    pub path: String,
    /// What its Ingress calls it.
    pub path_type: PathType,
}

impl RegexHost {
    /// The host, if one of its Ingresses turned it. They come in the order of precedence.
    pub(super) fn new(host: &str, members: &[&Compiled]) -> Option<Self> {
        let members = || members.iter().filter(|member| member.policies.canary().is_none());
        let with_paths = || members().filter_map(|member| Some((*member, &member.host(host)?.paths)));
        let causes: Vec<_> = with_paths().filter_map(|(member, paths)| cause(member, paths)).collect();
        let unasked = |(member, path): &(&Compiled, &CompiledPath)| match path.path_type {
            PathType::ImplementationSpecific => !member.policies.use_regex() && !is_rewritten(member, path),
            PathType::Prefix => path.path != "/",
            _ => true,
        };
        let all = with_paths().flat_map(|(member, paths)| paths.iter().map(move |path| (member, path)));
        let paths = all.filter(unasked).map(|(member, path)| RegexPath {
            ingress: member.name().clone(),
            path: path.path.clone(),
            path_type: path.path_type,
        });
        (!causes.is_empty()).then(|| Self { host: host.to_owned(), paths: paths.collect(), causes })
    }

    /// The host; empty for every host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What turned it.
    #[must_use]
    pub fn causes(&self) -> &[RegexCause] {
        &self.causes
    }

    /// Paths that would be read otherwise without it.
    #[must_use]
    pub fn paths(&self) -> &[RegexPath] {
        &self.paths
    }
}

fn cause(member: &Compiled, paths: &[CompiledPath]) -> Option<RegexCause> {
    let rewritten = paths.iter().any(|path| is_rewritten(member, path));
    let annotation = match (member.policies.use_regex(), rewritten) {
        (true, _) => "use-regex",
        (false, true) => "rewrite-target",
        (false, false) => return None,
    };
    Some(RegexCause { ingress: member.name().clone(), annotation })
}
