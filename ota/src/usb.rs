//! A stick's folder → its bundles, newest first, offered to the agent one after the other until one is taken.

use crate::client;
use crate::version::Version;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bundles of a stick that are looked at.
const MAX_BUNDLES: usize = 8;
/// Files of a stick's folder that are looked through.
const MAX_FILES: usize = 10_000;

/// Offers them. What it gives is for the log; an error says why none was taken.
pub async fn offer(socket: &Path, folder: &Path) -> Result<String, String> {
    let bundles = bundles(folder)?;
    if bundles.is_empty() {
        return Err(format!("{} holds no *.raucb", folder.display()));
    }
    let mut refused = Vec::new();
    for bundle in bundles {
        let name = bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match client::send(socket, &bundle, "usb").await {
            Ok(action) => match client::until_taken(socket, &action).await? {
                Ok(words) => return Ok(format!("{name}: {words}")),
                Err(why) => refused.push(format!("{name}: {why}")),
            },
            Err(why) => refused.push(format!("{name}: {why}")),
        }
    }
    Err(refused.join("; "))
}

/// The bundles in the folder itself, the newest by the version in their names first, then by their time.
fn bundles(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut found: Vec<(Option<Version>, SystemTime, PathBuf)> = Vec::new();
    for entry in entries.take(MAX_FILES).flatten() {
        let path = entry.path();
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_file() && path.extension().is_some_and(|e| e == "raucb") {
            let time = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push((version_in(&path), time, path));
        }
    }
    found.sort_by_cached_key(|(version, time, path)| Reverse((version.clone(), *time, path.clone())));
    Ok(found.into_iter().take(MAX_BUNDLES).map(|(_, _, path)| path).collect())
}

/// Of `nightjar-rpi4-1.4.2.raucb`: 1.4.2.
fn version_in(path: &Path) -> Option<Version> {
    let stem = path.file_stem()?.to_str()?;
    let starts = stem.char_indices().filter(|(n, c)| {
        c.is_ascii_digit()
            && !stem[..*n].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '.')
    });
    let words = starts.map(|(n, _)| stem[n..].split('_').next().unwrap_or_default());
    words.filter(|w| w.contains('.')).find_map(Version::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_offered_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "nightjar-rpi4-1.4.2.raucb",
            "nightjar_1.10.0_rpi4.raucb",
            "old.raucb",
            "2.0.0.txt",
            "1.4.3-rc.1.raucb",
        ] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(dir.path().join("9.9.raucb")).unwrap();
        let names: Vec<String> = bundles(dir.path())
            .unwrap()
            .iter()
            .map(|p| p.file_name().unwrap().to_str().unwrap().into())
            .collect();
        assert_eq!(
            names,
            ["nightjar_1.10.0_rpi4.raucb", "1.4.3-rc.1.raucb", "nightjar-rpi4-1.4.2.raucb", "old.raucb"]
        );
    }

    #[tokio::test]
    async fn a_stick_without_a_bundle_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = offer(Path::new("/nowhere.sock"), dir.path()).await.unwrap_err();
        assert!(error.ends_with("holds no *.raucb"), "{error}");
    }
}
