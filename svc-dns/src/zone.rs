//! The names of a zone: what a name means, label by label from the right.
//!
//! `[x ...].<service>.<namespace>.{svc|pod}.<zone>`, as the DNS specification of Kubernetes (schema 1.1.0) lays it out. An
//! empty non-terminal exists: nothing below a name that got NXDOMAIN is ever answered (RFC 8020).

use std::net::IpAddr;

use crate::{
    config::{Origin, PodRecords, Realm, ReverseName, Zone},
    index::{Index, Pointers, RECORD_HEAD, RecordSet, ServiceKind, ServiceRecords, ZONE_MARK},
    message::{Name, QuestionName},
};

/// What is at a name.
#[derive(Debug)]
pub(crate) enum Found<'i> {
    /// The name does not exist.
    Nothing,
    /// The name exists and has no records.
    Empty,
    /// The name of the zone.
    Apex,
    /// `ns.dns.<zone>`: the addresses of the server itself.
    NameServer,
    /// `dns-version.<zone>`.
    Version,
    /// A Service, one of its ports or one of its endpoints.
    Service(&'i ServiceRecords, RecordSet<'i>),
    /// An ExternalName: its whole CNAME record.
    Alias(&'i [u8]),
    /// A pod, by its address.
    Pod(IpAddr),
    /// An address.
    Pointers(&'i Pointers),
}

/// Looks names up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finder<'i> {
    pub(crate) zone: &'i Zone,
    pub(crate) index: &'i Index,
}

impl<'i> Finder<'i> {
    /// What is at a name of this realm.
    pub(crate) fn find(self, name: &QuestionName, realm: Realm<'_>) -> Found<'i> {
        if realm.apex() == 0 {
            return Found::Apex;
        }
        match realm {
            Realm::Cluster(origin, apex) => self.find_name(name, name.labels_before(apex), origin),
            Realm::Reverse(..) => self.find_address(name),
        }
    }

    /// `count` labels stand in front of the zone.
    fn find_name(self, name: &QuestionName, count: usize, origin: &Origin) -> Found<'i> {
        match (name.between(count - 1, count), count) {
            (b"\x03svc" | b"\x03pod", 1) => Found::Empty,
            (b"\x03svc", 2) => self.find_namespace(name.between(0, 1)),
            (b"\x03svc", _) => self.find_service(name, count - 3, origin),
            (b"\x03pod", _) if self.zone.pods() == PodRecords::Disabled => Found::Nothing,
            (b"\x03pod", 2) => self.find_namespace(name.between(0, 1)),
            (b"\x03pod", 3) => self.find_pod(&name.between(0, 1)[1..], name.between(1, 2)),
            (b"\x0bdns-version", 1) => Found::Version,
            (b"\x03dns", 1) => self.empty_non_terminal(),
            (b"\x03dns", 2) if name.between(0, 1) == b"\x02ns" => Found::NameServer,
            _ => Found::Nothing,
        }
    }

