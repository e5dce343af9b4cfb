//! Connections and datagrams, many at once, and what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use svc_lab::{Host, Task};
use svc_model::Protocol;
use svc_proxy::trace::{Outcome, Trace};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, UdpSocket};

use super::lab::{Net, Truth};
use super::sctp;
pub use super::sctp::{Arrivals, serve as serve_sctp};
use crate::cluster::PORT;

/// How long an answer that must not come is waited for, and one that must.
const SILENCE: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(20);
/// How many wait at once on each host: all hosts together must not fill the backlog of a server that has no time, for a
/// client would wait in vain whose connection was lost there.
const AT_ONCE: usize = 50;

/// One packet, and all that follow it.
#[derive(Clone, Debug)]
pub struct Flow {
    pub protocol: Protocol,
    pub sender: Sender,
    pub source: IpAddr,
    pub to: SocketAddr,
}

/// Where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    Pod,
    /// A pod that serves.
    Endpoint,
    Node,
    OtherNode,
    Outside,
}

/// What became of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// This endpoint answered, or got the packet, and saw this source.
    Served {
        endpoint: SocketAddr,
        source: IpAddr,
    },
    Refused,
    Silence,
    Failed(ErrorKind),
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} {} {}", self.sender, self.protocol, self.source, self.to)
    }
}

pub fn from_everywhere(net: &Net, protocol: Protocol, to: SocketAddr) -> impl Iterator<Item = Flow> + use<> {
    let sources = [
        (Sender::Pod, net.pod(67)),
        (Sender::Endpoint, net.pod(65)),
        (Sender::Node, net.node.parse().unwrap()),
        (Sender::OtherNode, net.other.parse().unwrap()),
        (Sender::Outside, net.client.parse().unwrap()),
    ];
    sources.into_iter().map(move |(sender, source)| Flow { protocol, sender, source, to })
}

impl Truth {
    /// Sends all of them; every host those that are its own, side by side.
    pub async fn send(&self, flows: &[Flow], expected: &[Trace]) -> Vec<Seen> {
        let mut by_sender: BTreeMap<Sender, Vec<Vec<Sent>>> = BTreeMap::new();
        for (at, (flow, trace)) in flows.iter().zip(expected).enumerate() {
            let silent = matches!(trace.outcome(), Outcome::Drop | Outcome::Untouched);
            let sent = Sent { at, flow: flow.clone(), patience: if silent { SILENCE } else { PATIENCE } };
            let lines = by_sender.entry(flow.sender).or_default();
            // A refusal is told to every raw socket between the same two addresses.
            let same = |line: &&mut Vec<Sent>| {
                line[0].flow.to.ip() == flow.to.ip() && flow.protocol == Protocol::Sctp
            };
            match lines.iter_mut().find(same) {
                Some(line) => line.push(sent),
                None => lines.push(vec![sent]),
            }
        }
        let tasks: Vec<_> =
            by_sender.into_iter().map(|(sender, lines)| self.send_from(sender, lines)).collect();
        let mut seen = vec![Seen::Silence; flows.len()];
        for task in tasks {
            task.await.into_iter().flatten().for_each(|(at, what)| seen[at] = what);
        }
        seen
    }

    /// Sends each line one after the other, all lines at once.
    fn send_from(&self, sender: Sender, lines: Vec<Vec<Sent>>) -> Task<Vec<Vec<(usize, Seen)>>> {
        let arrivals = self.arrivals.clone();
        self.host(sender).spawn(move || async move {
            let lines = lines.into_iter().map(|line| {
                let arrivals = arrivals.clone();
                async move {
                    let mut seen = Vec::new();
                    for Sent { at, flow, patience } in line {
                        seen.push((at, send(&flow, patience, &arrivals).await));
                    }
                    seen
                }
            });
            stream::iter(lines).buffer_unordered(AT_ONCE).collect().await
        })
    }

    fn host(&self, sender: Sender) -> &Host {
        match sender {
            Sender::Pod => &self.pods[2],
            Sender::Endpoint => &self.pods[0],
            Sender::Node => &self.node,
            Sender::OtherNode => &self.other,
            Sender::Outside => &self.client,
        }
    }
}

/// A flow, its number, and how long to wait.
struct Sent {
    at: usize,
    flow: Flow,
    patience: Duration,
}

async fn send(flow: &Flow, patience: Duration, arrivals: &Arrivals) -> Seen {
    let from = SocketAddr::new(flow.source, 0);
    let answer = async {
        match flow.protocol {
            Protocol::Tcp => tcp(from, flow.to).await,
            Protocol::Udp => udp(from, flow.to).await,
            _ => sctp::send(from, flow.to, arrivals).await,
        }
    };
    match tokio::time::timeout(patience, answer).await {
        Err(_) => Seen::Silence,
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Seen::Refused,
        Ok(Err(error)) => Seen::Failed(error.kind()),
    }
}

async fn tcp(from: SocketAddr, to: SocketAddr) -> io::Result<Seen> {
    let socket = if to.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.bind(from)?;
    let mut stream = socket.connect(to).await?;
    let mut bytes = [0; 64];
    let length = stream.read(&mut bytes).await?;
    // No port is kept in TIME_WAIT.
    stream.set_zero_linger()?;
    read(&bytes[..length])
}

async fn udp(from: SocketAddr, to: SocketAddr) -> io::Result<Seen> {
    let socket = UdpSocket::bind(from).await?;
    socket.connect(to).await?;
    // What is dropped on the way out of the own host is told at once.
    if let Err(error) = socket.send(b"who").await
        && error.kind() != ErrorKind::PermissionDenied
    {
        return Err(error);
    }
    let mut bytes = [0; 64];
    let length = socket.recv(&mut bytes).await?;
    read(&bytes[..length])
}

/// `a 10.244.2.67`: who answers, and whom he sees.
fn read(answer: &[u8]) -> io::Result<Seen> {
    let text = std::str::from_utf8(answer).map_err(|_| ErrorKind::InvalidData)?;
    let (name, source) = text.trim_end().split_once(' ').ok_or(ErrorKind::UnexpectedEof)?;
    let source: IpAddr = source.parse().map_err(|_| ErrorKind::InvalidData)?;
    Ok(Seen::Served { endpoint: endpoint(name, source.is_ipv6()), source })
}

/// The address under which a host serves.
pub fn endpoint(name: &str, v6: bool) -> SocketAddr {
    let net = &Net::ALL[usize::from(v6)];
    let address = match name {
        "a" => net.pod(65),
        "b" => net.pod(66),
        _ => net.remote.parse().unwrap(),
    };
    SocketAddr::new(address, PORT)
}
