//! One node under test, with pods on a bridge; another node; a client outside.

use std::os::fd::AsRawFd as _;

use futures_util::TryStreamExt as _;
use rtnetlink::{LinkBridge, LinkBridgePort, LinkUnspec, LinkVeth};
use svc_lab::{Host, Lab, Result, Task};
use svc_model::store::Store;
use svc_model::{ObjectRef, yaml};
use svc_proxy::{Handle, Node, NodeBuilder, Proxy, ProxyBuilder, SysctlPolicy};

use crate::traffic;

pub const NODE: &str = "172.20.10.2";
pub const CLIENT: &str = "172.20.10.50";
pub const PORT: u16 = 9376;
/// Without one of its own, a bridge takes the lowest of its ports. Pods would go on sending to the one that it had before the
/// next pod came.
const BRIDGE_MAC: [u8; 6] = [2, 0, 0, 0, 2, 1];

pub struct Cluster {
    pub client: Host,
    pub node: Host,
    pub remote: Host,
    /// 10.244.2.65, .66, .67 on the node's bridge; the first two serve.
    pub pods: Vec<Host>,
    pub store: Store,
    pub handle: Handle,
    pub driver: Task<()>,
}

impl Cluster {
    /// The hosts, with a proxy that follows an empty store.
    pub async fn new(lab: &Lab) -> Result<Self> {
        Self::with(lab, |proxy| proxy).await
    }

    /// The same with a proxy of other settings.
    pub async fn with(lab: &Lab, settings: impl Fn(ProxyBuilder) -> ProxyBuilder) -> Result<Self> {
        let client = lab.host("client").address("172.20.10.50/24").create().await?;
        let node =
            lab.host("server2").address("172.20.10.2/24").default_route("172.20.10.1").create().await?;
        let remote = lab.host("server3").address("172.20.10.3/24").create().await?;
        for outside in ["10.96.0.0/12", "172.20.10.70/32", "192.0.2.0/24"] {
            client.add_route(outside, NODE).await?;
        }
        remote.add_address("lo", "10.244.5.104/32").await?;
        remote.add_route("10.244.2.0/24", NODE).await?;
        node.add_route("10.244.5.0/24", "172.20.10.3").await?;
        node.set_sysctl("net/ipv4/ip_forward", 0).await?;
        node.run(add_bridge).await?;
        node.add_address("cni0", "10.244.2.1/24").await?;
        node.set_sysctl("net/bridge/bridge-nf-call-iptables", 0).await?;
        let mut pods = Vec::new();
        for number in 65..68 {
            pods.push(attach_pod(lab, &node, number).await?);
        }
        for (pod, name) in [(&pods[0], "a"), (&pods[1], "b"), (&remote, "remote")] {
            traffic::serve(pod, name, PORT).await?;
        }
        let store = Store::new();
        let (handle, driver) = start(&node, &store, settings);
        Ok(Self { client, node, remote, pods, store, handle, driver })
    }

    /// Applies manifests and waits until the kernel has them.
    pub async fn apply(&self, manifests: &str) -> Result {
        let (objects, problems) = yaml::read(manifests).stored();
        assert!(problems.is_empty(), "{problems:?}");
        let revision = self.store.apply(objects);
        self.programmed(revision).await
    }

    /// Deletes objects and waits until the kernel has forgotten them.
    pub async fn delete(&self, objects: impl IntoIterator<Item = ObjectRef>) -> Result {
        let revision = self.store.update([], objects);
        self.programmed(revision).await
    }

    async fn programmed(&self, revision: svc_model::Revision) -> Result {
        let mut statuses = self.handle.statuses();
        let done = |status: &svc_proxy::Status| status.programmed() >= revision || status.error().is_some();
        let status = statuses.wait_for(done).await?.clone();
        match status.error() {
            Some(error) => Err(error.to_string().into()),
            None => Ok(()),
        }
    }

    /// Ends the driver as if it were killed, and leaves what it programmed.
    pub fn stop(&mut self) {
        let (handle, _) = Proxy::builder(node_config()).build().drive(self.store.watch());
        (self.handle, self.driver) = (handle, self.node.spawn(|| async {}));
    }

    /// Starts another driver in place of the one that runs.
    pub fn restart(&mut self) {
        self.restart_with(|proxy| proxy);
    }

    /// The same with other settings.
    pub fn restart_with(&mut self, settings: impl Fn(ProxyBuilder) -> ProxyBuilder) {
        let (handle, driver) = start(&self.node, &self.store, settings);
        (self.handle, self.driver) = (handle, driver);
    }

