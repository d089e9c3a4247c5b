//! Digests of inventory sections.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The first 16 bytes of a BLAKE3 hash, 32 lower-case hexadecimal digits in JSON.
///
/// It tells whether two parties hold the same bytes. It is not a proof against somebody who crafts a collision of
/// their own documents, and does not need to be: an agent can only lie about itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::first_half(&blake3::hash(bytes))
    }

    /// One digest over a whole inventory: every section's name and digest, in name order.
    pub fn root<'a>(sections: impl IntoIterator<Item = (&'a str, Digest)>) -> Self {
        let sorted: BTreeMap<&str, Digest> = sections.into_iter().collect();
        let mut hasher = blake3::Hasher::new();
        for (name, digest) in sorted {
            // The length keeps ("ab", "c…") and ("a", "bc…") apart.
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&digest.0);
        }
        Self::first_half(&hasher.finalize())
    }

    fn first_half(hash: &blake3::Hash) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&hash.as_bytes()[..16]);
        Self(first)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl std::str::FromStr for Digest {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a digest is 32 lower-case hexadecimal digits";
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return Err(SHAPE);
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(SHAPE),
        };
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Digest {
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9a-f]{32}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_does_not_depend_on_order_but_on_every_name_and_digest() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(Digest::root([("x", a), ("y", b)]), Digest::root([("y", b), ("x", a)]));
        assert_ne!(Digest::root([("x", a), ("y", b)]), Digest::root([("x", b), ("y", a)]));
        assert_ne!(Digest::root([("x", a)]), Digest::root([("x", a), ("y", b)]));
    }

    #[test]
    fn text_round_trips_and_only_its_own_shape_is_read() {
        let digest = Digest::of(b"rollcall");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("G0".repeat(16).parse::<Digest>().is_err());
        assert!("00".repeat(15).parse::<Digest>().is_err());
    }
}
