//! Things to put into a store.

use std::collections::BTreeMap;

use rollcall::store::{AgentRecord, AttributedChange, AuditEntry, Batch, EnrollAttempt, EnrollOutcome, SharedStore, TokenRecord};
use rollcall_core::{
    Attribute, Change, Ci, Claim, Evidence, IdentityKey, IdentityKeyKind, Judge, Judgement, Lifecycle, Method, MinUp, NeedGroup, Pattern,
    Purpose, Put, Relationship, SmallSet, SoftwareEntry, Source, Standing, Suggestion,
};
use rollcall_shared::{CiId, NeedGroupId, RelationshipId, Timestamp, TokenId, catalogue::Hardness};
use serde_json::json;
use uuid::Uuid;

/// Text that breaks what does not quote.
pub const HOSTILE: &str = "'; DROP TABLE ci_version; --\" \\ \\u0000 {\"a\":1} $1 ?1 %s \r\n\t \u{202e}ünï 🦀 \u{7f}";

/// An instant, in milliseconds after one that is far enough from zero.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

/// The n-th id of a kind.
pub fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n))
}

/// A machine, first version.
pub fn ci(n: u128, from: Timestamp) -> Ci {
    let claim = |value: serde_json::Value, source| Claim { value, source, since: from, confirmed: from, pinned: false };
    let pinned = Claim { value: json!(HOSTILE), source: Source::User("ada:x".into()), since: from, confirmed: from, pinned: true };
    Ci {
        id: id(n),
        class: "server".into(),
        name: format!("srv{n} {HOSTILE}"),
        lifecycle: Lifecycle::Active,
        stage: rollcall_core::Stage::InUse,
        sighting: None,
        attributes: BTreeMap::from([
            ("serial".into(), Attribute::from_claims([claim(json!(format!("SN{n}")), Source::Agent), pinned]).unwrap()),
            ("memory_bytes".into(), Attribute::from_claims([claim(json!(u64::MAX), Source::Agent)]).unwrap()),
            (HOSTILE.into(), Attribute::from_claims([claim(json!([1, {"a": HOSTILE}, 1.5, true]), Source::Import("x".into()))]).unwrap()),
        ]),
        keys: vec![
            IdentityKey { kind: IdentityKeyKind::Mac, value: format!("02:00:00:00:00:{n:02x}") },
            IdentityKey { kind: IdentityKeyKind::External, value: HOSTILE.into() },
        ],
        agent: Some(id(n)),
        merged_into: None,
        first_seen: from,
        valid_from: from,
        version: 1,
    }
}

/// The next version of a CI, under another name.
pub fn renamed(ci: &Ci, name: &str, from: Timestamp) -> Ci {
    Ci { name: name.into(), valid_from: from, version: ci.version + 1, ..ci.clone() }
}

/// A relationship, first version.
pub fn relationship(n: u128, from_ci: CiId, to_ci: CiId, from: Timestamp) -> Relationship {
    Relationship {
        id: id::<RelationshipId>(n),
        kind: "connects_to".into(),
        from: from_ci,
        to: to_ci,
        hardness: n.is_multiple_of(2).then_some(Hardness::Soft),
        judgement: n.is_multiple_of(2).then(|| Judgement {
            purpose: Purpose::Directory,
            by: Judge::Person(Source::User("ada".into())),
            reason: HOSTILE.into(),
        }),
        lifecycle: Lifecycle::Active,
        evidence: vec![
            Evidence {
                method: Method::Connection,
                agent: Some(id(n)),
                source: Source::Agent,
                detail: HOSTILE.into(),
                endpoints: ["tcp 10.0.0.7:5432", "udp [2001:db8::1]:53"].map(|it| it.parse().unwrap()).into_iter().collect(),
                samples_seen: u64::MAX,
                samples_total: 12,
                first_seen: from,
                last_seen: from.plus_millis(5),
                longest_silence_ms: 86_400_000,
            },
            Evidence {
                method: Method::Declared,
                agent: None,
                source: Source::Api("deploy".into()),
                detail: String::new(),
                endpoints: SmallSet::new(),
                samples_seen: 0,
                samples_total: 0,
                first_seen: from,
                last_seen: from,
                longest_silence_ms: 0,
            },
        ],
        first_seen: from,
        valid_from: from,
        version: 1,
    }
}

