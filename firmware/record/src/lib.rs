//! Access units in, what to write out: fragments, slabs, which slab is next, what a slab on the card holds. Never writes.
#![forbid(unsafe_code)]

pub mod catalog;
pub mod export;
pub mod layout;
pub mod name;
pub mod scan;
pub mod segmenter;
pub mod writer;

pub use catalog::{Catalog, SlabRow, Take};
pub use export::Plan;
pub use layout::{Kind, RecordHead, SlabHead};
pub use scan::{ReadAt, Scanned};
pub use segmenter::{Fragment, Segmenter};
pub use writer::{SlabWriter, Write};
