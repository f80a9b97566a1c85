//! [`StreamParams`] → initialisation segment: `ftyp` + `moov` with no samples (ISO/IEC 14496-12 section 8.16).

use crate::boxes::BoxWriter;
use crate::chapters::{self, Chapter};
use crate::{AUDIO_TRACK, VIDEO_TIMESCALE, VIDEO_TRACK};
use nightjar_types::{AudioParams, StreamParams, VideoCodec, VideoParams, Wall};

/// Seconds from 1904-01-01, the epoch of MP4, to 1970-01-01.
const MP4_EPOCH: i64 = 2_082_844_800;
/// The identity matrix in 16.16 / 2.30 fixed point.
const MATRIX: [u32; 9] = [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000];

/// RFC 6381 codecs, comma separated, for a `codecs=` parameter.
pub fn codecs(params: &StreamParams) -> String {
    match &params.audio {
        Some(audio) => format!("{},{}", params.video.rfc6381, audio.rfc6381),
        None => params.video.rfc6381.clone(),
    }
}

/// The segment. Several `variants` give several sample descriptions, numbered from 1 in that order; the first also gives
/// picture size and timescales. `duration_90k` is told in `mehd` when known.
pub fn segment(variants: &[&StreamParams], created: Wall, duration_90k: Option<u64>) -> Vec<u8> {
    with_chapters(variants, created, duration_90k, &[])
}

/// The same with a list of chapters, in order.
pub fn with_chapters(
    variants: &[&StreamParams],
    created: Wall,
    duration_90k: Option<u64>,
    list: &[Chapter],
) -> Vec<u8> {
    if variants.is_empty() {
        return Vec::new();
    }
    let mut w = BoxWriter::with_capacity(1_024);
    w.boxed(b"ftyp", |w| {
        w.bytes(b"iso6");
        w.u32(0);
        w.bytes(b"iso6iso5mp41");
    });
    let created = (created.0.div_euclid(1_000_000) + MP4_EPOCH).max(0) as u64;
    w.boxed(b"moov", |w| {
        w.full(b"mvhd", 1, 0, |w| {
            w.u64(created);
            w.u64(created);
            w.u32(VIDEO_TIMESCALE);
            w.u64(duration_90k.unwrap_or(0));
            w.u32(0x0001_0000);
            w.u16(0x0100);
            w.zeros(10);
            MATRIX.iter().for_each(|m| w.u32(*m));
            w.zeros(24);
            w.u32(AUDIO_TRACK + 1);
        });
        video_track(w, variants, created);
        let sounds: Vec<&AudioParams> = variants.iter().filter_map(|v| v.audio.as_ref()).collect();
        if let Some(sound) = sounds.first() {
            audio_track(w, sound, &sounds, created);
        }
        w.boxed(b"mvex", |w| {
            if let Some(duration) = duration_90k {
                w.full(b"mehd", 1, 0, |w| w.u64(duration));
            }
            for track in
                [Some(VIDEO_TRACK), (!sounds.is_empty()).then_some(AUDIO_TRACK)].into_iter().flatten()
            {
                w.full(b"trex", 0, 0, |w| {
                    w.u32(track);
                    w.u32(1);
                    w.zeros(12);
                });
            }
        });
        chapters::write(w, list);
    });
    w.into_bytes()
}

fn track_head(w: &mut BoxWriter, id: u32, created: u64, volume: u16, width: u16, height: u16) {
    w.full(b"tkhd", 1, 7, |w| {
        w.u64(created);
        w.u64(created);
        w.u32(id);
        w.u32(0);
        w.u64(0);
        w.zeros(8);
        w.u16(0);
        w.u16(0);
        w.u16(volume);
        w.u16(0);
        MATRIX.iter().for_each(|m| w.u32(*m));
        w.u32(u32::from(width) << 16);
        w.u32(u32::from(height) << 16);
    });
}

