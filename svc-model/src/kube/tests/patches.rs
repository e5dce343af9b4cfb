//! Writing.

use super::*;
use crate::ObjectRef;

fn node() -> ObjectRef {
    ObjectRef::new(Kind::Node, ObjectName::cluster("n1"))
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    run(async {
        let server = Server::start(None).await;
        server.set(
            "nodes",
            "n1",
            json!({"metadata": {"annotations": {"a": "1", "b": "2"}}, "spec": {"x": [1]}}),
        );
        let cluster = Cluster::plain(&server.url()).unwrap();
        let patch = r#"{"metadata": {"annotations": {"b": null, "c": "{\"3\"}"}}}"#;
        cluster.merge_patch(&node(), Some("status"), patch).await.unwrap();
        let object = server.object("nodes", "n1").unwrap();
        assert_eq!(object["metadata"]["annotations"], json!({"a": "1", "c": "{\"3\"}"}));
        assert_eq!(object["spec"], json!({"x": [1]}));
        let asked = server.asked();
        assert_eq!((asked[0].resource.as_str(), asked[0].verb()), ("nodes/status", "patch"));
    });
}

#[test]
fn a_strategic_patch_sets_one_condition_and_leaves_the_others() {
    run(async {
        let server = Server::start(None).await;
        let ready = json!({"type": "Ready", "status": "True"});
        server.set("nodes", "n1", json!({"status": {"conditions": [ready]}}));
        let cluster = Cluster::plain(&server.url()).unwrap();
        let set = async |condition: serde_json::Value| {
            let patch = json!({"status": {"conditions": [condition]}}).to_string();
            cluster.strategic_merge_patch(&node(), Some("status"), &patch).await.unwrap();
            server.object("nodes", "n1").unwrap()["status"]["conditions"].clone()
        };
        let up = json!({"type": "NetworkUnavailable", "status": "False"});
        assert_eq!(set(up.clone()).await, json!([ready, up]));
        let down = json!({"type": "NetworkUnavailable", "status": "True"});
        assert_eq!(set(down.clone()).await, json!([ready, down]));
        assert_eq!(set(json!({"$patch": "delete", "type": "NetworkUnavailable"})).await, json!([ready]));
    });
}

#[test]
fn why_nothing_was_patched_is_told_with_its_cure() {
    run(async {
        let server = Server::start(None).await;
        let cluster = Cluster::plain(&server.url()).unwrap();
        let patch = async || cluster.merge_patch(&node(), Some("status"), "{}").await.unwrap_err();
        let error = patch().await;
        assert!(error.is_not_found() && error.to_string().contains("n1: does not exist (404)"), "{error}");
        server.allow(Some(vec![Rule { resource: "nodes".to_owned(), ..Rule::default() }]));
        let error = patch().await;
        let rule = r#"{apiGroups: [""], resources: [nodes/status], verbs: [patch]}"#;
        assert!(error.is_permission_denied() && error.to_string().contains(rule), "{error}");
        server.next("nodes/status", Fault::Hangup);
        server.allow(None);
        let error = patch().await;
        assert!(error.is_transient() && error.to_string().contains("cannot be reached"), "{error}");
        server.next("nodes/status", Fault::Status(503, ""));
        assert!(patch().await.is_transient());
    });
}
