//! `nightjar verify`: files → words (or JSON) that say whose footage they are and whether it is as recorded. Needs nothing
//! but the files.

use anyhow::{Context, bail};
use nightjar_record::ReadAt;
use nightjar_record::evidence::{self, Fault, Key, Link, Missing, Report, Signed, What, fingerprint};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Files in one run: a full terabyte of the smallest slabs.
const MAX_FILES: usize = 1 << 20;
/// Faults told in words for one file; JSON has them all.
const MAX_WORDS: usize = 20;

struct Positioned(File);

impl ReadAt for Positioned {
    type Error = io::Error;
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.0.read_at(&mut buf[filled..], offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }
}

/// What is said of one file.
struct Checked {
    path: PathBuf,
    report: Report,
    /// Why it is refused although nothing in it is damaged.
    refused: Option<String>,
}

impl Checked {
    fn is_good(&self) -> bool {
        self.report.is_intact() && self.refused.is_none()
    }
}

/// Checks the files, and those in folders. `key` is the only one that is believed. True: all are as recorded.
pub(crate) fn run(files: &[PathBuf], key: Option<&str>, as_json: bool) -> anyhow::Result<bool> {
    let key = key.map(read_key).transpose()?;
    let mut paths = Vec::new();
    for file in files {
        collect(file, file.is_dir(), &mut paths)?;
    }
    if paths.is_empty() {
        bail!("there is no .mp4 file in what was named");
    }
    let mut out = io::stdout().lock();
    let mut all = Vec::with_capacity(paths.len());
    for path in paths {
        let report = check(&path).with_context(|| path.display().to_string())?;
        let refused = refused(&report, key.as_ref());
        let checked = Checked { path, report, refused };
        if !as_json {
            write!(out, "{}", words(&checked, key.is_some()))?;
        }
        all.push(checked);
    }
    let reports: Vec<Report> = all.iter().map(|c| c.report.clone()).collect();
    let missing = evidence::missing(&reports);
    let good = all.iter().filter(|c| c.is_good()).count();
    if as_json {
        let files: Vec<Value> = all.iter().map(as_value).collect();
        let missing: Vec<Value> = missing.iter().map(missing_value).collect();
        let whole = json!({ "intact": good == all.len(), "files": files, "missing": missing });
        writeln!(out, "{whole:#}")?;
    } else {
        for m in &missing {
            writeln!(
                out,
                "note: camera {} ({}): between {} and {} at least one slab is not among these files",
                m.stream.0, m.stream.1, m.from, m.to
            )?;
        }
        if all.len() > 1 {
            writeln!(out, "{good} of {} files are as recorded", all.len())?;
        }
        if key.is_none() {
            let hint = "note: without --key it is the files themselves that say whose key signed them; \
                        compare the fingerprint with the recorder's";
            writeln!(out, "{hint}")?;
        }
    }
    Ok(good == all.len())
}

/// `path` itself, or the MP4 files below it, in order of their names.
fn collect(path: &Path, is_dir: bool, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !is_dir {
        if paths.len() >= MAX_FILES {
            bail!("more than {MAX_FILES} files; name fewer");
        }
        paths.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| format!("{}: cannot be listed", path.display()))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|e| e.file_name());
    for entry in entries {
        let (kind, path) = (entry.file_type()?, entry.path());
        let is_mp4 = path.extension().is_some_and(|e| e == "mp4");
        if kind.is_dir() || (kind.is_file() && is_mp4) {
            collect(&path, kind.is_dir(), paths)?;
        }
    }
    Ok(())
}

fn check(path: &Path) -> anyhow::Result<Report> {
    let file = File::open(path).context("cannot be opened")?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        bail!("is no file");
    }
    evidence::verify(&Positioned(file), meta.len()).context("cannot be read")
}

/// 64 hexadecimal digits, or a file that holds them.
fn read_key(text: &str) -> anyhow::Result<Key> {
    let parse = |text: &str| -> Option<Key> {
        let text = text.trim();
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut key = [0; 32];
        for (n, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[n * 2..n * 2 + 2], 16).ok()?;
        }
        Some(key)
    };
    if let Some(key) = parse(text) {
        return Ok(key);
    }
    let file = fs::read_to_string(text).with_context(|| {
        format!("--key {text}: neither 64 hexadecimal digits nor a file that can be read")
    })?;
    parse(&file).with_context(|| format!("--key {text}: the file does not hold 64 hexadecimal digits"))
}

/// With a key, only what its holder signed is good.
fn refused(report: &Report, key: Option<&Key>) -> Option<String> {
    let key = key?;
    match report.key() {
        Some(signer) if signer == *key => None,
        _ if report.what == What::Other => None,
        Some(signer) => Some(format!("signed by {}, not by the given key", fingerprint(&signer))),
        None => Some("not signed by the given key".into()),
    }
}

