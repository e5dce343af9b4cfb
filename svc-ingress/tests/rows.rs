//! `docs/rows.md` names tests: each of them exists, and no row is without.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test: it reads the sources"
)]

use std::collections::BTreeSet;
use std::path::Path;

const ROWS: &str = include_str!("../docs/rows.md");
/// Where the tests stand; what lies beside the crate is not in a package of it.
const PLACES: [&str; 4] = ["src", "tests", "../svc-model/src", "../examples/tests"];

/// The names of the functions below a `#[test]` in all files of a directory.
fn tests(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("#[test]\n").skip(1).filter_map(|rest| {
                let (_, rest) = rest.split_once("fn ")?;
                rest.split_once('(').map(|(name, _)| name.to_owned())
            });
            found.extend(names);
        }
    }
}

/// What stands between backticks, if it is a test's name: the longest words of the page.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let is_test =
        |word: &&str| word.len() > 10 && word.contains('_') && !word.contains(['/', '.', ' ', '-', '$']);
    text.split('`').skip(1).step_by(2).filter(is_test)
}

#[test]
fn every_test_that_is_named_exists_and_every_row_names_one() {
    let mut found = BTreeSet::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = PLACES.map(|place| here.join(place));
    let all = places.iter().all(|place| place.is_dir());
    places.iter().filter(|place| place.is_dir()).for_each(|place| tests(place, &mut found));
    assert!(found.contains("every_test_that_is_named_exists_and_every_row_names_one"));
    let missing: Vec<&str> = named(ROWS).filter(|name| all && !found.contains(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "docs/rows.md names tests that there are not");
    let rows = ROWS.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| row "));
    let bare: Vec<&str> =
        rows.filter(|row| named(row.rsplit(" | ").next().unwrap()).next().is_none()).collect();
    assert_eq!(bare, Vec::<&str>::new(), "rows without a test");
}
