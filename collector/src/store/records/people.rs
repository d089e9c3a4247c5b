//! People, their sessions and tokens, their views, and what they did.

use rollcall_shared::{ApiTokenId, Timestamp, UserId, ViewId};

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A token's only: send other programs' inventories, and nothing else.
    InventorySource,
    /// Read.
    Viewer,
    /// Read, and ask and freeze impact questions.
    ChangeReviewer,
    /// Read, and write configuration items, relationships and need groups.
    AssetManager,
    /// Everything: agents, tokens, people.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::InventorySource, Self::Viewer, Self::ChangeReviewer, Self::AssetManager, Self::Admin];
    /// Those that a person may have.
    pub const OF_PEOPLE: [Self; 4] = [Self::Viewer, Self::ChangeReviewer, Self::AssetManager, Self::Admin];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InventorySource => "inventory_source",
            Self::Viewer => "viewer",
            Self::ChangeReviewer => "change_reviewer",
            Self::AssetManager => "asset_manager",
            Self::Admin => "admin",
        }
    }

    /// The reverse of [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// A role that a person may have.
    pub fn parse_of_person(text: &str) -> Option<Self> {
        Self::parse(text).filter(|role| Self::OF_PEOPLE.contains(role))
    }
}

/// A person who signs in.
#[derive(Clone, PartialEq)]
pub struct UserRecord {
    /// Id.
    pub id: UserId,
    /// Sign-in name, unique.
    pub name: String,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may not sign in.
    pub disabled: bool,
    /// When they were added.
    pub created_at: Timestamp,
}

/// A signed-in browser.
#[derive(Clone, PartialEq)]
pub struct SessionRecord {
    /// BLAKE3 of the cookie's secret.
    pub secret_hash: [u8; 32],
    /// Who.
    pub user: UserId,
    /// The secret that forms carry against cross-site requests.
    pub csrf: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A token for the API.
#[derive(Clone, PartialEq)]
pub struct ApiTokenRecord {
    /// Id.
    pub id: ApiTokenId,
    /// BLAKE3 of the secret.
    pub secret_hash: [u8; 32],
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub user: UserId,
    /// What it may do, at most what its owner may.
    pub role: Role,
    /// The network realm of the machines whose inventories it sends.
    pub realm: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A list of items that somebody keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRecord {
    /// Id.
    pub id: ViewId,
    /// Whose it is.
    pub owner: UserId,
    /// What its owner calls it, unique among theirs.
    pub name: String,
    /// Which items, in the filter language.
    pub filter: String,
    /// In which order; empty: the usual one.
    pub sort: String,
    /// Which columns, from left to right; empty: the usual ones.
    pub columns: Vec<String>,
    /// Whether everybody who signs in sees it.
    pub shared: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: `user:NAME`, `api:NAME`, `agent:ID`, `collector`, `console`.
    pub actor: String,
    /// What: `token.create`, `agent.revoke`, `ci.update`.
    pub action: String,
    /// On what: an id or name.
    pub subject: String,
    /// Why or with what, in words.
    pub detail: String,
}
