//! The recorder's socket and page, the system's os-release → one [`Look`] at the board.

use crate::gate::Look;
use crate::http;
use crate::slots::Gap;
use crate::state::from_json;
use hyper::Method;
use nightjar_types::gate::GateReport;
use std::path::Path;

/// What the recorder says; with `since`, also what footage is missing from then on.
pub(crate) async fn report(socket: &Path, since_ms: Option<i64>) -> Result<GateReport, String> {
    let path = since_ms.map_or("/gate".into(), |since| format!("/gate?since_ms={since}"));
    let answer = http::ask(socket, Method::GET, &path, None).await?;
    if answer.status != 200 {
        return Err(format!("it answers with status {}", answer.status));
    }
    from_json(&answer.body)
}

/// All that an update is judged by.
pub(crate) async fn look(socket: &Path, os_release: &Path) -> Look {
    let report = match report(socket, None).await {
        Ok(report) => report,
        Err(why) => {
            tracing::debug!(why, "the recorder does not answer");
            return Look { report: None, page: Some("no recorder".into()), version: version(os_release) };
        }
    };
    let page = match http::page(&report.page).await {
        Ok(answer) if answer.status == 200 => None,
        Ok(answer) => Some(format!("{} answers with status {}", report.page, answer.status)),
        Err(why) => Some(format!("{}: {why}", report.page)),
    };
    Look { report: Some(report), page, version: version(os_release) }
}

/// What the running system says of itself.
pub(crate) fn version(os_release: &Path) -> Option<String> {
    let text = std::fs::read_to_string(os_release).ok()?;
    let word = text.lines().find_map(|line| line.strip_prefix("IMAGE_VERSION="))?;
    let word = word.trim().trim_matches(['"', '\'']);
    (!word.is_empty()).then(|| word.to_owned())
}

/// What an update cost: of the cameras that recorded before, the worst.
pub(crate) fn gap(report: &GateReport, cameras: &[String]) -> Gap {
    let counted = report.cameras.iter().filter(|c| cameras.contains(&c.id));
    let worst = counted.filter_map(|c| c.missing_ms).max();
    Gap { seconds: worst.map(|ms| ms.div_ceil(1_000)), clock_sure: Some(report.clock_sure) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::gate::GateCamera;

    #[test]
    fn the_worst_camera_that_recorded_before_counts() {
        let camera = |id: &str, missing_ms| GateCamera { id: id.into(), missing_ms, ..Default::default() };
        let cameras =
            vec![camera("a", Some(31_200)), camera("b", Some(40_001)), camera("dead", Some(900_000))];
        let report = GateReport { cameras, clock_sure: true, ..Default::default() };
        let seconds =
            |ids: &[&str]| gap(&report, &ids.iter().map(|id| id.to_string()).collect::<Vec<_>>()).seconds;
        assert_eq!(seconds(&["a", "b"]), Some(41));
        assert_eq!(seconds(&[]), None);
    }

    #[test]
    fn the_version_is_that_of_os_release() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("os-release");
        std::fs::write(&file, "NAME=x\nIMAGE_ID=nightjar\nIMAGE_VERSION=\"1.4.2\"\n").unwrap();
        assert_eq!(version(&file).as_deref(), Some("1.4.2"));
        std::fs::write(&file, "NAME=x\n").unwrap();
        assert_eq!(version(&file), None);
    }
}
