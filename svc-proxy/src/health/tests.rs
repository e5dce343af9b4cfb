use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use svc_model::store::Store;
use svc_model::{Kind, ObjectName, ObjectRef, Revision, yaml};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{NodePortAddresses, Proxy, fake};

const EPERM: i32 = 1;

/// A proxy on a kernel in memory, and the servers beside it.
struct World {
    kernel: fake::Kernel,
    store: Store,
    proxy: crate::Handle,
    health: Handle,
}

fn node() -> Node {
    Node::builder("server2").address("127.0.0.1").build().unwrap()
}

impl World {
    fn new(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        Self::on(fake::Kernel::new(), configure)
    }

    fn on(kernel: fake::Kernel, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let store = Store::new();
        let (proxy, program) = Proxy::builder(node()).dataplane(kernel.clone()).build().drive(store.watch());
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = configure(Server::builder(node()).healthz(anywhere).metrics(anywhere)).build();
        let (health, serve) = server.drive(store.watch(), &proxy);
        tokio::spawn(program);
        tokio::spawn(serve);
        Self { kernel, store, proxy, health }
    }

    fn apply(&self, manifests: &str) -> Revision {
        let (objects, problems) = yaml::read(manifests).stored();
        assert!(problems.is_empty(), "{problems:?}");
        self.store.apply(objects)
    }

    /// Waits until the servers are so.
    async fn until(&self, done: impl FnMut(&Status) -> bool) -> Status {
        self.health.statuses().wait_for(done).await.unwrap().clone()
    }

    /// Waits until an answer is so: what is asked lags behind what is programmed.
    async fn answers(&self, at: SocketAddr, path: &str, done: impl Fn(&Answer) -> bool) -> Answer {
        loop {
            match get(at, path).await {
                Ok(answer) if done(&answer) => return answer,
                _ => tokio::task::yield_now().await,
            }
        }
    }

    async fn healthz(&self) -> SocketAddr {
        self.until(|status| status.healthz().is_some()).await.healthz().unwrap()
    }

    async fn metrics(&self) -> SocketAddr {
        self.until(|status| status.metrics().is_some()).await.metrics().unwrap()
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

async fn get(at: SocketAddr, path: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(at).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Ok(Answer { status, headers, body: body.to_owned() })
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

fn web(port: u16, endpoints: &[(&str, &str)]) -> String {
    let endpoints =
        endpoints.iter().map(|(address, node)| format!("{{addresses: [{address}], nodeName: {node}}}"));
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: default}},
           spec: {{type: LoadBalancer, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, healthCheckNodePort: {port},
                   ports: [{{name: a, port: 80, nodePort: 30080}}, {{name: b, port: 81, nodePort: 30081}}]}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
  metadata: {{name: web-1, namespace: default, labels: {{kubernetes.io/service-name: web}}}},
  ports: [{{name: a, port: 80}}, {{name: b, port: 81}}], endpoints: [{}]}}",
        endpoints.collect::<Vec<_>>().join(", ")
    )
}

fn server2(spec: &str, meta: &str) -> String {
    format!("{{apiVersion: v1, kind: Node, metadata: {{name: server2{meta}}}, spec: {{{spec}}}}}")
}

