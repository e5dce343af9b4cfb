//! `custom-http-errors` and `default-backend`: another Service's pages in place of errors.

use std::collections::BTreeSet;

use svc_model::ObjectName;

use super::reader::Reader;
use super::value;

/// Which errors have a page of another Service, and which Service that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPages {
    codes: BTreeSet<u16>,
    backend: Option<ObjectName>,
    spares_replies: bool,
}

impl ErrorPages {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let codes = reader.read("custom-http-errors", codes).unwrap_or_default();
        let namespace = reader.namespace();
        let backend = reader.read("default-backend", |text| service(namespace, text));
        let spares_replies = reader.read("disable-proxy-intercept-errors", value::boolean).unwrap_or(false);
        (!codes.is_empty() || backend.is_some()).then_some(Self { codes, backend, spares_replies })
    }

    /// The Service in the Ingress's namespace that has the pages; the configuration's default backend if there is none.
    #[must_use]
    pub fn backend(&self) -> Option<&ObjectName> {
        self.backend.as_ref()
    }

    /// A reply with this status is replaced. `of_backend` says that it is the reply of an endpoint rather than the router's own.
    #[must_use]
    pub fn replaces(&self, status: u16, of_backend: bool) -> bool {
        self.codes.contains(&status) && !(of_backend && self.spares_replies)
    }
}

fn codes(text: &str) -> Result<BTreeSet<u16>, String> {
    let code = |text: &str| match text.trim().parse() {
        Ok(code @ 300..=599) => Ok(code),
        _ => Err(format!("`{}` is no status from 300 to 599", text.trim())),
    };
    text.split(',').map(code).collect()
}

fn service(namespace: &str, text: &str) -> Result<ObjectName, String> {
    let valid = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if valid && text.len() <= 63 {
        Ok(ObjectName::new(namespace, text))
    } else {
        Err("is not the name of a Service in the namespace of the Ingress".to_owned())
    }
}
