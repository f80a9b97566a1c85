//! How busy and how hot the board is → may the night shift work now, or what does it wait for?

use std::time::Duration;

/// What is, right now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Footage can be read and events written.
    pub has_storage: bool,
    /// The eye answers.
    pub has_eye: bool,
    /// Since when nothing has moved before any camera that the eye looks at; `None`: nothing ever did.
    pub quiet_for: Option<Duration>,
    /// Share of the processor that others use, 0..1.
    pub load: f32,
    /// The hottest sensor, °C; `None` where there is none.
    pub temperature: Option<f32>,
}

/// What may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Least time without motion.
    pub quiet: Duration,
    /// Largest share that others use.
    pub load: f32,
    /// Hottest.
    pub temperature: f32,
}

/// What the night shift waits for. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The card.
    Storage,
    /// The eye, to start or to come back.
    Eye,
    /// A live picture in which something moves: it goes first.
    Motion,
    /// Others that use the processor.
    Load,
    /// The board, to cool down.
    Heat,
}

impl Wait {
    /// For a machine.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Eye => "eye",
            Self::Motion => "motion",
            Self::Load => "load",
            Self::Heat => "heat",
        }
    }

    /// For a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::Storage => "waits for the storage",
            Self::Eye => "waits for the detector",
            Self::Motion => "waits until nothing moves before the cameras",
            Self::Load => "waits until the processor is less busy",
            Self::Heat => "waits until the board has cooled down",
        }
    }
}

/// Whether it may work now.
pub fn may_work(now: &Conditions, bounds: &Bounds) -> Result<(), Wait> {
    if !now.has_storage {
        return Err(Wait::Storage);
    }
    if !now.has_eye {
        return Err(Wait::Eye);
    }
    if now.quiet_for.is_some_and(|quiet| quiet < bounds.quiet) {
        return Err(Wait::Motion);
    }
    if now.load > bounds.load {
        return Err(Wait::Load);
    }
    if now.temperature.is_some_and(|t| t > bounds.temperature) {
        return Err(Wait::Heat);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_pictures_processor_and_heat_go_first() {
        let bounds = Bounds { quiet: Duration::from_secs(10), load: 0.5, temperature: 70.0 };
        let calm =
            Conditions { has_storage: true, has_eye: true, quiet_for: None, load: 0.5, temperature: None };
        assert_eq!(may_work(&calm, &bounds), Ok(()));
        let s = |s| Some(Duration::from_secs(s));
        for (now, wait) in [
            (Conditions { quiet_for: s(10), temperature: Some(70.0), ..calm }, Ok(())),
            (Conditions { quiet_for: s(9), load: 1.0, ..calm }, Err(Wait::Motion)),
            (Conditions { load: 0.51, temperature: Some(90.0), ..calm }, Err(Wait::Load)),
            (Conditions { temperature: Some(70.5), ..calm }, Err(Wait::Heat)),
            (Conditions { has_eye: false, quiet_for: s(0), ..calm }, Err(Wait::Eye)),
            (Conditions { has_storage: false, has_eye: false, ..calm }, Err(Wait::Storage)),
        ] {
            assert_eq!(may_work(&now, &bounds), wait, "{now:?}");
        }
    }
}
