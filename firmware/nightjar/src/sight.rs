//! What the eye found in a picture → what of it counts on this camera: masks, classes, limits, scores.
//!
//! Here and not in the eye: who walks behind a mask and comes out again is one track and one event, and what other people's
//! detectors say is masked as well. What moves in a mask still counts as motion, and masks do not change what is recorded.

use crate::names::{self, Names};
use anyhow::Context;
use nightjar_rules::{BBox, Masks, Score, Sieve, Thing, ThingLimits};
use nightjar_types::Detection;
use nightjar_types::config::{self, Config};

/// What counts on one camera.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    masks: Masks,
    sieve: Sieve,
    /// A thing less sure than this begins no event.
    event_score: Score,
}

impl Sight {
    /// Of every camera, in the order of the configuration.
    pub(crate) fn all(config: &Config, names: &mut Names) -> anyhow::Result<Vec<Self>> {
        config.cameras.iter().map(|camera| Self::of(config, camera, names)).collect()
    }

    fn of(config: &Config, camera: &config::Camera, names: &mut Names) -> anyhow::Result<Self> {
        let mut masks = Masks::default();
        for (n, points) in camera.masks.iter().enumerate() {
            let what = || format!("camera \"{}\": mask {}", camera.id, n + 1);
            let area = names::polygon(points).with_context(what)?;
            masks.add(area).with_context(what)?;
        }
        let sieve =
            sieve(&camera.filter, names).with_context(|| format!("camera \"{}\": filter", camera.id))?;
        let event_score = Score::from_unit(camera.scores.event_score.unwrap_or(config.eye.event_score));
        Ok(Self { masks, sieve, event_score })
    }

    /// Takes out of `found` what does not count, and gives the things that rules look at. A thing whose event is going on
    /// may be less sure than its class must be at first.
    pub(crate) fn filter(
        &self,
        names: &mut Names,
        found: &mut Vec<Detection>,
        is_live: impl Fn(u32) -> bool,
    ) -> Vec<Thing> {
        let mut things = Vec::new();
        found.retain(|d| {
            let bbox = BBox::from_unit(d.bbox.x, d.bbox.y, d.bbox.w, d.bbox.h);
            // a class beyond all numbers cannot be named in a rule; its box is shown
            let Some(class) = names.class(&d.label) else { return !self.masks.hide(bbox.foot()) };
            let score = Score::from_unit(d.score);
            let is_sure = score >= self.sieve.min_score(class) || d.track.is_some_and(&is_live);
            let counts = is_sure && self.sieve.admits(class, bbox) && !self.masks.hide(bbox.foot());
            if let Some(track) = d.track.filter(|_| counts) {
                things.push(Thing::new(track, class, score, bbox));
            }
            counts
        });
        things
    }

    /// Those of `things` that begin an event or whose event is going on.
    pub(crate) fn news(&self, things: &[Thing], is_live: impl Fn(u32) -> bool) -> Vec<Thing> {
        things.iter().filter(|t| t.score >= self.event_score || is_live(t.track)).copied().collect()
    }
}

/// A filter of the configuration in numbers.
pub(crate) fn sieve(filter: &config::Filter, names: &mut Names) -> anyhow::Result<Sieve> {
    let mut sieve = Sieve::default();
    let number = |names: &mut Names, label: &str| {
        names.class(label).with_context(|| format!("there are too many classes for \"{label}\""))
    };
    for label in &filter.classes {
        sieve.only(number(names, label)?)?;
    }
    for (label, l) in &filter.limits {
        let (least, most) =
            (names::point([l.min_width, l.min_height]), names::point([l.max_width, l.max_height]));
        let limits = ThingLimits {
            min_score: Score::from_unit(l.min_score),
            min_width: least.x,
            max_width: most.x,
            min_height: least.y,
            max_height: most.y,
        };
        sieve.limit(number(names, label)?, limits)?;
    }
    Ok(sieve)
}

/// Classes that the configuration asks for and the model that runs does not name, as problems with their mend.
pub(crate) fn unknown_classes(config: &Config, labels: &[String]) -> Vec<String> {
    let mut asked: Vec<(String, &str)> = Vec::new();
    for camera in &config.cameras {
        let zones = camera.zones.iter().map(|z| (format!("zone {} of {}", z.id, camera.name), &z.filter));
        for (what, filter) in zones.chain([(camera.name.clone(), &camera.filter)]) {
            let classes = filter.classes.iter().chain(filter.limits.keys());
            asked.extend(classes.map(|class| (what.clone(), class.as_str())));
        }
    }
    asked.extend(
        config.rules.iter().filter_map(|r| Some((format!("rule {}", r.id), r.when.class.as_deref()?))),
    );
    asked.retain(|(_, class)| !labels.iter().any(|l| l == class));
    asked.sort();
    asked.dedup();
    let words = |(what, class): (String, &str)| {
        format!(
            "{what} asks for \"{class}\", which the detector's model cannot see. It sees: {}.",
            labels.join(", ")
        )
    };
    asked.into_iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::BBox as Box;

    const CAMERA: &str = r#"
        [[camera]]
        id = "front"
        main = "synthetic:"
        classes = ["person", "car"]
        [camera.eye]
        event_score = 0.7
        [camera.filter.person]
        min_score = 0.6
        min_height = 0.1
        [[camera.mask]]
        points = [[0, 0], [1, 0], [1, 0.3], [0, 0.3]]
        [[rule]]
        when = { class = "forklift" }
        do = { notify = "x" }
    "#;

    fn seen(label: &str, score: f32, y: f32, h: f32, track: Option<u32>) -> Detection {
        Detection { label: label.into(), score, bbox: Box { x: 0.4, y, w: 0.1, h }, track }
    }

    #[test]
    fn what_does_not_count_is_neither_shown_nor_told() {
        let config = Config::from_toml(CAMERA, "x").unwrap();
        let mut names = Names::new(&config);
        let sight = &Sight::all(&config, &mut names).unwrap()[0];
        let mut found = vec![
            seen("person", 0.65, 0.5, 0.2, Some(1)),
            seen("person", 0.5, 0.5, 0.2, Some(2)), // unsure, and going on
            seen("person", 0.5, 0.5, 0.2, Some(3)), // unsure
            seen("person", 0.9, 0.5, 0.05, Some(4)), // small
            seen("person", 0.9, 0.1, 0.15, Some(5)), // stands in the mask
            seen("person", 0.9, 0.2, 0.2, Some(6)), // its head is in the mask, its foot is not
            seen("dog", 0.9, 0.5, 0.2, Some(7)),
            seen("car", 0.4, 0.5, 0.2, None),
        ];
        let things = sight.filter(&mut names, &mut found, |track| track == 2);
        assert_eq!(things.iter().map(|t| t.track).collect::<Vec<_>>(), [1, 2, 6]);
        assert_eq!(found.iter().map(|d| d.track).collect::<Vec<_>>(), [Some(1), Some(2), Some(6), None]);
        let news = sight.news(&things, |track| track == 2);
        assert_eq!(news.iter().map(|t| t.track).collect::<Vec<_>>(), [2, 6], "0.65 begins no event here");
    }

    #[test]
    fn a_class_that_the_model_does_not_name_is_told() {
        let config = Config::from_toml(CAMERA, "x").unwrap();
        let labels = ["person".to_string(), "car".into()];
        let told = unknown_classes(&config, &labels);
        assert_eq!(
            told,
            [
                "rule rule-1 asks for \"forklift\", which the detector's model cannot see. It sees: person, car."
            ]
        );
    }
}
