//! Service, on creation.

use super::*;

/// Each of these specs is accepted.
#[test]
fn services_that_are_fine() {
    for text in [
        r#"{"ports": [{"port": 80}]}"#,
        r#"{"ports": [{"port": 1, "targetPort": 65535}]}"#,
        r#"{"ports": [{"name": "a", "port": 53, "protocol": "UDP"}, {"name": "b", "port": 53}]}"#,
        r#"{"ports": [{"port": 80, "targetPort": "http-alt", "appProtocol": "kubernetes.io/h2c"}]}"#,
        r#"{"clusterIP": "None"}"#,
        r#"{"clusterIP": "None", "ipFamilies": ["IPv6"]}"#,
        r#"{"type": "ExternalName", "externalName": "example.com."}"#,
        r#"{"type": "ExternalName", "externalName": "192.0.2.1"}"#,
        r#"{"type": "ExternalName", "externalName": "a", "ports": [{"port": 80, "nodePort": 1}], "internalTrafficPolicy": "Local"}"#,
        r#"{"clusterIP": "None", "type": "ClusterIP", "ports": [{"port": 80}], "sessionAffinity": "ClientIP"}"#,
        r#"{"ports": [{"port": 80}], "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}"#,
        r#"{"type": "LoadBalancer", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}]}"#,
        r#"{"type": "NodePort", "ports": [{"name": "a", "port": 53, "nodePort": 30053}, {"name": "b", "port": 53, "nodePort": 30053, "protocol": "UDP"}]}"#,
        r#"{"ports": [{"port": 80}], "trafficDistribution": "PreferSameZone"}"#,
        r#"{"ports": [{"port": 80}], "trafficDistribution": "PreferSameNode"}"#,
        r#"{"type": "NodePort", "ports": [{"port": 80, "nodePort": 32767}]}"#,
        r#"{"type": "LoadBalancer", "ports": [{"port": 80}], "externalTrafficPolicy": "Local", "healthCheckNodePort": 32000,
            "loadBalancerSourceRanges": [" 10.0.0.0/8 "], "loadBalancerClass": "example.com/lab",
            "allocateLoadBalancerNodePorts": false}"#,
        r#"{"ports": [{"port": 80}], "externalIPs": ["203.0.113.7"], "externalTrafficPolicy": "Local"}"#,
        r#"{"ports": [{"port": 80}], "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ipFamilies": ["IPv4"]}"#,
        r#"{"ports": [{"port": 80}], "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86400}}}"#,
        r#"{"ports": [{"port": 80}], "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}}}"#,
        r#"{"ports": [{"port": 80}], "ipFamilyPolicy": "PreferDualStack", "trafficDistribution": "PreferClose"}"#,
    ] {
        assert_eq!(of_service(text, &ranges()), Vec::<String>::new(), "{text}");
    }
    let both = r#"{"ports": [{"port": 80}], "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"],
        "clusterIP": "fd00:10:96::5", "clusterIPs": ["fd00:10:96::5", "10.96.0.5"]}"#;
    assert_eq!(of_service(both, &dual_stack()), Vec::<String>::new());
}

fn refused(rows: &[(&str, &str)], ranges: &Ranges) {
    for (text, expected) in rows {
        assert_eq!(of_service(text, ranges), [*expected], "{text}");
    }
}

