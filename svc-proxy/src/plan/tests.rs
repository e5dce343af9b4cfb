use svc_model::{ObjectName, Snapshot, yaml};

use super::*;

fn snapshot(manifests: &str) -> Snapshot {
    let (objects, problems) = yaml::read(manifests).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects.into_iter().collect()
}

fn node() -> Node {
    Node::builder("here").address("172.20.10.2").cluster_cidr("10.244.0.0/16").build().unwrap()
}

/// A Service with every kind of frontend, and an endpoint per item: `here` or `there`, `+` ready, `-` not, `~` draining.
fn everything(spec: &str, endpoints: &[&str]) -> Snapshot {
    let endpoints: Vec<_> = (65..)
        .zip(endpoints)
        .map(|(host, text)| {
            let (node, state) = text.split_at(text.len() - 1);
            let conditions = match state {
                "+" => "ready: true",
                "-" => "ready: false, serving: false",
                _ => "ready: false, serving: true, terminating: true",
            };
            format!("{{addresses: [10.244.2.{host}], nodeName: {node}, conditions: {{{conditions}}}}}")
        })
        .collect();
    snapshot(&format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: default}},
           spec: {{type: LoadBalancer, clusterIP: 10.96.0.80, externalIPs: [192.0.2.1],
                   ports: [{{name: http, port: 80, nodePort: 30080}}], {spec}}},
           status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.70}}]}}}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
  metadata: {{name: web-1, namespace: default, labels: {{kubernetes.io/service-name: web}}}},
  ports: [{{name: http, port: 8080}}], endpoints: [{}]}}",
        endpoints.join(", ")
    ))
}

const KINDS: [FrontendKind; 4] =
    [FrontendKind::ClusterIp, FrontendKind::LoadBalancer, FrontendKind::ExternalIp, FrontendKind::NodePort];

/// `65,66 m` for masqueraded to either, `reject`, `drop`.
fn read(plan: &Plan, kind: FrontendKind, class: SourceClass) -> String {
    let (port, frontend) = plan.frontends().find(|(_, frontend)| frontend.kind() == kind).unwrap();
    match port.reading(frontend, class) {
        Reading::Reject => "reject".to_owned(),
        Reading::Drop => "drop".to_owned(),
        Reading::Forward { endpoints, masquerade } => {
            let hosts = endpoints
                .iter()
                .map(|endpoint| endpoint.address().ip().to_string().rsplit('.').next().unwrap().to_owned());
            format!("{}{}", hosts.collect::<Vec<_>>().join(","), if masquerade { " m" } else { "" })
        }
    }
}

