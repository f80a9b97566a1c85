//! Model input → boxes by a program of somebody else's: a line of JSON and the pixels out, a line of JSON back. `PROTOCOL.md`
//! is its contract. The program runs beside the eye's sandbox, started before that closes; it is given pixels only.

use super::{Detector, Output};
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::model::Model;
use nightjar_models::Card;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The runtime.
pub(crate) const NAME: &str = "json";
/// Raised whenever a message changes its meaning.
const PROTOCOL: u16 = 1;
/// Until its hello: large models take their time.
const HELLO: Duration = Duration::from_secs(25);
/// For one look. Shorter than the recorder's patience with a thread, so that the program is named.
const LOOK: Duration = Duration::from_secs(5);
/// Longest line from it, bytes.
const LINE: usize = 1 << 20;
/// Things in one picture, classes, letters of a class.
const THINGS: usize = 512;
const LABELS: usize = 1024;
const LETTERS: usize = 64;
/// Sides of the pictures that it may ask for.
const SIDES: std::ops::RangeInclusive<usize> = 32..=2048;

/// Eye → detector.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ToDetector {
    Hello { protocol: u16 },
    Look { id: u64, width: usize, height: usize, format: &'static str, bytes: usize },
}

/// Detector → eye.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum FromDetector {
    Hello { protocol: u16, name: String, labels: Vec<String>, width: usize, height: usize },
    Found { id: u64, things: Vec<Thing> },
    Error { id: Option<u64>, words: String },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    label: String,
    score: f32,
    x: f32,
    y: f32,
    w: f32,
    h: f32,
}

/// A running program that has said hello.
pub(crate) struct Foreign {
    program: PathBuf,
    child: Child,
    to: UnixStream,
    from: BufReader<UnixStream>,
    labels: Vec<String>,
    size: (usize, usize),
    looks: u64,
}

/// Starts the program and takes its hello for a model's card.
pub(crate) fn model(program: &str) -> Result<Model, Error> {
    let path = PathBuf::from(program);
    let bytes =
        std::fs::read(&path).map_err(|e| Error::Detector { program: path.clone(), why: e.to_string() })?;
    let (foreign, name) = Foreign::start(&path)?;
    // A card is of a file whose weights, shapes and figures are known; of somebody else's program these few are.
    let mut card = Card::find(nightjar_models::DEFAULT_CARD)?;
    card.id = format!("json:{name}");
    card.title = name;
    card.sha256 = Card::sha256_of(&bytes);
    card.labels.clone_from(&foreign.labels);
    card.small_input = None;
    card.input.dims = vec![1, 3, foreign.size.1, foreign.size.0];
    Ok(Model {
        card,
        path,
        bytes: Vec::new(),
        foreign: Some(foreign).into(),
        runtime: format!("{NAME}:{program}"),
        measured: None,
    })
}

/// The program that the model came from; each further thread has its own.
pub(crate) fn open(model: &Model) -> Result<Box<dyn Detector>, Error> {
    let first = model.foreign.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    let foreign = match first {
        Some(foreign) => foreign,
        None => Foreign::start(&model.path)?.0,
    };
    Ok(Box::new(foreign))
}

impl Foreign {
    fn start(program: &Path) -> Result<(Self, String), Error> {
        let bad = |why: String| Error::Detector { program: program.to_owned(), why };
        let io = |e: std::io::Error| bad(e.to_string());
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(program)
            .stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(|e| bad(format!("cannot be started: {e}")))?;
        ours.set_write_timeout(Some(LOOK))?;
        let (to, from) = (ours.try_clone()?, BufReader::new(ours));
        let (labels, size) = (Vec::new(), (0, 0));
        let mut this = Self { program: program.to_owned(), child, to, from, labels, size, looks: 0 };
        this.to.write_all(line(&ToDetector::Hello { protocol: PROTOCOL }).as_bytes()).map_err(io)?;
        match this.hear(HELLO)? {
            FromDetector::Hello { protocol, .. } if protocol != PROTOCOL => {
                Err(bad(format!("speaks protocol {protocol}, this nightjar-eye {PROTOCOL}")))
            }
            FromDetector::Hello { name, labels, width, height, .. } => {
                check_hello(&name, &labels, (width, height)).map_err(bad)?;
                (this.labels, this.size) = (labels, (width, height));
                Ok((this, name))
            }
            FromDetector::Error { words, .. } => Err(bad(words)),
            FromDetector::Found { .. } => Err(bad("began with something else than hello".into())),
        }
    }

