//! Tables of the EndpointSlice controller.

use super::*;
use crate::{Object, Protocol, SERVICE_NAME_LABEL, yaml};

fn objects(text: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(text).stored();
    assert_eq!(problems, []);
    objects
}

fn service(spec: &str) -> Service {
    let labels = "{team: a, service.kubernetes.io/headless: '', kubernetes.io/service-name: wrong}";
    let text = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, labels: {labels}}}, spec: {{{spec}}}}}"
    );
    match objects(&text).remove(0) {
        Object::Service(service) => Service::clone(&service),
        other => panic!("{other:?}"),
    }
}

const PLAIN: &str = "clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, targetPort: 9376}]";

fn pod(name: &str, spec: &str, status: &str) -> Pod {
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: web}}}}, spec: {{{spec}}}, status: {{{status}}}}}"
    );
    match objects(&text).remove(0) {
        Object::Pod(pod) => Pod::clone(&pod),
        other => panic!("{other:?}"),
    }
}

fn cluster(pods: &[Pod], more: &str) -> Snapshot {
    pods.iter().cloned().map(Object::from).chain(objects(more)).collect()
}

fn slices(service: &Service, pods: &[Pod]) -> Vec<EndpointSlice> {
    Controller::default().reconcile(service, &[], &Scope::Service, &cluster(pods, "")).set
}

#[test]
fn conditions() {
    let up = "podIP: 10.244.0.5";
    let not_ready = "podIP: 10.244.0.5, conditions: [{type: Ready, status: 'False'}]";
    let publishing = format!("{PLAIN}, publishNotReadyAddresses: true");
    for (spec, status, terminating, expected) in [
        (PLAIN, up, false, Some((true, true, false))),
        (PLAIN, not_ready, false, Some((false, false, false))),
        (
            PLAIN,
            "podIP: 10.244.0.5, conditions: [{type: Ready, status: 'True'}]",
            true,
            Some((false, true, true)),
        ),
        (PLAIN, not_ready, true, Some((false, false, true))),
        (publishing.as_str(), not_ready, false, Some((true, false, false))),
        (publishing.as_str(), not_ready, true, Some((true, false, true))),
        (PLAIN, "phase: Succeeded, podIP: 10.244.0.5", false, None),
        (PLAIN, "phase: Failed, podIP: 10.244.0.5", false, None),
        (PLAIN, "phase: Pending, podIP: 10.244.0.5", false, Some((true, true, false))),
        (PLAIN, "", false, None),
    ] {
        let pod = pod("web-0", "", status);
        let pod = if terminating { pod.deleting() } else { pod };
        let slices = slices(&service(spec), &[pod]);
        let found = slices[0].endpoints().first();
        assert_eq!(found.map(|it| (it.ready(), it.serving(), it.terminating())), expected, "{spec} {status}");
    }
}

