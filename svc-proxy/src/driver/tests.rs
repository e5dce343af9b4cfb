use svc_model::store::Store;
use svc_model::yaml;
use svc_nft::{Batch, Dataplane as _, Family, Table, TableId};

use super::*;
use crate::sysctl::{Finding, Sysctls as _};
use crate::{Plan, fake, nftables};

mod iptables;
mod ipvs;

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
    assert_eq!(handle.revisions().revision(), revision);
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

const EINVAL: i32 = 22;

async fn served(handle: &Handle, revision: svc_model::Revision) -> Status {
    handle.programmed(revision).await.unwrap();
    handle.status()
}

fn services(store: &Store, count: u8) -> svc_model::Revision {
    (1..=count).fold(svc_model::Revision::default(), |_, number| add_service(store, number))
}

#[tokio::test(start_paused = true)]
async fn a_service_that_the_kernel_refuses_is_set_aside_while_the_others_go_on() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    kernel.refuse("default/web-33", EINVAL);
    let revision = services(&store, 100);
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    let status = served(&handle, revision).await;
    let [rejection] = status.rejections() else { panic!("{status:?}") };
    assert_eq!(rejection.service().to_string(), "default/web-33");
    assert!(rejection.to_string().contains("10.96.0.33 . tcp . 80"), "{rejection}");
    assert!(status.error().is_none() && !status.is_fine());
    let text = listed(&mut kernel);
    for number in (1..=100).filter(|number| *number != 33) {
        assert!(text.contains(&format!("10.96.0.{number} . tcp . 80")), "{number}");
    }
    assert!(!text.contains("10.96.0.33 . tcp . 80"));

    // Another one that is refused later, by itself; what is neither goes on.
    kernel.refuse("default/web-101", EINVAL);
    add_service(&store, 101);
    let status = served(&handle, add_service(&store, 102)).await;
    let names: Vec<_> = status.rejections().iter().map(|it| it.service().to_string()).collect();
    assert_eq!(names, ["default/web-101", "default/web-33"]);
    assert!(listed(&mut kernel).contains("10.96.0.102 . tcp . 80"));

    // The cause goes: tried again in time, and at once when the Service changes.
    kernel.refuse("", 0);
    let mut statuses = handle.statuses();
    statuses.wait_for(|status| status.rejections().is_empty()).await.unwrap();
    assert!(listed(&mut kernel).contains("10.96.0.33 . tcp . 80"));
    assert!(handle.status().is_fine());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_for_one_batch_goes_in_several() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    kernel.refuse_longer_than(10_000);
    let revision = services(&store, 200);
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    assert!(served(&handle, revision).await.is_fine());
    let batches = kernel.batches();
    assert!(batches.len() > 2, "{}", batches.len());
    // Nothing is let in before everything is there.
    let (last, others) = batches.split_last().unwrap();
    assert!(last.to_string().contains("hook prerouting"));
    assert!(others.iter().all(|batch| !batch.to_string().contains("hook")));
    let node = node();
    let rules = Plan::new(&store.snapshot(), &node).compile(&nftables::Backend::default());
    let table = kernel.list_table(&table()).unwrap();
    assert!(rules.tables()[0].diff(table.as_ref()).is_empty());

    // And a change that is too large; then everything goes.
    let names = store.snapshot().services().map(|it| it.name().clone()).collect::<Vec<_>>();
    let all = names.into_iter().map(|name| svc_model::ObjectRef::new(svc_model::Kind::Service, name));
    assert!(served(&handle, store.update([], all)).await.is_fine());
    assert!(!listed(&mut kernel).contains("10.96"));
}

#[tokio::test(start_paused = true)]
async fn changes_list_nothing_and_send_what_changed() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    served(&handle, services(&store, 50)).await;
    let (listings, batches) = (kernel.listings(), kernel.batches().len());
    for number in 51..=60 {
        served(&handle, add_service(&store, number)).await;
    }
    assert_eq!(kernel.listings(), listings);
    let batches = kernel.batches().split_off(batches);
    assert_eq!(batches.len(), 10);
    assert!(batches.iter().all(|batch| batch.len() == 2), "{batches:?}");
}

#[tokio::test(start_paused = true)]
async fn what_others_do_to_our_rules_is_undone() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    served(&handle, services(&store, 5)).await;
    let right = listed(&mut kernel);
    let id = table();
    let wrongs: [fn(&TableId, &Table) -> Batch; 4] = [
        |id, _| std::mem::take(Batch::new().delete_table(id)),
        |id, _| std::mem::take(Batch::new().flush_table(id)),
        |id, table| {
            let set = table.find_set("no-endpoint-services").unwrap();
            let key = set.elements().next().unwrap().key().clone();
            std::mem::take(Batch::new().delete_elements(id, set, [key]))
        },
        |id, _| std::mem::take(Batch::new().add_rule(id, "services", [svc_nft::Statement::drop()])),
    ];
    for (done, wrong) in (1..).zip(wrongs) {
        let table = kernel.list_table(&id).unwrap().unwrap();
        kernel.apply(&wrong(&id, &table)).unwrap();
        assert_ne!(listed(&mut kernel), right);
        let mut statuses = handle.statuses();
        statuses.wait_for(|status| status.repairs() == done).await.unwrap();
        let now = kernel.list_table(&id).unwrap().unwrap();
        assert!(table.diff(&now).is_empty(), "{now}");
    }
}

#[tokio::test(start_paused = true)]
async fn others_tables_are_none_of_our_business() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    served(&handle, services(&store, 5)).await;
    let batches = kernel.batches().len();
    for round in 0..20_usize {
        let name = format!("theirs-{round}");
        kernel.apply(Batch::new().add_table(&TableId::new(Family::Ip, name))).unwrap();
        served(&handle, add_service(&store, 10 + u8::try_from(round).unwrap())).await;
        assert_eq!(kernel.batches().len(), batches + 2 * (round + 1));
    }
    assert_eq!(handle.status().repairs(), 0);
    assert!(handle.status().is_fine());
}

#[tokio::test(start_paused = true)]
async fn a_node_can_be_reconfigured() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    served(&handle, add_service(&store, 1)).await;
    assert!(!listed(&mut kernel).contains("10.96.0.0/12 drop"));
    handle.reconfigure(Node::builder("a").address("10.0.0.1").service_cidr("10.96.0.0/12").build().unwrap());
    served(&handle, add_service(&store, 2)).await;
    let text = listed(&mut kernel);
    assert!(text.contains("ip daddr 10.96.0.0/12 drop") && text.contains("10.96.0.2"), "{text}");
}
