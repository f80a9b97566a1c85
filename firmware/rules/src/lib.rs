//! Things seen on a camera, levels of inputs → orders to outputs, events, relay moves. Time is an argument; nothing is executed here.
//!
//! All numbers are small integers and all tables have a fixed capacity. The shell maps names to indices, calls
//! `observe` for every looked-at picture, `sense` for every level of an input, and `tick` when [`RuleBook::next_deadline`] or
//! [`Bank::next_deadline`] is due.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod bank;
pub mod book;
pub mod circumstances;
pub mod debounce;
pub mod error;
pub mod event;
pub mod line;
pub mod relay;
pub mod rule;
pub mod sieve;
pub mod still;
pub mod unit;
mod watch;
pub mod zone;

pub use bank::{APART_US, Ask, Bank, LEASE_US, MAX_RELAYS};
pub use book::RuleBook;
pub use circumstances::{Circumstances, MAX_SPANS, Present, Schedule, WEEK_MIN};
pub use debounce::Debounce;
pub use error::RulesError;
pub use event::{Change, EventBook, Sighting, What as EventWhat};
pub use line::{Crossing, Direction, Line, Path};
pub use relay::{Answer, Cause, Limits, Move, Relay};
pub use rule::{Action, MAX_ACTIONS, Order, Rule, What};
pub use sieve::{MAX_CLASSES, MAX_MASKS, Masks, Sieve, ThingLimits};
pub use still::{Motion, Stillness};
pub use unit::{BBox, CameraIx, ClassId, FULL, InputIx, Micros, OutputIx, Point, RuleIx, Score, Thing};
pub use watch::{MISS_US, PATH_US};
pub use zone::{MAX_CORNERS, Zone};
