//! Nodes and pods in a lab.

use std::net::{IpAddr, SocketAddr};

use svc_lab::{Host, Lab, Result, Task};
use svc_overlay::{
    AttachOptions, Attachment, Dataplane, Handle, Kernel, Leases, Operation, Overlay, OverlayBuilder, PodId,
    Pods, Scope, System,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

pub(crate) const NETWORK: &str = "10.244.0.0/16";

/// A host on which an overlay is driven.
pub(crate) struct Node {
    pub(crate) host: Host,
    pub(crate) handle: Handle,
    pub(crate) pods: Pods,
    scope: Scope,
    driver: Task<()>,
}

/// Which of the tour's nodes: its number is part of its addresses.
pub(crate) fn builder(name: &str, number: u8, subnet: u8, leases: &Leases) -> OverlayBuilder {
    Overlay::builder(NETWORK)
        .node(name)
        .public_ip(format!("172.20.10.{number}").as_str())
        .subnet(format!("10.244.{subnet}.0/24").as_str())
        .registry(leases.clone())
}

pub(crate) async fn host(lab: &Lab, name: &str, number: u8) -> Result<Host> {
    Ok(lab.host(name).address(format!("172.20.10.{number}/24").as_str()).create().await?)
}

pub(crate) fn drive(host: &Host, builder: OverlayBuilder) -> Result<Node> {
    let overlay = builder.build()?;
    let (pods, scope) = (overlay.pods(), overlay.config().scope());
    let (handle, run) = overlay.drive();
    let driver = host.spawn(move || run);
    Ok(Node { host: host.clone(), handle, pods, scope, driver })
}

pub(crate) async fn node(lab: &Lab, name: &str, number: u8, subnet: u8, leases: &Leases) -> Result<Node> {
    let host = host(lab, name, number).await?;
    drive(&host, builder(name, number, subnet, leases))
}

/// server2 (10.244.2.0/24) and server3 (10.244.5.0/24), each with the other programmed.
pub(crate) async fn pair(lab: &Lab, leases: &Leases) -> Result<(Node, Node)> {
    let server2 = node(lab, "server2", 2, 2, leases).await?;
    let server3 = node(lab, "server3", 3, 5, leases).await?;
    for node in [&server2, &server3] {
        let status = node.handle.until(|status| status.peers() == 1).await?;
        assert_eq!(status.problems(), []);
    }
    Ok((server2, server3))
}

impl Node {
    /// Ends the driver and leaves the kernel as it is, as a restart of the process would.
    pub(crate) async fn stop(self) -> Host {
        drop(self.handle);
        self.driver.await;
        self.host
    }

    /// What the kernel holds of the overlay.
    pub(crate) async fn kernel(&self) -> Result<Kernel> {
        let scope = self.scope.clone();
        Ok(self.host.run(move || async move { System::new().list(&scope) }).await?)
    }

    /// Makes changes behind the driver's back.
    pub(crate) async fn meddle(&self, operations: Vec<Operation>) -> Result {
        let results = self.host.run(move || async move { System::new().apply(&operations) }).await;
        Ok(results.into_iter().collect::<std::result::Result<(), _>>()?)
    }

    pub(crate) async fn pod(&self, lab: &Lab, name: &str, address: &str) -> Result<(Host, Attachment)> {
        let pod = lab.pod(name).await?;
        let options = AttachOptions::new().address(address.parse::<IpAddr>()?);
        let attachment = self.pods.attach(PodId::new("default", name), pod.netns(), options).await?;
        Ok((pod, attachment))
    }
}

/// A server that answers each connection with the client's address.
pub(crate) async fn echo(host: &Host, port: u16) -> Result<Task<()>> {
    let listener = host.run(move || TcpListener::bind(("::", port))).await?;
    Ok(host.spawn(move || async move {
        while let Ok((mut stream, client)) = listener.accept().await {
            let _gone = stream.write_all(client.ip().to_canonical().to_string().as_bytes()).await;
        }
    }))
}

/// The address that the server at `to` sees.
pub(crate) async fn seen_from(client: &Host, to: (IpAddr, u16)) -> Result<IpAddr> {
    let to = SocketAddr::from(to);
    let text = client
        .run(move || async move {
            let mut text = String::new();
            TcpStream::connect(to).await?.read_to_string(&mut text).await?;
            std::io::Result::Ok(text)
        })
        .await?;
    Ok(text.parse()?)
}

/// Runs a tool in a host.
pub(crate) async fn tool(host: &Host, line: &str) -> Result<String> {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    let output = host.command(command).output().await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        return Err(format!("{line}: {}", text(&output.stderr)).into());
    }
    Ok(text(&output.stdout))
}
