//! Manifests of every kind as an API server holds them: complete, canonical, with every field that we type.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::Kind;
use crate::wire::Manifest;

type Json = BoxedStrategy<Value>;

/// An object of any kind.
pub(super) fn manifest() -> impl Strategy<Value = Manifest> {
    (0..Kind::ALL.len()).prop_flat_map(|index| of(Kind::ALL[index].0))
}

/// Two objects of the same kind.
pub(super) fn pair() -> impl Strategy<Value = (Kind, Value, Value)> {
    (0..Kind::ALL.len()).prop_flat_map(|index| {
        let kind = Kind::ALL[index].0;
        (Just(kind), fields(kind), fields(kind))
    })
}

pub(super) fn of(kind: Kind) -> impl Strategy<Value = Manifest> {
    fields(kind).prop_map(move |fields| typed(kind, fields))
}

pub(super) fn typed(kind: Kind, fields: Value) -> Manifest {
    Manifest::deserialize(kind, fields.clone()).unwrap_or_else(|fault| panic!("{fault:?}: {fields}"))
}

fn fields(kind: Kind) -> Json {
    let body = match kind {
        Kind::ConfigMap => object([
            ("data", maybe(one_of([json!({"a": "b"}), json!({"a": "", "c": "d\ne"})]))),
            ("binaryData", maybe(one_of([json!({"x": "AAEC"}), json!({"y": "", "z": "/w=="})]))),
            ("immutable", maybe(one_of([json!(true)]))),
        ]),
        Kind::EndpointSlice => slice(),
        Kind::Endpoints => object([("subsets", maybe(list(subset(), 1..3)))]),
        Kind::Ingress => ingress(),
        Kind::IngressClass => object([(
            "spec",
            object([
                ("controller", one_of([json!("k8s.io/ingress-nginx")])),
                (
                    "parameters",
                    maybe(one_of([
                        json!({"kind": "K", "name": "n", "scope": "Cluster"}),
                        json!({"apiGroup": "a.example", "kind": "K", "name": "n", "scope": "Namespace", "namespace": "shop"}),
                    ])),
                ),
            ]),
        )]),
        Kind::Namespace => object([]),
        Kind::Node => node(),
        Kind::Pod => pod(),
        Kind::Secret => object([
            ("type", one_of([json!("Opaque"), json!("kubernetes.io/tls")])),
            ("data", maybe(one_of([json!({"auth": "YTpi"}), json!({"tls.crt": "", "tls.key": "AAEC"})]))),
            ("immutable", maybe(one_of([json!(true)]))),
        ]),
        Kind::Service => service(),
        Kind::ServiceImport => service_import(),
    };
    (metadata(kind.is_namespaced()), body)
        .prop_map(|(metadata, mut body)| {
            body.as_object_mut().map(|body| body.insert("metadata".to_owned(), metadata));
            body
        })
        .boxed()
}

/// One of these values.
fn one_of<const N: usize>(values: [Value; N]) -> Json {
    prop::sample::select(values.to_vec()).boxed()
}

/// The value, or nothing at all.
fn maybe(value: Json) -> Json {
    prop_oneof![2 => value, 1 => Just(Value::Null)].boxed()
}

fn list(item: Json, count: std::ops::Range<usize>) -> Json {
    prop::collection::vec(item, count).prop_map(Value::Array).boxed()
}

