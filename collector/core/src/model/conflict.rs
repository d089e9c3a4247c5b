use rollcall_shared::{AgentId, CiId, ConflictId, Timestamp};

/// A question about identity that only a person can settle, with both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// Its id.
    pub id: ConflictId,
    /// What kind of clash.
    pub kind: ConflictKind,
    /// The CI that stood first.
    pub known: CiId,
    /// The other CI, where the newcomer got one of its own.
    pub other: Option<CiId>,
    /// The agent whose message brought it up.
    pub agent: Option<AgentId>,
    /// What clashes, in a sentence with the values.
    pub detail: String,
    /// Open, or how it was settled.
    pub state: ConflictState,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

/// Kinds of identity conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictKind {
    /// Two living agents report the same hardware identity.
    SameIdentity,
    /// Rules point at different CIs: serial at one, machine id at another.
    KeysDisagree,
    /// One agent's state is in use twice, or was rolled back.
    CopiedAgent,
    /// Host name and system agree with another machine and nothing else does: a suggestion.
    PossibleDuplicate,
    /// A retired CI reports again.
    ReturnedFromRetirement,
    /// A row of an imported table may be about this CI, and nothing says so for certain.
    ImportedRow,
}

impl ConflictKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::SameIdentity,
        Self::KeysDisagree,
        Self::CopiedAgent,
        Self::PossibleDuplicate,
        Self::ReturnedFromRetirement,
        Self::ImportedRow,
    ];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameIdentity => "same_identity",
            Self::KeysDisagree => "keys_disagree",
            Self::CopiedAgent => "copied_agent",
            Self::PossibleDuplicate => "possible_duplicate",
            Self::ReturnedFromRetirement => "returned_from_retirement",
            Self::ImportedRow => "imported_row",
        }
    }

    /// The reverse of [`ConflictKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whether a conflict still asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictState {
    /// Nobody has decided.
    Open,
    /// A person decided that the two are not the same. Remembered, so that it is not asked again.
    KeptApart,
    /// Somebody decided otherwise, or what it was about is gone.
    Settled,
}

impl ConflictState {
    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::KeptApart => "kept_apart",
            Self::Settled => "settled",
        }
    }

    /// The reverse of [`ConflictState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::KeptApart, Self::Settled].into_iter().find(|state| state.as_str() == text)
    }
}
