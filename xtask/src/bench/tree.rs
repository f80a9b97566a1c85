//! Top processes → what they and all their descendants cost, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Ticks a second of the times in `/proc`: a constant of Linux's interface to programs (USER_HZ) on x86 and ARM.
const TICKS: f64 = 100.0;
/// `/proc` tells memory in units of this many bytes.
const KIB: u64 = 1024;

/// Peaks over a run, and the counters as last seen.
#[derive(Debug, Default, Clone)]
pub(super) struct Tree {
    roots: Vec<u32>,
    pub(super) peak_rss: u64,
    pub(super) peak_pss: u64,
    /// Bytes handed to the disk, at the last look.
    pub(super) written: u64,
    /// Bytes of the calls that write, to whatever they write, at the last look.
    pub(super) asked: u64,
}

/// One process of `/proc`.
struct Process {
    parent: u32,
    /// User and system time in ticks, with the children it has waited for.
    ticks: u64,
}

impl Tree {
    pub(super) fn of(roots: Vec<u32>) -> Self {
        Self { roots, ..Self::default() }
    }

    /// Seconds of processor time of the whole tree since it started.
    pub(super) fn cpu(&self) -> f64 {
        let all = processes();
        self.members(&all).iter().filter_map(|pid| all.get(pid)).map(|process| process.ticks).sum::<u64>()
            as f64
            / TICKS
    }

    /// Looks at memory and at bytes written. PSS costs the kernel more than the rest: only on demand.
    pub(super) fn sample(&mut self, pss: bool) {
        let members = self.members(&processes());
        let rss: u64 = members.iter().map(|pid| number(*pid, "status", "VmRSS:")).sum();
        self.peak_rss = self.peak_rss.max(rss * KIB);
        if pss {
            let pss: u64 = members.iter().map(|pid| number(*pid, "smaps_rollup", "Pss:")).sum();
            self.peak_pss = self.peak_pss.max(pss * KIB);
        }
        // A process that was waited for has left its counters to its parent: only those that are there count.
        self.written = members.iter().map(|pid| number(*pid, "io", "write_bytes:")).sum();
        self.asked = members.iter().map(|pid| number(*pid, "io", "wchar:")).sum();
    }

    /// Times that a thread of the tree went to sleep by itself: each is a wake-up. Threads that ended are not counted.
    pub(super) fn switches(&self) -> u64 {
        let threads = |pid: u32| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let members = self.members(&processes());
        let of = |thread: fs::DirEntry| value(&thread.path().join("status"), "voluntary_ctxt_switches:");
        members.into_iter().flat_map(threads).map(of).sum()
    }

    fn members(&self, all: &BTreeMap<u32, Process>) -> Vec<u32> {
        let mut members = self.roots.clone();
        let mut at = 0;
        while at < members.len() {
            let parent = members[at];
            members.extend(all.iter().filter(|(_, process)| process.parent == parent).map(|(pid, _)| *pid));
            at += 1;
        }
        members
    }
}

/// Whether a process has ended and only waits to be collected; its counters can still be read.
pub(super) fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

/// Processes that this one started.
pub(super) fn children_of(pid: u32) -> Vec<u32> {
    processes().into_iter().filter(|(_, process)| process.parent == pid).map(|(child, _)| child).collect()
}

/// Those of them that are eyes.
pub(super) fn eyes_of(pid: u32) -> Vec<u32> {
    let is_eye = |pid: &u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim_end() == "nightjar-eye"
    };
    children_of(pid).into_iter().filter(is_eye).collect()
}

/// Ticks that the machine's cores were idle, and all their ticks, since it was started.
pub(super) fn idle_and_total() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let numbers: Vec<u64> =
        line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
    (numbers.get(3).copied().unwrap_or(0), numbers.iter().sum())
}

fn processes() -> BTreeMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect()
}

/// `/proc/PID/stat`: the name in brackets may hold anything, so the fields are counted after the last bracket.
fn parse(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    Some(Process { parent: u32::try_from(number(1)?).ok()?, ticks })
}

fn number(pid: u32, file: &str, key: &str) -> u64 {
    value(Path::new(&format!("/proc/{pid}/{file}")), key)
}

fn value(path: &Path, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_process_with_brackets_in_its_name() {
        let stat = "42 (a) b)) S 7 42 42 0 -1 4194560 100 0 0 0 10 20 3 4 20 0 1 0 12345 1000 200";
        let process = parse(stat).expect("a whole line");
        assert_eq!((process.parent, process.ticks), (7, 37));
    }

    #[test]
    fn sees_itself() {
        let mut tree = Tree::of(vec![std::process::id()]);
        tree.sample(true);
        assert!(tree.peak_rss > 0 && tree.peak_pss > 0);
    }
}
