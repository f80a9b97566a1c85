//! Decoder planes (I420 or NV12, any stride) → [`Picture`]: packed 4:2:0 planes with their colour rules; single pixels as RGB.
//!
//! The luma plane alone feeds the motion gate, so a quiet picture is never converted to RGB.

use crate::Error;
use nightjar_types::BBox;

/// Largest side that is accepted, in pixels. H.264 level 6.2 ends at 8192 by 4320.
pub const MAX_SIDE: usize = 8192;

/// Which weights turn luma and colour differences into RGB (ITU-R BT.601 or BT.709).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matrix {
    /// Standard definition, and what an unmarked stream most often is.
    #[default]
    Bt601,
    /// High definition.
    Bt709,
}

/// How a picture's samples mean colours: fixed-point factors, 16 fraction bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Colour {
    /// Factors for a matrix; `full_range` means luma 0..255 instead of 16..235.
    pub fn new(matrix: Matrix, full_range: bool) -> Self {
        let (kr, kb) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) =
            if full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |x: f64| (x * 65536.0).round() as i32;
        Self {
            black,
            luma: fixed(luma),
            red_v: fixed(chroma * 2.0 * (1.0 - kr)),
            green_u: fixed(chroma * 2.0 * (1.0 - kb) * kb / kg),
            green_v: fixed(chroma * 2.0 * (1.0 - kr) * kr / kg),
            blue_u: fixed(chroma * 2.0 * (1.0 - kb)),
        }
    }

    /// One pixel's red, green, blue.
    #[inline]
    pub fn rgb(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let y = (i32::from(y) - self.black) * self.luma + 32768;
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let byte = |x: i32| (x >> 16).clamp(0, 255) as u8;
        [byte(y + self.red_v * v), byte(y - self.green_u * u - self.green_v * v), byte(y + self.blue_u * u)]
    }
}

impl Default for Colour {
    fn default() -> Self {
        Self::new(Matrix::default(), false)
    }
}

/// A part of a picture, in its pixels. Left and top are even: colour is half as fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Width.
    pub w: usize,
    /// Height.
    pub h: usize,
}

impl Rect {
    /// All of a picture of this width and height.
    pub fn whole((w, h): (usize, usize)) -> Self {
        Self { x: 0, y: 0, w, h }
    }

    /// Where it lies in a picture of this width and height, as fractions.
    pub fn in_picture(&self, (width, height): (usize, usize)) -> BBox {
        let part = |of: usize, whole: usize| of as f32 / whole as f32;
        BBox {
            x: part(self.x, width),
            y: part(self.y, height),
            w: part(self.w, width),
            h: part(self.h, height),
        }
    }

    /// The same part of a colour plane.
    fn halved(&self) -> Self {
        Self { x: self.x / 2, y: self.y / 2, w: self.w.div_ceil(2), h: self.h.div_ceil(2) }
    }
}

/// One plane of samples, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// Rows of `stride` bytes; the last may end after `width` bytes.
    pub data: &'a [u8],
    /// Samples a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from row to row.
    pub stride: usize,
}

impl<'a> Plane<'a> {
    /// The plane's row `y`, `width` samples.
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width]
    }

    /// The part of it in `rect`, which must lie in it.
    pub fn part(&self, rect: Rect) -> Plane<'a> {
        let data = &self.data[rect.y * self.stride + rect.x..];
        Plane { data, width: rect.w, height: rect.h, stride: self.stride }
    }

    fn copied(&self, name: &'static str) -> Result<Vec<u8>, Error> {
        let needed = self.stride.max(self.width) * (self.height - 1) + self.width;
        if self.data.len() < needed || self.stride < self.width {
            return Err(Error::ShortPlane { plane: name, found: self.data.len(), needed });
        }
        let mut out = Vec::with_capacity(self.width * self.height);
        for y in 0..self.height {
            out.extend_from_slice(self.row(y));
        }
        Ok(out)
    }
}

/// An owned 4:2:0 picture: luma of `width × height`, two colour planes of half that, rounded up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
    colour: Colour,
}

impl Picture {
    /// From three planes (I420): each as its data and its stride in bytes.
    pub fn from_i420(
        (width, height): (usize, usize),
        y: (&[u8], usize),
        u: (&[u8], usize),
        v: (&[u8], usize),
        colour: Colour,
    ) -> Result<Self, Error> {
        check_size(width, height)?;
        let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
        let plane = |(data, stride), width, height| Plane { data, width, height, stride };
        Ok(Self {
            width,
            height,
            y: plane(y, width, height).copied("Y")?,
            u: plane(u, cw, ch).copied("U")?,
            v: plane(v, cw, ch).copied("V")?,
            colour,
        })
    }

