//! Settings of `run`: flags, then environment, then the configuration file, then what is built in.

use std::{path::Path, time::Duration};

use anyhow::Context;
use serde::Deserialize;

/// The configuration file. Every setting is also a flag and an environment variable of the same name.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct File {
    /// See `run --check-in-interval`.
    #[serde(deserialize_with = "optional_duration")]
    pub(super) check_in_interval: Option<Duration>,
    /// See `run --sample-interval`.
    #[serde(deserialize_with = "optional_duration")]
    pub(super) sample_interval: Option<Duration>,
    /// See `run --inventory-interval`.
    #[serde(deserialize_with = "optional_duration")]
    pub(super) inventory_interval: Option<Duration>,
    /// See `run --start-jitter`.
    #[serde(deserialize_with = "optional_duration")]
    pub(super) start_jitter: Option<Duration>,
    /// See `run --spool-limit`.
    pub(super) spool_limit: Option<u64>,
    /// See `run --disable-section`.
    pub(super) disable_sections: Vec<String>,
}

impl File {
    /// Reads the file; `None` where none is named and the usual one does not exist.
    pub(super) fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        const USUAL: &str = "/etc/rollcall/agent.toml";
        const MOST: u64 = 1 << 20;
        let path = named.unwrap_or(Path::new(USUAL));
        let bytes = match crate::files::read_bounded(path, MOST) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => return Ok(Self::default()),
            other => other.with_context(|| format!("reading {}", path.display()))?,
        };
        let text = String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
        toml::from_str(&text).with_context(|| format!("in {}", path.display()))
    }
}

/// `500ms`, `20s`, `15m`, `6h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().map_err(|_| shape(text))?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(shape(text)),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| shape(text))
}

fn shape(text: &str) -> String {
    format!("{text:?} is not a time such as 500ms, 20s, 15m, 6h or 7d")
}

fn optional_duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    duration(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration(" 15 m "), Ok(Duration::from_secs(900)));
        for text in ["", "5", "s", "-1s", "1.5s", "99999999999999999999d", "18446744073709551615d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_is_read_and_a_misspelt_setting_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.toml");
        std::fs::write(&path, "sample-interval = \"5s\"\ndisable-sections = [\"packages\"]\n").unwrap();
        let file = File::read(Some(&path)).unwrap();
        assert_eq!((file.sample_interval, file.disable_sections), (Some(Duration::from_secs(5)), vec!["packages".to_owned()]));
        std::fs::write(&path, "sample-intervall = \"5s\"\n").unwrap();
        assert!(format!("{:#}", File::read(Some(&path)).unwrap_err()).contains("sample-intervall"));
        assert!(File::read(Some(&directory.path().join("missing"))).is_err());
    }
}
