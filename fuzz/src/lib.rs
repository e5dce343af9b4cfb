//! What all fuzz targets share.
//!
//! A target is a file in `fuzz_targets/` of 15 lines or fewer: bytes from anywhere go into one public entry point, which
//! must neither panic nor take memory or time that the bytes do not justify. `seeds/<target>/` holds what it starts from,
//! and every input that once broke it.
//!
//! | | what runs |
//! |--|--|
//! | `cargo xtask fuzz TARGET --seconds 600` | libFuzzer, guided by coverage, on the stable toolchain |
//! | `cargo xtask test --only fuzz` | the same, a few thousand inputs of each target, always the same ones |
//! | `cargo test --package fuzz` | the seeds alone, without libFuzzer |

pub mod dns;
pub mod forwarded;
pub mod ingress;
pub mod table;

#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// Declares the target of a file: `fuzz::target!(|bytes| { .. });`.
#[macro_export]
macro_rules! target {
    (|$bytes:ident| $body:block) => {
        fn target($bytes: &[u8]) $body

        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));

        #[cfg(not(fuzzing))]
        fn main() {
            std::env::args().skip(1).for_each(|path| drop($crate::feed(&path, target)));
        }

        #[cfg(test)]
        #[test]
        fn the_seeds_pass() {
            assert!($crate::feed(&$crate::seeds(env!("CARGO_CRATE_NAME")), target) > 0, "there are no seeds");
        }
    };
}

/// Where the seeds of a target are.
#[must_use]
pub fn seeds(target: &str) -> String {
    format!("{}/seeds/{target}", env!("CARGO_MANIFEST_DIR"))
}

/// Gives the target this file, or each file in this directory. How many there were.
///
/// # Panics
/// A file cannot be read, or the target panics.
#[allow(clippy::disallowed_methods, reason = "a test tool that reads files")]
pub fn feed(path: &str, target: fn(&[u8])) -> usize {
    let Ok(directory) = std::fs::read_dir(path) else {
        target(&std::fs::read(path).expect(path));
        return 1;
    };
    directory.map(|entry| feed(&entry.expect(path).path().to_string_lossy(), target)).sum()
}
