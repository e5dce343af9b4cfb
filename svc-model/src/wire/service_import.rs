//! ServiceImport (multicluster.x-k8s.io/v1beta1).
#![allow(
    missing_docs,
    clippy::exhaustive_structs,
    reason = "the fields are Kubernetes' own, by the same names"
)]

use serde::{Deserialize, Serialize};

use super::ObjectMeta;
use super::meta::null_is_nothing;

/// A ServiceImport.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceImport {
    #[serde(deserialize_with = "null_is_nothing")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_is_nothing")]
    pub spec: ServiceImportSpec,
}

/// `spec` of a ServiceImport, so far as names are made from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceImportSpec {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub import_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ips: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<ServiceImportPort>>,
}

/// `spec.ports[]` of a ServiceImport.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceImportPort {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
}
