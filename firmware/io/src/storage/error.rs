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
    /// Every slab is open.
    #[error("no slab is left to write into; raise [storage] quota")]
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

/// Adds operation and path to an I/O error.
pub(super) fn io_at<T>(
    what: &'static str,
    path: &std::path::Path,
    r: io::Result<T>,
) -> Result<T, StorageError> {
    r.map_err(|source| StorageError::Io { what, path: path.into(), source })
}
