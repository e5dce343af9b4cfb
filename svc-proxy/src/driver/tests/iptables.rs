//! The mode iptables, and going from one mode to another.

use svc_model::{AddressType, Kind, ObjectName, ObjectRef, Revision};

use super::*;
use crate::iptables::{Change, Dataplane as _, TableName, Tables};

fn start_iptables(kernel: &fake::Kernel, store: &Store, adopt: bool) -> Handle {
    let proxy = Proxy::builder(node()).dataplane(kernel.clone()).backend(Backend::Iptables).adopt(adopt);
    let (handle, run) = proxy.sysctls(SysctlPolicy::Set).build().drive(store.watch());
    tokio::spawn(run);
    handle
}

fn tables(kernel: &mut fake::Kernel) -> Tables {
    kernel.list(Variant::Nft, AddressType::Ipv4, &TableName::ALL).unwrap()
}

/// Nothing is there that is a proxy's.
fn is_clean(kernel: &mut fake::Kernel) -> bool {
    tables(kernel).owned().tables().is_empty()
}

/// What the kernel holds is what these objects compile to.
fn assert_right(kernel: &mut fake::Kernel, store: &Store) {
    let rules = Plan::new(&store.snapshot(), &node()).compile(&crate::iptables::Backend::default());
    let change = Change::between(&tables(kernel).owned(), &rules.tables()[0]);
    let others = change.lines().filter(|line| !line.line().contains("SVC-PROXY-MARKER"));
    assert!(others.count() <= 2, "{change}");
}

#[tokio::test(start_paused = true)]
async fn changes_send_chains_that_differ_and_list_nothing() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start_iptables(&kernel, &store, false);
    assert!(served(&handle, services(&store, 50)).await.is_fine());
    assert_right(&mut kernel, &store);
    let (listings, changes) = (kernel.listings_of_iptables(), kernel.changes().len());
    for number in 51..=60 {
        served(&handle, add_service(&store, number)).await;
    }
    assert_eq!(kernel.listings_of_iptables(), listings);
    let changes = kernel.changes().split_off(changes);
    assert_eq!(changes.len(), 10);
    assert!(changes.iter().all(|(_, change)| change.lines().count() < 40), "{changes:?}");
    assert_right(&mut kernel, &store);
    assert_eq!(handle.status().repairs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_successor_rewrites_no_chain_that_is_right_and_restores_settings() {
    let kernel = fake::Kernel::new().with_sysctl(FORWARD, "0");
    let (mut same, store) = (kernel.clone(), Store::new());
    let handle = start_iptables(&kernel, &store, false);
    let revision = add_service(&store, 1);
    served(&handle, revision).await;
    assert_eq!(same.sysctl(FORWARD).unwrap().as_deref(), Some("1"));
    drop(handle);
    let changes = kernel.changes().len();
    let successor = start_iptables(&kernel, &store, false);
    successor.programmed(revision).await.unwrap();
    assert_eq!(kernel.changes().len(), changes);
    successor.clean_up().await.unwrap();
    assert_eq!(same.sysctl(FORWARD).unwrap().as_deref(), Some("0"));
    assert!(is_clean(&mut same));
}

#[tokio::test(start_paused = true)]
async fn chains_of_another_proxy_are_refused_unless_they_may_be_adopted() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let theirs = "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\n\
                  -A KUBE-SERVICES -j KUBE-SVC-AAAAAAAAAAAAAAAA\n-I PREROUTING -j KUBE-SERVICES\nCOMMIT\n";
    kernel.restore(Variant::Nft, AddressType::Ipv4, theirs).unwrap();
    let before = tables(&mut kernel);
    let handle = start_iptables(&kernel, &store, false);
    let mut statuses = handle.statuses();
    let status = statuses.wait_for(|status| status.failures() > 0).await.unwrap().clone();
    assert!(status.error().is_some_and(Error::is_foreign), "{status:?}");
    let text = status.error().unwrap().to_string();
    assert!(text.contains("chain KUBE-SERVICES of table nat") && text.contains("--cleanup"), "{text}");
    drop(handle);
    assert_eq!(tables(&mut kernel), before);

    let handle = start_iptables(&kernel, &store, true);
    served(&handle, add_service(&store, 1)).await;
    assert_right(&mut kernel, &store);
    handle.clean_up().await.unwrap();
    assert!(is_clean(&mut kernel));
}