/// Spec, endpoints; what a ClusterIP gives to pods, the node and others; what the other frontends give.
type Row = (&'static str, &'static [&'static str], [&'static str; 3], [&'static str; 3]);

#[test]
fn outcomes_follow_policies_endpoints_and_source() {
    const LOCAL_OUT: &str = "externalTrafficPolicy: Local";
    const LOCAL_IN: &str = "internalTrafficPolicy: Local";
    let rows: &[Row] = &[
        ("", &[], ["reject"; 3], ["reject"; 3]),
        ("", &["here-"], ["reject"; 3], ["reject"; 3]),
        ("", &["here+", "there+"], ["65,66", "65,66 m", "65,66 m"], ["65,66 m"; 3]),
        ("", &["here-", "there+"], ["66", "66 m", "66 m"], ["66 m"; 3]),
        ("", &["here~", "there+"], ["66", "66 m", "66 m"], ["66 m"; 3]),
        ("", &["here~", "there~"], ["65,66", "65,66 m", "65,66 m"], ["65,66 m"; 3]),
        (LOCAL_OUT, &["here+", "there+"], ["65,66", "65,66 m", "65,66 m"], ["65,66", "65,66 m", "65"]),
        (LOCAL_OUT, &["there+"], ["65", "65 m", "65 m"], ["65", "65 m", "drop"]),
        (LOCAL_OUT, &["here~", "there+"], ["66", "66 m", "66 m"], ["66", "66 m", "65"]),
        (LOCAL_OUT, &["here-"], ["reject"; 3], ["reject"; 3]),
        (LOCAL_IN, &["here+", "there+"], ["65", "65 m", "65 m"], ["65,66 m"; 3]),
        (LOCAL_IN, &["there+"], ["drop"; 3], ["65 m"; 3]),
        (LOCAL_IN, &["here~", "there+"], ["65", "65 m", "65 m"], ["66 m"; 3]),
        (LOCAL_IN, &[], ["reject"; 3], ["reject"; 3]),
    ];
    for (spec, endpoints, inside, outside) in rows {
        let plan = Plan::new(&everything(spec, endpoints), &node());
        for kind in KINDS {
            let expected = if kind.is_external() { outside } else { inside };
            let found = SourceClass::ALL.map(|class| read(&plan, kind, class));
            assert_eq!(found, *expected, "{spec} {endpoints:?} {kind}");
        }
    }
}

#[test]
fn masquerade_of_cluster_ips_depends_on_the_node() {
    let plain = Node::builder("here").address("172.20.10.2");
    let rows = [
        (plain.clone(), Masquerade::Never),
        (plain.clone().masquerade_all(true), Masquerade::Always),
        (plain.clone().pod_cidr("10.244.2.0/24"), Masquerade::UnlessPod),
        (plain.pod_cidr("10.244.2.0/24").masquerade_all(true), Masquerade::Always),
    ];
    for (builder, expected) in rows {
        let plan = Plan::new(&everything("", &["here+"]), &builder.build().unwrap());
        assert_eq!(plan.frontends().next().unwrap().1.masquerade(), expected);
    }
}

#[test]
fn source_ranges_restrict_balancer_addresses_only() {
    let rows: [(&str, Option<&[&str]>); 7] = [
        ("", None),
        ("[10.0.0.0/8, \" 192.168.1.7/24 \"]", Some(&["10.0.0.0/8", "192.168.1.0/24"])),
        ("[10.0.0.0/8, 0.0.0.0/0]", None),
        ("[10.0.0.0/8, \"::/0\"]", Some(&["10.0.0.0/8"])),
        // Someone is meant to be kept out.
        ("[\"fd00::/8\"]", Some(&[])),
        ("[somewhere]", Some(&[])),
        // A node that may use the address may speak from it.
        ("[172.20.0.0/16]", Some(&["172.20.0.0/16", "192.0.2.70/32"])),
    ];
    for (ranges, expected) in rows {
        let spec = format!("loadBalancerSourceRanges: {}", if ranges.is_empty() { "[]" } else { ranges });
        let plan = Plan::new(&everything(&spec, &["here+"]), &node());
        for (_, frontend) in plan.frontends() {
            let expected = expected.filter(|_| frontend.kind() == FrontendKind::LoadBalancer);
            let found =
                frontend.sources().map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(
                found.as_deref(),
                expected.map(|list| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).as_deref(),
                "{spec} {}",
                frontend.kind()
            );
            let outsider = "203.0.113.1".parse().unwrap();
            assert_eq!(frontend.admits(outsider), expected.is_none(), "{spec} {}", frontend.kind());
        }
    }
}

/// As a node's own address counts for the Service's: it speaks from there.
#[test]
fn a_node_without_an_address_is_known_by_its_loopback() {
    let node = Node::builder("here").families([svc_model::AddressType::Ipv4]).build().unwrap();
    for (range, admits) in [("127.0.0.0/8", true), ("172.20.0.0/16", false)] {
        let spec = format!("loadBalancerSourceRanges: [{range}]");
        let plan = Plan::new(&everything(&spec, &["here+"]), &node);
        let mut frontends = plan.frontends().map(|(_, frontend)| frontend);
        let balancer = frontends.find(|frontend| frontend.kind() == FrontendKind::LoadBalancer).unwrap();
        assert_eq!(balancer.admits("192.0.2.70".parse().unwrap()), admits, "{range}");
    }
}

/// The plan with kube-proxy's side taken in one question.
fn compat(objects: &Snapshot, set: impl Fn(&mut crate::Compat)) -> Plan {
    let mut compat = crate::Compat::default();
    set(&mut compat);
    let node = Node::builder("here").address("172.20.10.2").cluster_cidr("10.244.0.0/16").compat(compat);
    Plan::new(objects, &node.build().unwrap())
}

#[test]
fn kube_proxys_way_can_be_had() {
    let other_family = everything("loadBalancerSourceRanges: [\"fd00::/8\"]", &["here+"]);
    let plan = compat(&other_family, |compat| compat.open_source_ranges = true);
    assert!(plan.frontends().all(|(_, frontend)| frontend.sources().is_none()));

    let local = "externalTrafficPolicy: Local, internalTrafficPolicy: Local";
    let plan = compat(&everything(local, &["there+"]), |compat| compat.local_falls_back = true);
    for kind in KINDS {
        let expected = if kind.is_external() { ["65", "65 m", "65"] } else { ["65", "65 m", "65 m"] };
        assert_eq!(SourceClass::ALL.map(|class| read(&plan, kind, class)), expected, "{kind}");
    }

    let objects = everything("externalTrafficPolicy: Local", &["here+", "there+"]);
    let plan = compat(&objects, |compat| compat.local_without_short_circuit = true);
    for kind in KINDS.into_iter().filter(|kind| kind.is_external()) {
        assert_eq!(SourceClass::ALL.map(|class| read(&plan, kind, class)), ["65"; 3], "{kind}");
    }
}

#[test]
fn health_checks_count_ready_endpoints_of_this_node() {
    let rows: [(&str, &[&str], Option<usize>); 4] = [
        (
            "externalTrafficPolicy: Local, healthCheckNodePort: 32000",
            &["here+", "here~", "there+", "here+"],
            Some(2),
        ),
        ("externalTrafficPolicy: Local, healthCheckNodePort: 32000", &["here~", "there+"], Some(0)),
        ("externalTrafficPolicy: Cluster, healthCheckNodePort: 32000", &["here+"], None),
        ("externalTrafficPolicy: Local", &["here+"], None),
    ];
    for (spec, endpoints, expected) in rows {
        let plan = Plan::new(&everything(spec, endpoints), &node());
        let check = plan.services().next().unwrap().health_check();
        assert_eq!(check.map(HealthCheck::local_endpoints), expected, "{spec} {endpoints:?}");
        assert!(check.is_none_or(|check| check.port() == 32_000));
    }
}

#[test]
fn services_of_others_are_left_alone() {
    let base =
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default LABELS}, spec: SPEC}";
    let rows = [
        (
            ", labels: {service.kubernetes.io/service-proxy-name: other}",
            "{clusterIP: 10.96.0.1, ports: [{port: 80}]}",
        ),
        ("", "{clusterIP: None, ports: [{port: 80}]}"),
        ("", "{type: ExternalName, externalName: example.com}"),
        ("", "{clusterIP: \"fd00::1\", ports: [{port: 80}]}"),
    ];
    for (labels, spec) in rows {
        let manifest = base.replace("SPEC", spec).replace(" LABELS", labels);
        assert_eq!(Plan::new(&snapshot(&manifest), &node()).frontends().count(), 0, "{manifest}");
    }
}

