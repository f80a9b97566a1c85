//! A bed and the folder that `cargo xtask hil` filled → every test of the table run on it; exit code 1 when one failed.

mod agent;
mod bed;
mod cameras;
mod card;
mod clock;
mod console;
mod curl;
mod fleet;
mod page;
mod program;
mod qemu;
mod real;
mod shelf;
mod shell;
mod sides;
mod suite;
mod tests;

use anyhow::{Context, Result, bail};
use bed::Bed;
use cameras::Cameras;
use fleet::Fleet;
use qemu::Qemu;
use real::{Plugged, Real};
use shelf::Shelf;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use suite::{Common, Lab};

const USAGE: &str = "nightjar-hil --bed qemu|ssh://USER@HOST --folder FOLDER --workspace FOLDER --next VERSION [--only WORDS] [--seed N] [--cuts N] [--boards N] \
                     [--slow yes] [--fleet PORT] [--power COMMAND] [--network COMMAND] [--console FILE]";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("nightjar-hil: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let mut words = options()?;
    let mut take = |key: &str| words.remove(key);
    let folder: PathBuf = take("folder").context(USAGE)?.into();
    let workspace: PathBuf = take("workspace").context(USAGE)?.into();
    let plugged = Plugged { power: take("power"), network: take("network"), console: take("console") };
    let is_slow = take("slow").is_some_and(|word| word == "yes");
    let bed = take("bed").context(USAGE)?;
    let number = |text: Option<String>, otherwise: u64| match text {
        Some(text) => text.parse().with_context(|| format!("`{text}` is no number")),
        None => Ok(otherwise),
    };
    let (seed, cuts) = (number(take("seed"), 1)?, number(take("cuts"), 20)?);
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let boards =
        usize::try_from(number(take("boards"), processors as u64)?).context("so many boards do not fit")?;
    let next = take("next").context(USAGE)?;
    let fleet =
        take("fleet").map(|port| port.parse().map(Fleet::at)).transpose().context("--fleet is no port")?;
    let only = take("only").unwrap_or_default();
    if let Some(key) = words.keys().next() {
        bail!("there is no option --{key}\n{USAGE}");
    }
    let bundles = folder.join("bundles");
    let common = Arc::new(Common {
        workspace,
        bundles,
        next,
        fleet,
        seed,
        cuts: usize::try_from(cuts).context("so many cuts would take years")?,
        aside: Mutex::default(),
        cards: Mutex::default(),
    });
    let lab = |bed| {
        let cameras = Cameras::start(&common.workspace, &common.clip())?;
        Ok(Lab::new(bed, Shelf::open(&common.bundles)?, cameras, common.clone()))
    };
    let mut labs =
        open(&bed, plugged, &folder, boards, is_slow)?.into_iter().map(lab).collect::<Result<Vec<_>>>()?;
    Ok(suite::run(&mut labs, tests::TESTS, &only))
}

/// One real board, or so many in QEMU.
fn open(
    bed: &str,
    plugged: Plugged,
    folder: &Path,
    boards: usize,
    is_slow: bool,
) -> Result<Vec<Box<dyn Bed>>> {
    if bed == "qemu" {
        let (image, key) = (folder.join("board.img"), folder.join("key"));
        let board = |number: usize| Ok(Box::new(Qemu::new(number, &image, &key, is_slow)?) as Box<dyn Bed>);
        return (1..=boards.max(1)).map(board).collect();
    }
    match bed.strip_prefix("ssh://") {
        Some(address) => Ok(vec![Box::new(Real::new(address, plugged)?)]),
        None => bail!("`--bed {bed}`: known are qemu and ssh://USER@HOST"),
    }
}

/// `--key value` words.
fn options() -> Result<BTreeMap<String, String>> {
    let mut options = BTreeMap::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let key = word.strip_prefix("--").with_context(|| format!("`{word}` is no option\n{USAGE}"))?;
        options.insert(key.to_owned(), words.next().with_context(|| format!("--{key} needs a value"))?);
    }
    Ok(options)
}