/// An object of these fields; those that are nothing are left out.
fn object<const N: usize>(fields: [(&'static str, Json); N]) -> Json {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let assemble = move |values: Vec<Value>| {
        let named = names.iter().map(|name| (*name).to_owned()).zip(values);
        Value::Object(named.filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
    };
    values.prop_map(assemble).boxed()
}

fn metadata(namespaced: bool) -> Json {
    let namespace =
        if namespaced { one_of([json!("default"), json!("shop")]) } else { Just(Value::Null).boxed() };
    object([
        ("name", one_of([json!("web"), json!("api-2")])),
        ("namespace", namespace),
        ("generateName", maybe(one_of([json!("web-")]))),
        ("selfLink", maybe(one_of([json!("/api/v1/namespaces/default/services/web")]))),
        ("uid", maybe(one_of([json!("5c1f90aa-0000-4000-8000-000000000001")]))),
        ("resourceVersion", maybe(one_of([json!("1"), json!("18446744073709551615")]))),
        ("generation", maybe(one_of([json!(1), json!(12)]))),
        ("ownerReferences", maybe(owners())),
        (
            "finalizers",
            maybe(one_of([json!(["service.kubernetes.io/load-balancer-cleanup"]), json!(["a/b", "c/d"])])),
        ),
        ("managedFields", maybe(managed_fields())),
        (
            "labels",
            maybe(one_of([
                json!({"app": "web"}),
                json!({"kubernetes.io/service-name": "web", "e": ""}),
                json!({"multicluster.kubernetes.io/service-name": "web"}),
            ])),
        ),
        (
            "annotations",
            maybe(one_of([json!({"service.kubernetes.io/topology-mode": "Auto"}), json!({"a/b": "{}"})])),
        ),
        ("creationTimestamp", maybe(one_of([json!("2026-01-01T00:00:00Z")]))),
        ("deletionTimestamp", maybe(one_of([json!("2026-01-02T00:00:00Z")]))),
        ("deletionGracePeriodSeconds", maybe(one_of([json!(0), json!(30)]))),
    ])
}

fn owners() -> Json {
    let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8", "uid": "u", "controller": true,
        "blockOwnerDeletion": true});
    let other =
        json!({"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "v", "controller": false});
    one_of([json!([owner]), json!([owner, other])])
}

fn managed_fields() -> Json {
    let applied = json!({"manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}":
        {".": {}, "f:port": {}}}, "f:selector": {}}}});
    let updated = json!({"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {}, "subresource": "status"});
    one_of([json!([applied]), json!([applied, updated])])
}

fn target() -> Json {
    one_of([
        json!({"kind": "Pod", "namespace": "default", "name": "web-0", "uid": "u"}),
        json!({"kind": "Pod", "namespace": "default", "name": "web-0"}),
        json!({"kind": "Node", "name": "server1"}),
        json!({"kind": "Pod", "namespace": "default", "name": "web-0", "uid": "u", "apiVersion": "v1", "resourceVersion": "7",
            "fieldPath": "spec.containers{a}"}),
    ])
}

fn slice() -> Json {
    let endpoint = |addresses: Json| {
        let flag = || one_of([json!(true), json!(false)]);
        object([
            ("addresses", addresses),
            ("conditions", object([("ready", flag()), ("serving", flag()), ("terminating", flag())])),
            ("hostname", maybe(one_of([json!("web-0")]))),
            ("nodeName", maybe(one_of([json!("server1")]))),
            ("zone", maybe(one_of([json!("east")]))),
            ("targetRef", maybe(target())),
            (
                "hints",
                maybe(one_of([
                    json!({"forZones": [{"name": "east"}, {"name": "west"}]}),
                    json!({"forZones": [{"name": "east"}], "forNodes": [{"name": "server1"}]}),
                ])),
            ),
            (
                "deprecatedTopology",
                maybe(one_of([json!({"kubernetes.io/hostname": "server1"}), json!({"a": "", "b": "c"})])),
            ),
        ])
    };
    let port = object([
        ("name", one_of([json!(""), json!("http")])),
        ("protocol", one_of([json!("TCP"), json!("UDP"), json!("SCTP")])),
        ("port", maybe(one_of([json!(1), json!(65535)]))),
        ("appProtocol", maybe(one_of([json!("kubernetes.io/h2c")]))),
    ]);
    let v4 = one_of([json!(["10.0.0.1"]), json!(["10.0.0.2", "10.0.0.3"])]);
    let v6 = one_of([json!(["fd00::1"]), json!(["2001:db8::a"])]);
    prop_oneof![Just(("IPv4", v4)), Just(("IPv6", v6))]
        .prop_flat_map(move |(family, addresses)| {
            object([
                ("addressType", one_of([json!(family)])),
                ("endpoints", list(endpoint(addresses), 0..3)),
                ("ports", list(port.clone(), 0..3)),
            ])
        })
        .boxed()
}

fn service_import() -> Json {
    let port = object([
        ("name", maybe(one_of([json!("http"), json!("dns")]))),
        ("protocol", one_of([json!("TCP"), json!("UDP"), json!("SCTP")])),
        ("appProtocol", maybe(one_of([json!("kubernetes.io/h2c")]))),
        ("port", one_of([json!(1), json!(65535)])),
    ]);
    object([(
        "spec",
        object([
            ("type", one_of([json!("ClusterSetIP"), json!("Headless")])),
            ("ips", maybe(one_of([json!(["10.42.0.1"]), json!(["10.42.0.1", "fd00:42::1"])]))),
            ("ports", list(port, 0..3)),
        ]),
    )])
}

fn subset() -> Json {
    let address = object([
        ("ip", one_of([json!("10.0.0.1"), json!("fd00::1")])),
        ("hostname", maybe(one_of([json!("web-0")]))),
        ("nodeName", maybe(one_of([json!("server1")]))),
        ("targetRef", maybe(target())),
    ]);
    let port = object([
        ("name", maybe(one_of([json!("http")]))),
        ("port", one_of([json!(80)])),
        ("protocol", one_of([json!("TCP"), json!("UDP")])),
        ("appProtocol", maybe(one_of([json!("h2c")]))),
    ]);
    object([
        ("addresses", maybe(list(address.clone(), 1..3))),
        ("notReadyAddresses", maybe(list(address, 1..3))),
        ("ports", maybe(list(port, 1..3))),
    ])
}

/// Entries of `status.loadBalancer.ingress`, with modes or without.
fn balancer(modes: bool) -> Json {
    let mode = if modes { one_of([json!("VIP"), json!("Proxy")]) } else { Just(Value::Null).boxed() };
    let ports = || {
        maybe(one_of([
            json!([{"port": 80, "protocol": "TCP"}]),
            json!([{"port": 80, "protocol": "UDP", "error": "MixedProtocolNotSupported"}]),
        ]))
    };
    let hostname = || one_of([json!("lb.example")]);
    let address = object([
        ("ip", one_of([json!("192.0.2.1"), json!("2001:db8::1")])),
        ("hostname", maybe(hostname())),
        ("ipMode", mode),
        ("ports", ports()),
    ]);
    let named = object([("hostname", hostname()), ("ports", ports())]);
    object([("loadBalancer", object([("ingress", list(prop_oneof![address, named].boxed(), 1..3))]))])
}

fn ingress() -> Json {
    let backend = || {
        one_of([
            json!({"service": {"name": "web", "port": {"number": 80}}}),
            json!({"service": {"name": "web", "port": {"name": "http"}}}),
            json!({"resource": {"apiGroup": "a.example", "kind": "Bucket", "name": "b"}}),
            json!({"resource": {"kind": "Bucket", "name": "b"}}),
        ])
    };
    let path = object([
        ("path", one_of([json!("/"), json!("/a/b/")])),
        ("pathType", one_of([json!("Exact"), json!("Prefix"), json!("ImplementationSpecific")])),
        ("backend", backend()),
    ]);
    let rule = object([
        ("host", maybe(one_of([json!("shop.example"), json!("*.shop.example")]))),
        ("http", maybe(object([("paths", list(path, 1..3))]))),
    ]);
    let tls = object([
        ("hosts", maybe(one_of([json!(["shop.example"]), json!(["a.example", "*.b.example"])]))),
        ("secretName", maybe(one_of([json!("cert")]))),
    ]);
    let spec = object([
        ("ingressClassName", maybe(one_of([json!("nginx")]))),
        ("defaultBackend", maybe(backend())),
        ("tls", maybe(list(tls, 1..3))),
        ("rules", maybe(list(rule, 1..3))),
    ]);
    object([("spec", spec), ("status", maybe(balancer(false)))])
}

/// Conditions of a Pod or a Node, which somebody looks at again and again: `looked` is when.
fn conditions(looked: &'static str, rest: &Value) -> Json {
    let ready = |status: &str| json!({"type": "Ready", "status": status});
    let reason = json!({"lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "R", "message": "m"});
    let full = |ready: &Value| {
        merged(&merged(ready, &reason), &merged(&json!({looked: "2026-01-01T00:05:00Z"}), rest))
    };
    one_of([
        json!([ready("True")]),
        json!([ready("False")]),
        json!([full(&ready("Unknown"))]),
        json!([{"type": "DiskPressure", "status": "False"}, full(&ready("True"))]),
        json!([full(&json!({"type": "PodScheduled", "status": "True"}))]),
    ])
}

fn node() -> Json {
    let taint = json!({"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute",
            "timeAdded": "2026-01-01T00:00:00Z"});
    let spec = one_of([
        json!({"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]}),
        json!({"taints": [taint, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}),
        json!({"podCIDR": "fd00:1::/64", "podCIDRs": ["fd00:1::/64", "10.1.0.0/24"]}),
    ]);
    let addresses = one_of([
        json!([{"type": "InternalIP", "address": "172.20.10.2"}, {"type": "Hostname", "address": "server1"}]),
        json!([{"type": "ExternalIP", "address": "2001:db8::2"}, {"type": "ExternalDNS", "address": "a.example"},
            {"type": "InternalDNS", "address": "a.internal"}, {"type": "Mesh", "address": "mesh:1"}]),
    ]);
    let status = object([
        ("addresses", maybe(addresses)),
        ("allocatable", maybe(one_of([json!({"cpu": "4"}), json!({"cpu": "3920m"})]))),
        ("conditions", maybe(conditions("lastHeartbeatTime", &json!({})))),
    ]);
    let status = status.prop_map(|status| if status == json!({}) { Value::Null } else { status }).boxed();
    object([("spec", maybe(spec)), ("status", status)])
}

fn pod() -> Json {
    let containers = one_of([
        json!([{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]),
        json!([
            {"name": "a", "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP", "hostPort": 8080}]},
            {"name": "b", "ports": [{"containerPort": 53, "protocol": "UDP", "hostPort": 53, "hostIP": "192.0.2.1"}]},
        ]),
    ]);
    let sidecars = one_of([json!([
        {"name": "proxy", "restartPolicy": "Always", "ports": [{"name": "admin", "containerPort": 9901, "protocol": "TCP"}]},
    ])]);
    let spec = object([
        ("nodeName", maybe(one_of([json!("server1")]))),
        ("hostname", maybe(one_of([json!("web-0")]))),
        ("subdomain", maybe(one_of([json!("web")]))),
        ("hostNetwork", maybe(one_of([json!(true)]))),
        ("containers", maybe(containers)),
        ("initContainers", maybe(sidecars)),
    ]);
    let phases = ["Pending", "Running", "Succeeded", "Failed", "Unknown"].map(|phase| json!(phase));
    let addresses = one_of([
        json!({}),
        json!({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
            "hostIP": "172.20.10.2", "hostIPs": [{"ip": "172.20.10.2"}]}),
    ]);
    let conditions = maybe(conditions("lastProbeTime", &json!({"observedGeneration": 2})));
    let status = (object([("phase", one_of(phases)), ("conditions", conditions)]), addresses);
    let status = status.prop_map(|(status, addresses)| merged(&status, &addresses)).boxed();
    object([("spec", spec), ("status", status)])
}

/// The types of Services and what only they have.
fn service() -> Json {
    let addresses = || {
        one_of([
            json!({"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}),
            json!({"clusterIP": "fd00::7", "clusterIPs": ["fd00::7"], "ipFamilies": ["IPv6"], "ipFamilyPolicy": "PreferDualStack"}),
            json!({"clusterIP": "fd00::7", "clusterIPs": ["fd00::7", "10.96.0.7"], "ipFamilies": ["IPv6", "IPv4"],
                "ipFamilyPolicy": "RequireDualStack"}),
        ])
    };
    let headless = one_of([
        json!({"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}),
        json!({"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"], "ipFamilies": ["IPv4", "IPv6"],
            "ipFamilyPolicy": "RequireDualStack"}),
    ]);
    let alias = one_of([json!({"type": "ExternalName", "externalName": "example.com."})]);
    let typed = |kind: &'static str, rest: Json| {
        (addresses(), rest)
            .prop_map(move |(addresses, rest)| merged(&json!({"type": kind}), &merged(&addresses, &rest)))
    };
    let nothing = || one_of([json!({})]);
    let cluster_ip = typed("ClusterIP", nothing()).boxed();
    let node_port = typed("NodePort", one_of([json!({"externalTrafficPolicy": "Cluster"})])).boxed();
    let balanced = object([
        ("externalTrafficPolicy", one_of([json!("Local")])),
        ("healthCheckNodePort", maybe(one_of([json!(32000)]))),
        ("allocateLoadBalancerNodePorts", one_of([json!(true), json!(false)])),
        ("loadBalancerClass", maybe(one_of([json!("a.example/b")]))),
        ("loadBalancerSourceRanges", maybe(one_of([json!(["10.0.0.0/8", "fd00::/8"]), json!(["any"])]))),
    ]);
    let kinds = prop_oneof![cluster_ip, headless, node_port, typed("LoadBalancer", balanced), alias];
    (kinds, common(), ports(), status())
        .prop_map(|(kind, common, ports, status)| assembled(kind, &common, ports, status))
        .boxed()
}

fn common() -> Json {
    object([
        ("selector", maybe(one_of([json!({"app": "web"})]))),
        ("externalName", maybe(one_of([json!("old.example"), json!("no name")]))),
        ("loadBalancerIP", maybe(one_of([json!("192.0.2.9"), json!("my-address")]))),
        ("externalIPs", maybe(one_of([json!(["203.0.113.7"]), json!(["203.0.113.7", "2001:db8::7"])]))),
        ("internalTrafficPolicy", one_of([json!("Cluster"), json!("Local")])),
        ("publishNotReadyAddresses", maybe(one_of([json!(true)]))),
        (
            "trafficDistribution",
            maybe(one_of(["PreferClose", "PreferSameZone", "PreferSameNode"].map(|it| json!(it)))),
        ),
    ])
}

fn ports() -> Json {
    one_of([
        json!([{"protocol": "TCP", "port": 80, "targetPort": 8080}]),
        json!([{"name": "a", "protocol": "UDP", "port": 53, "targetPort": "dns", "appProtocol": "dns"},
            {"name": "b", "protocol": "SCTP", "port": 65535, "targetPort": 1}]),
    ])
}

fn status() -> Json {
    let conditions = one_of([json!([{"type": "A", "status": "True", "observedGeneration": 3, "reason": "R",
        "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}])]);
    (maybe(balancer(true)), maybe(conditions))
        .prop_map(|(mut status, conditions)| {
            if !conditions.is_null() {
                status = merged(&status, &json!({"conditions": conditions}));
            }
            status
        })
        .boxed()
}

/// What follows from the type: node ports, the external policy, affinity, and whose status this is.
fn assembled(kind: Value, common: &Value, ports: Value, mut status: Value) -> Value {
    let mut spec = merged(&merged(common, &json!({"ports": ports, "sessionAffinity": "None"})), &kind);
    let name = spec["type"].as_str().unwrap_or_default().to_owned();
    // Nobody looks at that of an ExternalName.
    let stray = name == "ExternalName" && spec.get("externalIPs").is_some();
    if name == "NodePort" || name == "LoadBalancer" || stray {
        spec["ports"][0]["nodePort"] = json!(30080);
    }
    if name == "ClusterIP" && spec.get("externalIPs").is_some() {
        spec["externalTrafficPolicy"] = json!("Local");
    }
    if spec.get("selector").is_some() {
        spec["sessionAffinity"] = json!("ClientIP");
        spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 60}});
    }
    if name != "LoadBalancer" && !status.is_null() {
        status.as_object_mut().map(|status| status.remove("loadBalancer"));
    }
    let nothing = status.is_null() || status.as_object().is_some_and(Map::is_empty);
    if nothing { json!({"spec": spec}) } else { json!({"spec": spec, "status": status}) }
}

/// `over` on top of `base`, at the first level.
pub(super) fn merged(base: &Value, over: &Value) -> Value {
    let mut all = base.as_object().cloned().unwrap_or_default();
    all.extend(over.as_object().cloned().unwrap_or_default());
    Value::Object(all)
}
