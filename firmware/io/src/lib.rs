//! Everything that touches the outside: cameras in, card, relays and alarms out, the eye beside. The shells around the pure crates.

pub mod alarm;
pub mod beat;
pub mod clock;
pub mod device_key;
pub mod eye_link;
pub mod hub;
pub mod sessions;
pub mod source;
pub mod storage;