    /// Names exist below this one, nothing else speaks for it (RFC 8020).
    fn empty_non_terminal(self) -> Found<'i> {
        if self.zone.is_coredns() { Found::Nothing } else { Found::Empty }
    }

    fn find_namespace(self, label: &[u8]) -> Found<'i> {
        if self.index.has_namespace(label) { Found::Empty } else { Found::Nothing }
    }

    /// `front` labels stand in front of the Service's.
    fn find_service(self, name: &QuestionName, front: usize, origin: &Origin) -> Found<'i> {
        let key = name.between(front, front + 2);
        let Some(service) = self.index.service(key, origin.multicluster) else { return Found::Nothing };
        if !self.zone.exposed().every_namespace() && !self.index.has_namespace(service.namespace()) {
            return Found::Nothing;
        }
        if let Some(alias) = service.alias() {
            return if front == 0 { Found::Alias(alias) } else { Found::Nothing };
        }
        if front == 0 {
            return Found::Service(service, service.own());
        }
        if self.zone.zonal() && !origin.multicluster && name.between(front - 1, front) == ZONE_MARK {
            return self.find_zone(name, front - 1, service);
        }
        let entry = match front {
            1 => service.entry(name.between(0, 1)),
            2 => find_pair(service, name, origin),
            _ => None,
        };
        match entry {
            Some(set) if set.is_empty() => self.empty_non_terminal(),
            Some(set) => Found::Service(service, set),
            None => Found::Nothing,
        }
    }

    /// `<topology zone>.{pin|prefer}._zone.<service>`: `front` labels stand in front of the mark.
    fn find_zone(self, name: &QuestionName, front: usize, service: &'i ServiceRecords) -> Found<'i> {
        if service.kind() != ServiceKind::Headless {
            return Found::Nothing;
        }
        let pinned = match front.checked_sub(1).map(|at| name.between(at, front)) {
            None => return self.empty_non_terminal(),
            Some(b"\x03pin") => true,
            Some(b"\x06prefer") => false,
            Some(_) => return Found::Nothing,
        };
        if front == 1 {
            return self.empty_non_terminal();
        }
        let mut key = [0; Name::MAX_LEN + ZONE_MARK.len()];
        let zone = name.between(0, front - 1);
        key[..zone.len()].copy_from_slice(zone);
        key[zone.len()..][..ZONE_MARK.len()].copy_from_slice(ZONE_MARK);
        match service.entry(&key[..zone.len() + ZONE_MARK.len()]) {
            Some(set) => Found::Service(service, set),
            None if pinned => Found::Empty,
            None => Found::Service(service, service.own()),
        }
    }

    /// Whether any of the names is in a namespace that is answered for.
    fn is_exposed(self, pointers: &Pointers) -> bool {
        let all = self.zone.exposed().every_namespace();
        all || pointers.records().any(|record| self.exposes(&record[RECORD_HEAD..]))
    }

    /// Whether the object with this name (`[<host>.]<service>.<namespace>.svc.<zone>`) is in a namespace that is answered for.
    pub(crate) fn exposes(self, wire: &[u8]) -> bool {
        if self.zone.exposed().every_namespace() {
            return true;
        }
        let name = QuestionName::lower(wire);
        let apex = self.zone.realm_of(&name).map(Realm::apex);
        let namespace = apex.and_then(|apex| name.labels_before(apex).checked_sub(2));
        namespace.is_some_and(|at| self.index.has_namespace(name.between(at, at + 1)))
    }

    fn find_pod(self, label: &[u8], namespace: &[u8]) -> Found<'i> {
        let Some(address) = pod_address(label) else { return Found::Nothing };
        let exists = self.index.has_namespace(namespace)
            && match self.zone.pods() {
                PodRecords::Disabled => false,
                PodRecords::Insecure => true,
                PodRecords::Verified => {
                    let pods = self.index.pods_at(address);
                    pods.iter().any(|pod| pod.namespace().as_bytes().eq_ignore_ascii_case(&namespace[1..]))
                }
            };
        if exists { Found::Pod(address) } else { Found::Nothing }
    }

    fn find_address(self, name: &QuestionName) -> Found<'i> {
        match ReverseName::parse(name) {
            ReverseName::Address(address) => match self.index.pointers(address) {
                Some(pointers) if self.is_exposed(pointers) => Found::Pointers(pointers),
                _ => Found::Nothing,
            },
            ReverseName::Partial(network) if self.index.any_pointer_in(network) => self.empty_non_terminal(),
            ReverseName::Partial(_) | ReverseName::Nothing => Found::Nothing,
        }
    }
}

/// Two labels: a port and a protocol, with an underscore in front or not; in a multicluster zone they are an endpoint and its
/// cluster unless one has an underscore.
fn find_pair<'i>(service: &'i ServiceRecords, name: &QuestionName, origin: &Origin) -> Option<RecordSet<'i>> {
    let labels = [name.between(0, 1), name.between(1, 2)];
    if origin.multicluster && labels.iter().all(|label| label[1] != b'_') {
        return service.entry(name.between(0, 2));
    }
    if labels.iter().all(|label| label[1] == b'_') {
        return service.entry(name.between(0, 2));
    }
    let mut key = [0; 2 * (Name::MAX_LABEL + 2)];
    let mut length = 0;
    for label in labels {
        length += marked(label, &mut key[length..]);
    }
    service.entry(&key[..length])
}

/// Writes the label with an underscore in front; gives its length.
fn marked(label: &[u8], out: &mut [u8]) -> usize {
    let plain = label[1..].strip_prefix(b"_").unwrap_or(&label[1..]);
    // Too long by one where there was none: then it is no name of a port.
    out[0] = label[0] + u8::from(label[1] != b'_');
    out[1] = b'_';
    out[2..2 + plain.len()].copy_from_slice(plain);
    plain.len() + 2
}

/// Three dashes, none beside another, are an IPv4 address.
pub(crate) fn pod_address(label: &[u8]) -> Option<IpAddr> {
    let mut text = [0; Name::MAX_LABEL];
    let dashes = label.iter().filter(|&&byte| byte == b'-').count();
    let v4 = dashes == 3 && !label.windows(2).any(|pair| pair == b"--");
    let address = &mut text[..label.len()];
    address.copy_from_slice(label);
    for byte in address.iter_mut().filter(|byte| **byte == b'-') {
        *byte = if v4 { b'.' } else { b':' };
    }
    std::str::from_utf8(address).ok()?.parse().ok()
}
