//! Following an API server that does all that API servers do.

mod limits;
mod patches;
mod rights;
mod versions;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{ObjectName, Snapshot, store::Watch};
use svc_lab::api_server::{self as server, Fault, Rule, Server};

/// What follows a server, and what it came to.
struct Followed {
    server: Server,
    store: Store,
    watch: Watch,
    handle: KubeHandle,
}

impl Followed {
    /// Waits until the store holds what is expected.
    async fn until(&mut self, expected: impl Fn(&Snapshot) -> bool) {
        while !expected(&self.store.snapshot()) {
            self.watch.changed().await.unwrap();
        }
    }

    async fn has(&mut self, services: &[&str]) {
        self.until(|snapshot| names(snapshot) == services).await;
    }

    /// Waits until a problem with this text is told.
    async fn problem(&mut self, part: &str) -> String {
        loop {
            let problems = self.handle.problems();
            match problems.iter().map(ToString::to_string).find(|problem| problem.contains(part)) {
                Some(problem) => return problem,
                None => drop(self.handle.changed().await.unwrap()),
            }
        }
    }

    async fn no_problem(&mut self) {
        while !self.handle.problems().is_empty() {
            self.handle.changed().await.unwrap();
        }
    }

    fn lists(&self, resource: &str) -> usize {
        let of = |asked: &server::Asked| asked.resource == resource && asked.of("continue").is_none();
        self.server.asked().iter().filter(|asked| of(asked) && !asked.is_watch()).count()
    }
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.services().map(|service| service.name().name()).collect()
}

