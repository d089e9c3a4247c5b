//! Time: UTC milliseconds inside, RFC 3339 on every outside surface.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 in JSON.
///
/// The range is years 0000 to 9999, which is what RFC 3339 can express; construction clamps to it, so that
/// formatting cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00Z
const MIN: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z
const MAX: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The instant that many milliseconds after the epoch, clamped to years 0000 to 9999.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis < MIN {
            MIN
        } else if millis > MAX {
            MAX
        } else {
            millis
        })
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This machine's clock. The core never calls this: it gets `now` as an argument.
    pub fn now() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self::from_millis(match since_epoch {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(MAX),
        })
    }

    /// This instant moved by `millis` (negative: earlier), clamped.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// `self - earlier` in milliseconds; negative where `self` is before `earlier`.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).map_err(|_| fmt::Error)?;
        f.write_str(&instant.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

/// The text is not an RFC 3339 instant such as `2026-03-01T12:00:00Z`.
#[derive(Debug, thiserror::Error)]
#[error("not an RFC 3339 time such as 2026-03-01T12:00:00Z: {text:?}")]
pub struct TimestampError {
    text: String,
}

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let instant = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError { text: text.chars().take(64).collect() })?;
        Ok(Self::from_millis(i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(MAX)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_to_the_millisecond() {
        for millis in [0, 1, -1, 1_772_366_400_123, MIN, MAX] {
            let instant = Timestamp::from_millis(millis);
            assert_eq!(instant.to_string().parse::<Timestamp>().unwrap(), instant, "{instant}");
        }
    }

    #[test]
    fn beyond_rfc_3339_is_clamped_and_still_prints() {
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(i64::MIN).to_string(), "0000-01-01T00:00:00Z");
    }

    #[test]
    fn offsets_are_understood_and_nonsense_is_refused() {
        assert_eq!("2026-03-01T13:00:00+01:00".parse::<Timestamp>().unwrap().to_string(), "2026-03-01T12:00:00Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
