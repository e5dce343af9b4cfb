//! Local policies, source ranges, affinity.

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};

use crate::On;
use crate::cluster::{CLIENT, Cluster, web};
use crate::traffic::{ask, ask_often, assert_dropped, assert_refused, source_seen};

const BALANCER: &str = "loadBalancer: {ingress: [{ip: 172.20.10.70}]}";

pub fn trials(on: On) -> Vec<Trial> {
    vec![
        on.trial("external_policy_local_keeps_the_client", external_local),
        on.trial("external_policy_local_without_local_endpoint_drops", external_local_empty),
        on.trial("internal_policy_local_stays_on_the_node", internal_local),
        on.trial("source_ranges_keep_others_out", source_ranges),
        on.trial("affinity_keeps_a_client_with_its_endpoint", affinity),
        on.trial("affinity_survives_the_loss_of_other_endpoints", affinity_updates),
        on.trial("affinity_and_policy_local_go_together", affinity_local),
    ]
}

async fn external_local(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    let local = "type: LoadBalancer, externalTrafficPolicy: Local";
    cluster.apply(&web(local, BALANCER, &["a", "remote"])).await?;
    for address in ["172.20.10.70:80", "172.20.10.2:30080"] {
        let counts = ask_often(&cluster.client, address, 20).await?;
        assert_eq!(counts.keys().collect::<Vec<_>>(), ["a"], "{address}");
        assert_eq!(source_seen(&cluster.client, address).await?, CLIENT, "{address}");
        // Pods and the node itself may use every endpoint.
        for host in [&cluster.pods[2], &cluster.node] {
            assert_eq!(ask_often(host, address, 40).await?.len(), 2, "{address}");
        }
        assert_eq!(source_seen(&cluster.pods[2], address).await?, "10.244.2.67", "{address}");
    }
    // The ClusterIP follows the other policy.
    assert_eq!(ask_often(&cluster.client, "10.96.0.80:80", 40).await?.len(), 2);
    Ok(())
}

async fn external_local_empty(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    let local = "type: LoadBalancer, externalTrafficPolicy: Local";
    cluster.apply(&web(local, BALANCER, &["remote"])).await?;
    for address in ["172.20.10.70:80", "172.20.10.2:30080"] {
        assert_dropped(&cluster.client, address).await;
        assert_eq!(ask(&cluster.pods[2], address).await?.server, "remote", "{address}");
        assert_eq!(ask(&cluster.node, address).await?.server, "remote", "{address}");
    }
    cluster.apply(&web(local, BALANCER, &[])).await?;
    assert_refused(&cluster.client, "172.20.10.70:80").await;
    assert_refused(&cluster.client, "172.20.10.2:30080").await;
    Ok(())
}

async fn internal_local(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    let local = "type: ClusterIP, internalTrafficPolicy: Local";
    cluster.apply(&web(local, "", &["a", "b", "remote"])).await?;
    let counts = ask_often(&cluster.pods[2], "10.96.0.80:80", 40).await?;
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["a", "b"]);
    cluster.apply(&web(local, "", &["remote"])).await?;
    assert_dropped(&cluster.pods[2], "10.96.0.80:80").await;
    cluster.apply(&web(local, "", &[])).await?;
    assert_refused(&cluster.pods[2], "10.96.0.80:80").await;
    Ok(())
}

async fn source_ranges(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    let only = |range: &str| format!("type: LoadBalancer, loadBalancerSourceRanges: [\"{range}\"]");
    cluster.apply(&web(&only("172.20.10.48/28"), BALANCER, &["a"])).await?;
    assert_eq!(ask(&cluster.client, "172.20.10.70:80").await?.server, "a");
    cluster.apply(&web(&only("172.20.10.128/25"), BALANCER, &["a"])).await?;
    for host in [&cluster.client, &cluster.node, &cluster.pods[2]] {
        assert_dropped(host, "172.20.10.70:80").await;
        // Only the balancer's address is restricted.
        assert_eq!(ask(host, "172.20.10.2:30080").await?.server, "a");
        assert_eq!(ask(host, "10.96.0.80:80").await?.server, "a");
    }
    cluster.apply(&web(&only("172.20.10.128/25"), BALANCER, &[])).await?;
    assert_dropped(&cluster.client, "172.20.10.70:80").await;
    cluster.apply(&web(&only("0.0.0.0/0"), BALANCER, &["a"])).await?;
    assert_eq!(ask(&cluster.client, "172.20.10.70:80").await?.server, "a");
    Ok(())
}

async fn affinity(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort, sessionAffinity: ClientIP", "", &["a", "b", "remote"])).await?;
    let frontends = ["10.96.0.80:80", "172.20.10.2:30080"];
    for host in [&cluster.client, &cluster.pods[2], &cluster.pods[1], &cluster.node] {
        let first = ask(host, frontends[0]).await?.server;
        for frontend in frontends {
            let counts = ask_often(host, frontend, 10).await?;
            assert_eq!(counts.keys().collect::<Vec<_>>(), [&first], "{frontend}");
        }
    }
    Ok(())
}

async fn affinity_updates(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    let sticky = "type: ClusterIP, sessionAffinity: ClientIP";
    cluster.apply(&web(sticky, "", &["a", "b", "remote"])).await?;
    let client = &cluster.pods[2];
    let first = ask(client, "10.96.0.80:80").await?.server;
    let others: Vec<_> = ["a", "b", "remote"].into_iter().filter(|name| *name != first).collect();
    // One of the others goes, comes back, and the timeout changes: nothing to the client.
    let specs = [
        (sticky, vec![first.as_str(), others[0]]),
        (sticky, vec![others[0], others[1], first.as_str()]),
        (
            "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}",
            vec![first.as_str(), others[1]],
        ),
    ];
    for (spec, endpoints) in specs {
        cluster.apply(&web(spec, "", &endpoints)).await?;
        let counts = ask_often(client, "10.96.0.80:80", 10).await?;
        assert_eq!(counts.keys().collect::<Vec<_>>(), [&first]);
    }
    cluster.apply(&web(sticky, "", &others)).await?;
    let second = ask(client, "10.96.0.80:80").await?.server;
    assert_ne!(second, first);
    assert_eq!(ask_often(client, "10.96.0.80:80", 10).await?.len(), 1);
    Ok(())
}

async fn affinity_local(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    let local = "type: LoadBalancer, externalTrafficPolicy: Local, sessionAffinity: ClientIP";
    cluster.apply(&web(local, BALANCER, &["a", "b", "remote"])).await?;
    let answer = ask(&cluster.client, "172.20.10.70:80").await?;
    assert_eq!(answer.source, CLIENT);
    let counts = ask_often(&cluster.client, "172.20.10.2:30080", 10).await?;
    assert_eq!(counts.keys().collect::<Vec<_>>(), [&answer.server]);
    cluster.apply(&web(local, BALANCER, &["remote"])).await?;
    assert_dropped(&cluster.client, "172.20.10.70:80").await;
    assert_eq!(ask(&cluster.node, "172.20.10.70:80").await?.server, "remote");
    Ok(())
}
