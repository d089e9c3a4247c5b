//! The agent's best knowledge of the time.
//!
//! The machine's clock decides nothing on its own: it is corrected by the last time that an authenticated collector told.

use rollcall_shared::Timestamp;
use serde::{Deserialize, Serialize};

use crate::platform;

/// What the collector's clock said, and what this machine's clocks said then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTime {
    /// The collector's clock.
    pub server: Timestamp,
    /// This machine's clock.
    pub local: Timestamp,
    /// Milliseconds since this machine was started, sleep included.
    pub since_boot: i64,
    /// Which start of this machine that was.
    pub boot_id: String,
}

/// This machine's clocks at one moment.
#[derive(Clone, Debug)]
pub struct LocalTime {
    /// Its clock.
    pub local: Timestamp,
    /// Milliseconds since it was started, sleep included.
    pub since_boot: i64,
    /// Which start of it this is.
    pub boot_id: String,
}

impl LocalTime {
    /// This machine's clocks now.
    pub fn now() -> Self {
        Self { local: Timestamp::now(), since_boot: since_boot(), boot_id: platform::boot_id() }
    }
}

/// Milliseconds since this machine was started, sleep included.
pub fn since_boot() -> i64 {
    platform::since_boot()
}

impl ServerTime {
    /// The collector said `server` just now.
    pub fn learned(server: Timestamp, at: &LocalTime) -> Self {
        Self { server, local: at.local, since_boot: at.since_boot, boot_id: at.boot_id.clone() }
    }

    /// How far this machine's clock was ahead of the collector's, milliseconds.
    pub fn skew(&self) -> i64 {
        self.local.millis_since(self.server)
    }

    /// The time by the collector's clock, as well as it can be known at `at`: within one start of the machine by the
    /// counter that nobody sets, else by the machine's clock and the skew it had. Never before what the collector said.
    pub fn best(&self, at: &LocalTime) -> Timestamp {
        let same_start = at.boot_id == self.boot_id && !at.boot_id.is_empty() && at.since_boot >= self.since_boot;
        let elapsed = if same_start { at.since_boot - self.since_boot } else { at.local.millis_since(self.local) };
        self.server.plus_millis(elapsed.max(0))
    }
}

/// The time by the collector's clock, or this machine's where no collector was met yet.
pub fn best(known: Option<&ServerTime>, at: &LocalTime) -> Timestamp {
    known.map_or(at.local, |known| known.best(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn local(millis: i64, since_boot: i64, boot_id: &str) -> LocalTime {
        LocalTime { local: Timestamp::from_millis(millis), since_boot, boot_id: boot_id.into() }
    }

    #[test]
    fn a_clock_that_is_set_does_not_move_time() {
        let year = 365 * DAY;
        let known = ServerTime::learned(Timestamp::from_millis(1_000 * DAY), &local(1_000 * DAY + year, 5_000, "a"));
        assert_eq!(known.skew(), year);
        let cases = [
            ("same start, clock set right", local(1_000 * DAY, 5_000 + DAY, "a"), 1_001 * DAY),
            ("same start, clock set wildly", local(0, 6_000, "a"), 1_000 * DAY + 1_000),
            ("next start, same skew", local(1_003 * DAY + year, 10, "b"), 1_003 * DAY),
            ("next start, clock lost its battery", local(0, 10, "b"), 1_000 * DAY),
            ("no start known", local(1_002 * DAY + year, 99_000, ""), 1_002 * DAY),
        ];
        for (what, at, expected) in cases {
            assert_eq!(known.best(&at).as_millis(), expected, "{what}");
        }
        assert_eq!(best(None, &local(7, 1, "a")).as_millis(), 7);
    }

    #[test]
    fn this_machine_tells_its_clocks() {
        let now = LocalTime::now();
        assert!(now.since_boot > 0 && now.local.as_millis() > 0);
    }
}
