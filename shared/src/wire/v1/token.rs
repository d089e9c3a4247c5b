//! The enrollment token: one string that says where to join, whom to trust there, and proves the right to join.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::id::TokenId;

const PREFIX: &str = "rollcall1_";

/// What an enrollment token says. Its text form is `rollcall1_` and base64url of JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentToken {
    /// The public half, by which the collector finds the token.
    #[serde(rename = "i")]
    pub id: TokenId,
    /// The secret half: 32 random bytes as base64url. The collector stores its hash only.
    #[serde(rename = "s")]
    pub secret: String,
    /// SHA-256 of the root certificate's SubjectPublicKeyInfo, base64url. Authenticates the first contact.
    #[serde(rename = "p")]
    pub root_pin: String,
    /// Where the agents' listener is, in order of preference; `https` each.
    #[serde(rename = "u")]
    pub urls: Vec<Url>,
}

/// The text is not an enrollment token. The text itself is never quoted: it is a secret.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It does not begin as a token does.
    #[error("an enrollment token begins with {PREFIX}; copy it whole, on one line")]
    Prefix,
    /// It begins as a token does, and then is damaged.
    #[error("the enrollment token is damaged or cut short; copy it again, whole, on one line")]
    Damaged,
    /// It names no collector, or one without TLS.
    #[error("the enrollment token names no https collector address")]
    Urls,
}

impl EnrollmentToken {
    /// Reads the text form; white space around it is ignored.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let json = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Damaged)?;
        let token: Self = serde_json::from_slice(&json).map_err(|_| TokenError::Damaged)?;
        let is_hash = URL_SAFE_NO_PAD.decode(&token.root_pin).is_ok_and(|hash| hash.len() == 32);
        if !is_hash || token.secret.is_empty() {
            return Err(TokenError::Damaged);
        }
        if token.urls.is_empty() || token.urls.iter().any(|url| url.scheme() != "https") {
            return Err(TokenError::Urls);
        }
        Ok(token)
    }

    /// The text form. It is a secret.
    pub fn to_text(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
    }
}

impl fmt::Debug for EnrollmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrollmentToken").field("id", &self.id).field("urls", &self.urls).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn token() -> EnrollmentToken {
        EnrollmentToken {
            id: TokenId(Uuid::nil()),
            secret: "c2VjcmV0".into(),
            root_pin: URL_SAFE_NO_PAD.encode([7; 32]),
            urls: vec!["https://collector.example:8444/".parse().unwrap()],
        }
    }

    #[test]
    fn text_round_trips() {
        assert_eq!(EnrollmentToken::parse(&format!("  {}\n", token().to_text())).unwrap(), token());
    }

    #[test]
    fn damage_is_told_without_quoting_the_secret() {
        let text = token().to_text();
        assert!(matches!(EnrollmentToken::parse(&text[..text.len() - 9]), Err(TokenError::Damaged)));
        assert!(matches!(EnrollmentToken::parse("hello"), Err(TokenError::Prefix)));
        let plain = EnrollmentToken { urls: vec!["http://collector.example/".parse().unwrap()], ..token() };
        assert!(matches!(EnrollmentToken::parse(&plain.to_text()), Err(TokenError::Urls)));
        assert!(!format!("{:?}", token()).contains("c2VjcmV0"));
    }
}