    /// From a luma plane and one of U, V pairs (NV12).
    pub fn from_nv12(
        (width, height): (usize, usize),
        y: (&[u8], usize),
        uv: (&[u8], usize),
        colour: Colour,
    ) -> Result<Self, Error> {
        check_size(width, height)?;
        let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
        let luma = Plane { data: y.0, width, height, stride: y.1 }.copied("Y")?;
        let pairs = Plane { data: uv.0, width: cw * 2, height: ch, stride: uv.1 }.copied("UV")?;
        let (u, v) = pairs.chunks_exact(2).map(|p| (p[0], p[1])).unzip();
        Ok(Self { width, height, y: luma, u, v, colour })
    }

    /// One flat colour, as luma and colour differences.
    pub fn flat((width, height): (usize, usize), [y, u, v]: [u8; 3]) -> Result<Self, Error> {
        check_size(width, height)?;
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        Ok(Self {
            width,
            height,
            y: vec![y; width * height],
            u: vec![u; chroma],
            v: vec![v; chroma],
            colour: Colour::default(),
        })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// How its samples mean colours.
    pub fn colour(&self) -> Colour {
        self.colour
    }

    /// The luma plane.
    pub fn luma(&self) -> Plane<'_> {
        Plane { data: &self.y, width: self.width, height: self.height, stride: self.width }
    }

    /// The two colour-difference planes, U then V.
    pub fn chroma(&self) -> [Plane<'_>; 2] {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        [&self.u, &self.v].map(|data| Plane { data, width, height, stride: width })
    }

    /// Luma and colour differences of a part of it.
    ///
    /// # Panics
    /// When the part does not lie in the picture.
    pub fn part(&self, rect: Rect) -> [Plane<'_>; 3] {
        assert!(
            rect.x + rect.w <= self.width && rect.y + rect.h <= self.height,
            "{rect:?} in {:?}",
            self.size()
        );
        let [u, v] = self.chroma().map(|plane| plane.part(rect.halved()));
        [self.luma().part(rect), u, v]
    }

    /// The luma samples, packed, to paint on.
    pub fn luma_mut(&mut self) -> &mut [u8] {
        &mut self.y
    }
}

fn check_size(width: usize, height: usize) -> Result<(), Error> {
    if (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height) {
        Ok(())
    } else {
        Err(Error::Size { width, height, max: MAX_SIDE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_white_and_primaries_come_out() {
        for matrix in [Matrix::Bt601, Matrix::Bt709] {
            assert_eq!(Colour::new(matrix, false).rgb(16, 128, 128), [0, 0, 0]);
            assert_eq!(Colour::new(matrix, false).rgb(235, 128, 128), [255, 255, 255]);
            assert_eq!(Colour::new(matrix, true).rgb(255, 128, 128), [255, 255, 255]);
        }
        // BT.601 red is Y 82, Cb 90, Cr 240 in studio range.
        let [r, g, b] = Colour::new(Matrix::Bt601, false).rgb(82, 90, 240);
        assert!(r >= 253 && g <= 2 && b <= 2, "{r} {g} {b}");
    }

    #[test]
    fn nv12_and_i420_hold_the_same_picture() {
        let (y, u, v) = ([1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9], [10, 11, 0, 12, 13], [20, 21, 22, 23]);
        let a = Picture::from_i420((3, 3), (&y, 4), (&u, 3), (&v, 2), Colour::default()).unwrap();
        let uv = [10, 20, 11, 21, 12, 22, 13, 23];
        let b = Picture::from_nv12((3, 3), (&y, 4), (&uv, 4), Colour::default()).unwrap();
        assert_eq!(a, b);
    }

    #[test]
    fn a_part_holds_the_samples_of_its_place() {
        let (y, c): (Vec<u8>, Vec<u8>) = ((0..48).collect(), (100..112).collect());
        let whole = Picture::from_i420((8, 6), (&y, 8), (&c, 4), (&c, 4), Colour::default()).unwrap();
        let [luma, u, _] = whole.part(Rect { x: 2, y: 4, w: 3, h: 2 });
        assert_eq!((luma.row(0), luma.row(1)), (&y[34..37], &y[42..45]));
        assert_eq!((u.width, u.height, u.row(0)), (2, 1, &c[9..11]));
    }

    #[test]
    fn short_planes_and_mad_sizes_are_refused() {
        let y = [0; 15];
        let wrong = Picture::from_i420((4, 4), (&y, 4), (&y, 2), (&y, 2), Colour::default());
        assert_eq!(wrong, Err(Error::ShortPlane { plane: "Y", found: 15, needed: 16 }));
        let narrow = Picture::from_i420((4, 2), (&y, 3), (&y, 2), (&y, 2), Colour::default());
        assert!(matches!(narrow, Err(Error::ShortPlane { .. })));
        assert!(matches!(Picture::flat((0, 4), [0; 3]), Err(Error::Size { .. })));
        assert!(matches!(Picture::flat((4, MAX_SIDE + 1), [0; 3]), Err(Error::Size { .. })));
    }
}
