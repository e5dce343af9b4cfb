use std::net::SocketAddr;

use svc_model::store::Store;
use svc_model::{Revision, yaml};
use svc_nft::L4Proto;
use svc_nft::conntrack::{Flow, Tuple};

use super::*;
use crate::{Error, Handle, Node, Proxy, fake};

const EPERM: i32 = 1;

fn start(kernel: &fake::Kernel, store: &Store) -> Handle {
    let node = Node::builder("server2").address("172.20.10.2").build().unwrap();
    let (handle, run) = Proxy::builder(node).dataplane(kernel.clone()).build().drive(store.watch());
    tokio::spawn(run);
    handle
}

fn apply(store: &Store, protocol: &str, endpoint: &str) -> Revision {
    let manifests = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: dns, namespace: default}},
           spec: {{clusterIP: 10.96.0.10, ports: [{{port: 53, protocol: {protocol}}}]}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
  metadata: {{name: dns-1, namespace: default, labels: {{kubernetes.io/service-name: dns}}}},
  ports: [{{port: 53, protocol: {protocol}}}], endpoints: [{{addresses: [{endpoint}]}}]}}"
    );
    store.apply(yaml::read(&manifests).stored().0)
}

fn flow(client_port: u16, answered_by: &str) -> Flow {
    let udp = |source: SocketAddr, destination| Tuple::new(L4Proto::UDP, source, destination);
    let client = SocketAddr::from(([10, 244, 1, 1], client_port));
    let original = udp(client, SocketAddr::from(([10, 96, 0, 10], 53)));
    Flow::new(original, udp(answered_by.parse().unwrap(), client))
}

#[tokio::test(start_paused = true)]
async fn a_change_makes_the_kernel_forget_its_stale_flows_only() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store);
    handle.programmed(apply(&store, "UDP", "10.244.2.7")).await.unwrap();
    kernel.insert_flow(flow(1, "10.244.2.7:53"));
    kernel.insert_flow(flow(2, "10.244.2.9:53"));
    handle.programmed(apply(&store, "UDP", "10.244.2.9")).await.unwrap();
    let left: Vec<_> = kernel.flow_table().all().iter().map(Flow::original).collect();
    assert_eq!(left, [flow(2, "10.244.2.9:53").original()]);
    assert_eq!(handle.status().forgotten_flows(), 1);
}

/// However many flows there are, only some of them are remembered while the others are listed.
#[tokio::test(start_paused = true)]
async fn many_stale_flows_are_forgotten_in_turns() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store);
    handle.programmed(apply(&store, "UDP", "10.244.2.7")).await.unwrap();
    let before = kernel.flow_table().asked().len();
    let flows = u16::try_from(2 * AT_A_TIME + 1).unwrap();
    (1..=flows).for_each(|port| kernel.insert_flow(flow(port, "10.244.2.7:53")));
    handle.programmed(apply(&store, "UDP", "10.244.2.9")).await.unwrap();
    assert_eq!(kernel.flow_table().all(), []);
    assert_eq!(kernel.flow_table().asked().len() - before, 3);
    assert_eq!(handle.status().forgotten_flows(), u64::from(flows));
}

/// Of the others nothing is even listed.
#[tokio::test(start_paused = true)]
async fn flows_of_the_services_that_changed_are_asked_for_alone() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store);
    let others = (1..=50_u8).flat_map(|number| {
        let manifest = format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: other-{number}, namespace: default}},
               spec: {{clusterIP: 10.96.1.{number}, ports: [{{port: 53, protocol: UDP}}]}}}}"
        );
        yaml::read(&manifest).stored().0
    });
    store.apply(others.collect::<Vec<_>>());
    handle.programmed(apply(&store, "UDP", "10.244.2.7")).await.unwrap();
    let before = kernel.flow_table().asked().len();
    handle.programmed(apply(&store, "UDP", "10.244.2.9")).await.unwrap();
    let asked: Vec<_> = kernel.flow_table().asked()[before..].iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["flows of ip udp to 10.96.0.10 port 53"]);
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_no_proxy_ran_is_made_good() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    kernel.insert_flow(flow(1, "10.244.2.7:53"));
    let revision = apply(&store, "UDP", "10.244.2.9");
    start(&kernel, &store).programmed(revision).await.unwrap();
    assert_eq!(kernel.flow_table().all(), []);
}

#[tokio::test(start_paused = true)]
async fn services_without_udp_cost_connection_tracking_nothing() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store);
    for endpoint in ["10.244.2.7", "10.244.2.9"] {
        handle.programmed(apply(&store, "TCP", endpoint)).await.unwrap();
    }
    assert_eq!(kernel.flow_table().asked(), []);
}

#[tokio::test(start_paused = true)]
async fn flows_are_forgotten_only_once_the_rules_are_in_force() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store);
    handle.programmed(apply(&store, "UDP", "10.244.2.7")).await.unwrap();
    kernel.insert_flow(flow(1, "10.244.2.7:53"));
    kernel.fail_next(EPERM);
    let revision = apply(&store, "UDP", "10.244.2.9");
    let mut statuses = handle.statuses();
    let refused = statuses.wait_for(|status| status.failures() > 0).await.unwrap().clone();
    assert!(refused.programmed() < revision);
    assert_eq!(kernel.flow_table().all().len(), 1, "the old rules would lead it to the old endpoint again");
    handle.programmed(revision).await.unwrap();
    assert_eq!(kernel.flow_table().all(), []);
}

#[tokio::test(start_paused = true)]
async fn a_kernel_that_lists_no_flows_is_reported_and_asked_again() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store);
    handle.programmed(apply(&store, "UDP", "10.244.2.7")).await.unwrap();
    kernel.insert_flow(flow(1, "10.244.2.7:53"));
    kernel.fail_next_of_conntrack(EPERM);
    handle.programmed(apply(&store, "UDP", "10.244.2.9")).await.unwrap();
    let status = handle.status();
    assert!(status.conntrack_error().is_some_and(Error::is_permission_denied), "{status:?}");
    assert!(status.error().is_none() && !status.is_fine());
    let mut statuses = handle.statuses();
    statuses.wait_for(|status| status.is_fine() && status.forgotten_flows() == 1).await.unwrap();
    assert_eq!(kernel.flow_table().all(), []);
}

#[tokio::test(start_paused = true)]
async fn more_flows_than_are_remembered_at_a_time_are_forgotten_all_the_same() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store);
    handle.programmed(apply(&store, "UDP", "10.244.2.7")).await.unwrap();
    let many = u16::try_from(AT_A_TIME + 100).unwrap();
    (0..many).for_each(|port| kernel.insert_flow(flow(port, "10.244.2.7:53")));
    handle.programmed(apply(&store, "UDP", "10.244.2.9")).await.unwrap();
    assert_eq!(kernel.flow_table().all(), []);
    assert_eq!(handle.status().forgotten_flows(), u64::from(many));
}
