//! The same promises for every row of DRIVERS. What can't run here says SKIP and what to plug in.
//!
//! On a board: set NIGHTJAR_TEST_LINE to a line with nothing dangerous on it (e.g. GPIO17) and run this test there.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use nightjar_board::driver::sim;
use nightjar_board::{Board, BoardError, DRIVERS, Driver, Line, OutputLine, Wiring, open_output};

const WIRINGS: [Wiring; 4] = [
    Wiring { active_low: false, safe_on: false },
    Wiring { active_low: false, safe_on: true },
    Wiring { active_low: true, safe_on: false },
    Wiring { active_low: true, safe_on: true },
];

/// The line to try a driver on, or why not.
fn line_for(driver: &Driver) -> Result<Line, String> {
    if let Some(missing) = (driver.missing)() {
        return Err(missing);
    }
    let board = Board::detect(std::fs::read_to_string("/proc/device-tree/model").ok().as_deref());
    let board = board.map_err(|e| e.to_string())?;
    if driver.name == "sim" {
        return board.resolve_line("sim:31").map_err(|e| e.to_string());
    }
    let name = std::env::var("NIGHTJAR_TEST_LINE").map_err(|_| {
        format!("set NIGHTJAR_TEST_LINE to a free line of {} that may be switched", board.title())
    })?;
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
        match line_for(driver) {
            Ok(line) => {
                conforms(&line);
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
