//! The fields of the file, and their rules (pkg/proxy/apis/config/validation).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::section::{Findings, Section};
use super::{Configuration, Conntrack, Ipvs, Masquerading, Periods};
use crate::{Detector, NodePortAddresses, ProxyMode};

const HEALTHZ_PORT: u16 = 10256;
const METRICS_PORT: u16 = 10249;
/// Of IPVS, those that kube-proxy knows.
const SCHEDULERS: [&str; 11] = ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "mh"];

/// In seconds: the kernel's timers count up to a thousand times a second, and are signed.
const LONGEST_TIMEOUT: u64 = i32::MAX as u64 / 1000;

/// What has no effect here, and why.
const WITHOUT_EFFECT: [(&str, &str); 12] = [
    ("featureGates", "what is here is always on"),
    ("clientConnection", "the embedder says where objects come from"),
    ("logging", "the embedder says where traces go"),
    ("bindAddressHardFail", "addresses that cannot be bound are reported and tried again"),
    ("enableProfiling", "there is no profiling server"),
    ("showHiddenMetricsForVersion", "no metric is hidden"),
    ("oomScoreAdj", "the embedder's process is the embedder's"),
    ("configSyncPeriod", "changes are followed as they come"),
    ("portRange", "it was for the userspace mode"),
    ("udpIdleTimeout", "it was for the userspace mode"),
    ("winkernel", "this is not Windows"),
    ("windowsRunAsService", "this is not Windows"),
];

pub(super) fn configuration(mut file: Section, findings: &mut Findings) -> Configuration {
    file.text("kind", findings);
    file.text("apiVersion", findings);
    WITHOUT_EFFECT.iter().for_each(|(field, why)| file.without_effect(field, why, findings));
    let bind: Option<IpAddr> = file.parsed("bindAddress", findings, address);
    let v6 = bind.is_some_and(|address| address.is_ipv6());
    let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let loopback: IpAddr = if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let healthz = file.parsed("healthzBindAddress", findings, |text| socket(text, HEALTHZ_PORT));
    let metrics = file.parsed("metricsBindAddress", findings, |text| socket(text, METRICS_PORT));
    let cluster_cidrs = file.parsed("clusterCIDR", findings, cluster_cidrs).unwrap_or_default();
    let configuration = Configuration {
        mode: file.parsed("mode", findings, mode),
        hostname_override: file.text("hostnameOverride", findings),
        bind_address: bind.filter(|address| !address.is_unspecified()),
        healthz: Some(healthz.unwrap_or(SocketAddr::new(any, HEALTHZ_PORT))),
        metrics: Some(metrics.unwrap_or(SocketAddr::new(loopback, METRICS_PORT))),
        detector: detector(&mut file, &cluster_cidrs, findings),
        cluster_cidrs,
        node_port_addresses: node_port_addresses(&mut file, findings),
        iptables: masquerading(file.section("iptables", findings), findings),
        nftables: masquerading(file.section("nftables", findings), findings),
        ipvs: ipvs(file.section("ipvs", findings), findings),
        conntrack: conntrack(file.section("conntrack", findings), findings),
        warnings: Vec::new(),
    };
    file.finish(findings);
    configuration
}

fn mode(text: &str) -> Result<ProxyMode, String> {
    let known = ProxyMode::ALL.into_iter().find(|mode| mode.name() == text);
    known.ok_or_else(|| "is not iptables, ipvs or nftables".to_owned())
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "is not an address".to_owned())
}

/// An address with a port, or without: then this one.
fn socket(text: &str, port: u16) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let alone = bare.parse().map(|address| SocketAddr::new(address, port));
    let socket = alone
        .or_else(|_| text.parse())
        .map_err(|_| "is not an address with a port, such as 0.0.0.0:10256")?;
    if socket.port() == 0 { Err("has a port that is not in 1-65535".to_owned()) } else { Ok(socket) }
}

fn cidr(text: &str) -> Result<IpNet, String> {
    text.parse().map_err(|_| "is not a range such as 10.244.0.0/16".to_owned())
}

/// One range, or one of each family.
fn cluster_cidrs(text: &str) -> Result<Vec<IpNet>, String> {
    let cidrs: Vec<_> = text.split(',').map(cidr).collect::<Result<_, _>>()?;
    match &cidrs[..] {
        [_] => Ok(cidrs),
        [one, other] if one.addr().is_ipv4() != other.addr().is_ipv4() => Ok(cidrs),
        _ => Err(
            "is more than one range of a family: write one, or one of each such as 10.244.0.0/16,fd00::/56"
                .to_owned(),
        ),
    }
}

