//! The same promises for every row of DRIVERS. What can't run here says SKIP and what to plug in.
//!
//! On a board: set NIGHTJAR_TEST_LINE to a line with nothing dangerous on it (e.g. GPIO17) and run this test there. With a
//! wire from it to a second line, which NIGHTJAR_TEST_INPUT names (e.g. GPIO27), inputs are tried as well.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use nightjar_board::driver::sim;
use nightjar_board::{
    Board, BoardError, DRIVERS, Driver, InputLine, Line, OutputLine, Pull, Sense, Wiring, open_input,
    open_output,
};
use std::os::fd::AsFd;

const WIRINGS: [Wiring; 4] = [
    Wiring { active_low: false, safe_on: false },
    Wiring { active_low: false, safe_on: true },
    Wiring { active_low: true, safe_on: false },
    Wiring { active_low: true, safe_on: true },
];

/// The line that `variable` names to try a driver on, or why not.
fn line_for(driver: &Driver, variable: &str, sim: &str) -> Result<Line, String> {
    if let Some(missing) = (driver.missing)() {
        return Err(missing);
    }
    let board = Board::detect(std::fs::read_to_string("/proc/device-tree/model").ok().as_deref());
    let board = board.map_err(|e| e.to_string())?;
    if driver.name == "sim" {
        return board.resolve_line(sim).map_err(|e| e.to_string());
    }
    let name = std::env::var(variable)
        .map_err(|_| format!("set {variable} to a free line of {} that may be switched", board.title()))?;
    let name = if name.contains(':') { name } else { format!("{}:{name}", driver.name) };
    board.resolve_line(&name).map_err(|e| e.to_string())
}

fn assert_level(line: &mut dyn OutputLine, on: bool) {
    assert_eq!(line.is_on(), on, "{line:?}");
    assert_eq!(line.read_back().unwrap(), on, "{line:?}: read back");
}

/// What every driver promises. Leaves the line at the safe level of the last wiring.
fn conforms(line: &Line) {
    for wiring in WIRINGS {
        let mut output = open_output("conformance", line, wiring).unwrap();
        assert_level(&mut *output, wiring.safe_on);
        for on in [!wiring.safe_on, !wiring.safe_on, wiring.safe_on, !wiring.safe_on] {
            output.set(on).unwrap();
            assert_level(&mut *output, on);
        }

        let second = open_output("second", line, wiring).unwrap_err();
        assert!(matches!(second, BoardError::Taken { .. }), "{second}");
        let said = second.to_string();
        assert!(said.starts_with(&format!("relay \"second\": line {line} is taken by ")), "{said}");
        assert!(said.ends_with(&format!("(board {})", line.board)), "{said}");
        assert_level(&mut *output, !wiring.safe_on);

        // Given back while away from the safe level: the next owner can have it at once.
        drop(output);
        drop(open_output("again", line, wiring).unwrap());
    }
    let beyond = Line { offset: 100_000, ..line.clone() };
    assert!(matches!(open_output("beyond", &beyond, Wiring::default()), Err(BoardError::Open { .. })));
}

#[test]
fn every_driver_conforms() {
    for driver in DRIVERS {
        match line_for(driver, "NIGHTJAR_TEST_LINE", "sim:31") {
            Ok(line) => {
                conforms(&line);
                println!("ok {} on line {line}", driver.name);
            }
            Err(why) => println!("SKIP {}: {why}", driver.name),
        }
    }
}

/// What drives an input in these tests.
enum Wire {
    Sim(sim::Probe),
    Real(Box<dyn OutputLine>),
}

impl Wire {
    fn put(&mut self, high: bool) {
        match self {
            Self::Sim(probe) => probe.drive(high).unwrap(),
            Self::Real(output) => output.set(high).unwrap(),
        }
    }
}

/// The next edge. The kernel tells it a moment later; nothing here depends on how much.
fn next_edge(input: &mut dyn InputLine) -> bool {
    loop {
        if let Some(active) = input.next_edge().unwrap() {
            return active;
        }
        std::thread::yield_now();
    }
}

