//! Key frames of one stream, one for each step of time → one virtual MP4 without sound. Nothing is decoded; only the heads
//! of the chosen fragments are read to plan it, only their first pictures to send it.

use crate::export::Slabs;
use crate::layout::{HEAD_LEN, Kind};
use crate::scan::{Record, Scanned};
use bytes::Bytes;
use nightjar_media::{FragmentWriter, Sample, VIDEO_TIMESCALE, VIDEO_TRACK, fragment, init, sidx};
use nightjar_types::{StreamParams, Wall};

/// Most pictures of one film.
pub const MAX_PICTURES: usize = 20_000;
/// Bytes of a fragment read at first to find its first picture; a longer `moof` is read again.
const FIRST_READ: usize = 1_024;
/// Most bytes of a `moof`.
const MAX_MOOF: usize = 64 << 10;

/// Which moments, and how fast they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The first moment.
    pub from: Wall,
    /// Before this one.
    pub to: Wall,
    /// From one moment to the next, µs; above 0.
    pub every_us: i64,
    /// Pictures a second, 1 to 60.
    pub fps: u32,
}

impl Pace {
    /// Moments in the range.
    pub fn steps(&self) -> u64 {
        let range = self.to.micros_since(self.from).max(0) as u64;
        range.div_ceil(self.every_us.max(1) as u64)
    }

    /// 90 kHz ticks that each picture is shown.
    fn ticks(&self) -> u32 {
        VIDEO_TIMESCALE / self.fps.clamp(1, 60)
    }
}

/// Collects the pictures, slab by slab.
#[derive(Debug)]
pub struct LapsePlanner {
    pace: Pace,
    variants: Vec<StreamParams>,
    start: Option<Wall>,
    /// The best key frame so far for the step that is being filled, and that step.
    best: Option<(i64, i64, Candidate)>,
    pictures: Vec<Picture>,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    generation: u64,
    offset: u32,
    len: u32,
    variant: u32,
    wall: Wall,
}

#[derive(Debug, Clone, Copy)]
struct Picture {
    generation: u64,
    /// Where its bytes begin in the slab.
    offset: u32,
    size: u32,
    variant: u32,
    /// Where its fragment begins in the film.
    at: u64,
}

/// A virtual film.
#[derive(Debug, Clone)]
pub struct Lapse {
    head: Vec<u8>,
    start: Wall,
    ticks: u32,
    /// Bytes of every `moof` with the head of its `mdat`.
    moof_len: u32,
    pictures: Vec<Picture>,
    len: u64,
}

impl LapsePlanner {
    /// A film of these moments.
    pub fn new(pace: Pace) -> Self {
        Self { pace, variants: Vec::new(), start: None, best: None, pictures: Vec::new() }
    }

    /// Adds the stream's next slab in time order.
    pub fn slab<S: Slabs + ?Sized>(&mut self, slabs: &S, found: &Scanned) -> Result<(), S::Error> {
        let (from, every_us) = (self.pace.from, self.pace.every_us.max(1));
        let params = StreamParams { audio: None, ..found.slab.params.clone() };
        let known = self.variants.iter().position(|v| *v == params);
        let variant = known.unwrap_or_else(|| {
            self.variants.push(params);
            self.variants.len() - 1
        }) as u32;
        let keys = found.records.iter().filter(|r| r.head.kind == Kind::Fragment && r.head.is_key());
        for Record { offset, head } in keys {
            let after = head.wall.micros_since(from);
            let step = after.saturating_add(every_us / 2).div_euclid(every_us);
            if step < 0 || step as u64 >= self.pace.steps() {
                continue;
            }
            let off = (after - step * every_us).abs();
            let candidate = Candidate {
                generation: found.generation,
                offset: *offset as u32,
                len: head.len,
                variant,
                wall: head.wall,
            };
            match self.best {
                Some((of, ..)) if of != step => {
                    self.take(slabs)?;
                    self.best = Some((step, off, candidate));
                }
                Some((_, known, _)) if known <= off => {}
                _ => self.best = Some((step, off, candidate)),
            }
        }
        Ok(())
    }

    /// The step is over: its best key frame is in the film, if it is still on the card.
    fn take<S: Slabs + ?Sized>(&mut self, slabs: &S) -> Result<(), S::Error> {
        let Some((.., chosen)) = self.best.take() else { return Ok(()) };
        if self.pictures.len() >= MAX_PICTURES {
            return Ok(());
        }
        let begin = u64::from(chosen.offset) + HEAD_LEN as u64;
        let all = (chosen.len as usize).saturating_sub(HEAD_LEN);
        let mut moof = None;
        for most in [FIRST_READ, MAX_MOOF] {
            let mut bytes = vec![0; all.min(most)];
            let n = slabs.read_at(chosen.generation, begin, &mut bytes)?;
            bytes.truncate(n);
            moof = fragment::read_moof(&bytes);
            if moof.is_some() {
                break;
            }
        }
        let Some(moof) = moof else { return Ok(()) };
        let Some(run) = moof.runs.first().filter(|r| r.track == VIDEO_TRACK) else { return Ok(()) };
        let before = moof.len + 8;
        if before + run.first_size as usize > all {
            return Ok(());
        }
        let offset = chosen.offset + (HEAD_LEN + before) as u32;
        self.start.get_or_insert(chosen.wall);
        let Candidate { generation, variant, .. } = chosen;
        self.pictures.push(Picture { generation, offset, size: run.first_size, variant, at: 0 });
        Ok(())
    }

