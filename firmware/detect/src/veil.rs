//! Rain and snow before a fixed camera → the picture behind it.
//!
//! A drop or flake is bright, and in one place for one picture only. So a pixel that is brighter than in both pictures before
//! is taken back to the brighter of them. What is dark stays as it is; of a bright thing that moves, only the rim in front
//! does not. Kept and lifted in weather alone: in dry air two pictures' memory and the time are saved.

use crate::picture::Picture;
use nightjar_types::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// Pictures that are looked back on.
const PAST: usize = 2;
/// Further apart, too much has moved between them.
const APART: Duration = Duration::from_millis(450);
/// Brighter by up to this many luma steps is noise.
const NOISE: u8 = 4;

/// The pictures before, of one stream.
#[derive(Debug, Clone, Default)]
pub struct Veil {
    past: VecDeque<(Mono, Picture)>,
}

impl Veil {
    /// A picture passes. When it `is_wanted` in weather, and enough pictures came shortly before it, it is given back without
    /// its drops and flakes.
    pub fn pass(
        &mut self,
        mono: Mono,
        picture: &Picture,
        is_weather: bool,
        is_wanted: bool,
    ) -> Option<Picture> {
        if !is_weather {
            self.past = VecDeque::new();
            return None;
        }
        let lifted = is_wanted.then(|| self.lift(mono, picture)).flatten();
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back((mono, picture.clone()));
        lifted
    }

    fn lift(&self, mono: Mono, picture: &Picture) -> Option<Picture> {
        let [(earlier, first), (_, second)] = [self.past.front()?, self.past.get(1)?];
        let is_near = mono.since(*earlier) <= APART * PAST as u32;
        if !is_near || [first, second].iter().any(|past| past.size() != picture.size()) {
            return None;
        }
        let mut lifted = picture.clone();
        let past = first.luma().data.iter().zip(second.luma().data);
        for (pixel, (a, b)) in lifted.luma_mut().iter_mut().zip(past) {
            *pixel = (*pixel).min((*a).max(*b).saturating_add(NOISE));
        }
        Some(lifted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (64, 48);

    /// Grey, with a block of this luma at a place.
    fn picture(luma: u8, x: usize) -> Picture {
        let mut picture = Picture::flat(SIZE, [90, 120, 130]).unwrap();
        for row in picture.luma_mut().chunks_exact_mut(SIZE.0) {
            row[x..x + 8].fill(luma);
        }
        picture
    }

    fn after(past: [(u64, &Picture); 2]) -> Veil {
        let mut veil = Veil::default();
        for (ms, picture) in past {
            veil.pass(Mono(ms * 1000), picture, true, false);
        }
        veil
    }

    #[test]
    fn what_is_bright_once_goes_and_what_stays_or_is_dark_does_not() {
        let (dry, drop, thing) = (picture(90, 0), picture(180, 20), picture(40, 20));
        let veil = after([(0, &dry), (100, &dry)]);
        let lifted = veil.lift(Mono(200_000), &drop).unwrap();
        assert!(lifted.luma().data.iter().all(|luma| *luma <= 90 + NOISE));
        assert_eq!(lifted.chroma()[0].data, drop.chroma()[0].data);
        assert_eq!(veil.lift(Mono(200_000), &thing).unwrap(), thing);
        let given = |is_weather, is_wanted| veil.clone().pass(Mono(200_000), &drop, is_weather, is_wanted);
        assert_eq!([given(true, true), given(true, false), given(false, true)], [Some(lifted), None, None]);
        assert_eq!(after([(0, &dry), (100, &drop)]).lift(Mono(200_000), &drop).unwrap(), drop);
    }

    #[test]
    fn nothing_is_lifted_without_two_near_pictures_of_its_size() {
        let (dry, drop) = (picture(90, 0), picture(180, 20));
        assert_eq!(Veil::default().lift(Mono(0), &drop), None);
        assert_eq!(after([(0, &dry), (2000, &dry)]).lift(Mono(4_000_000), &drop), None);
        let other = Picture::flat((32, 32), [90; 3]).unwrap();
        assert_eq!(after([(0, &other), (100, &dry)]).lift(Mono(200_000), &drop), None);
        let mut veil = after([(0, &dry), (100, &dry)]);
        veil.pass(Mono(150_000), &dry, false, false);
        assert_eq!(veil.lift(Mono(200_000), &drop), None);
    }
}
