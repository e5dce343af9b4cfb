//! Every way to reach a Service.

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_model::store::Store;
use svc_model::yaml;
use svc_proxy::Node;

use crate::On;
use crate::cluster::{CLIENT, Cluster, NODE, PORT, node_builder, node_config, proxy_builder, web};
use crate::traffic::{
    ask, ask_often, ask_udp, assert_dropped, assert_refused, serve, serve_udp, source_seen,
};

pub fn trials(on: On) -> Vec<Trial> {
    vec![
        on.trial("cluster_ip_spreads_over_all_endpoints", cluster_ip),
        on.trial("bridged_neighbours_reach_each_other", bridged_neighbours),
        on.trial("a_pod_reaches_itself", hairpin),
        on.trial("node_port_masquerades_clients_outside", node_port),
        on.trial("node_ports_on_127_0_0_1_if_asked_for", localhost_node_ports),
        on.trial("external_ip_and_balancer_address_serve", outside_addresses),
        on.trial("what_no_service_has_is_refused_or_dropped", unserved),
        on.trial("connections_without_endpoints_are_refused", no_endpoints),
        on.trial("udp_is_served_the_same_way", udp),
        on.trial("ipv6_is_served_the_same_way", ipv6),
    ]
}

async fn cluster_ip(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: ClusterIP", "", &["a", "b", "remote"])).await?;
    for host in [&cluster.pods[2], &cluster.node, &cluster.client] {
        let counts = ask_often(host, "10.96.0.80:80", 90).await?;
        assert_eq!(counts.len(), 3, "{counts:?}");
        assert!(counts.values().all(|&count| count > 10), "{counts:?}");
    }
    assert_eq!(source_seen(&cluster.pods[2], "10.96.0.80:80").await?, "10.244.2.67");
    // Outside reaches it by way of the node, masqueraded: the address depends on the interface that leads on.
    cluster.apply(&web("type: ClusterIP", "", &["remote"])).await?;
    assert_eq!(source_seen(&cluster.client, "10.96.0.80:80").await?, NODE);
    Ok(())
}

async fn bridged_neighbours(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    assert_eq!(cluster.node.sysctl("net/bridge/bridge-nf-call-iptables").await?.trim(), "1");
    assert_eq!(ask(&cluster.pods[1], "10.96.0.80:80").await?.source, "10.244.2.66");
    Ok(())
}

async fn hairpin(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    let answer = ask(&cluster.pods[0], "10.96.0.80:80").await?;
    assert_eq!((answer.server.as_str(), answer.source.as_str()), ("a", "10.244.2.1"));
    Ok(())
}

async fn node_port(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort", "", &["a", "remote"])).await?;
    assert_eq!(ask_often(&cluster.client, "172.20.10.2:30080", 60).await?.len(), 2);
    cluster.apply(&web("type: NodePort", "", &["remote"])).await?;
    assert_eq!(source_seen(&cluster.client, "172.20.10.2:30080").await?, NODE);
    assert_eq!(ask(&cluster.pods[2], "172.20.10.2:30080").await?.source, NODE);
    assert_eq!(ask(&cluster.node, "172.20.10.2:30080").await?.server, "remote");
    assert_refused(&cluster.node, "127.0.0.1:30080").await;
    cluster.apply(&web("type: ClusterIP", "", &["remote"]).replace(", nodePort: 30080", "")).await?;
    assert_refused(&cluster.client, "172.20.10.2:30080").await;
    Ok(())
}

async fn localhost_node_ports(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    for policy in ["Cluster", "Local"] {
        let spec = format!("type: NodePort, externalTrafficPolicy: {policy}");
        cluster.handle.reconfigure(node_config());
        cluster.apply(&web(&spec, "", &["a", "remote"])).await?;
        assert_refused(&cluster.node, "127.0.0.1:30080").await;
        cluster.handle.reconfigure(node_builder().localhost_node_ports(true).build()?);
        cluster.apply(&web(&spec, "", &["remote"])).await?;
        assert_eq!(source_seen(&cluster.node, "127.0.0.1:30080").await?, NODE, "{policy}");
        assert_eq!(cluster.node.sysctl("net/ipv4/conf/all/route_localnet").await?.trim(), "1");
    }
    // Nor for IPv6: packets do not leave ::1.
    assert_refused(&cluster.node, "[::1]:30080").await;
    cluster.handle.clean_up().await?;
    assert_eq!(cluster.node.sysctl("net/ipv4/conf/all/route_localnet").await?.trim(), "0");
    Ok(())
}

