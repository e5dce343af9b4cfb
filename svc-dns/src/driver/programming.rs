//! How long it takes from a change of pods to answers that show it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use svc_model::{Delta, EndpointSlice, Service, Snapshot};

/// Written by the EndpointSlice controller: when the first of the changes happened that a slice now shows.
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// For each EndpointSlice of a headless Service with a selector that this change brought: how long ago its change began.
pub(super) fn durations(
    before: &Snapshot,
    after: &Snapshot,
    delta: &Delta,
    now: SystemTime,
) -> Vec<Duration> {
    let services = delta.services().iter().filter_map(|name| Some((name, after.service(name)?)));
    let counted = services.filter(|(_, service)| is_counted(service));
    let slices = counted.flat_map(|(name, _)| after.slices_of(name));
    let begun = slices.filter_map(|slice| {
        let trigger = trigger(slice)?;
        let known = before.slice(slice.meta().name()).and_then(|slice| self::trigger(slice));
        (known != Some(trigger)).then_some(trigger)
    });
    begun.map(|trigger| now.duration_since(trigger).unwrap_or_default()).collect()
}

fn is_counted(service: &Service) -> bool {
    service.is_headless() && service.selector().is_some()
}

fn trigger(slice: &EndpointSlice) -> Option<SystemTime> {
    rfc3339(slice.meta().annotations().get(TRIGGER)?)
}

/// `2026-11-26T20:00:00.5Z`, as Kubernetes writes times: UTC, with or without a fraction.
fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(time, ':')?;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text
        .split(separator)
        .map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Days since 1970-01-01: years begin in March here, so that the leap day is the last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use svc_model::{store::Store, yaml};

    #[test]
    fn times() {
        let at = |text| rfc3339(text).map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64());
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(at("2000-02-29T12:00:00Z"), Some(951_825_600.0));
        assert_eq!(at("2026-11-26T20:14:17.5Z"), Some(1_795_724_057.5));
        assert_eq!(at("2100-03-01T00:00:00.000000001Z").map(f64::trunc), Some(4_107_542_400.0));
        for wrong in [
            "",
            "now",
            "2026-11-26",
            "2026-13-26T00:00:00Z",
            "2026-11-26T00:00Z",
            "2026-11-26T00:00:00+01:00",
            "2026-11-26T00:00:00.1234567890Z",
            "+026-11-26T00:00:00Z",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    fn slice(service: &str, trigger: &str, ip: &str) -> String {
        format!(
            "\n---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: {service}-a, \
             namespace: default, labels: {{kubernetes.io/service-name: {service}}}, annotations: {{{TRIGGER}: '{trigger}'}}}}, \
             endpoints: [{{addresses: [{ip}]}}]}}"
        )
    }

    #[test]
    fn slices_that_changed_are_counted_once() {
        let service = |name: &str, spec: &str| {
            format!(
                "\n---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: default}}, spec: {{{spec}}}}}"
            )
        };
        let store = Store::new();
        let mut watch = store.watch();
        let mut apply = |text: String| {
            let before = store.snapshot();
            let (objects, problems) = yaml::read(&text).stored();
            assert!(problems.is_empty(), "{problems:?}");
            store.apply(objects);
            let (after, delta) = watch.changed().now_or_never().unwrap().unwrap();
            let now = rfc3339("2026-01-01T00:00:10Z").unwrap();
            durations(&before, &after, &delta, now).iter().map(Duration::as_secs).collect::<Vec<_>>()
        };
        let with_selector = "clusterIP: None, selector: {app: db}";
        let first = [
            service("db", with_selector),
            slice("db", "2026-01-01T00:00:07Z", "10.7.0.1"),
            service("bare", "clusterIP: None"),
            slice("bare", "2026-01-01T00:00:07Z", "10.7.0.2"),
            service("web", "clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]"),
            slice("web", "2026-01-01T00:00:07Z", "10.7.0.3"),
        ];
        assert_eq!(apply(first.concat()), [3]);
        assert_eq!(apply(service("db", "clusterIP: None, selector: {app: other}")), [0_u64; 0]);
        assert_eq!(apply(slice("db", "2026-01-01T00:00:09Z", "10.7.0.9")), [1]);
        assert_eq!(apply(slice("db", "no time", "10.7.0.8")), [0_u64; 0]);
    }
}
