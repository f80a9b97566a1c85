//! The pedestrian clip of Debian's `opencv-doc` → the H.264 clips in `target/clips` that demo, tests and bench play.

use super::apt;
use crate::place::{Place, make_dir, write};
use crate::run;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's package with the clip, and where the clip lies in it.
const PACKAGE: &str = "opencv-doc";
const INSIDE: &str = "usr/share/doc/opencv-doc/examples/data/vtest.avi";
/// Pictures in the clip, at 10 a second: 79.5 s of a fixed camera over a square.
const FRAMES: u64 = 795;
const SECONDS: &str = "79.5";

/// One clip: its name and how ffmpeg makes it from `vtest.avi`.
struct Clip {
    name: &'static str,
    picture: Picture,
    /// Seconds of the clip that are moved from its start to its end.
    later: u32,
    audio: bool,
}

/// What one picture track is to be.
enum Picture {
    /// Every pixel of the original, at constant quality.
    Exact,
    /// A size, and an average and peak rate, as a camera is set up.
    Camera { size: &'static str, kilobits: u32 },
}

const MAIN: Picture = Picture::Camera { size: "1152:864", kilobits: 2000 };
const SUB: Picture = Picture::Camera { size: "640:480", kilobits: 400 };

const CLIPS: &[Clip] = &[
    Clip { name: "vtest.mp4", picture: Picture::Exact, later: 0, audio: false },
    Clip { name: "main.mp4", picture: MAIN, later: 0, audio: true },
    Clip { name: "sub.mp4", picture: SUB, later: 0, audio: false },
    Clip { name: "main-b.mp4", picture: MAIN, later: 40, audio: true },
    Clip { name: "sub-b.mp4", picture: SUB, later: 40, audio: false },
];

/// Makes every clip that is not there.
pub(super) fn make(place: &Place) -> Result<()> {
    let dir = place.target("clips");
    make_dir(&dir)?;
    let note = |clip: &Clip| dir.join(format!("{}.recipe", clip.name));
    let is_there = |clip: &Clip| {
        let made_so = std::fs::read_to_string(note(clip)).is_ok_and(|made| made == recipe(clip).join(" "));
        made_so && dir.join(clip.name).exists()
    };
    let missing: Vec<&Clip> = CLIPS.iter().filter(|clip| !is_there(clip)).collect();
    if missing.is_empty() {
        run::done("clips", &format!("all {} there", CLIPS.len()));
        return Ok(());
    }
    let original = original(place, &dir)?;
    for clip in missing {
        let unfinished = dir.join(format!("{}.part", clip.name));
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-stats", "-y", "-i"]).arg(&original);
        command.args(recipe(clip)).arg(&unfinished);
        run::quiet(
            place,
            &format!("clip {}", clip.name),
            &mut command,
            "install ffmpeg with libx264 and aac",
        )?;
        let frames = frames(&unfinished)?;
        if frames != FRAMES {
            bail!(
                "{} has {frames} pictures instead of {FRAMES}: is {} whole?",
                clip.name,
                place.short(&original)
            );
        }
        let path = dir.join(clip.name);
        std::fs::rename(&unfinished, &path).with_context(|| format!("can't name {}", path.display()))?;
        write(&note(clip), &recipe(clip).join(" "))?;
    }
    Ok(())
}

/// `vtest.avi`, fetched with its package if it is not there.
fn original(place: &Place, dir: &Path) -> Result<PathBuf> {
    let path = dir.join("vtest.avi");
    if path.exists() {
        return Ok(path);
    }
    let by_hand = format!("put OpenCV's samples/data/vtest.avi at {}", place.short(&path));
    if !apt::is_debian() {
        bail!("the clip comes from Debian's package {PACKAGE}, and this is no Debian: {by_hand}");
    }
    let work = dir.join("fetch");
    make_dir(&work)?;
    let download = || {
        let mut command = Command::new("apt-get");
        command.args(["download", PACKAGE]).current_dir(&work);
        command
    };
    if let Err(first) = run::quiet(place, "fetch opencv-doc", &mut download(), &by_hand) {
        println!(
            "   apt's lists may be old or missing: {}",
            first.root_cause().to_string().lines().next().unwrap_or("")
        );
        apt::update(place)?;
        run::quiet(place, "fetch opencv-doc", &mut download(), &by_hand)?;
    }
    let package = std::fs::read_dir(&work)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no .deb")?;
    run::quiet(
        place,
        "unpack opencv-doc",
        Command::new("dpkg-deb").arg("-x").arg(&package).arg(&work),
        &by_hand,
    )?;
    let packed = work.join(format!("{INSIDE}.gz"));
    if packed.exists() {
        run::quiet(place, "gunzip vtest.avi", Command::new("gunzip").arg(&packed), &by_hand)?;
    }
    let found = work.join(INSIDE);
    std::fs::rename(&found, &path).with_context(|| format!("{PACKAGE} has no {INSIDE}: {by_hand}"))?;
    std::fs::remove_dir_all(&work).context("can't clear the folder of the fetched package")?;
    Ok(path)
}

/// All of ffmpeg's words but the two paths. They are kept beside the clip: a clip made in another way is made again.
fn recipe(clip: &Clip) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |more: &str| words.extend(more.split_whitespace().map(str::to_owned));
    if clip.audio {
        // A murmur with a slow beat: an ear hears that sound is there, and its level is never digital silence.
        add(&format!(
            "-f lavfi -i anoisesrc=color=brown:sample_rate=16000:amplitude=0.2:seed=1:duration={SECONDS},\
             lowpass=f=900,tremolo=f=0.4:d=0.6"
        ));
    }
    let size = match clip.picture {
        Picture::Exact => String::new(),
        Picture::Camera { size, .. } => format!(",scale={size}:flags=bicubic"),
    };
    match clip.later {
        0 => add(&format!("-filter_complex [0:v]fps=10{size}[v]")),
        later => add(&format!(
            "-filter_complex [0:v]fps=10,split[x][y];[x]trim=start={later},setpts=PTS-STARTPTS[a];\
             [y]trim=end={later}[b];[a][b]concat=n=2:v=1:a=0{size}[v]"
        )),
    }
    add("-map [v] -c:v libx264 -profile:v high -pix_fmt yuv420p -g 20 -keyint_min 20 -sc_threshold 0 -bf 0");
    if clip.audio {
        add("-preset veryfast"); // a main stream: it is recorded, nothing is detected in it
    }
    match clip.picture {
        Picture::Exact => add("-crf 20"),
        Picture::Camera { kilobits, .. } => {
            add(&format!("-b:v {kilobits}k -maxrate {}k -bufsize {}k", kilobits * 5 / 4, kilobits * 2));
        }
    }
    if clip.audio {
        add("-map 1:a -c:a aac -ar 16000 -ac 1 -b:a 32k");
    }
    add("-movflags +faststart -f mp4");
    words
}

fn frames(path: &Path) -> Result<u64> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "v:0", "-count_packets"]);
    command.args(["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]).arg(path);
    let text = run::capture(&mut command)?;
    text.trim_end_matches(',')
        .parse()
        .with_context(|| format!("ffprobe counts `{text}` pictures in {}", path.display()))
}
