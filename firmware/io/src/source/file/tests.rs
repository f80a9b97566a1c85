use super::*;
use std::path::Path;
use std::process::Command;
use tokio::time::Instant;

/// A clip by ffmpeg: 64×48, 25 pictures a second, a key frame every ten pictures.
fn make(folder: &Path, name: &str, more: &str) -> PathBuf {
    let path = folder.join(name);
    let line = format!(
        "-v error -y -f lavfi -i testsrc2=size=64x48:rate=25:duration=2 -f lavfi -i sine=sample_rate=16000:duration=2 \
         -g 10 -pix_fmt yuv420p {more}"
    );
    let mut command = Command::new("ffmpeg");
    command.args(line.split_whitespace()).arg(&path);
    assert!(command.status().expect("ffmpeg is installed: run \"cargo xtask test\"").success());
    path
}

/// Items of the first `seconds`, in paused time.
async fn items(path: &Path, query: &str, seconds: u64) -> Vec<Item> {
    let mut source = parse(&format!("file:{}{query}", path.display())).unwrap();
    let mut all = Vec::new();
    let mut sink = |item| all.push(item);
    let session = source.session(&mut sink);
    let ended = timeout(Duration::from_secs(seconds), session).await;
    assert!(ended.is_err(), "{ended:?}");
    all
}

fn of(items: &[Item], media: Media) -> Vec<&AccessUnit> {
    let units = items.iter().filter_map(|item| if let Item::Unit(unit) = item { Some(unit) } else { None });
    units.filter(|unit| unit.media == media).collect()
}

