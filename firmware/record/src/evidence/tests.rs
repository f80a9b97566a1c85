use super::*;
use crate::export::tests::{LEN, Shelf, TestKey, footage};
use crate::writer::Sign;
use proptest::prelude::*;
use std::sync::LazyLock;

fn check(bytes: &[u8]) -> Report {
    verify(bytes, bytes.len() as u64).unwrap()
}

fn key() -> Key {
    TestKey::new(1).public()
}

static SHELF: LazyLock<Shelf> = LazyLock::new(|| Shelf::record(footage(0..200)));
static CLIP: LazyLock<Vec<u8>> = LazyLock::new(|| clip(&SHELF, 20_300_000, 150_000_000));

fn clip(shelf: &Shelf, from: i64, to: i64) -> Vec<u8> {
    let plan = shelf.plan(from, to, Some(&TestKey::new(1))).unwrap();
    let all = shelf.read_all(&plan, 128 << 10);
    assert_eq!(all.len() as u64, plan.len());
    all
}

/// Where each fragment of a clip begins.
fn moofs(clip: &[u8]) -> Vec<usize> {
    let boxes = nightjar_media::walk::Boxes::new(clip).filter_map(Result::ok);
    boxes.filter(|b| b.kind == *b"moof").map(|b| b.at).collect()
}

#[test]
fn slabs_are_as_recorded_and_follow_each_other() {
    let reports: Vec<Report> = SHELF.slabs.values().map(|s| check(s)).collect();
    for (n, r) in reports.iter().enumerate() {
        let is_last = n + 1 == reports.len();
        assert!(r.is_intact(), "{n}: {:?}", r.faults);
        assert_eq!(r.what, What::Slab);
        assert_eq!(r.key(), (!is_last).then(key), "the open slab is not signed");
        assert_eq!(r.slabs[0].is_sealed, !is_last);
        assert!(r.fragments > 10);
    }
    assert!(missing(&reports).is_empty());
    let gap = missing(&[reports[0].clone(), reports[2].clone()]);
    assert_eq!(gap.len(), 1);
    assert_eq!((gap[0].from, gap[0].to), (reports[0].span().1, reports[2].span().0));
    let mut thin = reports[1].clone();
    thin.slabs[0] = Link { generation: 99, replaces: vec![2], previous: [0; 32], ..thin.slabs[0].clone() };
    assert!(missing(&[reports[0].clone(), thin, reports[2].clone()]).is_empty(), "thinned is not missing");
}

#[test]
fn a_clip_is_as_recorded_with_its_open_slab() {
    for (from, to) in [(20_300_000, 150_000_000), (0, 200_000_000), (196_000_000, 199_000_000)] {
        let bytes = clip(&SHELF, from, to);
        let report = check(&bytes);
        assert!(report.is_intact(), "{from}: {:?}", report.faults);
        assert_eq!((report.what, report.key(), report.export), (What::Clip, Some(key()), Signed::By(key())));
        assert_eq!(report.fragments as usize, moofs(&bytes).len());
        assert!(missing(&[report]).is_empty());
    }
}

#[test]
fn a_changed_picture_is_named_to_the_fragment() {
    let scans = SHELF.scans();
    let mut fragments = scans[1].records.iter().filter(|r| r.head.kind == crate::Kind::Fragment);
    let record = *fragments.nth(20).unwrap();
    for inside in [crate::layout::HEAD_LEN + 30, record.head.len as usize - 1] {
        let mut disk = SHELF.slabs[&2].clone();
        disk[record.offset as usize + inside] ^= 4;
        let report = check(&disk);
        assert_eq!(
            report.faults,
            [Fault { from: record.head.wall, to: record.head.end(), wrong: Wrong::Content }]
        );
    }
    let begins = moofs(&CLIP);
    for n in [0, 7, begins.len() - 2] {
        let mut bytes = CLIP.clone();
        bytes[begins[n + 1] - 3] ^= 1;
        let report = check(&bytes);
        assert_eq!(report.faults.len(), 1, "{n}");
        let told = report.faults[0];
        assert_eq!(told.wrong, Wrong::Content);
        let start = report.span().0;
        assert!(told.from >= start && told.to - told.from <= 1_200_000, "{told:?}");
    }
}

#[test]
fn every_number_of_a_fragment_head_is_guarded() {
    let begins = moofs(&CLIP);
    let at = begins[3];
    let moof = nightjar_media::fragment::read_moof(&CLIP[at..]).unwrap();
    for inside in 0..moof.len + 8 {
        let mut bytes = CLIP.clone();
        bytes[at + inside] ^= 1;
        let report = check(&bytes);
        assert_eq!(report.faults.len(), 1, "byte {inside}: {:?}", report.faults);
        assert_eq!(report.faults[0].wrong, Wrong::Content);
    }
}

#[test]
fn a_moved_time_on_the_card_is_named_and_a_changed_table_too() {
    let record = SHELF.scans()[0].records[9];
    let mut disk = SHELF.slabs[&1].clone();
    let at = record.offset as usize;
    let mut bytes: [u8; 96] = disk[at..at + 96].try_into().unwrap();
    bytes[45] ^= 1;
    disk[at..at + 96].copy_from_slice(&bytes);
    let report = check(&disk);
    let own = crate::RecordHead::decode(SHELF.slabs[&1][at..].first_chunk().unwrap()).unwrap();
    assert_eq!(report.faults, [Fault { from: own.wall, to: own.end(), wrong: Wrong::Head }]);
    // a head that fits itself but not what was sealed
    let lie = crate::RecordHead { wall: own.wall.plus_micros(50_000), ..own };
    disk[at..at + 96].copy_from_slice(&lie.encode());
    assert_eq!(check(&disk).faults[0].wrong, Wrong::Head);
}

