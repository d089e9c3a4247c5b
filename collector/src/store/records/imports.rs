//! Tables that were handed in.

use rollcall_shared::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// The id of an import.
pub type ImportId = Uuid;

/// A table that somebody handed in.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportRecord {
    /// Its id.
    pub id: ImportId,
    /// How far it has come.
    pub state: ImportState,
    /// The name of the source whose word it is.
    pub source: String,
    /// When it was handed in.
    pub created_at: Timestamp,
    /// When it last went on.
    pub updated_at: Timestamp,
    /// File, format, mapping, counts and progress.
    pub body: Value,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// The file is read, or what it would change is worked out.
    Reading,
    /// What it would change can be looked at.
    Preview,
    /// It is being applied.
    Applying,
    /// It is applied.
    Applied,
    /// It is being taken back.
    Undoing,
    /// It is taken back.
    Undone,
    /// The file cannot be read.
    Failed,
}

impl ImportState {
    /// Every state.
    pub const ALL: [Self; 7] = [Self::Reading, Self::Preview, Self::Applying, Self::Applied, Self::Undoing, Self::Undone, Self::Failed];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Preview => "preview",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::Failed => "failed",
        }
    }

    /// The reverse of [`ImportState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the estate is being changed in this state.
    pub const fn changes_estate(self) -> bool {
        matches!(self, Self::Applying | Self::Undoing)
    }
}

/// A part of an import's rows, compressed.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportPart {
    /// The rows as they stood in the file.
    pub rows: Vec<u8>,
    /// What comes of each; absent until it is worked out.
    pub results: Option<Vec<u8>>,
}
