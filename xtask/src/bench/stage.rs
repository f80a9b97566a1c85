//! A set of cameras → the cameras running, an empty folder, and recorders that take turns on them.

use super::farm::Farm;
use super::footage::{Clip, Stream};
use super::frames::Book;
use super::image;
use super::recorder::{Kind, Setup, Source};
use crate::place::{Place, make_dir};
use crate::run;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::sync::Arc;

/// Space that ours is given: more than a run writes.
const QUOTA_MIB: u64 = 4 << 10;

/// What a mode is told.
pub(super) struct Stage<'a> {
    pub(super) place: &'a Place,
    /// Measured seconds a run.
    pub(super) seconds: u64,
    pub(super) rounds: u32,
    /// Cameras that were asked for.
    pub(super) sets: Option<Vec<Set>>,
    /// Room of the ring in `wrap`, if it was given.
    pub(super) ring_mib: Option<u64>,
}

/// Cameras with their streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) cameras: u32,
    pub(super) has_sub: bool,
}

impl Set {
    pub(super) const fn main(cameras: u32) -> Self {
        Self { cameras, has_sub: false }
    }

    pub(super) fn streams(&self) -> &'static [Stream] {
        if self.has_sub { &[Stream::Main, Stream::Sub] } else { &[Stream::Main] }
    }

    pub(super) fn name(&self) -> String {
        if self.has_sub { format!("{} main + sub", self.cameras) } else { self.cameras.to_string() }
    }
}

/// `8,24,8+sub` → sets.
pub(super) fn sets(text: &str) -> Result<Vec<Set>> {
    let set = |word: &str| {
        let (count, has_sub) = match word.trim().strip_suffix("+sub") {
            Some(count) => (count, true),
            None => (word.trim(), false),
        };
        let cameras = count.parse().ok().filter(|n| (1..=64).contains(n))?;
        Some(Set { cameras, has_sub })
    };
    let all: Option<Vec<Set>> = text.split(',').map(set).collect();
    all.with_context(|| format!("`--n {text}`: numbers of cameras from 1 to 64, as in 8,24,8+sub"))
}

/// The clips of some streams, and what is known of their pictures.
pub(super) struct Clips {
    pub(super) clips: Vec<Arc<Clip>>,
    pub(super) books: Vec<(Stream, Book)>,
}

impl Clips {
    /// The books of the streams in a set.
    pub(super) fn load(place: &Place, streams: &[Stream]) -> Result<Self> {
        let mut all = Self { clips: Vec::new(), books: Vec::new() };
        for stream in streams {
            let clip = Clip::load(place, *stream)?;
            all.books.push((*stream, Book::of(&clip)?));
            all.clips.push(Arc::new(clip));
        }
        Ok(all)
    }
}

impl Stage<'_> {
    /// The sets that were asked for, or else these.
    pub(super) fn sets_or(&self, otherwise: &[Set]) -> Vec<Set> {
        self.sets.clone().unwrap_or_else(|| otherwise.to_vec())
    }

    /// An empty folder below `target/bench`.
    pub(super) fn empty(&self, name: &str) -> Result<PathBuf> {
        let work = self.place.target(&format!("bench/{name}"));
        image::leave(&work);
        if work.exists() {
            std::fs::remove_dir_all(&work)
                .with_context(|| format!("can't clear {}", self.place.short(&work)))?;
        }
        make_dir(&work)?;
        Ok(work)
    }

    /// Every stream of `farm` in `set`, to be recorded into `work`.
    pub(super) fn setup(&self, farm: &Farm, set: &Set, work: PathBuf) -> Setup {
        let mut sources = Vec::new();
        for camera in 1..=set.cameras {
            for stream in set.streams() {
                sources.push(Source { camera, stream: *stream, url: farm.url(camera, *stream) });
            }
        }
        Setup { sources, quota_mib: QUOTA_MIB, logs: work.clone(), work, under: Vec::new() }
    }

    /// Every round of a set, with who records: who goes first changes, so that a neighbour's slow drift hits all.
    pub(super) fn turns(
        &self,
        what: &str,
        kinds: &[Kind],
        mut turn: impl FnMut(Kind) -> Result<()>,
    ) -> Result<()> {
        for round in 1..=self.rounds {
            run::say(&format!("{what}, round {round} of {}", self.rounds));
            let mut kinds = kinds.to_vec();
            if round % 2 == 0 {
                kinds.reverse();
            }
            kinds.into_iter().try_for_each(&mut turn)?;
        }
        Ok(())
    }

    /// That recordings can be measured at all.
    pub(super) fn check_recorder(&self) -> Result<()> {
        if !self.place.target("release/nightjar").exists() {
            bail!("target/release/nightjar is missing; `cargo build --release -p nightjar` makes it");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_numbers_in_range_with_or_without_sub_streams() {
        let all = sets("8, 24,8+sub").expect("three sets");
        assert_eq!(all, [Set::main(8), Set::main(24), Set { cameras: 8, has_sub: true }]);
        assert!(sets("0").is_err() && sets("1,x").is_err() && sets("").is_err());
    }
}