    /// The film. `None` when there is no key frame near any of the moments.
    pub fn finish<S: Slabs + ?Sized>(mut self, slabs: &S) -> Result<Option<Lapse>, S::Error> {
        self.take(slabs)?;
        let Some(start) = self.start else { return Ok(None) };
        let ticks = self.pace.ticks();
        let moof_len = moof(0, ticks, 0).len() as u32;
        let variants: Vec<&StreamParams> = self.variants.iter().collect();
        let duration = self.pictures.len() as u64 * u64::from(ticks);
        let mut head = init::segment(&variants, start, Some(duration));
        let references: Vec<sidx::Reference> = self
            .pictures
            .iter()
            .map(|p| sidx::Reference { size: p.size + moof_len, duration: ticks, is_key: true })
            .collect();
        head.extend(sidx::write(&references));
        let mut at = head.len() as u64;
        for p in &mut self.pictures {
            p.at = at;
            at += u64::from(moof_len + p.size);
        }
        Ok(Some(Lapse { head, start, ticks, moof_len, pictures: self.pictures, len: at }))
    }
}

fn moof(n: usize, ticks: u32, size: u32) -> Vec<u8> {
    let sample = Sample { duration: ticks, size, cts: 0, is_key: true };
    let video_time = n as u64 * u64::from(ticks);
    FragmentWriter { sequence: n as u32 + 1, video_time, video: &[sample], audio_time: 0, audio: &[] }
        .write(Vec::with_capacity(128))
}

impl Lapse {
    /// Bytes of the whole film.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: a film has at least one picture.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// When the first picture was taken.
    pub fn start(&self) -> Wall {
        self.start
    }

    /// How many there are.
    pub fn pictures(&self) -> usize {
        self.pictures.len()
    }

    /// Generations of the slabs that are read.
    pub fn generations(&self) -> impl Iterator<Item = u64> {
        self.pictures.iter().map(|p| p.generation)
    }

    /// A name for these bytes.
    pub fn tag(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.head);
        for p in &self.pictures {
            hasher.update(&p.generation.to_be_bytes()).update(&p.offset.to_be_bytes());
        }
        hasher.finalize().to_hex()[..24].to_owned()
    }

    /// At most `max` bytes from `at` on; fewer at the end of a part, none behind the end. `None` when the footage was
    /// recycled meanwhile.
    pub fn read<S: Slabs + ?Sized>(&self, slabs: &S, at: u64, max: usize) -> Result<Option<Bytes>, S::Error> {
        let cut = |bytes: &[u8], from: u64| {
            let from = (from as usize).min(bytes.len());
            Bytes::copy_from_slice(&bytes[from..from.saturating_add(max).min(bytes.len())])
        };
        if at < self.head.len() as u64 {
            return Ok(Some(cut(&self.head, at)));
        }
        if at >= self.len {
            return Ok(Some(Bytes::new()));
        }
        let n = self.pictures.partition_point(|p| p.at <= at) - 1;
        let picture = &self.pictures[n];
        let inside = at - picture.at;
        let Some(inside) = inside.checked_sub(u64::from(self.moof_len)) else {
            let mut bytes = moof(n, self.ticks, picture.size);
            if let Some(moof) = fragment::read_moof(&bytes) {
                let at = moof.runs[0].description_at;
                bytes[at..at + 4].copy_from_slice(&(picture.variant + 1).to_be_bytes());
            }
            return Ok(Some(cut(&bytes, inside)));
        };
        let left = (u64::from(picture.size) - inside) as usize;
        let mut bytes = vec![0; left.min(max)];
        let n = slabs.read_at(picture.generation, u64::from(picture.offset) + inside, &mut bytes)?;
        Ok((n == bytes.len()).then(|| bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tests::{Shelf, footage};
    use nightjar_media::walk::Boxes;

    #[test]
    fn takes_the_nearest_key_frame_of_each_step_over_slabs_and_holes() {
        // a key frame a second, 400 s, in slabs of 64 KiB; 100 s are missing
        let shelf = Shelf::record(footage(0..400).filter(|u| !(100..200).contains(&(u.wall.0 / 1_000_000))));
        assert!(shelf.scans().len() > 3);
        let pace = Pace { from: Wall(0), to: Wall(400_000_000), every_us: 10_000_000, fps: 25 };
        let mut planner = LapsePlanner::new(pace);
        for found in shelf.scans() {
            planner.slab(&shelf, &found).unwrap();
        }
        let film = planner.finish(&shelf).unwrap().unwrap();
        // each of 30 moments, and one beside either end of the hole
        assert!((30..=32).contains(&film.pictures()), "{}", film.pictures());
        let all = read_all(&film, &shelf, 100);
        assert_eq!(all.len() as u64, film.len());
        assert_eq!(all, read_all(&film, &shelf, usize::MAX), "the same in any pieces");
        let kinds: Vec<[u8; 4]> = Boxes::new(&all).map(|b| b.unwrap().kind).collect();
        assert_eq!(kinds[..3], [*b"ftyp", *b"moov", *b"sidx"]);
        assert_eq!(kinds.len(), 3 + 2 * film.pictures());
    }

    #[test]
    fn no_footage_is_no_film() {
        let shelf = Shelf::record(footage(0..3));
        let pace = Pace { from: Wall(1 << 50), to: Wall(1 << 51), every_us: 1 << 40, fps: 25 };
        let mut planner = LapsePlanner::new(pace);
        planner.slab(&shelf, &shelf.scans()[0]).unwrap();
        assert!(planner.finish(&shelf).unwrap().is_none());
    }

    fn read_all(film: &Lapse, shelf: &Shelf, max: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(bytes) = film.read(shelf, all.len() as u64, max).unwrap().filter(|b| !b.is_empty()) {
            all.extend(bytes);
        }
        all
    }
}
