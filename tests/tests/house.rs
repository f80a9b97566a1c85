//! The work tree's own files → the house rules of ARCHITECTURE.md and STYLE.md, checked. Nothing is built or started.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate's folder and which of our crates it may import. Arrows only point to what comes before.
const ARROWS: &[(&str, &[&str])] = &[
    ("firmware/types", &[]),
    ("firmware/media", &["types"]),
    ("firmware/record", &["media", "types"]),
    ("firmware/detect", &["types"]),
    ("firmware/rules", &[]),
    ("board", &["types"]),
    ("models", &["types"]),
    ("firmware/io", &["types", "media", "record", "detect", "rules", "board"]),
    ("firmware/api", &["types"]),
    ("firmware/eye", &["types", "detect", "models"]),
    ("firmware/nightjar", &["types", "media", "record", "rules", "io", "api", "board"]),
    ("ota/ddi", &["types"]),
    ("ota", &["types", "ddi"]),
    ("tests", &["types", "media", "record", "detect", "rules", "io", "api", "board", "models"]),
    ("tests/fuzz", &["types", "media", "record", "io", "api"]),
    ("hil-tests", &["tests"]),
    ("xtask", &[]),
];

/// Crates that know no clock, socket, file or task.
const PURE: &[&str] =
    &["firmware/types", "firmware/media", "firmware/record", "firmware/detect", "firmware/rules"];
/// Addresses of `std::net` are data; what opens a connection is not.
const NOT_PURE: &[&str] = &[
    "std::time::SystemTime",
    "std::time::Instant",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "tokio",
];

/// What must not be below the recorder: whatever touches pixels or cameras' devices.
const NOT_BELOW_NIGHTJAR: &[&str] = &[
    "gstreamer",
    "gstreamer-sys",
    "gstreamer-app",
    "glib",
    "v4l",
    "v4l2-sys-mit",
    "tract-onnx",
    "tract-core",
    "nightjar-eye",
];

/// Names of tables of files: the folder of the files, the sources that list them, the table's name.
const TABLES: &[(&str, &str, &str)] =
    &[("board/boards", "board/src", "BOARDS"), ("models/cards", "models/src", "CARDS")];

/// Marks of unfinished work, put together here so that this file does not hold them.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("un", "implemented!("),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("#[ig", "nore"),
];

/// Starts of paths that exist on one machine only.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// A source file of ours stays readable in one sitting.
const LONGEST: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the work tree").to_owned()
}

/// All files of the work tree that are ours, by their path from the root.
fn files() -> Vec<String> {
    let git = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let mut files: Vec<String> = match git {
        Ok(out) if out.status.success() && !out.stdout.is_empty() => {
            String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
        }
        _ => walk(&root()),
    };
    // A file that was deleted and not yet staged is still listed.
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files
}

/// The same without git, as in an unpacked archive.
fn walk(dir: &Path) -> Vec<String> {
    const MADE: &[&str] = &["target", "node_modules", "dist", "test-output", ".git", ".test", "__pycache__"];
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("the folder can be listed").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if !MADE.iter().any(|made| name == *made) {
                files.extend(walk(&path));
            }
        } else if let Ok(short) = path.strip_prefix(root()) {
            files.push(short.to_string_lossy().into_owned());
        }
    }
    files
}

/// The text of a file, or nothing for a picture.
fn text(file: &str) -> Option<String> {
    fs::read(root().join(file)).ok().and_then(|bytes| String::from_utf8(bytes).ok())
}

fn sources(below: &str) -> Vec<(String, String)> {
    let start = format!("{below}/");
    let rust = files().into_iter().filter(|file| file.starts_with(&start) && file.ends_with(".rs"));
    rust.filter_map(|file| text(&file).map(|text| (file, text))).collect()
}

/// Fails with every fault at once.
fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
}

