//! The leases: where they are, and which of them is this node's.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use ipnet::IpNet;
use svc_model::kube::Cluster;
use svc_overlay::{
    Claim, Config, Family, Interface, InterfaceQuery, Interfaces, KubeNodes, LeaseSet, Leases, NetConf,
    Overlay, OverlayBuilder, Registry, Stack, SubnetEnv,
};

use super::options::Options;
use crate::leases;

/// Where the leases are.
#[derive(Debug)]
pub struct Source<'a> {
    options: &'a Options,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File(Leases),
    #[cfg(feature = "etcd")]
    Etcd(svc_overlay::Etcd),
    Kube(KubeNodes),
}

impl<'a> Source<'a> {
    /// As the options say. A file is read at once.
    ///
    /// # Errors
    /// An option that cannot be, or a file that cannot be read.
    pub fn new(options: &'a Options) -> anyhow::Result<Self> {
        let place = match (&options.etcd.etcd_endpoints[..], options.kube.kube_subnet_mgr) {
            ([], false) => Place::File(leases::read(&options.file.leases)?),
            ([], true) => Place::Kube(kube(options)?),
            #[cfg(feature = "etcd")]
            _ => Place::Etcd(etcd(options)?),
            #[cfg(not(feature = "etcd"))]
            _ => bail!("--etcd-endpoints: this program was built without it; build it with --features etcd"),
        };
        Ok(Source { options, place })
    }

    /// The node and all leases as they are now. Nothing is taken for the node that it does not have.
    ///
    /// # Errors
    /// It has no lease yet, or the leases cannot be read.
    pub async fn read(&self) -> anyhow::Result<(Config, LeaseSet)> {
        let (builder, leases) = match &self.place {
            Place::File(leases) => (self.of_file(leases)?, leases.snapshot()),
            #[cfg(feature = "etcd")]
            Place::Etcd(etcd) => {
                let conf = etcd.net_conf().await?;
                let (leases, addresses) = (etcd.watch().changed().await?, self.addresses(&conf)?);
                let own = leases.iter().find(|lease| addresses.contains(&lease.public_ip()));
                let missing =
                    || format!("etcd has no lease of {} yet: apply or run takes one", said(&addresses));
                let own = own.with_context(missing)?.clone();
                (OverlayBuilder::of_net_conf(&conf).lease(&own), leases)
            }
            Place::Kube(nodes) => {
                let builder = self.of_claim(nodes, &self.net_conf()?).await?;
                (builder, nodes.watch().changed().await?)
            }
        };
        Ok((self.on_device(builder)?.config()?, leases))
    }

    /// The overlay of this node, which gets a lease if it has none.
    ///
    /// # Errors
    /// The node cannot have one.
    pub async fn join(self) -> anyhow::Result<Overlay> {
        let builder = match &self.place {
            Place::File(leases) => self.of_file(leases)?.registry(leases.clone()),
            #[cfg(feature = "etcd")]
            Place::Etcd(etcd) => {
                let conf = etcd.net_conf().await?;
                self.of_claim(etcd, &conf).await?.registry(etcd.clone())
            }
            Place::Kube(nodes) => self.of_claim(nodes, &self.net_conf()?).await?.registry(nodes.clone()),
        };
        let builder = self.on_device(builder)?;
        let builder = match &self.options.node.subnet_file {
            Some(file) => builder.subnet_env(file),
            None => builder,
        };
        Ok(builder.build()?)
    }

    fn of_file(&self, leases: &Leases) -> anyhow::Result<OverlayBuilder> {
        let file = &self.options.file;
        let leases = leases.snapshot();
        let is_ours = |lease: &&svc_overlay::Lease| {
            lease.halves().iter().any(|half| half.subnet == file.subnet.trunc())
        };
        let Some(own) = leases.iter().find(is_ours) else {
            bail!("leases {}: none of subnet {}; --subnet names ours", file.leases.display(), file.subnet)
        };
        if let Some(file) = &self.options.kube.net_config_path {
            return Ok(OverlayBuilder::of_net_conf(&leases::net_conf(file)?).lease(own));
        }
        let (first, rest) = file.network.split_first().context("--network is missing")?;
        let builder =
            rest.iter().fold(Overlay::builder(*first), |overlay, network| overlay.network(*network));
        Ok(builder.lease(own))
    }

    async fn of_claim(&self, registry: &dyn Registry, conf: &NetConf) -> anyhow::Result<OverlayBuilder> {
        let claim = Claim::new(self.node()?, self.addresses(conf)?, conf).previous(self.previous());
        let lease = registry.acquire(&claim).await?;
        Ok(OverlayBuilder::of_net_conf(conf).lease(&lease))
    }

