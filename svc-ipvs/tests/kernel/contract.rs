//! What a kernel does with commands; the kernel in memory has to do the same.

use std::net::SocketAddr;

use svc_ipvs::*;

type Outcome = Result<(), String>;
type Run = fn(&mut dyn Dataplane) -> Outcome;

pub(crate) const ALL: &[(&str, Run)] = &[
    ("what_is_added_is_listed", what_is_added_is_listed),
    ("changes_lead_where_they_should", changes_lead_where_they_should),
    ("each_refusal_is_told_and_the_rest_goes_on", each_refusal_is_told_and_the_rest_goes_on),
    ("every_scheduler_is_known", every_scheduler_is_known),
    ("timeouts_change_one_by_one", timeouts_change_one_by_one),
    ("more_than_one_pipeline", more_than_one_pipeline),
    ("ten_thousand_and_one_change_among_them", ten_thousand),
];

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn same<T: PartialEq + std::fmt::Debug>(is: &T, should: &T) -> Outcome {
    if is == should { Ok(()) } else { Err(format!("is {is:#?}\nshould be {should:#?}")) }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn apply(dataplane: &mut dyn Dataplane, commands: &[Command]) -> Outcome {
    same(&dataplane.apply(commands).map_err(text)?, &Vec::new())
}

/// Virtual servers of every kind, in the order of their ids.
pub(crate) fn every_kind() -> Vec<Listed> {
    let ids = [
        ServiceId::tcp(at("10.96.0.1:443")),
        ServiceId::udp(at("10.96.0.10:53")),
        ServiceId::sctp(at("10.96.0.11:132")),
        ServiceId::tcp(at("[fd00:96::1]:443")),
        ServiceId::mark(Family::V4, 7.try_into().unwrap()),
        ServiceId::mark(Family::V6, 7.try_into().unwrap()),
    ];
    let pod = |id: ServiceId, last: u16| match id.family() {
        Family::V4 => SocketAddr::from(([10, 244, 0, u8::try_from(last).unwrap()], 8080)),
        _ => SocketAddr::from(([0xfd00, 0x244, 0, 0, 0, 0, 0, last], 8080)),
    };
    let mut all: Vec<Listed> = ids
        .into_iter()
        .map(|id| {
            Listed::new(Service::new(id, Scheduler::RR))
                .destination(Destination::new(pod(id, 1)))
                .destination(Destination::new(pod(id, 2)).with_weight(0))
                .destination(Destination::new(pod(id, 3)).with_weight(7).with_thresholds(100, 50))
        })
        .collect();
    let sticky = ServiceId::tcp(at("10.96.0.2:80"));
    all.push(Listed::new(Service::new(sticky, Scheduler::WLC).persistent(10_800)));
    let wide = ServiceId::tcp(at("10.96.0.3:0"));
    all.push(Listed::new(Service::new(wide, Scheduler::SH).persistent(60).client_prefix(24)));
    let six = ServiceId::tcp(at("[fd00:96::2]:80"));
    all.push(Listed::new(
        Service::new(six, Scheduler::MH).with(Flags::SCHEDULER_PORT).persistent(60).client_prefix(64),
    ));
    let one = ServiceId::udp(at("10.96.0.4:53"));
    all.push(
        Listed::new(Service::new(one, Scheduler::RR).with(Flags::ONE_PACKET))
            .destination(Destination::new(at("10.244.0.9:53")).with_forwarding(Forwarding::Direct))
            .destination(
                Destination::new(at("10.244.0.8:53"))
                    .with_forwarding(Forwarding::Tunnel(Tunnel::Gue { port: 6080, flags: 1 })),
            )
            .destination(
                Destination::new(at("10.244.0.7:53")).with_forwarding(Forwarding::Tunnel(Tunnel::Ipip)),
            ),
    );
    all.sort_by_key(|listed| listed.service().id());
    all
}

fn what_is_added_is_listed(dataplane: &mut dyn Dataplane) -> Outcome {
    let wanted = every_kind();
    apply(dataplane, &diff(&[], &wanted))?;
    same(&dataplane.list().map_err(text)?, &wanted)?;
    same(&diff(&dataplane.list().map_err(text)?, &wanted), &Vec::new())
}

fn changes_lead_where_they_should(dataplane: &mut dyn Dataplane) -> Outcome {
    let before = every_kind();
    apply(dataplane, &diff(&[], &before))?;
    let id = ServiceId::tcp(at("10.96.0.1:443"));
    let changed = Listed::new(Service::new(id, Scheduler::WRR).persistent(30))
        .destination(Destination::new(at("10.244.0.2:8080")).with_weight(5))
        .destination(Destination::new(at("10.244.0.77:8080")));
    let mut after: Vec<_> = before.iter().filter(|listed| listed.service().id() != id).cloned().collect();
    after.pop();
    after.push(changed);
    after.sort_by_key(|listed| listed.service().id());
    let current = dataplane.list().map_err(text)?;
    apply(dataplane, &diff(&current, &after))?;
    same(&dataplane.list().map_err(text)?, &after)
}

fn each_refusal_is_told_and_the_rest_goes_on(dataplane: &mut dyn Dataplane) -> Outcome {
    let web = ServiceId::tcp(at("10.96.0.1:80"));
    let absent = ServiceId::udp(at("10.96.0.1:80"));
    let pod = Destination::new(at("10.244.0.1:8080"));
    let other = Destination::new(at("10.244.0.2:8080"));
    let service = Service::new(web, Scheduler::RR);
    let commands = [
        Command::AddService(service.clone()),
        Command::AddService(service.clone()),         // 1: EEXIST
        Command::AddDestination(absent, pod.clone()), // 2: ESRCH
        Command::AddDestination(web, pod.clone()),
        Command::AddDestination(web, pod.clone().with_weight(9)), // 4: EEXIST
        Command::SetDestination(web, other.clone()),              // 5: ENOENT
        Command::DeleteDestination(web, other.address()),         // 6: ENOENT
        Command::DeleteService(absent),                           // 7: ESRCH
        Command::SetService(Service::new(absent, Scheduler::RR)), // 8: ESRCH
        Command::AddService(Service::new(absent, "nosuch".parse().unwrap())), // 9: ENOENT
        Command::AddDestination(web, other.clone().with_thresholds(1, 2)), // 10: ERANGE
        Command::AddDestination(web, other.clone()),
    ];
    let refused = dataplane.apply(&commands).map_err(text)?;
    let told: Vec<_> = refused.iter().map(|refusal| (refusal.number(), refusal.errno())).collect();
    same(&told, &vec![(1, 17), (2, 3), (4, 17), (5, 2), (6, 2), (7, 3), (8, 3), (9, 2), (10, 34)])?;
    let wanted = Listed::new(service).destination(pod).destination(other);
    same(&dataplane.list().map_err(text)?, &vec![wanted])
}

fn every_scheduler_is_known(dataplane: &mut dyn Dataplane) -> Outcome {
    // Debian 12's kernel is built without `twos`.
    for scheduler in Scheduler::ALL.into_iter().filter(|scheduler| scheduler.as_str() != "twos") {
        let id = ServiceId::tcp(at("10.96.0.1:80"));
        apply(dataplane, &[Command::AddService(Service::new(id, scheduler))])?;
        same(&dataplane.list().map_err(text)?, &vec![Listed::new(Service::new(id, scheduler))])?;
        apply(dataplane, &[Command::DeleteService(id)])?;
    }
    Ok(())
}

fn timeouts_change_one_by_one(dataplane: &mut dyn Dataplane) -> Outcome {
    same(&dataplane.info().map_err(text)?.version, &[1, 2, 1])?;
    let before = dataplane.timeouts().map_err(text)?;
    same(&before, &Timeouts::new(900, 120, 300))?;
    apply(dataplane, &[Command::SetTimeouts(Timeouts::new(0, 60, 0))])?;
    same(&dataplane.timeouts().map_err(text)?, &Timeouts::new(900, 60, 300))?;
    apply(dataplane, &[Command::SetTimeouts(Timeouts::new(1000, 0, 30))])?;
    same(&dataplane.timeouts().map_err(text)?, &Timeouts::new(1000, 60, 30))
}

/// Refusals from the whole of a run that takes several sends.
fn more_than_one_pipeline(dataplane: &mut dyn Dataplane) -> Outcome {
    let service = |number: u16| {
        let [high, low] = number.to_be_bytes();
        Listed::new(Service::new(ServiceId::tcp(SocketAddr::from(([10, 97, high, low], 80))), Scheduler::RR))
            .destination(Destination::new(SocketAddr::from(([10, 244, high, low], 8080))))
    };
    let wanted: Vec<_> = (0..700).map(service).collect();
    apply(dataplane, &diff(&[], &wanted))?;
    let again = dataplane.apply(&diff(&[], &wanted)).map_err(text)?;
    let numbers: Vec<_> = again.iter().map(Refusal::number).collect();
    same(&numbers, &(0..1400).collect())?;
    let listed = dataplane.list().map_err(text)?;
    same(&listed.len(), &wanted.len())?;
    listed.iter().zip(&wanted).try_for_each(|(is, should)| same(is, should))
}

/// Says how long it took; nobody is judged by that.
fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let start = std::time::Instant::now();
    let result = act();
    println!("{what}: {:?}", start.elapsed());
    result
}

fn ten_thousand(dataplane: &mut dyn Dataplane) -> Outcome {
    let service = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let id = ServiceId::tcp(SocketAddr::from(([10, 97, high, low], 80)));
        (8080..8085).fold(Listed::new(Service::new(id, Scheduler::RR)), |listed, port| {
            listed.destination(Destination::new(SocketAddr::from(([10, 244, high, low], port))))
        })
    };
    let before: Vec<_> = (0..10_000).map(service).collect();
    let commands = diff(&[], &before);
    timed("10 000 virtual servers with 5 real servers each", || apply(dataplane, &commands))?;
    let mut after = before.clone();
    let id = after[5_000].service().id();
    after[5_000] =
        Listed::new(Service::new(id, Scheduler::RR)).destination(Destination::new(at("10.244.0.1:1")));
    let change = diff(&before, &after);
    same(&change.len(), &6)?;
    timed("one of them with another real server in place of its own", || apply(dataplane, &change))?;
    let listed = timed("all of them listed", || dataplane.list()).map_err(text)?;
    same(&listed.len(), &after.len())?;
    listed.iter().zip(&after).try_for_each(|(is, should)| same(is, should))
}