#[test]
fn ports() {
    refused(
        &[
            (r#"{}"#, "spec.ports: at least one port is required"),
            (r#"{"ports": [{}]}"#, "spec.ports[0].port: is required"),
            (r#"{"ports": [{"port": 0}]}"#, "spec.ports[0].port: 0 is not in 1-65535"),
            (r#"{"ports": [{"port": 70000}]}"#, "spec.ports[0].port: 70000 is not in 1-65535"),
            (
                r#"{"ports": [{"port": 80, "protocol": "tcp"}]}"#,
                "spec.ports[0].protocol: `tcp` is not one of TCP, UDP, SCTP",
            ),
            (
                r#"{"ports": [{"port": 80, "targetPort": 65536}]}"#,
                "spec.ports[0].targetPort: 65536 is not in 1-65535",
            ),
            (
                r#"{"ports": [{"port": 80, "targetPort": "8080"}]}"#,
                "spec.ports[0].targetPort: `8080` is a text: write 8080 without quotes",
            ),
            (
                r#"{"ports": [{"name": "a", "port": 80}, {"port": 81}]}"#,
                "spec.ports[1].name: is required with more than one port",
            ),
            (
                r#"{"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]}"#,
                "spec.ports[1].name: `a` is already the name of another port",
            ),
            (
                r#"{"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}"#,
                "spec.ports[1].port: TCP 80 is already used by spec.ports[0]",
            ),
            (
                r#"{"ports": [{"port": 80, "appProtocol": "a b"}]}"#,
                "spec.ports[0].appProtocol: `a b` is not a qualified name (`name` or `example.com/name`; at most 63 letters, digits, `-`, `_`, `.`)",
            ),
        ],
        &ranges(),
    );
}

#[test]
fn names_of_ports() {
    let long = "a".repeat(16);
    for name in ["a--b", "-a", "a-", "123", "A", "a_b", long.as_str()] {
        let text = format!(r#"{{"ports": [{{"port": 80, "targetPort": "{name}"}}]}}"#);
        let found = of_service(&text, &ranges());
        assert!(found.len() == 1 && found[0].starts_with("spec.ports[0].targetPort: `"), "{name}: {found:?}");
    }
    for name in ["A", "a_b", "-a", "a.b"] {
        let text = format!(r#"{{"ports": [{{"port": 80, "name": "{name}"}}]}}"#);
        let found = of_service(&text, &ranges());
        assert!(found.len() == 1 && found[0].starts_with("spec.ports[0].name: `"), "{name}: {found:?}");
    }
}

#[test]
fn node_ports() {
    refused(
        &[
            (
                r#"{"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}"#,
                "spec.ports[0].nodePort: 80 is not in 30000-32767",
            ),
            (
                r#"{"type": "NodePort", "ports": [{"port": 80, "nodePort": 70000}]}"#,
                "spec.ports[0].nodePort: 70000 is not in 30000-32767",
            ),
            (
                r#"{"ports": [{"port": 80, "nodePort": 30080}]}"#,
                "spec.ports[0].nodePort: 30080 may only be set for type NodePort or LoadBalancer, not ClusterIP",
            ),
            (
                r#"{"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81, "nodePort": 30080}]}"#,
                "spec.ports[1].nodePort: TCP 30080 is already used by spec.ports[0]",
            ),
            (
                r#"{"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}]}"#,
                "spec.clusterIP: None may not be used with type NodePort",
            ),
            (
                r#"{"type": "LoadBalancer", "clusterIP": "None", "ports": [{"port": 80}]}"#,
                "spec.clusterIP: None may not be used with type LoadBalancer",
            ),
        ],
        &ranges(),
    );
}

const PORTS: &str = r#""ports": [{"port": 80}]"#;

#[test]
fn addresses() {
    for (fields, expected) in [
        (
            r#""clusterIP": "10.0.0.1""#,
            "spec.clusterIP: 10.0.0.1 is not an address that 10.96.0.0/12 has for Services",
        ),
        (
            r#""clusterIP": "10.96.0.0""#,
            "spec.clusterIP: 10.96.0.0 is not an address that 10.96.0.0/12 has for Services",
        ),
        (r#""clusterIP": "web""#, "spec.clusterIP: `web` is not an IP address"),
        (
            r#""clusterIP": "010.096.000.001""#,
            "spec.clusterIP: `010.096.000.001` is not canonical: write 10.96.0.1",
        ),
        (
            r#""clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "None"]"#,
            "spec.clusterIPs[1]: None may not stand beside addresses",
        ),
        (
            r#""clusterIP": "10.96.0.2", "clusterIPs": ["10.96.0.1"]"#,
            "spec.clusterIPs[0]: 10.96.0.1 is not clusterIP (10.96.0.2)",
        ),
        (
            r#""clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "10.96.0.2"], "ipFamilyPolicy": "PreferDualStack""#,
            "spec.clusterIPs[1]: 10.96.0.2 is a second address of IPv4: one per family",
        ),
        (r#""clusterIPs": ["10.96.0.1"]"#, "spec.clusterIP: is required beside clusterIPs: write 10.96.0.1"),
        (
            r#""clusterIP": "None", "clusterIPs": ["None", "10.96.0.1"], "ports": []"#,
            "spec.clusterIPs: None may not stand beside addresses",
        ),
        (
            r#""clusterIP": "10.96.0.1", "ipFamilies": ["IPv4", "IPv4"], "ipFamilyPolicy": "PreferDualStack""#,
            "spec.ipFamilies[1]: IPv4 stands twice",
        ),
        (
            r#""clusterIP": "10.111.255.255", "ipFamilies": ["IPv4"]"#,
            "spec.clusterIP: 10.111.255.255 is not an address that 10.96.0.0/12 has for Services",
        ),
        (r#""ipFamilies": ["IPv6"]"#, "spec.ipFamilies[0]: IPv6 is not a family of this cluster"),
        (r#""ipFamilies": ["v4"]"#, "spec.ipFamilies[0]: `v4` is not one of IPv4, IPv6"),
        (
            r#""ipFamilyPolicy": "RequireDualStack""#,
            "spec.ipFamilyPolicy: RequireDualStack in a cluster with one family",
        ),
        (
            r#""ipFamilyPolicy": "Both""#,
            "spec.ipFamilyPolicy: `Both` is not one of SingleStack, PreferDualStack, RequireDualStack",
        ),
    ] {
        let text = format!("{{{PORTS}, {fields}}}");
        assert_eq!(of_service(&text, &ranges()), [expected], "{text}");
    }
}

#[test]
fn addresses_and_families_agree() {
    let swapped = r#"{"ports": [{"port": 80}], "ipFamilies": ["IPv4", "IPv6"], "clusterIP": "fd00:10:96::5", "clusterIPs": ["fd00:10:96::5", "10.96.0.5"], "ipFamilyPolicy": "RequireDualStack"}"#;
    assert_eq!(of_service(swapped, &dual_stack()).len(), 2);
    let three = r#"{"ports": [{"port": 80}], "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00:10:96::5", "10.96.0.6"], "ipFamilyPolicy": "RequireDualStack"}"#;
    let found = of_service(three, &dual_stack());
    let fault = "spec.clusterIPs[2]: 10.96.0.6 is a second address of IPv4: one per family";
    assert!(found.iter().any(|it| it == fault), "{found:?}");
    let single =
        r#"{"ports": [{"port": 80}], "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}"#;
    assert_eq!(
        of_service(single, &dual_stack()),
        ["spec.ipFamilyPolicy: SingleStack with two ipFamilies: write PreferDualStack or RequireDualStack"]
    );
}

#[test]
fn external_ips() {
    for (fields, expected) in [
        (
            r#""externalIPs": ["127.0.0.1"]"#,
            "spec.externalIPs[0]: 127.0.0.1 is a loopback address: every host has its own",
        ),
        (
            r#""externalIPs": ["0.0.0.0"]"#,
            "spec.externalIPs[0]: 0.0.0.0 is the unspecified address: it names no host",
        ),
        (r#""externalIPs": ["::"]"#, "spec.externalIPs[0]: :: is the unspecified address: it names no host"),
        (
            r#""externalIPs": ["203.0.113.7", "::1"]"#,
            "spec.externalIPs[1]: ::1 is a loopback address: every host has its own",
        ),
        (
            r#""externalIPs": ["169.254.1.1"]"#,
            "spec.externalIPs[0]: 169.254.1.1 is link-local: it is not reached from elsewhere",
        ),
        (
            r#""externalIPs": ["fe80::1"]"#,
            "spec.externalIPs[0]: fe80::1 is link-local: it is not reached from elsewhere",
        ),
        (
            r#""externalIPs": ["224.0.0.1"]"#,
            "spec.externalIPs[0]: 224.0.0.1 is link-local: it is not reached from elsewhere",
        ),
        (
            r#""externalIPs": ["ff02::1"]"#,
            "spec.externalIPs[0]: ff02::1 is link-local: it is not reached from elsewhere",
        ),
        (r#""externalIPs": ["host"]"#, "spec.externalIPs[0]: `host` is not an IP address"),
    ] {
        let text = format!("{{{PORTS}, {fields}}}");
        assert_eq!(of_service(&text, &ranges()), [expected], "{text}");
    }
}

#[test]
fn external_names() {
    refused(
        &[
            (r#"{"type": "ExternalName"}"#, "spec.externalName: is required for type ExternalName"),
            (
                r#"{"type": "ExternalName", "externalName": "example.com.."}"#,
                "spec.externalName: `example.com.` is not a DNS name (at most 253 of a-z, 0-9, `-` and `.`, a letter or digit first and last in each part)",
            ),
            (
                r#"{"type": "ExternalName", "externalName": "a", "ipFamilies": ["IPv4"]}"#,
                "spec.ipFamilies: may not be set for type ExternalName",
            ),
            (
                r#"{"type": "ExternalName", "externalName": "Example.com"}"#,
                "spec.externalName: `Example.com` is not a DNS name (at most 253 of a-z, 0-9, `-` and `.`, a letter or digit first and last in each part)",
            ),
            (
                r#"{"type": "ExternalName", "externalName": "example.com", "clusterIP": "10.96.0.1"}"#,
                "spec.clusterIP: 10.96.0.1 may not be set for type ExternalName",
            ),
            (
                r#"{"type": "ExternalName", "externalName": "example.com", "clusterIP": "None"}"#,
                "spec.clusterIP: None may not be set for type ExternalName",
            ),
            (
                r#"{"type": "ExternalName", "externalName": "example.com", "ipFamilyPolicy": "SingleStack"}"#,
                "spec.ipFamilyPolicy: may not be set for type ExternalName",
            ),
        ],
        &ranges(),
    );
}

#[test]
fn policies_and_balancers() {
    for (fields, expected) in [
        (
            r#""type": "Clusterip""#,
            "spec.type: `Clusterip` is not one of ClusterIP, NodePort, LoadBalancer, ExternalName",
        ),
        (
            r#""externalTrafficPolicy": "Local""#,
            "spec.externalTrafficPolicy: `Local` may only be set for type NodePort or LoadBalancer, or with externalIPs",
        ),
        (
            r#""type": "NodePort", "externalTrafficPolicy": "local""#,
            "spec.externalTrafficPolicy: `local` is not one of Cluster, Local",
        ),
        (
            r#""internalTrafficPolicy": "Node""#,
            "spec.internalTrafficPolicy: `Node` is not one of Cluster, Local",
        ),
        (
            r#""clusterIP": "None", "internalTrafficPolicy": "Node""#,
            "spec.internalTrafficPolicy: `Node` is not one of Cluster, Local",
        ),
        (
            r#""healthCheckNodePort": 30000"#,
            "spec.healthCheckNodePort: 30000 may only be set for type LoadBalancer with externalTrafficPolicy Local",
        ),
        (
            r#""loadBalancerClass": "a/b""#,
            "spec.loadBalancerClass: `a/b` may only be set for type LoadBalancer",
        ),
        (
            r#""type": "LoadBalancer", "loadBalancerClass": "a b""#,
            "spec.loadBalancerClass: `a b` is not a qualified name (`name` or `example.com/name`; at most 63 letters, digits, `-`, `_`, `.`)",
        ),
        (
            r#""allocateLoadBalancerNodePorts": true"#,
            "spec.allocateLoadBalancerNodePorts: true may only be set for type LoadBalancer",
        ),
        (
            r#""type": "NodePort", "loadBalancerSourceRanges": ["10.0.0.0/8"]"#,
            "spec.loadBalancerSourceRanges: may only be set for type LoadBalancer",
        ),
        (
            r#""type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.1"]"#,
            "spec.loadBalancerSourceRanges[0]: `10.0.0.1` is not a CIDR such as 10.0.0.0/8",
        ),
    ] {
        let text = format!("{{{PORTS}, {fields}}}");
        assert_eq!(of_service(&text, &ranges()), [expected], "{text}");
    }
}

#[test]
fn affinity_and_distribution() {
    for (fields, expected) in [
        (r#""sessionAffinity": "ClientIp""#, "spec.sessionAffinity: `ClientIp` is not one of None, ClientIP"),
        (
            r#""sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}"#,
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0 is not in 1-86400",
        ),
        (
            r#""sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}"#,
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86401 is not in 1-86400",
        ),
        (
            r#""trafficDistribution": "Near""#,
            "spec.trafficDistribution: `Near` is not one of PreferClose, PreferSameZone, PreferSameNode",
        ),
    ] {
        let text = format!("{{{PORTS}, {fields}}}");
        assert_eq!(of_service(&text, &ranges()), [expected], "{text}");
    }
}

#[test]
fn all_faults_at_once() {
    let text = r#"{"type": "NodePort", "ports": [{"port": 70000, "nodePort": 80}, {"name": "b", "port": 80, "protocol": "X"}],
        "externalIPs": ["127.0.0.1"], "selector": {"app": "a b"}}"#;
    let fields: Vec<_> = of_service(text, &ranges())
        .into_iter()
        .map(|line| line.split(": ").next().unwrap_or_default().to_owned())
        .collect();
    let expected = [
        "spec.selector.app",
        "spec.ports[0].name",
        "spec.ports[0].nodePort",
        "spec.externalIPs[0]",
        "spec.ports[0].port",
        "spec.ports[1].protocol",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn names_of_objects() {
    let named = |metadata: serde_json::Value| -> Vec<String> {
        let wire = typed(serde_json::json!({"metadata": metadata, "spec": {"ports": [{"port": 80}]}}));
        said(validate::create(&Manifest::Service(wire), &ranges()))
    };
    assert_eq!(
        named(serde_json::json!({"name": "1web"})),
        Vec::<String>::new(),
        "KEP-5311: a digit may be first"
    );
    assert_eq!(named(serde_json::json!({})), ["metadata.name: is required"]);
    for name in ["My_App", "web.shop", "-web", "web-", "wéb", &"a".repeat(64)] {
        let found = named(serde_json::json!({"name": name}));
        assert!(found.len() == 1 && found[0].contains("is not a DNS label"), "{name}: {found:?}");
    }
    let found = named(serde_json::json!({"name": "web", "namespace": "Shop"}));
    assert!(found[0].starts_with("metadata.namespace: `Shop` is not a DNS label"), "{found:?}");
    let found = named(serde_json::json!({"name": "web", "labels": {"a b": "c", "app": "-x"}}));
    assert_eq!(found.len(), 2, "{found:?}");
}

fn with_metadata(metadata: &str, spec: &str, status: &str) -> Vec<String> {
    let json = json(&format!(
        r#"{{"metadata": {{"name": "web", {metadata}}}, "spec": {{{PORTS}, {spec}}}, "status": {{{status}}}}}"#
    ));
    said(validate::create(&Manifest::Service(typed(json)), &ranges()))
}

#[test]
fn source_ranges_in_the_field_and_in_the_annotation() {
    let key = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let balanced = r#""type": "LoadBalancer""#;
    for (value, spec, expected) in [
        ("10.0.0.0/8, fd00::/8 ", balanced, None),
        ("", balanced, None),
        ("10.0.0.0/8,any", balanced, Some("`any` is not a CIDR such as 10.0.0.0/8")),
        ("10.0.0.0/8", r#""type": "NodePort""#, Some("may only be set for type LoadBalancer")),
        // Where the field says something the annotation is not read.
        ("any", r#""type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]"#, None),
    ] {
        let found = with_metadata(&format!(r#""annotations": {{"{key}": "{value}"}}"#), spec, "");
        let expected: Vec<_> =
            expected.map(|it| format!("metadata.annotations.{key}: {it}")).into_iter().collect();
        assert_eq!(found, expected, "{value} {spec}");
    }
}

#[test]
fn topology_annotations_must_agree() {
    let mode = "service.kubernetes.io/topology-mode";
    let hints = "service.kubernetes.io/topology-aware-hints";
    for (annotations, fine) in [
        (format!(r#""{mode}": "Auto""#), true),
        (format!(r#""{hints}": "Auto""#), true),
        (format!(r#""{mode}": "Auto", "{hints}": "Auto""#), true),
        (format!(r#""{mode}": "Auto", "{hints}": "Disabled""#), false),
    ] {
        let found =
            with_metadata(&format!(r#""annotations": {{{annotations}}}"#), r#""type": "ClusterIP""#, "");
        assert_eq!(found.is_empty(), fine, "{annotations}: {found:?}");
        assert!(
            fine || found[0].starts_with(&format!("metadata.annotations.{mode}: `Auto` is not what")),
            "{found:?}"
        );
    }
}

#[test]
fn the_status_of_a_balancer() {
    let field = "status.loadBalancer.ingress";
    let balanced = r#""type": "LoadBalancer""#;
    for (spec, ingress, expected) in [
        (balanced, r#"{"ip": "192.0.2.1"}"#, None),
        (
            balanced,
            r#"{"ip": "192.0.2.1", "ipMode": "Proxy", "ports": [{"port": 80, "protocol": "TCP"}]}"#,
            None,
        ),
        (balanced, r#"{"hostname": "lb.example"}"#, None),
        (balanced, r#"{"ip": "lb"}"#, Some("[0].ip: `lb` is not an IP address")),
        (
            balanced,
            r#"{"ip": "192.000.2.1"}"#,
            Some("[0].ip: `192.000.2.1` is not canonical: write 192.0.2.1"),
        ),
        (
            balanced,
            r#"{"hostname": "192.0.2.1"}"#,
            Some("[0].hostname: `192.0.2.1` is an address: write it under ip"),
        ),
        (
            balanced,
            r#"{"hostname": "lb", "ipMode": "VIP"}"#,
            Some("[0].ipMode: `VIP` may only be set beside an ip"),
        ),
        (
            balanced,
            r#"{"ip": "192.0.2.1", "ipMode": "Vip"}"#,
            Some("[0].ipMode: `Vip` is not one of VIP, Proxy"),
        ),
        (r#""type": "NodePort""#, r#"{"ip": "192.0.2.1"}"#, Some(": may only be set for type LoadBalancer")),
    ] {
        let found = of_status(spec, ingress);
        let expected: Vec<_> = expected.map(|it| format!("{field}{it}")).into_iter().collect();
        assert_eq!(found, expected, "{spec} {ingress}");
    }
    let long = of_status(balanced, r#"{"hostname": "Lb_1"}"#);
    assert!(long[0].contains("is not a DNS name"), "{long:?}");
    let written = with_metadata(r#""uid": """#, balanced, r#""loadBalancer": {"ingress": [{"ip": "lb"}]}"#);
    assert_eq!(written, NOTHING, "creation does not look at it");
}

fn of_status(spec: &str, ingress: &str) -> Vec<String> {
    let status = format!(r#"{{"loadBalancer": {{"ingress": [{ingress}]}}}}"#);
    let text =
        format!(r#"{{"metadata": {{"name": "web"}}, "spec": {{{PORTS}, {spec}}}, "status": {status}}}"#);
    said(validate::status(&Manifest::Service(typed(json(&text)))))
}

#[test]
fn annotations_have_a_size() {
    let annotation = |size: usize| format!(r#""annotations": {{"a": "{}"}}"#, "x".repeat(size));
    assert_eq!(with_metadata(&annotation((256 << 10) - 1), r#""type": """#, ""), NOTHING);
    let found = with_metadata(&annotation(256 << 10), r#""type": """#, "");
    assert_eq!(
        found,
        ["metadata.annotations: 262145 bytes are more than the 256 KiB that all of them may have"]
    );
}
