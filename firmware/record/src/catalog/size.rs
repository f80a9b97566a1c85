//! A stream's bitrate → the size of its slabs.

use nightjar_types::StreamKind;

/// Smallest slab, bytes.
pub const SMALLEST_SLAB: u32 = 1 << 20;
/// Largest slab, bytes. A power of two times [`SMALLEST_SLAB`], as all sizes are: any of them can be made of any other.
pub const LARGEST_SLAB: u32 = 64 << 20;
/// Footage that a slab is meant to hold, seconds: small enough that little goes at once, large enough that opening one is
/// rare.
const SECONDS: u64 = 120;
/// Slabs of a stream that must fit into the quota: one that is written, one that waits, one that is kept; …
const LEAST_OF_MANY: u64 = 3;
/// … of few streams so many more, or going of the oldest would be a big step, …
const LEAST_OF_FEW: u64 = 5;
/// … as long as all have no more than so many.
const FEW: u64 = 15;

/// Bytes of a slab of a stream that makes `bytes_per_second`, one of `streams` that share `quota` bytes: the power of two
/// nearest to two minutes of footage, 1 MiB to 64 MiB, and less when [`least_slabs`] would not fit into the quota.
pub fn slab_len(bytes_per_second: u64, quota: u64, streams: usize) -> u32 {
    let wanted =
        bytes_per_second.saturating_mul(SECONDS).clamp(u64::from(SMALLEST_SLAB), u64::from(LARGEST_SLAB));
    let below = 1_u64 << wanted.ilog2();
    // nearest as a ratio: the border is at √2, about 7 / 5
    let mut len = if wanted * 5 > below * 7 { below * 2 } else { below };
    while len > u64::from(SMALLEST_SLAB) && len.saturating_mul(least_slabs(streams)) > quota {
        len /= 2;
    }
    len.min(u64::from(LARGEST_SLAB)) as u32
}

/// Slabs that `streams` need at least.
pub fn least_slabs(streams: usize) -> u64 {
    let streams = streams.max(1) as u64;
    (streams * LEAST_OF_MANY).max((streams * LEAST_OF_FEW).min(FEW))
}

/// Bytes a second to reckon with while a stream's rate is not known: 4 Mbit/s main, 512 kbit/s sub.
pub fn default_rate(stream: StreamKind) -> u64 {
    match stream {
        StreamKind::Main => 500_000,
        StreamKind::Sub => 64_000,
    }
}
