//! Enumerations as `v4l2-ctl --list-formats-ext` shows them for cameras that people have → what is chosen.

use super::*;

fn offers(fourcc: &[u8; 4], sizes: &[(u32, u32)], fps: &[u32]) -> Vec<Offer> {
    let offer = |(width, height): &(u32, u32)| Offer {
        fourcc: *fourcc,
        width: *width,
        height: *height,
        intervals: fps.iter().map(|fps| (1, *fps)).collect(),
    };
    sizes.iter().map(offer).collect()
}

/// A webcam with no name: MJPEG in all sizes at 30, YUYV whose large sizes crawl.
fn webcam() -> Vec<Offer> {
    [
        offers(
            b"MJPG",
            &[(1920, 1080), (1280, 720), (800, 600), (640, 480), (320, 240)],
            &[30, 25, 20, 15, 10, 5],
        ),
        offers(b"YUYV", &[(640, 480), (320, 240)], &[30, 15, 5]),
        offers(b"YUYV", &[(1280, 720)], &[10, 5]),
        offers(b"YUYV", &[(1920, 1080)], &[5]),
    ]
    .concat()
}

/// Logitech C920 of the first series: codes H.264 itself. Its times are in 100 ns, as UVC counts them.
fn c920() -> Vec<Offer> {
    let mut h264 = offers(b"H264", &[(640, 480), (640, 360), (1280, 720), (1920, 1080)], &[]);
    for offer in &mut h264 {
        offer.intervals = vec![
            (333_333, 10_000_000),
            (416_666, 10_000_000),
            (666_666, 10_000_000),
            (2_000_000, 10_000_000),
        ];
    }
    let sizes = [(640, 480), (160, 90), (640, 360), (1280, 720), (1920, 1080)];
    let yuyv = offers(b"YUYV", &[(640, 480), (160, 90), (640, 360)], &[30, 24, 20, 15, 10, 5]);
    let slow = offers(b"YUYV", &[(2304, 1536)], &[2]);
    [yuyv, slow, h264, offers(b"MJPG", &sizes, &[30, 24, 20, 15, 10, 5])].concat()
}

/// An HDMI bridge on the Pi's ribbon cable (TC358743 behind unicam): one size, that of the signal, and no rate.
fn bridge() -> Vec<Offer> {
    [offers(b"RGB3", &[(1920, 1080)], &[]), offers(b"UYVY", &[(1920, 1080)], &[])].concat()
}

fn chosen(text: &str, offers: &[Offer]) -> (String, u32, u32, u32, bool) {
    let wanted = nightjar_types::capture::LocalCamera::parse(&format!("v4l2:{text}")).unwrap().settings;
    let choice = choose(&wanted, offers, false).unwrap();
    (formats::letters(choice.format.fourcc), choice.width, choice.height, choice.fps, choice.thins)
}

fn refused(text: &str, offers: &[Offer], shares: bool) -> String {
    let wanted = nightjar_types::capture::LocalCamera::parse(&format!("v4l2:{text}")).unwrap().settings;
    choose(&wanted, offers, shares).unwrap_err()
}

fn row(fourcc: &str, width: u32, height: u32, fps: u32, thins: bool) -> (String, u32, u32, u32, bool) {
    (fourcc.to_owned(), width, height, fps, thins)
}

#[test]
fn a_webcam_gives_what_a_board_can_code() {
    assert_eq!(chosen("", &webcam()), row("MJPG", 1280, 720, 15, false));
    assert_eq!(chosen("?size=1920x1080&fps=30", &webcam()), row("MJPG", 1920, 1080, 30, false));
    assert_eq!(chosen("?format=raw", &webcam()), row("YUYV", 1280, 720, 10, false));
    assert_eq!(chosen("?format=raw&fps=30", &webcam()), row("YUYV", 640, 480, 30, false));
    assert_eq!(
        chosen("?size=640x480&fps=12", &webcam()),
        row("MJPG", 640, 480, 12, true),
        "15 a second, thinned"
    );
    assert_eq!(chosen("?fps=60", &webcam()).3, 30, "as fast as it goes");
}

#[test]
fn what_the_camera_codes_itself_comes_first() {
    assert_eq!(chosen("", &c920()), row("H264", 1920, 1080, 30, false));
    assert_eq!(
        chosen("?fps=10", &c920()),
        row("H264", 1920, 1080, 15, false),
        "no picture of a GOP can be left out"
    );
    assert_eq!(chosen("?size=160x90", &c920()), row("MJPG", 160, 90, 15, false), "not coded in that size");
    assert_eq!(chosen("?format=mjpeg&fps=24", &c920()), row("MJPG", 1280, 720, 24, false));
    let wanted = Settings::default();
    let shared = choose(&wanted, &c920(), true).unwrap();
    assert_eq!(
        (shared.format.form, shared.width),
        (Form::Mjpeg, 1280),
        "a sub stream is made of seen pictures"
    );
    assert!(refused("?format=h264", &c920(), true).contains("leave sub out"));
}

#[test]
fn a_bridge_has_the_size_of_its_signal() {
    let (fourcc, width, height, fps, _) = chosen("", &bridge());
    assert_eq!((fourcc.as_str(), width, height, fps), ("UYVY", 1920, 1080, CODED_FPS));
    assert_eq!(choose(&Settings::default(), &bridge(), false).unwrap().interval, None);
}

#[test]
fn what_can_not_be_had_is_told_with_what_can() {
    let words = refused("?size=1024x768", &webcam(), false);
    assert!(
        words.contains("no size 1024x768: it has 320x240, 640x480, 800x600, 1280x720, 1920x1080"),
        "{words}"
    );
    let words = refused("?format=h264", &webcam(), false);
    assert!(words.contains("gives no h264: write format=mjpeg, raw"), "{words}");
    let bayer = offers(b"pBAA", &[(3280, 2464)], &[21]);
    let words = refused("", &bayer, false);
    assert!(words.contains("only pBAA") && words.contains("csi:0"), "{words}");
    assert!(refused("", &[], false).contains("plugged into it"));
    let odd = offers(b"YUYV", &[(641, 481)], &[30]);
    assert!(refused("", &odd, false).contains("YUYV"));
}

#[test]
fn rates_that_make_no_sense_do_no_harm() {
    let mut strange = offers(b"YUYV", &[(640, 480)], &[0, u32::MAX]);
    strange[0].intervals.push((0, 0));
    let choice = choose(&Settings::default(), &strange, false).unwrap();
    assert!(choice.fps >= 1, "{choice:?}");
}
