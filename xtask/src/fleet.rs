//! `cargo xtask fleet`: a real hawkBit server → fifty simulated boards at it, and a table of what became of good and bad versions.
//!
//! The server is built from its source, at the commit below, with Maven; `--jar` takes one that is there already. With `--serve` it
//! only runs, for a board from outside: QEMU's user network reaches it at 10.0.2.2.

use crate::clock::Stopwatch;
use crate::options::Options;
use crate::place::{Place, make_dir, read, write};
use crate::{run, setup};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// hawkBit's release, and its commit: whatever the source's tags say, nothing else is built.
const VERSION: &str = "1.0.4";
const COMMIT: &str = "a717cb5f9af6d7e0782bc52606b78b71db27d4b4";
const SOURCE: &str = "https://github.com/eclipse-hawkbit/hawkbit";
/// The module that is the server.
const MODULE: &str = "hawkbit-monolith/hawkbit-update-server";
/// What is changed in its build: file, was, is. An older patch of Spring Boot, since not every mirror of Maven Central has all
/// libraries of the newest; no module wants another one's tests, which are not built; and devices that speak AMQP stay away.
const CHANGES: &[(&str, &str, &str)] = &[
    ("pom.xml", "<version>3.5.15</version>", "<version>3.5.7</version>"),
    ("hawkbit-mgmt/hawkbit-mgmt-resource/pom.xml", OF_TESTS, ""),
    ("hawkbit-ddi/hawkbit-ddi-resource/pom.xml", OF_TESTS, ""),
    ("hawkbit-monolith/hawkbit-starter/pom.xml", "hawkbit-dmf-starter", "hawkbit-ddi-starter"),
];
const OF_TESTS: &str = "            <classifier>tests</classifier>\n            <scope>test</scope>\n";
/// The Spring Cloud that goes with that Spring Boot.
const CLOUD: &str = "2025.0.0";
/// How many simulated boards a fleet has.
pub(crate) const BOARDS: u32 = 50;
/// What to look at when a scene is not as it must be.
pub(crate) const WRONG: &str = "a row that is WRONG above says what was and what must be";
/// The server starts within this, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1200);
/// Boards are asked to poll this often; hawkBit's own least is half a minute.
const POLLING: &str = "00:00:05";

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    setup::for_verb(place, "fleet")?;
    if options.text("jar").is_none() {
        build(place, options)?;
    }
    let jar = jar_of(place, options);
    let server = Server::start(place, &jar, options.number("port", 0)?)?.ready(place)?;
    if options.has("serve") {
        run::say(&format!("hawkBit {VERSION} at {}, login admin, admin; Ctrl-C ends it", server.url()));
        return server.serve();
    }
    let count = options.number("boards", BOARDS)?;
    let mut boards = boards(place, &server, count)?;
    run::say(&format!("{count} boards and hawkBit {VERSION}"));
    run::loud("fleet", &mut boards, WRONG)
}

/// So many simulated boards at a server that answers, built: prints what became of each scene, and fails when one is not as it must be.
pub(crate) fn boards(place: &Place, server: &Server, count: u32) -> Result<Command> {
    let folder = place.target("hawkbit/boards");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("can't clear the boards of the last run")?;
    }
    run::loud(
        "simulated boards",
        run::cargo(place).args(["build", "--quiet", "-p", "nightjar-ddi", "--example", "fleet"]),
        "the compiler's message above names the file",
    )?;
    let mut boards = Command::new(place.target("debug/examples/fleet"));
    boards.arg(server.url()).arg(&folder).arg(count.to_string());
    Ok(boards)
}

/// The server's jar: the one that `--jar` names, or where the built one lies.
fn jar_of(place: &Place, options: &Options) -> PathBuf {
    let built = || place.target(&format!("hawkbit/hawkbit-update-server-{VERSION}.jar"));
    options.text("jar").map_or_else(built, PathBuf::from)
}

/// Makes the server's jar if it is not there, from `--source`, an address or a folder of git's.
fn build(place: &Place, options: &Options) -> Result<()> {
    let jar = jar_of(place, options);
    if jar.exists() {
        run::done("hawkBit", "there");
        return Ok(());
    }
    let tree = place.target("hawkbit/source");
    if !tree.exists() {
        fetch(place, options.text("source").unwrap_or(SOURCE), &tree)?;
    }
    let mut maven = Command::new("mvn");
    maven.current_dir(&tree).args(["-B", "-ntp", "-Dmaven.test.skip=true", "-pl", MODULE, "-am", "package"]);
    maven.arg(format!("-Drevision={VERSION}")).arg(format!("-Dspring.cloud.version={CLOUD}"));
    run::quiet(
        place,
        "build hawkBit",
        &mut maven,
        "does `mvn` reach its repository? ~/.m2/settings.xml names mirrors",
    )?;
    let made = find_jar(&tree)?;
    std::fs::copy(&made, &jar).with_context(|| format!("can't copy {}", made.display()))?;
    Ok(())
}

