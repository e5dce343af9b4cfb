//! What the kernel refuses, and what others do to our rules.

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_model::{Kind, ObjectName, ObjectRef, yaml};
use svc_nft::{Batch, DataType, Dataplane as _, Family, Set, Socket, Statement, TableId};
use svc_proxy::{Dataplane as _, Plan, Proxy, SysctlPolicy, nftables};

use crate::cluster::{Cluster, node_config, web};
use crate::life::{add_foreign, generation};
use crate::traffic::{ask, ask_often};
use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("rules_that_somebody_flushes_or_deletes_come_back", repair),
        trial("a_service_that_the_kernel_refuses_keeps_no_other_out", refused),
        trial("services_beyond_the_send_buffer_are_all_served", large),
    ]
}

fn ours() -> TableId {
    TableId::new(Family::Ip, "svc-proxy")
}

async fn repair(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort", "", &["a", "remote"])).await?;
    let wrongs: [fn(TableId, &mut Batch); 4] = [
        |id, batch| _ = batch.delete_table(&id),
        |id, batch| _ = batch.flush_table(&id),
        |id, batch| _ = batch.flush_set(&id, &Set::vmap("service-ips", DataType::Ipv4Addr)),
        |id, batch| {
            batch.flush_chain(&id, "spread-2").add_rule(&id, "spread-2", [Statement::drop()]);
        },
    ];
    for (done, wrong) in (1..).zip(wrongs) {
        let mut batch = Batch::new();
        wrong(ours(), &mut batch);
        cluster.node.run(move || async move { Socket::open()?.apply(&batch) }).await?;
        cluster.handle.statuses().wait_for(|status| status.repairs() == done).await?;
        assert_eq!(ask_often(&cluster.pods[2], "10.96.0.80:80", 30).await?.len(), 2);
        ask(&cluster.client, "172.20.10.2:30080").await?;
    }
    // Others come and go without our doing anything.
    let before = cluster.handle.status().repairs();
    for _ in 0..5 {
        cluster.node.run(|| async { add_foreign("somebody-else") }).await?;
        let theirs = TableId::new(Family::Ip, "somebody-else");
        cluster.node.run(|| async move { Socket::open()?.apply(Batch::new().delete_table(&theirs)) }).await?;
        cluster.apply(&web("type: NodePort", "", &["a"])).await?;
        cluster.apply(&web("type: NodePort", "", &["a", "remote"])).await?;
    }
    assert_eq!(cluster.handle.status().repairs(), before);
    Ok(())
}

/// What a batch about this address asks for besides does not exist, so the kernel refuses it whole.
const BAD: &str = "10.96.0.81";

async fn refused(lab: Lab) -> Result {
    let mut cluster = Cluster::new(&lab).await?;
    let proxy = Proxy::builder(node_config()).sysctls(SysctlPolicy::Set).dataplane(Spoilt::default()).build();
    let (handle, run) = proxy.drive(cluster.store.watch());
    (cluster.handle, cluster.driver) = (handle, cluster.node.spawn(move || run));
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    let bad = web("sessionAffinity: ClientIP", "", &["a"])
        .replace("10.96.0.80", BAD)
        .replace("name: web", "name: bad");
    let (objects, problems) = yaml::read(&bad).stored();
    assert!(problems.is_empty(), "{problems:?}");
    let next = web("type: ClusterIP", "", &["b"]).replace("10.96.0.80", "10.96.0.82").replace("web", "next");
    let (more, _) = yaml::read(&next).stored();
    let revision = cluster.store.apply(objects.into_iter().chain(more));
    cluster.handle.programmed(revision).await?;
    let status = cluster.handle.status();
    let [rejection] = status.rejections() else { panic!("{status:?}") };
    assert_eq!(rejection.service().name(), "bad", "{rejection}");
    assert_eq!(ask(&cluster.pods[2], "10.96.0.80:80").await?.server, "a");
    assert_eq!(ask(&cluster.pods[2], "10.96.0.82:80").await?.server, "b");
    cluster.delete([ObjectRef::new(Kind::Service, ObjectName::new("default", "bad"))]).await?;
    assert!(cluster.handle.status().rejections().is_empty());
    Ok(())
}

