//! `<ip-with-dashes>.<ns>.pod.Z`

use super::*;

#[test]
fn any_address_in_a_namespace_that_exists() {
    table(
        &responder(),
        &[
            ("exactly 3 dashes and no `--`: IPv4", "10-240-0-1.testns.pod.Z", A, "NoError | A 10.240.0.1"),
            ("another family", "10-240-0-1.testns.pod.Z", AAAA, NODATA),
            ("otherwise `-` is `:`: IPv6", "1234-abcd--1.testns.pod.Z", AAAA, "NoError | AAAA 1234:abcd::1"),
            ("otherwise `-` is `:`: IPv6", "--1.testns.pod.Z", AAAA, "NoError | AAAA ::1"),
            ("unparseable: NXDOMAIN", "blah.testns.pod.Z", A, NXDOMAIN),
            ("unparseable: NXDOMAIN", "10-240-0-300.testns.pod.Z", A, NXDOMAIN),
            ("unparseable: NXDOMAIN", "1-2-3-4-5.testns.pod.Z", A, NXDOMAIN),
            ("namespace that does not exist", "10-240-0-1.nowhere.pod.Z", A, NXDOMAIN),
            ("another type", "10-240-0-1.testns.pod.Z", TXT, NODATA),
            ("<ns>.pod.Z: NODATA if ns exists", "testns.pod.Z", A, NODATA),
            ("<ns>.pod.Z: else NXDOMAIN", "nowhere.pod.Z", A, NXDOMAIN),
        ],
    );
}

#[test]
fn pod_records_may_be_off() {
    table(
        &responder_for(zone()),
        &[
            ("disabled (default): NXDOMAIN", "10-240-0-1.testns.pod.Z", A, NXDOMAIN),
            ("disabled: <ns>.pod.Z too", "testns.pod.Z", A, NXDOMAIN),
            ("pod.Z is an empty non-terminal", "pod.Z", A, NODATA),
        ],
    );
}

#[test]
fn pod_records_may_need_a_pod() {
    table(
        &responder_for(zone().pods(PodRecords::Verified)),
        &[
            ("needs a pod with that IP", "10-240-0-7.testns.pod.Z", A, "NoError | A 10.240.0.7"),
            ("needs a pod with that IP", "10-240-0-1.testns.pod.Z", A, NXDOMAIN),
            ("in that namespace", "10-240-0-7.emptyns.pod.Z", A, NXDOMAIN),
            ("phase Succeeded is filtered", "10-240-0-8.testns.pod.Z", A, NXDOMAIN),
            ("phase Failed is filtered", "10-240-0-10.testns.pod.Z", A, NXDOMAIN),
            ("phase Unknown is filtered", "10-240-0-11.testns.pod.Z", A, NXDOMAIN),
            ("a pod with deletionTimestamp is removed", "10-240-0-9.testns.pod.Z", A, NXDOMAIN),
            ("another family", "10-240-0-7.testns.pod.Z", AAAA, NODATA),
            ("<ns>.pod.Z: NODATA if ns exists", "testns.pod.Z", A, NODATA),
            ("<ns>.pod.Z: else NXDOMAIN", "nowhere.pod.Z", A, NXDOMAIN),
        ],
    );
}

#[test]
fn a_pod_is_known_by_its_address_if_somebody_wants_to_know() {
    let address = "10.240.0.7".parse().unwrap();
    assert_eq!(responder_for(zone()).pod_at(address), None);
    let responder = responder_for(zone().pod_names(true));
    assert_eq!(responder.pod_at(address).unwrap().to_string(), "testns/web-7");
    assert_eq!(responder.pod_at("::ffff:10.240.0.7".parse().unwrap()), responder.pod_at(address));
    assert_eq!(responder.pod_at("10.240.0.8".parse().unwrap()), None);
}
