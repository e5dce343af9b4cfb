//! A kernel that does what the plan says, over whole histories: who is served how, after each sweep.

use proptest::prelude::*;
use svc_model::{Snapshot, testing};
use svc_nft::conntrack::{Tuple, fake};

use super::*;
use crate::plan::{Reading, SourceClass};

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(172, 20, 10, 50)), 40_000);

fn node() -> Node {
    let node = Node::builder("server1").address("172.20.10.2").address("fd00:20::2");
    node.cluster_cidr("10.244.0.0/16").build().unwrap()
}

/// Where a client of outside sends to, to get to a frontend.
fn address_of(key: FrontendKey) -> SocketAddr {
    let address = match key.destination {
        Destination::Address(address) => address,
        Destination::NodePort(family) => node().primary_address(family).unwrap(),
    };
    SocketAddr::new(address, key.port)
}

fn client_for(to: SocketAddr) -> SocketAddr {
    if to.is_ipv4() { CLIENT } else { SocketAddr::new("fd00:20::50".parse().unwrap(), CLIENT.port()) }
}

/// The frontends of UDP ports, with who serves them.
fn udp(plan: &Plan) -> impl Iterator<Item = (&PortPlan, FrontendKey, Reading<'_>)> {
    let udp = plan
        .frontends()
        .filter(|(port, frontend)| port.name().protocol() == Protocol::Udp && frontend.taken_by().is_none());
    udp.map(|(port, frontend)| (port, frontend.key(), port.reading(frontend, SourceClass::Outside)))
}

/// A packet to each of these addresses: a flow that is there goes on; else the rules of the plan decide.
fn send(kernel: &mut fake::Table, plan: &Plan, to: impl IntoIterator<Item = SocketAddr>, dice: usize) {
    for to in to {
        let original = Tuple::new(L4Proto::UDP, client_for(to), to);
        if kernel.all().iter().any(|flow| flow.original() == original) {
            continue;
        }
        let found = udp(plan).find(|(_, key, _)| address_of(*key) == to);
        let reply = match found.map(|(.., reading)| reading) {
            None => original.reversed(),
            // What is dropped or refused is not remembered.
            Some(Reading::Reject | Reading::Drop) => continue,
            Some(Reading::Forward { endpoints, .. }) => {
                Tuple::new(L4Proto::UDP, endpoints[dice % endpoints.len()].address(), original.source())
            }
        };
        kernel.insert(Flow::new(original, reply));
    }
}

fn sweep(kernel: &mut fake::Table, sweep: &Sweep) {
    let stale: Vec<_> = kernel.all().iter().filter(|flow| sweep.is_stale(flow)).copied().collect();
    for flow in &stale {
        assert!(sweep.filters().any(|filter| filter.admits(flow)), "{flow} passes no filter");
        svc_nft::conntrack::Conntrack::forget(kernel, flow).unwrap();
    }
}

/// Flows that are no Service's: of a pod to a pod, and to the number of a node port somewhere else.
fn foreign(plans: &[Plan]) -> Vec<Flow> {
    let ports = plans.iter().flat_map(|plan| udp(plan).map(|(_, key, _)| key.port).collect::<Vec<_>>());
    let elsewhere = ports.map(|port| SocketAddr::new("203.0.113.9".parse().unwrap(), port));
    let tuples = elsewhere.map(|to| Tuple::new(L4Proto::UDP, CLIENT, to));
    tuples.map(|tuple| Flow::new(tuple, tuple.reversed())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn after_each_sweep_clients_are_with_endpoints_that_answer(
        history in testing::history(), dice in prop::collection::vec(any::<usize>(), 16),
    ) {
        let (mut snapshot, mut plan) = (Snapshot::default(), Plan::new(&Snapshot::default(), &node()));
        let mut all = vec![plan.clone()];
        for step in &history {
            snapshot = step.apply(&snapshot).0;
            all.push(Plan::new(&snapshot, &node()));
        }
        let everywhere_ever: BTreeSet<_> =
            all.iter().flat_map(|plan| udp(plan).map(|(_, key, _)| address_of(key)).collect::<Vec<_>>()).collect();
        let mut kernel = fake::Table::default();
        let foreign = foreign(&all);
        foreign.iter().for_each(|flow| kernel.insert(*flow));
        snapshot = Snapshot::default();
        for (step, dice) in history.iter().zip(dice.iter().cycle()) {
            // Also to frontends that are not there yet, or no longer.
            send(&mut kernel, &plan, everywhere_ever.iter().copied(), *dice);
            let (next, delta) = step.apply(&snapshot);
            let before = plan.clone();
            plan.update(&next, &delta);
            let kept: Vec<_> = kernel.all().to_vec();
            sweep(&mut kernel, &Sweep::new(Some(&before), &plan, delta.services()));
            snapshot = next;

            for (port, key, _) in udp(&plan) {
                let served: Vec<_> =
                    kernel.all().iter().filter(|flow| flow.original().destination() == address_of(key)).collect();
                for flow in served {
                    let answering: Vec<_> = everywhere(port).collect();
                    prop_assert!(answering.contains(&flow.reply().source()), "{}\n{}", flow, plan);
                }
            }
            for flow in &kept {
                let to = flow.original().destination();
                let right = udp(&plan).any(|(port, key, _)| {
                    address_of(key) == to && everywhere(port).any(|endpoint| endpoint == flow.reply().source())
                });
                if right {
                    prop_assert!(kernel.all().contains(flow), "{flow} was right and is gone");
                }
            }
            let full = Sweep::new(None, &plan, snapshot.services().map(|service| service.name()));
            for flow in kernel.all() {
                prop_assert!(!full.is_stale(flow), "{flow}: sweeping all finds what sweeping the change left\n{plan}");
            }
        }
        let untouched = foreign.iter().map(Flow::original);
        for original in untouched {
            prop_assert!(kernel.all().iter().any(|flow| flow.original() == original), "{original} is not ours");
        }
    }
}
