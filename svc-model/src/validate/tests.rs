//! Every rule, kept and broken.

mod ingress;
mod intakes;
mod objects;
mod service;
mod update;

use serde_json::Value;

use crate::validate::{self, Ranges};
use crate::wire::{self, Manifest};
use crate::{Problems, read};

const NOTHING: [String; 0] = [];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn typed<T: serde::de::DeserializeOwned>(json: Value) -> Box<T> {
    Box::new(serde_json::from_value(json).unwrap())
}

fn service(spec: &str) -> Box<wire::Service> {
    typed(serde_json::json!({"metadata": {"name": "web"}, "spec": json(spec)}))
}

fn ranges() -> Ranges {
    Ranges::default()
}

fn dual_stack() -> Ranges {
    let cidrs = ["10.96.0.0/12", "fd00:10:96::/112"].iter().map(|cidr| cidr.parse().unwrap());
    Ranges::default().service_cidrs(cidrs.collect())
}

fn said<T>(result: Result<T, Problems>) -> Vec<String> {
    let problems = result.err().map(Problems::into_vec).unwrap_or_default();
    problems.iter().map(|problem| format!("{}: {}", problem.field(), problem.message())).collect()
}

fn of_service(spec: &str, ranges: &Ranges) -> Vec<String> {
    said(validate::create(&Manifest::Service(service(spec)), ranges))
}