/// What every driver promises of inputs: each edge once, in order, by polarity; the level at any time; a taken line by name.
fn senses(line: &Line, wire: &mut Wire) {
    for active_low in [false, true] {
        wire_idle(wire);
        let sense = Sense { active_low, pull: Pull::Down };
        let mut input = open_input("conformance", line, sense).unwrap();
        assert_eq!((input.is_active().unwrap(), input.next_edge().unwrap()), (active_low, None));
        for high in [true, false, true] {
            wire.put(high);
            assert_eq!(next_edge(&mut *input), high != active_low);
            assert_eq!(input.is_active().unwrap(), high != active_low);
        }
        assert_eq!(input.next_edge().unwrap(), None);
        wire.put(false);
        wire.put(true);
        assert_eq!([next_edge(&mut *input), next_edge(&mut *input)], [active_low, !active_low]);
        assert!(input.fd().as_fd().try_clone_to_owned().is_ok(), "it can be waited for");
        let said = open_input("second", line, sense).unwrap_err().to_string();
        assert!(said.starts_with(&format!("input \"second\": line {line} is taken by ")), "{said}");
        wire.put(false);
    }
}

fn wire_idle(wire: &mut Wire) {
    if let Wire::Real(output) = wire {
        output.set(false).unwrap();
    }
}

#[test]
fn every_driver_conforms_with_inputs() {
    for driver in DRIVERS {
        let wired = line_for(driver, "NIGHTJAR_TEST_INPUT", "sim:28").and_then(|input| {
            if driver.name == "sim" {
                return Ok((input, Wire::Sim(sim::probe(28).unwrap())));
            }
            let output = line_for(driver, "NIGHTJAR_TEST_LINE", "")?;
            let output = open_output("wire", &output, Wiring::default()).map_err(|e| e.to_string())?;
            Ok((input, Wire::Real(output)))
        });
        match wired {
            Ok((line, mut wire)) => {
                senses(&line, &mut wire);
                println!("ok {} on line {line}", driver.name);
            }
            Err(why) => println!("SKIP {}: {why}", driver.name),
        }
    }
}

#[test]
fn a_simulated_line_shows_every_edge_and_no_glitch() {
    let line = Board::detect(None).unwrap().resolve_line("sim:30").unwrap();
    let probe = sim::probe(30).unwrap();
    for wiring in WIRINGS {
        let high = |on: bool| on != wiring.active_low;
        let mut output = open_output("siren", &line, wiring).unwrap();
        assert_eq!(
            (probe.is_high(), probe.edges()),
            (high(wiring.safe_on), vec![]),
            "opened at the safe level"
        );
        assert_eq!(probe.owner().as_deref(), Some("siren"));
        output.set(!wiring.safe_on).unwrap();
        output.set(!wiring.safe_on).unwrap();
        assert_eq!(probe.edges(), [high(!wiring.safe_on)]);
        drop(output);
        assert_eq!(probe.edges(), [high(!wiring.safe_on), high(wiring.safe_on)], "dropped to the safe level");
        assert_eq!((probe.is_high(), probe.owner()), (high(wiring.safe_on), None));
    }
}

#[test]
fn a_simulated_line_forgets_old_edges_but_counts_them() {
    let board = Board::by_id("rpi4").unwrap();
    let line = board.resolve_line("sim:29").unwrap();
    let mut output = board.open_output(&line, "blinker", false, false).unwrap();
    for n in 0..2_000 {
        output.set(n % 2 == 0).unwrap();
    }
    let probe = sim::probe(29).unwrap();
    assert_eq!((probe.edges().len(), probe.moved()), (sim::HISTORY, 2_000));
    assert!(sim::probe(32).is_none());
}

#[test]
fn a_line_of_a_chip_that_is_not_there_says_what_is() {
    let board = Board::by_id("rpi4").unwrap();
    let line = board.resolve_line("gpiochip97:4").unwrap();
    let said = board.open_output(&line, "siren", false, false).unwrap_err().to_string();
    assert!(said.starts_with("relay \"siren\": line gpiochip97:4 needs "), "{said}");
    assert!(said.contains("/dev/gpiochip") && said.contains("(board rpi4)"), "{said}");
}
