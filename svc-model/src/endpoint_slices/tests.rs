//! Tables of the EndpointSlice controller.

use super::*;
use crate::yaml;
use crate::{Object, Protocol};

fn objects(text: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(text).stored();
    assert_eq!(problems, []);
    objects
}

fn service(spec: &str) -> Service {
    let labels = "{team: a, service.kubernetes.io/headless: '', kubernetes.io/service-name: wrong}";
    let text = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, labels: {labels}}}, spec: {{{spec}}}}}"
    );
    match objects(&text).remove(0) {
        Object::Service(service) => Service::clone(&service),
        other => panic!("{other:?}"),
    }
}

const PLAIN: &str = "clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, targetPort: 9376}]";

fn pod(name: &str, spec: &str, status: &str) -> Pod {
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: web}}}}, spec: {{{spec}}}, status: {{{status}}}}}"
    );
    match objects(&text).remove(0) {
        Object::Pod(pod) => Pod::clone(&pod),
        other => panic!("{other:?}"),
    }
}

fn nowhere(_: &str) -> Option<Arc<Node>> {
    None
}

fn slices(service: &Service, pods: &[Pod]) -> Vec<EndpointSlice> {
    derive(service, pods, nowhere)
}

#[test]
fn conditions() {
    let up = "podIP: 10.244.0.5";
    let not_ready = "podIP: 10.244.0.5, conditions: [{type: Ready, status: 'False'}]";
    let publishing = format!("{PLAIN}, publishNotReadyAddresses: true");
    for (spec, status, terminating, expected) in [
        (PLAIN, up, false, Some((true, true, false))),
        (PLAIN, not_ready, false, Some((false, false, false))),
        (
            PLAIN,
            "podIP: 10.244.0.5, conditions: [{type: Ready, status: 'True'}]",
            true,
            Some((false, true, true)),
        ),
        (PLAIN, not_ready, true, Some((false, false, true))),
        (publishing.as_str(), not_ready, false, Some((true, false, false))),
        (publishing.as_str(), not_ready, true, Some((true, false, true))),
        (PLAIN, "phase: Succeeded, podIP: 10.244.0.5", false, None),
        (PLAIN, "phase: Failed, podIP: 10.244.0.5", false, None),
        (PLAIN, "phase: Pending, podIP: 10.244.0.5", false, Some((true, true, false))),
        (PLAIN, "", false, None),
    ] {
        let pod = pod("web-0", "", status);
        let pod = if terminating { pod.deleting() } else { pod };
        let slices = slices(&service(spec), &[pod]);
        let found = slices[0].endpoints().first();
        assert_eq!(found.map(|it| (it.ready(), it.serving(), it.terminating())), expected, "{spec} {status}");
    }
}

#[test]
fn names_labels_and_ports() {
    let slices = slices(&service(PLAIN), &[pod("web-0", "nodeName: a", "podIP: 10.244.0.5")]);
    let slice = &slices[0];
    assert!(slice.name().name().starts_with("web-ipv4-"), "{}", slice.name());
    assert_eq!(slice.meta().labels()["team"], "a");
    assert_eq!(slice.meta().labels()[SERVICE_NAME_LABEL], "web", "a reserved label is not copied");
    assert_eq!(slice.meta().labels()[MANAGED_BY_LABEL], MANAGER);
    assert!(!slice.meta().labels().contains_key(HEADLESS_LABEL));
    assert_eq!(slice.ports(), [EndpointPort::new("", Protocol::Tcp, 9376)]);
    let endpoint = &slice.endpoints()[0];
    assert_eq!(endpoint.target(), Some(&ObjectName::new("default", "web-0")));
    assert_eq!((endpoint.node_name(), endpoint.zone()), (Some("a"), None));
}

#[test]
fn host_names_need_the_right_subdomain() {
    for (spec, expected) in [
        ("hostname: h, subdomain: web", Some("h")),
        ("hostname: h, subdomain: other", None),
        ("hostname: h", None),
        ("subdomain: web", None),
    ] {
        let slices = slices(&service(PLAIN), &[pod("web-0", spec, "podIP: 10.244.0.5")]);
        assert_eq!(slices[0].endpoints()[0].hostname(), expected, "{spec}");
    }
}

#[test]
fn named_target_ports_are_looked_up_in_each_pod() {
    let spec = "clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: a, port: 80, targetPort: http}, \
        {name: b, port: 53, protocol: UDP, targetPort: http}, {name: c, port: 90}]";
    let with = |name: &str, ports: &str, ip: &str| {
        pod(name, &format!("containers: [{{ports: [{ports}]}}]"), &format!("podIP: {ip}"))
    };
    let pods = [
        with("p0", "{name: http, containerPort: 8080}", "10.244.0.5"),
        with("p1", "{name: http, containerPort: 8081}", "10.244.0.6"),
        with("p2", "{name: http, containerPort: 5353, protocol: UDP}", "10.244.0.7"),
        with("p3", "", "10.244.0.8"),
        with("p4", "{name: http, containerPort: 8080}", "10.244.0.9"),
    ];
    let mut found: Vec<_> = slices(&service(spec), &pods)
        .iter()
        .map(|slice| {
            let ports: Vec<_> =
                slice.ports().iter().map(|port| (port.name().to_owned(), port.port().unwrap())).collect();
            (ports, slice.endpoints().len())
        })
        .collect();
    found.sort();
    let port = |name: &str, number: u16| (name.to_owned(), number);
    assert_eq!(
        found,
        [
            (vec![port("a", 8080), port("c", 90)], 2),
            (vec![port("a", 8081), port("c", 90)], 1),
            (vec![port("b", 5353), port("c", 90)], 1),
            (vec![port("c", 90)], 1),
        ]
    );
}

#[test]
fn a_hundred_to_a_slice() {
    let pods: Vec<_> = (0..250_u32)
        .map(|index| {
            pod(&format!("p{index:03}"), "", &format!("podIP: 10.244.{}.{}", index / 100, index % 100 + 1))
        })
        .collect();
    let sizes: Vec<_> = slices(&service(PLAIN), &pods).iter().map(|slice| slice.endpoints().len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
}

#[test]
fn families_have_their_own_slices() {
    let both = "podIPs: [{ip: 10.244.0.5}, {ip: 'fd00::5'}]";
    for (spec, expected) in [
        (PLAIN, &[AddressType::Ipv4][..]),
        ("clusterIPs: ['fd00::1', 10.96.0.1], selector: {app: web}", &[AddressType::Ipv4, AddressType::Ipv6]),
        ("clusterIP: None, ipFamilies: [IPv6], selector: {app: web}", &[AddressType::Ipv6]),
        ("clusterIP: None, selector: {app: web}", &[AddressType::Ipv4, AddressType::Ipv6]),
    ] {
        let slices = slices(&service(spec), &[pod("web-0", "", both)]);
        let mut families: Vec<_> = slices.iter().map(EndpointSlice::address_type).collect();
        families.sort();
        assert_eq!(families, expected, "{spec}");
        assert!(slices.iter().all(|slice| slice.endpoints().len() == 1));
    }
}

#[test]
fn without_pods_one_empty_slice_and_without_selector_none() {
    let slices_of = |spec: &str| slices(&service(spec), &[]);
    let empty = slices_of(PLAIN);
    assert_eq!((empty.len(), empty[0].endpoints().len(), empty[0].ports().len()), (1, 0, 0));
    assert!(slices_of("clusterIP: 10.96.0.1, ports: [{port: 80}]").is_empty());
    assert!(slices_of("type: ExternalName, externalName: example.com, selector: {app: web}").is_empty());
}
