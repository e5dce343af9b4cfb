use svc_model::Object;

use super::*;

/// A Node with these pod CIDRs and annotations, as the API server has it.
fn node(cidrs: &[&str], annotations: &[(&str, &str)]) -> Node {
    let annotations: BTreeMap<_, _> =
        annotations.iter().map(|(key, value)| (format!("{PREFIX}/{key}"), (*value).to_owned())).collect();
    let metadata = json!({"name": "server2", "annotations": annotations});
    let manifest =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"podCIDRs": cidrs}});
    let (objects, problems) = svc_model::yaml::read(&manifest.to_string()).stored();
    assert!(problems.is_empty(), "{problems:?}");
    match objects.into_iter().next() {
        Some(Object::Node(node)) => (*node).clone(),
        other => panic!("{other:?}"),
    }
}

fn keys() -> Annotations {
    Annotations::new(PREFIX).unwrap()
}

fn lease(cidrs: &[&str], annotations: &[(&str, &str)]) -> Result<Option<String>, String> {
    let lease = keys().lease(&node(cidrs, annotations));
    lease.map(|lease| lease.map(|lease| lease.to_string())).map_err(|error| error.to_string())
}

const DATA: &str = r#"{"VNI":1,"VtepMAC":"2e:57:5f:4d:3f:d4"}"#;
const V4: [(&str, &str); 4] = [
    ("kube-subnet-manager", "true"),
    ("backend-type", "vxlan"),
    ("backend-data", DATA),
    ("public-ip", "172.20.10.2"),
];

