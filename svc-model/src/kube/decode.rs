//! The API server's JSON: pages of lists, events of watches, errors. Objects are decoded one by one, what is not typed
//! is dropped, and one that cannot be read does not take the others along.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::condition::{NETWORK_UNAVAILABLE, READY};
use crate::wire::Manifest;
use crate::{Kind, Object, ObjectName, Problem, read};

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) version: String,
    /// The token of the next page.
    pub(super) next: Option<String>,
    pub(super) items: Vec<Item>,
}

/// An object as it came.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: ObjectName,
    pub(super) version: String,
    /// Nothing where it is none of the network's business.
    pub(super) object: Result<Option<Object>, Vec<Problem>>,
}

/// An event of a watch.
#[derive(Debug)]
pub(super) enum Event {
    /// It is there now, and looks like this.
    Set(Item),
    /// It is gone.
    Gone(Item),
    /// Nothing happened up to this version.
    Bookmark(String),
    /// The watch cannot go on.
    Error(Status),
}

/// meta/v1 Status: why something failed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) message: String,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(default)]
    metadata: RawListMeta,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawListMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(rename = "type", borrow)]
    what: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct RawObject {
    #[serde(default)]
    metadata: RawMeta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawMeta {
    name: String,
    namespace: String,
    resource_version: String,
}

/// A page of a list of this kind.
pub(super) fn page(kind: Kind, body: &[u8]) -> Result<Page, String> {
    let page: RawPage<'_> = serde_json::from_slice(body).map_err(|error| format!("no list: {error}"))?;
    if page.metadata.resource_version.is_empty() {
        return Err("no list: metadata.resourceVersion is missing".to_owned());
    }
    let items =
        page.items.unwrap_or_default().into_iter().map(|raw| item(kind, raw)).collect::<Result<_, _>>()?;
    let next = page.metadata.next.filter(|token| !token.is_empty());
    Ok(Page { version: page.metadata.resource_version, next, items })
}

/// An event of a watch of this kind.
pub(super) fn event(kind: Kind, line: &[u8]) -> Result<Event, String> {
    let event: RawEvent<'_> = serde_json::from_slice(line).map_err(|error| format!("no event: {error}"))?;
    match &*event.what {
        "ADDED" | "MODIFIED" => item(kind, event.object).map(Event::Set),
        "DELETED" => item(kind, event.object).map(Event::Gone),
        "BOOKMARK" => meta(event.object).map(|meta| Event::Bookmark(meta.resource_version)),
        "ERROR" => Ok(Event::Error(status(event.object.get().as_bytes()))),
        other => Err(format!("no event: type `{}`", other.chars().take(40).collect::<String>())),
    }
}

/// The Status that came with an error, or the start of the text that came instead.
pub(super) fn status(body: &[u8]) -> Status {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
        Status { message: text.trim().to_owned(), ..Status::default() }
    })
}

fn meta(raw: &RawValue) -> Result<RawMeta, String> {
    let object: RawObject = serde_json::from_str(raw.get()).map_err(|error| format!("no object: {error}"))?;
    Ok(object.metadata)
}

fn item(kind: Kind, raw: &RawValue) -> Result<Item, String> {
    let meta = meta(raw)?;
    if meta.name.is_empty() {
        return Err("no object: metadata.name is missing".to_owned());
    }
    let namespaced = kind.is_namespaced();
    let name =
        if namespaced { ObjectName::new(meta.namespace, meta.name) } else { ObjectName::cluster(meta.name) };
    let object = object(kind, &name, raw);
    Ok(Item { name, version: meta.resource_version, object })
}

fn object(kind: Kind, name: &ObjectName, raw: &RawValue) -> Result<Option<Object>, Vec<Problem>> {
    let mut json = serde_json::Deserializer::from_str(raw.get());
    let mut manifest = Manifest::deserialize(kind, &mut json)
        .map_err(|(field, message)| vec![Problem::unnamed(format!("{kind} {name}"), field, message)])?;
    trim(&mut manifest);
    read::stored(&manifest).map_err(crate::Problems::into_vec)
}

