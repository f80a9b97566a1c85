//! The board's sensors → how much the eye may do, and why it is not all, in words. Detection is shed first; recording goes on.

use nightjar_board::{Bearing, Board, Reading, Sensors, Strain};
use nightjar_io::clock;
use nightjar_io::eye_link::Eye;
use nightjar_types::Mono;
use nightjar_types::eye::Ease;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A board heats up within minutes, its firmware tells a weak supply for two seconds.
const EVERY: Duration = Duration::from_secs(2);

/// How much the eye may do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Eased {
    pub(crate) level: Ease,
    /// Why it is not normal.
    pub(crate) by: Option<String>,
}

impl Eased {
    /// The board is hot; otherwise its supply is weak.
    pub(crate) fn is_hot(&self) -> bool {
        self.by.as_ref().is_some_and(|by| by.contains("°C"))
    }

    /// For a person, with the mend.
    pub(crate) fn problem(&self) -> Option<String> {
        let by = self.by.as_ref()?;
        let what = match self.level {
            Ease::Normal => return None,
            Ease::Reduced => "Detection is reduced",
            Ease::Stills => "Detection is paused, recording goes on",
        };
        let mend = if self.is_hot() {
            "give the board air, a heat sink or a fan"
        } else {
            "use a stronger power supply and a shorter cable"
        };
        Some(format!("{what}: {by}; {mend}."))
    }
}

/// Shared with the health page.
pub(crate) type Shown = Arc<Mutex<Eased>>;

/// Looks at the sensors until `stop` says true.
pub(crate) async fn watch(board: Board, sys: &Path, eye: Eye, shown: Shown, mut stop: watch::Receiver<bool>) {
    let sensors = Sensors::find(sys);
    let mut strain = Strain::new(board.heat());
    let mut reading: Option<JoinHandle<Reading>> = None;
    loop {
        // a sensor that hangs takes one thread and not one each time
        let mut task = reading.take().unwrap_or_else(|| {
            let sensors = sensors.clone();
            tokio::task::spawn_blocking(move || sensors.read())
        });
        tokio::select! {
            read = &mut task => if let Ok(read) = read {
                apply(&mut strain, read, &eye, &shown);
            },
            () = tokio::time::sleep(EVERY) => reading = Some(task),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn apply(strain: &mut Strain, reading: Reading, eye: &Eye, shown: &Shown) {
    let level = match strain.see(clock::mono().since(Mono(0)), reading) {
        Bearing::Normal => Ease::Normal,
        Bearing::Reduced => Ease::Reduced,
        Bearing::Stills => Ease::Stills,
    };
    let now = Eased { level, by: strain.why() };
    let before = std::mem::replace(&mut *shown.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
    if before.level != level {
        tracing::warn!(level = level.as_str(), by = now.by.as_deref().unwrap_or("-"), "detection is eased");
        eye.ease(level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_reduced_by_how_much_and_what_to_do() {
        let eased = |level, by: &str| Eased { level, by: Some(by.into()) }.problem();
        assert_eq!(Eased::default().problem(), None);
        let said = eased(Ease::Reduced, "83 °C").unwrap();
        assert!(said.starts_with("Detection is reduced: 83 °C; give the board air"), "{said}");
        let said = eased(Ease::Stills, "84 °C").unwrap();
        assert!(said.contains("recording goes on: 84 °C"), "{said}");
        assert!(eased(Ease::Reduced, "weak power supply").unwrap().contains("stronger power supply"));
    }
}
