//! UDP clients that stay at their port while Services change: the kernel remembers where they were led.

use std::net::SocketAddr;
use std::time::Duration;

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Result};
use svc_model::{Kind, ObjectName, ObjectRef};
use svc_nft::conntrack::{Conntrack as _, Filter, Flow};
use svc_nft::{L4Proto, Socket};
use tokio::net::UdpSocket;

use crate::cluster::Cluster;
use crate::{traffic, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("udp_clients_of_a_vanished_endpoint_are_led_to_another", vanished),
        trial("udp_clients_that_came_before_the_service_are_led_to_it", before),
        trial("udp_flows_end_with_the_last_endpoint_and_with_the_service", lost),
        trial("udp_flows_of_others_are_left_alone", foreign),
        trial("a_successor_leads_udp_clients_anew", successor),
    ]
}

const CLIENT_PORT: u16 = 4053;

/// A cluster whose pods `a` and `b` answer datagrams.
async fn cluster(lab: &Lab) -> Result<Cluster> {
    let cluster = Cluster::new(lab).await?;
    for (pod, name, address) in [(0, "a", "10.244.2.65"), (1, "b", "10.244.2.66")] {
        traffic::serve_udp(&cluster.pods[pod], name, SocketAddr::new(address.parse()?, 5353)).await?;
    }
    Ok(cluster)
}

fn dns(spec: &str, endpoints: &[&str]) -> String {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|name| {
            let address = if *name == "a" { "10.244.2.65" } else { "10.244.2.66" };
            format!("{{addresses: [{address}], nodeName: server2, conditions: {{ready: true}}}}")
        })
        .collect();
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: dns, namespace: default}},
           spec: {{clusterIP: 10.96.0.10, type: NodePort, {spec}
                   ports: [{{name: dns, port: 53, protocol: UDP, nodePort: 30053}}]}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
  metadata: {{name: dns-1, namespace: default, labels: {{kubernetes.io/service-name: dns}}}},
  ports: [{{name: dns, port: 5353, protocol: UDP}}], endpoints: [{}]}}",
        endpoints.join(", ")
    )
}

/// Asks from the port where the client always is, again and again as a resolver does. Who answered.
async fn ask(host: &Host, to: &'static str) -> Result<String> {
    let answer = host.run(move || async move {
        let socket = socket(to).await?;
        let mut bytes = [0; 64];
        for _ in 0..20 {
            let answer = tokio::time::timeout(Duration::from_millis(250), socket.recv(&mut bytes));
            if let Ok(length) = answer.await {
                let text = String::from_utf8_lossy(&bytes[..length?]).into_owned();
                return Ok(text.split(' ').next().unwrap_or_default().to_owned());
            }
            socket.send(b"who").await?;
        }
        Err(std::io::Error::from(std::io::ErrorKind::TimedOut))
    });
    Ok(answer.await?)
}

/// Sends a datagram from there, and does not wait.
async fn tell(host: &Host, to: &'static str) -> Result {
    host.run(move || async move { socket(to).await.map(drop) }).await?;
    Ok(())
}

async fn socket(to: &str) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(("0.0.0.0", CLIENT_PORT)).await?;
    socket.connect(to).await?;
    socket.send(b"who").await?;
    Ok(socket)
}

/// The flows of the client that were addressed to this port, as the node remembers them.
async fn flows(node: &Host, port: u16) -> Result<Vec<Flow>> {
    let listed = node.run(move || async move {
        let mut flows = Vec::new();
        let filter = Filter::new().protocol(L4Proto::UDP).port(port);
        Socket::open()?.flows(&filter, &mut |flow| flows.push(flow))?;
        flows.retain(|flow| flow.original().source().port() == CLIENT_PORT);
        std::result::Result::<_, svc_nft::Error>::Ok(flows)
    });
    Ok(listed.await?)
}

/// Sends a datagram until the node remembers that the client sent it. A link that came up a moment ago may lose some.
async fn until_known(cluster: &Cluster, to: &'static str) -> Result {
    let port = to.parse::<SocketAddr>()?.port();
    while flows(&cluster.node, port).await?.is_empty() {
        tell(&cluster.client, to).await?;
    }
    Ok(())
}