#[test]
fn a_forger_who_mends_every_hash_is_refused() {
    let record = SHELF.scans()[0].records[9];
    let mut disk = SHELF.slabs[&1].clone();
    let (at, len) = (record.offset as usize, record.head.len as usize);
    disk[at + len - 1] ^= 1;
    let own = crate::RecordHead::decode(disk[at..].first_chunk().unwrap()).unwrap();
    let rest = disk[at + 96..at + len].to_vec();
    let mended = own.hashed([&rest[..]].into_iter()).encode();
    disk[at..at + 96].copy_from_slice(&mended);
    let report = check(&disk);
    assert!(report.faults.iter().any(|f| f.wrong == Wrong::Chain), "{:?}", report.faults);
}

#[test]
fn nobody_cuts_a_clip_or_changes_its_index() {
    let begins = moofs(&CLIP);
    let wrongs = |bytes: &[u8]| check(bytes).faults.iter().map(|f| f.wrong).collect::<Vec<_>>();
    let mut without_one = CLIP.clone();
    without_one.drain(begins[5]..begins[6]);
    assert!(wrongs(&without_one).contains(&Wrong::Content));
    let mut swapped = CLIP.clone();
    swapped[begins[0] - 1] ^= 1; // the last byte of the index
    assert_eq!(wrongs(&swapped), [Wrong::Index]);
    let proof_len = u32::from_be_bytes(CLIP[CLIP.len() - 4..].try_into().unwrap()) as usize;
    let proof_at = CLIP.len() - proof_len;
    let (mut refused, mut all) = (0, 0);
    for at in (proof_at..CLIP.len()).step_by(11) {
        let mut bytes = CLIP.clone();
        bytes[at] ^= 1;
        let report = check(&bytes);
        refused += usize::from(!report.is_intact());
        all += 1;
    }
    // only the times, which no fragment behind the export's zero needs, may be anything
    assert!(refused + crate::export::proof::TIMES_LEN / 11 + 1 >= all, "{refused} of {all}");
    let cut = &CLIP[..CLIP.len() - 10];
    assert_eq!(check(cut).what, What::Other);
}

#[test]
fn restamped_footage_is_proven_at_its_new_time_and_only_by_the_device() {
    let mut shelf = Shelf::record(footage(0..60));
    shelf.restamp(1, 3_600_000_007);
    let disk = shelf.slabs[&1].clone();
    let report = check(&disk);
    assert!(report.is_intact(), "{:?}", report.faults);
    assert_eq!(report.slabs[0].shift_us, 3_600_000_007);
    assert_eq!(report.span().0, Wall(3_600_000_007));
    let bytes = {
        let found = shelf.scans().remove(0);
        let anchor = crate::export::Anchor::read(&disk[..], u64::from(LEN), &found).unwrap();
        let mut planner = crate::Planner::new(Wall(3_601_000_000), Wall(3_606_000_000));
        planner.slab(&found, anchor.as_ref());
        let plan = planner.finish(&[], Some(&TestKey::new(1))).unwrap();
        shelf.read_all(&plan, 5_000)
    };
    let report = check(&bytes);
    assert!(report.is_intact(), "{:?}", report.faults);
    assert_eq!(report.slabs[0].shift_us, 3_600_000_007);
    // the stranger's restamp
    let mut shelf = Shelf::record(footage(0..60));
    let found = shelf.scans().remove(0);
    let w = crate::writer::restamp(&found, LEN, 5, &TestKey::new(2)).unwrap();
    let disk = shelf.slabs.get_mut(&1).unwrap();
    let at = w.offset as usize;
    disk[at..at + 8].copy_from_slice(&w.commit);
    let body = w.body.concat();
    disk[at + 8..at + 8 + body.len()].copy_from_slice(&body);
    assert!(check(disk).faults.iter().any(|f| f.wrong == Wrong::Restamp));
}

#[test]
fn a_cut_or_grown_slab_is_told() {
    let open = SHELF.slabs.values().next_back().unwrap();
    let mut disk = open.clone();
    let last = *SHELF.scans().last().unwrap().records.last().unwrap();
    disk[last.offset as usize + 50] ^= 1; // the head of the last record
    assert!(check(&disk).faults.iter().any(|f| f.wrong == Wrong::Tail));
    assert!(check(&open[..open.len() / 2]).faults.iter().any(|f| f.wrong == Wrong::Tail));
    let mut decoder = SHELF.slabs[&1].clone();
    let at = decoder.windows(4).position(|w| w == b"avcC").unwrap();
    decoder[at + 5] ^= 1;
    assert_eq!(check(&decoder).faults[0].wrong, Wrong::Decoder);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40), is_clip: bool, cut in any::<prop::sample::Index>()) {
        let mut bytes = if is_clip { CLIP.clone() } else { SHELF.slabs[&1].clone() };
        let tail = if is_clip { 60_000.min(bytes.len()) } else { bytes.len() };
        let from = bytes.len() - tail;
        for (at, byte) in noise { let at = from + at.index(tail); bytes[at] = byte; }
        check(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        check(&bytes);
    }
}