fn detector(file: &mut Section, cluster_cidrs: &[IpNet], findings: &mut Findings) -> Option<Detector> {
    let mut local = file.section("detectLocal", findings);
    let bridge = local.parsed("bridgeInterface", findings, interface);
    let prefix = local.parsed("interfaceNamePrefix", findings, interface);
    let modes = ["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"];
    let chosen = file.parsed("detectLocalMode", findings, |text| {
        let known = modes.into_iter().find(|mode| *mode == text);
        known.ok_or_else(|| format!("is not {}", modes.join(", ")))
    });
    let detector = match chosen? {
        "NodeCIDR" => Some(Detector::NodeCidr),
        "BridgeInterface" => bridge.map(Detector::Interface),
        "InterfaceNamePrefix" => prefix.map(Detector::InterfacePrefix),
        // Without a range kube-proxy takes nobody for a pod, and says so.
        _ => Some(if cluster_cidrs.is_empty() { Detector::None } else { Detector::ClusterCidr }),
    };
    if detector.is_none() {
        let field = if chosen == Some("BridgeInterface") { "bridgeInterface" } else { "interfaceNamePrefix" };
        let rule = format!("is needed: detectLocalMode is {}", chosen.unwrap_or_default());
        local.wrong(field, rule, findings);
    }
    local.finish(findings);
    detector
}

fn interface(text: &str) -> Result<String, String> {
    let fits = (1..16).contains(&text.len());
    if fits { Ok(text.to_owned()) } else { Err("is not an interface's name: 1 to 15 bytes".to_owned()) }
}

/// Ranges, or `primary` or `all` alone.
fn node_port_addresses(file: &mut Section, findings: &mut Findings) -> Option<NodePortAddresses> {
    const FIELD: &str = "nodePortAddresses";
    let entries = file.list(FIELD, findings, |text| match text {
        "primary" => Ok(NodePortAddresses::Primary),
        "all" => Ok(NodePortAddresses::All),
        text => cidr(text).map(|cidr| NodePortAddresses::Cidrs(vec![cidr])),
    });
    if let [only] = &entries[..] {
        return Some(only.clone());
    }
    let mut cidrs = Vec::new();
    for entry in entries {
        match entry {
            NodePortAddresses::Cidrs(mut more) => cidrs.append(&mut more),
            _ => file.wrong(FIELD, "has `primary` or `all` beside others: write it alone", findings),
        }
    }
    (!cidrs.is_empty()).then_some(NodePortAddresses::Cidrs(cidrs))
}

fn masquerading(mut section: Section, findings: &mut Findings) -> Masquerading {
    let periods = periods(&mut section, findings);
    let bit = section.number("masqueradeBit", 31, findings);
    section.without_effect("snatNodeInternalIP", "the kernel chooses the address", findings);
    let masquerading = Masquerading {
        bit: bit.and_then(|bit| u8::try_from(bit).ok()),
        all: section.flag("masqueradeAll", findings),
        localhost_node_ports: section.flag("localhostNodePorts", findings),
        periods,
    };
    section.finish(findings);
    masquerading
}

/// `syncPeriod`, and `minSyncPeriod`, which may not exceed it.
fn periods(section: &mut Section, findings: &mut Findings) -> Periods {
    let sync = section.duration("syncPeriod", findings).filter(|period| !period.is_zero());
    let least = section.duration("minSyncPeriod", findings).unwrap_or_default();
    if least > sync.unwrap_or(Duration::from_secs(30)) {
        section.wrong("minSyncPeriod", format!("{least:?} is more than syncPeriod"), findings);
    }
    Periods { sync, least }
}

fn ipvs(mut section: Section, findings: &mut Findings) -> Ipvs {
    let periods = periods(&mut section, findings);
    let scheduler = section.parsed("scheduler", findings, |text| {
        let known = SCHEDULERS.into_iter().find(|known| *known == text);
        let parsed = known.and_then(|known| known.parse().ok());
        parsed.ok_or_else(|| format!("is not {}", SCHEDULERS.join(", ")))
    });
    let mut timeout = |field| {
        let timeout = section.duration(field, findings).filter(|timeout| !timeout.is_zero())?;
        if timeout.as_secs() == 0 || timeout.as_secs() > LONGEST_TIMEOUT {
            let rule = format!("{timeout:?} is not in 1s-{LONGEST_TIMEOUT}s");
            section.wrong(field, rule, findings);
        }
        Some(timeout)
    };
    let timeouts = [timeout("tcpTimeout"), timeout("tcpFinTimeout"), timeout("udpTimeout")];
    let exclude_cidrs = section.list("excludeCIDRs", findings, cidr);
    let strict_arp = section.flag("strictARP", findings);
    section.finish(findings);
    Ipvs { scheduler, exclude_cidrs, strict_arp, timeouts, periods }
}

fn conntrack(mut section: Section, findings: &mut Findings) -> Conntrack {
    let most = i32::MAX.unsigned_abs();
    let usual = Conntrack::default();
    let max_per_core = section.number("maxPerCore", most, findings).unwrap_or(usual.max_per_core);
    let min = section.number("min", most, findings).unwrap_or(usual.min);
    let tcp_be_liberal = section.flag("tcpBeLiberal", findings);
    let mut timeout = |field, usual| section.duration(field, findings).or(usual).filter(|it| !it.is_zero());
    let conntrack = Conntrack {
        max_per_core,
        min,
        tcp_established: timeout("tcpEstablishedTimeout", usual.tcp_established),
        tcp_close_wait: timeout("tcpCloseWaitTimeout", usual.tcp_close_wait),
        tcp_be_liberal,
        udp: timeout("udpTimeout", None),
        udp_stream: timeout("udpStreamTimeout", None),
    };
    section.finish(findings);
    conntrack
}
