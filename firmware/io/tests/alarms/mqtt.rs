//! The recorder's messages at a real broker that is killed, frozen, guarded, or none.

use super::mosquitto::Mosquitto;
use super::rig::{arm, detections, event, firing, health, input, notice, open, output, start, until};
use nightjar_types::day::DayView;
use nightjar_types::status::Update;
use nightjar_types::{Gap, GapCause, Name, StreamKind, Wall};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::net::TcpListener;

const DEADLINE: Duration = Duration::from_secs(10);
const OPEN: &str = "allow_anonymous true";

fn mqtt(port: u16, more: &str) -> String {
    format!("[mqtt]\nbroker = \"mqtt://127.0.0.1:{port}\"\n{more}")
}

async fn broker(more: &str) -> Mosquitto {
    Mosquitto::start(tempfile::tempdir().unwrap(), more).await
}

fn serial(payload: &str) -> u64 {
    let message: Value = serde_json::from_str(payload).unwrap();
    let id = message["event"]["id"].as_str().unwrap();
    u64::from_str_radix(&id[16..], 16).unwrap()
}

#[tokio::test]
async fn nothing_is_lost_while_the_broker_is_frozen_killed_and_started_again() {
    let mut broker = broker(OPEN).await;
    let mut listener = broker.listen("nightjar/barn/front/events", &[]).await;
    let (world, couriers) = start(&mqtt(broker.port, ""), DEADLINE);
    (0..50).for_each(|n| world.tell(&event(n, false)));
    listener.until(|_, payload| serial(payload) == 49).await;
    // under way to a broker that does not read any more
    broker.freeze();
    (50..80).for_each(|n| world.tell(&event(n, false)));
    broker.kill().await;
    (80..400).for_each(|n| world.tell(&event(n, false)));
    until(&world, "the loss is noticed", |view| view.state == "retrying" && view.waiting >= 350).await;
    broker.again().await;
    // what its listener had not acknowledged before, the broker tells again
    let mut missing: BTreeSet<u64> = (50..400).collect();
    while !missing.is_empty() {
        missing.remove(&serial(&listener.next().await.2));
    }
    let view = until(&world, "all is acknowledged", |view| view.waiting == 0).await;
    assert_eq!((view.state, view.dropped, view.error), ("working", 0, None));
    couriers.stop().await;
}

