//! `stsd` sample entries → codec parameters. Pure. ISO/IEC 14496-14 (AAC) and 14496-15 (H.264, H.265).

use super::tables::Codec;
use nightjar_media::walk::{self, Boxes};
use nightjar_types::{AudioParams, VideoCodec, VideoParams};

/// The codec of a track's first sample entry; `None` when it is no H.264, H.265 or AAC. `scale` is ticks a second.
pub(super) fn codec(entries: &[u8], scale: u32) -> Result<Option<Codec>, String> {
    let Some(Ok(entry)) = Boxes::new(entries).next() else { return Ok(None) };
    match &entry.kind {
        b"avc1" | b"avc3" => video(entry.body, VideoCodec::H264),
        b"hvc1" | b"hev1" => video(entry.body, VideoCodec::H265),
        b"mp4a" => Ok(audio(entry.body, scale).map(Codec::Audio)),
        _ => Ok(None),
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]))
}

/// VisualSampleEntry (14496-12 section 12.1.3): 78 bytes, then boxes.
fn video(entry: &[u8], codec: VideoCodec) -> Result<Option<Codec>, String> {
    let kind = if codec == VideoCodec::H264 { b"avcC" } else { b"hvcC" };
    let config = entry.get(78..).and_then(|boxes| walk::find(boxes, kind)).map(|(_, config)| config);
    let (Some(width), Some(height), Some(config)) = (u16_at(entry, 24), u16_at(entry, 26), config) else {
        return Err("its picture has no parameters: convert it with ffmpeg -c copy".into());
    };
    // lengthSizeMinusOne, 14496-15 sections 5.3.3.1 and 8.3.3.1.
    let lengths_at = if codec == VideoCodec::H264 { 4 } else { 21 };
    let name = if codec == VideoCodec::H264 { h264_name(config) } else { h265_name(config) };
    let (Some(3), Some(rfc6381)) = (config.get(lengths_at).map(|byte| byte & 3), name) else {
        return Err("its NAL units have no four-byte lengths: convert it with ffmpeg -c copy".into());
    };
    Ok(Some(Codec::Video(VideoParams { codec, width, height, rfc6381, config: config.to_vec().into() })))
}

/// RFC 6381 section 3.3.
fn h264_name(config: &[u8]) -> Option<String> {
    let [_, profile, constraints, level, ..] = config else { return None };
    Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
}

/// ISO/IEC 14496-15 annex E.3.
fn h265_name(config: &[u8]) -> Option<String> {
    let profile = config.get(1)?;
    let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
    let tier = if profile >> 5 & 1 == 1 { 'H' } else { 'L' };
    let compatible = walk::u32_at(config, 2)?.reverse_bits();
    let constraints = config.get(6..12)?;
    let shown = constraints.len() - constraints.iter().rev().take_while(|byte| **byte == 0).count();
    let mut name = format!("hvc1.{space}{}.{compatible:X}.{tier}{}", profile & 0x1f, config.get(12)?);
    constraints[..shown].iter().for_each(|byte| name += &format!(".{byte:X}"));
    Some(name)
}

/// AudioSampleEntry (14496-12 section 12.2.3): 28 bytes, 16 more in QuickTime's version 1, then boxes.
fn audio(entry: &[u8], scale: u32) -> Option<AudioParams> {
    let boxes = entry.get(if u16_at(entry, 8)? == 1 { 44 } else { 28 }..)?;
    let (_, esds) = walk::find(boxes, b"esds")?;
    // ES_Descriptor, DecoderConfigDescriptor, DecoderSpecificInfo (14496-1 section 7.2.6).
    let stream = descriptor(esds.get(4..)?, 3)?;
    let decoder = descriptor(stream.get(3..)?, 4)?;
    let config = descriptor(decoder.get(13..)?, 5)?;
    // objectTypeIndication 0x40 is MPEG-4 audio; audioObjectType 31 escapes to types that no camera sends.
    let object_type = config.first()? >> 3;
    let is_aac = decoder.first() == Some(&0x40) && config.len() >= 2 && object_type < 31;
    let sample_rate = match u16_at(entry, 24)? {
        0 => scale, // above 65,535 it does not fit into the field
        rate => u32::from(rate),
    };
    is_aac.then(|| AudioParams {
        sample_rate,
        channels: u16_at(entry, 16).unwrap_or(1).max(1),
        rfc6381: format!("mp4a.40.{object_type}"),
        config: config.to_vec().into(),
    })
}

/// The body of the descriptor at the start of `data`, when it has this tag.
fn descriptor(data: &[u8], tag: u8) -> Option<&[u8]> {
    let (&found, mut rest) = data.split_first()?;
    let mut len = 0;
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        (len, rest) = (len << 7 | usize::from(byte & 0x7f), after);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (found == tag).then(|| rest.get(..len)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_codecs_as_browsers_want_them() {
        assert_eq!(h264_name(&[1, 0x64, 0, 0x1f, 0xff]).unwrap(), "avc1.64001f");
        // Main profile, level 3.1, as in the annex's example.
        let main = [1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93];
        assert_eq!(h265_name(&main).unwrap(), "hvc1.1.6.L93.B0");
        assert_eq!(h265_name(&main[..12]), None);
    }

    #[test]
    fn refuses_short_lengths_with_the_mend() {
        let mut entry = vec![0; 78];
        entry.extend(b"\0\0\0\x0favcC\x01\x64\0\x1f\xfd\xe0\0");
        assert!(video(&entry, VideoCodec::H264).unwrap_err().contains("ffmpeg -c copy"));
    }

    proptest! {
        #[test]
        fn survives_any_bytes(data in proptest::collection::vec(any::<u8>(), 0..200), kind in 0usize..4) {
            let kind = [b"avc1", b"hvc1", b"mp4a", b"free"][kind];
            let entry = [&(data.len() as u32 + 8).to_be_bytes()[..], kind, &data].concat();
            let _ = codec(&entry, 90_000);
            let _ = (h265_name(&data), descriptor(&data, 3), audio(&data, 1));
        }
    }
}
