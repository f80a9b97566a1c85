//! A recorder under strace → how often it made certain calls in a window.

use crate::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Calls that wait for the disk.
pub(super) const SYNCS: &str = "fsync,fdatasync,sync,syncfs,sync_file_range,msync";
/// Calls that make, remove, grow or cut a file.
pub(super) const FILES: &str = "open,openat,creat,unlink,unlinkat,truncate,ftruncate,fallocate";

/// Why nothing was measured, and the mend; `None` when strace is there.
pub(super) fn missing() -> Option<String> {
    (!run::in_path("strace")).then(|| "strace is not installed; install the package strace".to_owned())
}

/// Traces of one recorder's processes.
pub(super) struct Traces {
    folder: PathBuf,
}

/// Where every trace ends at a moment.
pub(super) struct Mark(Vec<(PathBuf, usize)>);

impl Mark {
    /// Bytes of all traces until then: what strace itself has written.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(_, len)| len).sum()
    }
}

impl Traces {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// The command that runs another under strace; only the calls in `calls` stop it.
    pub(super) fn command(&self, calls: &str) -> Vec<String> {
        let words = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-e", "signal=none", "-e"];
        let trace = self.folder.join("trace.%I").display().to_string();
        let tail = [format!("trace={calls}"), "-o".to_owned(), trace];
        words.into_iter().map(str::to_owned).chain(tail).collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_trace = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == "trace");
        entries.map(|entry| entry.path()).filter(is_trace).collect()
    }

    /// strace writes whole lines at once, so the length of its files is a moment in time.
    pub(super) fn mark(&self) -> Mark {
        let len = |path: PathBuf| {
            let len = path.metadata().map_or(0, |data| data.len() as usize);
            (path, len)
        };
        Mark(self.files().into_iter().map(len).collect())
    }

    /// The lines between two moments.
    pub(super) fn between(&self, from: &Mark, to: &Mark) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for (path, end) in &to.0 {
            let start = from.0.iter().find(|(other, _)| other == path).map_or(0, |(_, len)| *len);
            let text = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
            let part = String::from_utf8_lossy(text.get(start..*end).unwrap_or_default()).into_owned();
            lines.extend(part.lines().map(str::to_owned));
        }
        Ok(lines)
    }
}

/// A line tells that a file was made, removed, grown or cut. Calls that failed, and opens of what was there, do not count.
pub(super) fn changes_a_file(line: &str) -> bool {
    let begins = |call: &str| line.contains(&format!(" {call}("));
    let is_open = begins("open") || begins("openat");
    let is_change = begins("creat") || begins("unlink") || begins("unlinkat") || begins("truncate");
    let is_change =
        is_change || begins("ftruncate") || begins("fallocate") || (is_open && line.contains("O_CREAT"));
    is_change && !line.contains(" = -1 ")
}

/// A line of a call that began here; one that was interrupted has a second line.
pub(super) fn is_call(line: &str) -> bool {
    line.contains('(') && !line.contains(" resumed>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_that_change_the_set_of_files_count() {
        assert!(changes_a_file(
            r#"7  openat(AT_FDCWD</>, "/x/a.part", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 5</x/a.part>"#
        ));
        assert!(
            changes_a_file(r#"7  unlink("/x/a") = 0"#)
                && changes_a_file("7  fallocate(4</x/b>, 0, 0, 9) = 0")
        );
        assert!(!changes_a_file(r#"7  openat(AT_FDCWD</>, "/x/a", O_RDWR|O_CLOEXEC) = 5</x/a>"#));
        assert!(!changes_a_file(r#"7  unlink("/x/a") = -1 ENOENT (No such file or directory)"#));
        assert!(!is_call("7  <... fsync resumed>) = 0") && is_call("7  fsync(4</x> <unfinished ...>"));
    }
}
