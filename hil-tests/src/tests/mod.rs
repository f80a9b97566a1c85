//! The table of tests. Those that leave the system as it was come first, on one board; then those that change it, on
//! a new card where the one before kept its update.

mod boot;
mod broken;
mod cuts;
mod isolation;
mod refused;
mod relays;
mod setting;
mod update;
mod watchdog;

use crate::bed::Need;
use crate::suite::Test;

/// The version of the image that is flashed; the bundles carry later ones.
fn update_from() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "flash, boot, record two cameras, page over TLS",
        needs: &[Need::Flash, Need::Power],
        run: boot::records,
    },
    Test { name: "what is on the board", needs: &[Need::Slots], run: boot::is_as_designed },
    Test { name: "relay through the kernel's GPIO", needs: &[Need::Line], run: relays::moves },
    Test { name: "a person moves a relay", needs: &[Need::Line], run: relays::moves_for_a_person },
    Test { name: "bundles that must be refused", needs: &[Need::Slots], run: refused::all },
    Test { name: "watchdog ends a hung recorder", needs: &[], run: watchdog::of_the_recorder },
    Test { name: "watchdog resets a hung board", needs: &[Need::Console], run: watchdog::of_the_board },
    Test { name: "camera on the board is recorded", needs: &[Need::LocalCamera], run: boot::local_camera },
    Test { name: "kernel that panics is rolled back", needs: broken::NEEDS, run: broken::kernel },
    Test { name: "recorder that crashes is rolled back", needs: broken::NEEDS, run: broken::recorder },
    Test { name: "page that records nothing is rolled back", needs: broken::NEEDS, run: broken::footage },
    Test { name: "update that breaks one camera is rolled back", needs: broken::NEEDS, run: broken::camera },
    Test {
        name: "good update, streamed",
        needs: &[Need::Flash, Need::Slots, Need::Power],
        run: update::good,
    },
    Test {
        name: "update of a fleet, by hawkBit",
        needs: &[Need::Fleet, Need::Flash, Need::Slots],
        run: update::of_a_fleet,
    },
    Test {
        name: "update with no network and a dead camera",
        needs: &[Need::Flash, Need::Slots, Need::Network, Need::Console],
        run: update::alone,
    },
    Test {
        name: "cameras are kept apart",
        needs: &[Need::Sides, Need::Flash, Need::Power],
        run: isolation::holds,
    },
    Test {
        name: "power cuts during an update",
        needs: &[Need::Flash, Need::Slots, Need::Power],
        run: cuts::all,
    },
    Test { name: "factory reset", needs: &[Need::Flash, Need::Slots], run: boot::factory_reset },
];
