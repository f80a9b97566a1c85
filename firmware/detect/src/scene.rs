//! Pictures of one stream, as a whole → may new things begin, day or night, tampering. What the tracker asks the pixels.

use crate::guard::LightGuard;
use crate::motion::MotionGate;
use crate::picture::Picture;
use crate::tamper::{EVERY, TamperGuard};
use crate::view::View;
use nightjar_types::{BBox, Mono, SceneState};

/// Of a box this share must have moved lately for its thing to have moved, and this many times as much as of the picture.
const MOVED_SHARE: f32 = 0.15;
const MOVED_FACTOR: f32 = 1.5;
/// Lately: so many pictures at least.
const LATELY: u16 = 10;

/// What the pixels say about a look of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The light has just changed all over: nothing new may begin, what is missed may still be there.
    Unsettled,
    /// Things may begin and end.
    Settled,
}

/// One picture as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// Whether new things may begin in it.
    pub trust: Trust,
    /// The state, when it is another than was told before.
    pub changed: Option<SceneState>,
    /// Tampering, or another kind of it, was told with it: the picture is worth keeping.
    pub is_tampered: bool,
}

/// The scene of one stream. It outlives reconnections; [`SceneGuard::reopened`] tells of them.
#[derive(Debug, Clone, Default)]
pub struct SceneGuard {
    light: LightGuard,
    tamper: TamperGuard,
    viewed: Option<Mono>,
    told: Option<SceneState>,
    /// Pictures since the model's last look.
    pictures: u16,
}

impl SceneGuard {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The stream begins anew: its light may be any, its scene should be the same.
    pub fn reopened(&mut self) {
        self.light = LightGuard::default();
        self.pictures = 0;
    }

    /// Takes the picture of `now`, which `gate` has just seen. While the light changes the gate forgets: what stands in the
    /// first settled picture has not moved.
    pub fn see(&mut self, now: Mono, picture: &Picture, gate: &mut MotionGate) -> Scene {
        self.pictures = self.pictures.saturating_add(1);
        let trust = if self.light.see(now, gate.has_changed(), picture.chroma()) {
            Trust::Settled
        } else {
            gate.forget();
            Trust::Unsettled
        };
        let is_due = self.viewed.is_none_or(|viewed| now.since(viewed) >= EVERY || now < viewed);
        let before = self.told.and_then(|told| told.tamper).map(|(kind, _)| kind);
        let changed = if is_due { self.view(now, picture) } else { None };
        let kind = changed.and_then(|state| state.tamper).map(|(kind, _)| kind);
        Scene { trust, changed, is_tampered: kind.is_some() && kind != before }
    }

    /// The model looks at the picture that was seen last.
    pub fn looked(&mut self) {
        self.pictures = 0;
    }

    /// Whether pixels of a box moved since the model's last look, or just before.
    pub fn moved_in(&self, gate: &MotionGate, bbox: &BBox) -> bool {
        let lately = self.pictures.saturating_add(1).max(LATELY);
        let whole = gate.share_in(&BBox { x: 0.0, y: 0.0, w: 1.0, h: 1.0 }, lately);
        let share = gate.share_in(bbox, lately);
        share >= MOVED_SHARE && share >= whole.min(0.5) * MOVED_FACTOR
    }

    fn view(&mut self, now: Mono, picture: &Picture) -> Option<SceneState> {
        self.viewed = Some(now);
        let view = View::of(picture);
        let tamper = self.tamper.see(now, &view);
        let (is_grey, is_dark) = (view.is_grey, self.tamper.is_dark());
        let state = SceneState { tamper, is_grey, is_dark, level: view.level };
        let kind = |s: &SceneState| (s.tamper.map(|(kind, _)| kind), s.is_grey, s.is_dark);
        let is_news = self.told.is_none_or(|told| kind(&told) != kind(&state)) && self.tamper.is_known();
        if is_news {
            self.told = Some(state);
        }
        is_news.then_some(state)
    }
}
