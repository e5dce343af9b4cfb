//! For the tour's own test: what each step proves, removed. The step must then fail.

use std::future::Future;
use std::pin::Pin;

use svc_model::{Kind, ObjectName, ObjectRef};
use svc_nft::{Batch, Dataplane as _, Family, Socket, TableId};

use crate::cluster::{Cluster, SERVER2_VTEP};

/// Removes something behind the cluster's back, at the moment when a step is about to prove it.
pub type Undermine = for<'a> fn(&'a mut Cluster) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

/// One way to make a step fail.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// The step.
    pub step: u8,
    /// What is removed.
    pub what: &'static str,
    /// What the step then complains of; part of its error.
    pub complaint: &'static str,
    /// Removes it.
    pub undermine: Undermine,
}

/// For each step what it proves, how to remove that, and what the step must say then.
#[must_use]
pub fn cases() -> Vec<Case> {
    let case = |step, what, complaint, undermine| Case { step, what, complaint, undermine };
    const BOTH: &[&str] = &["server2", "server3"];
    vec![
        case(1, "endpoints of my-service", "Connection refused", |cluster| {
            Box::pin(remove_slices(cluster, "default/my-service"))
        }),
        case(2, "rules", "request 1 of 60", |cluster| Box::pin(remove_rules(cluster, BOTH))),
        case(2, "bridge filter", "did not switch", |cluster| Box::pin(switch_bridge_filter_off(cluster))),
        case(3, "rules on one node", "172.20.10.3", |cluster| Box::pin(remove_rules(cluster, &["server3"]))),
        case(4, "rules", "from client", |cluster| Box::pin(remove_rules(cluster, BOTH))),
        case(5, "ExternalName Service", "CNAME", |cluster| {
            Box::pin(remove(cluster, Kind::Service, "default/database"))
        }),
        case(6, "endpoints of the headless Service", "peers from shell-2", |cluster| {
            Box::pin(remove_slices(cluster, "default/peers"))
        }),
        case(7, "rules on the node with the address", "172.20.10.80", |cluster| {
            Box::pin(remove_rules(cluster, &["server2"]))
        }),
        case(8, "Service behind a name", "names.shop", |cluster| {
            Box::pin(remove(cluster, Kind::Service, "shop/names"))
        }),
        case(9, "rules of the new mode", "requests from", |cluster| Box::pin(flush_nat(cluster, BOTH))),
        case(10, "FDB entry of server2", "no fdb entry", |cluster| Box::pin(remove_fdb_entry(cluster))),
        case(10, "the MTU of server3's flannel.1", "a full-sized packet did not arrive", |cluster| {
            Box::pin(narrow_the_tunnel(cluster))
        }),
        case(11, "endpoints of a backend", "503", |cluster| Box::pin(remove_slices(cluster, "default/cart"))),
        case(11, "an Ingress", "fallback-1", |cluster| {
            Box::pin(remove(cluster, Kind::Ingress, "default/blog"))
        }),
        case(12, "TLS Secret", "secure.example", |cluster| {
            Box::pin(remove(cluster, Kind::Secret, "default/secure-tls"))
        }),
        case(13, "htpasswd Secret", "503", |cluster| {
            Box::pin(remove(cluster, Kind::Secret, "default/members"))
        }),
        case(15, "foreign table", "table ip foreign", |cluster| {
            Box::pin(remove_table(cluster, "server2", "foreign"))
        }),
        case(15, "foreign route", "198.51.100.0/24", |cluster| Box::pin(remove_foreign_route(cluster))),
    ]
}

async fn remove(cluster: &mut Cluster, kind: Kind, name: &str) -> anyhow::Result<()> {
    cluster.tamper(vec![ObjectRef::new(kind, name.parse()?)]).await
}

async fn remove_slices(cluster: &mut Cluster, service: &str) -> anyhow::Result<()> {
    let service: ObjectName = service.parse()?;
    let snapshot = cluster.store.snapshot();
    let slices =
        snapshot.slices_of(&service).map(|slice| ObjectRef::new(Kind::EndpointSlice, slice.name().clone()));
    cluster.tamper(slices.collect()).await
}

async fn remove_rules(cluster: &mut Cluster, nodes: &[&str]) -> anyhow::Result<()> {
    for node in nodes {
        remove_table(cluster, node, "svc-proxy").await?;
    }
    Ok(())
}

/// Behind the proxies' backs: in a second they have mended it.
async fn flush_nat(cluster: &mut Cluster, nodes: &[&str]) -> anyhow::Result<()> {
    for node in nodes {
        let mut command = tokio::process::Command::new("iptables");
        command.args(["--wait", "5", "--table", "nat", "--flush"]);
        let status = cluster.host(node)?.command(command).status().await?;
        anyhow::ensure!(status.success(), "iptables --flush on {node}: {status}");
    }
    Ok(())
}

async fn remove_table(cluster: &mut Cluster, node: &str, table: &'static str) -> anyhow::Result<()> {
    let delete = move || async move {
        let mut batch = Batch::new();
        batch.delete_table(&TableId::new(Family::Ip, table));
        Socket::open()?.apply(&batch)
    };
    Ok(cluster.host(node)?.run(delete).await?)
}

async fn switch_bridge_filter_off(cluster: &mut Cluster) -> anyhow::Result<()> {
    for node in ["server2", "server3"] {
        cluster.host(node)?.set_sysctl(crate::cluster::BRIDGE_SYSCTL, 0).await?;
    }
    Ok(())
}

async fn remove_foreign_route(cluster: &mut Cluster) -> anyhow::Result<()> {
    Ok(cluster.host("server3")?.del_route("198.51.100.0/24", "172.20.10.50").await?)
}

async fn remove_fdb_entry(cluster: &mut Cluster) -> anyhow::Result<()> {
    use futures_util::TryStreamExt as _;
    use netlink_packet_route::AddressFamily;
    use netlink_packet_route::neighbour::NeighbourAttribute;

    let mac =
        SERVER2_VTEP.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<Vec<_>, _>>()?;
    let delete = move || async move {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let mut request = handle.neighbours().get().set_address_family(AddressFamily::Bridge).execute();
        while let Some(entry) = request.try_next().await? {
            let is_bridge = entry.header.family == AddressFamily::Bridge;
            let wanted = NeighbourAttribute::LinkLayerAddress(mac.clone());
            if is_bridge && entry.attributes.contains(&wanted) {
                handle.neighbours().del(entry).execute().await?;
                return Ok(());
            }
        }
        anyhow::bail!("server3 has no FDB entry of server2")
    };
    // A running overlay would mend it before anyone saw.
    cluster.halt("server3");
    cluster.host("server3")?.run(delete).await
}

async fn narrow_the_tunnel(cluster: &mut Cluster) -> anyhow::Result<()> {
    use netlink_packet_route::link::{LinkAttribute, LinkMessage};

    let narrow = move || async move {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let mut link = LinkMessage::default();
        link.attributes = vec![LinkAttribute::IfName("flannel.1".to_owned()), LinkAttribute::Mtu(1400)];
        handle.link().set(link).execute().await?;
        anyhow::Ok(())
    };
    cluster.halt("server3");
    cluster.host("server3")?.run(narrow).await
}