fn service(ip: &str) -> Value {
    json!({"spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"port": 80}], "unknown": {"a": [1, 2]}}})
}

fn kube(server: &Server) -> Kube {
    let cluster = Cluster::plain(&server.url()).unwrap();
    let kube = Kube::new(cluster).kinds([Kind::Service]).page_size(2);
    kube.retry(Duration::from_millis(1), Duration::from_millis(20))
}

/// Runs `test` beside what follows a new server that has the Services `a` and `b`.
fn following<F: AsyncFnOnce(&mut Followed)>(configure: impl FnOnce(&Server) -> Kube, test: F) {
    run(async {
        let server = Server::start(None).await;
        server.set("services", "shop/a", service("10.0.0.1"));
        server.set("services", "shop/b", service("10.0.0.2"));
        follow(configure(&server), server, test).await;
    });
}

async fn follow<F: AsyncFnOnce(&mut Followed)>(kube: Kube, server: Server, test: F) {
    let store = Store::new();
    let (handle, run) = kube.follow(store.clone());
    let mut followed = Followed { server, watch: store.watch(), store, handle };
    tokio::select! {
        () = run => panic!("following ended"),
        () = test(&mut followed) => {}
        () = tokio::time::sleep(Duration::from_secs(60)) => {
            panic!("nothing came of it in a minute: {:?}", followed.handle);
        }
    }
}

fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[test]
fn objects_come_change_and_go() {
    following(kube, async |cluster| {
        cluster.handle.ready().await.unwrap();
        assert_eq!(names(&cluster.store.snapshot()), ["a", "b"]);
        cluster.server.set("services", "shop/c", service("10.0.0.3"));
        cluster.has(&["a", "b", "c"]).await;
        cluster.server.set("services", "shop/c", service("10.0.0.33"));
        let changed = ObjectName::new("shop", "c");
        cluster
            .until(|snapshot| snapshot.service(&changed).unwrap().cluster_ips()[0].to_string() == "10.0.0.33")
            .await;
        cluster.server.delete("services", "shop/a");
        cluster.has(&["b", "c"]).await;
        assert!(cluster.handle.problems().is_empty());
    });
}

#[test]
fn a_list_comes_in_pages_and_is_in_force_as_a_whole() {
    following(kube, async |cluster| {
        (0..3)
            .for_each(|index| cluster.server.set("services", &format!("shop/c{index}"), service("10.0.0.3")));
        cluster.handle.ready().await.unwrap();
        let (snapshot, _) = cluster.watch.changed().await.unwrap();
        assert_eq!((snapshot.revision().number(), names(&snapshot).len()), (1, 5));
        let pages: Vec<_> =
            cluster.server.asked().iter().map(|asked| asked.of("continue").is_some()).collect();
        assert_eq!(pages[..3], [false, true, true]);
        assert!(
            cluster.server.asked().iter().all(|asked| asked.is_watch() || asked.of("limit") == Some("2"))
        );
    });
}

#[test]
fn after_a_disconnect_it_goes_on_where_it_was() {
    following(kube, async |cluster| {
        cluster.has(&["a", "b"]).await;
        for round in 0..3 {
            cluster.server.asked_for(|asked| asked.is_watch()).await;
            cluster.server.disconnect();
            cluster.server.delete("services", if round % 2 == 0 { "shop/b" } else { "shop/a" });
            cluster.server.set(
                "services",
                if round % 2 == 0 { "shop/a" } else { "shop/b" },
                service("10.0.0.9"),
            );
            cluster.has(if round % 2 == 0 { &["a"] } else { &["b"] }).await;
        }
        assert_eq!(cluster.lists("services"), 1, "nothing was listed again");
        cluster.no_problem().await;
    });
}

#[test]
fn one_request_after_the_other_goes_over_one_connection() {
    let open = |server: &Server| {
        server.keep_open();
        (0..5).for_each(|index| server.set("services", &format!("shop/c{index}"), service("10.0.0.3")));
        server.next("services", Fault::Status(503, ""));
        kube(server)
    };
    following(open, async |cluster| {
        cluster.handle.ready().await.unwrap();
        // A refused page, the four pages of the list, and three watches that the server ended in good order.
        for round in 1..=3 {
            cluster.server.asked_times(round, |asked| asked.is_watch()).await;
            let name = format!("shop/d{round}");
            cluster.server.set("services", &name, service("10.0.0.4"));
            cluster.until(|snapshot| names(snapshot).len() == 7 + round).await;
            cluster.server.disconnect();
        }
        cluster.server.asked_times(4, |asked| asked.is_watch()).await;
        assert_eq!((cluster.server.connections(), cluster.lists("services")), (1, 2));
    });
}

#[test]
fn a_connection_that_the_server_closed_is_replaced_without_a_word() {
    let many = |server: &Server| {
        (0..5).for_each(|index| server.set("services", &format!("shop/c{index}"), service("10.0.0.3")));
        kube(server)
    };
    following(many, async |cluster| {
        cluster.handle.ready().await.unwrap();
        cluster.server.asked_for(|asked| asked.is_watch()).await;
        // This server closes after each answer: nobody was told of a failure, and nothing was waited for.
        assert_eq!((cluster.server.connections(), cluster.server.asked().len()), (5, 5));
        assert_eq!(cluster.handle.problems(), []);
    });
}

/// What vanished while the server forgot is removed, and what stayed is not touched.
fn relisted(forget: fn(&Server)) {
    following(kube, async |cluster| {
        cluster.has(&["a", "b"]).await;
        cluster.server.asked_for(|asked| asked.is_watch()).await;
        cluster.watch = cluster.store.watch();
        let before = cluster.store.snapshot();
        forget(&cluster.server);
        let (after, delta) = cluster.watch.changed().await.unwrap();
        assert_eq!(names(&after), ["b", "c"], "one change");
        let changed: Vec<_> = delta.services().iter().map(ObjectName::name).collect();
        assert_eq!(changed, ["a", "c"], "b is as it was");
        let b = ObjectName::new("shop", "b");
        assert!(Arc::ptr_eq(before.service(&b).unwrap(), after.service(&b).unwrap()), "its memory is shared");
        assert_eq!(cluster.lists("services"), 2);
        cluster.server.set("services", "shop/d", service("10.0.0.4"));
        cluster.has(&["b", "c", "d"]).await;
        cluster.no_problem().await;
    });
}

#[test]
fn gone_as_a_status_is_a_new_list() {
    relisted(|server| {
        server.delete("services", "shop/a");
        server.set("services", "shop/c", service("10.0.0.3"));
        server.compact();
        server.disconnect();
    });
}

#[test]
fn gone_as_an_event_within_the_stream_is_a_new_list() {
    relisted(|server| {
        let status = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"});
        server.next(
            "services",
            Fault::Body(format!("{}\n", json!({"type": "ERROR", "object": status})).into()),
        );
        // The stream breaks, and the next one says at once that it is too late.
        server.disconnect();
        server.delete("services", "shop/a");
        server.set("services", "shop/c", service("10.0.0.3"));
        server.compact();
    });
}

#[test]
fn a_list_that_is_too_old_halfway_is_begun_again() {
    following(kube, async |cluster| {
        cluster.server.set("services", "shop/c", service("10.0.0.3"));
        cluster.server.asked_for(|asked| asked.of("continue").is_none()).await;
        cluster.server.compact();
        cluster.has(&["a", "b", "c"]).await;
        cluster.handle.ready().await.unwrap();
    });
}

#[test]
fn frames_may_be_cut_anywhere() {
    following(kube, async |cluster| {
        cluster.server.pieces_of(1);
        cluster.has(&["a", "b"]).await;
        for piece in 1..=120 {
            cluster.server.pieces_of(piece);
            cluster.server.set("services", &format!("shop/p{piece:03}"), service("10.0.0.3"));
        }
        cluster.until(|snapshot| names(snapshot).len() == 122).await;
        assert_eq!(cluster.lists("services"), 1);
        assert!(cluster.handle.problems().is_empty());
    });
}

#[test]
fn a_bookmark_moves_the_place_to_go_on_from() {
    following(kube, async |cluster| {
        cluster.has(&["a", "b"]).await;
        cluster
            .server
            .asked_for(|asked| asked.is_watch() && asked.of("allowWatchBookmarks") == Some("true"))
            .await;
        let bookmark = |version| json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "777", "seen": version}}});
        cluster.server.send("services", bookmark);
        cluster.server.disconnect();
        cluster.server.asked_for(|asked| asked.of("resourceVersion") == Some("777")).await;
        assert_eq!(cluster.lists("services"), 1);
    });
}