#[tokio::test]
async fn load_balancers_learn_how_many_endpoints_of_a_service_are_here() {
    let world = World::new(|server| server);
    let port = free_port().await;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    world.apply(&web(
        port,
        &[("10.244.2.1", "server2"), ("10.244.2.2", "server2"), ("10.244.3.1", "server3")],
    ));
    let answer = world.answers(at, "/", |answer| answer.status == 200).await;
    assert_eq!(answer.headers["x-load-balancing-endpoint-weight"], "2", "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(answer.body.contains("\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true"), "{answer:?}");
    // Another path, the same answer.
    assert_eq!(get(at, "/whatever").await.unwrap().body, answer.body);
    world.apply(&web(port, &[("10.244.3.1", "server3")]));
    let answer = world.answers(at, "/", |answer| answer.status == 503).await;
    assert_eq!(answer.headers["x-load-balancing-endpoint-weight"], "0", "{answer:?}");
}

#[tokio::test]
async fn ports_follow_their_services() {
    let world = World::new(|server| server);
    let (first, second) = (free_port().await, free_port().await);
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let here = [("10.244.2.1", "server2")];
    world.apply(&web(first, &here));
    world.until(|status| status.listening().contains(&at(first))).await;
    world.apply(&web(second, &here));
    world
        .until(|status| status.listening().contains(&at(second)) && !status.listening().contains(&at(first)))
        .await;
    assert!(TcpStream::connect(at(first)).await.is_err());
    world
        .apply(&web(second, &here).replace("externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster"));
    world.until(|status| !status.listening().contains(&at(second))).await;
    world.apply(&web(second, &here));
    world.until(|status| status.listening().contains(&at(second))).await;
    world.store.delete(&ObjectRef::new(Kind::Service, ObjectName::new("default", "web")));
    world.until(|status| !status.listening().contains(&at(second))).await;
    assert!(TcpStream::connect(at(second)).await.is_err());
}

#[tokio::test]
async fn ports_are_opened_where_node_ports_are_served() {
    let world = World::new(|server| server);
    let port = free_port().await;
    world.apply(&web(port, &[("10.244.2.1", "server2")]));
    let listening = |status: &Status| -> Vec<_> {
        let all = status.listening().iter().filter(|at| at.port() == port);
        all.map(|at| at.ip().to_string()).collect()
    };
    world.until(|status| listening(status) == ["127.0.0.1"]).await;
    let node = |addresses| Node::builder("server2").address("127.0.0.1").node_port_addresses(addresses);
    world.health.reconfigure(node(NodePortAddresses::All).build().unwrap());
    world.until(|status| listening(status) == ["0.0.0.0"]).await;
    let cidrs = NodePortAddresses::Cidrs(vec!["127.0.0.0/8".parse().unwrap()]);
    world.health.reconfigure(node(cidrs).build().unwrap());
    world.until(|status| listening(status) == ["127.0.0.1"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_port_in_use_is_reported_and_tried_again() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = taken.local_addr().unwrap();
    let world = World::new(|server| server);
    world.apply(&web(at.port(), &[("10.244.2.1", "server2")]));
    let status = world.until(|status| !status.problems().is_empty()).await;
    let problem = &status.problems()[0];
    assert_eq!((problem.address(), problem.service()), (at, Some(&ObjectName::new("default", "web"))));
    let text = problem.to_string();
    let beginning = format!("Service default/web: spec.healthCheckNodePort cannot be served at {at}: ");
    assert!(text.starts_with(&beginning) && text.contains("end the program that has it"), "{text}");
    assert!(status.healthz().is_some(), "the rest is served: {status:?}");
    drop(taken);
    world.until(|status| status.problems().is_empty() && status.listening().contains(&at)).await;
}

#[tokio::test]
async fn a_service_is_answered_for_once_its_rules_are_in_force() {
    let kernel = fake::Kernel::new();
    kernel.refuse_longer_than(0);
    let world = World::on(kernel, |server| server);
    let port = free_port().await;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    world.apply(&web(port, &[("10.244.2.1", "server2")]));
    world.proxy.statuses().wait_for(|status| status.failures() > 0).await.unwrap();
    world.healthz().await;
    assert!(!world.health.status().listening().contains(&at));
    world.kernel.refuse_longer_than(usize::MAX);
    world.until(|status| status.listening().contains(&at)).await;
}

#[tokio::test]
async fn a_node_that_leaves_is_told_to_load_balancers_and_not_to_the_kubelet() {
    let world = World::new(|server| server);
    let at = world.healthz().await;
    let answer = get(at, "/healthz").await.unwrap();
    assert!(answer.status == 200 && answer.body.ends_with(" UTC\", \"nodeEligible\": true}"), "{answer:?}");
    for leaving in [
        server2("taints: [{key: ToBeDeletedByClusterAutoscaler, value: '1', effect: NoSchedule}]", ""),
        server2("", ", deletionTimestamp: '2026-01-01T00:00:00Z'"),
    ] {
        world.apply(&leaving);
        let answer = world.answers(at, "/healthz", |answer| answer.status == 503).await;
        assert!(answer.body.ends_with("\"nodeEligible\": false}"), "{answer:?}");
        let alive = get(at, "/livez").await.unwrap();
        assert!(alive.status == 200 && !alive.body.contains("nodeEligible"), "{alive:?}");
        world.apply(&server2("taints: [{key: somebody.else/s, effect: NoSchedule}]", ""));
        world.answers(at, "/healthz", |answer| answer.status == 200).await;
    }
    assert_eq!(get(at, "/").await.unwrap().status, 404);
}

#[tokio::test]
async fn a_proxy_that_does_not_follow_is_unhealthy_everywhere() {
    let world = World::new(|server| server.stale_after(Duration::ZERO));
    let at = world.healthz().await;
    let port = free_port().await;
    let check = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let revision = world.apply(&web(port, &[("10.244.2.1", "server2")]));
    world.proxy.programmed(revision).await.unwrap();
    world.answers(check, "/", |answer| answer.status == 200).await;
    (0..100).for_each(|_| world.kernel.fail_next(EPERM));
    world.apply(&web(port, &[("10.244.2.1", "server2"), ("10.244.2.2", "server2")]));
    for path in ["/healthz", "/livez"] {
        world.answers(at, path, |answer| answer.status == 503).await;
    }
    let answer = world.answers(check, "/", |answer| answer.status == 503).await;
    assert!(answer.body.contains("\"localEndpoints\": 1,\n\t\"serviceProxyHealthy\": false"), "{answer:?}");
}

#[tokio::test]
async fn metrics_are_served_and_count_who_asked() {
    let world = World::new(|server| server.mode(crate::ProxyMode::Iptables));
    let (at, healthz) = (world.metrics().await, world.healthz().await);
    get(healthz, "/healthz").await.unwrap();
    let answer = get(at, "/metrics").await.unwrap();
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.body.contains("kubeproxy_proxy_healthz_total{code=\"200\"} 1\n"), "{}", answer.body);
    assert_eq!(get(at, "/proxyMode").await.unwrap().body, "iptables");
    assert_eq!(get(at, "/healthz").await.unwrap().body, "ok");
}

#[tokio::test]
async fn nothing_is_open_once_the_handle_is_gone() {
    let world = World::new(|server| server);
    let at = world.healthz().await;
    let mut statuses = world.health.statuses();
    drop(world.health);
    while statuses.changed().await.is_ok() {}
    // The loop has ended; its tasks end with it.
    while TcpStream::connect(at).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