/// The server's source at its commit, with what is changed in it. The tree is there when all of it went well.
fn fetch(place: &Place, source: &str, tree: &Path) -> Result<()> {
    let begun = tree.with_extension("begun");
    if begun.exists() {
        std::fs::remove_dir_all(&begun).context("can't clear what a fetch that broke off left")?;
    }
    make_dir(&begun)?;
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(&begun).args(words);
        git
    };
    let mend = "is this a repository of hawkBit? `--source` names another, `--jar` a server that is built";
    run::capture(&mut git(&["init", "--quiet"]))?;
    let tag = format!("refs/tags/{VERSION}");
    run::quiet(place, "fetch hawkBit", &mut git(&["fetch", "--quiet", "--depth=1", source, &tag]), mend)?;
    let found = run::capture(&mut git(&["rev-parse", "FETCH_HEAD^{commit}"]))?;
    ensure!(found == COMMIT, "tag {VERSION} of {source} is {found}, not {COMMIT}: somebody moved it");
    run::capture(&mut git(&["checkout", "--quiet", COMMIT]))?;
    for (file, was, is) in CHANGES {
        let pom = begun.join(file);
        let text = read(&pom)?;
        ensure!(text.contains(was), "{} has no `{was}`: is it release {VERSION}?", place.short(&pom));
        write(&pom, &text.replacen(was, is, 1))?;
    }
    std::fs::rename(&begun, tree).context("can't put hawkBit's source where it belongs")
}

/// Maven puts it into the module or below it, by release.
fn find_jar(tree: &Path) -> Result<PathBuf> {
    let name = format!("hawkbit-update-server-{VERSION}.jar");
    [MODULE.to_owned(), format!("{MODULE}/target"), "target".to_owned(), ".".to_owned()]
        .iter()
        .map(|folder| tree.join(folder).join(&name))
        .find(|path| path.exists())
        .with_context(|| format!("Maven made no {name}"))
}

/// A running server; ends with this value.
pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// The one that `--jar` names or that was built before, which [`Self::ready`] waits for. `is_wanted`: it is built if it was not.
    /// Nothing when there is none, with the reason: the board tests have others.
    pub(crate) fn at_hand(place: &Place, options: &Options, is_wanted: bool) -> Result<Option<Self>> {
        let jar = jar_of(place, options);
        if options.text("jar").is_some() {
            ensure!(jar.exists(), "`--jar {}`: there is no such file", jar.display());
        } else if is_wanted
            && let Err(error) = setup::for_verb(place, "fleet").and_then(|()| build(place, options))
        {
            println!("   no hawkBit: {error:#}");
        }
        jar.exists().then(|| Self::start(place, &jar, 0)).transpose()
    }

    /// Of this machine's loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Begins to start one. `port` 0 takes a free one.
    fn start(place: &Place, jar: &Path, port: u16) -> Result<Self> {
        let port = match port {
            0 => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port(),
            port => port,
        };
        let log = Self::log(place);
        make_dir(&place.target("hawkbit"))?;
        let out = File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
        let artifacts = place.target("hawkbit/artifacts");
        let mut java = Command::new("java");
        java.args(["-Xmx640m", "-XX:TieredStopAtLevel=1", "-jar"]).arg(jar);
        java.args(["--server.address=127.0.0.1", &format!("--server.port={port}")]);
        java.args(["--hawkbit.controller.minPollingTime=00:00:01", "--logging.level.root=WARN"]);
        java.arg(format!("--hawkbit.controller.pollingTime={POLLING}"));
        java.arg("--hawkbit.server.ddi.security.authentication.targettoken.enabled=true");
        java.arg(format!("--org.eclipse.hawkbit.artifact.fs.path={}", artifacts.display()));
        java.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = java.spawn().context("can't start java: install a JRE, 17 or newer")?;
        Ok(Self { child, port })
    }

    /// Waits until it answers.
    pub(crate) fn ready(mut self, place: &Place) -> Result<Self> {
        let (log, watch) = (Self::log(place), Stopwatch::start());
        while !self.answers() {
            if let Some(status) = self.child.try_wait()? {
                bail!("hawkBit ended, {status}: its words are in {}", place.short(&log));
            }
            ensure!(watch.elapsed() < PATIENCE, "hawkBit does not answer: see {}", place.short(&log));
            std::thread::sleep(Duration::from_millis(500));
        }
        run::done("wait for hawkBit", &watch.words());
        Ok(self)
    }

    fn log(place: &Place) -> PathBuf {
        place.target("hawkbit/server.log")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether it speaks HTTP yet.
    fn answers(&self) -> bool {
        let talk = || -> std::io::Result<bool> {
            let mut line = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            line.set_read_timeout(Some(Duration::from_secs(20)))?;
            line.write_all(b"GET /rest/v1/userinfo HTTP/1.0\r\n\r\n")?;
            let mut start = [0; 5];
            line.read_exact(&mut start)?;
            Ok(&start == b"HTTP/")
        };
        talk().unwrap_or(false)
    }

    fn serve(mut self) -> Result<()> {
        let status = self.child.wait().context("lost sight of hawkBit")?;
        bail!("hawkBit ended, {status}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, Signal::TERM); // it may have ended by itself
        }
        let _ = self.child.wait();
    }
}
