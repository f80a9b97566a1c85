//! The card of a board in QEMU: an image that is flashed, layers above it, what is on its partitions.

use crate::program::run;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What an image is flashed to. Sparse: it takes what is written.
const CARD_BYTES: u64 = 3 << 30;
const CARD: &str = "card.img";
/// The partition for what outlives an update.
pub(crate) const STATE: &str = "state";
/// The one for footage.
pub(crate) const DATA: &str = "data";
const SECTOR: u64 = 512;

/// It is changed while the board's power is off.
pub(crate) struct Card {
    /// Of this board alone.
    folder: PathBuf,
    /// What is in the board: a flashed card, or a layer above one that is as it was at some moment.
    file: PathBuf,
    /// Layers that were made.
    layers: u32,
    /// Whether nothing else needs the layer that is in the board.
    is_for_once: bool,
}

impl Card {
    /// None is there before [`Card::flash`].
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), file: folder.join(CARD), layers: 0, is_for_once: false }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// QEMU's word for what the file is.
    pub(crate) fn format(&self) -> &'static str {
        format_of(&self.file)
    }

    /// The image on a card of its own, with these files in the folder of settings.
    pub(crate) fn flash(&mut self, image: &Path, settings: &[(&str, String)]) -> Result<()> {
        self.take_out()?;
        self.file = self.folder.join(CARD);
        run(Command::new("cp").args(["--sparse=always"]).arg(image).arg(&self.file))?;
        let card = File::options().write(true).open(&self.file).context("the copy can't be opened")?;
        card.set_len(CARD_BYTES).context("the card can't be made as large")?;
        let file = self.folder.join("setting");
        for (name, text) in settings {
            std::fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))?;
            self.put(&file, "etc", name)?;
        }
        Ok(())
    }

    /// A running board writes into another layer from now on; gives the one of before, which stays as it is.
    pub(crate) fn goes_on_in(&mut self, layer: PathBuf) -> PathBuf {
        self.is_for_once = false;
        std::mem::replace(&mut self.file, layer)
    }

    /// Keeps the card under a name of its own, and gives it.
    pub(crate) fn put_aside(&mut self) -> Result<PathBuf> {
        let kept = self.folder.join(format!("kept.{}", self.format()));
        std::fs::rename(&self.file, &kept).context("the card can't be put aside")?;
        self.is_for_once = false;
        Ok(kept)
    }

    /// What is on a partition, copied into a folder that it gives.
    pub(crate) fn files(&mut self, partition: &str) -> Result<PathBuf> {
        self.make_whole()?;
        let copy = self.mended(partition)?;
        let folder = self.folder.join(partition);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        // In it: this program's words know no quotes.
        let mut debugfs = Command::new("debugfs");
        debugfs.current_dir(&folder).args(["-R", "rdump / ."]).arg(&copy);
        let output = debugfs.output().context("can't start debugfs")?;
        std::fs::remove_file(&copy).with_context(|| format!("{} stays", copy.display()))?;
        if !folder.join("lost+found").exists() {
            bail!("debugfs can't read \"{partition}\": {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(folder)
    }

    /// A file onto the partition "state".
    pub(crate) fn leave(&mut self, name: &str, text: &str) -> Result<()> {
        self.make_whole()?;
        let copy = self.mended(STATE)?;
        let mut card = File::options().write(true).open(&self.file).context("the card can't be opened")?;
        card.seek(SeekFrom::Start(self.partition(STATE)?[0])).context("the card is too short")?;
        let mut mended = File::open(&copy).context("the mended \"state\" can't be read")?;
        std::io::copy(&mut mended, &mut card).context("\"state\" can't be put back")?;
        std::fs::write(&copy, text).with_context(|| format!("can't write {}", copy.display()))?;
        self.put(&copy, ".", name)?;
        std::fs::remove_file(&copy).with_context(|| format!("{} stays", copy.display()))
    }

    /// A layer above a card, put in.
    pub(crate) fn put_layer_above(&mut self, card: &Path) -> Result<()> {
        self.take_out()?;
        let layer = self.next_layer();
        run(Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", format_of(card), "-b"])
            .arg(card)
            .arg(&layer))?;
        (self.file, self.is_for_once) = (layer, true);
        Ok(())
    }

    /// Throws away a layer that nothing else needs.
    fn take_out(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_for_once) {
            std::fs::remove_file(&self.file).context("a layer of the card stays")?;
        }
        Ok(())
    }

    /// A file for the next layer of the card, with none there.
    pub(crate) fn next_layer(&mut self) -> PathBuf {
        self.layers += 1;
        let layer = self.layer(self.layers);
        let _ = std::fs::remove_file(&layer);
        layer
    }

    fn layer(&self, number: u32) -> PathBuf {
        self.folder.join(format!("card-{number}.qcow2"))
    }

    /// A layer and what is beneath it become one file that other programs can read.
    fn make_whole(&mut self) -> Result<()> {
        if format_of(&self.file) == "qcow2" {
            let whole = self.folder.join(CARD);
            run(Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(&self.file).arg(&whole))?;
            self.take_out()?;
            self.file = whole;
        }
        Ok(())
    }

    /// A copy of a partition, with what a power cut left in its journal done: e2fsck loses its way on a file with an offset.
    fn mended(&self, partition: &str) -> Result<PathBuf> {
        let [first, bytes] = self.partition(partition)?;
        let copy = self.folder.join(format!("{partition}.ext4"));
        run(Command::new("dd")
            .arg(format!("if={}", self.file.display()))
            .arg(format!("of={}", copy.display()))
            .args(["bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse", "status=none"])
            .args([format!("skip={first}"), format!("count={bytes}")]))?;
        let mut mend = Command::new("e2fsck");
        let status = mend.args(["-f", "-y"]).arg(&copy).stdout(Stdio::null()).stderr(Stdio::null()).status();
        // 1: something was mended.
        if status.context("can't start e2fsck")?.code().is_none_or(|code| code > 1) {
            bail!("the file system of \"{partition}\" can't be mended");
        }
        Ok(copy)
    }

    /// First byte of a partition of the card, and how many it has.
    fn partition(&self, label: &str) -> Result<[u64; 2]> {
        let table =
            Command::new("sgdisk").arg("-p").arg(&self.file).output().context("can't start sgdisk")?;
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        // Number, first and last sector, size in two words, code, name.
        let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = row.into_iter().find(|words| words.len() == 7 && words[6] == label);
        let row = row.with_context(|| format!("the card has no partition \"{label}\""))?;
        let number = |text: &str| text.parse::<u64>().context("sgdisk's table has a place that is no number");
        let (first, last) = (number(row[1])?, number(row[2])?);
        Ok([first * SECTOR, (last + 1 - first) * SECTOR])
    }

    /// A file into a folder of the partition "state", while the power is off.
    fn put(&self, file: &Path, folder: &str, name: &str) -> Result<()> {
        let state = format!("{}?offset={}", self.file.display(), self.partition(STATE)?[0]);
        let ask = |words: &str| {
            let mut debugfs = Command::new("debugfs");
            debugfs.args(["-w", "-R", words, &state]).stdin(Stdio::null()).stderr(Stdio::null());
            let output = debugfs.output().context("can't start debugfs")?;
            Ok::<_, anyhow::Error>(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        // debugfs ends well whatever it did.
        let _ = ask(&format!("mkdir {folder}"))?; // it may be there
        ask(&format!("write {} {folder}/{name}", file.display()))?;
        if !ask(&format!("stat {folder}/{name}"))?.contains("Type: regular") {
            bail!("{name} can't be put into {folder} of the card");
        }
        Ok(())
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        for layer in 1..=self.layers {
            let _ = std::fs::remove_file(self.layer(layer));
        }
        for file in ["kept.raw", "kept.qcow2"] {
            let _ = std::fs::remove_file(self.folder.join(file));
        }
        for partition in [STATE, DATA] {
            let _ = std::fs::remove_dir_all(self.folder.join(partition));
        }
    }
}

/// QEMU's word for what a card's file is.
fn format_of(disk: &Path) -> &'static str {
    if disk.extension().is_some_and(|ending| ending == "qcow2") { "qcow2" } else { "raw" }
}