#[test]
fn garbage_is_told_and_lived_through() {
    for garbage in [
        &b"\xff\xfe\0 no json\n"[..],
        b"{\"type\":\"ADDED\",\"object\":{}}\n",
        b"{\"type\":\"X\",\"object\":{}}\n[1\n",
    ] {
        following(kube, async |cluster| {
            cluster.has(&["a", "b"]).await;
            cluster.server.asked_for(|asked| asked.is_watch()).await;
            (0..20).for_each(|_| cluster.server.next("services", Fault::Body(garbage.to_vec())));
            cluster.server.disconnect();
            let problem = cluster.problem("cannot be read").await;
            assert!(problem.starts_with("services: the API server's answer"), "{problem}");
            assert_eq!(names(&cluster.store.snapshot()), ["a", "b"], "what worked goes on");
            cluster.server.set("services", "shop/c", service("10.0.0.3"));
            cluster.has(&["a", "b", "c"]).await;
            cluster.no_problem().await;
        });
    }
}

#[test]
fn an_object_that_cannot_be_read_stays_what_it_was() {
    following(kube, async |cluster| {
        cluster.has(&["a", "b"]).await;
        cluster.server.set("services", "shop/a", service("10.0.0.256"));
        cluster.server.set("services", "shop/c", json!({"spec": {"ports": "none"}}));
        let problem = cluster.problem("10.0.0.256").await;
        assert!(problem.starts_with("Service shop/a: spec.clusterIP"), "{problem}");
        cluster.problem("Service shop/c: spec.ports: ").await;
        assert_eq!(names(&cluster.store.snapshot()), ["a", "b"]);
        cluster.server.set("services", "shop/a", service("10.0.0.4"));
        cluster.server.delete("services", "shop/c");
        cluster.no_problem().await;
        assert_eq!(cluster.lists("services"), 1);
    });
}

