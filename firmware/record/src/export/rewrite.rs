//! A fragment as it stands in its slab ↔ as it stands in an export: the numbers that differ, and nothing else.

use nightjar_media::{AUDIO_TRACK, fragment};

/// Fragments at the start of an export whose own decode times the proof carries: only there can one lie before the
/// export's zero and be raised to it.
pub(crate) const EARLY: usize = 256;
/// Most bytes of a `moof`: a thousand samples of each kind take half of it.
pub(crate) const MAX_MOOF: usize = 64 << 10;

/// What the fragments of one slab get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rewrite {
    /// The first one's running number.
    pub(crate) sequence: u32,
    /// Added to video decode times, ticks.
    pub(crate) video_shift: i64,
    /// Added to audio decode times, ticks of the sample rate.
    pub(crate) audio_shift: i64,
    /// Sample descriptions.
    pub(crate) description: u32,
    pub(crate) audio_description: u32,
}

impl Rewrite {
    pub(crate) fn new(
        sequence: u32,
        shift: i64,
        sample_rate: u32,
        description: u32,
        audio_description: u32,
    ) -> Self {
        let audio_shift = (i128::from(shift) * i128::from(sample_rate) / 90_000) as i64;
        Self { sequence, video_shift: shift, audio_shift, description, audio_description }
    }

    fn of(&self, track: u32) -> (i64, u32) {
        match track {
            AUDIO_TRACK => (self.audio_shift, self.audio_description),
            _ => (self.video_shift, self.description),
        }
    }

    /// Slab → export. `None`, and nothing changed, when these bytes do not begin with a `moof`.
    pub(crate) fn apply(&self, bytes: &mut [u8], sequence: u32) -> Option<()> {
        let moof = fragment::read_moof(bytes)?;
        put(bytes, moof.sequence_at, &sequence.to_be_bytes())?;
        for run in &moof.runs {
            let (shift, description) = self.of(run.track);
            put(bytes, run.time_at, &(run.time as i64).saturating_add(shift).max(0).to_be_bytes())?;
            put(bytes, run.description_at, &description.to_be_bytes())?;
        }
        Some(())
    }

    /// Export → slab, where the fragment's sequence is `original`. `early` are its own video and audio decode times when
    /// it is one of the first. `None` when a number is not the one that [`apply`](Self::apply) puts there.
    pub(crate) fn undo(
        &self,
        bytes: &mut [u8],
        sequence: u32,
        original: u32,
        early: Option<[u64; 2]>,
    ) -> Option<()> {
        let moof = fragment::read_moof(bytes)?;
        if bytes.get(moof.sequence_at..moof.sequence_at + 4)? != sequence.to_be_bytes() {
            return None;
        }
        put(bytes, moof.sequence_at, &original.to_be_bytes())?;
        for run in &moof.runs {
            let (shift, description) = self.of(run.track);
            if bytes.get(run.description_at..run.description_at + 4)? != description.to_be_bytes() {
                return None;
            }
            let time = match early {
                Some(early) if run.time == 0 => {
                    let own = early[usize::from(run.track == AUDIO_TRACK)];
                    ((own as i64).checked_add(shift)? <= 0).then_some(own)?
                }
                _ => (run.time as i64).checked_sub(shift)? as u64,
            };
            put(bytes, run.time_at, &time.to_be_bytes())?;
            put(bytes, run.description_at, &1u32.to_be_bytes())?;
        }
        Some(())
    }
}

/// Video and audio decode times of a fragment as it stands in its slab; zero where it has none.
pub(crate) fn times(bytes: &[u8]) -> [u64; 2] {
    let runs = fragment::read_moof(bytes).map(|m| m.runs).unwrap_or_default();
    let of =
        |is_audio: bool| runs.iter().find(|r| (r.track == AUDIO_TRACK) == is_audio).map_or(0, |r| r.time);
    [of(false), of(true)]
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Option<()> {
    bytes.get_mut(at..at.checked_add(value.len())?)?.copy_from_slice(value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_media::{FragmentWriter, Sample};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn undo_is_the_inverse(shift in -400_000i64..400_000, video_time in 0u64..1_000_000, audio_time in 0u64..1_000_000, has_audio: bool) {
            let sample = Sample { duration: 3_600, size: 10, cts: 0, is_key: true };
            let audio: &[Sample] = if has_audio { &[sample] } else { &[] };
            let original = FragmentWriter { sequence: 77, video_time, video: &[sample], audio_time, audio }.write(Vec::new());
            let rewrite = Rewrite::new(5, shift, 48_000, 3, 2);
            let mut bytes = original.clone();
            rewrite.apply(&mut bytes, 9).unwrap();
            let early = times(&original);
            let mut undone = bytes.clone();
            rewrite.undo(&mut undone, 9, 77, Some(early)).unwrap();
            prop_assert_eq!(&undone, &original);
            prop_assert!(rewrite.undo(&mut bytes.clone(), 8, 77, Some(early)).is_none(), "another number");
            let other = Rewrite { description: 1, ..rewrite };
            prop_assert!(other.undo(&mut bytes, 9, 77, Some(early)).is_none(), "another description");
        }

        #[test]
        fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..300), shift: i64) {
            let mut bytes = b"\0\0\x01\0moof".to_vec();
            bytes.extend(data);
            let rewrite = Rewrite::new(1, shift, u32::MAX, 1, 1);
            let _ = rewrite.undo(&mut bytes.clone(), 1, 1, None);
            let _ = rewrite.apply(&mut bytes, 1);
        }
    }
}
