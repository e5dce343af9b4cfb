//! Leases as annotations of Nodes, against an API server over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may panic and wait"
)]

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use svc_lab::api_server::{Asked, Fault, Rule, Server};
use svc_model::kube::Cluster;
use svc_overlay::fake::Fake;
use svc_overlay::{
    Claim, Handle, KubeNodes, Lease, LeaseSet, Mac, NetConf, OverlayBuilder, Registry, RegistryError, Status,
    Watch,
};

const PREFIX: &str = "flannel.alpha.coreos.com";
/// A test that waits this long for something waits for ever.
const HANGS: Duration = Duration::from_secs(60);

fn conf(text: &str) -> NetConf {
    NetConf::parse_without_allocation(text).unwrap()
}

fn network() -> NetConf {
    conf(r#"{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}"#)
}

fn registry(server: &Server) -> KubeNodes {
    KubeNodes::builder(Cluster::plain(&server.url()).unwrap()).build().unwrap()
}

fn fresh(server: &Server, number: u8) {
    let annotations = json!({"node.alpha.kubernetes.io/ttl": "0"});
    let cidr = format!("10.244.{number}.0/24");
    let spec = json!({"podCIDR": cidr, "podCIDRs": [cidr]});
    server.set(
        "nodes",
        &format!("n{number}"),
        json!({"metadata": {"annotations": annotations}, "spec": spec}),
    );
}

/// A Node as flannel leaves it.
fn flannel(server: &Server, number: u8, mac: &str) {
    let key = |name: &str| format!("{PREFIX}/{name}");
    let annotations = json!({
        key("backend-data"): format!(r#"{{"VNI":1,"VtepMAC":"{mac}"}}"#), key("backend-type"): "vxlan",
        key("kube-subnet-manager"): "true", key("public-ip"): format!("172.20.10.{number}"),
    });
    let cidr = format!("10.244.{number}.0/24");
    let spec = json!({"podCIDR": cidr, "podCIDRs": [cidr]});
    server.set(
        "nodes",
        &format!("n{number}"),
        json!({"metadata": {"annotations": annotations}, "spec": spec}),
    );
}

fn address(number: u8) -> IpAddr {
    [172, 20, 10, number].into()
}

fn lease(number: u8) -> Lease {
    let node = format!("n{number}");
    let subnet = ipnet::Ipv4Net::new_assert([10, 244, number, 0].into(), 24);
    Lease::vxlan(&node, subnet, [172, 20, 10, number], 1, Mac::derived(&[&node]))
}

fn annotation(server: &Server, number: u8, name: &str) -> Value {
    server.object("nodes", &format!("n{number}")).unwrap()["metadata"]["annotations"]
        [format!("{PREFIX}/{name}")]
    .clone()
}

fn is_annotation_patch(asked: &Asked) -> bool {
    asked.patch.as_ref().is_some_and(|patch| patch.get("metadata").is_some())
}

fn patches(server: &Server) -> usize {
    server.asked().iter().filter(|asked| is_annotation_patch(asked)).count()
}

fn conditions(server: &Server, number: u8) -> Value {
    server.object("nodes", &format!("n{number}")).unwrap()["status"]["conditions"].clone()
}

async fn next(watch: &mut Box<dyn Watch>) -> Result<LeaseSet, RegistryError> {
    tokio::time::timeout(HANGS, watch.changed()).await.unwrap()
}

async fn until(watch: &mut Box<dyn Watch>, wanted: impl Fn(&LeaseSet) -> bool) -> LeaseSet {
    loop {
        match next(watch).await {
            Ok(set) if wanted(&set) => return set,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_nodes_lease_is_its_pod_cidr_and_the_mac_that_it_had() {
    let server = Server::start(None).await;
    fresh(&server, 2);
    flannel(&server, 3, "2e:57:5f:4d:3f:d4");
    let nodes = registry(&server);
    let taken = nodes.acquire(&Claim::new("n2", [address(2)], &network())).await.unwrap();
    assert_eq!(taken.to_string(), "10.244.2.0/24 of n2 at 172.20.10.2 (alloc)");
    assert_eq!(
        server.object("nodes", "n2").unwrap()["metadata"]["annotations"].as_object().unwrap().len(),
        1
    );
    let again = nodes.acquire(&Claim::new("n3", [address(3)], &network())).await.unwrap();
    assert_eq!(again.vxlan_data().unwrap().vtep_mac.to_string(), "2e:57:5f:4d:3f:d4");
    // Somebody gave the node another address.
    let mut object = server.object("nodes", "n2").unwrap();
    object["metadata"]["annotations"][format!("{PREFIX}/node-public-ip")] = json!("192.0.2.2");
    server.set("nodes", "n2", object);
    let claim = Claim::new("n2", [address(2)], &network());
    while nodes.acquire(&claim).await.unwrap().public_ip() != IpAddr::from([192, 0, 2, 2]) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_claim_that_the_cluster_does_not_meet_is_refused_by_name() {
    let server = Server::start(None).await;
    server.set("nodes", "bare", json!({}));
    fresh(&server, 2);
    let nodes = registry(&server);
    let dual = r#"{"EnableIPv6": true, "Network": "10.244.0.0/16", "IPv6Network": "fd00:1::/48"}"#;
    for (name, conf, parts) in [
        (
            "n2",
            conf(r#"{"Network": "10.9.0.0/16"}"#),
            ["node n2", "podCIDR 10.244.2.0/24 lies outside Network 10.9.0.0/16"],
        ),
        ("n2", conf(dual), ["node n2", "spec.podCIDRs have no IPv6 one"]),
        ("bare", network(), ["node bare", "spec.podCIDRs have no IPv4 one"]),
        ("nobody", network(), ["Node nobody", "there is none of this name"]),
    ] {
        let error = nodes.acquire(&Claim::new(name, [address(2)], &conf)).await.unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let error = nodes.publish(lease(2).with_node("bare")).await.unwrap_err().to_string();
    assert!(error.contains("Node bare") && error.contains("not 10.244.2.0/24"), "{error}");
    assert_eq!(patches(&server), 0);
}

#[tokio::test]
async fn what_is_published_stands_as_flannel_writes_it_and_is_written_once() {
    let server = Server::start(None).await;
    fresh(&server, 2);
    let nodes = registry(&server);
    let published = nodes.publish(lease(2)).await.unwrap();
    assert_eq!(published.renew_in, None);
    let object = server.object("nodes", "n2").unwrap();
    let key = |name: &str| format!("{PREFIX}/{name}");
    assert_eq!(
        object["metadata"]["annotations"],
        json!({
            key("backend-data"): format!(r#"{{"VNI":1,"VtepMAC":"{}"}}"#, Mac::derived(&["n2"])),
            key("backend-type"): "vxlan", key("kube-subnet-manager"): "true", key("public-ip"): "172.20.10.2",
            "node.alpha.kubernetes.io/ttl": "0",
        })
    );
    nodes.publish(lease(2)).await.unwrap();
    assert_eq!(patches(&server), 1, "nothing differed");
    let mut watch = nodes.watch();
    let set = next(&mut watch).await.unwrap();
    assert!(set.revision() >= published.revision);
    assert_eq!(set.iter().collect::<Vec<_>>(), [&lease(2)]);
    nodes.withdraw(&lease(2)).await.unwrap();
    assert!(until(&mut watch, LeaseSet::is_empty).await.is_empty());
    let left = server.object("nodes", "n2").unwrap()["metadata"]["annotations"].clone();
    assert_eq!(left, json!({"node.alpha.kubernetes.io/ttl": "0"}));
}

#[tokio::test]
async fn peers_come_change_and_go_and_what_cannot_be_read_stops_no_other() {
    let server = Server::start(None).await;
    for number in [2, 4] {
        fresh(&server, number);
    }
    flannel(&server, 3, "02:00:00:00:00:03");
    let nodes = registry(&server);
    let mut watch = nodes.watch();
    let set = next(&mut watch).await.unwrap();
    assert_eq!((set.len(), set.unreadable().len()), (1, 0), "fresh Nodes take no part yet");
    flannel(&server, 4, "02:00:00:00:00:04");
    until(&mut watch, |set| set.len() == 2).await;
    flannel(&server, 4, "02:00:00:00:00:44");
    let set = until(&mut watch, |set| set.iter().any(|lease| lease.to_string().contains(":44"))).await;
    let before = set.revision();
    flannel(&server, 5, "nonsense");
    let set = until(&mut watch, |set| !set.unreadable().is_empty()).await;
    let text = set.unreadable()[0].to_string();
    assert!(
        text.contains("Node n5: flannel.alpha.coreos.com/backend-data: ") && text.contains("nonsense"),
        "{text}"
    );
    assert_eq!(set.len(), 2);
    assert_eq!(set.changed_since(before).map(|subnets| subnets.len()), Some(0));
    flannel(&server, 5, "02:00:00:00:00:05");
    until(&mut watch, |set| set.len() == 3 && set.unreadable().is_empty()).await;
    // A Node that no Node can be.
    server.set("nodes", "n6", json!({"spec": {"podCIDRs": ["10.244.300.0/24"]}}));
    let set = until(&mut watch, |set| !set.unreadable().is_empty()).await;
    assert!(
        set.unreadable()[0].to_string().starts_with("Node n6: spec.podCIDRs[0]"),
        "{:?}",
        set.unreadable()
    );
    server.delete("nodes", "n6");
    server.delete("nodes", "n3");
    let set = until(&mut watch, |set| set.len() == 2 && set.unreadable().is_empty()).await;
    assert_eq!(set.iter().map(Lease::node).collect::<Vec<_>>(), ["n4", "n5"]);
}

#[tokio::test]
async fn two_nodes_with_one_cidr_are_named() {
    let server = Server::start(None).await;
    flannel(&server, 3, "02:00:00:00:00:03");
    let mut twin = server.object("nodes", "n3").unwrap();
    twin["metadata"]["annotations"][format!("{PREFIX}/public-ip")] = json!("172.20.10.9");
    server.set("nodes", "n9", twin);
    let set = next(&mut registry(&server).watch()).await.unwrap();
    assert_eq!(set.iter().map(Lease::node).collect::<Vec<_>>(), ["n3"]);
    let text = set.unreadable()[0].to_string();
    assert!(text.contains("n9: its subnet 10.244.3.0/24 is also that of n3"), "{text}");
}

#[tokio::test]
async fn cut_off_and_back_nothing_is_lost() {
    let server = Server::start(None).await;
    flannel(&server, 3, "02:00:00:00:00:03");
    let nodes = registry(&server);
    let mut watch = nodes.watch();
    assert_eq!(next(&mut watch).await.unwrap().len(), 1);
    server.asked_for(|asked| asked.is_watch()).await;
    server.next("nodes", Fault::Status(500, ""));
    flannel(&server, 4, "02:00:00:00:00:04");
    server.delete("nodes", "n3");
    server.compact();
    server.disconnect();
    let set = until(&mut watch, |set| set.lease(lease(4).subnet()).is_some()).await;
    assert_eq!(set.len(), 1, "what vanished meanwhile is gone");
    assert!(annotation(&server, 4, "public-ip").is_string());
}

#[tokio::test]
async fn a_failure_is_told_once_and_its_end_too() {
    let server = Server::start(None).await;
    flannel(&server, 3, "02:00:00:00:00:03");
    server.allow(Some(Vec::new()));
    let nodes = registry(&server);
    let mut watch = nodes.watch();
    let error = next(&mut watch).await.unwrap_err().to_string();
    assert!(error.contains("403") && error.contains("resources: [nodes], verbs: [list, watch]"), "{error}");
    server.allow(None);
    assert_eq!(next(&mut watch).await.unwrap().len(), 1);
}

/// The rules of the manifest that is shipped.
fn shipped() -> Vec<Rule> {
    let manifest = include_str!("../manifests/rbac.yaml");
    let rule = |resource: &str, verbs: &[&str]| Rule {
        resource: resource.to_owned(),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..Rule::default()
    };
    let rules = [rule("nodes", &["list", "watch"]), rule("nodes/status", &["patch"])];
    let lines: Vec<_> = manifest.lines().map(str::trim).collect();
    let written = lines.windows(2).filter(|pair| pair[0].starts_with("resources:"));
    let written: Vec<_> = written.map(|pair| pair.join(" ")).collect();
    let printed = |rule: &Rule| format!("resources: [{}] verbs: [{}]", rule.resource, rule.verbs.join(", "));
    assert_eq!(written, rules.iter().map(printed).collect::<Vec<_>>());
    rules.into()
}

#[tokio::test]
async fn the_shipped_rules_are_what_is_needed_and_no_more() {
    let server = Server::start(None).await;
    server.allow(Some(shipped()));
    fresh(&server, 2);
    let nodes = registry(&server);
    nodes.acquire(&Claim::new("n2", [address(2)], &network())).await.unwrap();
    nodes.publish(lease(2)).await.unwrap();
    assert_eq!(next(&mut nodes.watch()).await.unwrap().len(), 1);
    nodes.withdraw(&lease(2)).await.unwrap();
    for rule in shipped() {
        for verb in &rule.verbs {
            server.asked_for(|asked| rule.allows(asked) && asked.verb() == verb).await;
        }
    }
    // Without the second one it is told which.
    server.allow(Some(shipped().into_iter().take(1).collect()));
    let error = nodes.publish(lease(2)).await.unwrap_err().to_string();
    assert!(error.contains("n2") && error.contains("resources: [nodes/status], verbs: [patch]"), "{error}");
}

#[tokio::test]
async fn an_overlay_is_driven_from_annotations() {
    let server = Server::start(None).await;
    fresh(&server, 2);
    flannel(&server, 3, "02:00:00:00:00:03");
    let nodes = registry(&server);
    let conf = network();
    let own = nodes.acquire(&Claim::new("n2", [address(2)], &conf)).await.unwrap();
    let builder = OverlayBuilder::of_net_conf(&conf).lease(&own).registry(nodes);
    let kernel = Fake::new();
    kernel.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    let (handle, run) = builder.build().unwrap().drive_on(kernel.clone());
    tokio::spawn(run);
    let settled = handle.until(|status| status.peers() == 1 && status.lease().is_some());
    let status = tokio::time::timeout(HANGS, settled).await.unwrap().unwrap();
    assert_eq!(status.problems(), []);
    let data = annotation(&server, 2, "backend-data");
    assert!(data.as_str().unwrap().contains(&status.mac().unwrap().to_string()), "{data}");
    // A peer comes up with another MAC address: the old entry goes.
    let operations = status.operations();
    flannel(&server, 3, "02:00:00:00:00:33");
    handle.until(|status| status.operations() >= operations + 3).await.unwrap();
    let log: Vec<_> = kernel.take_log().iter().map(ToString::to_string).collect();
    assert!(log.contains(&"bridge fdb delete 02:00:00:00:00:03 dev flannel.1 self".to_owned()), "{log:?}");
    // Somebody takes our annotations away: they are written again.
    let mut bare = server.object("nodes", "n2").unwrap();
    bare["metadata"]["annotations"] = json!({});
    server.set("nodes", "n2", bare);
    server.asked_times(2, is_annotation_patch).await;
    handle.clean_up().await.unwrap();
    assert_eq!(annotation(&server, 2, "public-ip"), Value::Null);
}

/// Drives n2 on a kernel in memory.
async fn drive(server: &Server, nodes: KubeNodes) -> (Fake, Handle) {
    fresh(server, 2);
    let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady"});
    let mut object = server.object("nodes", "n2").unwrap();
    object["status"] = json!({"conditions": [ready]});
    server.set("nodes", "n2", object);
    let own = nodes.acquire(&Claim::new("n2", [address(2)], &network())).await.unwrap();
    let builder = OverlayBuilder::of_net_conf(&network()).lease(&own).registry(nodes);
    let kernel = Fake::new();
    let (handle, run) = builder.build().unwrap().drive_on(kernel.clone());
    tokio::spawn(run);
    (kernel, handle)
}

/// The conditions of n2, once ours is among them.
async fn condition_is_set(server: &Server) -> Value {
    let set = async {
        loop {
            let said = conditions(server, 2);
            if said.as_array().is_some_and(|said| said.iter().any(|one| one["reason"] == "FlannelIsUp")) {
                return said;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(HANGS, set).await.unwrap()
}

#[tokio::test]
async fn pods_may_come_once_the_kernel_is_in_step_and_the_condition_says_so_as_flannels() {
    let server = Server::start(None).await;
    let (kernel, handle) = drive(&server, registry(&server)).await;
    // Without an underlay nothing can be programmed.
    handle.until(|status| !status.problems().is_empty()).await.unwrap();
    assert_eq!(conditions(&server, 2).as_array().unwrap().len(), 1);
    kernel.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    let said = condition_is_set(&server).await;
    let status = handle.status();
    assert!(status.programmed().is_some() && status.lease().is_some(), "{status:?}");
    assert_eq!(said[0]["reason"], "KubeletReady", "what others say stays: {said}");
    let parts = ["type", "status", "reason"].map(|key| said[1][key].as_str().unwrap());
    assert_eq!(parts, ["NetworkUnavailable", "False", "FlannelIsUp"]);
    assert!(said[1]["lastTransitionTime"].as_str().unwrap().ends_with('Z'), "{said}");
    handle.clean_up().await.unwrap();
    assert_eq!(conditions(&server, 2).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_node_that_was_made_anew_is_told_anew() {
    let server = Server::start(None).await;
    let (kernel, _handle) = drive(&server, registry(&server)).await;
    kernel.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    condition_is_set(&server).await;
    let mut object = server.object("nodes", "n2").unwrap();
    object["metadata"]["annotations"] = json!({});
    object["status"] = json!({});
    server.set("nodes", "n2", object);
    condition_is_set(&server).await;
    assert!(annotation(&server, 2, "backend-data").is_string());
}

#[tokio::test]
async fn who_does_not_want_the_condition_gets_none() {
    let server = Server::start(None).await;
    let cluster = Cluster::plain(&server.url()).unwrap();
    let nodes = KubeNodes::builder(cluster).network_condition(false).build().unwrap();
    let (kernel, handle) = drive(&server, nodes).await;
    kernel.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    handle.until(|status| status.lease().is_some()).await.unwrap();
    handle.clean_up().await.unwrap();
    assert!(
        server
            .asked()
            .iter()
            .filter_map(|asked| asked.patch.as_ref())
            .all(|patch| patch.get("status").is_none())
    );
}

#[tokio::test]
async fn an_address_that_people_want_instead_is_what_peers_see_and_written_once() {
    let server = Server::start(None).await;
    fresh(&server, 2);
    let mut object = server.object("nodes", "n2").unwrap();
    object["metadata"]["annotations"][format!("{PREFIX}/public-ip-overwrite")] = json!("203.0.113.7");
    server.set("nodes", "n2", object);
    let nodes = registry(&server);
    let own = nodes.acquire(&Claim::new("n2", [address(2)], &network())).await.unwrap();
    let kernel = Fake::new();
    kernel.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    let builder = OverlayBuilder::of_net_conf(&network()).lease(&own).registry(nodes);
    let (handle, run) = builder.build().unwrap().drive_on(kernel);
    tokio::spawn(run);
    for number in 3..6 {
        flannel(&server, number, &format!("02:00:00:00:00:0{number}"));
        let settled =
            handle.until(|status| status.peers() == usize::from(number) - 2 && status.lease().is_some());
        let status = tokio::time::timeout(HANGS, settled).await.unwrap().unwrap();
        assert_eq!(status.problems(), []);
    }
    assert_eq!(annotation(&server, 2, "public-ip"), json!("203.0.113.7"));
    assert_eq!(patches(&server), 1);
}

#[tokio::test]
async fn a_node_that_gets_another_address_says_so_and_people_still_have_the_last_word() {
    let server = Server::start(None).await;
    let (kernel, handle) = drive(&server, registry(&server)).await;
    kernel.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    let ready = async |to: IpAddr| {
        let there = |status: &Status| {
            status.is_ready() && status.lease().is_some_and(|lease| lease.public_ip() == to)
        };
        tokio::time::timeout(HANGS, handle.until(there)).await.unwrap().unwrap()
    };
    ready(address(2)).await;
    let data = annotation(&server, 2, "backend-data");
    let goes = async |from: u8, to: u8| {
        kernel.delete_address("eth0", address(from));
        kernel.add_address("eth0", format!("172.20.10.{to}/24").parse().unwrap());
        ready(address(to)).await
    };
    assert_eq!(goes(2, 12).await.problems(), []);
    assert_eq!(annotation(&server, 2, "public-ip"), json!("172.20.10.12"));
    assert_eq!(annotation(&server, 2, "backend-data"), data, "the MAC address is the same");
    let mut object = server.object("nodes", "n2").unwrap();
    object["metadata"]["annotations"][format!("{PREFIX}/public-ip-overwrite")] = json!("203.0.113.7");
    server.set("nodes", "n2", object);
    goes(12, 22).await;
    while annotation(&server, 2, "public-ip") != json!("203.0.113.7") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
