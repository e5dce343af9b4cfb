//! Whatever is taken out of the rules, or altered in them, is noticed.

mod iptables;
mod nftables;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use libtest_mimic::Trial;
use svc_model::{Snapshot, yaml};
use svc_proxy::packet::Packet;
use svc_proxy::{Compat, NodePortAddresses, Plan, ProxyMode};

use crate::packets::{beside, class, packets};
use crate::reference::{Expected, Reference};
use crate::settings::{Pods, Settings, net};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let noticed = |name: &str, mode, mutate: Mutate| {
        trial(format!("every_mutation_of_{name}_is_noticed"), move || {
            every_mutation_is_noticed(mode, &mutate)
        })
    };
    vec![
        noticed("nftables", ProxyMode::Nftables, Box::new(nftables::mutants)),
        noticed("iptables_tree", ProxyMode::Iptables, Box::new(|plan| iptables::mutants(plan, false))),
        noticed("iptables_flat", ProxyMode::Iptables, Box::new(|plan| iptables::mutants(plan, true))),
    ]
}

/// The rules of a plan as they should be, and all that differ from them in one place.
type Mutate = Box<dyn Fn(&Plan) -> (Vec<Box<dyn Altered>>, Vec<Mutant>) + Send>;

/// Says what is wrong with what becomes of a packet.
type Objector = Box<dyn Fn(&Packet, &Expected) -> Option<String>>;

/// Rules of one family.
trait Altered {
    fn is_ipv6(&self) -> bool;
    fn objector(&self) -> Objector;
}

/// Rules that differ in one place.
struct Mutant {
    kind: &'static str,
    name: String,
    /// Nobody can notice.
    unseen: bool,
    rules: Box<dyn Altered>,
}

/// Whether the parts of a pattern stand in a text, one after the other; `..` stands between them.
fn says(text: &str, pattern: &str) -> bool {
    let after = |rest: &str, part: &str| rest.find(part).map(|at| rest[at + part.len()..].to_owned());
    pattern.split("..").try_fold(text.to_owned(), |rest, part| after(&rest, part)).is_some()
}

fn every_mutation_is_noticed(mode: ProxyMode, mutate: &Mutate) -> Result<(), String> {
    let snapshot = snapshot();
    let mut kinds: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let (mut noticed, mut unnoticed, mut excused) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for settings in settings(mode) {
        let (rules, mutants) = mutate(&Plan::new(&snapshot, &settings.node()));
        let mut judge = Judge::new(&snapshot, &settings);
        for rules in rules {
            assert_eq!(judge.objection(rules.as_ref()), None, "the rules are wrong as they are");
        }
        for mutant in mutants {
            if mutant.unseen {
                excused.insert(mutant.name.clone());
            }
            kinds.entry(mutant.kind).or_default().insert(mutant.name.clone());
            // What one setting hides another shows: everybody may be masqueraded in any case.
            if !noticed.contains(&mutant.name) {
                let is_noticed = judge.objection(mutant.rules.as_ref()).is_some();
                let set = if is_noticed { &mut noticed } else { &mut unnoticed };
                set.insert(mutant.name);
            }
        }
    }
    let counts: BTreeMap<_, _> = kinds.iter().map(|(kind, names)| (kind, names.len())).collect();
    println!("agreement: {} mutations of {} kinds: {counts:?}", counts.values().sum::<usize>(), counts.len());
    let unnoticed: BTreeSet<_> = unnoticed.difference(&noticed).cloned().collect();
    let missed: Vec<_> = unnoticed.difference(&excused).cloned().collect();
    // An excuse is for what cannot be noticed, and for nothing else.
    let idle: Vec<_> = excused.difference(&unnoticed).cloned().collect();
    println!("agreement: {} mutations are excused", excused.len());
    match (missed.is_empty(), idle.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("not noticed:\n{}", missed.join("\n"))),
        _ => Err(format!("excused, and noticed all the same:\n{}", idle.join("\n"))),
    }
}

fn snapshot() -> Snapshot {
    let manifests = [include_str!("mutations.yaml"), include_str!("mutations/own.yaml")].join("\n---\n");
    let (objects, problems) = yaml::read(&manifests).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects.into_iter().collect()
}

/// Every kind of rule is there in one of them.
fn settings(mode: ProxyMode) -> [Settings; 3] {
    let usual = Settings {
        mode,
        pods: Pods::ByRange,
        masquerade_all: false,
        service_ranges: true,
        node_ports: None,
        localhost_node_ports: true,
        compat: Compat::default(),
    };
    let ranges = ["172.20.11.0/24", "2001:db8:21::/64"].map(net).to_vec();
    [
        Settings {
            pods: Pods::ByInterface,
            masquerade_all: true,
            node_ports: Some(NodePortAddresses::All),
            localhost_node_ports: false,
            ..usual.clone()
        },
        Settings {
            pods: Pods::Unknown,
            node_ports: Some(NodePortAddresses::Cidrs(ranges)),
            compat: Compat::upstream(mode),
            ..usual.clone()
        },
        usual,
    ]
}

/// One packet of each class to each destination, and what should become of it.
struct Judge {
    cases: Vec<(Packet, Expected)>,
}

impl Judge {
    fn new(snapshot: &Snapshot, settings: &Settings) -> Self {
        let reference = Reference { snapshot, settings };
        let slices = snapshot.slices().flat_map(|slice| slice.endpoints());
        let endpoints: BTreeSet<_> = slices.map(|endpoint| endpoint.address()).collect();
        let mut seen = BTreeSet::new();
        let mut judge = Self { cases: Vec::new() };
        for packet in packets(snapshot).into_iter().flatten().chain(beside(snapshot)) {
            let expected = reference.of(&packet);
            if seen.insert(format!("{} {} {expected:?}", sender(&packet, &endpoints), packet.destination())) {
                judge.cases.push((packet, expected));
            }
        }
        judge
    }

    /// What is wrong with rules. The packet that found the last mutant may well find the next.
    fn objection(&mut self, rules: &dyn Altered) -> Option<String> {
        let objector = rules.objector();
        let mut cases = self.cases.iter().enumerate();
        let (at, objection) = cases.find_map(|(at, (packet, expected))| {
            let objection =
                (packet.source().is_ipv6() == rules.is_ipv6()).then(|| objector(packet, expected));
            Some((at, objection??))
        })?;
        let case = self.cases.remove(at);
        self.cases.insert(0, case);
        Some(objection)
    }
}

/// One endpoint is like another, unless it talks to itself.
fn sender(packet: &Packet, endpoints: &BTreeSet<IpAddr>) -> String {
    match endpoints.contains(&packet.source()) {
        true => format!("{} {}", class(packet), packet.source() == packet.destination().ip()),
        false => format!("{} {}", class(packet), packet.source()),
    }
}
