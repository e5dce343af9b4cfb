//! By which addresses a Service is served, family by family.

use super::*;

fn addresses(spec: &str, status: &str, labels: &str) -> [String; 2] {
    let text = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, labels: {{{labels}}}}}, \
         spec: {{{spec}{}}}, status: {{loadBalancer: {{ingress: [{status}]}}}}}}",
        if spec.contains("ports: ") { "" } else { ", ports: [{port: 80}]" }
    );
    let (objects, problems) = yaml::read(&text).stored();
    assert_eq!(problems, [], "{text}");
    let [Object::Service(service)] = &objects[..] else { panic!("{objects:?}") };
    [AddressType::Ipv4, AddressType::Ipv6].map(|family| {
        let balancer = balancer_ips(service, family).map(|ip| format!("lb {ip}"));
        let external = external_ips(service, family).map(|ip| format!("ext {ip}"));
        let all =
            cluster_ip(service, family).into_iter().map(|ip| ip.to_string()).chain(balancer).chain(external);
        let outside = is_externally_accessible(service, &service.ports()[0], family);
        all.chain(outside.then(|| "outside".to_owned())).collect::<Vec<_>>().join(", ")
    })
}

#[test]
fn each_family_sees_its_own_addresses() {
    for (spec, status, v4, v6) in [
        ("clusterIP: 10.96.0.1", "", "10.96.0.1", ""),
        ("clusterIP: 'fd00::1'", "", "", "fd00::1"),
        ("clusterIPs: [10.96.0.1, 'fd00::1']", "", "10.96.0.1", "fd00::1"),
        ("clusterIPs: ['fd00::1', 10.96.0.1]", "", "10.96.0.1", "fd00::1"),
        ("clusterIP: 010.096.000.001", "", "10.96.0.1", ""),
        (
            "clusterIPs: [10.96.0.1, 'fd00::1'], externalIPs: [192.0.2.1]",
            "",
            "10.96.0.1, ext 192.0.2.1, outside",
            "fd00::1",
        ),
        (
            "type: LoadBalancer, clusterIPs: [10.96.0.1, 'fd00::1']",
            "{ip: '2001:db8::1'}",
            "10.96.0.1",
            "fd00::1, lb 2001:db8::1, outside",
        ),
        // ipMode: a missing one is VIP, Proxy is none of the node's business
        (
            "type: LoadBalancer, clusterIP: 10.96.0.1",
            "{ip: 192.0.2.1, ipMode: VIP}, {ip: 192.0.2.2, ipMode: Proxy}, {ip: 192.0.2.3}",
            "10.96.0.1, lb 192.0.2.1, lb 192.0.2.3, outside",
            "",
        ),
        ("type: LoadBalancer, clusterIP: 10.96.0.1", "{ip: 192.0.2.2, ipMode: Proxy}", "10.96.0.1", ""),
        ("type: LoadBalancer, clusterIP: 10.96.0.1", "{hostname: lb.example}", "10.96.0.1", ""),
        // an address of the balancer counts for that type only
        ("type: NodePort, clusterIP: 10.96.0.1", "{ip: 192.0.2.1}", "10.96.0.1", ""),
        // a node port is of both families
        (
            "type: NodePort, clusterIPs: [10.96.0.1, 'fd00::1'], ports: [{port: 80, nodePort: 30080}]",
            "",
            "10.96.0.1, outside",
            "fd00::1, outside",
        ),
        ("clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]", "", "10.96.0.1", ""),
    ] {
        assert_eq!(addresses(spec, status, ""), [v4, v6], "{spec} {status}");
    }
}

#[test]
fn what_is_not_for_this_proxy_has_no_address() {
    for (spec, labels) in [
        ("clusterIP: None", ""),
        ("clusterIP: None, externalIPs: [192.0.2.1]", ""),
        ("type: ExternalName, externalName: db.example", ""),
        ("clusterIP: 10.96.0.1", "service.kubernetes.io/service-proxy-name: other"),
        ("clusterIP: 10.96.0.1", "service.kubernetes.io/service-proxy-name: ''"),
    ] {
        let [v4, v6] = addresses(spec, "", labels);
        assert!(!v4.contains("10.96") && v6.is_empty(), "{spec} {labels}: {v4}");
    }
}

/// What lets the outside in in one family opens nothing in the other: there only local endpoints are reached.
#[test]
fn an_outside_address_of_the_other_family_calls_for_no_cluster_list() {
    let text = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIPs: [10.96.0.1, 'fd00::1'], \
        externalIPs: [192.0.2.1], internalTrafficPolicy: Local, ports: [{port: 80}]}}";
    let (objects, _) = yaml::read(text).stored();
    let [Object::Service(service)] = &objects[..] else { panic!("{objects:?}") };
    for (family, cluster) in [("10.0.0.", 2), ("fd00:a::", 0)] {
        let ready = |host: u8, node: &str| {
            Backend::of(&Endpoint::ready_at(format!("{family}{host}").parse().unwrap()).on_node(node), 80)
        };
        let backends = [ready(1, HERE), ready(2, "there")];
        let selection = select(service, &service.ports()[0], &backends, Place::new(HERE, None));
        assert_eq!((selection.cluster.len(), selection.local.len()), (cluster, 1), "{family}");
    }
}