    /// The device that was asked for, and its addresses; where nobody asked, the one that has the node's addresses. If none has,
    /// because a router translates them, the one of the default route, as flanneld does. The node goes along when the device gets
    /// another address, but for one that was given.
    fn on_device(&self, builder: OverlayBuilder) -> anyhow::Result<OverlayBuilder> {
        let config = builder.config()?;
        let given = self.options.node.given();
        let is_given = |stack: &&Stack| given.contains(&stack.public_ip);
        let held: Vec<_> = config.stacks().iter().filter(is_given).map(|stack| stack.public_ip).collect();
        let families: Vec<_> = config.stacks().iter().map(Stack::family).collect();
        let (found, query) = match self.options.node.device() {
            Some(query) => (chosen(&query, &families)?, query),
            None if matches!(self.place, Place::File(_)) => return Ok(builder),
            None => {
                let host = Interfaces::list(&InterfaceQuery::new())?;
                let has = |link: &Interface, stack: &Stack| link.addresses.contains(&stack.public_ip);
                let here = host.links.iter().any(|link| config.stacks().iter().all(|stack| has(link, stack)));
                match InterfaceQuery::new().choose(&host, &families) {
                    Ok(interface) if !here => (interface, InterfaceQuery::new()),
                    _ => return Ok(held.into_iter().fold(builder, OverlayBuilder::local)),
                }
            }
        };
        let held = held.into_iter().filter(|address| found.addresses.contains(address));
        Ok(held.fold(builder.interface(&found, query), OverlayBuilder::local))
    }

    fn net_conf(&self) -> anyhow::Result<NetConf> {
        let default = Path::new("/etc/kube-flannel/net-conf.json");
        leases::net_conf(self.options.kube.net_config_path.as_deref().unwrap_or(default))
    }

    fn node(&self) -> anyhow::Result<String> {
        let named = self.options.kube.node_name.clone().or_else(|| std::env::var("NODE_NAME").ok());
        match named {
            Some(name) => Ok(name),
            None => Ok(nix::unistd::gethostname()?.to_string_lossy().into_owned()),
        }
    }

    /// By which the other nodes know this one: those that were given, of the other families those of the device.
    fn addresses(&self, conf: &NetConf) -> anyhow::Result<Vec<IpAddr>> {
        let mut addresses = self.options.node.given();
        let given = |family: &Family| addresses.iter().any(|address| Family::of(*address) == *family);
        let families = conf.networks().iter().map(|network| Family::of_net(*network));
        let missing: Vec<_> = families.filter(|family| !given(family)).collect();
        if !missing.is_empty() {
            let query = self.options.node.device().unwrap_or_default();
            addresses.extend(chosen(&query, &missing)?.addresses);
        }
        Ok(addresses)
    }

    /// A file that is not there, or that somebody else wrote, is no reason to get no subnet at all.
    fn previous(&self) -> Vec<IpNet> {
        let file = self.options.node.subnet_file.as_deref();
        let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        SubnetEnv::parse(&text).map(|env| env.subnets().to_vec()).unwrap_or_default()
    }
}

fn chosen(query: &InterfaceQuery, families: &[Family]) -> anyhow::Result<Interface> {
    Ok(query.choose(&Interfaces::list(query)?, families)?)
}

#[cfg(feature = "etcd")]
fn said(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

fn kube(options: &Options) -> anyhow::Result<KubeNodes> {
    let cluster = match &options.kube.kubeconfig_file {
        Some(file) => Cluster::from_kubeconfig(file)?,
        None => Cluster::in_cluster().context("no --kubeconfig-file, and not in a pod")?,
    };
    let builder = KubeNodes::builder(cluster);
    let builder = builder.network_condition(options.kube.set_node_network_unavailable);
    Ok(builder.annotation_prefix(&options.kube.kube_annotation_prefix).build()?)
}

#[cfg(feature = "etcd")]
fn etcd(options: &Options) -> anyhow::Result<svc_overlay::Etcd> {
    use std::time::Duration;

    let options = &options.etcd;
    let read = |file: &Path| std::fs::read_to_string(file).with_context(|| file.display().to_string());
    let margin = Duration::from_secs(60 * options.subnet_lease_renew_margin);
    let builder = svc_overlay::Etcd::builder(options.etcd_endpoints.clone());
    let mut builder = builder.prefix(&options.etcd_prefix).lease_time(Duration::from_secs(86_400), margin);
    if let Some(file) = &options.etcd_cafile {
        builder = builder.authorities(read(file)?);
    }
    if let (Some(certificate), Some(key)) = (&options.etcd_certfile, &options.etcd_keyfile) {
        builder = builder.identity(read(certificate)?, read(key)?);
    }
    if let Some(user) = &options.etcd_username {
        let password = options.etcd_password.clone().or_else(|| std::env::var("FLANNELD_ETCD_PASSWORD").ok());
        builder = builder.user(user, password.context("--etcd-password is missing for --etcd-username")?);
    }
    Ok(builder.build()?)
}
