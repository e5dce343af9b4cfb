//! `dns --kubeconfig FILE`: what an API server has is answered, also while it changes, fails, and is gone.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the test starts programs and feeds them files"
)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use serde_json::json;
use svc_lab::api_server::{Rule, Server};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UdpSocket};
use tokio::process::{Child, Command};

/// A cluster with one Service, and the program that serves it.
struct Running {
    cluster: Server,
    /// Killed with this value.
    _program: Child,
    _files: TempDir,
    address: SocketAddr,
    pages: SocketAddr,
}

const TOKEN: &str = "of-a-service-account";

impl Running {
    async fn start(rules: Option<Vec<Rule>>, arguments: &[&str]) -> Self {
        let cluster = Server::start(None).await;
        cluster.expect_token(TOKEN);
        cluster.allow(rules);
        cluster.set("namespaces", "shop", json!({}));
        cluster.set("services", "shop/web", service("10.96.0.1"));
        let files = tempfile::tempdir().unwrap();
        let kubeconfig = files.path().join("config");
        std::fs::write(&kubeconfig, kubeconfig_of(&cluster.url())).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_dns"))
            .args(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--reverse", "10.96.0.0/16"])
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut addresses = Vec::new();
        while addresses.len() < 2 {
            let line = lines.next_line().await.unwrap().unwrap();
            let words = line.split([' ', ',', '/']);
            addresses.extend(words.filter_map(|word| word.parse::<SocketAddr>().ok()));
        }
        Self { cluster, _program: program, _files: files, address: addresses[0], pages: addresses[1] }
    }

    /// The code and the data of the answers.
    async fn ask(&self, name: &str, kind: RecordType) -> (ResponseCode, Vec<String>) {
        let mut query = Message::new(4711, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.address).await.unwrap();
        socket.send(&query.to_vec().unwrap()).await.unwrap();
        let mut reply = [0; 4096];
        let received = tokio::time::timeout(Duration::from_secs(30), socket.recv(&mut reply)).await;
        let answer = Message::from_vec(&reply[..received.unwrap().unwrap()]).unwrap();
        let data = answer.answers.iter().map(|record| record.data.to_string()).collect();
        (answer.metadata.response_code, data)
    }

    /// Asks until the answer is this one; gives how long it took.
    async fn until(&self, name: &str, kind: RecordType, code: ResponseCode, data: &[&str]) -> Duration {
        let start = Instant::now();
        loop {
            let last = self.ask(name, kind).await;
            if last.0 == code && last.1 == data {
                return start.elapsed();
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{name}: {last:?} instead of {data:?}");
            tokio::task::yield_now().await;
        }
    }

    async fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.pages).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: dns\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page
    }
}

fn service(ip: &str) -> serde_json::Value {
    json!({"spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "ports": [{"name": "http", "port": 80}]}})
}

fn headless() -> serde_json::Value {
    json!({"spec": {"clusterIP": "None", "clusterIPs": ["None"]}})
}

fn slice(ready: bool) -> serde_json::Value {
    json!({
        "metadata": {"labels": {"kubernetes.io/service-name": "db"}},
        "addressType": "IPv4",
        "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": ["10.244.0.1"], "hostname": "db-0", "conditions": {"ready": true}},
            {"addresses": ["10.244.0.2"], "hostname": "db-1", "conditions": {"ready": ready}},
        ],
    })
}

fn kubeconfig_of(url: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
         clusters: [{{name: c, cluster: {{server: '{url}'}}}}], users: [{{name: u, user: {{token: {TOKEN}}}}}]}}"
    )
}

/// May list and watch this kind everywhere.
fn may(group: &str, resource: &str) -> Rule {
    Rule { group: group.to_owned(), resource: resource.to_owned(), ..Rule::default() }
}

