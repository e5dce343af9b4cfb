//! `mirror-target` and its family: another server gets a copy of every request.

use crate::variable::Interpolated;

use super::reader::Reader;
use super::url::Url;
use super::{upstream_vhost, value};

/// Who gets copies, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    url: Url,
    host: Option<Interpolated>,
    body: bool,
}

impl Mirror {
    /// `None` without a server.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let local = reader.config().allows_local_targets();
        let host = reader.read("mirror-host", upstream_vhost);
        let body = reader.read("mirror-request-body", value::switch).unwrap_or(true);
        let url = reader.read("mirror-target", |text| Url::parse(text, local))?;
        Some(Self { url, host, body })
    }

    /// The server is spoken to over TLS. Its certificate is not verified.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.https
    }

    /// The server, with variables.
    #[must_use]
    pub fn authority(&self) -> &Interpolated {
        &self.url.authority
    }

    /// Path and query, with variables.
    #[must_use]
    pub fn target(&self) -> &Interpolated {
        &self.url.target
    }

    /// The host that the server is asked for; its own name unless set.
    #[must_use]
    pub fn host(&self) -> Option<&Interpolated> {
        self.host.as_ref()
    }

    /// Bodies are copied too.
    #[must_use]
    pub fn copies_bodies(&self) -> bool {
        self.body
    }
}
