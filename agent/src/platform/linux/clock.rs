//! The clock that nobody sets.

use crate::files::Root;

/// Milliseconds since this machine was started, sleep included.
pub(crate) fn since_boot() -> i64 {
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    boot.tv_sec.saturating_mul(1_000).saturating_add(boot.tv_nsec / 1_000_000)
}

/// Which start of the machine this is; empty where it is not known.
pub(crate) fn boot_id() -> String {
    Root::new("/").text("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
