use svc_model::store::Store;
use svc_model::yaml;
use svc_nft::{Batch, Dataplane as _, Family, Table, TableId};

use super::*;
use crate::fake;
use crate::sysctl::{Finding, Sysctls as _};

const EPERM: i32 = 1;
const FORWARD: &str = "net/ipv4/ip_forward";

fn node() -> Node {
    Node::builder("a").address("10.0.0.1").build().unwrap()
}

fn table() -> TableId {
    TableId::new(Family::Ip, "svc-proxy")
}

fn add_service(store: &Store, number: u8) -> svc_model::Revision {
    let manifest = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web-{number}, namespace: default}},
           spec: {{clusterIP: 10.96.0.{number}, ports: [{{port: 80}}]}}}}"
    );
    store.apply(yaml::read(&manifest).stored().0)
}

fn start(kernel: &fake::Kernel, store: &Store, policy: SysctlPolicy) -> Handle {
    let proxy = Proxy::builder(node()).dataplane(kernel.clone()).sysctls(policy).build();
    let (handle, run) = proxy.drive(store.watch());
    tokio::spawn(run);
    handle
}

fn listed(kernel: &mut fake::Kernel) -> String {
    kernel.list_table(&table()).unwrap().map(|table| table.to_string()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn revisions_are_announced_once_the_kernel_holds_them() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    let revision = add_service(&store, 1);
    handle.programmed(revision).await.unwrap();
    assert!(listed(&mut kernel).contains("10.96.0.1 . tcp . 80"));
    assert_eq!(*handle.revisions().borrow(), revision);
    assert!(handle.status().is_fine());
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_reported_and_tried_again() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    handle.programmed(add_service(&store, 1)).await.unwrap();
    kernel.fail_next(EPERM);
    let revision = add_service(&store, 2);
    let mut statuses = handle.statuses();
    let failed = statuses.wait_for(|status| status.failures() > 0).await.unwrap().clone();
    assert!(failed.error().is_some_and(Error::is_permission_denied), "{failed:?}");
    assert!(failed.programmed() < failed.wanted());
    assert!(listed(&mut kernel).contains("10.96.0.1 . tcp . 80"));
    handle.programmed(revision).await.unwrap();
    assert!(handle.status().error().is_none());
    assert!(listed(&mut kernel).contains("10.96.0.2 . tcp . 80"));
}

#[tokio::test(start_paused = true)]
async fn a_table_of_somebody_else_is_refused_and_left_alone() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let foreign = Table::with_id(table()).comment("mine");
    kernel.apply(Batch::new().load(&foreign)).unwrap();
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    let mut statuses = handle.statuses();
    let status = statuses.wait_for(|status| status.failures() > 0).await.unwrap().clone();
    assert!(matches!(status.error(), Some(Error::ForeignTable { .. })), "{status:?}");
    let left = handle.clean_up().await.unwrap_err();
    assert!(left.to_string().contains("table ip svc-proxy exists and is not ours"), "{left}");
    assert_eq!(kernel.list_table(&table()).unwrap(), Some(foreign));
}

#[tokio::test(start_paused = true)]
async fn clean_up_leaves_nothing_and_restores_settings() {
    let kernel = fake::Kernel::new().with_sysctl(FORWARD, "0");
    let (mut same, store) = (kernel.clone(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Set);
    handle.programmed(add_service(&store, 1)).await.unwrap();
    assert_eq!(same.sysctl(FORWARD).unwrap().as_deref(), Some("1"));
    handle.clean_up().await.unwrap();
    assert_eq!(same.sysctl(FORWARD).unwrap().as_deref(), Some("0"));
    assert!(same.list_tables().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_successor_cleans_up_what_a_killed_driver_left() {
    let kernel = fake::Kernel::new().with_sysctl(FORWARD, "0");
    let (mut same, store) = (kernel.clone(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Set);
    handle.programmed(add_service(&store, 1)).await.unwrap();
    drop(handle);
    let successor = start(&kernel, &store, SysctlPolicy::Set);
    successor.programmed(add_service(&store, 2)).await.unwrap();
    drop(successor);
    Proxy::builder(node()).dataplane(kernel.clone()).build().clean_up().unwrap();
    assert_eq!(same.sysctl(FORWARD).unwrap().as_deref(), Some("0"));
    assert!(same.list_tables().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_successor_rewrites_nothing_that_is_right() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    let revision = add_service(&store, 1);
    handle.programmed(revision).await.unwrap();
    drop(handle);
    let batches = kernel.batches().len();
    let successor = start(&kernel, &store, SysctlPolicy::Check);
    successor.programmed(revision).await.unwrap();
    assert_eq!(kernel.batches().len(), batches);
}

#[tokio::test(start_paused = true)]
async fn settings_are_looked_at_again_without_any_change() {
    let kernel = fake::Kernel::new().with_sysctl(FORWARD, "1");
    let (mut same, store) = (kernel.clone(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Set);
    handle.programmed(add_service(&store, 1)).await.unwrap();
    same.set_sysctl(FORWARD, "0").unwrap();
    let mut statuses = handle.statuses();
    let set = |status: &Status| *status.sysctls().entries()[0].finding() == Finding::Set;
    statuses.wait_for(set).await.unwrap();
    assert_eq!(same.sysctl(FORWARD).unwrap().as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_ends_the_loop_and_leaves_the_rules() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let proxy = Proxy::builder(node()).dataplane(kernel.clone()).build();
    let (handle, run) = proxy.drive(store.watch());
    let run = tokio::spawn(run);
    handle.programmed(add_service(&store, 1)).await.unwrap();
    drop(handle);
    run.await.unwrap();
    assert!(listed(&mut kernel).contains("10.96.0.1 . tcp . 80"));
}

#[tokio::test(start_paused = true)]
async fn tables_of_families_the_node_lost_are_removed() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let both = Node::builder("a").address("10.0.0.1").address("fd00::1").build().unwrap();
    let (handle, run) = Proxy::builder(both).dataplane(kernel.clone()).build().drive(store.watch());
    tokio::spawn(run);
    handle.programmed(add_service(&store, 1)).await.unwrap();
    drop(handle);
    assert_eq!(kernel.clone().list_tables().unwrap().len(), 2);
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    handle.programmed(add_service(&store, 2)).await.unwrap();
    assert_eq!(kernel.clone().list_tables().unwrap(), [table()]);
}
