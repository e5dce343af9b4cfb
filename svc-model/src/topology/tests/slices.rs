//! How slices are read: which endpoints of them there are at all.

use super::*;

const PORT: &str = "{name: '', port: 80}";
const DRAINS: &str = "ready: false, serving: true, terminating: true";

fn slice(name: &str, more: &str, ports: &str, endpoints: &str) -> String {
    format!(
        "---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: \
         {{name: {name}, labels: {{kubernetes.io/service-name: web{more}}}}}, ports: [{ports}], endpoints: [{endpoints}]}}\n"
    )
}

fn at(host: u8, conditions: &str) -> String {
    format!("{{addresses: [10.0.0.{host}], conditions: {{{conditions}}}}}")
}

/// The IPv4 endpoints of the Service `web` with these slices.
fn found(slices: &str) -> Vec<String> {
    let (objects, problems) = yaml::read(slices).stored();
    assert_eq!(problems, [], "{slices}");
    let web = service(CLUSTER);
    let snapshot: Snapshot = objects.into_iter().chain([web.clone().into()]).collect();
    let backends = backends(&snapshot, web.name(), &web.ports()[0], AddressType::Ipv4);
    let shown = backends.iter().map(|backend| {
        let state = match (backend.is_ready(), backend.is_draining()) {
            (true, _) => "ready",
            (false, true) => "draining",
            (false, false) => "neither",
        };
        format!("{} {state}", backend.address())
    });
    shown.collect()
}

#[test]
fn what_conditions_say() {
    // what is not said of ready and serving is yes, each by itself, and of terminating no
    for (conditions, state) in [
        ("", "ready"),
        ("ready: null, serving: null, terminating: null", "ready"),
        ("terminating: false", "ready"),
        ("serving: false", "ready"),
        ("serving: false, terminating: true", "ready"),
        ("ready: false", "neither"),
        ("ready: false, terminating: false", "neither"),
        ("ready: false, terminating: true", "draining"),
        (DRAINS, "draining"),
        ("ready: false, serving: false, terminating: true", "neither"),
    ] {
        assert_eq!(
            found(&slice("a", "", PORT, &at(1, conditions))),
            [format!("10.0.0.1:80 {state}")],
            "{conditions}"
        );
    }
}

#[test]
fn which_slices_ports_and_addresses_count() {
    let one = slice("a", "", PORT, &at(1, ""));
    let of_port = |port: &str| slice("a", "", port, &at(1, ""));
    for (slices, expected) in [
        (one.clone(), &["10.0.0.1:80 ready"][..]),
        // of another family, of nobody, of another Service, of a headless one
        (one.replace("IPv4", "IPv6").replace("10.0.0.1", "fd00::1"), &[]),
        (one.replace(", labels: {kubernetes.io/service-name: web}", ""), &[]),
        (one.replace(": web}", ": other}"), &[]),
        (slice("a", ", service.kubernetes.io/headless: ''", PORT, &at(1, "")), &[]),
        // ports match by name and protocol, which is TCP where nothing is said; none forwards without a number
        (of_port("{name: '', port: 80, protocol: TCP}"), &["10.0.0.1:80 ready"]),
        (of_port("{port: 80}"), &["10.0.0.1:80 ready"]),
        (of_port("{name: '', port: 8080}"), &["10.0.0.1:8080 ready"]),
        (of_port("{name: ''}"), &[]),
        (of_port("{name: '', port: 0}"), &[]),
        (of_port("{name: other, port: 80}"), &[]),
        (of_port("{name: '', port: 80, protocol: UDP}"), &[]),
        // only the first address of an endpoint
        (slice("a", "", PORT, "{addresses: [10.0.0.1, 10.0.0.2]}"), &["10.0.0.1:80 ready"]),
        // as text, 10 comes before 2, and a colon after a digit
        (
            slice("a", "", PORT, &[2, 10, 1].map(|host| at(host, "")).join(", ")),
            &["10.0.0.10:80 ready", "10.0.0.1:80 ready", "10.0.0.2:80 ready"],
        ),
    ] {
        assert_eq!(found(&slices), expected, "{slices}");
    }
}

#[test]
fn one_address_in_several_slices() {
    let both = |first: &str, second: &str| {
        found(&format!("{}{}", slice("a", "", PORT, &at(1, first)), slice("b", "", PORT, &at(1, second))))
    };
    // whoever does not drain takes the place, whoever drains never does
    assert_eq!(both("", DRAINS), ["10.0.0.1:80 ready"]);
    assert_eq!(both(DRAINS, ""), ["10.0.0.1:80 ready"]);
    assert_eq!(both("ready: false", ""), ["10.0.0.1:80 ready"]);
    assert_eq!(both("", "ready: false"), ["10.0.0.1:80 neither"]);
    assert_eq!(both(DRAINS, "ready: false, serving: false, terminating: true"), ["10.0.0.1:80 draining"]);
}