#[test]
fn a_missing_right_is_named_and_stops_nothing_else() {
    let both = |server: &Server| {
        server.allow(Some(vec![Rule { resource: "services".to_owned(), ..Rule::default() }]));
        kube(server).kinds([Kind::Service, Kind::EndpointSlice])
    };
    following(both, async |cluster| {
        cluster.has(&["a", "b"]).await;
        let problem = cluster.problem("403").await;
        let rule = r#"a ClusterRole needs the rule {apiGroups: ["discovery.k8s.io"], resources: [endpointslices], verbs: [list, watch]}"#;
        assert!(problem.starts_with("endpointslices: ") && problem.contains(rule), "{problem}");
        assert!(!cluster.handle.is_ready());
        cluster.server.allow(None);
        cluster.handle.ready().await.unwrap();
        cluster.no_problem().await;
    });
}

#[test]
fn a_kind_that_is_not_served_is_told_and_not_waited_for() {
    let both = |server: &Server| {
        (0..1000).for_each(|_| server.next("ingressclasses", Fault::Status(404, "")));
        kube(server).kinds([Kind::Service, Kind::IngressClass])
    };
    following(both, async |cluster| {
        cluster.handle.ready().await.unwrap();
        cluster.has(&["a", "b"]).await;
        cluster.problem("ingressclasses: the API server does not serve networking.k8s.io/v1 (404)").await;
    });
}

#[test]
fn what_is_refused_for_now_is_asked_again() {
    let troubled = |server: &Server| {
        for fault in
            [Fault::Hangup, Fault::Status(500, ""), Fault::Status(503, ""), Fault::Body(b"<html>".to_vec())]
        {
            server.next("services", fault);
        }
        kube(server)
    };
    following(troubled, async |cluster| {
        cluster.has(&["a", "b"]).await;
        cluster.handle.ready().await.unwrap();
        cluster.no_problem().await;
        assert_eq!(cluster.lists("services"), 5);
    });
}

#[test]
fn the_server_says_when_to_ask_again() {
    let patient = |server: &Server| {
        server.next("services", Fault::Status(429, "Retry-After: 0\r\n"));
        // Our own wait would be an hour.
        kube(server).retry(Duration::from_secs(3600), Duration::from_secs(3600))
    };
    following(patient, async |cluster| cluster.has(&["a", "b"]).await);
}

#[test]
fn a_token_that_rotates_is_read_again() {
    run(async {
        let server = Server::start(None).await;
        server.expect_token("second");
        server.set("services", "shop/a", service("10.0.0.1"));
        let dir = tempfile::tempdir().unwrap();
        let write = |token: &str| std::fs::write(dir.path().join("token"), format!("{token}\n")).unwrap();
        write("first");
        let text = format!(
            "{{current-context: c, contexts: [{{name: c, context: {{cluster: k, user: u}}}}], \
             clusters: [{{name: k, cluster: {{server: '{}'}}}}], users: [{{name: u, user: {{tokenFile: token}}}}]}}",
            server.url()
        );
        let cluster = Cluster::parse_kubeconfig(&text, dir.path()).unwrap();
        let follower = Kube { cluster, ..kube(&server) };
        follow(follower, server, async |cluster| {
            cluster.problem("does not accept the credentials (401)").await;
            write("second");
            cluster.has(&["a"]).await;
            cluster.no_problem().await;
        })
        .await;
    });
}

fn ingress(secret: &str) -> Value {
    json!({"spec": {"tls": [{"hosts": ["shop.example"], "secretName": secret}]}})
}