/// The kernel, asked for something impossible in every batch that is about one address.
#[derive(Debug, Default)]
struct Spoilt(svc_proxy::sys::Kernel);

impl Spoilt {
    fn spoil(batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        if batch
            .to_string()
            .lines()
            .any(|line| line.starts_with("add") && line.contains(&format!("{BAD} . tcp")))
        {
            batch.delete_chain(&ours(), "nowhere");
        }
        batch
    }
}

impl svc_proxy::Dataplane for Spoilt {
    fn nftables(&mut self) -> &mut dyn svc_nft::Dataplane {
        self
    }

    fn iptables(&mut self) -> &mut dyn svc_proxy::iptables::Dataplane {
        self.0.iptables()
    }

    fn ipvs(&mut self) -> &mut dyn svc_proxy::ipvs::Dataplane {
        self.0.ipvs()
    }

    fn conntrack(&mut self) -> &mut dyn svc_nft::conntrack::Conntrack {
        self.0.conntrack()
    }

    fn local_addresses(&mut self) -> std::io::Result<Vec<std::net::IpAddr>> {
        self.0.local_addresses()
    }

    fn sysctls(&mut self) -> &mut dyn svc_proxy::sysctl::Sysctls {
        self.0.sysctls()
    }
}

impl svc_nft::Dataplane for Spoilt {
    fn apply(&mut self, batch: &Batch) -> std::result::Result<(), svc_nft::Error> {
        self.0.nftables().apply(&Self::spoil(batch))
    }

    fn generation(&mut self) -> std::result::Result<u32, svc_nft::Error> {
        self.0.nftables().generation()
    }

    fn apply_at(&mut self, generation: u32, batch: &Batch) -> std::result::Result<(), svc_nft::Error> {
        self.0.nftables().apply_at(generation, &Self::spoil(batch))
    }

    fn list_table(&mut self, table: &TableId) -> std::result::Result<Option<svc_nft::Table>, svc_nft::Error> {
        self.0.nftables().list_table(table)
    }

    fn list_tables(&mut self) -> std::result::Result<Vec<TableId>, svc_nft::Error> {
        self.0.nftables().list_tables()
    }
}

async fn large(lab: Lab) -> Result {
    let mut cluster = Cluster::new(&lab).await?;
    let many = (0..200_u8).flat_map(|number| {
        let name = format!("many-{number}");
        let ip = format!("10.97.0.{number}");
        let manifests = web("sessionAffinity: ClientIP", "", &["a", "b"])
            .replace("web", &name)
            .replace("10.96.0.80", &ip);
        yaml::read(&manifests.replace(", nodePort: 30080", "")).stored().0
    });
    cluster.store.apply(many.collect::<Vec<_>>());
    // A kernel with the wmem_max of most distributions.
    cluster.handle.clean_up().await?;
    let kernel = svc_proxy::sys::Kernel::new().send_at_most(100_000);
    let proxy = Proxy::builder(node_config()).sysctls(SysctlPolicy::Set).dataplane(kernel).build();
    let before = generation(&cluster.node).await?;
    let (handle, run) = proxy.drive(cluster.store.watch());
    (cluster.handle, cluster.driver) = (handle, cluster.node.spawn(move || run));
    cluster.apply("").await?;
    assert!(cluster.handle.status().is_fine(), "{:?}", cluster.handle.status());
    assert!(generation(&cluster.node).await? > before + 2, "all went in one batch: make it larger");
    for number in [0, 77, 199] {
        ask(&cluster.pods[2], &format!("10.97.0.{number}:80")).await?;
    }
    let right = Plan::new(&cluster.store.snapshot(), &node_config()).compile(&nftables::Backend::default());
    let held = cluster.node.run(|| async { Socket::open()?.list_table(&ours()) }).await?;
    let left = right.tables()[0].diff(held.as_ref()).to_string();
    // Apart from what is remembered of settings.
    assert!(left.lines().all(|line| line.contains("sysctls-before")), "{left}");
    Ok(())
}
