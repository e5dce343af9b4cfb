//! Faulty manifests among good ones: each fault names file, object and field, and the rest works.
#![allow(clippy::disallowed_methods, reason = "the test writes the files it is about")]

use std::fs;
use std::process::ExitCode;

use examples::client::http::Get;
use examples::client::resolver;
use examples::cluster::Cluster;
use libtest_mimic::{Arguments, Trial};
use svc_model::dir::ManifestDir;

const GOOD: &str = "
apiVersion: v1
kind: Service
metadata: {name: good}
spec: {selector: {app: good}, ports: [{port: 80, targetPort: 8080}], type: NodePort}
---
apiVersion: v1
kind: Pod
metadata: {name: good-1, labels: {app: good}}
spec: {containers: [{ports: [{containerPort: 8080}]}]}
";

/// File, text, and what the report must say of it.
const FAULTY: &[(&str, &str, &[&str])] = &[
    ("kind.yaml", "{apiVersion: v1, kind: Servise, metadata: {name: a}}", &["kind.yaml", "Servise default/a", "kind"]),
    (
        "type.yaml",
        "{apiVersion: v1, kind: Service, metadata: {name: b}, spec: {ports: [{port: eighty}]}}",
        &["type.yaml", "Service default/b", "spec.ports[0].port"],
    ),
    (
        "range.yaml",
        "{apiVersion: v1, kind: Service, metadata: {name: c}, spec: {ports: [{port: 70000}]}}",
        &["range.yaml", "Service default/c", "spec.ports[0].port", "70000 is not in 1-65535"],
    ),
    (
        "taken.yaml",
        "{apiVersion: v1, kind: Service, metadata: {name: d}, spec: {type: NodePort, ports: [{port: 1, nodePort: 30080}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: e}, spec: {type: NodePort, ports: [{port: 1, nodePort: 30080}]}}",
        &["taken.yaml", "Service default/e", "spec.ports[0].nodePort", "30080", "Service default/d"],
    ),
    (
        "broken.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: before}}\n---\nkind: [\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: after}}",
        &["broken.yaml", "line 2", "not valid YAML"],
    ),
];

const MISSING_SECRET: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: without-secret}
spec:
  ingressClassName: nginx
  tls: [{hosts: [good.example], secretName: nowhere}]
  rules: [{host: good.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: good, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: fine}
spec:
  ingressClassName: nginx
  rules: [{host: fine.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: good, port: {number: 80}}}}]}}]
";

fn main() -> ExitCode {
    if let Some(code) = resolver::answer_if_asked() {
        return code;
    }
    svc_lab::enter();
    let trial = Trial::test("faulty_manifests_are_named_and_the_others_work", || {
        svc_lab::run(|lab| async move {
            Ok(among_good_ones(Cluster::start(svc_proxy::Backend::default(), lab).await?).await?)
        });
        Ok(())
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

async fn among_good_ones(mut cluster: Cluster) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text);
    write("good.yaml", GOOD)?;
    write("ingress.yaml", MISSING_SECRET)?;
    write("controller.yaml", include_str!("../manifests/ingress-controller.yaml"))?;
    for (name, text, _) in FAULTY {
        write(name, text)?;
    }
    let problems = cluster.replace_manifests(&ManifestDir::new(directory.path()).read()).await?;
    let reports: Vec<_> = problems.iter().map(ToString::to_string).collect();
    for (name, _, parts) in FAULTY {
        let named = reports.iter().any(|report| parts.iter().all(|part| report.contains(part)));
        anyhow::ensure!(named, "nothing names {parts:?} of {name} in {reports:#?}");
    }
    anyhow::ensure!(reports.len() == FAULTY.len(), "more than the faults was reported: {reports:#?}");
    let secret = cluster.ingress_problems();
    let parts = ["Ingress default/without-secret", "spec.tls[0].secretName", "nowhere"];
    let named = secret.iter().any(|problem| parts.iter().all(|part| problem.to_string().contains(part)));
    anyhow::ensure!(named, "the missing Secret is not named: {secret:?}");
    the_rest_works(&cluster).await?;
    // What was good and is faulty now stays as it was.
    write("good.yaml", "kind: [")?;
    cluster.replace_manifests(&ManifestDir::new(directory.path()).read()).await?;
    the_rest_works(&cluster).await
}

async fn the_rest_works(cluster: &Cluster) -> anyhow::Result<()> {
    let client = cluster.host("client")?;
    let node = cluster.host("server2")?.address();
    let node_port = |service: &str, port: usize| -> anyhow::Result<u16> {
        cluster.service(service)?.ports()[port].node_port().ok_or_else(|| anyhow::anyhow!("no node port"))
    };
    let reply = Get::new((node, node_port("default/good", 0)?).into()).send_from(&client).await?;
    anyhow::ensure!(reply.server()? == "good-1", "the good Service is not served");
    let http = (node, node_port("ingress-nginx/ingress-nginx-controller", 0)?).into();
    let reply = Get::new(http).host("fine.example").send_from(&client).await?;
    anyhow::ensure!(reply.server()? == "good-1", "the good Ingress is not served");
    cluster.service("default/d")?;
    for namespace in ["before", "after"] {
        anyhow::ensure!(
            cluster.store.snapshot().has_namespace(namespace),
            "namespace {namespace} is missing"
        );
    }
    Ok(())
}
