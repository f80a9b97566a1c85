//! Picture → JFIF bytes.

use crate::error::Error;
use bytes::Bytes;
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor, rgb_to_ycbcr};
use nightjar_detect::Picture;

/// Good for a phone; a 640×360 picture is about 40 KB.
const QUALITY: u8 = 80;

struct Rows<'a>(&'a Picture);

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.0.size().0 as u16
    }

    fn height(&self) -> u16 {
        self.0.size().1 as u16
    }

    // JFIF means full-range BT.601, whatever the camera means: hence the way through RGB.
    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let [u, v] = self.0.chroma().map(|plane| plane.row(usize::from(y) / 2));
        let colour = self.0.colour();
        for (x, &luma) in self.0.luma().row(usize::from(y)).iter().enumerate() {
            let [r, g, b] = colour.rgb(luma, u[x / 2], v[x / 2]);
            let (y, cb, cr) = rgb_to_ycbcr(r, g, b);
            buffers[0].push(y);
            buffers[1].push(cb);
            buffers[2].push(cr);
        }
    }
}

/// The whole picture. Sides are at most 8192 (`picture::MAX_SIDE`), so they fit JPEG's 16 bits.
pub(crate) fn encode(picture: &Picture) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode_image(Rows(picture))?;
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sizes_give_whole_files() {
        for size in [(1, 1), (33, 17), (64, 48)] {
            let jpeg = encode(&Picture::flat(size, [120, 90, 200]).unwrap()).unwrap();
            assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]), "{size:?}");
        }
    }
}
