//! The table of known faults names tests that exist.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads files and may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// All Rust text of the crate.
fn sources(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(path).unwrap();
        }
    }
}

#[test]
fn every_row_has_a_test_and_every_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("docs/known-faults.md")).unwrap();
    let mut text = String::new();
    sources(&root.join("src"), &mut text);
    sources(&root.join("tests"), &mut text);
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(rows.len(), 14);
    for row in rows {
        let shown_by = row.split(" | ").last().unwrap();
        let names: BTreeSet<_> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{row}");
        for name in names {
            let there = text.contains(&format!("fn {name}(")) || text.contains(&format!("trial(\"{name}\""));
            assert!(there, "{name} is no test");
        }
    }
}
