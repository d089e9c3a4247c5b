//! What devices on the local network say of themselves to everybody (mDNS, SSDP). The sending half listens, since the reading half
//! opens no internet socket, and only where `also-collect` names it; nothing is ever sent. What was heard goes to the reading half
//! through the spool, and from there into the section `neighbours`, so that the inventory that is printed is the one that is sent.

mod ears;
mod heard;

use std::time::{Duration, Instant};

use crate::spool::SenderFiles;
use ears::Ears;
pub use heard::{Heard, Tongue};

/// What the setting `also-collect` calls it.
pub const EXTRA: &str = "announced-neighbours";

/// Listens and remembers.
pub struct Announcements {
    ears: Ears,
    heard: Heard,
    tend_at: Instant,
}

/// How often what was heard is stored, and the interfaces are looked at.
const TEND: Duration = Duration::from_secs(30);

impl Announcements {
    /// Goes on from what was heard before. Only inside a runtime.
    pub fn new(files: &SenderFiles) -> Self {
        let before = files.announced().unwrap_or_else(|error| {
            tracing::warn!(%error, "what devices announced before this start is lost");
            Vec::new()
        });
        Self { ears: Ears::open(), heard: Heard::new(before, Instant::now()), tend_at: Instant::now() + TEND }
    }

    /// Waits until there is something to [`Self::attend`] to.
    pub async fn disturbed(&mut self) {
        tokio::select! {
            () = self.ears.readable() => {}
            () = tokio::time::sleep_until(self.tend_at.into()) => {}
        }
    }

    /// Hears what was said; from time to time stores it and looks whether the interfaces are still the same.
    pub fn attend(&mut self, files: &SenderFiles) {
        let now = Instant::now();
        let heard = &mut self.heard;
        self.ears.listen(now, |tongue, sender, message| heard.hear(tongue, sender, message, now));
        if now < self.tend_at {
            return;
        }
        self.tend_at = now + TEND;
        self.ears.follow_interfaces();
        if let Some(devices) = self.heard.changed(now)
            && let Err(error) = files.set_announced(&devices)
        {
            tracing::warn!(%error, "what devices announce could not be stored");
        }
    }
}