async fn outside_addresses(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    let balancer = "loadBalancer: {ingress: [{ip: 172.20.10.70}, {ip: 192.0.2.9, ipMode: Proxy}]}";
    cluster.apply(&web("type: LoadBalancer, externalIPs: [192.0.2.10]", balancer, &["remote"])).await?;
    for address in ["192.0.2.10:80", "172.20.10.70:80"] {
        assert_eq!(source_seen(&cluster.client, address).await?, NODE, "{address}");
        assert_eq!(ask(&cluster.pods[2], address).await?.source, NODE, "{address}");
        assert_eq!(ask(&cluster.node, address).await?.server, "remote", "{address}");
    }
    // A proxying balancer's address is its own business.
    assert_dropped(&cluster.client, "192.0.2.9:80").await;
    Ok(())
}

async fn unserved(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    for host in [&cluster.pods[2], &cluster.node, &cluster.client] {
        assert_refused(host, "10.96.0.80:81").await;
    }
    assert_dropped(&cluster.pods[2], "10.96.0.81:80").await;
    Ok(())
}

async fn no_endpoints(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort, externalIPs: [192.0.2.10]", "", &[])).await?;
    for host in [&cluster.pods[2], &cluster.node, &cluster.client] {
        // Often: the kernel limits ICMP errors, and a client that gets none waits.
        for _ in 0..20 {
            assert_refused(host, "10.96.0.80:80").await;
        }
        assert_refused(host, "192.0.2.10:80").await;
        assert_refused(host, "172.20.10.2:30080").await;
    }
    cluster.apply(&web("type: NodePort, externalIPs: [192.0.2.10]", "", &["a"])).await?;
    assert_eq!(ask(&cluster.client, "192.0.2.10:80").await?.server, "a");
    assert_ne!(ask(&cluster.client, "192.0.2.10:80").await?.source, CLIENT);
    Ok(())
}

async fn udp(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    serve_udp(&cluster.pods[0], "a", ([10, 244, 2, 65], PORT).into()).await?;
    let udp = |endpoints: &[&str]| {
        let manifests = web("type: NodePort", "", endpoints).replace("protocol: TCP", "protocol: UDP");
        manifests.replace("port: 80,", "port: 80, protocol: UDP,")
    };
    cluster.apply(&udp(&["a"])).await?;
    assert_eq!(ask_udp(&cluster.pods[2], "10.96.0.80:80").await?.source, "10.244.2.67");
    assert_eq!(ask_udp(&cluster.client, "172.20.10.2:30080").await?.source, "10.244.2.1");
    assert_refused(&cluster.pods[2], "10.96.0.80:80").await;
    cluster.apply(&udp(&[])).await?;
    let refused = ask_udp(&cluster.pods[2], "10.96.0.80:80").await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    Ok(())
}

async fn ipv6(lab: Lab) -> Result {
    let client = lab.host("client").address("fd00:20::50/64").create().await?;
    let node = lab.host("server2").address("fd00:20::2/64").default_route("fd00:20::1").create().await?;
    let remote = lab.host("server3").address("fd00:20::3/64").create().await?;
    client.add_route("fd00:96::/112", "fd00:20::2").await?;
    serve(&remote, "remote", 8080).await?;
    let store = Store::new();
    let config = Node::builder("server2").address("fd00:20::2").cluster_cidr("fd00:244::/48").build()?;
    let (handle, run) = proxy_builder(config).build().drive(store.watch());
    let _driver = node.spawn(move || run);
    let manifests = |local: &str, endpoint: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: default}},
               spec: {{type: NodePort, clusterIP: 'fd00:96::80', externalTrafficPolicy: {local},
                       ports: [{{port: 80, nodePort: 30080}}]}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv6,
  metadata: {{name: web-1, namespace: default, labels: {{kubernetes.io/service-name: web}}}},
  ports: [{{port: 8080}}], endpoints: [{endpoint}]}}"
        )
    };
    let apply = async |local: &str, endpoint: &str| -> Result {
        let (objects, problems) = yaml::read(&manifests(local, endpoint)).stored();
        assert!(problems.is_empty(), "{problems:?}");
        Ok(handle.programmed(store.apply(objects)).await?)
    };
    apply("Cluster", "{addresses: ['fd00:20::3'], nodeName: server3}").await?;
    for to in ["[fd00:96::80]:80", "[fd00:20::2]:30080"] {
        assert_eq!(source_seen(&client, to).await?, "fd00:20::2", "{to}");
        assert_eq!(ask(&node, to).await?.server, "remote", "{to}");
    }
    assert_refused(&client, "[fd00:96::80]:81").await;
    apply("Local", "{addresses: ['fd00:20::3'], nodeName: server3}").await?;
    assert_dropped(&client, "[fd00:20::2]:30080").await;
    assert_eq!(ask(&node, "[fd00:20::2]:30080").await?.server, "remote");
    apply("Cluster", "").await?;
    assert_refused(&client, "[fd00:96::80]:80").await;
    assert_refused(&client, "[fd00:20::2]:30080").await;
    handle.clean_up().await?;
    assert_eq!(node.sysctl("net/ipv6/conf/all/forwarding").await?.trim(), "0");
    Ok(())
}
