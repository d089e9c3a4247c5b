//! Every kind of id is its own type, so that a relationship can never be looked up by an agent's id.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )*};
}

uuid_ids! {
    /// A configuration item. UUIDv7, given by the collector at first sight and never reused.
    CiId;
    /// One enrolled agent installation. Given at enrollment and carried in the agent's certificate.
    AgentId;
    /// One directed relationship between two configuration items.
    RelationshipId;
    /// A declared group of providers that a configuration item needs ("2 of these 3").
    NeedGroupId;
    /// An enrollment token (the public half; the secret is never stored).
    TokenId;
    /// One inventory document as sent by an agent; makes an upload idempotent.
    DocumentId;
    /// An open or settled question about identity.
    ConflictId;
    /// A person who signs in.
    UserId;
    /// A signed-in browser session.
    SessionId;
    /// A token for the API, belonging to a person.
    ApiTokenId;
    /// An answer that somebody kept as it was.
    FrozenAnswerId;
    /// A saved view: a filter with columns and order, by name.
    ViewId;
}
