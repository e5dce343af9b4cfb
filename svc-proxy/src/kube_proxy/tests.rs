use svc_model::AddressType;

use super::*;
use crate::ipvs::{self, Scheduler};
use crate::{Node, PodSource};

const HEAD: &str = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

fn good(fields: &str) -> Configuration {
    read(&format!("{HEAD}{fields}")).unwrap()
}

fn node(fields: &str) -> Node {
    good(fields)
        .node(Node::builder("server2").address("172.20.10.2").pod_cidr("10.244.2.0/24"))
        .build()
        .unwrap()
}

/// What kubeadm of 1.33 writes.
const KUBEADM: &str = r#"
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
"#;

#[test]
fn what_kubeadm_writes_is_read_with_the_defaults_of_kube_proxy() {
    let read = good(KUBEADM);
    assert_eq!(read.mode(), None);
    assert_eq!(read.healthz_address(), Some("0.0.0.0:10256".parse().unwrap()));
    assert_eq!(read.metrics_address(), Some("127.0.0.1:10249".parse().unwrap()));
    assert_eq!((read.bind_address(), read.hostname_override()), (None, None));
    assert_eq!(read.sync_period(), Duration::from_secs(30));
    assert_eq!(*read.conntrack(), Conntrack::default());
    let warnings: Vec<_> = read.warnings().iter().map(ToString::to_string).collect();
    let expected =
        "KubeProxyConfiguration: clientConnection: has no effect: the embedder says where objects come from";
    assert_eq!(warnings, [expected]);
    assert_eq!(super::read(&format!("---\n{HEAD}{KUBEADM}")).as_ref(), Ok(&read));
}

#[test]
fn a_node_is_as_the_section_of_the_mode_says() {
    let sections = "
iptables: {masqueradeBit: 15, masqueradeAll: true, localhostNodePorts: true, syncPeriod: 1m, minSyncPeriod: 4s}
nftables: {masqueradeBit: 16, minSyncPeriod: 2s}
ipvs: {syncPeriod: 40s, minSyncPeriod: 5s}
";
    for (mode, mark, all, localhost, period) in [
        ("iptables", 1 << 15, true, true, 60),
        ("ipvs", 1 << 15, true, true, 40),
        ("nftables", 1 << 16, false, false, 30),
        ("''", 1 << 15, true, true, 60),
    ] {
        let fields = format!("mode: {mode}{sections}");
        let node = node(&fields);
        assert_eq!(node.masquerade_mark(), mark, "{mode}");
        assert_eq!((node.masquerade_all(), node.localhost_node_ports()), (all, localhost), "{mode}");
        let read = good(&fields);
        assert_eq!(read.sync_period(), Duration::from_secs(period), "{mode}");
        assert_eq!(read.min_sync_period(), Duration::from_secs(period % 7), "{mode}");
    }
}

#[test]
fn pods_are_told_by_the_detector() {
    let source = |fields: &str| node(fields).pod_source(AddressType::Ipv4);
    let cidr = |text: &str| Some(PodSource::Cidr(text.parse().unwrap()));
    for (fields, expected) in [
        ("clusterCIDR: 10.0.0.0/8", cidr("10.0.0.0/8")),
        ("clusterCIDR: 'fd00::/56,10.0.0.0/8'\ndetectLocalMode: ClusterCIDR", cidr("10.0.0.0/8")),
        ("clusterCIDR: 10.0.0.0/8\ndetectLocalMode: NodeCIDR", cidr("10.244.2.0/24")),
        ("detectLocalMode: ClusterCIDR", None),
        (
            "detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}",
            Some(PodSource::Interface("cni0".to_owned())),
        ),
        (
            "detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}",
            Some(PodSource::InterfacePrefix("veth".to_owned())),
        ),
    ] {
        assert_eq!(source(fields), expected, "{fields}");
    }
}

#[test]
fn addresses_are_taken_as_they_are_written() {
    let v6 = good("bindAddress: '::'");
    assert_eq!(v6.healthz_address(), Some("[::]:10256".parse().unwrap()));
    assert_eq!(v6.metrics_address(), Some("[::1]:10249".parse().unwrap()));
    let said = good("healthzBindAddress: 10.0.0.1\nmetricsBindAddress: '[fd00::1]:99'");
    assert_eq!(said.healthz_address(), Some("10.0.0.1:10256".parse().unwrap()));
    assert_eq!(said.metrics_address(), Some("[fd00::1]:99".parse().unwrap()));
    let primary = node("bindAddress: 192.168.7.2").primary_address(AddressType::Ipv4);
    assert_eq!(primary, Some("192.168.7.2".parse().unwrap()));
    for (fields, expected) in [
        ("nodePortAddresses: []", NodePortAddresses::Primary),
        ("nodePortAddresses: [primary]", NodePortAddresses::Primary),
        ("nodePortAddresses: [all]", NodePortAddresses::All),
        (
            "nodePortAddresses: [10.0.0.0/8, fd00::/8]",
            NodePortAddresses::Cidrs(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]),
        ),
    ] {
        assert_eq!(*node(fields).node_port_addresses(), expected, "{fields}");
    }
}