fn media(
    w: &mut BoxWriter,
    created: u64,
    timescale: u32,
    handler: &[u8; 4],
    header: impl FnOnce(&mut BoxWriter),
    entries: u32,
    describe: impl FnOnce(&mut BoxWriter),
) {
    w.boxed(b"mdia", |w| {
        w.full(b"mdhd", 1, 0, |w| {
            w.u64(created);
            w.u64(created);
            w.u32(timescale);
            w.u64(0);
            w.u16(0x55c4); // "und"
            w.u16(0);
        });
        w.full(b"hdlr", 0, 0, |w| {
            w.u32(0);
            w.bytes(handler);
            w.zeros(12);
            w.bytes(b"nightjar\0");
        });
        w.boxed(b"minf", |w| {
            header(w);
            w.boxed(b"dinf", |w| {
                w.full(b"dref", 0, 0, |w| {
                    w.u32(1);
                    w.full(b"url ", 0, 1, |_| {});
                });
            });
            w.boxed(b"stbl", |w| {
                w.full(b"stsd", 0, 0, |w| {
                    w.u32(entries);
                    describe(w);
                });
                w.full(b"stts", 0, 0, |w| w.u32(0));
                w.full(b"stsc", 0, 0, |w| w.u32(0));
                w.full(b"stsz", 0, 0, |w| w.zeros(8));
                w.full(b"stco", 0, 0, |w| w.u32(0));
            });
        });
    });
}

fn video_track(w: &mut BoxWriter, variants: &[&StreamParams], created: u64) {
    let first = &variants[0].video;
    w.boxed(b"trak", |w| {
        track_head(w, VIDEO_TRACK, created, 0, first.width, first.height);
        let header = |w: &mut BoxWriter| w.full(b"vmhd", 0, 1, |w| w.zeros(8));
        media(w, created, VIDEO_TIMESCALE, b"vide", header, variants.len() as u32, |w| {
            variants.iter().for_each(|v| visual_entry(w, &v.video));
        });
    });
}

fn visual_entry(w: &mut BoxWriter, video: &VideoParams) {
    let (entry, config) = match video.codec {
        VideoCodec::H264 => (b"avc1", b"avcC"),
        VideoCodec::H265 => (b"hvc1", b"hvcC"),
    };
    w.boxed(entry, |w| {
        w.zeros(6);
        w.u16(1);
        w.zeros(16);
        w.u16(video.width);
        w.u16(video.height);
        w.u32(0x0048_0000);
        w.u32(0x0048_0000);
        w.u32(0);
        w.u16(1);
        w.zeros(32);
        w.u16(0x0018);
        w.u16(0xffff);
        w.boxed(config, |w| w.bytes(&video.config));
    });
}

fn audio_track(w: &mut BoxWriter, first: &AudioParams, sounds: &[&AudioParams], created: u64) {
    w.boxed(b"trak", |w| {
        track_head(w, AUDIO_TRACK, created, 0x0100, 0, 0);
        let header = |w: &mut BoxWriter| w.full(b"smhd", 0, 0, |w| w.zeros(4));
        media(w, created, first.sample_rate, b"soun", header, sounds.len() as u32, |w| {
            sounds.iter().for_each(|sound| audio_entry(w, sound));
        });
    });
}

fn audio_entry(w: &mut BoxWriter, audio: &AudioParams) {
    w.boxed(b"mp4a", |w| {
        w.zeros(6);
        w.u16(1);
        w.zeros(8);
        w.u16(audio.channels);
        w.u16(16);
        w.zeros(4);
        w.u32(audio.sample_rate.min(0xffff) << 16);
        w.full(b"esds", 0, 0, |w| {
            // ISO/IEC 14496-1 section 7.2.6: ES, decoder config, decoder specific info, SL config.
            let info = audio.config.len().min(100) as u8;
            w.bytes(&[0x03, 23 + info, 0, 0, 0]);
            w.bytes(&[0x04, 15 + info, 0x40, 0x15, 0, 0, 0]);
            w.zeros(8);
            w.bytes(&[0x05, info]);
            w.bytes(&audio.config[..usize::from(info)]);
            w.bytes(&[0x06, 1, 2]);
        });
    });
}
