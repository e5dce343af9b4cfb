//! The cloud of the lab: the provider that hands out addresses, and the balancer's host that carries their traffic.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use svc_lab::Host;
use svc_model::allocate::{AddressPool, LoadBalancerProvider};
use svc_model::{IpMode, LoadBalancerIngress, Node, ObjectName, Service};
use svc_nft::{
    Batch, Chain, ChainType, CtStatus, Dataplane as _, Expr, Family, Hook, L4Proto, Priority, Socket,
    Statement, Table, TableId,
};

const TABLE: &str = "cloud";

/// Two pools, for the two kinds of balancers that clouds have.
#[derive(Debug)]
pub struct Provider(Vec<AddressPool>);

impl Provider {
    /// 172.20.10.70-74 behind a proxying balancer (class `lab.example/proxying`), and 172.20.10.75-79 behind one that
    /// only routes (class `lab.example/passthrough`, or none).
    ///
    /// # Errors
    /// Never: the ranges are constants.
    pub fn new() -> anyhow::Result<Self> {
        let pool = |range: &str, mode| anyhow::Ok(AddressPool::builder().range(range.parse()?).ip_mode(mode));
        Ok(Self(vec![
            pool("172.20.10.70-172.20.10.74", IpMode::Proxy)?.class("lab.example/proxying").build(),
            pool("172.20.10.75-172.20.10.77", IpMode::Vip)?.class("lab.example/passthrough").build(),
            pool("172.20.10.78-172.20.10.79", IpMode::Vip)?.build(),
        ]))
    }
}

impl LoadBalancerProvider for Provider {
    fn serves(&self, class: Option<&str>) -> bool {
        self.0.iter().any(|pool| pool.serves(class))
    }

    fn ensure(
        &mut self,
        service: &Service,
        nodes: &[Arc<Node>],
    ) -> Result<Vec<LoadBalancerIngress>, Box<dyn std::error::Error + Send + Sync>> {
        match self.0.iter_mut().find(|pool| pool.serves(service.load_balancer_class())) {
            Some(pool) => pool.ensure(service, nodes),
            None => Ok(Vec::new()),
        }
    }

    fn release(&mut self, service: &ObjectName) {
        self.0.iter_mut().for_each(|pool| pool.release(service));
    }
}

/// The host to which the outside network routes the balancers' addresses.
#[derive(Clone, Debug)]
pub struct Cloud {
    host: Host,
    brought: Arc<Mutex<Vec<Brought>>>,
}

#[derive(Clone, Debug)]
enum Brought {
    Address(IpAddr),
    Route(IpAddr, IpAddr),
}

impl Cloud {
    /// The balancer's host forwards, and sends nobody elsewhere by ICMP redirects.
    ///
    /// # Errors
    /// A sysctl cannot be set.
    pub async fn new(host: Host) -> anyhow::Result<Self> {
        for (name, value) in [
            ("net/ipv4/ip_forward", 1),
            ("net/ipv4/conf/all/send_redirects", 0),
            ("net/ipv4/conf/eth0/send_redirects", 0),
            ("net/ipv4/conf/all/rp_filter", 0),
        ] {
            host.set_sysctl(name, value).await?;
        }
        Ok(Self { host, brought: Arc::default() })
    }

    /// The balancer's host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// A proxying balancer: connections to `address:port` go to `target`, both addresses rewritten.
    ///
    /// # Errors
    /// The host refuses the address or the rules.
    pub async fn proxy(&self, address: IpAddr, port: u16, target: SocketAddr) -> anyhow::Result<()> {
        self.host.add_address("eth0", format!("{address}/32")).await?;
        self.note(Brought::Address(address));
        let rewrite = [
            Statement::eq(Expr::IpDaddr, address),
            Statement::l4proto(L4Proto::TCP),
            Statement::eq(Expr::ThDport, port),
            Statement::dnat(target.ip(), Some(target.port())),
        ];
        let hide = [
            Statement::eq(Expr::IpDaddr, target.ip()),
            Statement::ct_status([CtStatus::Dnat]),
            Statement::masquerade(),
        ];
        let table = Table::new(Family::Ip, TABLE)
            .chain(Chain::base("in", ChainType::Nat, Hook::Prerouting, Priority::DSTNAT).rule(rewrite))
            .chain(Chain::base("out", ChainType::Nat, Hook::Postrouting, Priority::SRCNAT).rule(hide));
        self.send(|batch| _ = batch.load(&table)).await
    }

    /// A balancer that only routes: packets for `address` go to `node` unchanged.
    ///
    /// # Errors
    /// The host refuses the route.
    pub async fn route(&self, address: IpAddr, node: IpAddr) -> anyhow::Result<()> {
        self.host.add_route(address, node).await?;
        self.note(Brought::Route(address, node));
        Ok(())
    }

    /// Forgets all balancers.
    ///
    /// # Errors
    /// The first thing that could not be taken away; the others are.
    pub async fn reset(&self) -> anyhow::Result<()> {
        let brought = std::mem::take(&mut *self.brought.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(());
        for brought in &brought {
            let removed = match brought {
                Brought::Address(address) => self.host.del_address("eth0", format!("{address}/32")).await,
                Brought::Route(address, node) => self.host.del_route(address, node).await,
            };
            result = result.and(removed.map_err(anyhow::Error::from));
        }
        if brought.iter().any(|brought| matches!(brought, Brought::Address(_))) {
            let id = TableId::new(Family::Ip, TABLE);
            result = result.and(self.send(|batch| _ = batch.delete_table(&id)).await);
        }
        result
    }

    async fn send(&self, fill: impl FnOnce(&mut Batch)) -> anyhow::Result<()> {
        let mut batch = Batch::new();
        fill(&mut batch);
        self.host.run(move || async move { Socket::open()?.apply(&batch) }).await?;
        Ok(())
    }

    fn note(&self, brought: Brought) {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner).push(brought);
    }
}
