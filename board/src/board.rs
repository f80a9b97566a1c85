//! `boards/*.toml` → [`Board`]; the text of `/proc/device-tree/model` → which board this is.

use crate::{BoardError, Chip, Heat, Line, OutputLine, Wiring, driver::DRIVERS, open_output};
use embedded_hal::digital::PinState;
use serde::Deserialize;

/// Every known board: (id, its file). To add one, write the file and a row here.
pub const BOARDS: &[(&str, &str)] = &[
    ("sim", include_str!("../boards/sim.toml")),
    ("rpi3", include_str!("../boards/rpi3.toml")),
    ("rpi4", include_str!("../boards/rpi4.toml")),
    ("rpi5", include_str!("../boards/rpi5.toml")),
    ("rpi-zero2w", include_str!("../boards/rpi-zero2w.toml")),
    ("rock5b", include_str!("../boards/rock5b.toml")),
    ("orangepi5", include_str!("../boards/orangepi5.toml")),
    ("qemu-virt", include_str!("../boards/qemu-virt.toml")),
];

/// Headers that several boards share: (name, its file).
const HEADERS: &[(&str, &str)] =
    &[("raspberry-pi-40", include_str!("../boards/headers/raspberry-pi-40.toml"))];

/// A board, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    id: String,
    title: String,
    model: Vec<String>,
    drivers: Vec<String>,
    chip: String,
    lines: u32,
    decoders: Vec<String>,
    encoders: Vec<String>,
    source: Vec<String>,
    heat: Option<Heat>,
    header: Vec<HeaderLine>,
}

/// What a resistor of the chip does to a line from power-on until somebody opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Boot {
    /// It is pulled high.
    Up,
    /// It is pulled low.
    Down,
    /// Nothing holds it.
    Floats,
}

/// One line that a person can reach with a wire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderLine {
    /// The board's own name for it, e.g. `GPIO17`.
    pub name: String,
    /// Place on the header, counted from 1.
    pub pin: Option<u8>,
    /// Label of its GPIO chip, when it is not the board's main one.
    pub chip: Option<String>,
    /// Number of the line on its chip.
    pub offset: u32,
    /// Other names, e.g. `SDA1`.
    #[serde(default)]
    pub also: Vec<String>,
    /// What it does while the board boots; `None`: not known.
    pub boot: Option<Boot>,
    /// Why it can't be an output.
    pub reserved: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    id: String,
    title: String,
    model: Vec<String>,
    drivers: Vec<String>,
    chip: String,
    lines: u32,
    decoders: Vec<String>,
    encoders: Vec<String>,
    source: Vec<String>,
    heat: Option<Heat>,
    header: Option<String>,
    #[serde(default)]
    line: Vec<HeaderLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedHeader {
    line: Vec<HeaderLine>,
}

impl Board {
    /// The board of this id.
    pub fn by_id(id: &str) -> Result<Self, BoardError> {
        let Some((_, text)) = BOARDS.iter().find(|(known, _)| *known == id) else {
            let known = BOARDS.iter().map(|(id, _)| *id).collect::<Vec<_>>().join(", ");
            return Err(BoardError::NoSuchBoard { id: id.into(), known });
        };
        Self::parse(id, text)
    }

    /// The board whose device tree says `model` (the content of `/proc/device-tree/model`, closing NUL or not).
    /// Without a device tree, or on a board that is not known, the simulated one; its title then says so.
    pub fn detect(model: Option<&str>) -> Result<Self, BoardError> {
        let model = model.unwrap_or_default().trim_end_matches('\0').trim();
        for (id, _) in BOARDS {
            let board = Self::by_id(id)?;
            if board.is_model(model) {
                return Ok(board);
            }
        }
        let mut sim = Self::by_id("sim")?;
        if !model.is_empty() {
            sim.title = format!("{model} (not a board that Nightjar knows: outputs are simulated)");
        }
        Ok(sim)
    }

    /// Reads and checks one board file.
    pub fn parse(id: &str, text: &str) -> Result<Self, BoardError> {
        let data = |why: String| BoardError::Data { board: id.into(), why };
        let typed: Typed = toml::from_str(text).map_err(|e| data(e.to_string()))?;
        let mut header = typed.line;
        if let Some(name) = &typed.header {
            let (_, text) = HEADERS
                .iter()
                .find(|(known, _)| known == name)
                .ok_or_else(|| data(format!("there is no header \"{name}\"")))?;
            let shared: TypedHeader =
                toml::from_str(text).map_err(|e| data(format!("header \"{name}\": {e}")))?;
            header.extend(shared.line);
        }
        let Typed { id: own, title, model, drivers, chip, lines, decoders, encoders, source, heat, .. } =
            typed;
        let board =
            Self { id: own, title, model, drivers, chip, lines, decoders, encoders, source, heat, header };
        board.check(id).map_err(data)?;
        Ok(board)
    }

