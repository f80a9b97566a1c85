//! Every board file, every name a person may type, and what is said when it is wrong.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use nightjar_board::{BOARDS, Board, BoardError, Chip, DRIVERS, Wiring};

fn board(id: &str) -> Board {
    Board::by_id(id).unwrap()
}

fn refusal(id: &str, line: &str) -> String {
    board(id).resolve_line(line).unwrap_err().to_string()
}

#[test]
fn every_board_file_is_sound_and_every_free_line_resolves() {
    for (id, _) in BOARDS {
        let board = board(id);
        assert_eq!(board.id(), *id);
        assert!(!board.source().is_empty() && board.line_count() > 0, "{id}");
        for line in board.header() {
            let names = line.also.iter().chain([&line.name]).cloned();
            for name in names.chain(line.pin.map(|pin| format!("pin{pin}"))) {
                match (&line.reserved, board.resolve_line(&name)) {
                    (None, Ok(found)) => {
                        assert_eq!((found.offset, found.name), (line.offset, line.name.clone()))
                    }
                    (Some(_), Err(BoardError::Reserved { .. })) => {}
                    (_, other) => panic!("{id} {name}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn every_board_file_has_its_row() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/boards");
    let files = std::fs::read_dir(folder).unwrap().filter_map(|f| f.unwrap().file_name().into_string().ok());
    let mut files: Vec<String> = files.filter_map(|f| f.strip_suffix(".toml").map(str::to_string)).collect();
    files.sort();
    let mut rows: Vec<&str> = BOARDS.iter().map(|(id, _)| *id).collect();
    rows.sort();
    assert_eq!(files, rows);
}

#[test]
fn rockchip_names_say_bank_and_line() {
    for id in ["rock5b", "orangepi5"] {
        let board = board(id);
        for line in board.header() {
            let [bank, group, number] = [4, 6, 7].map(|i| line.name.as_bytes()[i]);
            assert_eq!(line.chip, Some(format!("gpio{}", char::from(bank))), "{id} {}", line.name);
            assert_eq!(
                line.offset,
                u32::from(group - b'A') * 8 + u32::from(number - b'0'),
                "{id} {}",
                line.name
            );
        }
    }
}

#[test]
fn a_raspberry_pi_header_has_28_lines_named_by_their_offset() {
    for id in ["rpi3", "rpi4", "rpi5", "rpi-zero2w"] {
        let board = board(id);
        assert_eq!(board.header().len(), 28);
        assert!(board.header().iter().all(|l| l.name == format!("GPIO{}", l.offset)));
        assert_eq!(board.driver(), "gpiochip");
    }
}

#[test]
fn knows_a_board_by_its_device_tree() {
    let cases = [
        ("Raspberry Pi 3 Model B Plus Rev 1.3\0", "rpi3"),
        ("Raspberry Pi 4 Model B Rev 1.5\0", "rpi4"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "rpi4"),
        ("Raspberry Pi 5 Model B Rev 1.0\0", "rpi5"),
        ("Raspberry Pi Zero 2 W Rev 1.0\0", "rpi-zero2w"),
        ("Radxa ROCK 5B\0", "rock5b"),
        ("Orange Pi 5\0", "orangepi5"),
        ("Xunlong Orange Pi 5", "orangepi5"),
        ("linux,dummy-virt\0", "qemu-virt"),
    ];
    for (model, id) in cases {
        assert_eq!(Board::detect(Some(model)).unwrap().id(), id, "{model}");
    }
}

#[test]
fn off_board_is_simulated_and_an_unknown_board_says_so() {
    let desk = Board::detect(None).unwrap();
    assert_eq!((desk.id(), desk.title(), desk.driver()), ("sim", "Simulated board", "sim"));
    for model in
        ["Orange Pi 5 Plus\0", "Radxa ROCK 5B+", "Raspberry Pi 2 Model B Rev 1.1", "Raspberry Pi Zero W"]
    {
        let unknown = Board::detect(Some(model)).unwrap();
        assert_eq!(unknown.id(), "sim");
        assert!(
            unknown.title().contains("simulated")
                && unknown.title().starts_with(model.trim_end_matches('\0'))
        );
        assert!(unknown.resolve_line("gpiochip0:4").is_ok(), "an explicit line is still possible");
    }
}

#[test]
fn a_line_has_many_names() {
    let pi = board("rpi4");
    let siren = pi.resolve_line("GPIO17").unwrap();
    assert_eq!((siren.driver, siren.offset, &siren.board), ("gpiochip", 17, &"rpi4".to_string()));
    assert_eq!(siren.chip, Chip::Label("pinctrl-bcm2711".into()));
    for same in ["gpio17", "pin11", "Pin 11", " GPIO17 "] {
        assert_eq!(pi.resolve_line(same).unwrap(), siren, "{same}");
    }
    assert_eq!(pi.resolve_line("MOSI").unwrap().name, "GPIO10");
    assert_eq!(pi.resolve_line("rppal:GPIO17").unwrap().driver, "rppal");
    let explicit = pi.resolve_line("gpiochip4:23").unwrap();
    assert_eq!((explicit.chip, explicit.offset), (Chip::Path("/dev/gpiochip4".into()), 23));
    assert_eq!(pi.resolve_line("/dev/gpiochip4:23").unwrap().chip, Chip::Path("/dev/gpiochip4".into()));
    let sim = pi.resolve_line("sim:3").unwrap();
    assert_eq!((sim.driver, sim.chip, sim.offset), ("sim", Chip::Sim, 3));
}

#[test]
fn a_wrong_line_names_the_board_and_lists_near_ones() {
    let said = refusal("rpi4", "GPOI17");
    assert!(
        said.starts_with("board rpi4 has no line \"GPOI17\"") && said.contains("GPIO17 (pin11)"),
        "{said}"
    );
    assert_eq!(
        refusal("rpi4", "11"),
        "line \"11\" is ambiguous on board rpi4: write \"GPIO11\" or \"pin11\" for header pin 11 (GPIO17)"
    );
    assert!(refusal("rpi4", "40").contains("write \"pin40\" for header pin 40 (GPIO21)"));
    assert!(refusal("rpi4", "99").contains("has no line"));
    assert!(refusal("rpi4", "pin1").contains("has no line"), "3.3 V is no line");
    assert!(refusal("rpi4", "").contains("has no line"));
    assert!(refusal("rpi4", "gpiochip0:").contains("has no line"));
    assert!(refusal("rpi4", "teapot:3").contains("has no line"));
    assert!(refusal("rock5b", "GPIO3_C9").contains("GPIO3_C"));
    assert!(refusal("sim", "GPIO17").contains("sim:0 to sim:31"));
    assert!(refusal("sim", "sim:32").contains("sim:0 to sim:31"));
    assert!(refusal("rpi4", "sim:-1").contains("sim:0 to sim:31"));
    assert_eq!(
        refusal("rock5b", "rppal:GPIO3_C1"),
        "line \"rppal:GPIO3_C1\": board rock5b has no driver \"rppal\"; use one of gpiochip"
    );
}

#[test]
fn a_reserved_line_is_refused_with_the_reason() {
    for (id, line, reason) in [
        ("rpi4", "GPIO2", "I2C"),
        ("rpi5", "pin28", "EEPROM"),
        ("rpi3", "TXD", "serial console"),
        ("rpi4", "rppal:GPIO1", "EEPROM"),
        ("rock5b", "pin8", "serial console"),
        ("qemu-virt", "PL3", "power button"),
    ] {
        let said = refusal(id, line);
        assert!(
            said.contains("is reserved: ") && said.contains(reason) && said.contains("free lines"),
            "{said}"
        );
    }
    assert_eq!(board("rpi4").reserved_at("pinctrl-bcm2711", 2).map(|r| r.0), Some("GPIO2"));
    assert_eq!(board("rpi4").reserved_at("brcmvirt-gpio", 2), None, "another chip's line 2");
}

#[test]
fn an_unknown_board_lists_the_known_ones() {
    let said = Board::by_id("rpi9").unwrap_err().to_string();
    assert!(said.contains("\"rpi9\"") && said.contains("rpi4") && said.contains("qemu-virt"), "{said}");
}

#[test]
fn a_wrong_board_file_is_refused() {
    let good = "id = \"x\"\ntitle = \"X\"\nmodel = []\ndrivers = [\"sim\"]\nchip = \"c\"\nlines = 8\ndecoders = []\nencoders = []\nsource = [\"s\"]\n";
    assert!(Board::parse("x", good).is_ok());
    let bad =
        |change: &str, with: &str| Board::parse("x", &good.replace(change, with)).unwrap_err().to_string();
    assert!(bad("[\"sim\"]", "[]").contains("no driver"));
    assert!(bad("\"sim\"", "\"steam\"").contains("\"steam\""));
    assert!(bad("[\"s\"]", "[]").contains("where its facts come from"));
    assert!(bad("id = \"x\"", "id = \"y\"").contains("its id is"));
    assert!(bad("lines = 8", "lines = 8\nheader = \"round\"").contains("\"round\""));
    assert!(bad("lines", "lanes").contains("lanes"));
    let line = |lines: &str| bad("decoders", &format!("line = [{lines}]\ndecoders"));
    assert!(line("{ name = \"A\", offset = 8 }").contains("beyond"));
    assert!(line("{ name = \"A\", offset = 1 }, { name = \"a\", offset = 2 }").contains("called"));
    assert!(line("{ name = \"A\", offset = 1 }, { name = \"B\", offset = 1 }").contains("twice"));
    assert!(
        line("{ name = \"A\", offset = 1, pin = 3 }, { name = \"B\", offset = 2, pin = 3 }").contains("pin")
    );
}

#[test]
fn every_driver_of_the_table_has_a_name_of_its_own() {
    let names: std::collections::HashSet<_> = DRIVERS.iter().map(|d| d.name).collect();
    assert_eq!(names.len(), DRIVERS.len());
    assert!(names.contains("sim"));
}

#[test]
fn says_what_an_output_does_while_the_board_boots() {
    let pi = board("rpi4");
    let said = |line: &str, active_low: bool, safe_on: bool| {
        pi.at_boot(&pi.resolve_line(line).unwrap(), Wiring { active_low, safe_on })
    };
    assert_eq!(said("GPIO17", false, false), None, "pulled low, and low is off");
    assert_eq!(said("GPIO5", true, false), None, "pulled high, and high is off");
    let wrong = said("GPIO5", false, false).unwrap();
    assert!(wrong.starts_with("line GPIO5 is pulled high while the board boots"), "{wrong}");
    assert!(wrong.contains("4.7 kΩ to ground, or use one of GPIO17"), "{wrong}");
    assert!(said("GPIO17", true, false).unwrap().contains("to 3.3 V, or use one of GPIO4"));
    let rock = board("rock5b");
    let unknown = rock.at_boot(&rock.resolve_line("pin11").unwrap(), Wiring::default()).unwrap();
    assert!(unknown.contains("may be anywhere"), "{unknown}");
    assert_eq!(pi.at_boot(&pi.resolve_line("sim:3").unwrap(), Wiring::default()), None);
}

#[test]
fn every_line_of_a_raspberry_pi_says_what_it_does_at_boot() {
    for id in ["rpi3", "rpi4", "rpi5", "rpi-zero2w"] {
        for line in board(id).header() {
            let expected =
                if line.offset <= 8 { nightjar_board::Boot::Up } else { nightjar_board::Boot::Down };
            assert_eq!(line.boot, Some(expected), "{id} {}", line.name);
        }
    }
    assert_eq!(board("rpi5").encoders().len(), 0, "it has none");
    assert_eq!(board("rock5b").encoders(), ["mpph264enc"]);
}
