//! Health, cameras, outputs, storage, web counters → Prometheus text (exposition format 0.0.4).

use crate::StorageView;
use crate::app::{App, MAX_EXPORTS, MAX_READERS, MAX_VIEWERS, within};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use nightjar_types::eye::Ease;
use nightjar_types::status::{CameraState, CameraStatus, Health, OutputStatus};
use std::fmt::{Display, Write};
use std::sync::Arc;

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut page = Page::default();
    page.device(&app.desk.health());
    page.cameras(&app.desk.cameras());
    page.outputs(&app.desk.outputs());
    // Of a disk that does not answer the rest is told all the same.
    if let Ok(storage) = within("the storage", app.desk.storage()).await {
        page.storage(&storage);
    }
    for (name, help, value) in app.tally.rows() {
        page.one(&format!("web_{name}"), "counter", help, value);
    }
    page.head("web_places_taken", "gauge", "Places in use, by kind.");
    for (kind, places, of) in [
        ("live", &app.viewers, MAX_VIEWERS),
        ("export", &app.exports, MAX_EXPORTS),
        ("updates", &app.readers, MAX_READERS),
    ] {
        page.row("web_places_taken", &[("kind", kind)], of - places.available_permits());
    }
    page.one("audit_lost_total", "counter", "Audit lines that did not reach the disk.", app.audit.lost());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.0).into_response()
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP nightjar_{name} {help}\n# TYPE nightjar_{name} {kind}\n"));
    }

    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let mut inner = String::new();
        for (key, text) in labels {
            let comma = if inner.is_empty() { "" } else { "," };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            inner.push_str(&format!("{comma}{key}=\"{text}\""));
        }
        let inner = if inner.is_empty() { inner } else { format!("{{{inner}}}") };
        self.put(format_args!("nightjar_{name}{inner} {value}\n"));
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.row(name, &[], value);
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("writing to a String never fails");
    }

    fn device(&mut self, health: &Health) {
        self.head("build_info", "gauge", "Always 1; the labels say what runs.");
        self.row("build_info", &[("version", &health.version), ("board", &health.board)], 1);
        self.one("ok", "gauge", "1 when nothing needs a person.", u8::from(health.ok));
        self.one("problems", "gauge", "Things that need a person.", health.problems.len());
        self.one("uptime_seconds", "gauge", "Seconds since start.", health.uptime_s);
        self.one("resident_memory_bytes", "gauge", "Resident memory of the daemon.", health.rss_bytes);
        let storage = &health.storage;
        self.one("storage_ok", "gauge", "1 when the storage keeps up.", u8::from(storage.state == "ok"));
        self.one("storage_quota_bytes", "gauge", "Reserved bytes.", storage.quota_bytes);
        self.one("storage_used_bytes", "gauge", "Bytes in slabs that hold footage.", storage.used_bytes);
        self.one(
            "storage_payload_bytes_total",
            "counter",
            "Video and audio bytes written.",
            storage.payload_bytes,
        );
        self.one("storage_written_bytes_total", "counter", "All bytes written.", storage.written_bytes);
        let slowest = f64::from(storage.slowest_write_ms) / 1_000.0;
        self.one("storage_slowest_write_seconds", "gauge", "Slowest write in the last minute.", slowest);
        let eye = &health.eye;
        self.one("eye_running", "gauge", "1 while the eye runs.", u8::from(eye.state == "running"));
        self.one("eye_restarts_total", "counter", "Times the eye was started again.", eye.restarts);
        self.one("eye_decoded_total", "counter", "Pictures decoded.", eye.decoded);
        self.one(
            "eye_key_only_total",
            "counter",
            "Key frames decoded alone, of quiet streams.",
            eye.key_only,
        );
        self.one("eye_left_out_total", "counter", "Units of quiet streams never decoded.", eye.left_out);
        self.one("eye_cpu_cores", "gauge", "Processor time of the eye's newest seconds, cores.", eye.cpu);
        let spacing = f64::from(eye.spacing_ms) / 1_000.0;
        self.one("eye_spacing_seconds", "gauge", "Least time between two looks at a stream.", spacing);
        self.head("eye_ease", "gauge", "1 for how much the eye may do.");
        for ease in [Ease::Normal, Ease::Reduced, Ease::Stills] {
            let is_so = ease.as_str() == eye.ease;
            self.row("eye_ease", &[("level", ease.as_str())], u8::from(is_so));
        }
        let help = "From a picture's arrival to its detections at the rules, over the newest looks; relay: until its relay moved.";
        self.head("eye_latency_seconds", "summary", help);
        for stage in &eye.latency {
            for (quantile, ms) in [("0.5", stage.p50_ms), ("0.99", stage.p99_ms)] {
                let labels = [("stage", stage.stage), ("quantile", quantile)];
                self.row("eye_latency_seconds", &labels, f64::from(ms) / 1_000.0);
            }
        }
        self.one("eye_inferred_total", "counter", "Pictures the model ran on.", eye.inferred);
        self.one("eye_skipped_gops_total", "counter", "Groups of pictures left out.", eye.skipped_gops);
        let median = f64::from(eye.inference_p50_ms) / 1_000.0;
        self.one("eye_inference_median_seconds", "gauge", "Median time in the model.", median);
        self.head("faults_total", "counter", "Typed drop and fault counters, by name.");
        for (name, value) in &health.counters {
            self.row("faults_total", &[("name", name)], value);
        }
    }

    fn storage(&mut self, s: &StorageView) {
        const STATES: [&str; 7] = ["ok", "slow", "missing", "foreign", "read-only", "full", "failing"];
        self.head("storage_state", "gauge", "1 for the state in which the storage is.");
        for state in STATES {
            self.row("storage_state", &[("state", state)], u8::from(state == s.state));
        }
        self.head(
            "footage_stays_seconds",
            "gauge",
            "How long footage stays at the present rate; 0 when not known.",
        );
        for f in &s.streams {
            let labels = [("camera", f.camera.as_str()), ("stream", f.stream)];
            self.row("footage_stays_seconds", &labels, f.forecast.covers_s);
        }
        let covers = s.forecast.covers_s;
        self.one("footage_stays_least_seconds", "gauge", "The shortest of the streams that record.", covers);
        let (written, video) = (s.wear.written_bytes, s.wear.video_bytes);
        self.one(
            "card_written_bytes_total",
            "counter",
            "Bytes that recorders wrote to this card, ever.",
            written,
        );
        self.one("card_video_bytes_total", "counter", "Bytes of video and audio among them.", video);
        if let Some(left) = s.life.left_s {
            self.one("card_life_left_seconds", "gauge", "How long the card lasts at the present rate.", left);
        }
        if let Some(used) = s.device.life_used_percent {
            let used = f64::from(used) / 100.0;
            self.one("card_life_used_ratio", "gauge", "Life used up, as the device says.", used);
        }
        let near = u8::from(s.device.is_near_end);
        self.one("card_near_end", "gauge", "1 when the device's spare blocks are nearly used up.", near);
        self.one("damaged_records_total", "counter", "Records found damaged since start.", s.damaged_records);
        self.one("holds", "gauge", "Holds.", s.holds.count);
        self.one("held_bytes", "gauge", "Bytes of held slabs.", s.holds.used_bytes);
        self.one("hold_budget_bytes", "gauge", "Bytes that may be held.", s.holds.budget_bytes);
        let sure = u8::from(s.clock.is_sure);
        self.one("clock_sure", "gauge", "1 when something that knows the time has set the clock.", sure);
    }

    fn cameras(&mut self, cameras: &[CameraStatus]) {
        self.head("camera_recording", "gauge", "1 while every stream of the camera is written.");
        for camera in cameras {
            let recording = u8::from(camera.state == CameraState::Recording);
            self.row("camera_recording", &[("camera", &camera.id)], recording);
        }
        type Read = fn(&nightjar_types::status::StreamStatus) -> f64;
        let columns: [(&str, &str, &str, Read); 4] = [
            ("stream_fps", "gauge", "Pictures a second.", |s| f64::from(s.fps)),
            ("stream_bits_per_second", "gauge", "Bits a second.", |s| s.bitrate as f64),
            ("stream_dropped_units_total", "counter", "Access units dropped.", |s| s.dropped_units as f64),
            ("stream_sessions_total", "counter", "Sessions begun.", |s| s.sessions as f64),
        ];
        for (name, kind, help, read) in columns {
            self.head(name, kind, help);
            for (camera, stream) in cameras.iter().flat_map(|c| c.streams.iter().map(move |s| (c, s))) {
                self.row(name, &[("camera", &camera.id), ("stream", stream.kind)], read(stream));
            }
        }
    }

    fn outputs(&mut self, outputs: &[OutputStatus]) {
        self.head("output_on", "gauge", "1 while the output is energised.");
        for output in outputs {
            self.row("output_on", &[("output", &output.id)], u8::from(output.on));
        }
        self.head("output_moves_total", "counter", "Times the output was switched on.");
        for output in outputs {
            self.row("output_moves_total", &[("output", &output.id)], output.moves);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.row("x", &[("a", "q\"\\\n"), ("b", "c")], 1);
        assert_eq!(page.0, "nightjar_x{a=\"q\\\"\\\\\\n\",b=\"c\"} 1\n");
    }
}
