//! The index of rows names tests that exist.
#![allow(clippy::disallowed_methods, reason = "the test reads this crate's files")]

use std::path::Path;

const INDEX: &str = include_str!("../docs/rows.md");

/// The tests that a line of the index names, as the harness calls them.
fn tests_of(line: &str) -> Vec<String> {
    let Some((_, tests)) = line.trim_end_matches(" |").rsplit_once(" | ") else { return Vec::new() };
    let quoted = tests.split('`').skip(1).step_by(2);
    let whole = |name: &str| match name.matches("::").count() {
        1 => format!("responder::tests::{name}"),
        _ => name.to_owned(),
    };
    quoted.map(whole).collect()
}

/// What the file of a module of this crate says; modules within a file are part of it.
fn source(module: &str) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let file = |module: &str| src.join(module.replace("::", "/")).with_extension("rs");
    let inner = || module.rsplit_once("::").map(|(outer, _)| file(outer)).filter(|path| path.exists());
    let path = Some(file(module)).filter(|path| path.exists()).or_else(inner);
    let path = path.unwrap_or_else(|| panic!("there is no module {module}"));
    std::fs::read_to_string(path).expect("a file of this crate")
}

/// Whether the text has a function of this name that is a test.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    let attributes = |at: usize| lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    (0..lines.len()).any(|at| is_it(lines[at]) && attributes(at).any(|line| line.contains("test")))
}

#[test]
fn every_row_is_held_by_tests_that_exist() {
    let rows: Vec<&str> =
        INDEX.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| row")).collect();
    assert!(rows.len() > 70, "{} rows", rows.len());
    for row in rows {
        let tests = tests_of(row);
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            let (module, name) = test.rsplit_once("::").expect("a test is in a module");
            assert!(has_test(&source(module), name), "there is no test {test}, which holds: {row}");
        }
    }
}

#[test]
fn a_test_that_is_not_there_is_found_out() {
    let text = "#[test]\nfn one() {}\n#[tokio::test]\n#[ignore]\nasync fn two() {}\nfn three() {}\n";
    assert_eq!(["one", "two", "three", "on"].map(|name| has_test(text, name)), [true, true, false, false]);
    let row = "| a row | `services::one`, `cache::tests::two` |";
    assert_eq!(tests_of(row), ["responder::tests::services::one", "cache::tests::two"]);
}
