//! `ingress check`: in lines and in JSON, with an exit code that a pipeline can go by.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use super::program::{INGRESS, text};

const CLEAN: &str = "
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: web, namespace: shop, annotations: {nginx.ingress.kubernetes.io/limit-rps: '5'}}
spec:
  ingressClassName: nginx
  rules: [{host: shop.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
";

fn check(manifests: &str, more: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("all.yaml"), manifests).unwrap();
    Command::new(INGRESS).args(["check", text(directory.path())]).args(more).output().unwrap()
}

fn told(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn manifests_without_class_services_and_secrets_are_clean_if_every_annotation_is_honoured() {
    let output = check(CLEAN, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(told(&output).contains("Ingress shop/web: shop.example\n  honoured     limit-rps\n  absent "));
    let other = check(CLEAN, &["--class", "edge"]);
    assert!(told(&other).contains("another controller's: there is no IngressClass nginx"), "{other:?}");
}

#[test]
fn what_is_not_obeyed_is_in_the_exit_code_and_in_json() {
    let snippet = CLEAN.replace("limit-rps: '5'", "server-snippet: 'return 403;'");
    let output = check(&snippet, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let json: Value = serde_json::from_str(told(&output)).unwrap();
    let annotation = &json["ingresses"][0]["annotations"][0];
    assert_eq!((&json["clean"], &annotation["name"]), (&false.into(), &"server-snippet".into()));
    assert_eq!((&annotation["verdict"], &annotation["closes"]), (&"refused".into(), &false.into()));
    assert_eq!(annotation["instead"][0]["of"], "return");
}

#[test]
fn what_is_no_manifest_is_told_and_the_rest_is_checked() {
    let output =
        check(&format!("{CLEAN}---\nkind: Ingress\napiVersion: networking.k8s.io/v1\nmetadata: {{}}\n"), &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(told(&output).contains("all.yaml") && told(&output).contains("Ingress shop/web"), "{output:?}");
}
