//! A folder of its own for one daemon: config in, recorded files out. Everything goes with it when it is dropped.

use crate::parts;
use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// One `[[camera]]`.
pub struct Camera(String);

impl Camera {
    /// A camera with a main stream, without detection.
    pub fn new(id: &str, main: &str) -> Self {
        Self(format!("[[camera]]\nid = {id:?}\nmain = {main:?}\n"))
    }

    /// Its second stream.
    #[must_use]
    pub fn sub_stream(self, url: &str) -> Self {
        self.key("sub", &format!("{url:?}"))
    }

    /// The password that the recorder shall use.
    #[must_use]
    pub fn login(self, username: &str, password: &str) -> Self {
        self.key("username", &format!("{username:?}")).key("password", &format!("{password:?}"))
    }

    /// The eye looks at it or not.
    #[must_use]
    pub fn detect(self, detect: bool) -> Self {
        self.key("detect", if detect { "true" } else { "false" })
    }

    /// Any other key with its value in TOML.
    #[must_use]
    pub fn key(mut self, name: &str, toml: &str) -> Self {
        writeln!(self.0, "{name} = {toml}").expect("a string takes all");
        self
    }
}

/// A daemon's folder and what its config will say.
pub struct Home {
    dir: TempDir,
    port: u16,
    sections: Vec<String>,
    items: String,
    environment: Vec<(String, String)>,
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// 256 MiB of storage, a free port of 127.0.0.1, the simulated board, no camera.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("nightjar-test-")
            .tempdir()
            .expect("the temporary folder takes it");
        let mut home = Self {
            dir,
            port: free_port(),
            sections: Vec::new(),
            items: String::new(),
            environment: Vec::new(),
        };
        let [state, socket, agent] = ["state", "board.sock", "agent.sock"].map(|name| home.path(name));
        let device =
            format!("name = \"test\"\nstate_dir = {state:?}\nsocket = {socket:?}\nupdate_agent = {agent:?}");
        home.section("device", &device);
        home.section("storage", &format!("path = {:?}\nquota = \"256MiB\"", home.storage()));
        home.section("web", &format!("listen = \"127.0.0.1:{}\"\ntls = \"off\"", home.port));
        home.section("board", "name = \"sim\"");
        let card = "card = \"ssdlite-mnv2-coco12-w8\"";
        home.section("eye", &format!("{card}\nmodels = {:?}", parts::workspace().join("target/models")));
        home
    }

    /// Sets one `[name]`, in place of what it was.
    pub fn section(&mut self, name: &str, body: &str) -> &mut Self {
        let head = format!("[{name}]\n");
        self.sections.retain(|section| !section.starts_with(&head));
        self.sections.push(format!("{head}{body}\n"));
        self
    }

    /// Adds a camera.
    pub fn camera(&mut self, camera: Camera) -> &mut Self {
        self.item(&camera.0)
    }

    /// Adds any `[[…]]`.
    pub fn item(&mut self, toml: &str) -> &mut Self {
        self.items.push_str(toml);
        self.items.push('\n');
        self
    }

    /// Sets an environment variable of the daemon.
    pub fn environment(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.push((name.to_string(), value.to_string()));
        self
    }

    /// The environment variables of the daemon.
    pub fn environment_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Takes away every `[[…]]`.
    pub fn clear(&mut self) -> &mut Self {
        self.items.clear();
        self
    }

    /// Writes the config file and says where it is.
    pub fn write_config(&self) -> PathBuf {
        let path = self.path("nightjar.toml");
        std::fs::write(&path, self.sections.join("\n") + "\n" + &self.items)
            .expect("the temporary folder takes it");
        path
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The storage's folder.
    pub fn storage(&self) -> PathBuf {
        self.path("footage")
    }

    /// The port of the web server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Address of the web server.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The recorded files of one stream, oldest first.
    pub fn slabs(&self, camera: &str, stream: &str) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = below(&self.storage().join(camera).join(stream));
        found.retain(|path| path.extension().is_some_and(|end| end == "mp4"));
        found.sort();
        found
    }

    /// The recorded files of all cameras.
    pub fn all_slabs(&self) -> Vec<PathBuf> {
        let mut found = below(&self.storage());
        found.retain(|path| path.extension().is_some_and(|end| end == "mp4") && in_date_folder(path));
        found.sort();
        found
    }

    /// Every waiting slab: in the pool or in a folder of footage.
    pub fn waiting_slabs(&self) -> Vec<PathBuf> {
        let mut found = below(&self.storage());
        found.retain(|path| path.extension().is_some_and(|end| end == "slab"));
        found
    }

    /// Everything that the daemon said, over all its starts.
    pub fn said(&self) -> String {
        let read = |name: &str| std::fs::read(self.path(name)).unwrap_or_default();
        let both = [read("stdout.log"), read("stderr.log")].concat();
        String::from_utf8_lossy(&both).into_owned()
    }
}

impl Drop for Home {
    /// `NIGHTJAR_KEEP` keeps the folder of a failed test, for a look at its files.
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("NIGHTJAR_KEEP").is_some() {
            self.dir.disable_cleanup(true);
            eprintln!("kept: {}", self.dir.path().display());
        }
    }
}

/// Slabs lie in `{camera}/{stream}/{yyyy-mm-dd}/`; what else the storage keeps does not count as footage.
fn in_date_folder(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    folder.len() == 10
        && folder
            .bytes()
            .enumerate()
            .all(|(i, b)| if matches!(i, 4 | 7) { b == b'-' } else { b.is_ascii_digit() })
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// A port of 127.0.0.1 that nobody has at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_the_one_before() {
        let mut home = Home::new();
        home.section("storage", "quota = \"1MiB\"").camera(Camera::new("a", "rtsp://x").detect(true));
        let text = std::fs::read_to_string(home.write_config()).unwrap();
        assert_eq!(text.matches("[storage]").count(), 1);
        assert!(text.contains("quota = \"1MiB\"") && text.contains("detect = true"), "{text}");
        assert!(text.find("[storage]") < text.find("[[camera]]"));
    }

    #[test]
    fn only_date_folders_hold_slabs() {
        assert!(in_date_folder(Path::new("/s/cam/main/2026-11-21/10-00-00.mp4")));
        assert!(!in_date_folder(Path::new("/s/pool/00000001.mp4")));
    }
}