/// Keys of the tables of a Cargo.toml that hold what a crate is built from (not what its tests use).
fn imports(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_matches(['[', ']']);
            inside = section.ends_with("dependencies") && !section.ends_with("dev-dependencies");
            // `[dependencies.name]` spells one entry as a table.
            if let Some((table, name)) = section.rsplit_once('.')
                && table.ends_with("dependencies")
                && !table.ends_with("dev-dependencies")
                && table != "workspace"
            {
                names.insert(name.to_owned());
            }
        } else if inside && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default().trim_matches('"');
            if !name.is_empty() {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn every_crate_has_its_arrows_written_down() {
    let mut found: BTreeSet<String> = files()
        .iter()
        .filter_map(|file| file.strip_suffix("/Cargo.toml"))
        .filter(|folder| {
            text(&format!("{folder}/Cargo.toml")).is_some_and(|text| !text.contains("[workspace]"))
        })
        .map(str::to_owned)
        .collect();
    for (folder, _) in ARROWS {
        assert!(found.remove(*folder), "{folder} is in ARROWS but is no crate");
    }
    assert!(found.is_empty(), "crates without a row in ARROWS: {found:?}");
}

#[test]
fn imports_only_point_upwards() {
    let mut faults = Vec::new();
    for (folder, allowed) in ARROWS {
        let manifest = text(&format!("{folder}/Cargo.toml")).expect("every crate has a Cargo.toml");
        for name in imports(&manifest) {
            let ours = name.strip_prefix("nightjar-").or((name == "nightjar").then_some("nightjar"));
            if let Some(ours) = ours.filter(|ours| !allowed.contains(ours)) {
                faults
                    .push(format!("{folder}/Cargo.toml imports nightjar-{ours}; it may import {allowed:?}"));
            }
        }
    }
    report(&faults);
}

#[test]
fn the_recorder_stands_on_nothing_that_touches_pixels() {
    let lock = text("Cargo.lock").expect("Cargo.lock is part of the work tree");
    let mut tree: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(found) = line.strip_prefix("name = ") {
            name = found.trim_matches('"').to_owned();
        } else if let Some(found) = line.strip_prefix(" \"") {
            let below = found.split(['"', ' ']).next().unwrap_or_default().to_owned();
            tree.entry(name.clone()).or_default().push(below);
        }
    }
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut next = vec![("nightjar".to_owned(), "nightjar".to_owned())];
    while let Some((package, way)) = next.pop() {
        if seen.contains_key(&package) {
            continue;
        }
        for below in tree.get(&package).into_iter().flatten() {
            next.push((below.clone(), format!("{way} → {below}")));
        }
        seen.insert(package, way);
    }
    assert!(seen.contains_key("nightjar-io"), "Cargo.lock was not understood");
    let faults: Vec<String> = NOT_BELOW_NIGHTJAR.iter().filter_map(|name| seen.get(*name).cloned()).collect();
    report(&faults);
}

/// A source without comments and without the tests at its end; `use a::{b, c::{d}}` is written out as `a::b`, `a::c::d`.
fn code(source: &str) -> String {
    let body = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = body.lines().map(|line| line.split("//").next().unwrap_or_default());
    let plain = lines.collect::<Vec<_>>().join("\n");
    let mut out = plain.clone();
    for import in plain.split("use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        for path in spelled_out(import) {
            out += &format!("\n{path}");
        }
    }
    out
}

fn spelled_out(import: &str) -> Vec<String> {
    let (mut paths, mut stack, mut word) = (Vec::new(), vec![String::new()], String::new());
    let top = |stack: &[String]| stack.last().cloned().unwrap_or_default();
    for c in import.chars().filter(|c| !c.is_whitespace()) {
        match c {
            '{' => {
                stack.push(top(&stack) + &word);
                word.clear();
            }
            ',' | '}' => {
                if !word.is_empty() {
                    paths.push(top(&stack) + &word);
                    word.clear();
                }
                if c == '}' && stack.len() > 1 {
                    stack.pop();
                }
            }
            other => word.push(other),
        }
    }
    if !word.is_empty() {
        paths.push(top(&stack) + &word);
    }
    paths
}

#[test]
fn pure_crates_know_no_clock_socket_file_or_task() {
    let mut faults = Vec::new();
    for folder in PURE {
        let rust = sources(&format!("{folder}/src"));
        assert!(!rust.is_empty(), "{folder} has no sources");
        for (file, source) in rust {
            if file.ends_with("/tests.rs") || file.contains("/tests/") {
                continue;
            }
            let code = code(&source);
            for word in NOT_PURE.iter().filter(|word| has_word(&code, word)) {
                faults.push(format!("{file} is pure and yet names {word}"));
            }
        }
    }
    report(&faults);
}

/// Whether `word` stands in `text` with no letter, digit or underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_letter)
            && !text[at + word.len()..].chars().next().is_some_and(is_letter)
    })
}

