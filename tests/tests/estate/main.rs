//! Estates of real daemons, each on a machine of its own: the graph that agents' reports yield is the true one, and what it says of
//! outages comes true.
//!
//! `tests/estate --minutes N` runs them longer and prints it all.

mod daemons;
mod shop;

use std::time::Duration;

/// For how long there is traffic, and how often agents look, seconds.
struct Timing {
    traffic: f64,
    sample: f64,
}

impl Timing {
    /// As in the field, a sample every 20 seconds, or faster in proportion. `ROLLCALL_ESTATE_SECONDS` says otherwise than `usual`.
    fn new(usual: f64) -> anyhow::Result<Self> {
        let traffic = std::env::var("ROLLCALL_ESTATE_SECONDS").map_or(Ok(usual), |text| text.parse::<f64>())?;
        Ok(Self { traffic, sample: (traffic / 6.0).clamp(1.0, 20.0) })
    }

    fn traffic(&self) -> Duration {
        Duration::from_secs_f64(self.traffic)
    }

    /// What was seen last still has to be reported: one check-in, and the time that a busy machine takes for it.
    fn reported_within(&self) -> Duration {
        Duration::from_secs_f64(40.0 + self.sample)
    }
}
