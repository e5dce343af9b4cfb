//! An object's fields, once its kind is known, from any format.

use serde::Deserializer;

use super::Manifest;
use crate::Kind;

/// Why an object's fields could not be read: the path of the field, and the message.
pub(crate) type Fault = (String, String);

impl Manifest {
    /// The fields of an object of this kind, from any format.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(kind: Kind, fields: D) -> Result<Self, Fault> {
        Ok(match kind {
            Kind::ConfigMap => Manifest::ConfigMap(typed(fields)?),
            Kind::EndpointSlice => Manifest::EndpointSlice(typed(fields)?),
            Kind::Endpoints => Manifest::Endpoints(typed(fields)?),
            Kind::Ingress => Manifest::Ingress(typed(fields)?),
            Kind::IngressClass => Manifest::IngressClass(typed(fields)?),
            Kind::Namespace => Manifest::Namespace(typed(fields)?),
            Kind::Node => Manifest::Node(typed(fields)?),
            Kind::Pod => Manifest::Pod(typed(fields)?),
            Kind::Secret => Manifest::Secret(typed(fields).map_err(without_value)?),
            Kind::Service => Manifest::Service(typed(fields)?),
            Kind::ServiceImport => Manifest::ServiceImport(typed(fields)?),
        })
    }
}

fn typed<'de, T: serde::Deserialize<'de>, D: Deserializer<'de>>(fields: D) -> Result<Box<T>, Fault> {
    serde_path_to_error::deserialize(fields).map(Box::new).map_err(|error| {
        let path = error.path().to_string();
        (if path == "." { String::new() } else { path }, error.into_inner().to_string())
    })
}

/// serde's message repeats the value, which a Secret must not.
fn without_value((field, _): Fault) -> Fault {
    (field, "has the wrong type (data and stringData hold texts)".to_owned())
}