#[tokio::test(start_paused = true)]
async fn plays_every_kind_of_mp4_over_and_over_without_a_seam() {
    let folder = tempfile::tempdir().unwrap();
    for (name, more) in [
        ("plain.mp4", "-c:v libx264 -bf 0 -c:a aac"),
        ("b-frames.mp4", "-c:v libx264 -bf 2 -c:a aac -movflags +faststart"),
        (
            "fragments.mp4",
            "-c:v libx264 -bf 0 -c:a aac -movflags +frag_keyframe+delay_moov+default_base_moof",
        ),
        ("hevc.mp4", "-c:v libx265 -x265-params log-level=error:bframes=0 -tag:v hvc1 -c:a aac"),
    ] {
        let items = items(&make(folder.path(), name, more), "", 7).await;
        let Item::Params(params) = &items[0] else { panic!("{name}: {:?}", items[0]) };
        assert_eq!((params.video.width, params.video.height), (64, 48), "{name}");
        let audio = params.audio.as_ref().unwrap();
        assert_eq!((audio.sample_rate, audio.rfc6381.as_str()), (16_000, "mp4a.40.2"), "{name}");
        assert!(audio.config.len() >= 2);
        let pictures = of(&items, Media::Video);
        for (number, unit) in pictures.iter().enumerate() {
            assert_eq!(unit.dts, number as i64 * 3_600, "{name}");
            assert!(number % 10 != 0 || unit.is_key, "{name}: {number}");
        }
        assert!((170..=180).contains(&pictures.len()), "{name}: {}", pictures.len());
        if name == "b-frames.mp4" {
            assert!(pictures.iter().any(|unit| unit.cts > 3_600), "{name}");
        }
        let sound = of(&items, Media::Audio);
        assert!(sound.len() > 90, "{name}: {}", sound.len());
        assert!(sound.windows(2).all(|w| w[1].dts - w[0].dts >= 1_024), "{name}: frames overlap");
        let (picture, frame) = (pictures.last().unwrap().dts / 90, sound.last().unwrap().dts / 16);
        assert!((picture - frame).abs() < 300, "{name}: {picture} {frame} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn begins_at_the_key_frame_before_the_offset() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "clip.mp4", "-c:v libx264 -bf 0 -an");
    let whole = items(&path, "", 2).await;
    let wanted = of(&whole, Media::Video)[20].data.clone();
    for query in ["?offset=1", "?offset=3.1"] {
        let later = items(&path, query, 2).await;
        let first = of(&later, Media::Video)[0];
        assert_eq!((first.dts, first.is_key), (0, true));
        assert_eq!(first.data, wanted, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_time_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "clip.mp4", "-c:v libx264 -bf 0 -an");
    let start = Instant::now();
    let mut source = parse(&format!("file:{}", path.display())).unwrap();
    let mut due = Vec::new();
    let mut sink = |item: Item| {
        if let Item::Unit(unit) = item {
            due.push((unit.dts / 90, start.elapsed().as_millis() as i64));
        }
    };
    let _ = timeout(Duration::from_secs(60), source.session(&mut sink)).await;
    assert!(due.len() > 1_400);
    let late = due.iter().map(|(dts, at)| at - dts);
    let (least, most) = (late.clone().min().unwrap(), late.max().unwrap());
    assert!(least >= 0 && most - least <= 2, "the timer's granularity is 1 ms: {least} to {most}");
}

#[tokio::test]
async fn says_what_is_wrong_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let good = make(folder.path(), "good.mp4", "-c:v libx264 -c:a aac");
    let bytes = std::fs::read(&good).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (path, cause, words) in [
        (folder.path().join("none.mp4"), GapCause::Disconnected, "no such file"),
        (folder.path().to_path_buf(), GapCause::Garbage, "not a plain file"),
        (write("empty.mp4", b""), GapCause::Garbage, "no MP4"),
        (write("text.mp4", b"this is no clip, it is a text file"), GapCause::Garbage, "no MP4"),
        (write("cut.mp4", &bytes[..bytes.len() / 2]), GapCause::Garbage, ""),
        (make(folder.path(), "sound.mp4", "-vn -c:a aac"), GapCause::Garbage, "no H.264 or H.265"),
        (make(folder.path(), "old.mp4", "-c:v mpeg4 -an"), GapCause::Garbage, "no H.264 or H.265"),
    ] {
        let mut source = parse(&format!("file:{}", path.display())).unwrap();
        let ended = source.session(&mut |item| panic!("{item:?}")).await;
        assert_eq!(ended.cause, cause, "{ended}");
        assert!(ended.words.contains(words) && ended.words.contains(&*path.to_string_lossy()), "{ended}");
    }
}

#[test]
fn understands_addresses() {
    let parsed =
        |text: &str| parse(text).map(|r| (r.path.to_string_lossy().into_owned(), r.offset.as_millis()));
    assert_eq!(parsed("file:/a b/c.mp4").unwrap(), ("/a b/c.mp4".into(), 0));
    assert_eq!(parsed("file:///a.mp4?offset=1.5").unwrap(), ("/a.mp4".into(), 1_500));
    assert_eq!(parsed("file:clips/a?.mp4").unwrap(), ("clips/a?.mp4".into(), 0));
    assert!(parsed("file:").unwrap_err().contains("names no file"));
    for bad in ["x", "-1", "1e300", "NaN"] {
        assert!(
            parsed(&format!("file:/a?offset={bad}")).unwrap_err().contains("offset is a number"),
            "{bad}"
        );
    }
}

/// Damaged tables end the session; they never take the daemon down, nor its memory.
#[tokio::test(start_paused = true)]
async fn survives_damaged_tables() {
    let folder = tempfile::tempdir().unwrap();
    for (name, more) in [
        ("plain.mp4", "-c:v libx264 -c:a aac -movflags +faststart"),
        ("fragments.mp4", "-c:v libx264 -c:a aac -movflags +frag_keyframe+delay_moov+default_base_moof"),
    ] {
        let good = make(folder.path(), name, more);
        let bytes = std::fs::read(&good).unwrap();
        let tables = bytes.len().min(4_000);
        for at in (0..tables).step_by(29) {
            for value in [0, 0xff] {
                let mut bad = bytes.clone();
                bad[at] = value;
                let path = folder.path().join("bad.mp4");
                std::fs::write(&path, &bad).unwrap();
                let mut source = parse(&format!("file:{}", path.display())).unwrap();
                let mut units = 0;
                let mut sink = |_| units += 1;
                let _ = timeout(Duration::from_secs(3), source.session(&mut sink)).await;
            }
        }
    }
}
