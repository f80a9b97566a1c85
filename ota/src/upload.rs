//! A streamed body → a file that RAUC can open, whole and bounded; files that no update is about → removed.

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// What is left free on the disk, bytes: journal and history come before any bundle.
const LEAVE: u64 = 4 << 20;

/// Why an upload is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// 411.
    #[error("say how long the bundle is: Content-Length")]
    NoLength,
    /// 413.
    #[error("a bundle may have {most} bytes, this one has {len}")]
    TooLarge {
        /// Its bytes.
        len: u64,
        /// How many may be.
        most: u64,
    },
    /// 507.
    #[error("the bundle has {len} bytes, and {} has room for {room}; free some, or install from an address, which needs none", folder.display())]
    NoRoom {
        /// Its bytes.
        len: u64,
        /// How many fit.
        room: u64,
        /// Where.
        folder: PathBuf,
    },
    /// 400.
    #[error("the upload broke off after {got} of {len} bytes; send it again")]
    Short {
        /// Bytes that came.
        got: u64,
        /// Bytes that were promised.
        len: u64,
    },
    /// 408.
    #[error("nothing came for {0} s; send it again")]
    Stalled(u64),
    /// 500.
    #[error("the bundle cannot be written to {}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Takes `len` bytes and gives the file that holds them. What is not whole is removed.
pub(crate) async fn take<B>(
    body: B,
    len: u64,
    most: u64,
    pause: Duration,
    folder: &Path,
    name: &str,
) -> Result<PathBuf, UploadError>
where
    B: Body<Data = Bytes> + Unpin,
{
    if len > most {
        return Err(UploadError::TooLarge { len, most });
    }
    let (part, whole) = (folder.join(format!("{name}.part")), folder.join(format!("{name}.raucb")));
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |source| UploadError::Disk { path: path.clone(), source }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(disk(folder))?;
    let stat = rustix::fs::statvfs(folder).map_err(|e| disk(folder)(e.into()))?;
    let room = (stat.f_bavail * stat.f_frsize).saturating_sub(LEAVE);
    if len > room {
        return Err(UploadError::NoRoom { len, room, folder: folder.into() });
    }
    let kept = async {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part).await;
        let mut file = file.map_err(disk(&part))?;
        write(body, len, pause, &mut file, disk(&part)).await?;
        fs::rename(&part, &whole).map_err(disk(&whole))
    };
    let kept = kept.await;
    if kept.is_err() {
        let _ = fs::remove_file(&part); // the next start sweeps
    }
    kept.map(|()| whole)
}

async fn write<B>(
    mut body: B,
    len: u64,
    pause: Duration,
    file: &mut File,
    disk: impl Fn(io::Error) -> UploadError,
) -> Result<(), UploadError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut got = 0;
    loop {
        let Ok(frame) = timeout(pause, body.frame()).await else {
            return Err(UploadError::Stalled(pause.as_secs()));
        };
        let data = match frame {
            None => break,
            Some(Err(_)) => return Err(UploadError::Short { got, len }),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        got += data.len() as u64;
        if got > len {
            return Err(UploadError::TooLarge { len: got, most: len });
        }
        let written = timeout(pause, file.write_all(&data)).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(&disk)?;
    }
    if got < len {
        return Err(UploadError::Short { got, len });
    }
    let synced = async {
        file.flush().await?;
        file.sync_all().await
    };
    timeout(pause, synced).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(disk)
}

/// At the start: removes all uploads but the one that an update is about.
pub(crate) fn sweep(folder: &Path, keep: Option<&str>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_ours = path.extension().is_some_and(|e| e == "raucb" || e == "part");
        if is_ours && keep.is_none_or(|keep| path != Path::new(keep)) {
            remove(&path);
        }
    }
}

/// Removes a bundle that no update is about any more, if it is an upload.
pub(crate) fn discard(folder: &Path, bundle: &str) {
    let path = Path::new(bundle);
    if path.parent() == Some(folder) {
        remove(path);
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "{} stays until the next start", path.display());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use std::convert::Infallible;

    const PAUSE: Duration = Duration::from_secs(20);

    fn body(bytes: &'static [u8]) -> Full<Bytes> {
        Full::new(Bytes::from_static(bytes))
    }

    #[tokio::test]
    async fn whole_uploads_are_kept_and_all_others_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("uploads");
        let whole = take(body(b"bundle"), 6, 100, PAUSE, &folder, "a").await.unwrap();
        assert_eq!(fs::read(&whole).unwrap(), b"bundle");
        let wrong = |e: UploadError| e.to_string();
        let short = take(body(b"bun"), 6, 100, PAUSE, &folder, "b").await.map_err(wrong).unwrap_err();
        assert_eq!(short, "the upload broke off after 3 of 6 bytes; send it again");
        take(body(b"bundles"), 6, 100, PAUSE, &folder, "c").await.unwrap_err();
        let large = take(body(b""), 101, 100, PAUSE, &folder, "d").await.map_err(wrong).unwrap_err();
        assert_eq!(large, "a bundle may have 100 bytes, this one has 101");
        let full = take(body(b""), 1 << 60, u64::MAX, PAUSE, &folder, "e").await.map_err(wrong).unwrap_err();
        assert!(full.contains("has room for"), "{full}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        sweep(&folder, whole.to_str());
        assert!(whole.exists());
        discard(dir.path(), whole.to_str().unwrap());
        assert!(whole.exists(), "what lies elsewhere is not ours");
        discard(&folder, whole.to_str().unwrap());
        assert!(!whole.exists());
    }

    #[tokio::test]
    async fn an_upload_that_pauses_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let first =
            futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"bun")))]);
        let stream = StreamBody::new(futures_util::StreamExt::chain(first, futures_util::stream::pending()));
        let error =
            take(Box::pin(stream), 6, 100, Duration::from_millis(20), dir.path(), "a").await.unwrap_err();
        assert!(matches!(error, UploadError::Stalled(_)), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
