//! The status of Ingresses, written by the program with the rights that are shipped.

use std::fs;

use serde_json::{Value, json};
use svc_lab::api_server::{Rule, Server};
use tokio::runtime::Runtime;

use super::program::{Program, text, until};

const SHIPPED: &str = include_str!("../../../svc-ingress/manifests/rbac.yaml");

/// Lists and watches of everything, and the rules of the manifest that is shipped.
fn rules() -> Vec<Rule> {
    let written: Vec<_> =
        SHIPPED.lines().map(str::trim).filter(|line| line.starts_with("resources:")).collect();
    assert_eq!(written, ["resources: [ingresses/status]"]);
    let follow = |group: &str, resource: &str| Rule {
        group: group.to_owned(),
        resource: resource.to_owned(),
        verbs: vec!["list".to_owned(), "watch".to_owned()],
        ..Rule::default()
    };
    let status = Rule { verbs: vec!["patch".to_owned()], ..follow("networking.k8s.io", "ingresses/status") };
    let core = ["namespaces", "services", "secrets"].map(|resource| follow("", resource));
    let others = [
        follow("discovery.k8s.io", "endpointslices"),
        follow("networking.k8s.io", "ingresses"),
        follow("networking.k8s.io", "ingressclasses"),
        status,
    ];
    core.into_iter().chain(others).collect()
}

fn written(server: &Server, name: &str) -> Value {
    server
        .object("ingresses", name)
        .map_or(Value::Null, |ingress| ingress["status"]["loadBalancer"]["ingress"].clone())
}

#[test]
fn the_program_writes_where_it_is_reached_into_its_own_ingresses() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(Server::start(None));
    server.allow(Some(rules()));
    server.set("namespaces", "shop", json!({}));
    server.set("ingressclasses", "nginx", json!({"spec": {"controller": "k8s.io/ingress-nginx"}}));
    let ingress =
        |class: &str| json!({"spec": {"ingressClassName": class, "rules": [{"host": "web.example"}]}});
    server.set("ingresses", "shop/web", ingress("nginx"));
    server.set("ingresses", "shop/other", ingress("traefik"));
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("config");
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n\
         clusters: [{{name: test, cluster: {{server: '{}'}}}}]\nusers: [{{name: test, user: {{}}}}]\n",
        server.url()
    );
    fs::write(&kubeconfig, config).unwrap();
    let addresses = ["--publish-status-address", "192.0.2.1", "--publish-status-address", "edge.example"];
    let arguments = ["--kubeconfig", text(&kubeconfig), "--http", "127.0.0.1:0"];
    let program = Program::start(&[&arguments[..], &addresses[..]].concat());
    let expected = json!([{"hostname": "edge.example"}, {"ip": "192.0.2.1"}]);
    until("status", || (written(&server, "shop/web") == expected).then_some(()));
    server.set("ingresses", "shop/more", ingress("nginx"));
    until("status of a new one", || (written(&server, "shop/more") == expected).then_some(()));
    assert_eq!(written(&server, "shop/other"), Value::Null);
    // Somebody without the right is told which rule is missing.
    server.allow(Some(rules().into_iter().filter(|rule| rule.resource != "ingresses/status").collect()));
    server.set("ingresses", "shop/last", ingress("nginx"));
    program.complains("resources: [ingresses/status], verbs: [patch]");
}