#[test]
fn names_labels_and_ports() {
    let slices = slices(&service(PLAIN), &[pod("web-0", "nodeName: a", "podIP: 10.244.0.5")]);
    let slice = &slices[0];
    let suffix = slice.name().name().strip_prefix("web-").unwrap();
    assert!(suffix.len() == 5 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{suffix}");
    assert_eq!(slice.meta().labels()["team"], "a");
    assert_eq!(slice.meta().labels()[SERVICE_NAME_LABEL], "web", "a reserved label is not copied");
    assert_eq!(slice.meta().labels()[MANAGED_BY_LABEL], MANAGER);
    assert!(!slice.meta().labels().contains_key(HEADLESS_LABEL));
    assert_eq!(slice.ports(), [EndpointPort::new("", Protocol::Tcp, 9376)]);
    let endpoint = &slice.endpoints()[0];
    assert_eq!(endpoint.target(), Some(&ObjectName::new("default", "web-0")));
    assert_eq!((endpoint.node_name(), endpoint.zone()), (Some("a"), None));
}

#[test]
fn host_names_need_the_right_subdomain() {
    for (spec, expected) in [
        ("hostname: h, subdomain: web", Some("h")),
        ("hostname: h, subdomain: other", None),
        ("hostname: h", None),
        ("subdomain: web", None),
    ] {
        let slices = slices(&service(PLAIN), &[pod("web-0", spec, "podIP: 10.244.0.5")]);
        assert_eq!(slices[0].endpoints()[0].hostname(), expected, "{spec}");
    }
}

#[test]
fn named_target_ports_are_looked_up_in_each_pod() {
    let spec = "clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: a, port: 80, targetPort: http}, \
        {name: b, port: 53, protocol: UDP, targetPort: http}, {name: c, port: 90}]";
    let with = |name: &str, ports: &str, ip: &str| {
        pod(name, &format!("containers: [{{ports: [{ports}]}}]"), &format!("podIP: {ip}"))
    };
    let pods = [
        with("p0", "{name: http, containerPort: 8080}", "10.244.0.5"),
        with("p1", "{name: http, containerPort: 8081}", "10.244.0.6"),
        with("p2", "{name: http, containerPort: 5353, protocol: UDP}", "10.244.0.7"),
        with("p3", "", "10.244.0.8"),
        with("p4", "{name: http, containerPort: 8080}", "10.244.0.9"),
    ];
    let mut found: Vec<_> = slices(&service(spec), &pods)
        .iter()
        .map(|slice| {
            let ports: Vec<_> =
                slice.ports().iter().map(|port| (port.name().to_owned(), port.port().unwrap())).collect();
            (ports, slice.endpoints().len())
        })
        .collect();
    found.sort();
    let port = |name: &str, number: u16| (name.to_owned(), number);
    assert_eq!(
        found,
        [
            (vec![port("a", 8080), port("c", 90)], 2),
            (vec![port("a", 8081), port("c", 90)], 1),
            (vec![port("b", 5353), port("c", 90)], 1),
            (vec![port("c", 90)], 1),
        ]
    );
}

#[test]
fn a_hundred_to_a_slice() {
    let pods: Vec<_> = (0..250_u32)
        .map(|index| {
            pod(&format!("p{index:03}"), "", &format!("podIP: 10.244.{}.{}", index / 100, index % 100 + 1))
        })
        .collect();
    let sizes: Vec<_> = slices(&service(PLAIN), &pods).iter().map(|slice| slice.endpoints().len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
}

#[test]
fn families_have_their_own_slices() {
    let both = "podIPs: [{ip: 10.244.0.5}, {ip: 'fd00::5'}]";
    for (spec, expected) in [
        (PLAIN, &[AddressType::Ipv4][..]),
        ("clusterIPs: ['fd00::1', 10.96.0.1], selector: {app: web}", &[AddressType::Ipv4, AddressType::Ipv6]),
        ("clusterIP: None, ipFamilies: [IPv6], selector: {app: web}", &[AddressType::Ipv6]),
        ("clusterIP: None, selector: {app: web}", &[AddressType::Ipv4, AddressType::Ipv6]),
    ] {
        let slices = slices(&service(spec), &[pod("web-0", "", both)]);
        let mut families: Vec<_> = slices.iter().map(EndpointSlice::address_type).collect();
        families.sort();
        assert_eq!(families, expected, "{spec}");
        assert!(slices.iter().all(|slice| slice.endpoints().len() == 1));
    }
}

#[test]
fn without_pods_one_empty_slice_and_without_selector_none() {
    let slices_of = |spec: &str| slices(&service(spec), &[]);
    let empty = slices_of(PLAIN);
    assert_eq!((empty.len(), empty[0].endpoints().len(), empty[0].ports().len()), (1, 0, 0));
    assert!(slices_of("clusterIP: 10.96.0.1, ports: [{port: 80}]").is_empty());
    assert!(slices_of("type: ExternalName, externalName: example.com, selector: {app: web}").is_empty());
}

const NODES: &str = "
{apiVersion: v1, kind: Node, metadata: {name: a, labels: {topology.kubernetes.io/zone: east}}}
---
{apiVersion: v1, kind: Node, metadata: {name: b, labels: {topology.kubernetes.io/zone: west}}}
---
{apiVersion: v1, kind: Node, metadata: {name: c}}
";

/// Those who look after nodes and those who look after pods do not always agree.
#[test]
fn a_pod_on_an_unknown_node_is_left_out_and_named() {
    let pods = [
        pod("here", "nodeName: a", "podIP: 10.244.0.5"),
        pod("lost", "nodeName: gone", "podIP: 10.244.0.6"),
        pod("nowhere", "", "podIP: 10.244.0.7"),
    ];
    let reconcile = |spec: &str, nodes: &str| {
        let changes =
            Controller::default().reconcile(&service(spec), &[], &Scope::Service, &cluster(&pods, nodes));
        let endpoints = changes.set.iter().flat_map(|slice| slice.endpoints());
        let names: Vec<_> = endpoints.map(|endpoint| endpoint.target().unwrap().name().to_owned()).collect();
        let skipped: Vec<_> = changes.skipped.iter().map(|(_, problem)| problem.to_string()).collect();
        (names, skipped)
    };
    let said = "Pod default/lost: spec.nodeName: there is no Node `gone`: the pod is left out of Service default/web";
    assert_eq!(reconcile(PLAIN, NODES), (vec!["here".into(), "nowhere".into()], vec![said.to_owned()]));
    let all = (vec!["here".to_owned(), "lost".to_owned(), "nowhere".to_owned()], vec![]);
    assert_eq!(reconcile(&format!("{PLAIN}, publishNotReadyAddresses: true"), NODES), all);
    assert_eq!(reconcile(PLAIN, ""), all, "a cluster that has no nodes misses none");
}

#[test]
fn init_containers_that_go_on_are_asked_last() {
    let spec = "clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, targetPort: http}]";
    let port = |number: u16| format!("ports: [{{name: http, containerPort: {number}}}]");
    let number = |pod_spec: &str| {
        let slices = slices(&service(spec), &[pod("p", pod_spec, "podIP: 10.244.0.5")]);
        slices[0].ports().first().and_then(EndpointPort::port)
    };
    let sidecar = format!("initContainers: [{{name: proxy, restartPolicy: Always, {}}}]", port(1));
    let starter = format!("initContainers: [{{name: setup, {}}}]", port(2));
    let main = format!("containers: [{{name: main, {}}}, {{name: second, {}}}]", port(3), port(4));
    for (spec, expected) in [
        (format!("{sidecar}, {main}"), Some(3)),
        (format!("{sidecar}, containers: [{{name: main}}]"), Some(1)),
        (format!("{starter}, containers: [{{name: main}}]"), None),
    ] {
        assert_eq!(number(&spec), expected, "{spec}");
    }
}

#[test]
fn traffic_distribution_hints_ready_endpoints_to_where_they_are() {
    let pods = [
        pod("east", "nodeName: a", "podIP: 10.244.0.1"),
        pod("starting", "nodeName: b", "podIP: 10.244.0.2, conditions: [{type: Ready, status: 'False'}]"),
        pod("zoneless", "nodeName: c", "podIP: 10.244.0.3"),
    ];
    let none = |_: &str| (vec![], vec![]);
    for (distribution, east, zoneless) in [
        ("", none(""), none("")),
        ("trafficDistribution: PreferClose", (vec!["east"], vec![]), none("")),
        ("trafficDistribution: PreferSameZone", (vec!["east"], vec![]), none("")),
        ("trafficDistribution: PreferSameNode", (vec!["east"], vec!["a"]), (vec![], vec!["c"])),
    ] {
        let service = service(&format!("{PLAIN}, {distribution}"));
        let snapshot = cluster(&pods, NODES);
        let changes = Controller::default().reconcile(&service, &[], &Scope::Service, &snapshot);
        let hints = |at: usize| {
            let endpoint = &changes.set[0].endpoints()[at];
            (endpoint.zone_hints().to_vec(), endpoint.node_hints().to_vec())
        };
        let owned = |(zones, nodes): (Vec<&str>, Vec<&str>)| {
            let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
            (owned(zones), owned(nodes))
        };
        assert_eq!(hints(0), owned(east), "{distribution}");
        assert_eq!(hints(1), owned(none("")), "{distribution}: who is not ready has no hints");
        assert_eq!(hints(2), owned(zoneless), "{distribution}");
    }
}

/// Processors of the zones a, b, c; ready endpoints in each; how many of these are hinted to a, b, c.
#[test]
fn topology_mode_auto_shares_by_processors() {
    let even = [4000, 4000, 4000];
    for (processors, endpoints, expected) in [
        (even, [2, 2, 2], Some([2, 2, 2])),
        (even, [3, 3, 4], Some([3, 3, 4])),
        // a would serve a third of the traffic with a fifth of the endpoints
        (even, [2, 4, 4], Some([3, 3, 4])),
        (even, [9, 0, 0], Some([3, 3, 3])),
        // as fair as it gets is not fair enough: 5 / 3 needs two in each zone
        (even, [2, 2, 1], None),
        (even, [1, 1, 1], Some([1, 1, 1])),
        (even, [1, 1, 0], None),
        ([8000, 2000, 2000], [3, 3, 3], Some([5, 2, 2])),
        ([8000, 4000, 0], [2, 2, 2], None),
    ] {
        let zones = ["a", "b", "c"];
        let node = |zone: &str, cpu: u32| {
            format!(
                "---\n{{apiVersion: v1, kind: Node, metadata: {{name: node-{zone}, labels: \
                 {{topology.kubernetes.io/zone: {zone}}}}}, status: {{allocatable: {{cpu: {cpu}m}}}}}}\n"
            )
        };
        let nodes: String = zones.iter().zip(processors).map(|(zone, cpu)| node(zone, cpu)).collect();
        let mut pods = Vec::new();
        for (zone, count) in zones.iter().zip(endpoints) {
            for index in 0..count {
                let status = format!("podIP: 10.244.{}.{index}", pods.len());
                pods.push(pod(&format!("{zone}-{index}"), &format!("nodeName: node-{zone}"), &status));
            }
        }
        let mut service = service(&format!("{PLAIN}, trafficDistribution: PreferSameNode"));
        service.meta.annotations.insert("service.kubernetes.io/topology-mode".into(), "Auto".into());
        let snapshot = cluster(&pods, &nodes);
        let changes = Controller::default().reconcile(&service, &[], &Scope::Service, &snapshot);
        let endpoints = || changes.set.iter().flat_map(|slice| slice.endpoints());
        let hinted = |zone: &str| endpoints().filter(|endpoint| endpoint.zone_hints() == [zone]).count();
        let found = zones.map(hinted);
        assert_eq!(found, expected.unwrap_or_default(), "{processors:?} {expected:?}");
        assert!(endpoints().all(|endpoint| endpoint.node_hints().is_empty()), "the annotation wins");
        let stayed = endpoints().filter(|it| it.zone_hints().first().map(String::as_str) == it.zone());
        assert!(expected.is_none() || stayed.count() >= 3, "no more than needed serve another zone");
    }
}

#[test]
fn topology_mode_auto_needs_to_know_every_node_that_counts() {
    let node = |name: &str, zone: &str, rest: &str| {
        let zone =
            if zone.is_empty() { String::new() } else { format!("topology.kubernetes.io/zone: {zone}") };
        format!(
            "---\n{{apiVersion: v1, kind: Node, metadata: {{name: {name}, labels: {{{zone}}}}}, status: {{{rest}}}}}\n"
        )
    };
    let cpu = "allocatable: {cpu: '4'}";
    let two = format!("{}{}", node("a", "east", cpu), node("b", "west", cpu));
    let pods = [pod("p0", "nodeName: a", "podIP: 10.244.0.1"), pod("p1", "nodeName: b", "podIP: 10.244.0.2")];
    let down = format!("{cpu}, conditions: [{{type: Ready, status: 'False'}}]");
    for (more, expected) in [
        (String::new(), 2),
        (node("c", "", cpu), 0),
        (node("c", "east", ""), 0),
        (node("c", "", &down), 2),
        (
            node("c", "east", cpu)
                .replace("labels: {", "labels: {node-role.kubernetes.io/control-plane: '', "),
            2,
        ),
    ] {
        let mut service = service(PLAIN);
        service.meta.annotations.insert("service.kubernetes.io/topology-mode".into(), "Auto".into());
        let snapshot = cluster(&pods, &format!("{two}{more}"));
        let changes = Controller::default().reconcile(&service, &[], &Scope::Service, &snapshot);
        let endpoints = changes.set.iter().flat_map(|slice| slice.endpoints());
        let hinted = endpoints.filter(|endpoint| !endpoint.zone_hints().is_empty()).count();
        assert_eq!(hinted, expected, "{more}");
    }
}

/// Slices as they stand, and the pods behind them.
struct World {
    service: Service,
    slices: BTreeMap<ObjectName, Arc<EndpointSlice>>,
    snapshot: Snapshot,
}

impl World {
    /// Slices of these sizes; `s0-3` is the fourth pod of the first slice.
    fn new(sizes: &[usize]) -> Self {
        let mut world =
            World { service: service(PLAIN), slices: BTreeMap::new(), snapshot: Snapshot::default() };
        for (slice, size) in sizes.iter().enumerate() {
            let names: Vec<_> = (0..*size).map(|index| format!("s{slice}-{index}")).collect();
            world.put(&names);
            let mut alone = World { slices: BTreeMap::new(), ..world.clone_of(&names) };
            alone.reconcile(1000);
            let (_, made) = alone.slices.pop_first().unwrap();
            let mut made = EndpointSlice::clone(&made);
            made.meta.name = ObjectName::new("default", format!("web-{slice}"));
            world.slices.insert(made.name().clone(), Arc::new(made));
        }
        world
    }

    fn clone_of(&self, names: &[String]) -> World {
        let pods = names.iter().filter_map(|name| self.snapshot.pod(&ObjectName::new("default", name)));
        let snapshot = pods.cloned().map(Object::Pod).collect();
        World { service: self.service.clone(), slices: BTreeMap::new(), snapshot }
    }

    fn put(&mut self, names: &[String]) {
        for name in names {
            let number = self.snapshot.pods().count();
            let ip = format!("podIP: 10.244.{}.{}", number / 200, number % 200 + 1);
            self.snapshot = self.snapshot.with([pod(name, "", &ip).into()], []).0;
        }
    }

    fn remove(&mut self, name: &str) {
        let reference = crate::ObjectRef::new(crate::Kind::Pod, ObjectName::new("default", name));
        self.snapshot = self.snapshot.with([], [reference]).0;
    }

    fn fail(&mut self, name: &str) {
        let pod = self.snapshot.pod(&ObjectName::new("default", name)).unwrap();
        let pod = Pod::clone(pod).with_ready(false);
        self.snapshot = self.snapshot.with([pod.into()], []).0;
    }

    /// The names of the slices that were written and that went.
    fn reconcile(&mut self, max: usize) -> (Vec<String>, Vec<String>) {
        let existing: Vec<_> = self.slices.values().cloned().collect();
        let controller = Controller::default().max_endpoints(max);
        let changes = controller.reconcile(&self.service, &existing, &Scope::Service, &self.snapshot);
        let written = changes.set.iter().map(|slice| slice.name().name().to_owned()).collect();
        let removed = changes.removed.iter().map(|name| name.name().to_owned()).collect();
        self.slices.retain(|name, _| !changes.removed.contains(name));
        self.slices.extend(changes.set.into_iter().map(|slice| (slice.name().clone(), Arc::new(slice))));
        (written, removed)
    }

    /// The sizes of the first slices, then those of new ones.
    fn sizes(&self) -> Vec<usize> {
        let (mut first, mut new): (Vec<_>, Vec<_>) =
            self.slices.values().partition(|slice| slice.name().name().len() < "web-12345".len());
        first.append(&mut new);
        first.iter().map(|slice| slice.endpoints().len()).collect()
    }
}

/// Sizes, pods that go, pods that fail, how many come, sizes afterwards, how many slices were written and removed; at
/// most ten to a slice.
#[test]
fn slices_are_filled_as_in_kubernetes() {
    type Row<'a> = (&'a [usize], &'a [&'a str], &'a [&'a str], usize, &'a [usize], (usize, usize));
    let rows: &[Row<'_>] = &[
        (&[], &[], &[], 25, &[10, 10, 5], (3, 0)),
        // the rest goes where it fits most tightly
        (&[7, 4], &[], &[], 3, &[10, 4], (1, 0)),
        (&[7, 4], &[], &[], 4, &[7, 8], (1, 0)),
        (&[4, 7], &[], &[], 2, &[4, 9], (1, 0)),
        (&[7, 6], &[], &[], 5, &[7, 6, 5], (1, 0)),
        (&[10, 1], &[], &[], 12, &[10, 3, 10], (2, 0)),
        (&[10], &[], &[], 10, &[10, 10], (1, 0)),
        (&[0], &[], &[], 3, &[3], (1, 0)),
        // unless a slice has to be written anyway
        (&[7, 4], &["s1-0"], &[], 2, &[7, 5], (1, 0)),
        (&[7, 4], &[], &["s1-0"], 2, &[7, 6], (1, 0)),
        // the fullest of these first
        (&[5, 9], &["s0-0", "s1-0"], &[], 3, &[5, 10], (2, 0)),
        // and what they cannot take goes on as above
        (&[9, 2], &["s0-0"], &[], 5, &[10, 5], (2, 0)),
        // never packed anew
        (&[4, 4], &["s0-0", "s0-1", "s0-2", "s1-0", "s1-1", "s1-2"], &[], 0, &[1, 1], (2, 0)),
        (&[4, 4], &[], &["s0-3"], 0, &[4, 4], (1, 0)),
        (&[4, 4], &[], &[], 0, &[4, 4], (0, 0)),
        // what is empty goes; what would go is written over when a new one is needed
        (&[10, 1], &["s1-0"], &[], 0, &[10], (0, 1)),
        (&[10, 1], &["s1-0"], &[], 1, &[10, 1], (1, 0)),
        (&[1], &["s0-0"], &[], 0, &[0], (1, 0)),
    ];
    for (sizes, gone, failed, come, expected, (written, removed)) in rows {
        let mut world = World::new(sizes);
        gone.iter().for_each(|name| world.remove(name));
        failed.iter().for_each(|name| world.fail(name));
        world.put(&(0..*come).map(|index| format!("new-{index}")).collect::<Vec<_>>());
        let (wrote, went) = world.reconcile(10);
        let row = format!("{sizes:?} - {gone:?} ! {failed:?} + {come}");
        assert_eq!(world.sizes(), *expected, "{row}");
        assert_eq!((wrote.len(), went.len()), (*written, *removed), "{row}");
        assert_eq!(world.reconcile(10), (vec![], vec![]), "{row}: and then nothing is left to do");
    }
}

