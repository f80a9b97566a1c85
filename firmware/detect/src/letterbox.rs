//! Picture or a part of it → model input: scaled into the input with its shape kept, the rest grey. Boxes the way back.

use crate::picture::{Picture, Rect};
use crate::resize::Resizer;
use nightjar_types::BBox;

/// Level of the bars, near the middle of the model's input range.
const GREY: u8 = 127;

/// Where a picture lies in the model's input, all in input pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letterbox {
    /// Width and height of the input.
    pub input: (usize, usize),
    /// Left and top of the picture in it.
    pub at: (usize, usize),
    /// Width and height of the picture in it.
    pub inner: (usize, usize),
}

impl Letterbox {
    /// The largest place of a `picture` (width, height) in an `input` (width, height), centred.
    pub fn new(picture: (usize, usize), input: (usize, usize)) -> Self {
        let scale = (input.0 as f64 / picture.0 as f64).min(input.1 as f64 / picture.1 as f64);
        let side = |p: usize, i: usize| ((p as f64 * scale).round() as usize).clamp(1, i);
        let inner = (side(picture.0, input.0), side(picture.1, input.1));
        Self { input, at: ((input.0 - inner.0) / 2, (input.1 - inner.1) / 2), inner }
    }

    /// A box in fractions of the input → fractions of the picture, cut at its edges.
    pub fn to_picture(&self, b: BBox) -> BBox {
        let axis = |low: f32, len: f32, input: usize, at: usize, inner: usize| {
            let place = |x: f32| ((x * input as f32 - at as f32) / inner as f32).clamp(0.0, 1.0);
            let (from, to) = (place(low), place(low + len));
            (from, to - from)
        };
        let (x, w) = axis(b.x, b.w, self.input.0, self.at.0, self.inner.0);
        let (y, h) = axis(b.y, b.h, self.input.1, self.at.1, self.inner.1);
        BBox { x, y, w, h }
    }
}

/// Turns pictures, or parts of them, of one size into model input; made anew when the size changes.
#[derive(Debug, Clone)]
pub struct Preparation {
    letterbox: Letterbox,
    picture: (usize, usize),
    luma: Resizer,
    chroma: Resizer,
    planes: [Vec<u8>; 3],
}

impl Preparation {
    /// For pictures and an input of these widths and heights.
    pub fn new(picture: (usize, usize), input: (usize, usize)) -> Self {
        let letterbox = Letterbox::new(picture, input);
        let inner = letterbox.inner;
        let half = (picture.0.div_ceil(2), picture.1.div_ceil(2));
        Self {
            letterbox,
            picture,
            luma: Resizer::new(picture, inner),
            chroma: Resizer::new(half, inner),
            planes: [(); 3].map(|()| vec![0; inner.0 * inner.1]),
        }
    }

    /// Whether it is the one for this picture size.
    pub fn fits(&self, picture: (usize, usize)) -> bool {
        self.picture == picture
    }

    /// Where the picture, or its part, lies in the input.
    pub fn letterbox(&self) -> Letterbox {
        self.letterbox
    }

    /// The input: three planes R, G, B of `input.1` rows of `input.0` bytes ("1,3,rows,columns,u8").
    ///
    /// The planes are shrunk before they are turned into RGB: there are far fewer pixels then.
    pub fn run(&mut self, picture: &Picture) -> Vec<u8> {
        self.run_part(picture, Rect::whole(picture.size()))
    }

    /// The same of a part of a picture; the part has the size that this was made for.
    pub fn run_part(&mut self, picture: &Picture, part: Rect) -> Vec<u8> {
        let Letterbox { input, at, inner } = self.letterbox;
        let [y, u, v] = &mut self.planes;
        let [plane_y, plane_u, plane_v] = picture.part(part);
        self.luma.run(plane_y, y);
        self.chroma.run(plane_u, u);
        self.chroma.run(plane_v, v);
        let colour = picture.colour();
        let area = input.0 * input.1;
        let mut out = vec![GREY; 3 * area];
        let (red, rest) = out.split_at_mut(area);
        let (green, blue) = rest.split_at_mut(area);
        for row in 0..inner.1 {
            let from = row * inner.0;
            let to = (row + at.1) * input.0 + at.0;
            for i in 0..inner.0 {
                let [r, g, b] = colour.rgb(y[from + i], u[from + i], v[from + i]);
                (red[to + i], green[to + i], blue[to + i]) = (r, g, b);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_and_tall_pictures_are_centred() {
        let wide = Letterbox::new((640, 360), (300, 300));
        assert_eq!((wide.at, wide.inner), ((0, 65), (300, 169)));
        let tall = Letterbox::new((360, 640), (300, 300));
        assert_eq!((tall.at, tall.inner), ((65, 0), (169, 300)));
    }

    #[test]
    fn the_picture_lies_between_grey_bars() {
        let white = Picture::flat((64, 32), [235, 128, 128]).unwrap();
        let out = Preparation::new((64, 32), (20, 20)).run(&white);
        assert_eq!(out.len(), 3 * 400);
        assert!(out[..100].iter().all(|&b| b == GREY), "bar above");
        assert!(out[100..300].iter().all(|&b| b == 255), "picture");
        assert!(out[300..400].iter().all(|&b| b == GREY), "bar below");
    }

    proptest! {
        #[test]
        fn a_box_finds_back_to_the_picture(
            size in (16usize..2000, 16usize..2000), x in 0f32..0.8, y in 0f32..0.8, w in 0.01f32..0.2, h in 0.01f32..0.2,
        ) {
            let l = Letterbox::new(size, (300, 300));
            let input = BBox {
                x: (l.at.0 as f32 + x * l.inner.0 as f32) / 300.0,
                y: (l.at.1 as f32 + y * l.inner.1 as f32) / 300.0,
                w: w * l.inner.0 as f32 / 300.0,
                h: h * l.inner.1 as f32 / 300.0,
            };
            let back = l.to_picture(input);
            for (a, b) in [(back.x, x), (back.y, y), (back.w, w), (back.h, h)] {
                prop_assert!((a - b).abs() < 1e-3, "{back:?}");
            }
        }
    }
}
