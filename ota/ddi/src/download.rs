//! An artifact → a whole file with the right hash, or nothing under that name. Goes on where it was cut off, also after a restart.

use crate::http::Answer;
use crate::wire::Artifact;
use crate::{Client, Error, Pace, random};
use hyper::StatusCode;
use hyper::header::CONTENT_RANGE;
use ring::digest::{Context, SHA256};
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// Connections that bring nothing before the board gives up until its next poll.
const TRIES: u32 = 5;
/// Bytes that are read from the disk at a time.
const PIECE: usize = 64 << 10;

impl Client {
    /// Fetches `artifact` to `to`; `progress` hears how many bytes are there. Until they all are, they lie beside it with `.part`
    /// behind the name. A connection that breaks is made again as long as it brings something. Safe to drop at any await.
    pub async fn download(
        &self,
        artifact: &Artifact,
        to: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<(), Error> {
        let mut part = Part::open(artifact, to).await?;
        let was_begun = part.len > 0;
        self.fill_up(artifact, &mut part, &mut progress).await?;
        if was_begun && !part.is(artifact) {
            part.restart().await?; // what was there was of another file
            self.fill_up(artifact, &mut part, &mut progress).await?;
        }
        part.finish(artifact, to).await
    }

    async fn fill_up(
        &self,
        artifact: &Artifact,
        part: &mut Part,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), Error> {
        let mut pace = Pace::default();
        let mut barren = 0;
        while part.len < artifact.size {
            let before = part.len;
            let Err(error) = self.fill(artifact, part, progress).await else { break };
            barren = if part.len > before { 1 } else { barren + 1 };
            if !error.is_of_the_way() || barren >= TRIES {
                return Err(error);
            }
            if barren == 1 {
                pace = Pace::default();
            }
            pace.failed(error.after());
            tokio::time::sleep(pace.next(random())).await;
        }
        Ok(())
    }

    /// One connection's worth.
    async fn fill(
        &self,
        artifact: &Artifact,
        part: &mut Part,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), Error> {
        let mut answer = self.open(artifact, part.len).await?;
        match answer.status {
            StatusCode::PARTIAL_CONTENT if starts_at(&answer) == Some(part.len) => {}
            StatusCode::PARTIAL_CONTENT => return Err(answer.garbled("it sends another range".into())),
            StatusCode::OK => part.restart().await?, // it knows no ranges
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let why = format!("there it has no {} bytes", artifact.size);
                return Err(Error::Artifact { file: artifact.file.clone(), why });
            }
            _ => return Err(answer.refused().await),
        }
        while let Some(piece) = answer.piece().await? {
            if part.len + piece.len() as u64 > artifact.size {
                let why = format!("it is longer than {} bytes", artifact.size);
                part.restart().await?;
                return Err(Error::Artifact { file: artifact.file.clone(), why });
            }
            part.add(&piece).await?;
            progress(part.len);
        }
        if part.len < artifact.size {
            let why = format!("{} ended after {} of {} bytes", artifact.file, part.len, artifact.size);
            return Err(Error::Unreachable { server: self.server(), why });
        }
        Ok(())
    }
}

/// `bytes 100-199/200` → 100.
fn starts_at(answer: &Answer) -> Option<u64> {
    let value = answer.headers.get(CONTENT_RANGE)?.to_str().ok()?;
    value.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// What is there of a file.
struct Part {
    path: PathBuf,
    file: File,
    len: u64,
    hash: Context,
}

impl Part {
    /// What an earlier try left counts, unless there is too much of it.
    async fn open(artifact: &Artifact, to: &Path) -> Result<Self, Error> {
        let mut name = to.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let wrong = |why| Error::Disk { path: path.clone(), why };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path).await;
        let mut part = Self { file: file.map_err(wrong)?, path, len: 0, hash: Context::new(&SHA256) };
        let mut piece = vec![0; PIECE];
        loop {
            let count = part.file.read(&mut piece).await.map_err(|why| part.wrong(why))?;
            if count == 0 {
                return Ok(part);
            }
            part.hash.update(&piece[..count]);
            part.len += count as u64;
            if part.len > artifact.size {
                part.restart().await?;
                return Ok(part);
            }
        }
    }

    fn wrong(&self, why: std::io::Error) -> Error {
        Error::Disk { path: self.path.clone(), why }
    }

    async fn restart(&mut self) -> Result<(), Error> {
        self.file.set_len(0).await.map_err(|why| self.wrong(why))?;
        self.file.seek(SeekFrom::Start(0)).await.map_err(|why| self.wrong(why))?;
        (self.len, self.hash) = (0, Context::new(&SHA256));
        Ok(())
    }

    async fn add(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.file.write_all(piece).await.map_err(|why| self.wrong(why))?;
        self.hash.update(piece);
        self.len += piece.len() as u64;
        Ok(())
    }

    fn is(&self, artifact: &Artifact) -> bool {
        self.hash.clone().finish().as_ref() == artifact.sha256
    }

    /// Looks at the hash, and gives it its name once it is on the disk.
    async fn finish(mut self, artifact: &Artifact, to: &Path) -> Result<(), Error> {
        self.file.flush().await.map_err(|why| self.wrong(why))?;
        if !self.is(artifact) {
            let why = "its SHA-256 differs".to_string();
            fs::remove_file(&self.path).await.map_err(|why| self.wrong(why))?;
            return Err(Error::Artifact { file: artifact.file.clone(), why });
        }
        self.file.sync_all().await.map_err(|why| self.wrong(why))?;
        fs::rename(&self.path, to).await.map_err(|why| self.wrong(why))
    }
}
