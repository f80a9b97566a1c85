//! Cameras, outputs, device → what Home Assistant needs to show them by itself.
//! <https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>

use super::scribe::{ANY, OFFLINE, Topics, classes};
use nightjar_types::config::{Config, InputKind};
use nightjar_types::scene::TAMPER_CLASS;
use serde_json::{Value, json};

/// Every thing: its topic below Home Assistant's prefix, and its description.
pub(super) fn things(config: &Config, device: &str, topics: &Topics) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut add = |kind: &str, id: String, name: String, mut thing: Value| {
        thing["name"] = name.into();
        thing["unique_id"] = format!("nightjar-{device}-{id}").into();
        thing["availability_topic"] = topics.status().into();
        thing["payload_not_available"] = OFFLINE.into();
        thing["device"] = json!({
            "identifiers": [format!("nightjar-{device}")],
            "name": config.device.name,
            "manufacturer": "Nightjar",
            "model": "Video recorder",
            "sw_version": env!("CARGO_PKG_VERSION"),
        });
        thing["origin"] = json!({ "name": "nightjar", "sw_version": env!("CARGO_PKG_VERSION") });
        all.push((format!("{kind}/nightjar-{device}/{id}/config"), thing));
    };
    add(
        "binary_sensor",
        "health".into(),
        "Health".into(),
        json!({
            "state_topic": topics.health(),
            "value_template": "{{ 'OFF' if value_json.ok else 'ON' }}",
            "json_attributes_topic": topics.health(),
            "device_class": "problem",
            "entity_category": "diagnostic",
        }),
    );
    let notices = json!({ "state_topic": topics.notices(), "event_types": ["notice"] });
    add("event", "notices".into(), "Notices".into(), notices);
    for camera in &config.cameras {
        let id = camera.id.as_str();
        let state = json!({
            "state_topic": topics.camera(id, "state"),
            "value_template": "{{ value_json.state }}",
            "json_attributes_topic": topics.camera(id, "state"),
            "entity_category": "diagnostic",
        });
        add("sensor", format!("{id}-state"), format!("{} state", camera.name), state);
        let recorded = json!({
            "state_topic": topics.camera(id, "recorded"),
            "value_template": "{{ value_json.recorded_s }}",
            "json_attributes_topic": topics.camera(id, "recorded"),
            "device_class": "duration",
            "unit_of_measurement": "s",
            "entity_category": "diagnostic",
        });
        add("sensor", format!("{id}-recorded"), format!("{} recorded yesterday", camera.name), recorded);
        for class in classes(config, id) {
            let device_class = match class.as_str() {
                TAMPER_CLASS => "tamper",
                _ => "occupancy",
            };
            let what = if class == ANY { "something seen" } else { &class };
            let seen = json!({ "state_topic": topics.seen(id, &class), "device_class": device_class });
            let slug = super::super::slug(&class);
            add("binary_sensor", format!("{id}-{slug}"), format!("{} {what}", camera.name), seen);
        }
    }
    for output in &config.outputs {
        let id = output.id.as_str();
        let state = json!({
            "state_topic": topics.output(id, "state"),
            "json_attributes_topic": topics.output(id, "about"),
        });
        add("binary_sensor", format!("output-{id}"), format!("Output {id}"), state);
    }
    for input in &config.inputs {
        let mut state = json!({ "state_topic": topics.input(input.id.as_str()) });
        match input.kind {
            InputKind::Door => state["device_class"] = "door".into(),
            InputKind::Pir => state["device_class"] = "motion".into(),
            InputKind::AcFail => state["device_class"] = "problem".into(),
            InputKind::Contact | InputKind::Panic | InputKind::KeySwitch => {}
        }
        add("binary_sensor", format!("input-{}", input.id), format!("Input {}", input.id), state);
    }
    let arm = json!({
        "state_topic": topics.arm(),
        "value_template": "{{ 'ON' if value_json.armed else 'OFF' }}",
        "json_attributes_topic": topics.arm(),
    });
    add("binary_sensor", "arm".into(), "Armed".into(), arm);
    all
}