#[test]
fn flannels_annotations_are_leases() {
    let plain = "10.244.2.0/24 of server2 at 172.20.10.2 (vni 1, 2e:57:5f:4d:3f:d4)";
    assert_eq!(lease(&["10.244.2.0/24"], &V4), Ok(Some(plain.to_owned())));
    // flannel of IPv4 alone in a cluster of both.
    assert_eq!(lease(&["10.244.2.0/24", "fd00:1::/64"], &V4), Ok(Some(plain.to_owned())));
    let v6 = [("backend-v6-data", r#"{"VNI":1,"VtepMAC":"02:00:00:00:00:06"}"#), ("public-ipv6", "fd00::2")];
    assert_eq!(
        lease(&["10.244.2.0/24", "fd00:1::/64"], &[&V4[..], &v6].concat()),
        Ok(Some(
            "10.244.2.0/24 and fd00:1::/64 of server2 at 172.20.10.2 (vni 1, 2e:57:5f:4d:3f:d4) and fd00::2 (vni 1, 02:00:00:00:00:06)"
                .to_owned()
        ))
    );
    let gateway = [("kube-subnet-manager", "true"), ("backend-type", "host-gw"), ("backend-data", "null")];
    assert_eq!(
        lease(&["10.244.2.0/24"], &[&gateway[..], &[("public-ip", "172.20.10.2")]].concat()),
        Ok(Some("10.244.2.0/24 of server2 at 172.20.10.2 (host-gw)".to_owned()))
    );
}

#[test]
fn a_node_without_the_manager_takes_no_part() {
    assert_eq!(lease(&["10.244.2.0/24"], &V4[1..]), Ok(None));
    assert_eq!(lease(&[], &[("kube-subnet-manager", "false")]), Ok(None));
}

#[test]
fn what_is_wrong_is_named_with_node_and_annotation() {
    let with = |key: &'static str, value: &'static str| {
        let mut all = V4.to_vec();
        all.retain(|(other, _)| *other != key);
        all.push((key, value));
        lease(&["10.244.2.0/24"], &all).unwrap_err()
    };
    let long = "x".repeat(5000).leak();
    for (key, value, part) in [
        ("backend-data", "{]", "backend-data: key must be a string"),
        ("backend-data", r#"{"VNI":1}"#, "backend-data: missing field `VtepMAC`"),
        (
            "backend-data",
            r#"{"VNI":1,"VtepMAC":"nonsense"}"#,
            "backend-data: \"nonsense\" is not an Ethernet",
        ),
        ("backend-data", long, "backend-data: 5000 bytes are too many"),
        ("public-ip", "172.20.10", "public-ip: \"172.20.10\" is not an IPv4 address"),
        ("public-ip", "fd00::1", "public-ip: \"fd00::1\" is not an IPv4 address"),
        ("public-ip", "0.0.0.0", "public-ip: is missing"),
    ] {
        let text = with(key, value);
        assert!(text.starts_with("Node server2: flannel.alpha.coreos.com/") && text.contains(part), "{text}");
    }
    assert!(lease(&[], &V4).unwrap_err().contains("Node server2: spec.podCIDRs: is missing"));
    assert!(lease(&["10.244.2.0/24"], &V4[..1]).unwrap_err().contains("backend-type: is missing"));
}

#[test]
fn what_is_written_is_what_flannel_writes_and_only_what_differs() {
    let mac = "2e:57:5f:4d:3f:d4".parse().unwrap();
    let subnet: ipnet::IpNet = "10.244.2.0/24".parse().unwrap();
    let lease = Lease::vxlan("server2", subnet, [172, 20, 10, 2], 1, mac);
    let patch = |node: &Node| keys().of_lease(&lease, node).patch(node);
    let fresh = node(&["10.244.2.0/24"], &[]);
    let expected: BTreeMap<_, _> =
        V4.iter().map(|(key, value)| (format!("{PREFIX}/{key}"), *value)).collect();
    let written: Value = serde_json::from_str(&patch(&fresh).unwrap()).unwrap();
    assert_eq!(written, json!({"metadata": {"annotations": expected}}));
    assert_eq!(patch(&node(&["10.244.2.0/24"], &V4)), None);
    // A family that is gone, and an address that people want instead.
    let more = [("public-ipv6", "fd00::2"), ("public-ip-overwrite", "203.0.113.7"), ("kube-other", "x")];
    let written: Value =
        serde_json::from_str(&patch(&node(&["10.244.2.0/24"], &[&V4[..], &more].concat())).unwrap()).unwrap();
    let differ = json!({format!("{PREFIX}/public-ip"): "203.0.113.7", format!("{PREFIX}/public-ipv6"): null});
    assert_eq!(written, json!({"metadata": {"annotations": differ}}));
    let own = [("node-public-ip", "203.0.113.9"), ("public-ip-overwrite", "")];
    let written = patch(&node(&["10.244.2.0/24"], &[&V4[..], &own].concat())).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&written).unwrap()["metadata"]["annotations"].to_string(),
        json!({format!("{PREFIX}/public-ip"): "203.0.113.9"}).to_string()
    );
    let gone: Value = serde_json::from_str(&keys().none().patch(&node(&[], &V4)).unwrap()).unwrap();
    assert_eq!(gone["metadata"]["annotations"].as_object().unwrap().len(), 4);
    assert!(gone["metadata"]["annotations"].as_object().unwrap().values().all(Value::is_null));
    assert_eq!(keys().none().patch(&fresh), None);
}

#[test]
fn prefixes_as_flannels_flag_takes_them() {
    for (prefix, key) in [
        ("flannel.alpha.coreos.com", "flannel.alpha.coreos.com/x"),
        ("flannel.alpha.coreos.com/", "flannel.alpha.coreos.com/x"),
        ("flannel.alpha.coreos.com/second", "flannel.alpha.coreos.com/second-x"),
        ("flannel.alpha.coreos.com/second-", "flannel.alpha.coreos.com/second-x"),
    ] {
        assert_eq!(Annotations::new(prefix).unwrap().key("x"), key);
    }
    for prefix in ["", "flannel", "a.b/c/d", "a..b", "A.b", "a.b/c d"] {
        assert!(Annotations::new(prefix).unwrap_err().to_string().contains("annotation_prefix"), "{prefix}");
    }
}