#[test]
fn nothing_is_left_unfinished() {
    const KINDS: &[&str] =
        &[".rs", ".ts", ".tsx", ".py", ".sh", ".toml", ".mjs", ".js", ".css", ".yml", ".yaml"];
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| KINDS.iter().any(|kind| file.ends_with(kind))) {
        for (number, line) in text(file).unwrap_or_default().lines().enumerate() {
            for mark in UNFINISHED {
                let is_word = mark.chars().all(char::is_alphabetic);
                let is_there = if is_word { has_word(line, mark) } else { line.contains(mark) };
                if is_there {
                    faults.push(format!("{file}:{}: {mark}", number + 1));
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn every_crate_introduces_itself() {
    let mut faults = Vec::new();
    for (folder, _) in ARROWS {
        let readme = text(&format!("{folder}/README.md")).unwrap_or_default();
        if !readme.starts_with("# ") {
            faults.push(format!("{folder}/README.md is missing or has no title"));
        }
        let roots: Vec<String> = ["lib", "main"].map(|name| format!("{folder}/src/{name}.rs")).to_vec();
        let first = roots.iter().find_map(|file| text(file));
        if !first.is_some_and(|source| source.starts_with("//!")) {
            faults.push(format!("{folder}/src/lib.rs or main.rs does not start with a `//!` line"));
        }
    }
    report(&faults);
}

#[test]
fn every_source_file_says_what_comes_in_and_what_goes_out() {
    let is_ours = |file: &String| file.ends_with(".rs") && !file.ends_with("/tests.rs");
    let rust = files().into_iter().filter(is_ours);
    let faults: Vec<String> =
        rust.filter(|file| !text(file).is_some_and(|source| source.starts_with("//!"))).collect();
    report(&faults);
}

#[test]
fn source_files_can_be_read_in_one_sitting() {
    let mut faults = Vec::new();
    for (folder, _) in ARROWS {
        for (file, source) in sources(folder) {
            let lines = source.lines().count();
            if lines > LONGEST {
                faults.push(format!(
                    "{file} has {lines} lines, more than {LONGEST}: what second thing has it become?"
                ));
            }
        }
    }
    report(&faults);
}

#[test]
fn tables_list_every_file_of_their_folder() {
    let mut faults = Vec::new();
    for (folder, list, table) in TABLES {
        let start = format!("{folder}/");
        let there: BTreeSet<String> = files()
            .iter()
            .filter(|file| file.starts_with(&start) && file.ends_with(".toml"))
            .filter_map(|file| file.rsplit('/').next())
            .map(str::to_owned)
            .collect();
        let all = sources(list).into_iter().map(|(_, source)| source).collect::<String>();
        assert!(!there.is_empty(), "{folder} holds no file");
        assert!(has_word(&all, table), "{list} has no table {table}");
        let listed: BTreeSet<String> = all
            .split("include_str!(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next()?.rsplit('/').next())
            .filter(|name| name.ends_with(".toml"))
            .map(str::to_owned)
            .collect();
        for name in there.difference(&listed) {
            faults.push(format!("{folder}/{name} is not in {table}"));
        }
        for name in listed.difference(&there) {
            faults.push(format!("{table} lists {name}, which is not in {folder}"));
        }
    }
    report(&faults);
}

/// Words in quotes of what follows `start`, up to `end`.
fn quoted(text: &str, start: &str, end: &str) -> BTreeSet<String> {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start} is not there any more"));
    let table = rest.split(end).next().unwrap_or_default();
    table.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_kind_of_camera_can_be_configured_and_is_described() {
    let read = |file: &str| text(file).unwrap_or_else(|| panic!("{file} is missing"));
    let table = quoted(&read("firmware/io/src/source/mod.rs"), "SOURCES: &[Kind] =", "];");
    let typed = quoted(&read("firmware/types/src/config/check.rs"), "SCHEMES: &[&str] =", "];");
    assert!(table.len() >= 3, "SOURCES was not understood: {table:?}");
    assert_eq!(table, typed, "SOURCES of firmware/io and SCHEMES of the configuration name the same kinds");
    let local = read("firmware/types/src/capture/address.rs");
    let local = quoted(&local, "pub fn scheme(self)", "\n    }\n");
    assert!(
        local.len() == 3 && local.is_subset(&table),
        "kinds of local cameras are rows of SOURCES: {local:?}"
    );
    let mut faults = Vec::new();
    for file in ["firmware/io/README.md", "firmware/nightjar/nightjar.toml", "README.md"] {
        let words = read(file);
        let missing = table.iter().filter(|scheme| !words.contains(&format!("{scheme}:")));
        faults.extend(missing.map(|scheme| format!("{file} does not say {scheme}:")));
    }
    report(&faults);
}

#[test]
fn every_kind_of_alarm_is_described() {
    let read = |file: &str| text(file).unwrap_or_else(|| panic!("{file} is missing"));
    let table = quoted(&read("firmware/io/src/alarm/mod.rs"), "ALARMS: &[Kind] =", "];");
    assert!(table.len() >= 4, "ALARMS was not understood: {table:?}");
    let mut faults = Vec::new();
    for kind in &table {
        let described = [
            ("firmware/io/README.md", format!("`{kind}`")),
            ("firmware/nightjar/nightjar.toml", format!("[{kind}]")),
            ("firmware/api/openapi.json", format!("\"{kind}\"")),
        ];
        let missing = described.iter().filter(|(file, words)| !read(file).contains(words));
        faults.extend(missing.map(|(file, words)| format!("{file} does not say {words}")));
    }
    report(&faults);
}

/// Targets of `[words](target)`, `src="target"` and `href="target"`, outside code.
fn links(markdown: &str) -> Vec<String> {
    let mut fenced = false;
    let mut links = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced || line.starts_with("    ") {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for (start, end) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            links.extend(
                prose.split(start).skip(1).filter_map(|rest| rest.split(end).next()).map(str::to_owned),
            );
        }
    }
    links
}

#[test]
fn every_local_link_leads_somewhere() {
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.ends_with(".md")) {
        let folder = root().join(file).parent().expect("a file lies in a folder").to_owned();
        for link in links(&text(file).unwrap_or_default()) {
            let path = link.split(['#', ' ']).next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !folder.join(path).exists() {
                faults.push(format!("{file}: {link} leads nowhere"));
            }
        }
    }
    report(&faults);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let mut faults = Vec::new();
    for file in files() {
        for (number, line) in text(&file).unwrap_or_default().lines().enumerate() {
            for path in MACHINE_PATHS {
                // `https://host/home/` is an address, not a path: what stands before a path is no part of a word.
                let at = line.match_indices(path).any(|(at, _)| {
                    !line[..at]
                        .chars()
                        .next_back()
                        .is_some_and(|c| c.is_alphanumeric() || "./_-}".contains(c))
                });
                if at {
                    faults.push(format!("{file}:{}: {path}…", number + 1));
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn packages_come_from_the_public_registries() {
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.ends_with("package-lock.json")) {
        for (number, line) in text(file).unwrap_or_default().lines().enumerate() {
            let address = line.trim().strip_prefix("\"resolved\": \"");
            if address.is_some_and(|address| !address.starts_with("https://registry.npmjs.org/")) {
                faults.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    for line in text("Cargo.lock").unwrap_or_default().lines() {
        if line.starts_with("source = ")
            && !line.contains("registry+https://github.com/rust-lang/crates.io-index")
        {
            faults.push(format!("Cargo.lock: {line}"));
        }
    }
    report(&faults);
}

#[test]
fn the_rules_see_what_they_forbid() {
    let source = "//! x\nuse std::{fmt, fs::{self, File}};\n// tokio\nfn f() {}\n#[cfg(test)]\nmod tests {\n use std::thread;\n}";
    let code = code(source);
    assert!(has_word(&code, "std::fs") && !has_word(&code, "tokio") && !has_word(&code, "std::thread"));
    assert!(!has_word("tokio_like", "tokio") && has_word("tokio::spawn", "tokio"));
    let manifest = "[dependencies]\nnightjar-io.workspace = true\n[dependencies.nightjar-api]\nx = 1\n[dev-dependencies]\ntempfile = \"3\"";
    assert!(["nightjar-io", "nightjar-api"].iter().all(|name| imports(manifest).contains(*name)));
    assert!(!imports(manifest).contains("tempfile"));
    assert_eq!(links("a [b](c.md#d) `[e](f)`\n```\n[g](h)\n```"), ["c.md#d"]);
}

/// `cargo xtask test` builds everything in one call, and examples in docs would need a second one.
#[test]
fn docs_hold_no_examples_that_nobody_runs() {
    let rust = files().into_iter().filter(|file| file.ends_with(".rs"));
    let mut faults = Vec::new();
    for (file, text) in rust.filter_map(|file| text(&file).map(|text| (file, text))) {
        let fences = text.lines().enumerate().filter_map(|(n, line)| {
            let doc =
                line.trim_start().strip_prefix("//!").or_else(|| line.trim_start().strip_prefix("///"))?;
            doc.trim().starts_with("```").then(|| (n + 1, doc.trim()))
        });
        let opening = fences.step_by(2).filter(|(_, fence)| *fence != "```text");
        faults.extend(opening.map(|(n, fence)| format!("{file}:{n}: {fence}: write ```text, or a test")));
    }
    report(&faults);
}
