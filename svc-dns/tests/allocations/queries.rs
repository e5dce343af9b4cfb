//! A cluster, and what its clients ask: for both tests that count allocations.

use svc_dns::{
    PodRecords, Zone,
    message::{Name, Query, RecordType},
};
use svc_model::{Object, yaml};

const CLUSTER: &str = include_str!("../../src/responder/cluster.yaml");

pub(crate) fn objects() -> Vec<Object> {
    yaml::read(CLUSTER).stored().0
}

pub(crate) fn zone() -> Zone {
    let zone = Zone::builder("cluster.local")
        .also("example.org")
        .multicluster("clusterset.local")
        .reverse("10.96.0.0/16")
        .reverse("172.0.0.0/8");
    zone.pods(PodRecords::Insecure).zonal(true).build().expect("a zone")
}

/// Every kind of name that clients ask for, and most types.
fn plain() -> Vec<Vec<u8>> {
    let names = [
        "svc1.testns.svc.cluster.local",
        "SVC1.testns.svc.CLUSTER.local",
        "dual.testns.svc.example.org",
        "hdls1.testns.svc.cluster.local",
        "large.testns.svc.cluster.local",
        "172-0-0-2.hdls1.testns.svc.cluster.local",
        "_http._tcp.svc1.testns.svc.cluster.local",
        "http.tcp.svc1.testns.svc.cluster.local",
        "_http._tcp.hdls1.testns.svc.cluster.local",
        "external.testns.svc.cluster.local",
        "inside.testns.svc.cluster.local",
        "chain.testns.svc.cluster.local",
        "dangling.testns.svc.cluster.local",
        "svc0.testns.svc.cluster.local",
        "api.example.com.testns.svc.cluster.local",
        "testns.svc.cluster.local",
        "svc.cluster.local",
        "10-1-2-3.testns.pod.cluster.local",
        "dns-version.cluster.local",
        "1.0.96.10.in-addr.arpa",
        "99.0.96.10.in-addr.arpa",
        "2.0.0.172.in-addr.arpa",
        "us-east.pin._zone.hdls1.testns.svc.cluster.local",
        "imported.testns.svc.clusterset.local",
        "web.alpha.imported.testns.svc.clusterset.local",
        "www.example.com",
    ];
    let kinds = [
        RecordType::A,
        RecordType::AAAA,
        RecordType::SRV,
        RecordType::PTR,
        RecordType::CNAME,
        RecordType::TXT,
        RecordType::HTTPS,
        RecordType::ANY,
        RecordType::SOA,
    ];
    let query = |name: &str, kind| Query::emit(7, &name.parse::<Name>().expect("a name"), kind);
    names.iter().flat_map(|name| kinds.map(|kind| query(name, kind))).collect()
}

/// All of them, each in several forms.
pub(crate) fn queries() -> Vec<Vec<u8>> {
    plain().iter().flat_map(|query| variants(query)).collect()
}

/// The same in other spellings, without and with an OPT record: of some size, without options or with one that nobody knows.
fn variants(query: &[u8]) -> Vec<Vec<u8>> {
    let end = query.len() - 4;
    let mut mixed = query.to_vec();
    mixed[12..end].iter_mut().step_by(2).for_each(|byte| byte.make_ascii_uppercase());
    let edns = |query: &[u8], size: u16, options: &[u8]| {
        let mut query = query.to_vec();
        query[11] = 1;
        query.extend(b"\x00\x00\x29");
        query.extend(size.to_be_bytes());
        query.extend(b"\x00\x00\x80\x00\x00");
        query.push(u8::try_from(options.len()).expect("few bytes"));
        query.extend(options);
        query
    };
    let with = |query: &[u8]| {
        [edns(query, 512, b""), edns(query, 1232, b""), edns(query, 4096, b"\xfd\xe9\x00\x04abcd")]
    };
    [vec![query.to_vec(), mixed.clone()], with(query).to_vec(), with(&mixed).to_vec()].concat()
}
