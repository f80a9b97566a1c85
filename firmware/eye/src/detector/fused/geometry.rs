//! Sizes of one convolution over pixels that lie channel by channel (N = 1, H, W, C), and the ring of padded rows it reads.

/// A convolution with one group, or with as many groups as channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Rows, columns and channels that come in.
    pub(super) input: [usize; 3],
    /// Rows, columns and channels that go out.
    pub(super) output: [usize; 3],
    /// Rows and columns of the kernel.
    pub(super) kernel: [usize; 2],
    /// Steps down and to the right.
    pub(super) stride: [usize; 2],
    /// Rows above and columns to the left that are not there and count as zero.
    pub(super) before: [usize; 2],
    /// Each output channel sees its own input channel alone.
    pub(super) depthwise: bool,
}

impl Geometry {
    /// Output pixels.
    pub(super) fn pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// A 1×1 kernel at stride 1: every output pixel is made of the input pixel in its place.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.before == [0, 0]
    }

    /// Numbers of one kernel row of a dense convolution.
    pub(super) fn line(&self) -> usize {
        self.kernel[1] * self.input[2]
    }

    /// Copies input row `padded - before` into a padded row of `line`-long pixels, converting each number.
    #[inline(always)]
    pub(super) fn padded_row<S: Copy, T: Copy + Default>(
        &self,
        input: &[S],
        padded: usize,
        line: usize,
        to: &mut [T],
        convert: impl Fn(S) -> T,
    ) {
        let [rows, columns, channels] = self.input;
        let Some(y) = padded.checked_sub(self.before[0]).filter(|y| *y < rows) else {
            to.fill(T::default());
            return;
        };
        let from = &input[y * columns * channels..][..columns * channels];
        if line == channels {
            let start = self.before[1] * line;
            for (to, from) in to[start..].iter_mut().zip(from) {
                *to = convert(*from);
            }
        } else {
            for (to, from) in to.chunks_exact_mut(line).skip(self.before[1]).zip(from.chunks_exact(channels))
            {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = convert(*from);
                }
            }
        }
    }

    /// Pixels of a padded row: enough for the last output column, and for the whole input row.
    pub(super) fn padded_columns(&self) -> usize {
        let seen = (self.output[1] - 1) * self.stride[1] + self.kernel[1];
        seen.max(self.before[1] + self.input[1])
    }
}

/// As many padded rows as the kernel has; rows are converted once, and no kernel meets an edge.
pub(super) struct Ring<T> {
    rows: Vec<T>,
    row: usize,
    kernel: usize,
    next: usize,
}

impl<T: Copy + Default> Ring<T> {
    /// Pixels of `pixel` numbers, at least the input's channels.
    pub(super) fn new(geometry: &Geometry, pixel: usize) -> Self {
        // One number more: integers are read in pairs, and the last may have no partner.
        let row = geometry.padded_columns() * pixel + 1;
        let kernel = geometry.kernel[0];
        Self { rows: vec![T::default(); row * kernel], row, kernel, next: 0 }
    }

    /// Makes the padded rows from `top` on be there.
    #[inline(always)]
    pub(super) fn fill<S: Copy>(
        &mut self,
        geometry: &Geometry,
        pixel: usize,
        top: usize,
        input: &[S],
        convert: impl Fn(S) -> T + Copy,
    ) {
        for padded in self.next.max(top)..top + self.kernel {
            let at = self.place(padded);
            geometry.padded_row(input, padded, pixel, &mut self.rows[at..at + self.row], convert);
        }
        self.next = top + self.kernel;
    }

    /// Where a padded row begins in [`Ring::all`].
    #[inline(always)]
    pub(super) fn place(&self, padded: usize) -> usize {
        padded % self.kernel * self.row
    }

    /// One padded row.
    #[inline(always)]
    pub(super) fn get(&self, padded: usize) -> &[T] {
        &self.rows[self.place(padded)..][..self.row]
    }

    /// All of them, in the ring's order.
    #[inline(always)]
    pub(super) fn all(&self) -> &[T] {
        &self.rows
    }
}
