//! Every way to reach a Service.

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};

use crate::cluster::{CLIENT, Cluster, NODE, web};
use crate::traffic::{ask, ask_often, assert_dropped, assert_refused, source_seen};
use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("cluster_ip_spreads_over_all_endpoints", cluster_ip),
        trial("bridged_neighbours_reach_each_other", bridged_neighbours),
        trial("a_pod_reaches_itself", hairpin),
        trial("node_port_masquerades_clients_outside", node_port),
        trial("external_ip_and_balancer_address_serve", outside_addresses),
        trial("what_no_service_has_is_refused_or_dropped", unserved),
        trial("connections_without_endpoints_are_refused", no_endpoints),
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