#[tokio::test(start_paused = true)]
async fn what_is_a_kubelets_or_anybody_elses_stays() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let theirs = "*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n*filter\n:KUBE-FIREWALL - [0:0]\n:MINE - [0:0]\n\
                  -A KUBE-FIREWALL -j DROP\n-I INPUT -j KUBE-FIREWALL\n-I OUTPUT -j KUBE-FIREWALL\n\
                  -I INPUT -j MINE\nCOMMIT\n*nat\n:MINE - [0:0]\n-I POSTROUTING -j MINE\nCOMMIT\n";
    kernel.restore(Variant::Nft, AddressType::Ipv4, theirs).unwrap();
    let before = tables(&mut kernel);
    let handle = start_iptables(&kernel, &store, false);
    assert!(served(&handle, services(&store, 3)).await.is_fine());
    handle.clean_up().await.unwrap();
    assert_eq!(tables(&mut kernel).to_string(), before.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_service_with_a_line_that_is_refused_is_set_aside_while_the_others_go_on() {
    for by_table in [false, true] {
        let (mut kernel, store) = (fake::Kernel::new(), Store::new());
        kernel.refuse_line("default/web-33 ", by_table);
        let revision = services(&store, 100);
        let handle = start_iptables(&kernel, &store, false);
        let status = served(&handle, revision).await;
        let [rejection] = status.rejections() else { panic!("{status:?}") };
        assert_eq!(rejection.service().to_string(), "default/web-33");
        assert!(status.error().is_none());
        let text = tables(&mut kernel).to_string();
        for number in (1..=100).filter(|number| *number != 33) {
            assert!(text.contains(&format!("default/web-{number} ")), "{number}");
        }

        // Another one later, with one that is fine; and several at a time.
        kernel.refuse_line("default/web-12", by_table);
        add_service(&store, 120);
        add_service(&store, 121);
        let status = served(&handle, add_service(&store, 110)).await;
        let names: Vec<_> = status.rejections().iter().map(|it| it.service().to_string()).collect();
        assert_eq!(names, ["default/web-120", "default/web-121", "default/web-33"]);
        assert!(tables(&mut kernel).to_string().contains("default/web-110 "));

        // The cause goes.
        kernel.refuse_line("", by_table);
        let mut statuses = handle.statuses();
        statuses.wait_for(|status| status.rejections().is_empty()).await.unwrap();
        assert!(handle.status().is_fine());
        assert_right(&mut kernel, &store);
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_flush_comes_back() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start_iptables(&kernel, &store, false);
    served(&handle, services(&store, 5)).await;
    let wrongs = [
        "*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n",
        "*filter\n:KUBE-SERVICES - [0:0]\n:KUBE-CLUSTER-IPS - [0:0]\nCOMMIT\n",
        "*mangle\n-X SVC-PROXY-MARKER\n-X KUBE-PROXY-CANARY\nCOMMIT\n",
    ];
    for (done, wrong) in (1..).zip(wrongs) {
        kernel.restore(Variant::Nft, AddressType::Ipv4, wrong).unwrap();
        let mut statuses = handle.statuses();
        statuses.wait_for(|status| status.repairs() == done).await.unwrap();
        assert_right(&mut kernel, &store);
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_leaves_one_mode_and_what_settings_were() {
    let kernel = fake::Kernel::new().with_sysctl(FORWARD, "0");
    let (mut same, store) = (kernel.clone(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Set);
    served(&handle, services(&store, 5)).await;
    for round in 6..9 {
        handle.switch(Backend::Iptables).await.unwrap();
        assert!(same.list_tables().unwrap().is_empty());
        assert_right(&mut same, &store);
        let status = served(&handle, add_service(&store, round * 2)).await;
        assert_eq!((status.backend(), status.is_fine()), (Backend::Iptables, true));
        assert_right(&mut same, &store);
        handle.switch(Backend::Nftables).await.unwrap();
        assert!(is_clean(&mut same) && listed(&mut same).contains("10.96.0.5 . tcp . 80"));
        let status = served(&handle, add_service(&store, round * 2 + 1)).await;
        assert_eq!((status.backend(), status.is_fine()), (Backend::Nftables, true));
    }
    handle.switch(Backend::Iptables).await.unwrap();
    handle.clean_up().await.unwrap();
    assert_eq!(same.sysctl(FORWARD).unwrap().as_deref(), Some("0"));
    assert!(is_clean(&mut same) && same.list_tables().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mode_that_cannot_be_leaves_the_former_in_force() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start(&kernel, &store, SysctlPolicy::Check);
    served(&handle, services(&store, 5)).await;
    kernel.miss_program("iptables-restore");
    let error = handle.switch(Backend::Iptables).await.unwrap_err();
    assert!(error.to_string().contains("iptables-restore is not installed"), "{error}");
    assert!(is_clean(&mut kernel));
    let status = served(&handle, add_service(&store, 6)).await;
    assert_eq!((status.backend(), status.is_fine()), (Backend::Nftables, true));
    assert!(listed(&mut kernel).contains("10.96.0.6 . tcp . 80"));
    // The same where one table goes in and the next does not: nothing of it is left.
    kernel.refuse_line("*nat", false);
    handle.switch(Backend::Iptables).await.unwrap_err();
    kernel.refuse_line("", false);
    assert!(listed(&mut kernel).contains("10.96.0.6 . tcp . 80"));
}

#[tokio::test(start_paused = true)]
async fn a_start_removes_what_another_mode_left() {
    let kernel = fake::Kernel::new().with_sysctl(FORWARD, "0");
    let (mut same, store) = (kernel.clone(), Store::new());
    // Both at once, as when a switch was cut short.
    let both = [start(&kernel, &store, SysctlPolicy::Set), start_iptables(&kernel, &store, false)];
    let revision = services(&store, 5);
    for handle in &both {
        served(handle, revision).await;
    }
    drop(both);
    let handle = start(&kernel, &store, SysctlPolicy::Set);
    served(&handle, add_service(&store, 6)).await;
    assert!(is_clean(&mut same) && listed(&mut same).contains("10.96.0.6 . tcp . 80"));
    drop(handle);
    let handle = start_iptables(&kernel, &store, false);
    served(&handle, add_service(&store, 7)).await;
    assert!(same.list_tables().unwrap().is_empty());
    assert_right(&mut same, &store);
    handle.clean_up().await.unwrap();
    assert_eq!(same.sysctl(FORWARD).unwrap().as_deref(), Some("0"));
}

fn loyal(store: &Store, number: u8) -> Revision {
    let manifests = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: loyal-{number}, namespace: default}},
          spec: {{clusterIP: 10.97.0.{number}, sessionAffinity: ClientIP, ports: [{{port: 80}}]}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
  metadata: {{name: loyal-{number}-1, namespace: default, labels: {{kubernetes.io/service-name: loyal-{number}}}}},
  ports: [{{port: 8080}}], endpoints: [{{addresses: [10.244.9.{number}]}}]}}"
    );
    store.apply(svc_model::yaml::read(&manifests).stored().0)
}

fn sets(kernel: &fake::Kernel) -> usize {
    use svc_nft::ipset::IpSets as _;
    kernel.sets_of_iptables().list().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn sets_of_clients_come_before_their_rules_and_go_after_them() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start_iptables(&kernel, &store, false);
    assert!(served(&handle, services(&store, 3)).await.is_fine());
    assert_eq!(sets(&kernel), 0);
    for number in 1..4 {
        assert!(served(&handle, loyal(&store, number)).await.is_fine());
        assert_eq!(sets(&kernel), usize::from(number));
    }
    assert_right(&mut kernel, &store);
    let name = ObjectName::new("default", "loyal-2");
    let gone = store.update([], [ObjectRef::new(Kind::Service, name)]);
    assert!(served(&handle, gone).await.is_fine());
    assert_eq!(sets(&kernel), 2);
    // A successor keeps those that are there, and removes what a former one left.
    drop(handle);
    kernel.with_sets_of_iptables(|sets| {
        use svc_nft::ipset::{IpSet, IpSets as _};
        sets.create(&IpSet::new("SVC-PROXY-AAAAAAAAAAAAAAAA", svc_nft::Family::Ip)).unwrap();
        sets.create(&IpSet::new("mine", svc_nft::Family::Ip)).unwrap();
    });
    let handle = start_iptables(&kernel, &store, false);
    assert!(served(&handle, add_service(&store, 9)).await.is_fine());
    assert_eq!(sets(&kernel), 3);
    handle.clean_up().await.unwrap();
    assert!(is_clean(&mut kernel));
    assert_eq!(sets(&kernel), 1);
}

/// `IPSET_ERR_FIND_TYPE`
const NO_SUCH_TYPE: i32 = 4098;

#[tokio::test(start_paused = true)]
async fn a_kernel_without_sets_keeps_out_services_that_need_them_and_no_others() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    kernel.with_sets_of_iptables(|sets| sets.refuse(Some(NO_SUCH_TYPE)));
    services(&store, 20);
    loyal(&store, 1);
    let handle = start_iptables(&kernel, &store, false);
    let status = served(&handle, loyal(&store, 2)).await;
    let names: Vec<_> = status.rejections().iter().map(|it| it.service().to_string()).collect();
    assert_eq!(names, ["default/loyal-1", "default/loyal-2"]);
    let text = status.rejections()[0].to_string();
    assert!(text.contains("which session affinity remembers clients in, cannot be made"), "{text}");
    assert!(text.contains("no sets of this type") && text.contains("ip_set_hash_ip"), "{text}");
    let tables = tables(&mut kernel).to_string();
    assert!((1..=20).all(|number| tables.contains(&format!("default/web-{number} "))));
    // One more, as a change.
    let status = served(&handle, loyal(&store, 3)).await;
    assert_eq!(status.rejections().len(), 3);
    assert!(served(&handle, add_service(&store, 21)).await.error().is_none());
    // The module is loaded.
    kernel.with_sets_of_iptables(|sets| sets.refuse(None));
    handle.statuses().wait_for(|status| status.rejections().is_empty()).await.unwrap();
    assert_right(&mut kernel, &store);
}
