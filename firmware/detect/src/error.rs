//! Why pixels or a model's output cannot be used. The owner skips the picture and counts.

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A picture has no pixels, or more than any camera gives.
    #[error("a picture of {width}×{height} pixels: 1 to {max} a side is possible")]
    Size {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Largest side.
        max: usize,
    },
    /// A plane's bytes end before its last pixel.
    #[error("plane {plane} has {found} bytes where {needed} are needed")]
    ShortPlane {
        /// `Y`, `U`, `V` or `UV`.
        plane: &'static str,
        /// Bytes there are.
        found: usize,
        /// Bytes that rows × stride need.
        needed: usize,
    },
    /// The model gave another number of values than its card says.
    #[error(
        "the model gave {boxes} box values and {scores} scores, which do not belong together for {classes} classes"
    )]
    Output {
        /// Values in the boxes tensor.
        boxes: usize,
        /// Values in the scores tensor.
        scores: usize,
        /// Score columns.
        classes: usize,
    },
}
