//! What a user may write: the rules of the API server on creation and update, on manifests as they were written.
//!
//! All faults are found at once, each with its field, its value and the rule. Whatever passes here is
//! understood by [`read`], but for the addresses of a Service, which it still has to be given.
//!
//! # Two intakes
//!
//! `create` is this module, [`defaults`](crate::defaults) and [`allocate`](crate::allocate), one after the other: the way of a manifest into
//! a [`ControlPlane`](crate::ControlPlane). `stored` is [`read`] alone: what a cluster holds was accepted once, by some API
//! server of some age, and is not judged again. They differ in this:
//!
//! | rule | create | stored |
//! |--|--|--|
//! | names of objects, labels, annotations and ports | checked | any text |
//! | ClusterIP, `nodePort`, `healthCheckNodePort` within the cluster's ranges | checked | any |
//! | a missing ClusterIP or `nodePort` | allocated | no ClusterIP: refused; no node port: none |
//! | missing `ipFamilies`, `ipFamilyPolicy` | settled (see [`defaults`](crate::defaults)) | those of the clusterIPs; headless: unknown |
//! | spelling of an address (KEP-4858): leading zeros, `::ffff:10.0.0.1`, `FD00::1` | refused unless it was there before | read as it was meant, zeros are decimal |
//! | externalIPs, endpoints: unspecified, loopback, link-local addresses | refused | accepted |
//! | fields of another type (`nodePort` of a ClusterIP Service, a balancer's fields elsewhere, `healthCheckNodePort` without policy Local) | refused; after a change of type dropped | passed over |
//! | `ipMode` missing beside an `ip`, or standing beside none | VIP, refused | VIP, passed over |
//! | an entry of `loadBalancerSourceRanges` that is no CIDR | refused | passed over; it still restricts ([`restricts_sources`]) |
//! | an unknown `trafficDistribution` | refused | passed over |
//! | ports: missing or equal names, the same number twice | refused | accepted |
//! | a second `clusterIPs` of one family; unknown values of `type`, policies, `protocol`, `sessionAffinity`; ports not in 1-65535 | refused | refused: nothing could be made of it |
//! | EndpointSlice: at most 1 000 endpoints, 100 addresses, 20 000 ports, 8 hints | checked | any number |
//! | Ingress: forms of hosts and paths, neither backend nor rules, empty `paths` | checked | any; `pathType` and backends must be there |
//! | Secret, ConfigMap: keys, size, what the type requires | checked | any keys and size |
//! | `status` of a Service, Pod or Ingress, and of a Node that is there | not looked at: [`ControlPlane::update_status`] writes it | read |
//! | metadata: `resourceVersion`, `generation`, `managedFields`, `selfLink`, deletion | dropped, as nobody here keeps such books | kept |
//! | metadata: owners and finalizers | checked | any |
//! | updates: immutable fields | checked | there are none |
//!
//! Both take what the API server takes and nobody here has a use for: a `loadBalancerIP` that is no address (a pool says so),
//! an EndpointSlice that names no Service (a snapshot shows it to nobody), one of addressType FQDN (read, judged, and passed over
//! as proxies do), and two Services with one outside address: a proxy gives each port of it to one of them and names both, and
//! a pool never makes such two.
//!
//! `create` is nowhere stricter than the API server, but that it makes no names from `generateName`. Where it is more lenient: there is no
//! clock, so `uid` and `creationTimestamp` of a new object are what its manifest says; `resourceVersion` is not compared, as
//! nothing is counted; of a Pod that is edited only what is typed here can be found to be immutable; an object with finalizers is gone
//! as soon as it is deleted. In both intakes an object that is refused stops no other.
//!
//! [`ControlPlane::update_status`]: crate::ControlPlane::update_status
//! [`restricts_sources`]: crate::Service::restricts_sources

mod endpoints;
mod ingress;
mod name;
mod objects;
mod ranges;
mod secret;
mod service;
mod service_addresses;
mod service_balancer;
mod service_import;
mod service_ports;
mod service_update;
mod status;
#[cfg(test)]
mod tests;

pub use ranges::Ranges;
pub use status::status;

use crate::problem::Findings;
use crate::wire::{self, Manifest, ObjectMeta};
use crate::{Kind, Meta, Object, ObjectRef, Problems, Service, prepare, read};

/// Whether a manifest may be created. Its status is not looked at (but for a Node's): that is for [`status`] to judge.
///
/// # Errors
/// All its faults.
pub fn create(manifest: &Manifest, ranges: &Ranges) -> Result<(), Problems> {
    check(&prepared(manifest, None), ranges, None)
}

/// Whether a manifest may replace `old`, which is of the same kind. The status stays as it is in `old`.
///
/// # Errors
/// All its faults.
pub fn update(manifest: &Manifest, ranges: &Ranges, old: &Object) -> Result<(), Problems> {
    check(&prepared(manifest, Some(old)), ranges, Some(old))
}

fn prepared(manifest: &Manifest, old: Option<&Object>) -> Manifest {
    let mut manifest = manifest.clone();
    prepare::manifest(&mut manifest, old);
    manifest
}