#[test]
fn only_secrets_that_are_referenced_are_asked_for() {
    let secret = |text: &str| json!({"type": "Opaque", "data": {"key": text}});
    let with_secrets = |server: &Server| {
        for name in ["shop/one", "shop/two", "ops/other"] {
            server.set("secrets", name, secret("YQ=="));
        }
        server.set("ingresses", "shop/web", ingress("one"));
        kube(server).kinds([Kind::Ingress, Kind::Secret])
    };
    following(with_secrets, async |cluster| {
        cluster.handle.ready().await.unwrap();
        let held = |snapshot: &Snapshot| {
            snapshot.secrets().map(|secret| secret.name().name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(held(&cluster.store.snapshot()), ["one"]);
        // It rotates.
        cluster.server.set("secrets", "shop/one", secret("Yg=="));
        cluster.until(|snapshot| snapshot.secrets().next().unwrap().data("key") == Some(&b"b"[..])).await;
        // Another one is referenced, which does not exist yet.
        cluster.server.set("ingresses", "shop/web", ingress("late"));
        cluster.until(|snapshot| held(snapshot).is_empty()).await;
        cluster.server.set("secrets", "shop/late", secret("YQ=="));
        cluster.until(|snapshot| held(snapshot) == ["late"]).await;
        cluster.server.delete("ingresses", "shop/web");
        cluster.until(|snapshot| held(snapshot).is_empty()).await;
        let asked = cluster.server.asked();
        let asked: BTreeSet<_> = asked
            .iter()
            .filter(|asked| asked.resource == "secrets")
            .map(|asked| (asked.namespace.as_deref(), asked.of("fieldSelector")))
            .collect();
        let only = |name| (Some("shop"), Some(name));
        assert_eq!(asked, BTreeSet::from([only("metadata.name=late"), only("metadata.name=one")]));
    });
}

#[test]
fn a_secret_that_a_setting_names_is_followed_without_an_ingress() {
    let named = |server: &Server| {
        server.set("secrets", "ops/default", json!({"type": "Opaque", "data": {"key": "YQ=="}}));
        server.set("secrets", "ops/other", json!({"type": "Opaque", "data": {"key": "YQ=="}}));
        let kube = kube(server).kinds([Kind::Ingress, Kind::Secret]);
        kube.secrets([ObjectName::new("ops", "default")])
    };
    following(named, async |cluster| {
        cluster.until(|snapshot| snapshot.secrets().any(|secret| secret.name().name() == "default")).await;
        assert_eq!(cluster.store.snapshot().secrets().count(), 1);
    });
}

#[test]
fn over_tls_with_a_client_certificate() {
    let (acceptor, ca, client) = certificates();
    run(async {
        let server = Server::start(Some(acceptor)).await;
        server.set("services", "shop/a", service("10.0.0.1"));
        let address = format!("https://{}", server.address()).parse().unwrap();
        let data = |pem: &str| Source::Data(pem.as_bytes().into());
        let tls = |ca: &str, identity| Tls { server_name: None, authorities: data(ca), identity };
        let reach = |tls| Kube { cluster: Cluster { address, tls: Some(tls), token: None }, ..kube(&server) };
        let with_certificate = reach(tls(&ca, Some((data(&client.0), data(&client.1)))));
        let mut stranger = with_certificate.clone();
        stranger.cluster.tls = Some(tls(&ca, None));
        let mut doubter = with_certificate.clone();
        doubter.cluster.tls = Some(tls(&certificates().1, None));
        follow(with_certificate, server.clone(), async |cluster| cluster.has(&["a"]).await).await;
        follow(stranger, server.clone(), async |cluster| {
            cluster.problem("cannot be reached").await;
            assert!(cluster.store.snapshot().objects().is_empty());
        })
        .await;
        follow(doubter, server, async |cluster| drop(cluster.problem("TLS: invalid peer certificate").await))
            .await;
    });
}

/// What the server accepts with, the authority, and a client's certificate and key.
fn certificates() -> (tokio_rustls::TlsAcceptor, String, (String, String)) {
    issued(true)
}

/// The same from a server that looks at tokens only, unless it asks for certificates.
fn issued(asks: bool) -> (tokio_rustls::TlsAcceptor, String, (String, String)) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(params, ca_key);
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        (certificate, key)
    };
    let (server, server_key) = issue("127.0.0.1");
    let (client, client_key) = issue("agent");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
    let config = if asks { config.with_client_cert_verifier(verifier) } else { config.with_no_client_auth() };
    let config = config.with_single_cert(vec![server.der().clone()], key).unwrap();
    (Arc::new(config).into(), ca.pem(), (client.pem(), client_key.serialize_pem()))
}