fn claimant(name: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: default}},
           spec: {{{spec}, ports: [{{port: 80}}]}}}}\n---\n"
    )
}

#[test]
fn nobody_takes_a_cluster_ip_by_naming_it() {
    let victim = claimant("z-victim", "clusterIP: 10.96.0.1");
    let thief = claimant("a-thief", "clusterIP: 10.96.0.2, externalIPs: [10.96.0.1]");
    let plan = Plan::new(&snapshot(&format!("{thief}{victim}")), &node());
    let key = FrontendKey {
        destination: Destination::Address("10.96.0.1".parse().unwrap()),
        protocol: svc_model::Protocol::Tcp,
        port: 80,
    };
    assert_eq!(plan.frontend(key).unwrap().0.name().to_string(), "default/z-victim");
    let problems = plan.problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].to_string(),
        "Service default/a-thief: spec.externalIPs TCP 10.96.0.1:80 is in use by default/z-victim: choose another \
         address or port"
    );
}

#[test]
fn two_balancers_at_one_address_are_both_named() {
    let balancer = |name: &str, ip: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: default}}, spec: {{type: LoadBalancer, \
               clusterIP: {ip}, ports: [{{port: 80}}]}}, status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.1}}]}}}}}}\n---\n"
        )
    };
    let both = format!("{}{}", balancer("b", "10.96.0.2"), balancer("a", "10.96.0.1"));
    let plan = Plan::new(&snapshot(&both), &node());
    let problems: Vec<_> = plan.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let said = &problems[0];
    assert!(
        said.starts_with(
            "Service default/b: status.loadBalancer.ingress TCP 192.0.2.1:80 is in use by default/a"
        ),
        "{said}"
    );
}