#[test]
fn labels_and_ports_change_slices_where_they_stand() {
    let mut world = World::new(&[3, 2]);
    world.service.meta.labels.insert("team".into(), "b".into());
    assert_eq!(world.reconcile(10), (vec!["web-0".into(), "web-1".into()], vec![]));
    assert!(world.slices.values().all(|slice| slice.meta().labels()["team"] == "b"));
    assert_eq!(world.sizes(), [3, 2]);
    // Other ports are other slices: the first is written over, the second not needed.
    world.service.ports[0].target_port = crate::TargetPort::Number(9377);
    assert_eq!(world.reconcile(10), (vec!["web-0".into()], vec!["web-1".into()]));
    assert_eq!(world.sizes(), [5]);
}

#[test]
fn a_slice_of_another_family_or_of_no_selector_goes() {
    let mut world = World::new(&[3]);
    world.service = service(&PLAIN.replace("10.96.0.1", "'fd00::1'"));
    let (written, removed) = world.reconcile(10);
    assert_eq!((written.len(), removed), (1, vec!["web-0".to_owned()]));
    world.service = service("clusterIP: 10.96.0.1, ports: [{port: 80}]");
    assert_eq!(world.reconcile(10).1, written);
}

#[test]
fn a_name_that_somebody_has_is_not_taken() {
    let mut world = World::new(&[]);
    world.put(&["p".to_owned()]);
    let mut other = World::new(&[]);
    other.put(&["p".to_owned()]);
    other.reconcile(10);
    let (name, mine) = other.slices.pop_first().unwrap();
    world.snapshot = world.snapshot.with([Object::EndpointSlice(mine)], []).0;
    let (written, _) = world.reconcile(10);
    assert_ne!(written, [name.name()]);
}
