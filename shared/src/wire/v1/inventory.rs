//! The inventory document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    super::{Problem, limits},
    check_in::Exchange,
    sections::SectionData,
};
use crate::{digest::Digest, id::DocumentId, time::Timestamp};

/// What one agent says about its machine: all sections, or those that the collector asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InventoryDocument {
    /// The wire format version, [`super::VERSION`].
    pub format: u32,
    /// Makes the upload idempotent: a document that was stored before is acknowledged again and changes nothing.
    pub document_id: DocumentId,
    /// Which exchange of this agent this is.
    pub exchange: Exchange,
    /// The agent's version.
    pub agent_version: String,
    /// The agent's clock when it sent this; with the receipt time it gives the skew.
    pub sent_at: Timestamp,
    /// The sections by name. Names that the collector does not know are kept and reported.
    pub sections: BTreeMap<String, Section>,
}

/// One section: how collecting it went, and what was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Section {
    /// How it went.
    pub status: SectionStatus,
    /// The agent's clock when it was collected.
    pub collected_at: Timestamp,
    /// How long collecting took.
    pub duration_ms: u32,
    /// Digest of the section, see [`Section::digest_of`].
    pub digest: Digest,
    /// What was found, exactly as digested. `null` unless the status is `ok` or `partial`.
    pub data: Box<RawValue>,
}

/// How collecting a section went. Failed is not absent: only `ok` and `absent` say that what is not listed is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SectionStatus {
    /// Read in full: what is not listed is not there.
    Ok,
    /// Read in part; what is not listed may be there.
    Partial {
        /// What is missing and why.
        reason: String,
    },
    /// Could not be read.
    Failed {
        /// Why.
        reason: String,
    },
    /// This machine has no such thing (no SMBIOS in many virtual machines).
    Absent {
        /// What was looked for.
        reason: String,
    },
}

impl SectionStatus {
    /// Whether what this section does not list is known not to be there.
    pub fn is_authoritative(&self) -> bool {
        matches!(self, Self::Ok | Self::Absent { .. })
    }
}

impl Section {
    /// A section from its data.
    ///
    /// # Errors
    /// Only if `data` cannot be written as JSON, which the section types of this crate always can.
    pub fn new<T: SectionData>(
        status: SectionStatus,
        collected_at: Timestamp,
        duration_ms: u32,
        data: Option<&T>,
    ) -> Result<Self, serde_json::Error> {
        let raw = serde_json::value::to_raw_value(&data)?;
        let digest = match data {
            Some(data) => Self::digest_of(&status, &serde_json::to_vec(&data.stable())?)?,
            None => Self::digest_of(&status, b"null")?,
        };
        Ok(Self { status, collected_at, duration_ms, digest, data: raw })
    }

    /// The digest that a check-in carries: over the status and the *stable* part of the data (see
    /// [`SectionData::stable`]), so that counters that move at every look do not make an unchanged machine look changed.
    ///
    /// # Errors
    /// Only if the status cannot be written as JSON.
    pub fn digest_of(status: &SectionStatus, stable_json: &[u8]) -> Result<Digest, serde_json::Error> {
        let mut bytes = serde_json::to_vec(status)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(stable_json);
        Ok(Digest::of(&bytes))
    }

    /// The typed data; `None` where there is none.
    ///
    /// # Errors
    /// A [`Problem`] that names the JSON path below `$.sections.NAME.data`.
    pub fn parse<T: SectionData + DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        limits::parse_part(self.data.get(), &format!("$.sections.{}.data", T::NAME))
    }
}
