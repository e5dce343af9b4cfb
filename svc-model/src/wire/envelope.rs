//! An object with `apiVersion` and `kind` before its fields, as the API writes it.

use serde::{Serialize, Serializer};

use super::Manifest;

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Manifest::ConfigMap(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::EndpointSlice(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::Endpoints(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::Ingress(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::IngressClass(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::Namespace(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::Node(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::Pod(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::Secret(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::Service(object) => Envelope::of(self, object).serialize(serializer),
            Manifest::ServiceImport(object) => Envelope::of(self, object).serialize(serializer),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, T> {
    api_version: &'static str,
    kind: String,
    #[serde(flatten)]
    fields: &'a T,
}

impl<'a, T> Envelope<'a, T> {
    fn of(manifest: &Manifest, fields: &'a T) -> Self {
        let kind = manifest.kind();
        Self { api_version: kind.api_version(), kind: kind.to_string(), fields }
    }
}
