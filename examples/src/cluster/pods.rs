//! Pods: a network namespace attached to its node, and what runs in it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use svc_dns::{Forwarder, PodRecords, Zone};
use svc_lab::{Host, Task};
use svc_model::{Kind, ObjectName, ObjectRef, Pod, Problem, Protocol, Revision};
use svc_overlay::{AttachOptions, PodId};
use tokio::time::timeout;

use super::nodes::PATIENCE;
use super::{Cluster, outside};
use crate::apps::echo;

/// The annotation by which a manifest asks for an address.
const ADDRESS_ANNOTATION: &str = "svc-overlay/address";

#[derive(Debug)]
pub(super) struct RunningPod {
    pub(super) host: Host,
    node: String,
    pub(super) address: IpAddr,
    workload: Workload,
    _tasks: Vec<Task<()>>,
}

/// What runs in a pod.
#[derive(Debug)]
enum Workload {
    Echo,
    Dns(svc_dns::Handle),
    Ingress(svc_ingress::Handle),
}

impl Workload {
    /// Waits until it answers from `revision`.
    async fn serving(&self, revision: Revision) -> anyhow::Result<()> {
        match self {
            Workload::Echo => {}
            Workload::Dns(handle) => handle.serving(revision).await?,
            Workload::Ingress(handle) => drop(handle.serving(revision).await?),
        }
        Ok(())
    }
}

impl Cluster {
    /// The network namespace of a pod.
    ///
    /// # Errors
    /// No such pod runs.
    pub fn pod_host(&self, name: &str) -> anyhow::Result<Host> {
        Ok(self.running(name)?.host.clone())
    }

    /// The address of a pod.
    ///
    /// # Errors
    /// No such pod runs.
    pub fn pod_ip(&self, name: &str) -> anyhow::Result<IpAddr> {
        Ok(self.running(name)?.address)
    }

    /// What kubelet writes as resolv.conf of a pod in this namespace (dnsPolicy ClusterFirst).
    #[must_use]
    pub fn resolv_conf(&self, namespace: &str) -> String {
        let server = super::DNS_ADDRESS.ip();
        format!(
            "nameserver {server}\nsearch {namespace}.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
        )
    }

    /// Ends a pod as Kubernetes does: it is taken out of the endpoints first.
    ///
    /// # Errors
    /// No such pod runs.
    pub async fn delete_pod(&mut self, name: &str) -> anyhow::Result<()> {
        let name: ObjectName = name.parse()?;
        let revision = self.control.pod_terminating(&name).commit(&self.store);
        self.settled(revision).await?;
        let revision = self.control.delete(&ObjectRef::new(Kind::Pod, name.clone())).commit(&self.store);
        self.settled(revision).await?;
        self.stop_pod(&name).await
    }

    /// What the Ingress controllers refuse of the objects as they stand.
    #[must_use]
    pub fn ingress_problems(&self) -> Vec<Problem> {
        let reports = self.pods.values().filter_map(|pod| match &pod.workload {
            Workload::Ingress(handle) => Some(handle.report().problems().to_vec()),
            _ => None,
        });
        reports.flatten().collect()
    }

    pub(super) async fn stop_pod(&mut self, name: &ObjectName) -> anyhow::Result<()> {
        let pod = self.pods.remove(name).with_context(|| format!("no pod {name} runs"))?;
        if let Some(stack) = self.nodes.get(&pod.node).and_then(|node| node.stack.as_ref()) {
            stack.pods.detach(&PodId::new(name.namespace(), name.name())).await?;
        }
        pod.host.remove().await?;
        Ok(())
    }

    /// Starts the pods of a node anew, each with an address of its own again.
    pub(super) async fn restart_pods(&mut self, node: &str) -> anyhow::Result<()> {
        let here = self.pods.iter().filter(|(_, pod)| pod.node == node);
        let here: Vec<_> = here.map(|(name, pod)| (name.clone(), pod.host.clone())).collect();
        for (name, host) in here {
            self.pods.remove(&name);
            host.remove().await?;
            let pod = self
                .store
                .snapshot()
                .pod(&name)
                .cloned()
                .with_context(|| format!("there is no Pod {name}"))?;
            let (_, address) = self.start_pod(&pod).await?;
            self.control.pod_network(&name, &[address]).commit(&self.store);
        }
        Ok(())
    }

    /// Attaches a pod to its node and starts what runs in it. Tells the node and the pod's address.
    pub(super) async fn start_pod(&mut self, pod: &Pod) -> anyhow::Result<(String, IpAddr)> {
        let node = self.node_of(pod)?;
        let stack = self.nodes[&node].stack.as_ref().with_context(|| format!("{node}'s stack is gone"))?;
        let host = self.lab.pod(pod.name().name()).await?;
        let mut options = AttachOptions::new();
        if let Some(address) = pod.meta().annotations().get(ADDRESS_ANNOTATION) {
            options = options.address(
                address.parse::<IpAddr>().with_context(|| format!("{ADDRESS_ANNOTATION} {address}"))?,
            );
        }
        let id = PodId::new(pod.name().namespace(), pod.name().name());
        let attachment = stack.pods.attach(id.clone(), host.netns(), options).await?;
        let address = attachment.address();
        let (workload, tasks) = match self.start_workload(pod, &host, address).await {
            Ok(started) => started,
            Err(error) => {
                stack.pods.detach(&id).await?;
                return Err(error);
            }
        };
        let running = RunningPod { host, node: node.clone(), address, workload, _tasks: tasks };
        self.pods.insert(pod.name().clone(), running);
        Ok((node, address))
    }

