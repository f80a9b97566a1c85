//! GStreamer sample (I420 or NV12) → owned [`Picture`].

use crate::error::Error;
use gstreamer as gst;
use gstreamer_video::{self as gst_video, VideoFrameExt};
use nightjar_detect::{Colour, Matrix, Picture};

/// What a sink that feeds [`picture`] must ask for.
pub(crate) fn sink_caps() -> gst::Caps {
    gst_video::VideoCapsBuilder::new()
        .format_list([gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12])
        .build()
}

/// Copies the pixels out of the decoder's buffer, so that the decoder gets it back at once.
pub(crate) fn picture(sample: &gst::SampleRef) -> Result<Picture, Error> {
    let caps = sample.caps().ok_or_else(|| Error::Gstreamer("a picture without a format".into()))?;
    let info = gst_video::VideoInfo::from_caps(caps)?;
    let buffer = sample.buffer().ok_or_else(|| Error::Gstreamer("a picture without pixels".into()))?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)?;
    let colorimetry = info.colorimetry();
    let matrix = match colorimetry.matrix() {
        gst_video::VideoColorMatrix::Bt709 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let colour = Colour::new(matrix, colorimetry.range() == gst_video::VideoColorRange::Range0_255);
    let size = (info.width() as usize, info.height() as usize);
    let plane = |i: u32| -> Result<(&[u8], usize), Error> {
        let stride = usize::try_from(frame.plane_stride()[i as usize])
            .map_err(|_| Error::Gstreamer("a picture that is stored upside down".into()))?;
        Ok((frame.plane_data(i)?, stride))
    };
    Ok(match frame.format() {
        gst_video::VideoFormat::Nv12 => Picture::from_nv12(size, plane(0)?, plane(1)?, colour)?,
        gst_video::VideoFormat::I420 => Picture::from_i420(size, plane(0)?, plane(1)?, plane(2)?, colour)?,
        other => return Err(Error::Gstreamer(format!("pictures as {other}, which was not asked for"))),
    })
}
