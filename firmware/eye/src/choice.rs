//! What was measured on this board → a small file, and back; and which card, runtime and decoders follow from it.

use crate::cli::ModelChoice;
use crate::error::Error;
use nightjar_models::{CARDS, Card, DEFAULT_CARD};
use nightjar_types::VideoCodec;
use nightjar_types::eye::Measured;
use std::path::Path;

/// The card or runtime that is chosen by measurement.
pub(crate) const AUTO: &str = "auto";

/// The runtime where nothing was measured: whose answers the figures on the cards are.
const SAFE: &str = "tract";

/// Card and runtime to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) card: String,
    pub(crate) runtime: String,
}

/// What the arguments and the measurement say; without a measurement, what works everywhere.
pub(crate) fn choose(asked: &ModelChoice, measured: Option<&Measured>) -> Choice {
    let best = |card: Option<&str>| measured?.best_model(card);
    let (card, found) = if asked.card == AUTO {
        let found = best(None);
        (found.map_or(DEFAULT_CARD.to_owned(), |m| m.card.clone()), found)
    } else {
        (asked.card.clone(), best(Some(&asked.card)))
    };
    let runtime = if asked.runtime == AUTO {
        let safe = || Card::find(&card).ok().and_then(|c| c.runtime).unwrap_or(SAFE.to_owned());
        found.map_or_else(safe, |m| m.runtime.clone())
    } else {
        asked.runtime.clone()
    };
    Choice { card, runtime }
}

/// The measurement in a file, when it is one of this program on this board.
pub(crate) fn read(path: &Path) -> Option<Measured> {
    let measured: Measured = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (measured.version == version() && measured.board == board()).then_some(measured)
}

/// Writes it so that there is always a whole file.
pub(crate) fn write(path: &Path, measured: &Measured) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::Choice { path: path.to_owned(), why: e.to_string() };
    let fresh = path.with_extension("new");
    let text = serde_json::to_vec_pretty(measured).map_err(|e| failed(e.into()))?;
    std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, path)).map_err(failed)
}

/// Names of a codec's decoders in the order of their cost, as far as they were measured; faulty ones not at all.
pub(crate) fn decoder_order(measured: &Measured) -> Vec<String> {
    let codecs = [VideoCodec::H264, VideoCodec::H265];
    codecs.into_iter().flat_map(|c| measured.good_decoders(c)).map(|d| d.element.clone()).collect()
}

/// What a measurement holds for: this program, and the model files that it knows.
pub(crate) fn version() -> String {
    let cards: String = CARDS.iter().map(|(_, text)| *text).collect();
    format!("{} {}", env!("CARGO_PKG_VERSION"), &Card::sha256_of(cards.as_bytes())[..12])
}

/// The board's own name, or its processor's, and the number of cores.
pub(crate) fn board() -> String {
    let tree = std::fs::read_to_string("/proc/device-tree/model").ok();
    let name = tree.or_else(|| {
        let all = std::fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = all.lines().find(|l| l.starts_with("model name"))?;
        Some(line.split_once(':')?.1.to_owned())
    });
    let name =
        name.as_deref().map_or("unknown", |n| n.trim_matches(|c: char| c == '\0' || c.is_whitespace()));
    format!("{name}, {} cores", cores())
}

/// Cores that this program may use.
pub(crate) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::eye::ModelRun;

    fn asked(card: &str, runtime: &str) -> ModelChoice {
        ModelChoice { card: card.into(), runtime: runtime.into(), models: None, choice: None }
    }

    fn measured() -> Measured {
        let run = |card: &str, runtime: &str, look_ms, fault: Option<&str>| ModelRun {
            card: card.into(),
            runtime: runtime.into(),
            is_candidate: true,
            look_ms: Some(look_ms),
            fault: fault.map(Into::into),
        };
        Measured {
            version: version(),
            board: board(),
            models: vec![
                run("int8", "fused", 9.0, Some("finds no cat")),
                run("w8", "fused", 20.0, None),
                run("w8", "tract", 40.0, None),
                run("f32", "tract", 19.0, None),
            ],
            ..Measured::default()
        }
    }

    #[test]
    fn auto_is_the_fastest_that_is_right_and_a_name_is_a_name() {
        let pick = |card, runtime, m: Option<&Measured>| {
            let c = choose(&asked(card, runtime), m);
            (c.card, c.runtime)
        };
        let m = measured();
        assert_eq!(pick("auto", "auto", Some(&m)), ("f32".into(), "tract".into()));
        assert_eq!(pick("w8", "auto", Some(&m)), ("w8".into(), "fused".into()));
        assert_eq!(pick("w8", "tract", Some(&m)), ("w8".into(), "tract".into()));
        assert_eq!(pick("auto", "auto", None), (DEFAULT_CARD.into(), SAFE.into()));
        let int8 = "ssdlite-mnv2-coco12-int8";
        assert_eq!(pick(int8, "auto", None), (int8.into(), "fused".into()), "tract cannot run it");
    }

    #[test]
    fn a_measurement_of_another_board_or_version_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eye-choice.json");
        assert_eq!(read(&path), None);
        write(&path, &measured()).unwrap();
        assert_eq!(read(&path), Some(measured()));
        write(&path, &Measured { board: "another".into(), ..measured() }).unwrap();
        assert_eq!(read(&path), None);
        write(&path, &Measured { version: "0.0.1".into(), ..measured() }).unwrap();
        assert_eq!(read(&path), None);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read(&path), None);
    }
}