#[test]
fn connection_tracking_is_as_large_as_the_machine_asks_for() {
    let of = |fields: &str, processors| good(fields).conntrack().at_least(processors);
    let max = |most| ("net/netfilter/nf_conntrack_max", most);
    let usual = [
        ("net/netfilter/nf_conntrack_tcp_timeout_established", 86_400),
        ("net/netfilter/nf_conntrack_tcp_timeout_close_wait", 3600),
    ];
    assert_eq!(of("", 2), [&[max(131_072)][..], &usual].concat());
    assert_eq!(of("", 64), [&[max(2_097_152)][..], &usual].concat());
    assert_eq!(of("conntrack: {maxPerCore: 0}", 64), usual);
    let all = "conntrack: {maxPerCore: 10, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 1m,
        tcpBeLiberal: true, udpTimeout: 30s, udpStreamTimeout: 300s}";
    let expected = [
        max(40),
        ("net/netfilter/nf_conntrack_tcp_timeout_close_wait", 60),
        ("net/netfilter/nf_conntrack_tcp_be_liberal", 1),
        ("net/netfilter/nf_conntrack_udp_timeout", 30),
        ("net/netfilter/nf_conntrack_udp_timeout_stream", 300),
    ];
    assert_eq!(of(all, 4), expected);
}

#[test]
fn changes_say_what_it_takes_to_follow() {
    let mode = |from, to| Change::Mode { from, to };
    let (iptables, nftables) = (Some(ProxyMode::Iptables), Some(ProxyMode::Nftables));
    for (before, after, expected) in [
        ("", "", vec![]),
        ("", "oomScoreAdj: 3", vec![]),
        ("mode: iptables", "mode: nftables", vec![mode(iptables, nftables)]),
        ("", "mode: nftables", vec![mode(None, nftables)]),
        ("", "nodePortAddresses: [10.0.0.0/8]", vec![Change::Node]),
        ("", "iptables: {masqueradeAll: true}", vec![Change::Node]),
        // Of another mode than that of the file.
        ("", "nftables: {masqueradeAll: true}", vec![]),
        ("", "metricsBindAddress: 0.0.0.0:10249", vec![Change::Servers]),
        ("", "ipvs: {scheduler: lc}", vec![Change::Ipvs]),
        ("", "ipvs: {scheduler: rr, syncPeriod: 9s}", vec![]),
        ("mode: ipvs", "mode: ipvs\nipvs: {minSyncPeriod: 9s}", vec![Change::Servers]),
        ("", "conntrack: {min: 1}", vec![Change::Conntrack]),
        ("", "hostnameOverride: a", vec![Change::Hostname]),
    ] {
        assert_eq!(good(before).changes(&good(after)), expected, "{before} -> {after}");
    }
}

#[test]
fn ipvs_is_read() {
    let read = good("ipvs: {scheduler: wlc, strictARP: true, excludeCIDRs: [10.1.0.0/16], tcpTimeout: 15m}");
    let ipvs = read.ipvs();
    assert_eq!((ipvs.scheduler(), ipvs.strict_arp()), (Some(Scheduler::WLC), true));
    let backend = ipvs::Backend::default().scheduler(Scheduler::WLC).strict_arp(true);
    let backend = backend.exclude(["10.1.0.0/16".parse().unwrap()]);
    assert_eq!(ipvs.backend(), backend.timeouts(ipvs::Timeouts::new(900, 0, 0)));
    assert_eq!(good("").ipvs().backend(), ipvs::Backend::default());
    assert_eq!(ipvs.exclude_cidrs(), ["10.1.0.0/16".parse().unwrap()]);
    assert_eq!((ipvs.tcp_timeout(), ipvs.tcp_fin_timeout()), (Some(Duration::from_secs(900)), None));
}

#[test]
fn what_has_no_effect_is_named_by_its_path() {
    let read = good(
        "featureGates: {A: true}\niptables: {snatNodeInternalIP: true, masqueradeBits: 4}\nModes: x\noomScoreAdj: -999\n\
         ipvs: {schedulerFlags: x}",
    );
    let fields: Vec<_> = read.warnings().iter().map(Problem::field).collect();
    let expected = [
        "featureGates",
        "oomScoreAdj",
        "iptables.snatNodeInternalIP",
        "iptables.masqueradeBits",
        "ipvs.schedulerFlags",
        "Modes",
    ];
    assert_eq!(fields, expected);
}