#[test]
fn ends_when_the_handle_is_dropped() {
    run(async {
        let server = Server::start(None).await;
        let (handle, run) = kube(&server).follow(Store::new());
        drop(handle);
        tokio::time::timeout(Duration::from_secs(60), run).await.unwrap();
    });
}

/// The environment of a pod, and a directory for its service account.
fn in_pod(
    host: &'static str,
    port: &'static str,
    directory: &std::path::Path,
) -> Result<Cluster, ClusterError> {
    let variable = |name| match name {
        "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
        "KUBERNETES_SERVICE_PORT" => Some(port.to_owned()),
        other => panic!("{other}"),
    };
    Cluster::in_pod(variable, directory)
}

#[test]
fn a_pod_knows_its_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let none = Cluster::in_pod(|_| None, dir.path()).unwrap_err();
    assert_eq!(none.to_string(), "KUBERNETES_SERVICE_HOST: is not set: this is no pod of a cluster");
    let empty = in_pod("10.96.0.1", "", dir.path()).unwrap_err();
    assert_eq!(empty.to_string(), "KUBERNETES_SERVICE_PORT: is not set: this is no pod of a cluster");
    let missing = in_pod("10.96.0.1", "443", dir.path()).unwrap_err();
    assert!(missing.to_string().contains("token: cannot be read"), "{missing}");
    std::fs::write(dir.path().join("token"), "t").unwrap();
    std::fs::write(dir.path().join("ca.crt"), "c").unwrap();
    for (host, authority) in
        [("10.96.0.1", "10.96.0.1:443"), ("fd00::1", "[fd00::1]:443"), ("api.example", "api.example:443")]
    {
        let cluster = in_pod(host, "443", dir.path()).unwrap();
        assert_eq!((cluster.address.authority().as_str(), cluster.address.secure), (authority, true));
    }
    assert!(in_pod("10.96.0.1", "https", dir.path()).unwrap_err().to_string().contains("is no server"));
}

#[test]
fn a_pod_follows_its_cluster_with_its_token() {
    let (acceptor, ca, _) = issued(false);
    run(async {
        let server = Server::start(Some(acceptor)).await;
        server.expect_token("of the service account");
        server.set("services", "shop/a", service("10.0.0.1"));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "of the service account\n").unwrap();
        std::fs::write(dir.path().join("ca.crt"), ca).unwrap();
        let port = server.address().port().to_string();
        let variable =
            |name: &str| Some(if name.ends_with("HOST") { "127.0.0.1".to_owned() } else { port.clone() });
        let cluster = Cluster::in_pod(variable, dir.path()).unwrap();
        let follower = Kube { cluster, ..kube(&server) };
        follow(follower, server, async |cluster| cluster.has(&["a"]).await).await;
    });
}

#[test]
fn slices_of_names_are_passed_over_without_a_word() {
    let slices = |server: &Server| {
        let slice = |kind: &str, address: &str| json!({"addressType": kind, "endpoints": [{"addresses": [address]}], "ports": [{"port": 80}]});
        let mut ours = slice("IPv4", "10.0.0.1");
        ours["metadata"] = json!({"labels": {"kubernetes.io/service-name": "a"}});
        server.set("endpointslices", "shop/ours", ours);
        server.set("endpointslices", "shop/named", slice("FQDN", "db.example"));
        kube(server).kinds([Kind::EndpointSlice, Kind::Service])
    };
    following(slices, async |cluster| {
        cluster.handle.ready().await.unwrap();
        cluster.server.set("endpointslices", "shop/late", json!({"addressType": "FQDN", "endpoints": []}));
        cluster.server.set("services", "shop/c", service("10.0.0.3"));
        cluster.has(&["a", "b", "c"]).await;
        assert_eq!(cluster.store.snapshot().slices().count(), 1);
        assert_eq!(cluster.handle.problems(), []);
    });
}