const WEB: &str = "web.shop.svc.cluster.local.";
const DB: &str = "db.shop.svc.cluster.local.";
const NO_ERROR: ResponseCode = ResponseCode::NoError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cluster_has_is_answered_and_changes_follow() {
    let running = Running::start(None, &[]).await;
    running.until(WEB, RecordType::A, NO_ERROR, &["10.96.0.1"]).await;
    running.until("1.0.96.10.in-addr.arpa.", RecordType::PTR, NO_ERROR, &[WEB]).await;
    running.until("nobody.shop.svc.cluster.local.", RecordType::A, ResponseCode::NXDomain, &[]).await;
    let cluster = &running.cluster;
    cluster.set("services", "shop/web", service("10.96.0.2"));
    let address = running.until(WEB, RecordType::A, NO_ERROR, &["10.96.0.2"]).await;
    cluster.set("services", "shop/db", headless());
    cluster.set("endpointslices", "shop/db-a", slice(false));
    let endpoints = running.until(DB, RecordType::A, NO_ERROR, &["10.244.0.1"]).await;
    cluster.set("endpointslices", "shop/db-a", slice(true));
    running.until("db-1.db.shop.svc.cluster.local.", RecordType::A, NO_ERROR, &["10.244.0.2"]).await;
    cluster.delete("services", "shop/web");
    let gone = running.until(WEB, RecordType::A, ResponseCode::NXDomain, &[]).await;
    println!("an address took {address:?}, endpoints {endpoints:?}, a deletion {gone:?}");
    let asked = cluster.asked();
    let resources: std::collections::BTreeSet<&str> =
        asked.iter().map(|asked| asked.resource.as_str()).collect();
    assert_eq!(resources, ["endpointslices", "namespaces", "services"].into(), "and no pods");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_of_the_cluster_set_are_asked_for_where_a_zone_is_theirs() {
    let files = tempfile::tempdir().unwrap();
    let corefile = files.path().join("Corefile");
    let text = "kubernetes cluster.local clusterset.local {\n multicluster clusterset.local\n}";
    std::fs::write(&corefile, format!(".:53 {{\n{text}\n}}\n")).unwrap();
    let running = Running::start(None, &["--corefile", corefile.to_str().unwrap()]).await;
    running.until(WEB, RecordType::A, NO_ERROR, &["10.96.0.1"]).await;
    // As the CustomResourceDefinition was before mcs-api 0.5.
    running.cluster.serve_as("serviceimports", "v1alpha1");
    running.cluster.disconnect();
    running.cluster.asked_for(|asked| asked.is_watch() && asked.version == "v1alpha1").await;
    let import = |ip: &str| json!({"spec": {"type": "ClusterSetIP", "ips": [ip], "ports": [{"port": 80}]}, "status": {}});
    running.cluster.set("serviceimports", "shop/web", import("10.42.0.1"));
    let name = "web.shop.svc.clusterset.local.";
    running.until(name, RecordType::A, NO_ERROR, &["10.42.0.1"]).await;
    running.cluster.set("serviceimports", "shop/web", import("10.42.0.2"));
    running.until(name, RecordType::A, NO_ERROR, &["10.42.0.2"]).await;
    running.cluster.delete("serviceimports", "shop/web");
    running.until(name, RecordType::A, ResponseCode::NXDomain, &[]).await;
    running.until(WEB, RecordType::A, NO_ERROR, &["10.96.0.1"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_cluster_is_asked_for_is_counted_as_coredns_counts_it() {
    let running = Running::start(None, &[]).await;
    running.until(WEB, RecordType::A, NO_ERROR, &["10.96.0.1"]).await;
    let asked = running.cluster.asked();
    let page = running.page("/metrics").await;
    let value = |start: &str| {
        let line =
            page.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {page}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    let host = running.cluster.url().replace("http://", "");
    let answered = value(&format!(
        "coredns_kubernetes_rest_client_requests_total{{code=\"200\",method=\"GET\",host=\"{host}\"}}"
    ));
    // A list and a watch of each kind.
    assert!(answered >= 3.0 && asked.len() >= 3, "{answered} {asked:?}");
    let name = "coredns_kubernetes_rest_client_request_duration_seconds";
    let all = value(&format!("{name}_bucket{{verb=\"GET\",host=\"{host}\",le=\"+Inf\"}}"));
    assert_eq!(all, value(&format!("{name}_count{{verb=\"GET\",host=\"{host}\"}}")));
    assert!(all >= answered);
    assert!(page.contains(&format!("# TYPE {name} histogram")), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verified_pods_are_asked_for() {
    let running = Running::start(None, &["--pods", "verified"]).await;
    let pod = json!({
        "spec": {"containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Running", "podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}]},
    });
    running.cluster.set("pods", "shop/web-0", pod);
    let name = "10-244-0-9.shop.pod.cluster.local.";
    running.until(name, RecordType::A, NO_ERROR, &["10.244.0.9"]).await;
    running.cluster.delete("pods", "shop/web-0");
    running.until(name, RecordType::A, ResponseCode::NXDomain, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_long_as_something_cannot_be_listed_nothing_is_said_not_to_exist() {
    let allowed = vec![may("", "services"), may("", "namespaces")];
    let running = Running::start(Some(allowed.clone()), &[]).await;
    running.until(WEB, RecordType::A, NO_ERROR, &["10.96.0.1"]).await;
    let unknown = "nobody.shop.svc.cluster.local.";
    assert_eq!(running.ask(unknown, RecordType::A).await, (ResponseCode::ServFail, vec![]));
    assert!(running.page("/ready").await.starts_with("HTTP/1.1 503"));
    assert!(running.page("/health").await.starts_with("HTTP/1.1 200"));
    let all = [allowed, vec![may("discovery.k8s.io", "endpointslices")]].concat();
    running.cluster.allow(Some(all));
    running.until(unknown, RecordType::A, ResponseCode::NXDomain, &[]).await;
    assert!(running.page("/ready").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_cluster_cannot_be_asked_any_more_its_last_state_is_served() {
    let running = Running::start(None, &[]).await;
    running.until(WEB, RecordType::A, NO_ERROR, &["10.96.0.1"]).await;
    let cluster = &running.cluster;
    let before = cluster.asked().len();
    cluster.allow(Some(Vec::new()));
    cluster.disconnect();
    let mut refused = 0;
    while refused < 3 {
        refused = cluster.asked().len() - before;
        assert_eq!(running.ask(WEB, RecordType::A).await, (NO_ERROR, vec!["10.96.0.1".to_owned()]));
        assert_eq!(running.ask("no.shop.svc.cluster.local.", RecordType::A).await.0, ResponseCode::NXDomain);
    }
    // It comes back with another state.
    cluster.set("services", "shop/web", service("10.96.0.7"));
    cluster.allow(None);
    running.until(WEB, RecordType::A, NO_ERROR, &["10.96.0.7"]).await;
}
