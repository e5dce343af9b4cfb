//! The laws say something only of fields that occur: every typed field does.

use std::collections::BTreeSet;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::de::value::{Error, MapDeserializer};
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde_json::Value;

use super::stored;
use crate::wire::*;
use crate::{Kind, write};

/// Tells which fields a type asks for, and gives it none.
struct Probe<'a>(&'a mut BTreeSet<&'static str>);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only a struct has fields"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, &str)>()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn ask<T: for<'de> Deserialize<'de>>(fields: &mut BTreeSet<&'static str>) {
    assert!(T::deserialize(Probe(fields)).is_ok());
}

macro_rules! fields_of {
    ($($kind:ident: $($part:ident)*;)*) => {[
        $((Kind::$kind, {
            let mut fields = BTreeSet::new();
            $(ask::<$part>(&mut fields);)*
            fields
        }),)*
    ]};
}

fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            keys(value, found);
        }),
        Value::Array(all) => all.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_typed_field_occurs_and_is_written() {
    let all = fields_of! {
        ConfigMap: ConfigMap ObjectMeta OwnerReference ManagedFieldsEntry;
        EndpointSlice: EndpointSlice Endpoint EndpointConditions EndpointHints HintTarget EndpointPort TargetRef;
        Endpoints: Endpoints EndpointSubset EndpointAddress EndpointPort TargetRef;
        Ingress: Ingress IngressSpec IngressTls IngressRule HttpRule IngressPath Backend ServiceBackend BackendPort
            ResourceBackend IngressStatus LoadBalancerStatus PortStatus;
        IngressClass: IngressClass IngressClassSpec IngressClassParameters;
        Namespace: Namespace;
        Node: Node NodeSpec NodeStatus NodeAddress Taint Condition;
        Pod: Pod PodSpec Container ContainerPort PodStatus PodIp Condition;
        Secret: Secret;
        Service: Service ServiceSpec ServicePort SessionAffinityConfig ClientIpConfig ServiceStatus LoadBalancerStatus
            LoadBalancerIngress PortStatus Condition;
        ServiceImport: ServiceImport ServiceImportSpec ServiceImportPort;
    };
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    for (kind, fields) in all {
        let mut found = BTreeSet::new();
        for _ in 0..400 {
            let manifest = stored::of(kind).new_tree(&mut runner).unwrap().current();
            let object = crate::read::object(&manifest).unwrap();
            keys(&serde_json::to_value(write::manifest(&object)).unwrap(), &mut found);
        }
        let missing: Vec<_> = fields.into_iter().filter(|field| !found.contains(*field)).collect();
        assert_eq!(
            missing,
            NOT_STORED.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, it)| it),
            "{kind}"
        );
    }
}

/// What nobody finds in a cluster: what a user may write instead of `data`, and what conditions of other kinds have.
const NOT_STORED: [(Kind, &[&str]); 4] = [
    (Kind::Secret, &["stringData"]),
    (Kind::Node, &["lastProbeTime", "observedGeneration"]),
    (Kind::Pod, &["lastHeartbeatTime"]),
    (Kind::Service, &["lastHeartbeatTime", "lastProbeTime"]),
];
