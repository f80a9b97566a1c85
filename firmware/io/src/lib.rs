//! Everything that touches the outside: cameras in, card and relays out, the eye beside. The shells around the pure crates.

pub mod clock;
pub mod source;
