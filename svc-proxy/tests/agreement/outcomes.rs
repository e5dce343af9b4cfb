//! The outcome of every packet is that of the reference.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use libtest_mimic::Trial;
use proptest::prelude::*;
use svc_proxy::Plan;
use svc_proxy::packet::{Connection, Packet};
use svc_proxy::trace::{Outcome, Ruleset, Trace, Way};

use crate::packets::{class, some};
use crate::reference::{Expected, Reference};
use crate::settings::Settings;
use crate::subject::Subject;
use crate::world::cluster;
use crate::{Run, subject, trial};

/// Clusters a run, and packets of each kind that are sent at each of them.
const CLUSTERS: u32 = 400;
const PACKETS: usize = 120;

pub(crate) fn trials(run: Run) -> Vec<Trial> {
    let of = |subject: &'static dyn Subject| {
        trial(format!("{}_does_what_the_reference_says", subject.name()), move || agrees(run, subject))
    };
    subject::all().into_iter().map(of).collect()
}

fn agrees(run: Run, subject: &dyn Subject) -> Result<(), String> {
    let counted = RefCell::new(BTreeMap::new());
    let world = (cluster(), Settings::any(subject.mode()), any::<u64>());
    let outcome = run.runner(CLUSTERS).run(&world, |(snapshot, settings, start)| {
        let plan = Plan::new(&snapshot, &settings.node());
        let rules = subject.rules(&plan);
        let reference = Reference { snapshot: &snapshot, settings: &settings };
        for packet in some(&snapshot, PACKETS, start) {
            let trace = check(rules.as_ref(), &reference, &packet).map_err(TestCaseError::fail)?;
            *counted.borrow_mut().entry((class(&packet), trace.outcome())).or_insert(0_u32) += 1;
        }
        Ok(())
    });
    outcome.map_err(|error| error.to_string())?;
    let counted = counted.into_inner();
    let mut by_outcome = BTreeMap::new();
    counted
        .iter()
        .for_each(|((_, outcome), count)| *by_outcome.entry(outcome.as_str()).or_insert(0) += count);
    println!(
        "agreement: {}: {} packets in {} classes: {by_outcome:?}",
        subject.name(),
        counted.values().sum::<u32>(),
        counted.len()
    );
    Ok(())
}

/// Holds one packet, and those of its connection that follow, to the reference.
pub(crate) fn check(
    rules: &dyn Ruleset,
    reference: &Reference<'_>,
    packet: &Packet,
) -> Result<Trace, String> {
    let about = |error| format!("{packet} at {:?}, {:?}\n{error}", packet.entry(), reference.settings);
    holds(rules, packet, &reference.of(packet)).map_err(about)
}

pub(crate) fn holds(rules: &dyn Ruleset, packet: &Packet, expected: &Expected) -> Result<Trace, String> {
    let trace = begins(rules, packet, expected)?;
    goes_on(rules, packet, expected, &trace)?;
    Ok(trace)
}

/// The first packet of a connection.
pub(crate) fn begins(rules: &dyn Ruleset, packet: &Packet, expected: &Expected) -> Result<Trace, String> {
    let trace = rules.trace(packet).map_err(|error| error.to_string())?;
    match expected.objection(&trace) {
        Some(objection) => Err(objection),
        None => Ok(trace),
    }
}

/// Those that follow it, and the next connection of the client.
pub(crate) fn goes_on(
    rules: &dyn Ruleset,
    packet: &Packet,
    expected: &Expected,
    trace: &Trace,
) -> Result<(), String> {
    // Rules are for new connections: what is known goes on, whatever has become of its Service.
    later(rules, packet, None, false)?;
    later(rules, packet, Some(SocketAddr::new(packet.source(), 4711)), true)?;
    if expected.affinity.is_some() {
        trace.endpoints().try_for_each(|way| again(rules, packet, way))?;
    }
    Ok(())
}

/// What belongs to a connection goes where its first packet went.
fn later(rules: &dyn Ruleset, packet: &Packet, dnat: Option<SocketAddr>, snat: bool) -> Result<(), String> {
    let later = packet.clone().connection(Connection::Established { dnat, snat });
    let trace = rules.trace(&later).map_err(|error| error.to_string())?;
    let way = &trace.ways()[0];
    let goes_on = match dnat {
        Some(_) => way.outcome() == Outcome::Forward,
        None => matches!(way.outcome(), Outcome::Untouched | Outcome::Accept),
    };
    let same = way.destination() == dnat && way.mark() == 0;
    if goes_on && same && trace.ways().len() == 1 { Ok(()) } else { Err(format!("later: {trace}")) }
}

/// A client that is remembered comes to the same endpoint, and others do not.
fn again(rules: &dyn Ruleset, packet: &Packet, way: &Way) -> Result<(), String> {
    let trace = rules.trace_remembering(packet, way.memory()).map_err(|error| error.to_string())?;
    let ends: Vec<_> = trace.ways().iter().map(|way| (way.destination(), way.is_masqueraded())).collect();
    if ends == [(way.destination(), way.is_masqueraded())] { Ok(()) } else { Err(format!("again: {trace}")) }
}