    /// One message, all of it within the deadline.
    fn hear(&mut self, deadline: Duration) -> Result<FromDetector, Error> {
        let bad = |why: String| Error::Detector { program: self.program.clone(), why };
        let (watch, mut text) = (Stopwatch::start(), Vec::new());
        loop {
            let late = || bad(format!("did not answer within {} s", deadline.as_secs()));
            let left =
                deadline.checked_sub(watch.passed()).filter(|left| !left.is_zero()).ok_or_else(late)?;
            self.from.get_ref().set_read_timeout(Some(left))?;
            let chunk = match self.from.fill_buf() {
                Ok([]) => return Err(bad("ended".into())),
                Ok(chunk) => chunk,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Err(late()),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(bad(e.to_string())),
            };
            let end = chunk.iter().position(|&b| b == b'\n');
            let taken = end.map_or(chunk.len(), |at| at + 1);
            if text.len() + taken > LINE {
                return Err(bad(format!("sent a line of more than {LINE} bytes")));
            }
            text.extend_from_slice(&chunk[..taken]);
            self.from.consume(taken);
            if end.is_some() {
                return serde_json::from_slice(&text).map_err(|e| bad(format!("sent no message: {e}")));
            }
        }
    }

    fn look(&mut self, planes: &[u8]) -> Result<Vec<Thing>, Error> {
        self.looks += 1;
        let (id, (width, height)) = (self.looks, self.size);
        let rgb = interleaved(planes, width * height);
        let program = self.program.clone();
        let bad = |why: String| Error::Detector { program: program.clone(), why };
        let head = line(&ToDetector::Look { id, width, height, format: "rgb24", bytes: rgb.len() });
        self.to
            .write_all(head.as_bytes())
            .and_then(|()| self.to.write_all(&rgb))
            .map_err(|e| bad(format!("takes in no picture: {e}")))?;
        match self.hear(LOOK)? {
            FromDetector::Found { id: of, things } if of == id => Ok(things),
            FromDetector::Error { words, .. } => Err(bad(words)),
            other => Err(bad(format!("answered look {id} with {other:?}").chars().take(300).collect())),
        }
    }
}

impl Detector for Foreign {
    // Its pictures have one size: its card names no smaller input.
    fn run(&mut self, input: &[u8], _: bool) -> Result<Output, Error> {
        let things = self.look(input)?;
        output(&things, &self.labels).map_err(|why| Error::Detector { program: self.program.clone(), why })
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // Within the sandbox this is refused; then it sees its input close, and the recorder ends what is left.
        let _ = self.child.kill();
    }
}

fn line(message: &ToDetector) -> String {
    let mut text = serde_json::to_string(message).expect("numbers and names become JSON");
    text.push('\n');
    text
}

fn check_hello(name: &str, labels: &[String], (width, height): (usize, usize)) -> Result<(), String> {
    let word = |text: &str| !text.is_empty() && text.len() <= LETTERS && !text.contains(char::is_control);
    if !word(name) || !labels.iter().all(|l| word(l)) {
        return Err(format!("its name and its labels must have 1 to {LETTERS} letters"));
    }
    if !(1..=LABELS).contains(&labels.len()) {
        return Err(format!("it must name 1 to {LABELS} labels"));
    }
    if !SIDES.contains(&width) || !SIDES.contains(&height) {
        return Err(format!("it asks for pictures of {width}×{height}; sides are {SIDES:?}"));
    }
    Ok(())
}

/// Planes R, G, B → R G B of each pixel, row by row.
fn interleaved(planes: &[u8], pixels: usize) -> Vec<u8> {
    let (red, rest) = planes.split_at(pixels.min(planes.len()));
    let (green, blue) = rest.split_at(pixels.min(rest.len()));
    red.iter().zip(green).zip(blue).flat_map(|((r, g), b)| [*r, *g, *b]).collect()
}

