//! Answers, as kube-proxy gives them.

use std::time::SystemTime;

use svc_model::ObjectName;

use crate::civil;

/// Status, headers and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// `X-Load-Balancing-Endpoint-Weight`
    pub(super) weight: Option<usize>,
    pub(super) body: String,
}

impl Page {
    /// About a Service: how many of its endpoints are here.
    pub(super) fn check(service: &ObjectName, endpoints: usize, healthy: bool) -> Self {
        let (namespace, name) = (quoted(service.namespace()), quoted(service.name()));
        let body = format!(
            "{{\n\t\"service\": {{\n\t\t\"namespace\": {namespace},\n\t\t\"name\": {name}\n\t}},\n\t\
             \"localEndpoints\": {endpoints},\n\t\"serviceProxyHealthy\": {healthy}\n}}"
        );
        Self { weight: Some(endpoints), ..Self::json(endpoints > 0 && healthy, body) }
    }

    /// About the proxy, and about the node where `eligible` is asked for. Who is well is so at this very moment.
    pub(super) fn health(
        fine: bool,
        updated: Option<SystemTime>,
        now: SystemTime,
        eligible: Option<bool>,
    ) -> Self {
        let updated = civil::print(if fine { Some(now) } else { updated });
        let now = civil::print(Some(now));
        let eligible = eligible.map(|eligible| format!(", \"nodeEligible\": {eligible}")).unwrap_or_default();
        Self::json(fine, format!("{{\"lastUpdated\": \"{updated}\",\"currentTime\": \"{now}\"{eligible}}}"))
    }

    /// What Prometheus reads.
    pub(super) fn metrics(body: String) -> Self {
        let content_type = "text/plain; version=0.0.4; charset=utf-8";
        Self { status: 200, content_type, weight: None, body }
    }

    /// Some words.
    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", weight: None, body: body.into() }
    }

    fn json(fine: bool, body: String) -> Self {
        Self { status: if fine { 200 } else { 503 }, content_type: "application/json", weight: None, body }
    }
}

/// Names of Kubernetes have nothing in them that would have to be escaped; others may.
fn quoted(text: &str) -> String {
    let escaped = text.chars().flat_map(|it| match it {
        '"' | '\\' => vec!['\\', it],
        control if control.is_control() => format!("\\u{:04x}", u32::from(control)).chars().collect(),
        plain => vec![plain],
    });
    format!("\"{}\"", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_service_is_told_as_kube_proxy_tells_it() {
        let page = Page::check(&ObjectName::new("default", "web"), 2, true);
        assert_eq!(
            page.body,
            "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"web\"\n\t},\n\t\
             \"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}"
        );
        assert_eq!((page.status, page.weight, page.content_type), (200, Some(2), "application/json"));
        let without = Page::check(&ObjectName::new("default", "web"), 0, true);
        assert_eq!((without.status, without.weight), (503, Some(0)));
        let stale = Page::check(&ObjectName::new("default", "web"), 2, false);
        assert_eq!((stale.status, stale.weight), (503, Some(2)));
    }

    #[test]
    fn health_is_told_as_kube_proxy_tells_it() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let fine = Page::health(true, Some(at(60)), at(120), Some(true));
        let now = "1970-01-01 00:02:00 +0000 UTC";
        let expected =
            format!("{{\"lastUpdated\": \"{now}\",\"currentTime\": \"{now}\", \"nodeEligible\": true}}");
        assert_eq!((fine.status, fine.body), (200, expected));
        let stale = Page::health(false, Some(at(60)), at(120), None);
        let then = "1970-01-01 00:01:00 +0000 UTC";
        let expected = format!("{{\"lastUpdated\": \"{then}\",\"currentTime\": \"{now}\"}}");
        assert_eq!((stale.status, stale.body), (503, expected));
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
