//! Real packets for a covering set of what can be asked of Services, and what `trace` says of them: it may not be kinder
//! than the kernel, nor harsher.
//!
//! Every Service has every kind of frontend in both families; they differ in policies, endpoints, source ranges and
//! protocol. Every frontend is tried from a pod, from a pod that is an endpoint itself, from the node, from another node
//! and from outside. The rules that are traced are those that the kernel lists.

mod flows;
mod lab;
mod sctp;
mod settings;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_model::Protocol;
use svc_proxy::Node;
use svc_proxy::iptables::Variant;
use svc_proxy::packet::{Entry, Host, Packet};
use svc_proxy::trace::{Outcome, Trace};

use crate::{trial, trial_of};
use flows::{Flow, Seen, Sender};
use lab::{By, Net, Truth};

pub fn trials() -> Vec<Trial> {
    let usual = || settings::usual().build().unwrap();
    let mut trials = vec![
        trial("trace_says_what_tcp_and_udp_packets_meet", move |lab| {
            truth(lab, usual(), &[Protocol::Tcp, Protocol::Udp], 2, By::Nftables)
        }),
        trial("trace_says_what_sctp_packets_meet", move |lab| {
            truth(lab, usual(), &[Protocol::Sctp], 1, By::Nftables)
        }),
    ];
    for (protocols, what) in EVERY {
        trials.extend(settings::all().into_iter().map(|(name, node)| {
            trial(&format!("trace_says_what_{what}_meet_{name}"), |lab| {
                truth(lab, node, protocols, 1, By::Nftables)
            })
        }));
    }
    for (layout, flat, variant) in IPTABLES {
        trials.extend(EVERY[..2].iter().map(|(protocols, what)| {
            let name = format!("trace_says_what_{what}_meet_{layout}");
            by_iptables(&name, usual(), protocols, flat, variant)
        }));
    }
    // TCP and UDP by one way each, and not by the same.
    for (at, (protocols, what)) in EVERY[..2].iter().enumerate() {
        let ways = IPTABLES.into_iter().cycle().skip(at);
        trials.extend(ways.zip(settings::all()).map(|((layout, flat, variant), (name, node))| {
            let name = format!("trace_says_what_{what}_meet_{layout}_{name}");
            by_iptables(&name, node, protocols, flat, variant)
        }));
    }
    let name = "trace_says_what_sctp_packets_meet_tree";
    trials.push(by_iptables(name, usual(), &[Protocol::Sctp], false, Variant::Nft));
    trials
}

/// What is tried with all settings.
const EVERY: [(&[Protocol], &str); 3] =
    [(&[Protocol::Tcp], "packets"), (&[Protocol::Udp], "udp_packets"), (&[Protocol::Sctp], "sctp_packets")];

/// Every layout by every variant of the programs.
const IPTABLES: [(&str, bool, Variant); 4] = [
    ("tree", false, Variant::Legacy),
    ("tree", false, Variant::Nft),
    ("flat", true, Variant::Legacy),
    ("flat", true, Variant::Nft),
];

fn by_iptables(
    name: &str,
    node: Node,
    protocols: &'static [Protocol],
    flat: bool,
    variant: Variant,
) -> Trial {
    trial_of(variant, name, move |lab, variant| {
        truth(lab, node, protocols, 1, By::Iptables { flat, variant })
    })
}

/// Sends every flow so many times, for lots are drawn.
async fn truth(lab: Lab, node: Node, protocols: &[Protocol], times: usize, by: By) -> Result {
    let truth = Truth::new(&lab, node, protocols, by).await?;
    let tables = truth.listed().await?;
    let mut flows = Vec::new();
    let mut expected: Vec<Trace> = Vec::new();
    for flow in truth.flows() {
        let trace = tables.trace(&packet(&flow))?;
        // A host takes no packet that has its own address as source.
        if flow.sender != Sender::OtherNode || !may_come_back(&flow, &trace) {
            flows.push(flow);
            expected.push(trace);
        }
    }
    let mut spread: BTreeMap<Vec<SocketAddr>, BTreeSet<SocketAddr>> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    for _ in 0..times {
        let seen = truth.send(&flows, &expected).await;
        for ((flow, trace), seen) in flows.iter().zip(&expected).zip(seen) {
            *counts.entry(trace.outcome()).or_default() += 1;
            if let Err(what) = agrees(flow, trace, &seen) {
                wrong.push(format!("{flow}: {what}\n{trace}"));
            }
            if let (Outcome::Forward, Seen::Served { endpoint, .. }) = (trace.outcome(), seen) {
                let all = trace.endpoints().filter_map(|way| way.destination()).collect();
                spread.entry(all).or_default().insert(endpoint);
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} flows differ:\n{}", wrong.len(), flows.len(), wrong.join("\n"));
    // Over all flows that may lead to these endpoints, each was led to.
    for (all, led) in spread {
        assert_eq!(led.into_iter().collect::<Vec<_>>(), all);
    }
    println!("{} flows: {counts:?}", flows.len());
    assert!([Outcome::Forward, Outcome::Reject, Outcome::Drop].iter().all(|it| counts.contains_key(it)));
    Ok(())
}

fn packet(flow: &Flow) -> Packet {
    let node = Host::new(Net::ALL.iter().flat_map(Net::node_addresses));
    let entry = if flow.sender == Sender::Node { Entry::Output } else { Entry::Prerouting };
    let packet = Packet::new(flow.protocol, flow.source, flow.to).unwrap().on(&node).entering(entry);
    match flow.sender {
        Sender::Node => packet,
        Sender::Pod | Sender::Endpoint => packet.input("cni0"),
        Sender::OtherNode | Sender::Outside => packet.input("eth0"),
    }
}

/// Whether the kernel did what trace says.
fn agrees(flow: &Flow, trace: &Trace, seen: &Seen) -> std::result::Result<(), String> {
    match (trace.outcome(), seen) {
        (Outcome::Forward, Seen::Served { endpoint, source }) => {
            let way = trace.endpoints().find(|way| way.destination() == Some(*endpoint));
            let way = way.ok_or(format!("led to {endpoint}"))?;
            let masqueraded = *source != flow.source;
            let by_node = Net::ALL.iter().flat_map(Net::node_addresses).any(|address| address == *source);
            // The node's own address may be what masquerading makes of it.
            if way.is_masqueraded() && !by_node || !way.is_masqueraded() && masqueraded {
                return Err(format!(
                    "{endpoint} sees {source}, masqueraded according to trace: {}",
                    way.is_masqueraded()
                ));
            }
            Ok(())
        }
        (Outcome::Reject, Seen::Refused) | (Outcome::Drop, Seen::Silence) => Ok(()),
        // Whoever has the address decides; nobody serves there.
        (Outcome::Untouched | Outcome::Accept, Seen::Refused | Seen::Silence | Seen::Failed(_)) => Ok(()),
        (_, seen) => Err(format!("{seen:?}")),
    }
}

/// Whether what the other node sends may be led to its own pod, as it is.
fn may_come_back(flow: &Flow, trace: &Trace) -> bool {
    let own = flows::endpoint("remote", flow.source.is_ipv6());
    trace.endpoints().any(|way| way.destination() == Some(own) && !way.is_masqueraded())
}
