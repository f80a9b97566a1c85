//! What the journal says was seen on a camera → what of it would have counted with other masks, classes and limits.
//!
//! The journal has what counted then. What did not is not known, so more than that cannot be tried: less can.

use crate::compile::{Compiled, compile};
use crate::journal::{Record, SeenThing, What};
use crate::names::Names;
use crate::sight::Sight;
use anyhow::Context;
use nightjar_rules::{BBox, Score};
use nightjar_types::config::Config;
use nightjar_types::scene::TAMPER_TRACK;
use nightjar_types::{BBox as Box, Detection};
use std::collections::HashSet;

/// One camera, looked at in another way.
pub(crate) struct Resight {
    camera: String,
    sight: Sight,
    names: Names,
    /// Tracks that have counted: they may be less sure than at first.
    live: HashSet<u32>,
}

impl Resight {
    /// As `config` says.
    pub(crate) fn of(config: &Config, camera: &str) -> anyhow::Result<Self> {
        let Compiled { names, mut sights, .. } = compile(config)?;
        let n = config.cameras.iter().position(|c| c.id.as_str() == camera);
        let n = n.with_context(|| format!("there is no camera \"{camera}\""))?;
        Ok(Self { camera: camera.into(), sight: sights.swap_remove(n), names, live: HashSet::new() })
    }

    /// The record as it would be.
    pub(crate) fn see(&mut self, record: Record) -> Record {
        match record.what {
            // a new recorder has a new eye, which counts its tracks from 1 again
            What::Began { .. } => self.live.clear(),
            What::Seen { camera, things } if camera == self.camera => {
                let things = self.counting(things);
                return Record { what: What::Seen { camera, things }, ..record };
            }
            _ => {}
        }
        record
    }

    fn counting(&mut self, things: Vec<SeenThing>) -> Vec<SeenThing> {
        let mut found = things.iter().map(detection).collect();
        let counts = self.sight.filter(&mut self.names, &mut found, |track| self.live.contains(&track));
        let counts: HashSet<u32> = counts.iter().map(|thing| thing.track).collect();
        self.live.extend(&counts);
        // that a camera is tampered with counts whatever its pictures show
        things.into_iter().filter(|t| t.track == TAMPER_TRACK || counts.contains(&t.track)).collect()
    }
}

fn detection(thing: &SeenThing) -> Detection {
    let [x, y, w, h] = thing.bbox;
    let [x, y, w, h] = BBox { x, y, w, h }.as_unit();
    let score = Score::from_thousandths(thing.score).as_unit();
    Detection { label: thing.class.clone(), score, bbox: Box { x, y, w, h }, track: Some(thing.track) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::{Mono, Wall};

    const CAMERA: &str = r#"
        [[camera]]
        id = "front"
        main = "synthetic:"
        [camera.filter.person]
        min_score = 0.7
        [[camera.mask]]
        points = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
        [[camera]]
        id = "yard"
        main = "synthetic:"
    "#;

    fn seen(camera: &str, things: &[(u32, u16, u16)]) -> Record {
        let thing = |&(track, score, x): &(u32, u16, u16)| {
            let class = if track == TAMPER_TRACK { "tamper-moved" } else { "person" };
            SeenThing { class: class.into(), track, score, bbox: [x, 4_000, 1_000, 2_000] }
        };
        let things = things.iter().map(thing).collect();
        Record { mono: Mono(1), wall: Wall(1), what: What::Seen { camera: camera.into(), things } }
    }

    #[test]
    fn less_counts_on_that_camera_alone() {
        let config = Config::from_toml(CAMERA, "x").unwrap();
        let mut resight = Resight::of(&config, "front").unwrap();
        let mut tracks = |record: Record| match resight.see(record).what {
            What::Seen { things, .. } => things.iter().map(|t| t.track).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        // sure; unsure; sure, but behind the mask; the camera itself
        let all = [(1, 750, 7_000), (2, 650, 7_000), (3, 900, 1_000), (TAMPER_TRACK, 1_000, 0)];
        assert_eq!(tracks(seen("front", &all)), [1, TAMPER_TRACK]);
        assert_eq!(tracks(seen("yard", &all)), [1, 2, 3, TAMPER_TRACK]);
        // what has counted may be less sure than at first, until a new recorder begins
        assert_eq!(tracks(seen("front", &[(1, 500, 7_000)])), [1]);
        tracks(Record { what: What::Began { armed: true }, ..seen("front", &[]) });
        assert_eq!(tracks(seen("front", &[(1, 500, 7_000)])), [0; 0]);
        assert!(Resight::of(&config, "back").is_err());
    }
}