fn words(checked: &Checked, has_key: bool) -> String {
    let Checked { path, report, refused } = checked;
    let name = path.display();
    let Some((camera, stream)) = &report.stream else {
        return format!(
            "{name}: NOT PROVEN: no slab of a recorder and no export with a proof, or its end is missing\n"
        );
    };
    let (from, to) = report.span();
    let what = if report.what == What::Slab { "slab" } else { "export" };
    let mut text = format!("{name}: {what} of camera {camera} ({stream}), {from} to {to}\n");
    let mut line = |words: String| text.push_str(&format!("  {words}\n"));
    line(signature(report, has_key));
    for s in report.slabs.iter().filter(|s| s.shift_us != 0) {
        let seconds = s.shift_us as f64 / 1e6;
        line(format!("the clock was set later: the times from {} on were moved by {seconds} s", s.from));
    }
    if report.slabs.iter().any(|s| !s.replaces.is_empty()) {
        line("thinned: the recorder kept a part of older footage".into());
    }
    if report.slabs.iter().any(|s| !s.is_clock_sure) {
        line("nothing vouched for the recorder's clock when this was begun".into());
    }
    for Fault { from, to, wrong } in report.faults.iter().take(MAX_WORDS) {
        line(format!("NOT AUTHENTIC: camera {camera}, {from} to {to}: {wrong}"));
    }
    let more = report.faults.len().saturating_sub(MAX_WORDS) as u64 + report.more_faults;
    if more > 0 {
        line(format!("… and {more} more stretches"));
    }
    match refused {
        Some(why) => line(format!("REFUSED: {why}")),
        None if report.is_intact() => line(format!("intact: {} fragments are as recorded", report.fragments)),
        None => {}
    }
    text
}

fn signature(report: &Report, has_key: bool) -> String {
    let claim = if has_key { "" } else { " (the file's own claim)" };
    let is_open = report.slabs.iter().any(|s| !s.is_sealed);
    match (report.key(), report.what) {
        (Some(key), _) => format!("signed by device {}{claim}", fingerprint(&key)),
        (None, What::Slab) if is_open => "not signed yet: the recorder signs a slab when it is full".into(),
        (None, _) => match report.export {
            Signed::By(key) => format!(
                "the export is signed by device {}{claim}, but not all of its footage",
                fingerprint(&key)
            ),
            Signed::No => "not signed: the recorder had no key".into(),
            Signed::Falsely(_) => "the signature is false".into(),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn signed_value(signed: Signed) -> Value {
    match signed {
        Signed::By(key) => json!({ "key": hex(&key), "fingerprint": fingerprint(&key), "good": true }),
        Signed::Falsely(key) => json!({ "key": hex(&key), "fingerprint": fingerprint(&key), "good": false }),
        Signed::No => Value::Null,
    }
}

fn as_value(checked: &Checked) -> Value {
    let Checked { path, report, refused } = checked;
    let (from, to) = report.span();
    let slab = |s: &Link| {
        json!({
            "generation": s.generation, "from_ms": s.from.as_ms(), "to_ms": s.to.as_ms(), "sealed": s.is_sealed,
            "signed": signed_value(s.signed), "chain": hex(&s.chain), "previous": hex(&s.previous),
            "clock_sure": s.is_clock_sure, "thinned": !s.replaces.is_empty(), "shift_us": s.shift_us,
        })
    };
    let fault =
        |f: &Fault| json!({ "from_ms": f.from.as_ms(), "to_ms": f.to.as_ms(), "words": f.wrong.to_string() });
    json!({
        "file": path.display().to_string(),
        "kind": match report.what { What::Slab => "slab", What::Clip => "export", What::Other => "other" },
        "camera": report.stream.as_ref().map(|s| s.0.to_string()),
        "stream": report.stream.as_ref().map(|s| s.1.as_str()),
        "from_ms": from.as_ms(), "to_ms": to.as_ms(),
        "intact": checked.is_good(),
        "refused": refused,
        "key": report.key().map(|k| hex(&k)),
        "fingerprint": report.key().map(|k| fingerprint(&k)),
        "export": signed_value(report.export),
        "fragments": report.fragments,
        "slabs": report.slabs.iter().map(slab).collect::<Vec<_>>(),
        "faults": report.faults.iter().map(fault).collect::<Vec<_>>(),
        "more_faults": report.more_faults,
    })
}

fn missing_value(m: &Missing) -> Value {
    json!({
        "camera": m.stream.0.to_string(), "stream": m.stream.1.as_str(),
        "from_ms": m.from.as_ms(), "to_ms": m.to.as_ms(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hex_or_a_file_with_it() {
        let dir = std::env::temp_dir().join(format!("nightjar-verify-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("key.hex");
        fs::write(&file, format!("{}\n", "0f".repeat(32))).unwrap();
        assert_eq!(read_key(&"0f".repeat(32)).unwrap(), [15; 32]);
        assert_eq!(read_key(file.to_str().unwrap()).unwrap(), [15; 32]);
        for bad in ["0f", &"zz".repeat(32), "no/such/file", dir.to_str().unwrap()] {
            assert!(read_key(bad).unwrap_err().to_string().contains("--key"), "{bad}");
        }
        fs::write(&file, "short").unwrap();
        assert!(read_key(file.to_str().unwrap()).is_err());
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_no_footage_is_not_proven_and_folders_are_walked() {
        let dir = std::env::temp_dir().join(format!("nightjar-verify-walk-{}", std::process::id()));
        fs::create_dir_all(dir.join("b/a")).unwrap();
        fs::write(dir.join("b/a/x.mp4"), b"nothing").unwrap();
        fs::write(dir.join("b/note.txt"), b"nothing").unwrap();
        let mut paths = Vec::new();
        collect(&dir, true, &mut paths).unwrap();
        assert_eq!(paths, [dir.join("b/a/x.mp4")]);
        let report = check(&paths[0]).unwrap();
        assert!(!report.is_intact());
        let checked = Checked { path: paths[0].clone(), report, refused: None };
        assert!(words(&checked, false).contains("NOT PROVEN"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