#[tokio::test]
async fn what_is_now_is_retained_and_the_broker_says_that_the_device_is_gone() {
    let broker = broker(OPEN).await;
    let (world, couriers) = start(&mqtt(broker.port, ""), DEADLINE);
    world.tell(&event(1, false));
    until(&world, "told", |view| view.delivered > 0 && view.waiting == 0).await;
    // who comes later is told what is retained
    let mut late = broker.listen("nightjar/#", &[]).await;
    world.tell(&notice("all that was retained came before"));
    let now = late.until(|topic, _| topic == "nightjar/barn/notices").await;
    let found = |topic: &str| now.iter().find(|(t, _)| t == topic).map(|(_, payload)| payload.as_str());
    assert_eq!(found("nightjar/barn/status"), Some("online"));
    assert_eq!(found("nightjar/barn/front/seen/person"), Some("ON"));
    assert_eq!(found("nightjar/barn/front/seen/any"), Some("ON"));
    assert_eq!(
        found("nightjar/barn/output/siren/state"),
        Some("OFF"),
        "its safe level, before it ever moved"
    );
    let about: Value = serde_json::from_str(found("nightjar/barn/output/siren/about").unwrap()).unwrap();
    assert_eq!((&about["safe"], &about["cause"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(found("nightjar/barn/front/events"), None, "what happened is not retained");
    world.tell(&event(1, true));
    drop(world);
    couriers.stop().await;
    let last = late.until(|topic, payload| topic == "nightjar/barn/status" && payload == "offline").await;
    let off = ("nightjar/barn/front/seen/person".to_string(), "OFF".to_string());
    assert!(last.contains(&off), "what waits at the stop still goes out: {last:?}");
}

#[tokio::test]
async fn outputs_inputs_and_arming_are_retained_as_they_are_and_told_as_they_change() {
    let broker = broker(OPEN).await;
    let mut listener = broker.listen("nightjar/#", &[]).await;
    let (world, couriers) = start(&mqtt(broker.port, ""), DEADLINE);
    world.tell(&arm(false, 1_000));
    world.tell(&input(true, None));
    world.tell(&notice("so it was found"));
    let told = listener.until(|topic, _| topic == "nightjar/barn/notices").await;
    let is_news = |topic: &str| ["outputs", "inputs", "arming"].iter().any(|list| topic.ends_with(list));
    assert!(!told.iter().any(|(topic, _)| is_news(topic)), "how it is at the start is no news: {told:?}");
    world.tell(&arm(true, 2_000));
    world.tell(&input(false, Some(3_000)));
    world.tell(&output(true, "rule siren: input door", None));
    world.tell(&output(false, "time is over", Some("the line does not answer")));
    world.tell(&firing());
    let told = listener.until(|topic, _| topic == "nightjar/barn/rules").await;
    let news: Vec<(&str, Value)> = told
        .iter()
        .filter(|(topic, _)| is_news(topic))
        .map(|(topic, payload)| (topic.as_str(), serde_json::from_str(payload).unwrap()))
        .collect();
    let types: Vec<(&str, &str)> =
        news.iter().map(|(topic, news)| (*topic, news["type"].as_str().unwrap())).collect();
    assert_eq!(
        types,
        [
            ("nightjar/barn/arming", "armed"),
            ("nightjar/barn/inputs", "OFF"),
            ("nightjar/barn/outputs", "moved"),
            ("nightjar/barn/outputs", "failed"),
        ]
    );
    assert_eq!(news[2].1["output"]["cause"], "rule siren: input door");
    until(&world, "all is acknowledged", |view| view.waiting == 0).await;
    let mut late = broker.listen("nightjar/barn/+/+/+", &[]).await;
    world.tell(&output(true, "user ada tests it", None));
    let now = late.until(|_, payload| payload.contains("user ada tests it")).await;
    let found = |topic: &str| now.iter().find(|(t, _)| t == topic).map(|(_, payload)| payload.as_str());
    assert_eq!(found("nightjar/barn/input/door/state"), Some("OFF"));
    let about = found("nightjar/barn/output/siren/about").unwrap();
    assert!(about.contains("the line does not answer"), "{about}");
    couriers.stop().await;
}

#[tokio::test]
async fn a_fleet_sees_that_a_device_lives_and_that_yesterday_was_recorded() {
    let broker = broker(OPEN).await;
    let (world, couriers) = start(&mqtt(broker.port, ""), DEADLINE);
    let mut early = broker.listen("nightjar/#", &[]).await;
    (0..90).step_by(2).for_each(|uptime_s| world.tell(&health(uptime_s)));
    let start = Wall(1_795_564_800_000_000);
    let at = |second: i64| start.plus_micros(second * 1_000_000);
    let (camera, stream, cause) = (Name::new("front").unwrap(), StreamKind::Main, GapCause::PowerCut);
    let gap = Gap { camera, stream, from: at(600), to: Some(at(900)), cause };
    let day = DayView::new("front", start, &[(at(0), at(600)), (at(900), at(86_400))], &[gap]);
    world.tell(&Update::Day(day));
    early.until(|topic, _| topic == "nightjar/barn/front/recorded").await;
    // who comes later is told what is retained
    let mut late = broker.listen("nightjar/#", &[]).await;
    world.tell(&notice("all that was retained came before"));
    let now = late.until(|topic, _| topic == "nightjar/barn/notices").await;
    let found = |topic: &str| -> Value {
        let (_, payload) = now.iter().find(|(t, _)| t == topic).expect("it is retained");
        serde_json::from_str(payload).unwrap()
    };
    let beat = found("nightjar/barn/heartbeat");
    assert_eq!(
        (&beat["uptime_s"], &beat["version"], &beat["schema"]),
        (&60.into(), &"1.2.3".into(), &1.into())
    );
    let recorded = found("nightjar/barn/front/recorded");
    assert_eq!((&recorded["day"], &recorded["recorded_s"]), (&"2026-11-25".into(), &86_100.into()));
    assert_eq!(
        (&recorded["gaps"][0]["cause"], &recorded["gaps"][0]["seconds"]),
        (&"power-cut".into(), &300.into())
    );
    assert_eq!(recorded["unexplained_s"], 0);
    couriers.stop().await;
}

#[tokio::test]
async fn boxes_go_out_as_other_consumers_know_them_and_things_as_home_assistant_does() {
    let broker = broker(OPEN).await;
    let mut listener = broker.listen("#", &[]).await;
    let (world, couriers) = start(&mqtt(broker.port, ""), DEADLINE);
    world.tell(&detections(7));
    let told = listener.until(|topic, _| topic == "nightjar/barn/front/detections").await;
    let message: Value = serde_json::from_str(&told.last().unwrap().1).unwrap();
    assert_eq!(message["source_id"], "front");
    assert_eq!((message["schema"].as_u64(), message["frame_id"].as_u64()), (Some(1), Some(7)));
    assert_eq!(message["timestamp"], "2026-11-18T11:06:40.000Z");
    assert_eq!(message["detections"][0]["class_name"], "person");
    assert_eq!(message["detections"][0]["tracker_id"], 1);
    let thing = "homeassistant/binary_sensor/nightjar-barn/front-any/config";
    let (_, thing) = told.iter().find(|(topic, _)| topic == thing).expect("Home Assistant is told");
    let thing: Value = serde_json::from_str(thing).unwrap();
    assert_eq!(thing["state_topic"], "nightjar/barn/front/seen/any");
    assert_eq!(thing["availability_topic"], "nightjar/barn/status");
    couriers.stop().await;
}

#[tokio::test]
async fn a_guarded_broker_takes_the_right_password_only_and_nobody_repeats_it() {
    let dir = tempfile::tempdir().unwrap();
    let made = tokio::process::Command::new("mosquitto_passwd")
        .args(["-b", "-c", dir.path().join("users").to_str().unwrap(), "nightjar", "Riegel-7-vor"])
        .status();
    assert!(made.await.unwrap().success());
    let broker = Mosquitto::start(dir, "allow_anonymous false\npassword_file {dir}/users").await;
    let login =
        |password: &str| mqtt(broker.port, &format!("username = \"nightjar\"\npassword = \"{password}\""));
    let (world, couriers) = start(&login("Schloss-9-weg"), DEADLINE);
    world.tell(&notice("hello"));
    let view = until(&world, "refused", |view| view.error.is_some()).await;
    let words = view.error.unwrap();
    assert!(words.contains("refuses user name or password: correct [mqtt]"), "{words}");
    assert!(!words.contains("Schloss-9-weg") && view.waiting > 0, "{words}");
    couriers.stop().await;
    let (world, couriers) = start(&login("Riegel-7-vor"), DEADLINE);
    world.tell(&notice("hello"));
    let view = until(&world, "taken", |view| view.waiting == 0).await;
    assert!(!format!("{view:?}").contains("Riegel"), "{view:?}");
    couriers.stop().await;
}

#[tokio::test]
async fn a_broker_with_a_certificate_of_ones_own_needs_its_ca() {
    let dir = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), certified.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let ca = dir.path().join("cert.pem");
    let tls = "allow_anonymous true\ncertfile {dir}/cert.pem\nkeyfile {dir}/key.pem";
    let broker = Mosquitto::start(dir, tls).await;
    let address = format!("[mqtt]\nbroker = \"mqtts://127.0.0.1:{}\"\n", broker.port);
    let (world, couriers) = start(&format!("{address}ca_file = {ca:?}\n"), DEADLINE);
    until(&world, "told over TLS", |view| view.delivered > 0 || view.waiting == 0).await;
    couriers.stop().await;
    match open(&address, None, DEADLINE) {
        Err(words) => assert!(words.contains("install ca-certificates, or name a ca_file"), "{words}"),
        Ok(alarms) => {
            let (world, couriers) = nightjar_io::alarm::World::start(alarms);
            let view = until(&world, "refused", |view| view.error.is_some()).await;
            assert!(view.error.as_ref().unwrap().contains("ca_file"), "{view:?}");
            couriers.stop().await;
        }
    }
}

#[tokio::test]
async fn a_broker_that_takes_connections_and_says_nothing_is_given_up_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (world, couriers) = start(&mqtt(port, ""), Duration::from_secs(1));
    world.tell(&notice("hello"));
    let first = listener.accept().await.unwrap();
    let view = until(&world, "noticed", |view| view.error.is_some()).await;
    assert!(view.error.as_ref().unwrap().contains("does not answer"), "{view:?}");
    let again = listener.accept().await.unwrap();
    assert!(world.views()[0].waiting > 0, "nothing is lost");
    drop((first, again));
    couriers.stop().await;
}
