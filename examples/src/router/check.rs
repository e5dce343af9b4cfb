//! `ingress check`: what becomes of the Ingresses in a directory.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use svc_ingress::IngressConfig;
use svc_ingress::check::{Check, CheckedAnnotation, CheckedIngress};
use svc_ingress::table::{Conflict, RegexHost};
use svc_model::dir::ManifestDir;
use svc_model::{Object, Problem, Snapshot, yaml};

use super::Routing;

/// Tells what becomes of the Ingresses in a directory here, and what to change before ingress-nginx is replaced.
///
/// Objects are named by annotation and field. Ends with 0 if everything is obeyed as written, with 1 if not, with 2 if the
/// command line is wrong. Services, Secrets and `IngressClass` objects need not be in the directory.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// A directory of manifests, such as the output of `kubectl get ingress --all-namespaces --output yaml` in a file.
    pub directory: PathBuf,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// How Ingresses are read.
    #[command(flatten)]
    pub routing: Routing,
}

/// How it is told.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let config = options.routing.config()?;
    let (snapshot, problems) = read(&options.directory, &config);
    let check = Check::new(&snapshot, &config);
    match options.format {
        Format::Text => {
            problems.iter().for_each(|problem| println!("{problem}"));
            print!("{check}");
        }
        Format::Json => println!("{:#}", json_of(&check, &problems)),
    }
    let clean = check.is_clean() && problems.is_empty();
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a directory holds, as a cluster stores it. Our class is there even if its object is not: people have that elsewhere.
pub(super) fn read(directory: &Path, config: &IngressConfig) -> (Snapshot, Vec<Problem>) {
    let manifests = ManifestDir::new(directory).read();
    let (mut objects, problems) = manifests.stored();
    let is_ours =
        |object: &Object| matches!(object, Object::IngressClass(class) if class.name() == config.class());
    if !objects.iter().any(is_ours) {
        let class = format!(
            "{{kind: IngressClass, apiVersion: networking.k8s.io/v1, metadata: {{name: {}}}, spec: {{controller: {}}}}}",
            json!(config.class()),
            json!(config.controller())
        );
        objects.extend(yaml::read(&class).stored().0);
    }
    (objects.into_iter().collect(), problems)
}

fn json_of(check: &Check, problems: &[Problem]) -> Value {
    json!({
        "clean": check.is_clean() && problems.is_empty(),
        "ingresses": check.ingresses().iter().map(ingress).collect::<Vec<_>>(),
        "regexHosts": check.regex_hosts().iter().map(regex_host).collect::<Vec<_>>(),
        "conflicts": check.conflicts().iter().map(conflict).collect::<Vec<_>>(),
        "problems": problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn ingress(ingress: &CheckedIngress) -> Value {
    json!({
        "name": ingress.name().to_string(),
        "hosts": ingress.hosts(),
        "ignored": ingress.ignored(),
        "annotations": ingress.annotations().iter().map(annotation).collect::<Vec<_>>(),
        "problems": ingress.problems().iter().map(problem).collect::<Vec<_>>(),
        "absent": ingress.absent().iter().map(problem).collect::<Vec<_>>(),
    })
}

fn annotation(annotation: &CheckedAnnotation) -> Value {
    let instead: Vec<_> =
        annotation.instead().iter().map(|instead| json!({"of": instead.of, "what": instead.what})).collect();
    json!({
        "name": annotation.name(),
        "verdict": annotation.verdict().as_str(),
        "messages": annotation.messages(),
        "closes": annotation.closes(),
        "instead": instead,
    })
}

fn problem(problem: &Problem) -> Value {
    json!({"field": problem.field(), "message": problem.message()})
}

fn regex_host(host: &RegexHost) -> Value {
    let causes = host.causes().iter();
    let causes: Vec<_> = causes
        .map(|cause| json!({"ingress": cause.ingress.to_string(), "annotation": cause.annotation}))
        .collect();
    let paths = host.paths().iter();
    let paths: Vec<_> = paths
        .map(|path| {
            json!({
                "ingress": path.ingress.to_string(),
                "path": path.path,
                "pathType": format!("{:?}", path.path_type),
            })
        })
        .collect();
    json!({"host": host.host(), "causes": causes, "paths": paths})
}

fn conflict(conflict: &Conflict) -> Value {
    json!({
        "host": conflict.host(),
        "path": conflict.path(),
        "matching": format!("{:?}", conflict.matching()),
        "served": conflict.winner().to_string(),
        "leftOut": conflict.loser().to_string(),
    })
}
