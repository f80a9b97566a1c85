//! `web-mini/dist` → `$OUT_DIR/page_files.rs`: every file, gzip-compressed, as one table. No dist: an empty table.

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where the server has a route for files; see `routes.rs`.
const SERVED: &[&str] = &["/index.html", "/manifest.webmanifest", "/icon.svg", "/sw.js", "/assets/"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let web = root.join("../../web-mini");
    let dist = web.join("dist");
    // Cargo takes a watched path that is missing as changed on every build, so watch what is there.
    for there in [&dist, &web] {
        if there.is_dir() {
            println!("cargo::rerun-if-changed={}", there.display());
            break;
        }
    }
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &dist, &mut files);
    }
    files.sort();

    let mut table = String::from("&[\n");
    for (number, (path, source)) in files.iter().enumerate() {
        if !SERVED.iter().any(|served| path == served || (served.ends_with('/') && path.starts_with(served)))
        {
            println!(
                "cargo::warning=web-mini/dist{path} has no route, so nobody can fetch it; see SERVED in build.rs"
            );
            continue;
        }
        let plain =
            fs::read(source).unwrap_or_else(|error| panic!("cannot read {}: {error}", source.display()));
        let mut crc = Crc::new();
        crc.update(&plain);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&plain).expect("a Vec takes all");
        let packed = gzip.finish().expect("a Vec takes all");
        let name = out.join(format!("page_{number}.gz"));
        fs::write(&name, packed).unwrap_or_else(|error| panic!("cannot write {}: {error}", name.display()));
        let tag = format!("{:08x}-{:x}", crc.sum(), plain.len());
        writeln!(
            table,
            "    PageFile {{ path: {path:?}, mime: {:?}, gzip: include_bytes!({:?}), len: {}, tag: {tag:?} }},",
            mime(path),
            name.display().to_string(),
            plain.len()
        )
        .expect("a String takes all");
    }
    table.push_str("]\n");
    let name = out.join("page_files.rs");
    fs::write(&name, table).unwrap_or_else(|error| panic!("cannot write {}: {error}", name.display()));
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display())).path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let inside = path.strip_prefix(root).expect("it was found below root");
            let segments: Vec<_> = inside.iter().map(|s| s.to_string_lossy()).collect();
            files.push((format!("/{}", segments.join("/")), path.clone()));
        }
    }
}

fn mime(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}
