//! A clip or film of the library → an [`Export`] of the web, read off the async threads.

use bytes::Bytes;
use nightjar_api::desk::BoxFuture;
use nightjar_api::{DeskError, Export, Form};
use nightjar_io::clock;
use nightjar_io::storage::{Clip, Extras, Film, Library, Pace, StorageError, StreamId};
use nightjar_types::{Mono, Wall};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Clips kept at a time.
const MAX_KEPT: usize = 8;
/// How long after its last use.
const KEEP: Duration = Duration::from_secs(30);

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) stream: StreamId,
    pub(crate) from: Wall,
    pub(crate) to: Wall,
    pub(crate) form: Form,
}

type Kept = Vec<(Asked, Mono, Arc<ClipExport>)>;

/// Clips in use. A player asks for one file in many ranges: they must come from one plan, although footage is added to
/// the end of its time range meanwhile.
#[derive(Clone, Default)]
pub(crate) struct Clips {
    kept: Arc<Mutex<Kept>>,
}

impl Clips {
    /// Those that were used lately; the others are dropped, and their slabs may be recycled.
    fn kept(&self, now: Mono) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, used, _)| now.since(*used) < KEEP);
        kept
    }

    /// What was asked for: in use already, or new. A new one is planned to its end also when nobody waits for it any
    /// more: who asks again finds it.
    pub(crate) async fn export(&self, library: &Library, asked: Asked) -> Result<Arc<ClipExport>, DeskError> {
        if let Some(clip) = self.find(&asked, clock::mono()) {
            return Ok(clip);
        }
        let (clips, library) = (self.clone(), library.clone());
        let planning = tokio::spawn(async move {
            let question = asked.clone();
            let planned = tokio::task::spawn_blocking(move || question.plan(&library)).await;
            let source = planned.map_err(failed)?.map_err(failed)?;
            let (camera, stream) = (asked.stream.0.to_string(), asked.stream.1);
            let source = source.map_err(|words| DeskError::NoFootage {
                camera: camera.clone(),
                stream,
                words: words.into(),
            })?;
            let clip = Arc::new(ClipExport::new(source, &camera));
            clips.keep(asked, clock::mono(), clip.clone());
            Ok(clip)
        });
        planning.await.map_err(failed)?
    }

    fn find(&self, asked: &Asked, now: Mono) -> Option<Arc<ClipExport>> {
        let mut kept = self.kept(now);
        let (_, used, clip) = kept.iter_mut().find(|(a, ..)| a == asked)?;
        *used = now;
        Some(clip.clone())
    }

    fn keep(&self, asked: Asked, now: Mono, clip: Arc<ClipExport>) {
        let mut kept = self.kept(now);
        if kept.len() >= MAX_KEPT {
            let oldest = kept.iter().enumerate().min_by_key(|(_, (_, used, _))| *used).map(|(n, _)| n);
            oldest.map(|n| kept.swap_remove(n));
        }
        let was_empty = kept.is_empty();
        kept.push((asked, now, clip));
        if was_empty {
            tokio::spawn(self.clone().expire());
        }
    }

    /// Until none is kept: nobody may come and ask, and what is kept holds its slabs.
    async fn expire(self) {
        loop {
            tokio::time::sleep(KEEP).await;
            if self.kept(clock::mono()).is_empty() {
                return;
            }
        }
    }
}

fn failed(error: impl std::fmt::Display) -> DeskError {
    DeskError::Storage(error.to_string())
}

impl Asked {
    /// Blocks on the disk. Words instead when there is no footage.
    fn plan(&self, library: &Library) -> Result<Result<Source, &'static str>, StorageError> {
        let Self { stream, from, to, form } = self;
        let why = library.gaps(stream, *from, *to).first().map(|g| g.cause.words());
        let source = match *form {
            Form::Clip { chapters, proof } => {
                let clip = library.clip(stream, *from, *to, Extras { chapters, proof })?;
                clip.map(|clip| Source::Clip(Box::new(clip)))
            }
            Form::Film { every_us, fps } => {
                let film = library.film(stream, Pace { from: *from, to: *to, every_us, fps })?;
                film.map(|film| Source::Film(film, *to))
            }
        };
        Ok(source.ok_or(why.unwrap_or("nothing was recorded then, or it was recycled")))
    }
}

/// What is behind an export.
pub(crate) enum Source {
    Clip(Box<Clip>),
    Film(Film, Wall),
}

/// One clip or film on its way out.
pub(crate) struct ClipExport {
    source: Arc<Source>,
    name: String,
}

impl ClipExport {
    pub(crate) fn new(source: Source, camera: &str) -> Self {
        let (start, what) = match &source {
            Source::Clip(clip) => (clip.span().0, ""),
            Source::Film(film, _) => (film.start(), "-timelapse"),
        };
        let start = start.to_string().replace(':', "-");
        Self { source: Arc::new(source), name: format!("{camera}-{start}{what}.mp4") }
    }
}

impl Source {
    fn read(&self, at: u64, max: usize) -> Result<Option<Bytes>, StorageError> {
        match self {
            Self::Clip(clip) => clip.read(at, max),
            Self::Film(film, _) => film.read(at, max),
        }
    }
}

impl Export for ClipExport {
    fn len(&self) -> u64 {
        match &*self.source {
            Source::Clip(clip) => clip.len(),
            Source::Film(film, _) => film.len(),
        }
    }

    fn start(&self) -> Wall {
        match &*self.source {
            Source::Clip(clip) => clip.span().0,
            Source::Film(film, _) => film.start(),
        }
    }

    fn end(&self) -> Wall {
        match &*self.source {
            Source::Clip(clip) => clip.span().1,
            Source::Film(_, end) => *end,
        }
    }

    fn playlist(&self, uri: &str) -> Option<String> {
        match &*self.source {
            Source::Clip(clip) => Some(clip.playlist(uri)),
            Source::Film(..) => None,
        }
    }

    fn etag(&self) -> String {
        match &*self.source {
            Source::Clip(clip) => clip.tag(),
            Source::Film(film, _) => film.tag(),
        }
    }

    fn file_name(&self) -> String {
        self.name.clone()
    }

    fn read(&self, offset: u64, max: usize) -> BoxFuture<'_, Result<Bytes, DeskError>> {
        let source = self.source.clone();
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || source.read(offset, max)).await {
                Ok(Ok(Some(bytes))) => Ok(bytes),
                Ok(Ok(None)) => Err(DeskError::Storage("the footage was recycled while it was read".into())),
                Ok(Err(e)) => Err(DeskError::Storage(e.to_string())),
                Err(e) => Err(DeskError::Storage(e.to_string())),
            }
        })
    }
}
