//! Documents, and texts that were made to hurt.

use super::limits::*;
use super::*;

const GOOD: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: good}}";

/// The one problem of a document between two good ones, which both have to be read.
#[track_caller]
fn refused(bomb: &str) -> String {
    let manifests = read(&format!("{GOOD}\n---\n{bomb}\n---\n{GOOD}\n"));
    assert_eq!(manifests.iter().count(), 2, "the others go on: {:?}", manifests.problems());
    let [problem] = manifests.problems() else { panic!("{:?}", manifests.problems()) };
    assert_eq!(problem.object(), "document at line 2");
    problem.message().to_owned()
}

/// A document with this many more levels around it.
fn nested(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: deep}}, status: {open}{close}}}")
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    assert_eq!(refused(&bomb), "aliases make it far larger than its text");
}

#[test]
fn a_large_text_repeated_by_aliases_is_refused() {
    let bomb = format!("[&a {}, {}]", "x".repeat(1 << 20), vec!["*a"; 4000].join(", "));
    assert_eq!(refused(&bomb), "aliases make it far larger than its text");
}

#[test]
fn an_anchor_that_holds_itself_is_refused() {
    assert_eq!(refused("kind: &a [*a]"), "is nested deeper than 64 lists and mappings");
}

#[test]
fn aliases_as_people_use_them_are_read() {
    let ports = "[{name: http, port: 80}, {name: https, port: 443}]";
    let services = vec!["{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: *ports}}"; 50];
    let list = format!("kind: List\nports: &ports {ports}\nitems:\n- {}\n", services.join("\n- "));
    let manifests = read(&list);
    assert_eq!((manifests.iter().count(), manifests.problems()), (50, &[][..]));
}

#[test]
fn merge_keys_are_applied() {
    let (objects, problems) = read(
        "
kind: List
common: &common {app: web, tier: front}
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {<<: *common, tier: back}}}
",
    )
    .stored();
    assert!(problems.is_empty(), "{problems:?}");
    let labels: Vec<_> =
        objects[0].meta().labels().iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(labels, ["app=web", "tier=back"]);
}

#[test]
fn a_deep_document_is_refused() {
    assert_eq!(read(&nested(MAX_DEPTH - 1)).problems(), []);
    let message = "is nested deeper than 64 lists and mappings";
    assert_eq!(refused(&nested(1000)), message);
    assert_eq!(refused(&nested(MAX_DEPTH)), message);
    assert_eq!(refused(&nested(100_000)), message);
    assert_eq!(refused(&"[".repeat(100_000)), message);
    assert_eq!(refused(&"- ".repeat(10_000)), message);
}

#[test]
fn a_document_of_too_many_values_is_not_parsed() {
    for part in ["[],", "a,", "a: b\n", "- a\n", "? ", "- "] {
        let bomb = part.repeat((MAX_COMPLEXITY / complexity(part)) + 1);
        assert!(refused(&bomb).contains("is too complex"), "{part:?}");
    }
}

#[test]
fn a_long_list_is_refused() {
    let zeros = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    assert_eq!(refused(&zeros(MAX_ENTRIES)), "is required", "so many are read: it has no kind");
    assert_eq!(refused(&zeros(MAX_ENTRIES + 1)), "a list or mapping has more than 200000 entries");
}

#[test]
fn a_giant_document_is_refused() {
    let giant = |bytes: usize| format!("# {}", "x".repeat(bytes));
    assert!(refused(&giant(MAX_DOCUMENT_BYTES)).contains("more than the 16777216 that are read"));
    let text = format!("{GOOD}\n---\n{}\n---\n{GOOD}", giant(MAX_DOCUMENT_BYTES - 100));
    assert_eq!(read(&text).problems(), [], "a comment of almost that size");
}

#[test]
fn a_giant_text_is_refused() {
    let manifests = read(&" ".repeat(MAX_TEXT_BYTES + 1));
    assert!(manifests.problems()[0].message().contains("more than the 67108864 that are read"));
}

