//! Why bytes are not what they should be.

/// A fault in media bytes. The owner skips the unit or ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// A box or NAL unit says it is longer than what is there.
    #[error("at byte {at}: says {says} bytes, {left} are left")]
    Overrun {
        /// Where it begins.
        at: usize,
        /// Its length field.
        says: u64,
        /// What is there.
        left: usize,
    },
    /// A box is too short for what it must hold.
    #[error("at byte {at}: box too short")]
    Short {
        /// Where it begins.
        at: usize,
    },
}
