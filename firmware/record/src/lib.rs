//! Access units in, what to write out: fragments, slabs, which slab is next, what a slab on the card holds. Never writes.
#![forbid(unsafe_code)]

pub mod catalog;
pub mod error;
pub mod evidence;
pub mod export;
pub mod footer;
pub mod forecast;
pub mod hold;
pub mod layout;
pub mod name;
pub mod night;
pub mod retention;
pub mod roll;
pub mod scan;
pub mod segmenter;
pub mod timelapse;
pub mod writer;

pub use catalog::{Catalog, Exchange, SlabRow, Take};
pub use error::HoldError;
pub use export::{Plan, Planner};
pub use footer::{FOOTER_LEN, Footer, retired};
pub use hold::{Hold, Holds};
pub use layout::{Flags, Kind, RecordHead, SlabHead};
pub use retention::{ThinJob, Tier, Why};
pub use roll::{Roll, Trigger};
pub use scan::{ReadAt, Scanned};
pub use segmenter::{Fragment, Segmenter};
pub use writer::{NoKey, Sign, SlabWriter, Write};
