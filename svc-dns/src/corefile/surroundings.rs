//! What a Corefile refers to: variables of the environment and other files.

/// Where variables and files come from.
pub trait Surroundings {
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &str) -> Result<String, String>;

    /// The paths that a pattern with `*` in its last part stands for, sorted.
    ///
    /// # Errors
    /// Why the directory cannot be read.
    fn list(&self, pattern: &str) -> Result<Vec<String>, String>;
}

/// No variables, no files.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to it")]
pub struct Nowhere;

impl Surroundings for Nowhere {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn read(&self, _path: &str) -> Result<String, String> {
        Err("files are not read here".to_owned())
    }

    fn list(&self, _pattern: &str) -> Result<Vec<String>, String> {
        Err("files are not read here".to_owned())
    }
}
