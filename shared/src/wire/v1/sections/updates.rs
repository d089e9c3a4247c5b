//! Whether the machine is up to date.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SectionData;
use crate::time::Timestamp;

/// What local files tell of updates: nothing is asked of a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Updates {
    /// When the machine last fetched what its repositories offer; what is pending is as of then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// When a package of the system was last installed or upgraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed_at: Option<Timestamp>,
    /// Newer versions of what is installed, sorted by name and architecture; only where the files say which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<PendingUpdate>,
    /// How many updates are pending, without those that are held back; absent where no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_count: Option<u32>,
    /// How many of them close security holes; absent where no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_security_count: Option<u32>,
    /// Who says what is pending: `apt lists`, `update-notifier`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether the system asks to be started anew; absent where it has no way to say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reboot_required: Option<bool>,
    /// Packages that ask for it, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reboot_required_by: Vec<String>,
    /// The newest installed kernel of the running one's flavour, as `uname -r` would say after a restart; absent where no
    /// kernels are installed, as in containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_kernel: Option<String>,
    /// Whether that is newer than the running one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_kernel_installed: Option<bool>,
}

/// A newer version of an installed package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PendingUpdate {
    /// The package's name.
    pub name: String,
    /// Its architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The installed version.
    pub installed: String,
    /// The newest version that a repository offers.
    pub available: String,
    /// The repository: origin, code name and component.
    pub origin: String,
    /// Whether a repository for security updates offers a newer version than the installed one.
    pub security: bool,
    /// Kept at its version on purpose.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

impl SectionData for Updates {
    const NAME: &'static str = "updates";

    /// Looking for updates moves the digest once a day (UTC) at most.
    fn stable(&self) -> impl Serialize + '_ {
        const DAY: i64 = 24 * 60 * 60 * 1_000;
        let day = |at: Timestamp| Timestamp::from_millis(at.as_millis().div_euclid(DAY) * DAY);
        Self { checked_at: self.checked_at.map(day), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_look_on_the_same_day_is_no_change() {
        let stable = |seconds: i64, count| {
            let updates =
                Updates { checked_at: Some(Timestamp::from_millis(seconds * 1_000)), pending_count: Some(count), ..Updates::default() };
            serde_json::to_string(&updates.stable()).unwrap()
        };
        assert_eq!(stable(10, 1), stable(86_399, 1));
        assert_ne!(stable(10, 1), stable(86_400, 1));
        assert_ne!(stable(10, 1), stable(10, 2));
    }
}
