//! Whatever is taken out of the rules, or altered in them, is noticed.

mod mutants;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use libtest_mimic::Trial;
use svc_model::{Snapshot, yaml};
use svc_nft::{Family, Table, Value};
use svc_proxy::packet::Packet;
use svc_proxy::trace::nftables::Tables;
use svc_proxy::trace::{Outcome, Ruleset as _};
use svc_proxy::{Compat, Compiler as _, NodePortAddresses, Plan, ProxyMode, nftables};

use crate::outcomes::holds;
use crate::packets::{class, packets};
use crate::reference::{Expected, Reference};
use crate::settings::{Pods, Settings, net};
use crate::trial;
use mutants::{Mutant, mutants};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("every_mutation_of_nftables_is_noticed", every_mutation_is_noticed)]
}

fn every_mutation_is_noticed() -> Result<(), String> {
    let (objects, problems) = yaml::read(include_str!("mutations.yaml")).stored();
    assert!(problems.is_empty(), "{problems:?}");
    let snapshot: Snapshot = objects.into_iter().collect();
    let mut kinds: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let (mut noticed, mut unnoticed, mut excused) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for settings in settings() {
        let mut judge = Judge::new(&snapshot, &settings);
        for mutant in mutants(&judge.tables) {
            if mutant.is_unseen() {
                excused.insert(mutant.name.clone());
            }
            kinds.entry(mutant.kind).or_default().insert(mutant.name.clone());
            // What one setting hides another shows: everybody may be masqueraded in any case.
            if !noticed.contains(&mutant.name) {
                let set = if judge.notices(&mutant) { &mut noticed } else { &mut unnoticed };
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

/// Every kind of rule is there in one of them.
fn settings() -> [Settings; 3] {
    let usual = Settings {
        mode: ProxyMode::Nftables,
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
            compat: Compat::upstream(ProxyMode::Nftables),
            ..usual.clone()
        },
        usual,
    ]
}

/// One packet of each class to each destination, and what should become of it.
struct Judge {
    tables: Vec<Table>,
    cases: Vec<(Packet, Expected)>,
}

impl Judge {
    fn new(snapshot: &Snapshot, settings: &Settings) -> Self {
        let plan = Plan::new(snapshot, &settings.node());
        let tables = nftables::Backend::default().compile(&plan).tables();
        let reference = Reference { snapshot, settings };
        let slices = snapshot.slices().flat_map(|slice| slice.endpoints());
        let endpoints: BTreeSet<_> = slices.map(|endpoint| endpoint.address()).collect();
        let mut seen = BTreeSet::new();
        let mut judge = Self { tables, cases: Vec::new() };
        for packet in packets(snapshot).into_iter().flatten() {
            let expected = reference.of(&packet);
            if seen.insert(format!("{} {} {expected:?}", sender(&packet, &endpoints), packet.destination())) {
                judge.cases.push((packet, expected));
            }
        }
        for table in judge.tables.clone() {
            assert_eq!(judge.objection(&table), None, "the rules are wrong as they are");
        }
        judge
    }

    fn notices(&mut self, mutant: &Mutant) -> bool {
        self.objection(&mutant.table).is_some()
    }

    /// What is wrong with a table. The packet that found the last mutant may well find the next.
    fn objection(&mut self, table: &Table) -> Option<String> {
        let (rules, raced) = (Tables::new([table.clone()]), Tables::new([with_one_endpoint(table)]));
        let is_v6 = table.id().family() == Family::Ip6;
        let objects = |(packet, expected): &(Packet, Expected)| {
            holds(&rules, packet, expected).err().or_else(|| lost_in_a_race(&raced, packet, expected))
        };
        let mut cases =
            self.cases.iter().enumerate().filter(|(_, (packet, _))| packet.source().is_ipv6() == is_v6);
        let (at, objection) = cases.find_map(|(at, case)| Some((at, objects(case)?)))?;
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

/// The kernel looks at maps anew in each look-up: endpoints may vanish between the choice of the chain for so many and the
/// draw. A client must not be lost then.
fn lost_in_a_race(raced: &Tables, packet: &Packet, expected: &Expected) -> Option<String> {
    if expected.outcome != Outcome::Forward || expected.endpoints.len() < 2 {
        return None;
    }
    match raced.trace(packet) {
        Ok(trace) if trace.ways().iter().all(|way| way.outcome() == Outcome::Forward) => None,
        Ok(trace) => Some(format!("in a race: {trace}")),
        Err(error) => Some(error.to_string()),
    }
}

/// All but the first.
fn with_one_endpoint(table: &Table) -> Table {
    let mut raced = table.clone();
    for set in table.sets() {
        let mut fewer = set.clone();
        for element in set.elements() {
            if matches!(element.key().parts().last(), Some(Value::Integer(1..))) {
                fewer.remove(element.key());
            }
        }
        raced.insert_set(fewer);
    }
    raced
}