/// As a model says it: corners, and a row of scores a thing.
fn output(things: &[Thing], labels: &[String]) -> Result<Output, String> {
    if things.len() > THINGS {
        return Err(format!("found {} things in one picture; at most {THINGS}", things.len()));
    }
    let mut output = Output {
        boxes: Vec::with_capacity(things.len() * 4),
        scores: Vec::with_capacity(things.len() * labels.len()),
    };
    for Thing { label, score, x, y, w, h } in things {
        let class = labels.iter().position(|l| l == label);
        let class = class.ok_or_else(|| format!("found a \"{label:.64}\", which is none of its labels"))?;
        let inside = |v: f32| (-0.01..=1.01).contains(&v);
        if !(inside(*score)
            && inside(*x)
            && inside(*y)
            && inside(x + w)
            && inside(y + h)
            && *w >= 0.0
            && *h >= 0.0)
        {
            return Err(format!(
                "found a {label} at {x}, {y}, {w}, {h} with {score}: all are fractions, 0 to 1"
            ));
        }
        output.boxes.extend([*y, *x, y + h, x + w].map(|v| v.clamp(0.0, 1.0)));
        output.scores.extend((0..labels.len()).map(|n| if n == class { score.clamp(0.0, 1.0) } else { 0.0 }));
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of the example in `PROTOCOL.md` after `> ` (eye → detector) or `< `.
    fn example(arrow: &str) -> Vec<String> {
        let text = include_str!("../../PROTOCOL.md");
        text.lines().filter_map(|l| l.strip_prefix(arrow)).map(|l| l.to_owned() + "\n").collect()
    }

    #[test]
    fn the_documented_example_is_what_is_sent_and_understood() {
        let look = |id| ToDetector::Look { id, width: 320, height: 240, format: "rgb24", bytes: 230_400 };
        let sent = [ToDetector::Hello { protocol: 1 }, look(1), look(2)];
        assert_eq!(example("> "), sent.map(|message| line(&message)));
        let heard: Vec<FromDetector> =
            example("< ").iter().map(|l| serde_json::from_str(l).unwrap()).collect();
        let labels = vec!["lamp".to_owned(), "fire".to_owned()];
        let hello =
            FromDetector::Hello { protocol: 1, name: "bright".into(), labels, width: 320, height: 240 };
        let lamp = Thing { label: "lamp".into(), score: 0.9, x: 0.25, y: 0.1, w: 0.05, h: 0.1 };
        let found = FromDetector::Found { id: 1, things: vec![lamp] };
        assert_eq!(heard, [hello, found, FromDetector::Found { id: 2, things: vec![] }]);
    }

    #[test]
    fn pixels_go_out_red_green_blue() {
        assert_eq!(interleaved(&[1, 2, 11, 12, 21, 22], 2), [1, 11, 21, 2, 12, 22]);
    }

    #[test]
    fn things_become_a_models_rows() {
        let labels = ["a".to_owned(), "b".to_owned()];
        let thing = |label: &str, x| Thing { label: label.into(), score: 0.5, x, y: 0.5, w: 0.5, h: 0.5 };
        let out = output(&[thing("b", 0.25), thing("a", 0.0)], &labels).unwrap();
        assert_eq!(out.boxes, [0.5, 0.25, 1.0, 0.75, 0.5, 0.0, 1.0, 0.5]);
        assert_eq!(out.scores, [0.0, 0.5, 0.5, 0.0]);
        for (wrong, part) in
            [(thing("c", 0.0), "\"c\""), (thing("a", 0.9), "fractions"), (thing("a", f32::NAN), "NaN")]
        {
            let why = output(&[wrong], &labels).err().unwrap();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn a_hello_is_checked() {
        let labels = ["x".to_owned()];
        assert!(check_hello("n", &labels, (320, 240)).is_ok());
        assert!(check_hello("", &labels, (320, 240)).is_err());
        assert!(check_hello("n", &[], (320, 240)).is_err());
        assert!(check_hello("n", &["\n".to_owned()], (320, 240)).is_err());
        assert!(
            check_hello("n", &labels, (0, 240)).is_err() && check_hello("n", &labels, (320, 9999)).is_err()
        );
    }
}
