//! What the README and `.ci/run` tell people to type is what the stages run.

use std::fs;

use crate::tour::TOUR;
use crate::workspace::Workspace;

const TEST: &str = "cargo xtask test";

fn read(path: &str) -> String {
    fs::read_to_string(Workspace::here().unwrap().root().join(path)).unwrap()
}

/// The lines between "```sh" and "```", without their comments.
fn shell_lines(markdown: &str) -> Vec<&str> {
    let fences = markdown.split("```").skip(1).step_by(2);
    let shell = fences.filter_map(|fence| fence.strip_prefix("sh\n"));
    let lines = shell.flat_map(str::lines).map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_readme_shows_the_two_commands_that_ci_runs() {
    assert_eq!(shell_lines(&read("README.md")), [TOUR, TEST]);
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    assert!(read(".ci/run").lines().any(|line| line.trim() == TEST));
}

#[test]
fn every_fence_of_the_readme_is_compiled_or_run_or_a_picture() {
    let readme = read("README.md");
    let kinds = readme.split("```").skip(1).step_by(2).map(|fence| fence.lines().next().unwrap_or_default());
    for kind in kinds {
        assert!(["rust", "rust,no_run", "sh", "text"].contains(&kind), "a fence of kind {kind:?}");
    }
}
