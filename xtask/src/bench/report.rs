//! Rows of figures → the text of BENCHMARKS.md: medians, and ratios of medians.

use super::measure::Row;
use super::recorder::Kind;
use std::fmt::Write;

/// All that a whole bench found.
pub(super) struct Report {
    pub(super) machine: String,
    pub(super) date: String,
    pub(super) seconds: u64,
    pub(super) rounds: u32,
    pub(super) rows: Vec<Row>,
    pub(super) sizes: Vec<(String, u64)>,
    /// Bytes of the gzipped page.
    pub(super) page: u64,
    /// Median and 90th percentile of one inference, in milliseconds.
    pub(super) inference: Option<(f64, f64)>,
}

/// One row in words.
pub(super) fn line(row: &Row) -> String {
    format!(
        "{:<32} {:.3} CPU-s a camera-minute, PSS {:.1} MB, RSS {:.1} MB, {:.3} bytes written a media byte, \
         {:.1} of {:.1} s, first file {:.2} s, machine {:.0} % idle",
        row.kind.name(),
        row.cpu,
        mb(row.pss),
        mb(row.rss),
        row.write_ratio,
        row.recorded_s,
        row.ran_s,
        row.first_file_s,
        row.idle * 100.0
    )
}

impl Report {
    pub(super) fn markdown(&self) -> String {
        let mut text = format!(
            "# Benchmarks\n\nWritten by `cargo xtask bench`, never by hand.\n\n{}; {}.\n\n## Recording\n\n\
             Cameras of 1152×864 H.264, 10 pictures a second, 2 Mbit/s, with AAC sound, over RTSP/TCP on loopback, from\n\
             GStreamer's RTSP server, whose cost is not counted. Medians of {} rounds of {} s, in which the recorders took\n\
             turns. CPU is user + system time of the whole process tree; compare by ratio, since the machine has other work.\n\n\
             | cameras | recorder | CPU-s a camera-minute | against ffmpeg | PSS MB | RSS MB | bytes written a media byte | recorded of the time from start to stop | first file after | machine idle |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
            self.date, self.machine, self.rounds, self.seconds
        );
        let mut cameras: Vec<u32> = self.rows.iter().map(|row| row.cameras).collect();
        cameras.sort_unstable();
        cameras.dedup();
        for count in cameras {
            let base = self.median(count, Kind::Ffmpeg, |row| row.cpu);
            for kind in [Kind::Nightjar, Kind::Ffmpeg, Kind::NightjarDetecting] {
                if let Some(line) = self.table_line(count, kind, base) {
                    text += &line;
                }
            }
        }
        text += "\n## Programs and page\n\n| what | size |\n|---|---|\n";
        for (name, bytes) in &self.sizes {
            writeln!(text, "| {name} | {:.1} MB |", mb(*bytes)).ok();
        }
        writeln!(text, "| the phone page, gzipped | {:.1} kB |", self.page as f64 / 1e3).ok();
        text += "\n## Detector\n\n";
        text += &match self.inference {
            Some((median, slow)) => format!(
                "One look at a picture of the pedestrian clip, preparation included, one thread: median {median:.1} ms, 90 % within\n{slow:.1} ms.\n"
            ),
            None => "Not measured in this run.\n".to_owned(),
        };
        text
    }

    fn table_line(&self, count: u32, kind: Kind, base: Option<f64>) -> Option<String> {
        let median = |of: fn(&Row) -> f64| self.median(count, kind, of);
        let cpu = median(|row| row.cpu)?;
        let ratio =
            base.filter(|base| *base > 0.0).map_or("-".to_owned(), |base| format!("{:.2}", cpu / base));
        Some(format!(
            "| {count} | {} | {cpu:.3} | {ratio} | {:.1} | {:.1} | {:.3} | {:.1} % | {:.2} s | {:.0} % |\n",
            kind.name(),
            median(|row| mb(row.pss))?,
            median(|row| mb(row.rss))?,
            median(|row| row.write_ratio)?,
            median(|row| 100.0 * row.recorded_s / row.ran_s)?,
            median(|row| row.first_file_s)?,
            median(|row| row.idle * 100.0)?,
        ))
    }

    fn median(&self, count: u32, kind: Kind, of: impl Fn(&Row) -> f64) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.cameras == count && row.kind == kind);
        let mut values: Vec<f64> = rows.map(of).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            n if n % 2 == 1 => Some(values[middle]),
            _ => Some((values[middle - 1] + values[middle]) / 2.0),
        }
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Kind, cpu: f64) -> Row {
        Row {
            kind,
            cameras: 1,
            cpu,
            rss: 1,
            pss: 1,
            write_ratio: 1.0,
            recorded_s: 9.0,
            ran_s: 10.0,
            first_file_s: 1.0,
            idle: 0.5,
        }
    }

    #[test]
    fn the_report_shows_medians_and_the_ratio_to_ffmpeg() {
        let rows = vec![
            row(Kind::Nightjar, 0.1),
            row(Kind::Nightjar, 0.9),
            row(Kind::Nightjar, 0.2),
            row(Kind::Ffmpeg, 0.4),
        ];
        let report = Report {
            machine: "a machine".into(),
            date: "2026-11-21".into(),
            seconds: 5,
            rounds: 3,
            rows,
            sizes: vec![("nightjar".into(), 5_000_000)],
            page: 30_000,
            inference: None,
        };
        let text = report.markdown();
        assert!(text.contains("| 1 | nightjar | 0.200 | 0.50 |"), "{text}");
        assert!(text.contains("| nightjar | 5.0 MB |") && text.contains("Not measured"));
    }
}
