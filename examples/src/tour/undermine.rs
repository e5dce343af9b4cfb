//! For the tour's own test: what each step proves, removed. The step must then fail.

use std::future::Future;
use std::pin::Pin;

use svc_model::{Kind, ObjectName, ObjectRef};
use svc_nft::{Batch, Dataplane as _, Family, Socket, TableId};

use crate::cluster::{Cluster, SERVER2_VTEP};

/// Removes something behind the cluster's back, at the moment when a step is about to prove it.
pub type Undermine = for<'a> fn(&'a mut Cluster) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

/// For each step what it proves, and how to remove that.
#[must_use]
pub fn all() -> Vec<(u8, &'static str, Undermine)> {
    vec![
        (1, "the endpoints of my-service", |cluster| Box::pin(remove_slices(cluster, "default/my-service"))),
        (2, "the proxy's rules", |cluster| Box::pin(remove_rules(cluster, &["server2", "server3"]))),
        (2, "bridge-nf-call-iptables", |cluster| Box::pin(switch_bridge_filter_off(cluster))),
        (3, "the proxy's rules on one node", |cluster| Box::pin(remove_rules(cluster, &["server3"]))),
        (4, "the proxy's rules", |cluster| Box::pin(remove_rules(cluster, &["server2", "server3"]))),
        (5, "the ExternalName Service", |cluster| Box::pin(remove(cluster, Kind::Service, "default/database"))),
        (6, "the endpoints of the headless Service", |cluster| Box::pin(remove_slices(cluster, "default/peers"))),
        (7, "the proxy's rules on the node with the address", |cluster| {
            Box::pin(remove_rules(cluster, &["server2"]))
        }),
        (8, "the Service behind a name", |cluster| Box::pin(remove(cluster, Kind::Service, "shop/names"))),
        (10, "the FDB entry of server2", |cluster| Box::pin(remove_fdb_entry(cluster))),
        (11, "the endpoints of a backend", |cluster| Box::pin(remove_slices(cluster, "default/cart"))),
        (11, "an Ingress", |cluster| Box::pin(remove(cluster, Kind::Ingress, "default/blog"))),
        (12, "the TLS Secret", |cluster| Box::pin(remove(cluster, Kind::Secret, "default/secure-tls"))),
        (13, "the htpasswd Secret", |cluster| Box::pin(remove(cluster, Kind::Secret, "default/members"))),
        (15, "the foreign table", |cluster| Box::pin(remove_table(cluster, "server2", "foreign"))),
        (15, "the foreign route", |cluster| Box::pin(remove_foreign_route(cluster))),
    ]
}

async fn remove(cluster: &mut Cluster, kind: Kind, name: &str) -> anyhow::Result<()> {
    cluster.tamper(vec![ObjectRef::new(kind, name.parse()?)]).await
}

async fn remove_slices(cluster: &mut Cluster, service: &str) -> anyhow::Result<()> {
    let service: ObjectName = service.parse()?;
    let snapshot = cluster.store.snapshot();
    let slices = snapshot.slices_of(&service).map(|slice| ObjectRef::new(Kind::EndpointSlice, slice.name().clone()));
    cluster.tamper(slices.collect()).await
}

async fn remove_rules(cluster: &mut Cluster, nodes: &[&str]) -> anyhow::Result<()> {
    for node in nodes {
        remove_table(cluster, node, "svc-proxy").await?;
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

    let mac = SERVER2_VTEP.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<Vec<_>, _>>()?;
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