    /// Waits until DNS and Ingress answer from `revision`.
    pub(super) async fn workloads_settled(&self, revision: Revision) -> anyhow::Result<()> {
        for (name, pod) in &self.pods {
            let serving = timeout(PATIENCE, pod.workload.serving(revision)).await;
            serving.with_context(|| format!("pod {name} does not serve {revision}"))??;
        }
        Ok(())
    }

    fn running(&self, name: &str) -> anyhow::Result<&RunningPod> {
        self.pods.get(&name.parse::<ObjectName>()?).with_context(|| format!("no pod {name} runs"))
    }

    fn node_of(&self, pod: &Pod) -> anyhow::Result<String> {
        match pod.node_name() {
            Some(node) if self.nodes.contains_key(node) => Ok(node.to_owned()),
            Some(node) => bail!("spec.nodeName: there is no node {node} (server2 and server3 are)"),
            None => {
                let load = |node: &&String| self.pods.values().filter(|pod| pod.node == **node).count();
                self.nodes.keys().min_by_key(load).cloned().context("there is no node")
            }
        }
    }

    async fn start_workload(
        &self,
        pod: &Pod,
        host: &Host,
        address: IpAddr,
    ) -> anyhow::Result<(Workload, Vec<Task<()>>)> {
        let is =
            |label: &str, value: &str| pod.meta().labels().get(label).is_some_and(|found| found == value);
        if is("k8s-app", "kube-dns") {
            let (handle, task) = self.dns(host, address).await?;
            Ok((Workload::Dns(handle), vec![task]))
        } else if is("app.kubernetes.io/name", "ingress-nginx") {
            let (handle, task) = self.ingress(host).await?;
            Ok((Workload::Ingress(handle), vec![task]))
        } else {
            Ok((Workload::Echo, echo_servers(pod, host).await?))
        }
    }

    /// Cluster DNS: names go out once every rule of theirs is in the kernel.
    async fn dns(&self, host: &Host, address: IpAddr) -> anyhow::Result<(svc_dns::Handle, Task<()>)> {
        let zone = Zone::builder("cluster.local")
            .ttl(Duration::from_secs(5))
            .reverse("10.96.0.0/12")
            .reverse("10.244.0.0/16")
            .pods(PodRecords::Insecure)
            .build()?;
        let upstream = Forwarder::builder().upstream("172.20.10.53:53").build()?;
        let server =
            svc_dns::Server::builder(zone).listen(SocketAddr::new(address, 53)).forward(upstream).build()?;
        let (handle, serve) = server.drive(self.watch_behind_proxy()?);
        let task = host.spawn(move || async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "cluster DNS ended");
            }
        });
        timeout(PATIENCE, handle.bound()).await.context("cluster DNS does not listen")??;
        Ok((handle, task))
    }

    async fn ingress(&self, host: &Host) -> anyhow::Result<(svc_ingress::Handle, Task<()>)> {
        let server = svc_ingress::Server::builder().http("0.0.0.0:80").https("0.0.0.0:443").build()?;
        let (handle, serve) = server.drive(self.watch_behind_proxy()?);
        let task = host.spawn(move || async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the Ingress controller ended");
            }
        });
        timeout(PATIENCE, handle.ready()).await.context("the Ingress controller does not listen")??;
        Ok((handle, task))
    }

    /// Announce after programmed.
    fn watch_behind_proxy(&self) -> anyhow::Result<svc_model::store::Watch> {
        let stack =
            self.nodes.values().find_map(|node| node.stack.as_ref()).context("no node has a stack")?;
        Ok(self.store.watch().behind(stack.proxy.revisions()))
    }
}

/// One echo server for each container port.
async fn echo_servers(pod: &Pod, host: &Host) -> anyhow::Result<Vec<Task<()>>> {
    let mut tasks = Vec::new();
    for port in pod.ports() {
        let (name, number) = (pod.name().name().to_owned(), port.port());
        let ((), task) = match port.protocol() {
            Protocol::Tcp => {
                outside::start(host, move || async move { Ok(((), echo::http(&name, number).await?)) })
                    .await?
            }
            Protocol::Udp => {
                outside::start(host, move || async move { Ok(((), echo::udp(&name, number).await?)) }).await?
            }
            other => {
                tracing::warn!(pod = %pod.name(), "no echo server for {other} port {number}");
                continue;
            }
        };
        tasks.push(task);
    }
    Ok(tasks)
}
