use super::{RewriteTarget, pattern};
use crate::path::normalise;

fn rewrite(path: &str, target: &str, request: &str) -> Option<String> {
    let (raw, query) = request.split_once('?').map_or((request, None), |(raw, query)| (raw, Some(query)));
    let normal = normalise(raw).unwrap();
    let pattern = pattern(path).unwrap();
    let groups = pattern.captures(&normal)?;
    Some(RewriteTarget::parse(target).unwrap().fill(&groups, query))
}

#[test]
fn targets_are_filled_from_the_paths_groups() {
    let something = "/something(/|$)(.*)";
    let rows = [
        (something, "/$2", "/something", Some("/")),
        (something, "/$2", "/something/", Some("/")),
        (something, "/$2", "/something/new", Some("/new")),
        (something, "/$2", "/SOMETHING/New", Some("/New")),
        (something, "/$2", "/somethingnew", None),
        (something, "/$2", "/something/new?a=1&b=2", Some("/new?a=1&b=2")),
        (something, "/$2", "/something/a%20b%2Fc", Some("/a%20b/c")),
        (something, "/$2", "/something/a%3Fb%23c%25", Some("/a%3Fb%23c%25")),
        ("/app", "/", "/app/deep/page?x", Some("/?x")),
        ("/app", "/fixed?", "/app?x=1", Some("/fixed")),
        ("/app/(.*)", "/p?q=$1", "/app/z?x=1", Some("/p?q=z&x=1")),
        ("/app/(.*)", "/p?q=$1", "/app/z", Some("/p?q=z")),
        ("/app(/.*)", "$1", "/app/z", Some("/z")),
        ("/app(.*)", "$1", "/app", Some("/")),
        ("/app", "/$5/x", "/app", Some("//x")),
        ("/app", "/a$b", "/app", Some("/a$b")),
    ];
    for (path, target, request, expected) in rows {
        assert_eq!(rewrite(path, target, request).as_deref(), expected, "{path} {target} {request}");
    }
}

#[test]
fn patterns_are_anchored_at_the_start_only_and_linear() {
    let rows = [
        ("/id/[0-9]+", "/id/123", true),
        ("/id/[0-9]+", "/id/123a", true),
        ("/id/[0-9]+", "/id/aaa", false),
        ("/id/[0-9]+$", "/id/123a", false),
        ("/id/[0-9]{3}$", "/id/99", false),
        ("/id/[0-9]{3}$", "/id/123", true),
        ("/id/[0-9]{3}$", "/id/9999", false),
        ("/a|/b", "/x/b", false),
        ("/(a+)+$", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false),
    ];
    for (path, request, matches) in rows {
        assert_eq!(pattern(path).unwrap().is_match(request.as_bytes()), matches, "{path} {request}");
    }
    for refused in ["/(", "/(?=x)", "/(a)\\1", "/((a{1000}){1000}){1000}"] {
        assert!(pattern(refused).is_err(), "{refused}");
    }
}

#[test]
fn a_target_is_a_path() {
    for refused in ["", "x", "https://other.example/", "/a b", "/a\r\nx: y"] {
        assert!(RewriteTarget::parse(refused).is_none(), "{refused:?}");
    }
}
