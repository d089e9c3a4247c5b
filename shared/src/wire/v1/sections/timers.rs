//! What is started at set times.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SectionData, ServiceKey};
use crate::Timestamp;

/// Timers and scheduled commands, sorted by source and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Timers {
    /// The timers.
    pub timers: Vec<Timer>,
}

/// Something that is started at set times.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Timer {
    /// Who starts it: `systemd`, `cron`, `anacron`.
    pub source: String,
    /// The timer unit, or the name of the file that lists it; an anacron job's identifier.
    pub name: String,
    /// When, as written: `OnCalendar=daily`, `17 * * * *`, `@reboot`, `7 days`.
    pub schedule: Vec<String>,
    /// The unit that it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<ServiceKey>,
    /// The command, what may be a secret in it replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The user that the command runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it is started with the machine; absent where everything listed is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// When it last ran, where a stamp file tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Timestamp>,
    /// The file that says so.
    pub file: String,
}

impl SectionData for Timers {
    const NAME: &'static str = "timers";

    /// That a timer ran once more is no change.
    fn stable(&self) -> impl Serialize + '_ {
        self.timers.iter().map(|timer| Timer { last_run: None, ..timer.clone() }).collect::<Vec<_>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v1::{Section, SectionStatus};

    #[test]
    fn that_a_timer_ran_again_is_no_change() {
        let digest = |schedule: &str, last_run: i64| {
            let last_run = Some(Timestamp::from_millis(last_run));
            let timers = vec![Timer { schedule: vec![schedule.into()], last_run, ..Timer::default() }];
            Section::new(SectionStatus::Ok, Timestamp::default(), 1, Some(&Timers { timers })).unwrap().digest
        };
        assert_eq!(digest("daily", 1), digest("daily", 2));
        assert_ne!(digest("daily", 1), digest("weekly", 1));
    }
}
