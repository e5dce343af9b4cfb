//! The answer to one look-up.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use svc_model::ObjectName;

use crate::annotation::Policies;

use super::{Location, Matching};

/// What a look-up comes to.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Route(Route),
    Redirect(HostRedirect),
}

/// A redirect that comes before any location.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostRedirect {
    /// `app-root`: the host's `/` leads to this path.
    AppRoot(String),
    /// `from-to-www-redirect`: the name leads to this host.
    Www(String),
}

/// Where one request goes, and on the strength of what.
#[derive(Clone, Debug)]
pub struct Route {
    location: Arc<Location>,
    slash: bool,
    target: Option<String>,
}

impl Route {
    pub(super) fn new(location: Arc<Location>, slash: bool, normal: &[u8], raw: &str) -> Self {
        let target = rewritten(&location, normal, raw);
        Self { location, slash, target }
    }

    /// To a location that no path has led to.
    #[cfg(feature = "driver")]
    pub(crate) fn to(location: Arc<Location>) -> Self {
        Self { location, slash: false, target: None }
    }

    /// The rule.
    #[must_use]
    pub fn location(&self) -> &Arc<Location> {
        &self.location
    }

    /// The Ingress; `None` for the configuration's default backend.
    #[must_use]
    pub fn ingress(&self) -> Option<&ObjectName> {
        self.location.ingress()
    }

    /// The Service.
    #[must_use]
    pub fn service(&self) -> &ObjectName {
        self.location.pool().service()
    }

    /// What annotations ask for.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        self.location.policies()
    }

    /// The endpoints, any of which may get the request.
    #[must_use]
    pub fn endpoints(&self) -> &[SocketAddr] {
        self.location.pool().endpoints()
    }

    /// Path and query for the backend where `rewrite-target` changes them; `None` if they go on as they came.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The request is for a stored `/x/` without its final slash: ingress-nginx redirects it there.
    #[must_use]
    pub fn lacks_slash(&self) -> bool {
        self.slash
    }
}

fn rewritten(location: &Location, normal: &[u8], raw: &str) -> Option<String> {
    let target = location.policies().rewrite_target()?;
    if location.matching() == Matching::Default || target.as_str() == location.path() {
        return None;
    }
    let query = raw.split('#').next()?.split_once('?').map(|(_, query)| query);
    let groups = location.pattern.as_ref()?.captures(normal)?;
    Some(target.fill(&groups, query))
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.location, f)
    }
}