/// Fields, and what is said of them.
const WRONG: &[(&str, &str)] = &[
    ("mode: userspace", "mode: `userspace` is not iptables, ipvs or nftables"),
    ("mode: 5", "mode: `5` is not text"),
    ("bindAddress: here", "bindAddress: `here` is not an address"),
    (
        "healthzBindAddress: 'localhost:1'",
        "healthzBindAddress: `localhost:1` is not an address with a port, such as 0.0.0.0:10256",
    ),
    ("metricsBindAddress: '1.2.3.4:0'", "metricsBindAddress: `1.2.3.4:0` has a port that is not in 1-65535"),
    ("clusterCIDR: 10.0.0.0", "clusterCIDR: `10.0.0.0` is not a range such as 10.244.0.0/16"),
    (
        "clusterCIDR: '10.0.0.0/8,11.0.0.0/8'",
        "clusterCIDR: `10.0.0.0/8,11.0.0.0/8` is more than one range of a family: write one, or one of each such as \
         10.244.0.0/16,fd00::/56",
    ),
    (
        "detectLocalMode: Guess",
        "detectLocalMode: `Guess` is not ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix",
    ),
    (
        "detectLocalMode: BridgeInterface",
        "detectLocal.bridgeInterface: is needed: detectLocalMode is BridgeInterface",
    ),
    (
        "detectLocal: {interfaceNamePrefix: much-too-long-a-name}",
        "detectLocal.interfaceNamePrefix: `much-too-long-a-name` is not an interface's name: 1 to 15 bytes",
    ),
    (
        "nodePortAddresses: [10.0.0.0/8, nowhere]",
        "nodePortAddresses[1]: `nowhere` is not a range such as 10.244.0.0/16",
    ),
    (
        "nodePortAddresses: [primary, 10.0.0.0/8]",
        "nodePortAddresses: has `primary` or `all` beside others: write it alone",
    ),
    ("iptables: {masqueradeBit: 32}", "iptables.masqueradeBit: `32` is not in 0-31"),
    ("nftables: {masqueradeBit: -1}", "nftables.masqueradeBit: `-1` is not in 0-31"),
    ("iptables: {masqueradeAll: 1}", "iptables.masqueradeAll: `1` is not true or false"),
    ("iptables: {syncPeriod: 30}", "iptables.syncPeriod: `30` is not text"),
    ("ipvs: {syncPeriod: soon}", "ipvs.syncPeriod: `soon` is not a duration such as 30s or 1h30m"),
    ("nftables: {syncPeriod: 1s, minSyncPeriod: 2s}", "nftables.minSyncPeriod: 2s is more than syncPeriod"),
    (
        "ipvs: {scheduler: best}",
        "ipvs.scheduler: `best` is not rr, wrr, lc, wlc, lblc, lblcr, sh, dh, sed, nq, mh",
    ),
    ("ipvs: {tcpTimeout: 10ms}", "ipvs.tcpTimeout: 10ms is not in 1s-2147483s"),
    ("ipvs: {udpTimeout: 800h}", "ipvs.udpTimeout: 2880000s is not in 1s-2147483s"),
    ("ipvs: {tcpFinTimeout: -1s}", "ipvs.tcpFinTimeout: `-1s` is not a duration such as 30s or 1h30m"),
    ("ipvs: {strictARP: 1}", "ipvs.strictARP: `1` is not true or false"),
    ("ipvs: {syncPeriod: 1s, minSyncPeriod: 2s}", "ipvs.minSyncPeriod: 2s is more than syncPeriod"),
    ("ipvs: {excludeCIDRs: [x]}", "ipvs.excludeCIDRs[0]: `x` is not a range such as 10.244.0.0/16"),
    ("conntrack: {min: -1}", "conntrack.min: `-1` is not in 0-2147483647"),
    ("conntrack: []", "conntrack: `[]` is not a mapping"),
];

#[test]
fn what_cannot_be_meant_is_named_with_value_and_rule() {
    for (fields, expected) in WRONG {
        let wrong = read(&format!("{HEAD}{fields}\n")).unwrap_err();
        assert_eq!(wrong.to_string(), format!("KubeProxyConfiguration: {expected}"), "{fields}");
    }
    let two = read(&format!("{HEAD}mode: a\nbindAddress: b\n")).unwrap_err();
    assert_eq!(two.problems().len(), 2);
}

#[test]
fn a_file_is_one_document_of_the_kind() {
    let told = |text: &str| read(text).unwrap_err().to_string();
    let none = "KubeProxyConfiguration: kind: 0 documents are of this kind, and it has to be one";
    assert_eq!(told(""), none);
    assert_eq!(told("kind: KubeletConfiguration"), none);
    assert!(told(&format!("{HEAD}---\n{HEAD}")).contains("2 documents"));
    assert!(told("kind: KubeProxyConfiguration\napiVersion: v1").contains("apiVersion: `v1` is not read"));
    assert!(told("kind: [").contains("not valid YAML"));
    let mixed = format!("kind: KubeletConfiguration\n---\n{HEAD}mode: ipvs\n");
    assert_eq!(read(&mixed).unwrap().mode(), Some(ProxyMode::Ipvs));
}

proptest::proptest! {
    #[test]
    fn no_text_does_harm(fields in "[a-z:{}\\[\\], \\n-]{0,60}") {
        let _ = read(&format!("{HEAD}{fields}"));
    }
}