    /// Starts another driver, on a thread of its own: the node's own clients go on while it waits for a program. It ends when
    /// its handle is dropped.
    pub fn restart_aside(&mut self, settings: impl Fn(ProxyBuilder) -> ProxyBuilder) {
        let proxy = settings(proxy_builder(node_config())).build();
        let (handle, run) = proxy.drive(self.store.watch());
        let aside = || async move {
            let runtime = tokio::runtime::Handle::current();
            // A thread is in the network namespace of the one that made it.
            tokio::task::spawn_blocking(move || runtime.block_on(run)).await.unwrap();
        };
        (self.handle, self.driver) = (handle, self.node.spawn(aside));
    }
}

pub fn node_builder() -> NodeBuilder {
    Node::builder("server2")
        .address(NODE)
        .pod_cidr("10.244.2.0/24")
        .cluster_cidr("10.244.0.0/16")
        .service_cidr("10.96.0.0/12")
}

pub fn node_config() -> Node {
    node_builder().build().unwrap()
}

fn start(host: &Host, store: &Store, settings: impl Fn(ProxyBuilder) -> ProxyBuilder) -> (Handle, Task<()>) {
    let proxy = settings(proxy_builder(node_config())).build();
    let (handle, run) = proxy.drive(store.watch());
    (handle, host.spawn(move || run))
}

/// A proxy of the back end that the trial is about, which may change settings.
pub fn proxy_builder(node: Node) -> ProxyBuilder {
    Proxy::builder(node).sysctls(SysctlPolicy::Set).backend(crate::backend())
}

/// A Service called `web`, and its endpoints: `a` and `b` on this node, `remote` on the other.
pub fn web(spec: &str, status: &str, endpoints: &[&str]) -> String {
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: default}},
           spec: {{clusterIP: 10.96.0.80, ports: [{{name: http, port: 80, targetPort: {PORT}, nodePort: 30080}}],
                   {spec}}}, status: {{{status}}}}}\n---\n{}",
        slice("web", endpoints)
    )
}

pub fn slice(service: &str, endpoints: &[&str]) -> String {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|name| {
            let (address, node) = match *name {
                "a" => ("10.244.2.65", "server2"),
                "b" => ("10.244.2.66", "server2"),
                _ => ("10.244.5.104", "server3"),
            };
            format!("{{addresses: [{address}], nodeName: {node}, conditions: {{ready: true}}}}")
        })
        .collect();
    format!(
        "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
           metadata: {{name: {service}-1, namespace: default, labels: {{kubernetes.io/service-name: {service}}}}},
           ports: [{{name: http, port: {PORT}, protocol: TCP}}], endpoints: [{}]}}\n",
        endpoints.join(", ")
    )
}

pub async fn add_bridge() -> Result {
    let (connection, netlink, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    netlink.link().add(LinkBridge::new("cni0").address(BRIDGE_MAC.to_vec()).up().build()).execute().await?;
    connection.abort();
    Ok(())
}

/// A pod on the bridge, which passes its packets when this returns; whose port sends frames back to where they came from: a pod may be its own endpoint.
pub async fn attach_pod(lab: &Lab, node: &Host, number: u8) -> Result<Host> {
    let pod = lab.pod(&format!("pod-{number}")).await?;
    let netns = pod.netns().as_raw_fd();
    node.run(move || add_port(format!("veth{number}"), netns)).await?;
    pod.run(rename).await?;
    pod.add_address("eth0", format!("10.244.2.{number}/24")).await?;
    pod.add_route("default", "10.244.2.1").await?;
    pod.run(|| traffic::until_refused("10.244.2.1:9")).await;
    Ok(pod)
}

async fn add_port(name: String, netns: i32) -> Result {
    let (connection, netlink, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let index = async |name: &str| -> Result<u32> {
        let link = netlink.link().get().match_name(name).execute().try_next().await?;
        Ok(link.ok_or("no such link")?.header.index)
    };
    netlink.link().add(LinkVeth::new(&name, "peer0").build()).execute().await?;
    let peer = LinkUnspec::new_with_index(index("peer0").await?).setns_by_fd(netns).build();
    netlink.link().set(peer).execute().await?;
    let port = index(&name).await?;
    let plugged = LinkUnspec::new_with_index(port).controller(index("cni0").await?).up().build();
    netlink.link().set(plugged).execute().await?;
    netlink.link().set_port(LinkBridgePort::new(port).hairpin(true).build()).execute().await?;
    connection.abort();
    Ok(())
}

async fn rename() -> Result {
    let (connection, netlink, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let link = netlink.link().get().match_name("peer0").execute().try_next().await?;
    let index = link.ok_or("no such link")?.header.index;
    netlink.link().set(LinkUnspec::new_with_index(index).name("eth0").up().build()).execute().await?;
    connection.abort();
    Ok(())
}
