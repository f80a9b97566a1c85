//! Bytes → a file of the state folder that is whole at every moment, also after the plug was pulled.

use crate::error::OpenError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Longest file that is read, in bytes.
const MAX_LEN: u64 = 4 << 20;

/// The bytes, or `None` when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    let tell = |source| OpenError::State { doing: "read", path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(meta) if meta.len() > MAX_LEN => {
            Err(tell(io::Error::other(format!("it is larger than {MAX_LEN} bytes"))))
        }
        Ok(_) => fs::read(path).map(Some).map_err(tell),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(tell(error)),
    }
}

/// Replaces the file: temporary file, fsync, rename, fsync of the folder. Mode 0600.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), OpenError> {
    write(path, bytes).map_err(|source| OpenError::State { doing: "write", path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    let temporary = path.with_extension("tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder(folder)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes the folder (mode 0700) when it is missing.
pub(crate) fn folder(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| OpenError::State {
        doing: "create",
        path: path.to_owned(),
        source,
    })
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], OpenError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| OpenError::Random(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn replaces_and_keeps_it_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        assert_eq!(read(&path).unwrap(), None);
        fs::write(path.with_extension("tmp"), "left by a power cut").unwrap();
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_the_file_it_cannot_write() {
        let error = replace(Path::new("/proc/nightjar/users.json"), b"").unwrap_err().to_string();
        assert!(error.contains("/proc/nightjar/users.json"), "{error}");
    }
}
