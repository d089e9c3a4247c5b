//! People: who signs in, what they may do, and how a request proves whose it is. The API and the web UI both ask here.
//!
//! A request is somebody's by one of three proofs: the session cookie of a signed-in browser, an API token in
//! `Authorization: Bearer rollcallapi_…`, or, from the collector's own host, the console token (see [`console`]).
//! Secrets are random, 32 bytes; only their BLAKE3 hashes are stored, and look-ups are by hash, so that no
//! comparison tells how much of a guess was right.

pub mod console;
mod password;
mod refusal;
mod request;
mod secret;
mod session;
mod throttle;

pub use password::{MAX_BYTES as MAX_PASSWORD_BYTES, MIN_CHARACTERS as MIN_PASSWORD_CHARACTERS, PasswordError, Passwords, check_strength};
pub use refusal::Refusal;
pub use request::{API_TOKEN_PREFIX, CSRF_HEADER, client_address};
use rollcall_core::Source;
use rollcall_shared::{ApiTokenId, UserId};
pub use secret::Secret;
pub use session::{SESSION_LIFETIME_MS, SignInError, SignedIn, sign_in, sign_out};
pub use throttle::Throttle;

use crate::store::Role;

/// What signing in needs besides the store; one for the running collector.
pub struct Auth {
    /// Hashes and checks passwords, a few at a time.
    pub passwords: Passwords,
    /// Slows down guessing.
    pub throttle: Throttle,
    /// Whether browsers reach the collector over TLS only; the session cookie is then bound to it.
    pub secure_cookies: bool,
    /// BLAKE3 of the console token; absent where there is none (in tests).
    pub console: Option<[u8; 32]>,
}

impl Auth {
    /// Nobody signed in, nobody throttled.
    pub fn new(secure_cookies: bool, console: Option<[u8; 32]>) -> Self {
        Self { passwords: Passwords::default(), throttle: Throttle::default(), secure_cookies, console }
    }
}

/// Who a request is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// For a person the sign-in name, for an API token `OWNER/TOKEN`, and `console`.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// By which proof.
    pub via: Via,
}

/// How a request proved whose it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Via {
    /// A browser's session.
    Session {
        /// The person.
        user: UserId,
        /// What forms must carry, see [`Actor::csrf_holds`].
        csrf: String,
        /// The session, by its secret's hash.
        secret_hash: [u8; 32],
    },
    /// An API token.
    ApiToken {
        /// Its owner.
        user: UserId,
        /// The token.
        token: ApiTokenId,
    },
    /// Somebody who can read the console token on the collector's own host.
    LocalConsole,
}

impl std::fmt::Debug for Via {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Via {
    /// The name in data and API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Session { .. } => "session",
            Self::ApiToken { .. } => "api_token",
            Self::LocalConsole => "console",
        }
    }
}

impl Actor {
    /// As the audit log names them: `user:NAME`, `api:OWNER/TOKEN`, `console`.
    pub fn audit_name(&self) -> String {
        match self.via {
            Via::Session { .. } => format!("user:{}", self.name),
            Via::ApiToken { .. } => format!("api:{}", self.name),
            Via::LocalConsole => "console".to_owned(),
        }
    }

    /// As the source of what they claim.
    pub fn source(&self) -> Source {
        match self.via {
            Via::ApiToken { .. } => Source::Api(self.name.clone()),
            Via::Session { .. } | Via::LocalConsole => Source::User(self.name.clone()),
        }
    }

    /// The person, unless it is the console.
    pub fn user(&self) -> Option<UserId> {
        match self.via {
            Via::Session { user, .. } | Via::ApiToken { user, .. } => Some(user),
            Via::LocalConsole => None,
        }
    }

    /// Whether they may do what `role` may.
    pub fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Refuses who may not do what `role` may.
    ///
    /// # Errors
    /// 403, with the role that it takes.
    pub fn require(&self, role: Role) -> Result<(), Refusal> {
        if self.may(role) {
            return Ok(());
        }
        Err(Refusal::forbidden(format!("this takes the role {}, {} has the role {}", role.as_str(), self.name, self.role.as_str())))
    }

    /// What this session's forms must carry; `None` where no browser acts by itself (API tokens, console).
    pub fn csrf(&self) -> Option<&str> {
        match &self.via {
            Via::Session { csrf, .. } => Some(csrf),
            _ => None,
        }
    }

    /// Whether a write comes from our own page: what the form carried is what its session was given. Always so where no
    /// browser adds the proof by itself.
    pub fn csrf_holds(&self, carried: Option<&str>) -> bool {
        match (self.csrf(), carried) {
            (None, _) => true,
            (Some(_), None) => false,
            // Hashes are compared in constant time.
            (Some(expected), Some(carried)) => blake3::hash(expected.as_bytes()) == blake3::hash(carried.as_bytes()),
        }
    }
}

/// Names that are no person's, because the audit log uses them.
pub const RESERVED_NAMES: [&str; 3] = ["console", "collector", "agent"];

/// Why a sign-in name cannot be used; `None` if it can: 1 to 64 letters, digits and `._@-`, in lower case.
pub fn name_problem(name: &str) -> Option<&'static str> {
    if RESERVED_NAMES.contains(&name) {
        return Some("this name is the collector's own; choose another");
    }
    let allowed = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "._@-".contains(character);
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Some("a sign-in name has 1 to 64 characters: a to z, 0 to 9, and . _ @ -");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(csrf: &str) -> Actor {
        Actor {
            name: "ada".into(),
            role: Role::AssetManager,
            via: Via::Session { user: UserId(uuid::Uuid::nil()), csrf: csrf.into(), secret_hash: [0; 32] },
        }
    }

    #[test]
    fn a_role_includes_those_below_it() {
        let manager = session("x");
        for (role, allowed) in [(Role::Viewer, true), (Role::ChangeReviewer, true), (Role::AssetManager, true), (Role::Admin, false)] {
            assert_eq!(manager.require(role).is_ok(), allowed, "{role:?}");
        }
    }

    #[test]
    fn a_browsers_write_must_carry_its_sessions_secret() {
        let actor = session("right");
        for (carried, holds) in [(Some("right"), true), (Some("wrong"), false), (Some(""), false), (None, false)] {
            assert_eq!(actor.csrf_holds(carried), holds, "{carried:?}");
        }
        assert!(Actor { via: Via::LocalConsole, ..actor }.csrf_holds(None));
    }

    #[test]
    fn names_that_mislead_are_refused() {
        for (name, good) in
            [("ada", true), ("ada.l@example.org", true), ("", false), ("console", false), ("Ada", false), ("ada\n", false), ("аda", false)]
        {
            assert_eq!(name_problem(name).is_none(), good, "{name:?}");
        }
        assert!(name_problem(&"a".repeat(65)).is_some());
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", session("sesame")).contains("sesame"));
    }
}
