use rollcall_shared::{ApiTokenId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{At, Decode, Row, StoreError, hash_text, time};
use crate::store::{ApiTokenRecord, Role, SessionRecord, UserRecord};

/// `person`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct PersonRow {
    id: Uuid,
    name: String,
    password_hash: String,
    role: String,
    disabled: u8,
    created_at: i64,
}

impl Row for PersonRow {
    const TABLE: &'static str = "person";
}

impl From<&UserRecord> for PersonRow {
    fn from(user: &UserRecord) -> Self {
        Self {
            id: user.id.0,
            name: user.name.clone(),
            password_hash: user.password_hash.clone(),
            role: user.role.as_str().into(),
            disabled: user.disabled.into(),
            created_at: user.created_at.as_millis(),
        }
    }
}

impl Decode for PersonRow {
    type Record = UserRecord;
    fn decode(self) -> Result<UserRecord, StoreError> {
        Ok(UserRecord {
            id: UserId(self.id),
            role: At::row::<Self>(&self.id).word("role", &self.role, Role::parse)?,
            name: self.name,
            password_hash: self.password_hash,
            disabled: self.disabled != 0,
            created_at: time(self.created_at),
        })
    }
}

/// `session`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct SessionRow {
    secret_hash: String,
    person: Uuid,
    csrf: String,
    created_at: i64,
    expires_at: i64,
}

impl Row for SessionRow {
    const TABLE: &'static str = "session";
}

impl From<&SessionRecord> for SessionRow {
    fn from(session: &SessionRecord) -> Self {
        Self {
            secret_hash: hash_text(&session.secret_hash),
            person: session.user.0,
            csrf: session.csrf.clone(),
            created_at: session.created_at.as_millis(),
            expires_at: session.expires_at.as_millis(),
        }
    }
}

impl Decode for SessionRow {
    type Record = SessionRecord;
    fn decode(self) -> Result<SessionRecord, StoreError> {
        Ok(SessionRecord {
            secret_hash: At::row::<Self>(&"(secret)").hash("secret_hash", &self.secret_hash)?,
            user: UserId(self.person),
            csrf: self.csrf,
            created_at: time(self.created_at),
            expires_at: time(self.expires_at),
        })
    }
}

/// `api_token`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct ApiTokenRow {
    id: Uuid,
    secret_hash: String,
    name: String,
    person: Uuid,
    role: String,
    realm: String,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
}

impl Row for ApiTokenRow {
    const TABLE: &'static str = "api_token";
}

impl From<&ApiTokenRecord> for ApiTokenRow {
    fn from(token: &ApiTokenRecord) -> Self {
        Self {
            id: token.id.0,
            secret_hash: hash_text(&token.secret_hash),
            name: token.name.clone(),
            person: token.user.0,
            role: token.role.as_str().into(),
            realm: token.realm.clone(),
            created_at: token.created_at.as_millis(),
            expires_at: token.expires_at.as_millis(),
            revoked_at: token.revoked_at.map(Timestamp::as_millis),
        }
    }
}

impl Decode for ApiTokenRow {
    type Record = ApiTokenRecord;
    fn decode(self) -> Result<ApiTokenRecord, StoreError> {
        let at = At::row::<Self>(&self.id);
        Ok(ApiTokenRecord {
            id: ApiTokenId(self.id),
            secret_hash: at.hash("secret_hash", &self.secret_hash)?,
            user: UserId(self.person),
            role: at.word("role", &self.role, Role::parse)?,
            created_at: time(self.created_at),
            expires_at: time(self.expires_at),
            revoked_at: self.revoked_at.map(time),
            name: self.name,
            realm: self.realm,
        })
    }
}
