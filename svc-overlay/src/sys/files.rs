//! Files that others read while we write them.

use std::io::{self, Write as _};
use std::path::Path;
use std::{fs, process};

use crate::error::Error;

/// Puts a new content in the place of the old one: who reads sees the one or the other, also after a crash. Nothing is
/// written where the content is the same.
pub(crate) fn replace(path: &Path, content: &str) -> Result<(), Error> {
    if fs::read_to_string(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    write(path, content).map_err(|cause| Error::new("write", path.display(), cause))
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory {
        fs::create_dir_all(directory)?;
    }
    let temporary = path.with_extension(format!("{}.tmp", process::id()));
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        let _absent = fs::remove_file(&temporary);
    }
    written?;
    // The directory has to remember the new name too.
    fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Takes the file away if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(Error::new("remove", path.display(), cause))
        }
        _ => Ok(()),
    }
}