#[test]
fn documents_beyond_the_limit_are_left_out_and_that_is_said() {
    let manifests = read(&format!("{GOOD}\n{}---\n{GOOD}", "---\n".repeat(MAX_DOCUMENTS)));
    assert_eq!(manifests.iter().count(), 1);
    let [problem] = manifests.problems() else { panic!("{:?}", manifests.problems()) };
    assert_eq!(problem.object(), "document at line 100001");
    assert!(problem.message().contains("all after it are not read"), "{problem}");
}

#[test]
fn a_problem_does_not_repeat_a_giant_value() {
    let giant = "x".repeat(1 << 20);
    let manifests = read(&format!(
        "{{apiVersion: v1, kind: {giant}, metadata: {{name: {giant}}}}}
---
{{apiVersion: {giant}, kind: Service, metadata: {{name: {giant}, namespace: {giant}}}}}
---
{{apiVersion: v1, kind: Service, metadata: {{name: {giant}}}, spec: {{ports: {giant}}}}}"
    ));
    assert_eq!((manifests.problems().len(), manifests.ignored().len()), (2, 1));
    let texts =
        manifests.problems().iter().map(Problem::to_string).chain(manifests.ignored().iter().cloned());
    texts.for_each(|text| assert!(text.len() < 2000, "{} bytes", text.len()));
}

#[test]
fn what_makes_no_sense_is_said() {
    for (document, message) in [
        ("a: !!binary aGk=\nkind: !x y", "without `!tag`"),
        ("{kind: Service, kind: Service}", "`kind` is written twice"),
        ("kind: Service\n...\nkind: Service", "more than one document"),
        ("{[a]: b}", "a key has to be a text"),
        ("{<<: 1}", "for merging"),
        ("42", "is required"),
        ("kind: [", "line 4 column"),
    ] {
        assert!(refused(document).contains(message), "{document}: {}", refused(document));
    }
}

#[test]
fn keys_are_texts_as_on_their_way_to_an_api_server() {
    let (objects, _) =
        read("{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {80: b, true: c}}}").stored();
    assert_eq!(objects[0].meta().labels().keys().collect::<Vec<_>>(), ["80", "true"]);
}

#[test]
fn documents_begin_at_their_lines() {
    let split = |text| document::documents(text).collect::<Vec<_>>();
    assert_eq!(split(""), []);
    assert_eq!(split("a\n---\nb\n--- c\n----\n"), [(1, "a\n"), (2, "---\nb\n"), (4, "--- c\n----\n")]);
    assert_eq!(split("---\r\na\n---"), [(1, "---\r\na\n"), (3, "---")]);
}

#[test]
fn typed_lists_say_what_their_items_are() {
    let list = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSliceList, items: [{metadata: {name: a}, addressType: IPv4}, \
                {kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: b}, addressType: IPv6}]}";
    let others = "{apiVersion: apps/v1, kind: DeploymentList, items: [{metadata: {name: c}}]}\n---\n\
                  {apiVersion: example.com/v1, kind: AllowList, metadata: {name: d}}";
    let manifests = read(&format!("{list}\n---\n{others}"));
    assert_eq!(manifests.problems(), []);
    assert_eq!(manifests.stored().0.len(), 2);
    assert_eq!(manifests.ignored(), ["Deployment default/c", "AllowList default/d"]);
}

#[test]
fn a_kind_of_several_versions_is_read_in_each_and_written_in_the_newest() {
    let text = |version: &str| {
        format!(
            "{{apiVersion: multicluster.x-k8s.io/{version}, kind: ServiceImport, metadata: {{name: a}}, spec: {{type: Headless, ports: []}}}}"
        )
    };
    let (older, newer) = (read(&text("v1alpha1")).stored(), read(&text("v1beta1")).stored());
    assert!(older == newer && newer.1.is_empty(), "{older:?}");
    assert!(write(&older.0[0]).starts_with("apiVersion: multicluster.x-k8s.io/v1beta1\n"));
    let problem = read(&text("v2")).problems()[0].to_string();
    assert_eq!(
        problem,
        "ServiceImport default/a: apiVersion: `multicluster.x-k8s.io/v2` is not served: write multicluster.x-k8s.io/v1beta1"
    );
}
