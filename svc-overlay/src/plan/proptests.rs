use proptest::prelude::*;

use super::*;
use crate::config::OverlayBuilder;
use crate::dataplane::Dataplane;
use crate::fake::Fake;
use crate::kernel::Kernel;
use crate::operation::Operation;

/// What happens between two reconciles.
#[derive(Clone, Debug)]
enum Step {
    Put {
        subnet: u8,
        address: u8,
        mac: u8,
        v6: bool,
    },
    Remove {
        subnet: u8,
    },
    LoseRoute {
        subnet: u8,
    },
    LoseDevice,
    Down,
    /// The node is started again with this setting.
    Direct(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6u8, 0..8u8, 0..6u8, any::<bool>())
            .prop_map(|(subnet, address, mac, v6)| Step::Put { subnet, address, mac, v6 }),
        3 => (0..6u8).prop_map(|subnet| Step::Remove { subnet }),
        1 => (0..6u8).prop_map(|subnet| Step::LoseRoute { subnet }),
        1 => Just(Step::LoseDevice),
        1 => Just(Step::Down),
        1 => any::<bool>().prop_map(Step::Direct),
    ]
}

fn config(direct: bool) -> Config {
    let builder = OverlayBuilder::new("10.244.0.0/16").node("own").subnet("10.244.9.0/24");
    let builder = builder.network("fd00:10::/48").subnet("fd00:10:0:9::/64").public_ip("fd00:172::200");
    builder.public_ip("172.20.10.200").direct_routing(direct).config().unwrap()
}

fn subnet(number: u8) -> IpNet {
    format!("10.244.{number}.0/24").parse().unwrap()
}

fn subnet6(number: u8) -> IpNet {
    format!("fd00:10:0:{number}::/64").parse().unwrap()
}

struct World {
    fake: Fake,
    leases: BTreeMap<u8, Lease>,
    foreign: Vec<Route>,
    before: BTreeMap<String, String>,
    config: Config,
}

impl World {
    fn new() -> Self {
        let fake = Fake::new();
        fake.add_link("eth0", "172.20.10.200/30".parse().unwrap(), 1500);
        fake.add_address("eth0", "fd00:172::200/127".parse().unwrap());
        // One clashes with a peer's subnet, one does not.
        let foreign: Vec<Route> = ["10.244.3.0/24", "192.0.2.0/24"]
            .iter()
            .map(|net| Route::onlink(net.parse::<IpNet>().unwrap(), "172.20.10.1".parse().unwrap(), "eth0"))
            .map(|route| Route { protocol: 4, onlink: false, ..route })
            .collect();
        foreign.iter().cloned().for_each(|route| fake.add_route(route));
        World { fake, leases: BTreeMap::new(), foreign, before: BTreeMap::new(), config: config(false) }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Put { subnet: number, address, mac, v6 } => {
                let node = format!("n{number}");
                let mac = Mac::derived(&[&mac.to_string()]);
                // Some of them are on the underlay's own network.
                let lease = Lease::vxlan(node, subnet(number), [172, 20, 10, 196 + address], 1, mac);
                let outer: IpAddr = format!("fd00:172::{:x}", 0x1fd + u16::from(address)).parse().unwrap();
                let half = Half::vxlan(subnet6(number), outer, 1, mac);
                self.leases.insert(number, if v6 { lease.and(half) } else { lease });
            }
            Step::Remove { subnet } => {
                self.leases.remove(&subnet);
            }
            Step::LoseRoute { subnet: number } => {
                if !self.foreign.iter().any(|route| route.destination == subnet(number)) {
                    self.fake.delete_route(subnet(number));
                }
            }
            Step::LoseDevice => self.fake.delete_link("flannel.1"),
            Step::Down => self.fake.set_down("flannel-v6.1"),
            Step::Direct(direct) => self.config = config(direct),
        }
    }

    fn list(&mut self) -> Kernel {
        let kernel = self.fake.list(&self.config.scope()).unwrap();
        self.before.extend(sysctls_before(&kernel));
        kernel
    }

    fn plan(&self, kernel: &Kernel) -> Plan {
        let leases = LeaseSet::new(Revision::new(1), self.leases.values().cloned());
        Plan::new(&self.config, kernel.underlay.as_ref().unwrap(), &leases).remembering(self.before.clone())
    }

    /// Applies one operation after another and looks at the kernel after each.
    fn reconcile(&mut self) {
        for _ in 0..2 {
            let before = self.list();
            let plan = self.plan(&before);
            let steady: Vec<IpNet> = steady(&before, &plan);
            for operation in plan.diff(&before).operations() {
                let result = self.fake.apply(std::slice::from_ref(operation)).remove(0);
                assert!(result.is_ok(), "{operation}: {result:?}");
                let now = self.list();
                assert_no_black_hole(&now, operation);
                for destination in &steady {
                    assert!(way(&now, *destination).is_some(), "{destination} lost its way by {operation}");
                }
            }
        }
    }
}

/// Peers that were reachable and are to stay so.
fn steady(kernel: &Kernel, plan: &Plan) -> Vec<IpNet> {
    let wanted = plan.routes().map(|route| route.destination);
    wanted.filter(|destination| way(kernel, *destination).is_some()).collect()
}

/// The outer address to which packets for a destination go.
fn way(kernel: &Kernel, destination: IpNet) -> Option<IpAddr> {
    let route = kernel.routes.iter().find(|route| route.is_ours() && route.destination == destination)?;
    if route.device == "eth0" {
        return route.via;
    }
    let neighbour = kernel.neighbours.iter().find(|neighbour| Some(neighbour.address) == route.via)?;
    kernel.fdb.iter().find(|entry| entry.mac == neighbour.mac).map(|entry| entry.destination)
}

fn assert_no_black_hole(kernel: &Kernel, operation: &Operation) {
    for route in kernel.routes.iter().filter(|route| route.is_ours()) {
        assert!(way(kernel, route.destination).is_some(), "{route} swallows packets after {operation}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_reaches_the_plan_and_touches_nothing_foreign(steps in prop::collection::vec(step(), 1..24)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.reconcile();
            let kernel = world.list();
            let plan = world.plan(&kernel);
            prop_assert!(plan.diff(&kernel).is_empty(), "{}", plan.diff(&kernel));
            let ours: BTreeSet<_> = kernel.routes.iter().filter(|route| route.is_ours()).cloned().collect();
            let free = |route: &&Route| !world.foreign.iter().any(|other| other.destination == route.destination);
            prop_assert_eq!(ours, plan.routes().filter(free).cloned().collect::<BTreeSet<_>>());
            prop_assert_eq!(&kernel.neighbours, &plan.entries.neighbours);
            prop_assert_eq!(&kernel.fdb, &plan.entries.fdb);
            prop_assert!(world.foreign.iter().all(|route| kernel.routes.contains(route)));
        }
        let kernel = world.list();
        for operation in world.plan(&kernel).removal(&kernel).operations() {
            prop_assert!(world.fake.apply(std::slice::from_ref(operation)).remove(0).is_ok());
        }
        let kernel = world.list();
        prop_assert!(kernel.devices.is_empty() && kernel.rules.is_empty());
        prop_assert_eq!(kernel.routes.into_iter().collect::<Vec<_>>(), world.foreign);
        prop_assert_eq!(kernel.sysctls.get("net/ipv4/ip_forward").map(String::as_str), Some("0"));
        prop_assert_eq!(kernel.sysctls.get("net/ipv6/conf/all/forwarding").map(String::as_str), Some("0"));
    }
}
