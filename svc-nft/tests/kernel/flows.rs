//! What connection tracking owes its users, be it the kernel's or the fake.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use libtest_mimic::Trial;
use svc_nft::conntrack::{Conntrack, Filter, Flow, Tuple, fake};
use svc_nft::*;

const CLIENT: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
const ENDPOINT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A place where datagrams are sent, and those to the Service's port 53 are translated.
trait World {
    fn send(&mut self, source_port: u16, to: (Ipv4Addr, u16));
    fn conntrack(&mut self) -> &mut dyn Conntrack;
}

impl World for fake::Table {
    fn send(&mut self, source_port: u16, to: (Ipv4Addr, u16)) {
        let original =
            Tuple::new(L4Proto::UDP, SocketAddr::from((CLIENT, source_port)), SocketAddr::from(to));
        let reply = match to {
            (SERVICE, 53) => Tuple::new(L4Proto::UDP, (ENDPOINT, 5353).into(), original.source()),
            _ => original.reversed(),
        };
        self.insert(Flow::new(original, reply));
    }

    fn conntrack(&mut self) -> &mut dyn Conntrack {
        self
    }
}

impl World for Socket {
    fn send(&mut self, source_port: u16, to: (Ipv4Addr, u16)) {
        let socket = UdpSocket::bind((CLIENT, source_port)).expect("a port");
        socket.send_to(b"who", to).expect("a datagram that is sent");
    }

    fn conntrack(&mut self) -> &mut dyn Conntrack {
        self
    }
}

type Demand = fn(&mut dyn World);

const DEMANDS: &[(&str, Demand)] = &[
    ("shows_what_passes_the_filter", shows_what_passes_the_filter),
    ("forgets_one_flow_and_no_other", forgets_one_flow_and_no_other),
    ("shows_every_one_of_many", shows_every_one_of_many),
];

pub(crate) fn trials() -> Vec<Trial> {
    let trials = DEMANDS.iter().flat_map(|(name, demand)| {
        let on_fake = move || {
            demand(&mut fake::Table::default());
            Ok(())
        };
        let on_kernel = move || {
            on_kernel(*demand);
            Ok(())
        };
        [
            Trial::test(format!("fake::flows::{name}"), on_fake),
            Trial::test(format!("kernel::flows::{name}"), on_kernel),
        ]
    });
    let in_little_memory = || {
        on_kernel(lists_many_in_little_memory);
        Ok(())
    };
    trials.chain([Trial::test("kernel::flows::lists_many_in_little_memory", in_little_memory)]).collect()
}

fn on_kernel(demand: Demand) {
    svc_lab::run(move |lab| async move {
        let host = lab.pod("flows").await?;
        host.add_address("lo", "10.96.0.10/32").await?;
        let body = move || async move {
            let mut socket = Socket::open().expect("a netlink socket");
            let to_service = [
                Statement::eq(Expr::IpDaddr, Value::Ipv4(SERVICE)),
                Statement::eq(Expr::L4Proto, L4Proto::UDP),
                Statement::eq(Expr::ThDport, Value::Port(53)),
                Statement::dnat(ENDPOINT.into(), Some(5353)),
            ];
            let nat = Chain::base("nat", ChainType::Nat, Hook::Output, Priority::DSTNAT).rule(to_service);
            let table = Table::new(Family::Ip, "flows").chain(nat);
            socket.apply(Batch::new().load(&table)).expect("the kernel takes it");
            demand(&mut socket);
        };
        host.run(body).await;
        Ok(())
    });
}

fn shown(world: &mut dyn World, filter: Filter) -> Vec<(u16, SocketAddr, Option<SocketAddr>)> {
    let mut shown = Vec::new();
    let mut show = |flow: Flow| {
        let original = flow.original();
        shown.push((original.source().port(), original.destination(), flow.translated_to()));
    };
    world.conntrack().flows(&filter, &mut show).expect("a listing");
    shown.sort_unstable();
    shown
}

fn shows_what_passes_the_filter(world: &mut dyn World) {
    world.send(4001, (SERVICE, 53));
    world.send(4002, (SERVICE, 54));
    world.send(4003, (CLIENT, 53));
    let endpoint = Some((ENDPOINT, 5353).into());
    let [translated, other_port, other_address] = [
        (4001, (SERVICE, 53).into(), endpoint),
        (4002, (SERVICE, 54).into(), None),
        (4003, (CLIENT, 53).into(), None),
    ];
    let udp = Filter::new().protocol(L4Proto::UDP);
    for (filter, expected) in [
        (Filter::new(), vec![translated, other_port, other_address]),
        (udp, vec![translated, other_port, other_address]),
        (udp.family(Family::Ip), vec![translated, other_port, other_address]),
        (udp.family(Family::Ip6), vec![]),
        (Filter::new().protocol(L4Proto::TCP), vec![]),
        (udp.port(53), vec![translated, other_address]),
        (Filter::new().destination(SERVICE.into()), vec![translated, other_port]),
        (udp.destination(SERVICE.into()).port(53), vec![translated]),
        // What it is translated to is not what it was sent to.
        (udp.destination(ENDPOINT.into()), vec![]),
        (udp.mark(0, u32::MAX), vec![translated, other_port, other_address]),
        (udp.mark(1, u32::MAX), vec![]),
        (udp.zone(0), vec![translated, other_port, other_address]),
        (udp.zone(7), vec![]),
    ] {
        assert_eq!(shown(world, filter), expected, "{filter}");
    }
}

fn forgets_one_flow_and_no_other(world: &mut dyn World) {
    world.send(4001, (SERVICE, 53));
    world.send(4002, (SERVICE, 53));
    let flow = only(world, 4001);
    assert!(world.conntrack().forget(&flow).expect("may forget"));
    assert!(!world.conntrack().forget(&flow).expect("may forget"), "it was gone already");
    let left = shown(world, Filter::new().protocol(L4Proto::UDP));
    assert_eq!(left.iter().map(|(port, ..)| *port).collect::<Vec<_>>(), [4002]);
}

fn shows_every_one_of_many(world: &mut dyn World) {
    // More than fit one datagram of the kernel's.
    for port in 10_000..12_000 {
        world.send(port, (SERVICE, 53));
    }
    let mut ports: Vec<_> =
        shown(world, Filter::new().protocol(L4Proto::UDP)).iter().map(|(port, ..)| *port).collect();
    ports.dedup();
    assert!(ports.iter().copied().eq(10_000..12_000), "{} flows", ports.len());
}

/// What is listed is shown as it comes, and kept by nobody.
fn lists_many_in_little_memory(world: &mut dyn World) {
    const FLOWS: usize = 20_000;
    for port in (10_000..).take(FLOWS) {
        world.send(port, (SERVICE, 53));
    }
    let filter = Filter::new().protocol(L4Proto::UDP);
    let (mut seen, conntrack) = (0, world.conntrack());
    let memory = allocation_counter::measure(|| {
        conntrack.flows(&filter, &mut |_| seen += 1).expect("a listing");
    });
    assert!(seen >= FLOWS, "{seen} flows");
    let kept = FLOWS * size_of::<Flow>();
    assert!(memory.bytes_max < kept as u64 / 4, "{} bytes, where all flows are {kept}", memory.bytes_max);
}

fn only(world: &mut dyn World, source_port: u16) -> Flow {
    let mut found = None;
    let mut show = |flow: Flow| {
        if flow.original().source().port() == source_port {
            found = Some(flow);
        }
    };
    world.conntrack().flows(&Filter::new().protocol(L4Proto::UDP), &mut show).expect("a listing");
    found.expect("it was sent a moment ago")
}
