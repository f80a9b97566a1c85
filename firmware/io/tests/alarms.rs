//! Alarms against the other side of each: brokers, servers and proxies on loopback that work, hang, refuse and come back.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "alarms/conformance.rs"]
mod conformance;
#[path = "alarms/mosquitto.rs"]
mod mosquitto;
#[path = "alarms/mqtt.rs"]
mod mqtt;
#[path = "alarms/people.rs"]
mod people;
#[path = "alarms/rig.rs"]
mod rig;
#[path = "alarms/target.rs"]
mod target;
#[path = "alarms/webhook.rs"]
mod webhook;