/// Drops what would be most of the memory, and no data plane asks for: who manages which field, and the conditions of Pods
/// and Nodes but those by which traffic and pods are kept away.
fn trim(manifest: &mut Manifest) {
    manifest.metadata_mut().managed_fields = None;
    let conditions = match manifest {
        Manifest::Pod(pod) => pod.status.as_mut().and_then(|status| status.conditions.as_mut()),
        Manifest::Node(node) => node.status.as_mut().and_then(|status| status.conditions.as_mut()),
        _ => None,
    };
    if let Some(conditions) = conditions {
        conditions.retain(|condition| {
            matches!(condition.condition_type.as_deref(), Some(READY | NETWORK_UNAVAILABLE))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = r#"{"metadata":{"name":"web","namespace":"shop","resourceVersion":"5","managedFields":[{"a":1}]},
        "spec":{"clusterIP":"10.0.0.1","ports":[{"port":80}],"unknown":{"deep":[1]}}}"#;

    #[test]
    fn a_page_with_an_object_that_cannot_be_read() {
        let bad = r#"{"metadata":{"name":"bad","namespace":"shop"},"spec":{"ports":"none"}}"#;
        let body = format!(
            r#"{{"kind":"ServiceList","metadata":{{"resourceVersion":"9","continue":"t"}},"items":[{WEB},{bad}]}}"#
        );
        let page = page(Kind::Service, body.as_bytes()).unwrap();
        assert_eq!((page.version.as_str(), page.next.as_deref(), page.items.len()), ("9", Some("t"), 2));
        assert!(page.items[0].object.is_ok());
        let problems = page.items[1].object.as_ref().unwrap_err();
        assert!(problems[0].to_string().starts_with("Service shop/bad: spec.ports: "), "{problems:?}");
    }

    #[test]
    fn what_no_data_plane_asks_for_takes_no_memory() {
        let node = r#"{"metadata":{"name":"n","resourceVersion":"7","managedFields":[{"manager":"kubelet"}]},"status":{"conditions":[
            {"type":"DiskPressure","status":"False"},{"type":"NetworkUnavailable","status":"True"},{"type":"Ready","status":"True","reason":"KubeletReady"}]}}"#;
        let body = format!(r#"{{"metadata":{{"resourceVersion":"9"}},"items":[{node}]}}"#);
        let page = page(Kind::Node, body.as_bytes()).unwrap();
        let Ok(Some(Object::Node(node))) = &page.items[0].object else { panic!("{:?}", page.items) };
        assert_eq!((node.meta().resource_version(), node.meta().managed_fields().len()), (Some("7"), 0));
        let conditions: Vec<_> =
            node.conditions().iter().map(|it| (it.condition_type(), it.reason())).collect();
        assert_eq!(conditions, [("NetworkUnavailable", None), ("Ready", Some("KubeletReady"))]);
    }

    #[test]
    fn what_networking_passes_over_is_no_problem() {
        let slice = r#"{"metadata":{"name":"db-1","namespace":"shop"},"addressType":"FQDN","endpoints":[]}"#;
        let body = format!(r#"{{"metadata":{{"resourceVersion":"9"}},"items":[{slice}]}}"#);
        let page = page(Kind::EndpointSlice, body.as_bytes()).unwrap();
        assert!(matches!(page.items[0].object, Ok(None)), "{:?}", page.items);
    }

    #[test]
    fn lists_of_nothing() {
        for items in ["null", "[]"] {
            let body = format!(r#"{{"metadata":{{"resourceVersion":"9","continue":""}},"items":{items}}}"#);
            let page = page(Kind::Node, body.as_bytes()).unwrap();
            assert!(page.next.is_none() && page.items.is_empty());
        }
        assert!(page(Kind::Node, b"{}").is_err() && page(Kind::Node, b"<html>").is_err());
    }

    #[test]
    fn events() {
        let event = |what: &str, object: &str| {
            event(Kind::Service, format!(r#"{{"type":"{what}","object":{object}}}"#).as_bytes())
        };
        assert!(
            matches!(event("ADDED", WEB), Ok(Event::Set(item)) if item.version == "5" && item.object.is_ok())
        );
        assert!(matches!(event("DELETED", WEB), Ok(Event::Gone(_))));
        let bookmark = event(
            "BOOKMARK",
            r#"{"kind":"Service","metadata":{"resourceVersion":"77","creationTimestamp":null}}"#,
        );
        assert!(matches!(bookmark, Ok(Event::Bookmark(version)) if version == "77"));
        let gone = event("ERROR", r#"{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"#);
        assert!(matches!(gone, Ok(Event::Error(status)) if status.code == 410));
        for garbage in ["", "{", "[]", "null", r#"{"type":"ADDED"}"#, r#"{"type":"ADDED","object":7}"#] {
            assert!(super::event(Kind::Service, garbage.as_bytes()).is_err(), "{garbage}");
        }
        assert!(event("REPLACED", WEB).is_err());
    }
}
