//! Kinds that servers have in one version of their API or another.

use super::*;

#[test]
fn a_kind_is_followed_in_the_version_that_is_served() {
    let import = || json!({"spec": {"type": "ClusterSetIP", "ips": ["10.42.0.1"], "ports": [{"port": 80}]}});
    for (served, asked) in
        [("v1beta1", &["v1beta1", "v1beta1"][..]), ("v1alpha1", &["v1beta1", "v1alpha1", "v1alpha1"])]
    {
        let configure = |server: &Server| {
            server.serve_as("serviceimports", served);
            server.set("serviceimports", "shop/web", import());
            kube(server).kinds([Kind::ServiceImport])
        };
        following(configure, async |cluster| {
            cluster.handle.ready().await.unwrap();
            assert_eq!(cluster.store.snapshot().service_imports().count(), 1);
            cluster.server.asked_for(|asked| asked.is_watch()).await;
            let versions: Vec<_> = cluster.server.asked().into_iter().map(|asked| asked.version).collect();
            assert_eq!(versions, asked, "lists and a watch");
            assert!(cluster.handle.problems().is_empty());
        });
    }
}

#[test]
fn a_kind_that_is_served_in_another_version_from_now_on_is_followed_there() {
    let configure = |server: &Server| {
        server.serve_as("serviceimports", "v1alpha1");
        kube(server).kinds([Kind::ServiceImport])
    };
    following(configure, async |cluster| {
        cluster.handle.ready().await.unwrap();
        cluster.server.asked_for(|asked| asked.is_watch()).await;
        cluster.server.serve_as("serviceimports", "v1beta1");
        cluster.server.set("serviceimports", "shop/web", json!({"spec": {"type": "Headless", "ports": []}}));
        cluster.server.disconnect();
        cluster.server.asked_for(|asked| asked.is_watch() && asked.version == "v1beta1").await;
        cluster.until(|snapshot| snapshot.service_imports().count() == 1).await;
    });
}

#[test]
fn a_kind_of_several_versions_that_is_served_in_none_is_told() {
    let configure = |server: &Server| {
        server.serve_as("serviceimports", "v2");
        kube(server).kinds([Kind::Service, Kind::ServiceImport])
    };
    following(configure, async |cluster| {
        cluster.handle.ready().await.unwrap();
        let versions = "multicluster.x-k8s.io/v1beta1 or multicluster.x-k8s.io/v1alpha1 (404)";
        cluster.problem(&format!("serviceimports: the API server does not serve {versions}")).await;
        cluster.server.serve_as("serviceimports", "v1alpha1");
        cluster.no_problem().await;
    });
}
