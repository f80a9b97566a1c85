//! The table of tests: the one whose board is put aside for the others, one that needs none, then long ones first, so that all
//! boards end together.

mod boot;
mod broken;
mod cuts;
mod isolation;
mod refused;
mod relays;
mod setting;
mod update;
mod watchdog;

pub(crate) use cuts::Cards;

use crate::bed::Need;
use crate::suite::{Lab, Test};
use anyhow::Result;

/// The version of the image that is flashed; the bundles carry later ones.
fn update_from() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

const fn test(name: &'static str, needs: &'static [Need], run: fn(&mut Lab) -> Result<String>) -> Test {
    Test { name, needs, run }
}

pub(crate) const TESTS: &[Test] = &[
    test("flash, boot, record two cameras, page over TLS", &[Need::Flash, Need::Power], boot::records),
    test("cameras are kept apart", &[Need::Sides, Need::Flash, Need::Power], isolation::holds),
    test("good update, streamed", cuts::NEEDS, update::good),
    test("recorder that crashes is rolled back", broken::NEEDS, broken::recorder),
    test("page that records nothing is rolled back", broken::NEEDS, broken::footage),
    test("power cuts while an update is copied", cuts::NEEDS, cuts::while_copied),
    test("update that breaks one camera is rolled back", broken::NEEDS, broken::camera),
    test("power cuts while an update boots and is judged", cuts::NEEDS, cuts::while_tried),
    test(
        "update of a fleet, judged with no network and a dead camera",
        &[Need::Fleet, Need::Flash, Need::Slots, Need::Network, Need::Console],
        update::of_a_fleet,
    ),
    test("watchdog resets a hung board", &[Need::Console], watchdog::of_the_board),
    test("factory reset", &[Need::Flash, Need::Slots], boot::factory_reset),
    test("kernel that panics is rolled back", broken::NEEDS, broken::kernel),
    test("a person moves a relay", &[Need::Line], relays::moves_for_a_person),
    test("bundles that must be refused", &[Need::Slots], refused::all),
    test("watchdog ends a hung recorder", &[], watchdog::of_the_recorder),
    test("relay through the kernel's GPIO", &[Need::Line], relays::moves),
    test("camera on the board is recorded", &[Need::LocalCamera], boot::local_camera),
    test("what is on the board", &[Need::Slots], boot::is_as_designed),
];