    /// Its id, e.g. `rpi4`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its name for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The driver of its lines, unless a line names another.
    pub fn driver(&self) -> &str {
        &self.drivers[0]
    }

    /// All drivers that work on it, the usual one first.
    pub fn drivers(&self) -> &[String] {
        &self.drivers
    }

    /// Label of its main GPIO chip.
    pub fn chip(&self) -> &str {
        &self.chip
    }

    /// Lines of its main GPIO chip.
    pub fn line_count(&self) -> u32 {
        self.lines
    }

    /// GStreamer elements of its hardware decoders, best first; empty: none.
    pub fn decoders(&self) -> &[String] {
        &self.decoders
    }

    /// GStreamer elements of its hardware encoders for H.264, best first; empty: none.
    pub fn encoders(&self) -> &[String] {
        &self.encoders
    }

    /// What keeps an output on this line from being at its safe level while the board boots, in words with the mend;
    /// `None`: nothing, or it is no line of this board's header.
    pub fn at_boot(&self, line: &Line, wiring: Wiring) -> Option<String> {
        let of_header =
            |l: &&HeaderLine| Chip::Label(self.chip_of(l).into()) == line.chip && l.offset == line.offset;
        let boot = self.header.iter().find(of_header)?.boot;
        let safe = wiring.level(wiring.safe_on);
        let (is_safe, does, mend) = match boot {
            Some(Boot::Up) => (safe == PinState::High, "is pulled high", self.with_boot(Boot::Down)),
            Some(Boot::Down) => (safe == PinState::Low, "is pulled low", self.with_boot(Boot::Up)),
            Some(Boot::Floats) => (false, "floats", String::new()),
            None => (false, "may be anywhere", String::new()),
        };
        let resistor = if safe == PinState::High { "to 3.3 V" } else { "to ground" };
        (!is_safe).then(|| {
            format!(
                "line {line} {does} while the board boots, and its output is not safe then: put a resistor of 4.7 kΩ {resistor}{mend}"
            )
        })
    }

    /// `, or use one of …`: free lines that do this while the board boots.
    fn with_boot(&self, boot: Boot) -> String {
        let free = self.header.iter().filter(|l| l.reserved.is_none() && l.boot == Some(boot));
        let names: Vec<&str> = free.map(|l| l.name.as_str()).take(4).collect();
        if names.is_empty() { String::new() } else { format!(", or use one of {}", names.join(", ")) }
    }

    /// Where the facts in its file come from.
    pub fn source(&self) -> &[String] {
        &self.source
    }

    /// From which temperatures on detection is shed; `None`: never.
    pub fn heat(&self) -> Option<Heat> {
        self.heat
    }

    /// The lines a person can reach, in header order.
    pub fn header(&self) -> &[HeaderLine] {
        &self.header
    }

    /// [`open_output`] with the two levels as the config has them: `active_low`: energised means electrically low;
    /// `safe_on`: the safe level is energised.
    pub fn open_output(
        &self,
        line: &Line,
        output: &str,
        active_low: bool,
        safe_on: bool,
    ) -> Result<Box<dyn OutputLine>, BoardError> {
        open_output(output, line, Wiring { active_low, safe_on })
    }

    /// Label of the chip of a header line.
    pub(crate) fn chip_of<'a>(&'a self, line: &'a HeaderLine) -> &'a str {
        line.chip.as_deref().unwrap_or(&self.chip)
    }

    /// A pattern that ends in `*` fits what begins so; any other fits only itself ("Orange Pi 5" is not "… 5 Plus").
    fn is_model(&self, model: &str) -> bool {
        self.model.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => model.starts_with(start),
            None => model == pattern,
        })
    }

    fn check(&self, id: &str) -> Result<(), String> {
        if self.id != id {
            return Err(format!("its id is \"{}\"", self.id));
        }
        if self.drivers.is_empty() {
            return Err("it has no driver".into());
        }
        if let Some(d) = self.drivers.iter().find(|d| DRIVERS.iter().all(|known| known.name != d.as_str())) {
            return Err(format!("there is no driver \"{d}\""));
        }
        if self.source.is_empty() {
            return Err("it does not say where its facts come from".into());
        }
        self.heat.map_or(Ok(()), Heat::check)?;
        let mut names = std::collections::HashSet::new();
        let mut places = std::collections::HashSet::new();
        for line in &self.header {
            if line.offset >= self.lines {
                return Err(format!("line {} is beyond the {} lines of its chip", line.name, self.lines));
            }
            for name in line.also.iter().chain([&line.name]) {
                if !names.insert(name.to_ascii_lowercase()) {
                    return Err(format!("two lines are called {name}"));
                }
            }
            if !places.insert((self.chip_of(line), line.offset)) {
                return Err(format!("line {} is there twice", line.name));
            }
            if line.pin.is_some_and(|pin| !names.insert(format!("pin{pin}"))) {
                return Err(format!("line {} shares its pin", line.name));
            }
        }
        Ok(())
    }
}
