//! `ingress --access-log`: a line for each request, in a file.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::program::{Curl, Program, missing_curl, text};

fn lines_of(format: &str) -> String {
    let directory = TempDir::new().unwrap();
    let (manifests, log) = (directory.path().join("manifests"), directory.path().join("access.log"));
    fs::create_dir(&manifests).unwrap();
    fs::write(&log, "before\n").unwrap();
    let arguments = ["--manifests", text(&manifests), "--http", "127.0.0.1:0", "--access-log", text(&log)];
    let program = Program::start(&[&arguments[..], &["--access-log-format", format]].concat());
    Curl::to(program.http(0)).host("web.example").body();
    program.ends_well();
    let written = fs::read_to_string(&log).unwrap();
    written.strip_prefix("before\n").expect("it is appended to").to_owned()
}

#[test]
fn what_was_asked_is_in_the_file_once_the_program_has_ended() {
    if missing_curl() {
        return;
    }
    let line = lines_of("nginx");
    assert!(line.starts_with("127.0.0.1 - - [") && line.contains("\"GET / HTTP/1.1\" 404 "), "{line}");
    let json: Value = serde_json::from_str(&lines_of("json")).unwrap();
    assert_eq!((&json["status"], &json["request_uri"]), (&404.into(), &"/".into()));
}