/// A manifest that was [prepared](prepare::manifest).
pub(crate) fn check(manifest: &Manifest, ranges: &Ranges, old: Option<&Object>) -> Result<(), Problems> {
    if let Manifest::Service(wire) = manifest {
        let old = match old {
            Some(Object::Service(old)) => Some(old.as_ref()),
            _ => None,
        };
        return service(wire, &manifest.reference(), ranges, old).map(drop);
    }
    let at = manifest.reference();
    let mut findings = Findings::of(&at);
    metadata(&at, manifest.metadata(), old.map(Object::meta), &mut findings);
    match manifest {
        Manifest::ConfigMap(wire) => secret::config_map(wire, &mut findings),
        Manifest::EndpointSlice(wire) => endpoints::slice(wire, &mut findings),
        Manifest::Endpoints(wire) => endpoints::endpoints(wire, &mut findings),
        Manifest::Ingress(wire) => ingress::check(wire, old.is_none(), &mut findings),
        Manifest::IngressClass(wire) => ingress::class(wire, &mut findings),
        Manifest::Node(wire) => objects::node(wire, &mut findings),
        Manifest::Pod(wire) => objects::pod(wire, &mut findings),
        Manifest::Secret(wire) => secret::secret(wire, &mut findings),
        Manifest::ServiceImport(wire) => service_import::check(wire, &mut findings),
        Manifest::Namespace(_) | Manifest::Service(_) => {}
    }
    let read = read::stored(manifest);
    match (old, &read) {
        (Some(old), Ok(Some(new))) => objects::immutable(old, new, &mut findings),
        (Some(Object::EndpointSlice(old)), Ok(None)) => {
            let message = format!("is immutable: {} cannot become FQDN", old.address_type());
            findings.report("addressType", message);
        }
        _ => {}
    }
    finish(findings, read.map(drop))
}

/// The Service with its defaults and with what it leaves as it was in `old`, its status too: everything but what is still to
/// be allocated.
///
/// # Errors
/// Everything that keeps it from being created, or from replacing `old`.
pub fn service(
    wire: &wire::Service,
    at: &ObjectRef,
    ranges: &Ranges,
    old: Option<&Service>,
) -> Result<wire::Service, Problems> {
    let mut findings = Findings::of(at);
    let mut wire = wire.clone();
    prepare::service(&mut wire, old);
    metadata(at, &wire.metadata, old.map(Service::meta), &mut findings);
    let completed = service::completed(wire, ranges, old, &mut findings);
    finish(findings, read::object(&service::readable(completed.clone())).map(drop))?;
    Ok(completed)
}

/// Adds what reading finds: the typed fields are checked in one place only.
fn finish(mut findings: Findings<'_>, read: Result<(), Problems>) -> Result<(), Problems> {
    if let Err(problems) = read {
        findings.add_unknown(problems);
    }
    findings.finish()
}

fn metadata(at: &ObjectRef, wire: &ObjectMeta, old: Option<&Meta>, findings: &mut Findings<'_>) {
    let name = at.name.name();
    if !name.is_empty() {
        let checked = match at.kind {
            Kind::Service | Kind::Namespace => name::dns_label(name),
            _ => name::dns_subdomain(name),
        };
        findings.parsed("metadata.name", checked);
    }
    if at.kind.is_namespaced() {
        findings.parsed("metadata.namespace", name::dns_label(at.name.namespace()));
    }
    name::labels("metadata.labels", wire.labels.iter().flatten(), findings);
    let annotations = wire.annotations.iter().flatten();
    for (key, _) in annotations.clone() {
        findings.parsed(&format!("metadata.annotations.{key}"), name::qualified(&key.to_lowercase()));
    }
    let size: usize = annotations.map(|(key, value)| key.len() + value.len()).sum();
    findings.require(size <= 256 << 10, "metadata.annotations", || {
        format!("{size} bytes are more than the 256 KiB that all of them may have")
    });
    bonds(wire, old, findings);
}

/// Who the object is, who it belongs to, and who has to agree before it goes.
fn bonds(wire: &ObjectMeta, old: Option<&Meta>, findings: &mut Findings<'_>) {
    let before = old.map_or("", Meta::uid);
    let now = wire.uid.as_deref().unwrap_or_default();
    findings.require(before.is_empty() || before == now, "metadata.uid", || {
        format!("is immutable: `{before}` cannot become `{now}`")
    });
    let mut controllers = 0;
    for (index, owner) in wire.owner_references.iter().flatten().enumerate() {
        let field = format!("metadata.ownerReferences[{index}]");
        for (name, text) in [
            ("apiVersion", &owner.api_version),
            ("kind", &owner.kind),
            ("name", &owner.name),
            ("uid", &owner.uid),
        ] {
            let said = text.as_deref().is_some_and(|text| !text.is_empty());
            findings.require(said, &format!("{field}.{name}"), || "is required".to_owned());
        }
        controllers += usize::from(owner.controller == Some(true));
        findings.require(
            controllers < 2 || owner.controller != Some(true),
            &format!("{field}.controller"),
            || "true may only be said of one owner".to_owned(),
        );
    }
    let leaving = old.is_some_and(|old| old.deletion().is_some());
    for (index, finalizer) in wire.finalizers.iter().flatten().enumerate() {
        let field = format!("metadata.finalizers[{index}]");
        findings.parsed(&field, name::qualified(finalizer));
        let known = old.is_some_and(|old| old.finalizers().contains(finalizer));
        findings.require(!leaving || known, &field, || {
            format!("`{finalizer}` comes too late: the object is being deleted")
        });
    }
}
