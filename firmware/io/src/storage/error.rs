//! Faults of the storage. Those of opening stop the start, with the mend in words; those of running are a state and an alarm.

use std::io;
use std::path::PathBuf;

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The folder cannot be made or written.
    #[error(
        "[storage] path {path}: cannot be written: {source}; choose a folder on a writable disk, owned by the user that runs nightjar"
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another recorder has it.
    #[error("[storage] path {0}: another nightjar is recording there; stop it or choose another folder")]
    InUse(PathBuf),
    /// The disk is too small.
    #[error(
        "[storage] quota: {wanted} MiB are asked for, but only {there} MiB can be had on the disk of {path}; lower the quota or use a larger disk"
    )]
    TooLarge {
        /// The folder.
        path: PathBuf,
        /// MiB.
        wanted: u64,
        /// MiB that are free or already ours.
        there: u64,
    },
    /// The quota does not buy enough slabs.
    #[error(
        "[storage] quota: {wanted} MiB are too few for {streams} streams; at least {least} MiB are needed on this volume"
    )]
    TooSmall {
        /// Streams to record.
        streams: u64,
        /// MiB.
        least: u64,
        /// MiB.
        wanted: u64,
    },
    /// The folder is not there.
    #[error(
        "[storage] path {path}: the disk is missing: {source}; plug it in or mount it, recording goes on by itself"
    )]
    Missing {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder is there, the volume is not: an empty mount point.
    #[error(
        "[storage] path {path}: holds no volume, but {wanted} is expected: its disk is not mounted; mount it, or for a new disk delete the file \"volume\" in the state folder (or [storage] volume)"
    )]
    NoVolume {
        /// The folder.
        path: PathBuf,
        /// The id.
        wanted: String,
    },
    /// It is another volume.
    #[error(
        "[storage] path {path}: holds volume {found}, but {wanted} is expected; mount that one, or to go on with this one delete the file \"volume\" in the state folder (or [storage] volume)"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The id that is there.
        found: String,
        /// The id that should be.
        wanted: String,
    },
    /// The file system is mounted read-only.
    #[error(
        "[storage] path {path}: the disk is read-only: it is worn out, locked or was damaged; check it with fsck, else replace it"
    )]
    ReadOnly {
        /// The folder.
        path: PathBuf,
    },
    /// A write-out failed: what was written may be gone.
    #[error(
        "the disk failed to write out footage: it is worn out, full or was pulled; recording goes on when it answers again"
    )]
    Doubtful,
    /// No disk is there at this moment.
    #[error("the disk with the footage is missing; plug it in, recording goes on by itself")]
    Offline,
    /// Every slab is open, held or being downloaded.
    #[error("no slab is left to write into: all are held or in use; release a hold or raise [storage] quota")]
    NoSlab,
    /// The volume's own description cannot be read.
    #[error(
        "{path}: not a volume description of this version: {reason}; move the folder away or restore the file"
    )]
    BadVolume {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An operation on a file failed.
    #[error("{what} {path}: {source}")]
    Io {
        /// The operation.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The index failed. It is a cache: it is made again at the next start.
    #[error("index: {0}")]
    Index(#[from] sled::Error),
}

impl StorageError {
    /// The state that it means for the volume, as the health page names it.
    pub(super) fn state(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::NoVolume { .. } | Self::Offline => "missing",
            Self::Foreign { .. } => "foreign",
            Self::ReadOnly { .. } => "read-only",
            Self::NoSlab | Self::TooLarge { .. } => "full",
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::ReadOnlyFilesystem => "read-only",
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "full",
                io::ErrorKind::NotFound => "missing",
                _ if source.raw_os_error() == Some(libc::ENODEV) => "missing",
                _ => "failing",
            },
            _ => "failing",
        }
    }

    /// It may go away by itself: a disk comes back.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::NoVolume { .. }
                | Self::Offline
                | Self::Foreign { .. }
                | Self::ReadOnly { .. }
                | Self::Io { .. }
        )
    }
}

/// Adds operation and path to an I/O error.
pub(super) fn io_at<T>(
    what: &'static str,
    path: impl AsRef<std::path::Path>,
    r: io::Result<T>,
) -> Result<T, StorageError> {
    r.map_err(|source| StorageError::Io { what, path: path.as_ref().into(), source })
}