async fn vanished(lab: Lab) -> Result {
    let cluster = cluster(&lab).await?;
    let clients = [(&cluster.pods[2], "10.96.0.10:53"), (&cluster.client, "172.20.10.2:30053")];
    for endpoints in [["a"], ["b"], ["a"]] {
        cluster.apply(&dns("", &endpoints)).await?;
        for (client, to) in clients {
            for _ in 0..3 {
                assert_eq!(ask(client, to).await?, endpoints[0], "{to}");
            }
        }
    }
    // Who is served well stays, though lots would be drawn for somebody new.
    for _ in 0..4 {
        cluster.apply(&dns("", &["a", "b"])).await?;
        cluster.apply(&dns("externalTrafficPolicy: Local,", &["a", "b"])).await?;
        assert_eq!(ask(clients[0].0, clients[0].1).await?, "a");
    }
    Ok(())
}

async fn before(lab: Lab) -> Result {
    let cluster = cluster(&lab).await?;
    // Nobody has the address: the packet goes on to the node's own router, and that is remembered.
    until_known(&cluster, "192.0.2.10:53").await?;
    until_known(&cluster, "172.20.10.2:30053").await?;
    cluster.apply(&dns("externalIPs: [192.0.2.10],", &[])).await?;
    tell(&cluster.client, "192.0.2.10:53").await?;
    cluster.apply(&dns("externalIPs: [192.0.2.10],", &["a"])).await?;
    assert_eq!(ask(&cluster.client, "192.0.2.10:53").await?, "a");
    assert_eq!(ask(&cluster.client, "172.20.10.2:30053").await?, "a");
    // An address more, without any endpoint that changes.
    tell(&cluster.client, "192.0.2.11:53").await?;
    cluster.apply(&dns("externalIPs: [192.0.2.10, 192.0.2.11],", &["a"])).await?;
    assert_eq!(ask(&cluster.client, "192.0.2.11:53").await?, "a");
    Ok(())
}

async fn lost(lab: Lab) -> Result {
    let cluster = cluster(&lab).await?;
    cluster.apply(&dns("", &["a"])).await?;
    assert_eq!(ask(&cluster.client, "172.20.10.2:30053").await?, "a");
    assert_eq!(flows(&cluster.node, 30053).await?.len(), 1);
    cluster.apply(&dns("", &[])).await?;
    assert_eq!(flows(&cluster.node, 30053).await?, []);
    cluster.apply(&dns("", &["b"])).await?;
    assert_eq!(ask(&cluster.client, "172.20.10.2:30053").await?, "b");
    cluster.delete([ObjectRef::new(Kind::Service, ObjectName::new("default", "dns"))]).await?;
    assert_eq!(flows(&cluster.node, 30053).await?, []);
    assert_eq!(cluster.handle.status().forgotten_flows(), 2);
    Ok(())
}

async fn foreign(lab: Lab) -> Result {
    let cluster = cluster(&lab).await?;
    cluster.apply(&dns("", &["a"])).await?;
    // The number of the node port at an address that is not the node's; the Service's port at a pod; from a Service's port.
    until_known(&cluster, "192.0.2.77:30053").await?;
    let others = flows(&cluster.node, 30053).await?;
    assert_eq!(others.len(), 1, "{others:?}");
    assert_eq!(ask(&cluster.client, "172.20.10.2:30053").await?, "a");
    for endpoints in [&["b"][..], &[], &["a"]] {
        cluster.apply(&dns("", endpoints)).await?;
        assert!(flows(&cluster.node, 30053).await?.contains(&others[0]), "{others:?}");
    }
    cluster.delete([ObjectRef::new(Kind::Service, ObjectName::new("default", "dns"))]).await?;
    assert_eq!(flows(&cluster.node, 30053).await?, others);
    Ok(())
}

async fn successor(lab: Lab) -> Result {
    let mut cluster = cluster(&lab).await?;
    cluster.apply(&dns("", &["a"])).await?;
    assert_eq!(ask(&cluster.pods[2], "10.96.0.10:53").await?, "a");
    // While nobody looks, the endpoint becomes another.
    let store = svc_model::store::Store::new();
    store.apply(svc_model::yaml::read(&dns("", &["b"])).stored().0);
    cluster.store = store;
    cluster.restart();
    cluster.handle.programmed(cluster.store.snapshot().revision()).await?;
    assert_eq!(ask(&cluster.pods[2], "10.96.0.10:53").await?, "b");
    Ok(())
}
