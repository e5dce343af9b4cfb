use proptest::prelude::*;
use svc_model::topology::{self, Client, Place, Traffic, Verdict};
use svc_model::{Object, Snapshot, testing, yaml};

use super::*;

fn node() -> Node {
    Node::builder("server2")
        .address("172.20.10.2")
        .address("fd00::2")
        .cluster_cidr("10.244.0.0/16")
        .build()
        .unwrap()
}

fn follows_every_step(mut snapshot: Snapshot, steps: &[testing::Step]) -> Result<(), TestCaseError> {
    let mut plan = Plan::new(&snapshot, &node());
    for step in steps {
        let (next, delta) = step.apply(&snapshot);
        let before = plan.clone();
        let changed = plan.update(&next, &delta);
        let fresh = Plan::new(&next, &node());
        prop_assert_eq!(&plan, &fresh);
        prop_assert_eq!(plan.problems(), fresh.problems());
        let names = before.services.keys().chain(plan.services.keys());
        let differ: BTreeSet<_> =
            names.filter(|name| before.service(name) != plan.service(name)).cloned().collect();
        prop_assert_eq!(changed, differ);
        snapshot = next;
    }
    Ok(())
}

/// Services that fight for two outside addresses and two node ports.
fn rival() -> impl Strategy<Value = Object> {
    let ip = || prop::sample::subsequence(vec!["192.0.2.1", "192.0.2.2", "10.96.0.1"], 0..=2);
    (0..4_u8, ip(), ip(), 0..2_u8).prop_map(|(number, external, balancer, port)| {
        let ingress: Vec<_> = balancer.iter().map(|ip| format!("{{ip: {ip}}}")).collect();
        let manifest = format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: s{number}, namespace: default}},
               spec: {{type: LoadBalancer, clusterIP: 10.96.0.{number}, externalIPs: [{}],
                       ports: [{{port: 80, nodePort: {}}}]}},
               status: {{loadBalancer: {{ingress: [{}]}}}}}}",
            external.join(", "),
            30_000 + u32::from(port),
            ingress.join(", ")
        );
        let (mut objects, problems) = yaml::read(&manifest).stored();
        assert!(problems.is_empty(), "{problems:?}");
        objects.remove(0)
    })
}

/// What a plan says of every frontend and source is what the model says of that traffic.
fn reads_as_the_model_says(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let plan = Plan::new(snapshot, &node());
    let zone = plan.zone.as_deref();
    for (port_plan, frontend) in plan.frontends() {
        let service = snapshot.service(port_plan.name().service()).unwrap();
        let is_it = |port: &&svc_model::ServicePort| {
            port.name() == port_plan.name().port() && port.protocol() == port_plan.name().protocol()
        };
        let port = service.ports().iter().find(is_it).unwrap();
        let backends = topology::backends(snapshot, service.name(), port, port_plan.family());
        let selection = topology::select(service, port, &backends, Place::new("server2", zone));
        for class in SourceClass::ALL {
            let client = match class {
                SourceClass::Pod => Client::Pod,
                SourceClass::Node => Client::Node,
                SourceClass::Outside => Client::Outside,
            };
            let external = frontend.kind().is_external();
            let traffic = if external { Traffic::External(client) } else { Traffic::Internal };
            let addresses = |endpoints: &[Endpoint]| endpoints.iter().map(|it| it.address()).collect();
            let read: Result<Vec<_>, _> = match port_plan.reading(frontend, class) {
                Reading::Forward { endpoints, .. } => Ok(addresses(endpoints)),
                Reading::Reject => Err("reject"),
                Reading::Drop => Err("drop"),
            };
            let said = match selection.verdict(traffic) {
                Verdict::Forward(to) => Ok(to.iter().map(|backend| backend.address()).collect()),
                Verdict::Reject => Err("reject"),
                _ => Err("drop"),
            };
            prop_assert_eq!(read, said, "{} {:?} {:?}", port_plan.name(), frontend.key(), class);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_model_decides_which_endpoints_serve(cluster in testing::cluster()) {
        reads_as_the_model_says(&cluster.into_iter().collect())?;
    }

    #[test]
    fn following_deltas_equals_starting_anew(history in testing::history()) {
        follows_every_step(Snapshot::default(), &history)?;
    }

    #[test]
    fn rivals_are_settled_whatever_the_order(
        rounds in prop::collection::vec((prop::collection::vec(rival(), 0..4), prop::option::of(rival())), 1..8)
    ) {
        let mut steps = Vec::new();
        for (set, removed) in rounds {
            let mut step = testing::Step::default();
            step.set = set;
            step.removed = removed.into_iter().map(|object| object.reference()).collect();
            steps.push(step);
        }
        follows_every_step(Snapshot::default(), &steps)?;
    }

    #[test]
    fn every_claimed_frontend_has_exactly_one_owner(history in testing::history()) {
        let mut snapshot = Snapshot::default();
        for step in &history {
            snapshot = step.apply(&snapshot).0;
        }
        let plan = Plan::new(&snapshot, &node());
        let mut owners = std::collections::BTreeMap::new();
        for (port, frontend) in plan.frontends().filter(|(_, frontend)| frontend.taken_by().is_none()) {
            prop_assert!(owners.insert(frontend.key(), port.name().clone()).is_none(), "{}", frontend.key());
        }
        for (key, owner) in owners {
            prop_assert_eq!(plan.frontend(key).unwrap().0.name(), &owner);
        }
    }

    #[test]
    fn readings_choose_among_reachable_endpoints(history in testing::history()) {
        let mut snapshot = Snapshot::default();
        for step in &history {
            snapshot = step.apply(&snapshot).0;
        }
        let plan = Plan::new(&snapshot, &node());
        for (port, frontend) in plan.frontends() {
            for class in SourceClass::ALL {
                let reading = port.reading(frontend, class);
                match reading {
                    Reading::Forward { endpoints, .. } => prop_assert!(!endpoints.is_empty()),
                    Reading::Reject => prop_assert!(port.cluster_endpoints().is_empty()),
                    Reading::Drop => prop_assert_eq!(frontend.policy(), svc_model::TrafficPolicy::Local),
                }
            }
        }
    }
}
