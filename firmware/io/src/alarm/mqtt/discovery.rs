//! Cameras, outputs, device → what Home Assistant needs to show them by itself.
//! <https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>

use super::scribe::{ANY, OFFLINE, Topics, classes};
use nightjar_types::config::Config;
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
        let state = json!({ "state_topic": topics.output(output.id.as_str()) });
        add("binary_sensor", format!("output-{}", output.id), format!("Output {}", output.id), state);
    }
    all
}
