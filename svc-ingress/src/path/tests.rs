use super::{PathError, emit, normalise};

#[test]
fn paths_are_decoded_resolved_and_merged() {
    let rows = [
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("/a//b///c", "/a/b/c"),
        ("/a/./b", "/a/b"),
        ("/a/.", "/a/"),
        ("/a/b/..", "/a/"),
        ("/a/../b", "/b"),
        ("/ip/abc/../../uuid", "/uuid"),
        ("/%75uid", "/uuid"),
        ("/a%20b", "/a b"),
        ("/a%2Fb", "/a/b"),
        ("/a/%2e%2e/b", "/b"),
        ("/a?x=/../..", "/a"),
        ("/a#b", "/a"),
        ("/.well-known/x", "/.well-known/x"),
        ("/a/..b", "/a/..b"),
        ("//", "/"),
    ];
    for (raw, expected) in rows {
        assert_eq!(normalise(raw).unwrap().as_ref(), expected.as_bytes(), "{raw}");
    }
}

#[test]
fn paths_that_lead_nowhere_are_refused() {
    let rows = [
        ("/pre/../../x", PathError::AboveRoot),
        ("/..", PathError::AboveRoot),
        ("/%2e%2e/x", PathError::AboveRoot),
        ("x", PathError::NotAbsolute),
        ("", PathError::NotAbsolute),
        ("*", PathError::NotAbsolute),
        ("/%", PathError::Escape),
        ("/%2", PathError::Escape),
        ("/%zz", PathError::Escape),
        ("/%00", PathError::Control),
        ("/%0d%0aX:1", PathError::Control),
    ];
    for (raw, expected) in rows {
        assert_eq!(normalise(raw), Err(expected), "{raw}");
    }
}

#[test]
fn a_decoded_path_is_escaped_again() {
    let mut target = String::new();
    emit("/a b/c?d#e%f/ä".as_bytes(), &mut target);
    assert_eq!(target, "/a%20b/c%3Fd%23e%25f/%C3%A4");
}
