//! `bench relays`: a button on the simulated board → how long until its relay moves, how long a relay outlives a recorder that is
//! stopped, and how fast rules are rehearsed.

use super::stage::Stage;
use super::table::{Section, Target};
use crate::clock::Stopwatch;
use crate::place::write;
use crate::run;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(super) const TITLE: &str = "Relays";
/// Times that the button is pressed and let go.
const PRESSES: usize = 1_000;
/// Between a relay's edge and the next press: a button is no drum.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

const RULES: &str =
    "[[rule]]\nid = \"alarm\"\nwhen = { input = \"panic\" }\ndo = { hold = \"siren\", linger = \"0s\" }\n";

pub(super) fn measure(stage: &Stage<'_>) -> Result<Section> {
    let mut bench = Bench::start(stage)?;
    let mut times = Vec::new();
    for press in 0..2 * PRESSES {
        times.push(bench.press(press % 2 == 0)?);
        std::thread::sleep(PAUSE);
    }
    times.sort_unstable();
    let ms = |at: usize| times[at].as_secs_f64() * 1e3;
    let (p50, p99, worst) = (ms(times.len() / 2), ms(times.len() * 99 / 100), ms(times.len() - 1));
    let rate = bench.rehearse()?;
    bench.press(true)?;
    let stopped = bench.stop_and_wait()?;
    println!("   input to relay: median {p50:.2} ms, p99 {p99:.2} ms, worst {worst:.2} ms");
    println!("   safe {stopped:.1} s after SIGSTOP; rehearsal {rate:.0} × real time");
    let target = |what: &str, limit: f64, found: f64, digits: usize| Target {
        what: what.to_owned(),
        limit,
        found: Some(found),
        digits,
    };
    Ok(Section {
        title: TITLE,
        notes: format!(
            "The simulated board, met from another process. A button is pressed and let go {PRESSES} times, without debouncing; a rule\n\
             holds a relay meanwhile. Measured from the datagram that is the edge to the line of the relay's in the bench's file:\n\
             through the process that keeps the lines, to the rules and back. Median {p50:.2} ms, worst {worst:.2} ms. Then the rules are\n\
             rehearsed on that ({rate:.0} times as fast as it happened, start of the program included), and the recorder is stopped with\n\
             SIGSTOP while the relay is held."
        ),
        of: "",
        columns: &[],
        rows: Vec::new(),
        targets: vec![
            target("input edge to relay edge, p99, ms", 5.0, p99, 2),
            target("relay at its safe level after SIGSTOP, s", 10.0, stopped, 1),
            target("share of real time that a rehearsal takes, thousandths", 1.0, 1_000.0 / rate, 3),
        ],
    })
}

/// A recorder on the simulated board.
struct Bench {
    program: PathBuf,
    folder: PathBuf,
    child: Child,
    wire: UnixDatagram,
    seen: u64,
}

impl Bench {
    fn start(stage: &Stage<'_>) -> Result<Self> {
        let folder = stage.empty("relays")?;
        let path = |name: &str| folder.join(name);
        let config = format!(
            "[device]\nname = \"bench\"\nstate_dir = {:?}\n[storage]\npath = {:?}\nquota = \"64MiB\"\n[board]\nname = \"sim\"\n\
             [web]\nlisten = \"127.0.0.1:0\"\ntls = \"off\"\n\
             [[input]]\nid = \"panic\"\nline = \"sim:4\"\ndebounce = \"0ms\"\n[[output]]\nid = \"siren\"\nline = \"sim:1\"\n{RULES}",
            path("state"),
            path("footage")
        );
        write(&path("nightjar.toml"), &config)?;
        write(&path("rules.toml"), RULES)?;
        let log = std::fs::File::create(path("nightjar.log"))?;
        let program = stage.place.target("release/nightjar");
        let child = Command::new(&program)
            .args(["run", "--config"])
            .arg(path("nightjar.toml"))
            .env("NIGHTJAR_SIM", &folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("nightjar does not start")?;
        let mut bench = Self { program, child, wire: UnixDatagram::unbound()?, seen: 0, folder };
        bench.until("the recorder is ready", || {
            let log = std::fs::read_to_string(bench.folder.join("nightjar.log")).unwrap_or_default();
            log.contains("open http://") && bench.folder.join("sim-4").exists()
        })?;
        bench.seen = bench.written();
        Ok(bench)
    }

    /// Bytes of the bench's file: each line is an edge.
    fn written(&self) -> u64 {
        std::fs::metadata(self.folder.join("levels")).map_or(0, |m| m.len())
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) -> Result<Duration> {
        let watch = Stopwatch::start();
        while !is_so() {
            if watch.elapsed() > PATIENCE {
                bail!("after {} s still not: {what}; see {}", PATIENCE.as_secs(), self.folder.display());
            }
            std::thread::yield_now();
        }
        Ok(watch.elapsed())
    }

    /// Presses the button or lets it go; time until the relay has moved. The input's own edge is a line of the file as well.
    fn press(&mut self, high: bool) -> Result<Duration> {
        let watch = Stopwatch::start();
        self.wire.send_to(if high { b"1" } else { b"0" }, self.folder.join("sim-4"))?;
        let level = if high { "high" } else { "low" };
        let lines = (format!("sim:4 {level}\n").len() + format!("sim:1 {level}\n").len()) as u64;
        let wanted = self.seen + lines;
        self.until("the relay moves", || self.written() >= wanted)?;
        self.seen = wanted;
        Ok(watch.elapsed())
    }

    /// Real seconds a second.
    fn rehearse(&self) -> Result<f64> {
        // What the journal holds back is written when it is full or after ten seconds.
        std::thread::sleep(Duration::from_secs(11));
        let watch = Stopwatch::start();
        let mut command = Command::new(&self.program);
        command.args(["rules", "rehearse", "--config"]).arg(self.folder.join("nightjar.toml"));
        let said = run::capture(command.arg("--rules").arg(self.folder.join("rules.toml")))?;
        let took = watch.elapsed().as_secs_f64();
        let last = said.lines().last().unwrap_or_default();
        if !last.contains(&format!("{} moves as they were, 0 new, 0 no more", 2 * PRESSES)) {
            bail!("the rehearsal of the same rules said: {last}");
        }
        let lasted = (PAUSE * 2 * PRESSES as u32).as_secs_f64();
        Ok(lasted / took)
    }

    /// Seconds from SIGSTOP until the relay is at its safe level.
    fn stop_and_wait(&self) -> Result<f64> {
        let pid = Pid::from_raw(self.child.id() as i32).context("it has a process id")?;
        kill_process(pid, Signal::STOP)?;
        let wanted = self.seen + "sim:1 low\n".len() as u64;
        let took = self.until("the relay falls back", || self.written() >= wanted);
        kill_process(pid, Signal::CONT)?;
        Ok(took?.as_secs_f64())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
