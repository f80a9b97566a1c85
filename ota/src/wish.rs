//! A wish for an update → an order, when its bundle fits this board and now is a time for it; else why not, one sentence.

use crate::agent::Answer;
use crate::clock;
use crate::config::Config;
use crate::gate::{Baseline, Look};
use crate::rauc::{Bundle, Rauc};
use crate::recorder;
use crate::slots::{Entry, Order, Origin, Outcome};
use crate::status::Wish;
use crate::version::{Version, below_floor};
use crate::window;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How often the board is looked at before an update when not everything works.
const LOOKS: u32 = 3;
/// Time between two looks.
const BETWEEN: Duration = Duration::from_secs(5);

/// What a wish became.
pub(crate) struct Checked {
    pub(crate) action: String,
    /// `Err(None)`: it was held up, and whoever asked was told.
    pub(crate) result: Result<Order, Option<(Order, String)>>,
}

/// All that a bundle is held against.
pub(crate) struct Check {
    pub(crate) config: Arc<Config>,
    pub(crate) rauc: Rauc,
    pub(crate) compatible: String,
    pub(crate) running: String,
    pub(crate) floor: Option<String>,
    pub(crate) history: Vec<Entry>,
}

impl Check {
    /// Answers as soon as it is clear that the update may begin now; then looks at the bundle.
    pub(crate) async fn run(self, action: String, wish: Wish, answer: Answer) -> Checked {
        let look = recorder::look(&self.config.recorder, &self.config.os_release).await;
        let minute = window::minute_of_week(clock::wall_ms());
        let windows = self.config.windows.as_ref();
        if let Some(why) = window::held_up(wish.origin, windows, minute, look.report.as_ref()) {
            let _ = answer.send(Err(why)); // whoever asked may have left
            return Checked { action, result: Err(None) };
        }
        let _ = answer.send(Ok(action.clone())); // as above
        let baseline = self.baseline(look).await;
        let mut order = Order {
            action: action.clone(),
            origin: wish.origin,
            bundle: wish.bundle,
            headers: wish.headers,
            tls: wish.tls,
            version: "unknown".into(),
            baseline,
        };
        let result = match self.rauc.inspect(&order).await {
            Err(why) => Err(Some((order, format!("the bundle is not accepted: {why}")))),
            Ok(bundle) => {
                order.version = bundle.version.clone();
                match self.unfit(&bundle, wish.origin) {
                    Some(why) => Err(Some((order, why))),
                    None => Ok(order),
                }
            }
        };
        Checked { action, result }
    }

    /// What works now. One look may meet a board in a bad moment, and what it does not name is not judged after the restart: an
    /// update that records nothing would be kept.
    async fn baseline(&self, mut look: Look) -> Baseline {
        let mut baseline = Baseline::of(&look);
        for _ in 1..LOOKS {
            if baseline.is_all_of(&look) {
                break;
            }
            sleep(BETWEEN).await;
            look = recorder::look(&self.config.recorder, &self.config.os_release).await;
            baseline = baseline.and(&look);
        }
        baseline
    }

    /// Why a bundle whose signature is good is not installed all the same.
    fn unfit(&self, bundle: &Bundle, origin: Origin) -> Option<String> {
        let Bundle { compatible, version } = bundle;
        if *compatible != self.compatible {
            return Some(format!(
                "the bundle is for \"{compatible}\", this board is \"{}\"",
                self.compatible
            ));
        }
        if version.is_empty() {
            return Some("the bundle names no version".into());
        }
        if let Some(why) = below_floor(version, self.floor.as_deref()) {
            return Some(format!("the bundle is not installed: {why}"));
        }
        (origin == Origin::Usb).then(|| self.unfit_for_stick(version))?
    }

    /// A stick stays in the board: what it holds must not be installed again with every start.
    fn unfit_for_stick(&self, version: &str) -> Option<String> {
        let parse = |words: &str| Version::parse(words);
        let is_newer = match (parse(version), parse(&self.running)) {
            (Some(new), Some(running)) => new > running,
            _ => version != self.running,
        };
        if !is_newer {
            return Some(format!("{} runs; the stick's {version} is not newer", self.running));
        }
        let tried =
            self.history.iter().rev().find(|e| e.version == version && e.result == Outcome::RolledBack)?;
        Some(format!("{version} was tried before and rolled back: {}", tried.reason))
    }
}
