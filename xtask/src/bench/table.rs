//! Figures of single runs → tables of medians with ratios to ffmpeg's, and targets that are met or missed.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What one run measured, by name.
pub(super) type Figures = BTreeMap<&'static str, f64>;

/// The recorder that others are compared with.
pub(super) const RIVAL: &str = "ffmpeg -c copy";
/// Ours.
pub(super) const OURS: &str = "nightjar";

/// One run.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// What was recorded: cameras and their streams.
    pub(super) set: String,
    pub(super) who: &'static str,
    pub(super) figures: Figures,
}

/// How one figure is shown.
pub(super) struct Column {
    pub(super) key: &'static str,
    pub(super) head: &'static str,
    pub(super) digits: usize,
    pub(super) unit: &'static str,
    /// A column with the ratio to ffmpeg's follows.
    pub(super) has_ratio: bool,
}

/// A column without a ratio.
pub(super) const fn column(
    key: &'static str,
    head: &'static str,
    digits: usize,
    unit: &'static str,
) -> Column {
    Column { key, head, digits, unit, has_ratio: false }
}

/// One chapter of BENCHMARKS.md.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) notes: String,
    /// Head of the column that says what was recorded.
    pub(super) of: &'static str,
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Row>,
    pub(super) targets: Vec<Target>,
}

/// What a figure must not be above.
pub(super) struct Target {
    pub(super) what: String,
    pub(super) limit: f64,
    pub(super) found: Option<f64>,
    pub(super) digits: usize,
}

impl Target {
    pub(super) fn is_met(&self) -> bool {
        self.found.is_some_and(|found| found <= self.limit)
    }

    pub(super) fn line(&self) -> String {
        let number = |n: f64| format!("{n:.*}", self.digits);
        let found = self.found.map_or("not measured".to_owned(), number);
        let verdict = if self.is_met() { "met" } else { "missed" };
        format!("{}: at most {}, measured {found}: {verdict}", self.what, number(self.limit))
    }
}

impl Section {
    /// Median of a figure over the runs of one recorder on one set.
    pub(super) fn median(&self, set: &str, who: &str, key: &str) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.set == set && row.who == who);
        let mut values: Vec<f64> = rows.filter_map(|row| row.figures.get(key).copied()).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            n if n % 2 == 1 => Some(values[middle]),
            _ => Some((values[middle - 1] + values[middle]) / 2.0),
        }
    }

    /// The worst of a figure over the runs of one recorder on one set.
    pub(super) fn worst(&self, set: &str, who: &str, key: &str) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.set == set && row.who == who);
        rows.filter_map(|row| row.figures.get(key).copied()).max_by(f64::total_cmp)
    }

    /// A median as a share of ffmpeg's.
    pub(super) fn ratio(&self, set: &str, who: &str, key: &str) -> Option<f64> {
        let base = self.median(set, RIVAL, key).filter(|base| *base > 0.0)?;
        Some(self.median(set, who, key)? / base)
    }

    /// What was recorded, in the order of the runs.
    pub(super) fn sets(&self) -> Vec<String> {
        let mut sets: Vec<String> = Vec::new();
        for row in &self.rows {
            if !sets.contains(&row.set) {
                sets.push(row.set.clone());
            }
        }
        sets
    }

    fn recorders(&self, set: &str) -> Vec<&'static str> {
        let mut all: Vec<&'static str> =
            self.rows.iter().filter(|row| row.set == set).map(|row| row.who).collect();
        // ours first, whoever began
        all.sort_unstable_by_key(|who| (*who != OURS, *who != RIVAL, *who));
        all.dedup();
        all
    }

    pub(super) fn markdown(&self, machine: &str) -> String {
        let mut text = format!("{}\n\n{machine}\n", self.notes.trim());
        if !self.rows.is_empty() {
            text += &self.table();
        }
        if !self.targets.is_empty() {
            text.push('\n');
        }
        for target in &self.targets {
            writeln!(text, "- {}", target.line()).ok();
        }
        text
    }

    fn table(&self) -> String {
        let mut heads = vec![self.of, "recorder"];
        for column in self.columns {
            heads.push(column.head);
            if column.has_ratio {
                heads.push("against ffmpeg");
            }
        }
        let mut text = format!("\n| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
        for set in self.sets() {
            for who in self.recorders(&set) {
                let mut cells = vec![set.clone(), who.to_owned()];
                for column in self.columns {
                    let shown = |value: Option<f64>, digits: usize, unit: &str| match value {
                        Some(value) => format!("{value:.digits$}{unit}"),
                        None => "-".to_owned(),
                    };
                    cells.push(shown(self.median(&set, who, column.key), column.digits, column.unit));
                    if column.has_ratio {
                        cells.push(shown(self.ratio(&set, who, column.key), 2, ""));
                    }
                }
                writeln!(text, "| {} |", cells.join(" | ")).ok();
            }
        }
        text
    }

    /// One run in words, for the terminal.
    pub(super) fn line(&self, row: &Row) -> String {
        let words = self.columns.iter().filter_map(|column| {
            let value = row.figures.get(column.key)?;
            Some(format!("{} {value:.*}{}", column.head, column.digits, column.unit))
        });
        format!("{} {:<16} {}", row.set, row.who, words.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column { key: "cpu", head: "CPU-s", digits: 3, unit: "", has_ratio: true },
        column("lost", "lost", 0, ""),
    ];

    fn section(runs: &[(&'static str, f64)]) -> Section {
        let row = |(who, cpu): &(&'static str, f64)| Row {
            set: "8".into(),
            who,
            figures: Figures::from([("cpu", *cpu), ("lost", 0.0)]),
        };
        Section {
            title: "A",
            notes: "Notes.".into(),
            of: "cameras",
            columns: COLUMNS,
            rows: runs.iter().map(row).collect(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn shows_medians_and_the_ratio_to_ffmpeg_ours_first() {
        let runs = [(RIVAL, 0.4), (OURS, 0.1), (OURS, 0.9), (OURS, 0.2)];
        let text = section(&runs).markdown("A machine.");
        assert!(
            text.contains("| 8 | nightjar | 0.200 | 0.50 | 0 |\n| 8 | ffmpeg -c copy | 0.400 | 1.00 | 0 |"),
            "{text}"
        );
    }

    #[test]
    fn a_target_is_met_up_to_its_limit_and_missed_when_not_measured() {
        let target = |found| Target { what: "CPU".into(), limit: 0.3, found, digits: 2 };
        assert!(target(Some(0.3)).is_met() && !target(Some(0.31)).is_met());
        assert_eq!(target(None).line(), "CPU: at most 0.30, measured not measured: missed");
    }
}
