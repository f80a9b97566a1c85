//! Scenes that the eye tells of → tampering as things for rules and events, and as alarms in words.

use crate::names::Names;
use crate::stage::Seen;
use nightjar_rules::{BBox, CameraIx, ClassId, Score, Thing};
use nightjar_types::config::Config;
use nightjar_types::scene::{TAMPER_CLASS, TAMPER_TRACK};
use nightjar_types::{SceneState, Tamper, Wall};
use std::time::Duration;

/// While a camera is tampered with it is told to the rules this often: well within what they take for a presence.
pub(crate) const TOLD: Duration = Duration::from_millis(400);

/// A camera that somebody or something keeps from seeing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tampered {
    /// Place in the configuration's list of cameras.
    pub(crate) camera: CameraIx,
    pub(crate) kind: Tamper,
    pub(crate) since: Wall,
}

/// The scenes of all detected streams. It outlives the eye: a covered lens stays covered until one sees through it.
pub(crate) struct Tampering {
    class: Option<ClassId>,
    /// By the eye's number; `None`: not watched for tampering.
    cameras: Vec<Option<CameraIx>>,
    tampered: Vec<Tampered>,
}

impl Tampering {
    pub(crate) fn new(config: &Config, seen: &[Seen], names: &mut Names) -> Self {
        let wanted = |s: &Seen| config.cameras[usize::from(s.camera.0)].tamper.then_some(s.camera);
        Self {
            class: names.class(TAMPER_CLASS),
            cameras: seen.iter().map(wanted).collect(),
            tampered: Vec::new(),
        }
    }

    /// Takes a stream's new scene; gives the camera whose tampering is over, or another one now. `since` turns times of
    /// this boot into those of the wall clock.
    pub(crate) fn take(
        &mut self,
        stream: u32,
        state: &SceneState,
        wall: impl Fn(nightjar_types::Mono) -> Wall,
    ) -> Option<CameraIx> {
        let camera = self.cameras.get(stream as usize).copied().flatten()?;
        let now = state.tamper.map(|(kind, since)| Tampered { camera, kind, since: wall(since) });
        let before = self.tampered.iter().position(|t| t.camera == camera);
        let before = before.map(|place| self.tampered.remove(place));
        // It is the same one still when only day became night, or when the eye was started anew.
        let is_same = before.map(|t| t.kind) == now.map(|t| t.kind);
        self.tampered.extend(if is_same { before } else { now });
        before.filter(|_| !is_same).map(|_| camera)
    }

    /// What is going on, as things of the class `tamper`.
    pub(crate) fn things(&self) -> Vec<(CameraIx, Thing)> {
        let Some(class) = self.class else { return Vec::new() };
        let whole = BBox::from_unit(0.0, 0.0, 1.0, 1.0);
        let thing = Thing::new(TAMPER_TRACK, class, Score::from_thousandths(1000), whole);
        self.tampered.iter().map(|t| (t.camera, thing)).collect()
    }

    /// What is going on.
    pub(crate) fn tampered(&self) -> &[Tampered] {
        &self.tampered
    }

    /// The label of an event of this track; `None` when it is none of tampering, or that is over.
    pub(crate) fn label(&self, camera: CameraIx, track: u32) -> Option<&'static str> {
        let of_camera = self.tampered.iter().find(|t| t.camera == camera);
        of_camera.filter(|_| track == TAMPER_TRACK).map(|t| t.kind.label())
    }
}

/// `front: covered since 14:02 UTC; look at the lens.` With the day when it is not `now`'s.
pub(crate) fn problem(name: &str, tampered: &Tampered, now: Wall) -> String {
    let (what, mend) = tampered.kind.words();
    let (_, month, day, hour, minute, _) = tampered.since.civil();
    let (_, this_month, today, ..) = now.civil();
    let date = if (month, day) == (this_month, today) { String::new() } else { format!("{day}.{month}. ") };
    format!("{name}: {what} since {date}{hour:02}:{minute:02} UTC; {mend}.")
}

/// Whether events of this label are meant by a question for `wanted`: a class means all its kinds.
pub(crate) fn is_label(label: &str, wanted: &str) -> bool {
    label == wanted || label.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::Mono;

    const TWO: &str = r#"
        [[camera]]
        id = "front"
        main = "synthetic:"
        [[camera]]
        id = "hall"
        main = "synthetic:"
        tamper = false
    "#;

    fn two() -> Tampering {
        let config = Config::from_toml(TWO, "two.toml").unwrap();
        let seen: Vec<Seen> =
            [0, 1].iter().map(|&n| Seen { camera: CameraIx(n), main: usize::from(n) }).collect();
        Tampering::new(&config, &seen, &mut Names::new(&config))
    }

    fn scene(tamper: Option<Tamper>) -> SceneState {
        let tamper = tamper.map(|kind| (kind, Mono(5_000_000)));
        SceneState { tamper, is_grey: false, is_dark: false, level: 90 }
    }

    fn wall(mono: Mono) -> Wall {
        Wall(1_700_000_000_000_000 + mono.0 as i64)
    }

    #[test]
    fn begins_goes_on_changes_its_kind_and_ends() {
        let mut t = two();
        assert_eq!(t.take(0, &scene(None), wall), None);
        assert_eq!(t.take(0, &scene(Some(Tamper::Covered)), wall), None);
        assert_eq!((t.things().len(), t.label(CameraIx(0), TAMPER_TRACK)), (1, Some("tamper-covered")));
        assert_eq!(t.label(CameraIx(0), 3), None, "people are still people");
        assert_eq!(t.take(0, &scene(Some(Tamper::Covered)), |_| Wall(7)), None, "told again by a new eye");
        assert_eq!(t.tampered()[0].since, wall(Mono(5_000_000)));
        assert_eq!(t.take(0, &scene(Some(Tamper::Moved)), wall), Some(CameraIx(0)));
        assert_eq!(t.label(CameraIx(0), TAMPER_TRACK), Some("tamper-moved"));
        assert_eq!(t.take(0, &scene(None), wall), Some(CameraIx(0)));
        assert_eq!(t.things().len(), 0);
    }

    #[test]
    fn a_camera_that_is_not_to_be_watched_is_not() {
        let mut t = two();
        assert_eq!(t.take(1, &scene(Some(Tamper::Covered)), wall), None);
        assert_eq!(t.take(9, &scene(Some(Tamper::Covered)), wall), None, "an unknown stream");
        assert!(t.things().is_empty());
    }

    #[test]
    fn reads_like_an_alarm_with_its_mend() {
        let mut t = two();
        t.take(0, &scene(Some(Tamper::Covered)), wall);
        let (tampered, now) = (t.tampered()[0], wall(Mono(60_000_000)));
        assert_eq!(problem("Front", &tampered, now), "Front: covered since 22:13 UTC; look at the lens.");
        let later = now.plus_micros(86_400_000_000);
        assert!(problem("Front", &tampered, later).contains("since 14.11. 22:13"));
    }

    #[test]
    fn a_class_means_all_its_kinds() {
        assert!(is_label("tamper-moved", "tamper") && is_label("person", "person"));
        assert!(!is_label("tampered", "tamper") && !is_label("person", "per"));
    }
}