#[test]
fn the_loser_gets_the_address_when_the_winner_goes() {
    let shared = |name: &str, ip: &str| claimant(name, &format!("clusterIP: {ip}, externalIPs: [192.0.2.1]"));
    let before = snapshot(&format!("{}{}", shared("a", "10.96.0.1"), shared("b", "10.96.0.2")));
    let mut plan = Plan::new(&before, &node());
    assert_eq!(plan.problems().len(), 1);
    let winner = svc_model::ObjectRef::new(svc_model::Kind::Service, ObjectName::new("default", "a"));
    let (after, delta) = before.with([], [winner]);
    let changed = plan.update(&after, &delta);
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert!(plan.problems().is_empty());
    assert_eq!(plan, Plan::new(&after, &node()));
}

#[test]
fn an_endpoint_change_recomputes_one_service() {
    let before = everything("", &["here+"]);
    let mut plan = Plan::new(&before, &node());
    let slices = everything("", &["here+", "there+"]);
    let slice = slices.slices().next().unwrap();
    let others =
        (1..=50).map(|number| claimant(&format!("s{number}"), &format!("clusterIP: 10.96.1.{number}")));
    let others = snapshot(&others.collect::<String>());
    let (before, delta) = before.with(others.services().cloned().map(svc_model::Object::Service), []);
    plan.update(&before, &delta);
    service::COMPUTED.with(|computed| computed.set(0));
    let (after, delta) = before.with([svc_model::Object::EndpointSlice(slice.clone())], []);
    assert_eq!(plan.update(&after, &delta), [ObjectName::new("default", "web")].into());
    assert_eq!(plan.revision(), after.revision());
    assert_eq!(service::COMPUTED.with(std::cell::Cell::get), 1);
    let (same, delta) = after.with([svc_model::Object::EndpointSlice(slice.clone())], []);
    assert!(plan.update(&same, &delta).is_empty());
}

#[test]
fn prints_as_a_table() {
    let spec =
        "externalTrafficPolicy: Local, loadBalancerSourceRanges: [10.0.0.0/8], sessionAffinity: ClientIP";
    let plan = Plan::new(&everything(spec, &["here+", "there+"]), &node());
    let expected = "\
SERVICE           KIND          FRONTEND           POLICY   MASQUERADE  LEADS TO
default/web:http  ClusterIP     TCP 10.96.0.80:80  Cluster  unless pod  10.244.2.65:8080 (here), 10.244.2.66:8080; \
same client, same endpoint for 10800 s
default/web:http  LoadBalancer  TCP 192.0.2.70:80  Local    node        from outside 10.244.2.65:8080 (here); else \
10.244.2.65:8080 (here), 10.244.2.66:8080; same client, same endpoint for 10800 s; only from 10.0.0.0/8
default/web:http  ExternalIP    TCP 192.0.2.1:80   Local    node        from outside 10.244.2.65:8080 (here); else \
10.244.2.65:8080 (here), 10.244.2.66:8080; same client, same endpoint for 10800 s
default/web:http  NodePort      TCP node:30080     Local    node        from outside 10.244.2.65:8080 (here); else \
10.244.2.65:8080 (here), 10.244.2.66:8080; same client, same endpoint for 10800 s
";
    assert_eq!(plan.to_string(), expected);
}