/// A need group, first version.
pub fn need_group(n: u128, ci: CiId, members: &[CiId], from: Timestamp) -> NeedGroup {
    NeedGroup {
        id: id::<NeedGroupId>(n),
        ci,
        name: HOSTILE.into(),
        members: members.to_vec(),
        min_up: if n.is_multiple_of(2) { MinUp::Count(u32::MAX) } else { MinUp::Percent(50) },
        hardness: Hardness::Hard,
        lifecycle: Lifecycle::Active,
        standing: Standing::Accepted,
        suggestion: n.is_multiple_of(2).then(|| Suggestion { pattern: Pattern::Replicas, evidence: vec![HOSTILE.into()] }),
        source: Source::User("ada".into()),
        valid_from: from,
        version: 1,
    }
}

/// A piece of software.
pub fn software(n: u128) -> SoftwareEntry {
    let publisher = if n.is_multiple_of(2) { String::new() } else { HOSTILE.into() };
    SoftwareEntry { kind: "deb".into(), name: format!("lib{n}"), version: "1.0-1".into(), architecture: "amd64".into(), publisher }
}

/// Software of a machine.
pub fn installed(ci: CiId, entries: impl IntoIterator<Item = u128>) -> Put {
    Put::Software { ci, software: entries.into_iter().map(software).collect() }
}

/// A batch of puts.
pub fn batch(at: Timestamp, puts: impl IntoIterator<Item = Put>) -> Batch {
    let change = |put| AttributedChange {
        actor: "user:ada".into(),
        change: Change { put, reason: format!("because {HOSTILE}"), differs: vec!["attributes.kernel".into(), HOSTILE.into()] },
    };
    Batch { at, changes: puts.into_iter().map(change).collect(), ..Batch::default() }
}

/// An audit entry.
pub fn audit(action: &str) -> AuditEntry {
    AuditEntry { at: at(1), actor: "user:ada".into(), action: action.into(), subject: HOSTILE.into(), detail: HOSTILE.into() }
}

/// A token that never ends and needs no approval.
pub fn token(n: u128, max_uses: Option<u32>) -> TokenRecord {
    TokenRecord {
        id: id::<TokenId>(n),
        secret_hash: [n as u8; 32],
        name: HOSTILE.into(),
        max_uses,
        uses: 0,
        expires_at: at(1_000_000_000),
        revoked_at: None,
        needs_approval: false,
        realm: "default".into(),
        assigned: BTreeMap::from([("owner".into(), json!(HOSTILE)), ("tags".into(), json!(["a"]))]),
        created_by: "user:ada".into(),
        created_at: at(n as i64),
    }
}

/// A try to enroll the n-th agent with a token.
pub fn attempt(n: u128, token: &TokenRecord) -> EnrollAttempt {
    EnrollAttempt {
        token: token.id,
        secret_hash: token.secret_hash,
        nonce: id(n),
        public_key: n.to_be_bytes().to_vec(),
        new_agent: id(n),
        hostname: HOSTILE.into(),
        agent_version: "0.1.0".into(),
        identity: json!({"hostname": HOSTILE}),
        at: at(10),
    }
}

/// Enrolls the n-th agent, with its own token.
pub async fn enrolled(store: &SharedStore, n: u128) -> AgentRecord {
    let token = token(n, None);
    store.create_token(&token, &audit("token.create")).await.unwrap();
    match store.enroll(&attempt(n, &token)).await.unwrap() {
        EnrollOutcome::Created(agent) => agent,
        other => panic!("{other:?}"),
    }
}
