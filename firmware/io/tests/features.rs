//! The storage driven by hand with a virtual clock: modes, retention, holds, quota, sizes, volumes, clocks, thinning, check.
#![allow(clippy::unwrap_used, reason = "a test: a panic is its verdict")]

#[path = "features/anything.rs"]
mod anything;
#[path = "features/checking.rs"]
mod checking;
#[path = "features/clocks.rs"]
mod clocks;
#[path = "features/faults.rs"]
mod faults;
#[path = "features/modes.rs"]
mod modes;
#[path = "features/pool.rs"]
mod pool;
#[path = "features/retention.rs"]
mod retention;
#[path = "features/rig.rs"]
mod rig;
#[path = "features/thinning.rs"]
mod thinning;
#[path = "features/volumes.rs"]
mod volumes;
