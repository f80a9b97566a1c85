//! Ranges of footage to be looked at again → what comes next, how closely, and whether now is the time. The plan of the night shift.

pub mod gaze;
pub mod idle;
pub mod queue;

pub use gaze::{Gaze, Look, Step};
pub use idle::{Bounds, Conditions, Wait, may_work};
pub use queue::{Job, NightError, Queue, Reason};
