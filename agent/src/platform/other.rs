//! Systems that have no collectors yet.

use std::{sync::OnceLock, time::Instant};

/// Milliseconds since this process first asked: no start of the machine is known, and [`boot_id`] says so.
pub(crate) fn since_boot() -> i64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    i64::try_from(FIRST.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// Which start of the machine this is: not known, so times of two processes are compared by the machine's clock.
pub(crate) fn boot_id() -> String {
    String::new()
}
