//! The one place that reads and sets the clocks: nothing → [`Mono`], [`Wall`], and whether the latter can be believed.

use nightjar_types::{Mono, Wall};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

fn micros(id: ClockId) -> i64 {
    let t = clock_gettime(id);
    t.tv_sec.saturating_mul(1_000_000).saturating_add(t.tv_nsec / 1_000)
}

/// Time since boot, suspended time included.
pub fn mono() -> Mono {
    Mono(micros(ClockId::Boottime).max(0) as u64)
}

/// Wall-clock time as the system believes it.
pub fn wall() -> Wall {
    Wall(micros(ClockId::Realtime))
}

/// The wall clock was set by something that knows the time: NTP keeps it, or a person set it ([`told`]).
pub fn is_sure() -> bool {
    TOLD.load(Relaxed) || is_synchronised()
}

/// A person set the clock.
pub fn told() {
    TOLD.store(true, Relaxed);
}

/// Sets the system's wall clock, of all programs. Needs the capability `CAP_SYS_TIME`.
pub fn set(to: Wall) -> std::io::Result<()> {
    let (tv_sec, micros) = (to.0.div_euclid(1_000_000), to.0.rem_euclid(1_000_000));
    clock_settime(ClockId::Realtime, Timespec { tv_sec, tv_nsec: micros * 1_000 })?;
    Ok(())
}

static TOLD: AtomicBool = AtomicBool::new(false);

/// What every NTP client tells the kernel: adjtimex(2), `STA_UNSYNC`.
#[allow(unsafe_code, reason = "no crate in the tree wraps adjtimex")]
fn is_synchronised() -> bool {
    // SAFETY: all-zero is a valid `timex` (it only holds integers), and `modes` of zero makes the call read-only.
    let (state, status) = unsafe {
        let mut t: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut t), t.status)
    };
    state >= 0 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}

/// The kernel's random id of this boot; zeros where there is none.
pub fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(32).collect();
    u128::from_str_radix(&digits, 16).unwrap_or_default().to_be_bytes()
}
