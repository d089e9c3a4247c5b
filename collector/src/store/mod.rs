//! The store: the truth, durable. One trait of few whole operations, two implementations, one contract suite.
//!
//! Times are UTC milliseconds, ids UUIDs. Every operation is one transaction; nothing is half-applied.

mod catalogue;
mod codec;
mod columns;
mod difference;
mod installed;
mod open;
mod plan;
mod postgres;
mod requests;
mod sqlite;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use rollcall_core::{Change, Estate, Put, Revision, SoftwareEntry};
use rollcall_shared::{
    AgentId, ApiTokenId, CiId, Digest, DocumentId, FrozenAnswerId, Timestamp, TokenId, UserId, ViewId,
    wire::v1::{Exchange, SectionStatus},
};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

pub use self::{
    difference::{Cut, Differing, DifferingPage, Kept, Thinned},
    open::open,
    requests::{KeyedAnswer, KeyedRequest, SeenRequest},
};

/// A store that the handlers, the writer and the jobs share.
pub type SharedStore = Arc<dyn Store>;

/// Durable state. All methods can fail with [`StoreError`]; "not there" is `None` or `false`, never an error.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // --- The installation ---

    /// Makes `pin` (of the root certificate) this installation's, if it has none yet; returns the one that stands.
    async fn claim_root_pin(&self, pin: &str) -> Result<String, StoreError>;

    /// Answers only if the database answers; for readiness.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Writes a consistent copy of the whole database to a new file, while serving.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] where the database has its own tool for that, which the message names.
    async fn backup(&self, to: &Path) -> Result<(), StoreError>;

    // --- The estate ---

    /// The whole current state: every CI (retired ones too), every live relationship and need group, every conflict that is
    /// open or keeps two CIs apart, and every software set and agent binding.
    async fn load(&self) -> Result<Snapshot, StoreError>;

    /// The state as of a past instant: what was valid then, by the collector's clock. Conflicts are not part of it.
    async fn load_as_of(&self, at: Timestamp) -> Result<Snapshot, StoreError>;

    /// Commits a batch planned from `base`: closes the versions it replaces, inserts the new ones, and records documents,
    /// inventories, events and audit entries, all in one durable transaction. Returns the new revision, `base + 1`.
    ///
    /// Of several versions of one thing that begin at the same instant only the last is kept (each has its event). A
    /// document whose id is stored already stays as it is. U+0000 in texts, which the wire refuses, becomes U+FFFD.
    ///
    /// # Errors
    /// [`StoreError::Behind`] if the store has moved past `base`; nothing was written.
    async fn commit(&self, base: Revision, batch: &Batch) -> Result<Revision, StoreError>;

    /// Everything that commits after `after` put, newest version only, for a collector to catch up; what was retired or
    /// settled is among it. Without `last_seen`, see [`Store::heard_since`].
    async fn puts_since(&self, after: Revision) -> Result<Snapshot, StoreError>;

    /// The agents last heard at `since` or later, and when: check-ins without a change make no revision, so a collector
    /// that shares its store asks now and then. One scan of a narrow table.
    async fn heard_since(&self, since: Timestamp) -> Result<Vec<(AgentId, Timestamp)>, StoreError>;

    /// Tells of new revisions, whoever committed them (with PostgreSQL: through NOTIFY).
    fn revisions(&self) -> watch::Receiver<Revision>;

    // --- History ---

    /// Every version of a CI, newest first.
    async fn ci_history(&self, ci: CiId, limit: u32) -> Result<Vec<CiVersion>, StoreError>;

    /// The change feed: events with a cursor above `after`, oldest first.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// Events about one CI (itself, its relationships, its software), newest first.
    async fn events_of(&self, ci: CiId, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// What has another version at `to` than at `from`, by id from after `after`, at most `limit` things. Set-based, over what was replaced or
    /// came in between only; what changed and changed back has two versions and is among it.
    async fn differing(&self, kind: Kept, from: Timestamp, to: Timestamp, after: Uuid, limit: u32) -> Result<DifferingPage, StoreError>;

    /// The cursor of the last entry of the change feed that retention has removed; 0 if it is whole.
    async fn events_removed(&self) -> Result<u64, StoreError>;

    /// Removes what is older than it need be kept. What stands now is never touched.
    async fn thin(&self, cut: &Cut) -> Result<Thinned, StoreError>;

    // --- Inventory ---

    /// What is known of these agents' inventories and exchanges; unknown agents are left out.
    async fn inventories(&self, agents: &[AgentId]) -> Result<Vec<Inventory>, StoreError>;

    /// A document as received (zstd-compressed JSON).
    async fn document(&self, id: DocumentId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Of these documents, those that are stored.
    async fn known_documents(&self, ids: &[DocumentId]) -> Result<Vec<DocumentId>, StoreError>;

    /// Unchanged check-ins, many at once in one statement: for each whose agent is active with exactly this certificate
    /// generation and root digest and whose counter is the next one, notes time, counter and nonce. Returns for each, in
    /// order, whether it matched; the others changed nothing and take the careful path.
    async fn note_unchanged(&self, check_ins: &[UnchangedCheckIn]) -> Result<Vec<bool>, StoreError>;

    /// Notes an exchange of one agent if its last counter is still `expected_counter`.
    async fn note_exchange(&self, agent: AgentId, expected_counter: u64, exchange: Exchange, at: Timestamp) -> Result<bool, StoreError>;

    /// Deletes documents received before `before` that no current section stands in. Returns how many.
    async fn prune_documents(&self, before: Timestamp) -> Result<u64, StoreError>;

    // --- Writes with a key ---

    /// Notes that a write with a key has begun, unless this actor's key is known; in one step.
    async fn begin_request(&self, request: &KeyedRequest) -> Result<SeenRequest, StoreError>;

    /// Keeps the answer of a write with a key.
    async fn finish_request(&self, actor: &str, key: &str, answer: &KeyedAnswer) -> Result<(), StoreError>;

    /// Forgets a key whose write was refused; one with an answer stays.
    async fn forget_request(&self, actor: &str, key: &str) -> Result<(), StoreError>;

    /// Forgets keys of before then; how many.
    async fn prune_requests(&self, before: Timestamp) -> Result<u64, StoreError>;

    // --- Enrollment ---

    /// Stores a new enrollment token.
    async fn create_token(&self, token: &TokenRecord, audit: &AuditEntry) -> Result<(), StoreError>;

    /// All enrollment tokens, newest first.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError>;

    /// Revokes an enrollment token; `false` if there is none.
    async fn revoke_token(&self, id: TokenId, at: Timestamp, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// One try to enroll: finds the earlier try with the same nonce and key, or takes one use of the token by one atomic
    /// statement and creates the agent (active, or pending if the token wants approval).
    async fn enroll(&self, attempt: &EnrollAttempt) -> Result<EnrollOutcome, StoreError>;

    /// An agent.
    async fn agent(&self, id: AgentId) -> Result<Option<AgentRecord>, StoreError>;

    /// All agents, newest first.
    async fn agents(&self) -> Result<Vec<AgentRecord>, StoreError>;

    /// Sets an agent's state with its reason; `false` if there is none.
    async fn set_agent_state(&self, id: AgentId, state: AgentState, reason: &str, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Records a newly issued certificate if the newest generation is still `expected_generation`; `false` if not.
    async fn record_certificate(&self, id: AgentId, expected_generation: u64, certificate: &IssuedCertificate) -> Result<bool, StoreError>;

    /// Notes that a certificate generation was used: it becomes the one that check-ins must carry. If it is
    /// newer than the newest issued one (the store was restored from a backup), raises that too.
    async fn confirm_generation(&self, id: AgentId, generation: u64) -> Result<(), StoreError>;

    /// After a person has settled which copy of an agent goes on: forgets counter and nonce so that the next exchange is accepted.
    async fn reset_exchange(&self, id: AgentId) -> Result<(), StoreError>;

    // --- Imports ---

    /// Stores a new import.
    async fn create_import(&self, job: &ImportRecord) -> Result<(), StoreError>;

    /// An import.
    async fn import(&self, id: ImportId) -> Result<Option<ImportRecord>, StoreError>;

    /// Imports, newest first.
    async fn imports(&self, limit: u32) -> Result<Vec<ImportRecord>, StoreError>;

    /// Replaces an import if it is as it was when it was read: in the state `from`, last updated at `updated_at`. If it becomes
    /// `applying` or `undoing`, only if no other import is, or none that was updated since `stale_before`. Returns whether it was.
    async fn advance_import(
        &self,
        job: &ImportRecord,
        from: ImportState,
        updated_at: Timestamp,
        stale_before: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Stores a part of an import's rows, without or with what comes of them.
    async fn put_import_part(&self, id: ImportId, number: u32, part: &ImportPart) -> Result<(), StoreError>;

    /// A part of an import's rows.
    async fn import_part(&self, id: ImportId, number: u32) -> Result<Option<ImportPart>, StoreError>;

    /// Deletes imports that were last updated before `before` and are not being worked on, with their rows. Returns how many.
    async fn prune_imports(&self, before: Timestamp) -> Result<u64, StoreError>;

    // --- People ---

    /// Creates a person; `false` if the name is taken.
    async fn create_user(&self, user: &UserRecord, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// The person of that sign-in name.
    async fn user_by_name(&self, name: &str) -> Result<Option<UserRecord>, StoreError>;

    /// The person of that id.
    async fn user(&self, id: UserId) -> Result<Option<UserRecord>, StoreError>;

    /// Everybody, by name.
    async fn users(&self) -> Result<Vec<UserRecord>, StoreError>;

    /// Replaces a person's password hash, role and whether they may sign in, and ends their sessions if `end_sessions`.
    async fn update_user(&self, user: &UserRecord, end_sessions: bool, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Stores a browser session.
    async fn create_session(&self, session: &SessionRecord) -> Result<(), StoreError>;

    /// The session with that secret's hash, unless it has expired at `now`.
    async fn session(&self, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<SessionRecord>, StoreError>;

    /// Ends a session.
    async fn end_session(&self, secret_hash: &[u8; 32]) -> Result<(), StoreError>;

    /// Stores an API token.
    async fn create_api_token(&self, token: &ApiTokenRecord, audit: &AuditEntry) -> Result<(), StoreError>;

    /// The API token with that secret's hash, unless it is revoked or has expired at `now`.
    async fn api_token(&self, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<ApiTokenRecord>, StoreError>;

    /// All API tokens, newest first.
    async fn api_tokens(&self) -> Result<Vec<ApiTokenRecord>, StoreError>;

    /// Revokes an API token; `false` if there is none.
    async fn revoke_api_token(&self, id: ApiTokenId, at: Timestamp, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Makes or replaces a saved view (its owner stays); `false` if its owner has another of that name.
    async fn save_view(&self, view: &ViewRecord, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Everybody's saved views, by name.
    async fn views(&self) -> Result<Vec<ViewRecord>, StoreError>;

    /// Deletes a saved view; `false` if there is none.
    async fn delete_view(&self, id: ViewId, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Adds to the audit log what has no transaction of its own.
    async fn audit(&self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// The audit log, newest first, entries with a number below `before` (all if absent).
    async fn audit_log(&self, before: Option<u64>, limit: u32) -> Result<Vec<(u64, AuditEntry)>, StoreError>;

    // --- Answers that people keep ---

    /// Keeps an answer as it is.
    async fn freeze_answer(&self, answer: &FrozenAnswer, body: &[u8], audit: &AuditEntry) -> Result<(), StoreError>;

    /// The answers that are kept, newest first.
    async fn frozen_answers(&self, limit: u32) -> Result<Vec<FrozenAnswer>, StoreError>;

    /// One of them, with its body.
    async fn frozen_answer(&self, id: FrozenAnswerId) -> Result<Option<(FrozenAnswer, Vec<u8>)>, StoreError>;

    /// Deletes one of them; `false` if there is none.
    async fn delete_frozen_answer(&self, id: FrozenAnswerId, audit: &AuditEntry) -> Result<bool, StoreError>;
}

/// An answer that somebody kept, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenAnswer {
    /// Its id.
    pub id: FrozenAnswerId,
    /// When it was kept.
    pub at: Timestamp,
    /// By whom, as in the audit log.
    pub actor: String,
    /// What for.
    pub reason: String,
    /// The revision of the estate that it was worked out on; absent for a past instant.
    pub revision: Option<u64>,
    /// The answer in a sentence.
    pub verdict: String,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another collector committed first; catch up to this revision and plan again.
    #[error("the store is at revision {}, ahead of the one this change was planned from", .0.0)]
    Behind(Revision),
    /// This database does that with its own tool.
    #[error("{0}")]
    Unsupported(String),
    /// A row does not hold what this version of Rollcall writes.
    #[error("table {table}, row {id}, column {column}: {problem}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: String,
        /// The column.
        column: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The database was made by a newer Rollcall.
    #[error("the database is at schema version {found}, this Rollcall knows up to {known}; upgrade Rollcall")]
    TooNew {
        /// Version found.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// The address of the database cannot be used.
    #[error("{0}")]
    Address(String),
    /// A file could not be made or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database failed.
    #[error("database")]
    Database(#[from] sqlx::Error),
}

/// A state or a part of it, as puts in an order in which they can be applied.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The revision it is of.
    pub revision: Revision,
    /// What stands. Of a whole state, the software is in `software`.
    pub puts: Vec<Put>,
    /// All software of all machines: millions of pieces, each entry once.
    pub software: InstalledSoftware,
    /// When each agent was last heard (empty for a past instant and for a part of a state).
    pub last_seen: Vec<(AgentId, Timestamp)>,
}

/// The software of many machines.
#[derive(Clone, Debug, Default)]
pub struct InstalledSoftware {
    /// Every piece of software that one of them has.
    pub catalogue: Vec<SoftwareEntry>,
    /// Positions in `catalogue`, ascending, by machine.
    pub installed: Vec<(CiId, Vec<u32>)>,
}

impl Snapshot {
    /// Applies it to an estate: the empty one for a whole state, the one that stood before for a part.
    pub fn apply_to(&self, estate: &mut Estate) {
        for put in &self.puts {
            estate.put(put);
        }
        let installed = self.software.installed.iter().map(|(ci, positions)| (*ci, positions.as_slice()));
        estate.put_software(&self.software.catalogue, installed);
        for (agent, at) in &self.last_seen {
            estate.heard(*agent, *at);
        }
        estate.committed(self.revision);
    }
}

/// What one commit writes.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The collector's clock: `valid_from` of the new versions and time of the events.
    pub at: Timestamp,
    /// The new versions, with reasons. Several of one thing in a batch: each replaces the one before.
    pub changes: Vec<AttributedChange>,
    /// Documents, as received.
    pub documents: Vec<DocumentRecord>,
    /// What is now known of the inventories of the documents' agents.
    pub inventories: Vec<Inventory>,
    /// Audit entries.
    pub audit: Vec<AuditEntry>,
}

/// A change and who made it: `agent`, `user:NAME`, `api:NAME`, `collector`.
#[derive(Clone, Debug)]
pub struct AttributedChange {
    /// Who.
    pub actor: String,
    /// What.
    pub change: Change,
}

/// A document as received.
#[derive(Clone, Debug)]
pub struct DocumentRecord {
    /// Its id.
    pub id: DocumentId,
    /// Who sent it, by certificate.
    pub agent: AgentId,
    /// The collector's clock.
    pub received_at: Timestamp,
    /// zstd-compressed JSON.
    pub body: Vec<u8>,
}

/// What the collector knows of one agent's inventory and exchanges.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    /// The agent.
    pub agent: AgentId,
    /// Its last answered exchange; counter 0 before the first.
    pub exchange: Exchange,
    /// [`Digest::root`] over `sections`.
    pub root: Digest,
    /// When it was last heard.
    pub last_seen: Timestamp,
    /// The agent's clock minus the collector's, milliseconds, at the last document or careful check-in.
    pub clock_skew_ms: i64,
    /// The agent's version at the last document.
    pub agent_version: String,
    /// Documents that the agent had to drop since it was enrolled.
    pub dropped_documents: u64,
    /// Inventories that newer ones replaced on the machine before the collector had them, since the agent was enrolled.
    pub superseded_inventories: u64,
    /// Every section it has sent, by name.
    pub sections: BTreeMap<String, SectionRecord>,
}

/// Where the newest state of one section stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionRecord {
    /// Its digest.
    pub digest: Digest,
    /// The document that holds it.
    pub document: DocumentId,
    /// How collecting it went.
    pub status: SectionStatus,
    /// When it was collected, corrected by the skew.
    pub collected_at: Timestamp,
    /// Why its content was not used, if it was refused or is not understood.
    pub refused: Option<String>,
}

/// A check-in that claims that nothing changed.
#[derive(Clone, Copy, Debug)]
pub struct UnchangedCheckIn {
    /// The agent, by certificate.
    pub agent: AgentId,
    /// The certificate's generation.
    pub generation: u64,
    /// Root digest of what it has.
    pub root: Digest,
    /// Counter and nonce.
    pub exchange: Exchange,
    /// The collector's clock.
    pub at: Timestamp,
}

/// A version of a CI, for its history.
#[derive(Clone, Debug)]
pub struct CiVersion {
    /// The version.
    pub ci: rollcall_core::Ci,
    /// When it was replaced; absent for the current one.
    pub valid_to: Option<Timestamp>,
    /// The commit that made it.
    pub revision: Revision,
    /// Who made it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What differs from the version before.
    pub differs: Vec<String>,
}

/// One entry of the change feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Cursor: counts up, never reused.
    pub cursor: u64,
    /// The commit.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// What kind of thing: `ci`, `relationship`, `need_group`, `conflict`, `software`, `agent_binding`.
    pub kind: String,
    /// `created`, `updated`, `retired`.
    pub action: String,
    /// The thing's own id.
    pub subject: Uuid,
    /// The CI it is about (for a relationship: the dependent).
    pub ci: Option<CiId>,
    /// The other CI, for a relationship.
    pub other_ci: Option<CiId>,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What differs from the version before.
    pub differs: Vec<String>,
}

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

/// An enrollment token as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRecord {
    /// The public half.
    pub id: TokenId,
    /// BLAKE3 of the secret half.
    pub secret_hash: [u8; 32],
    /// What people call it.
    pub name: String,
    /// How many enrollments it allows; absent: any number.
    pub max_uses: Option<u32>,
    /// How many it has had.
    pub uses: u32,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whether a person approves each enrollment.
    pub needs_approval: bool,
    /// The network realm its agents report from.
    pub realm: String,
    /// Attributes it gives to its machines (owner, location, tags).
    pub assigned: BTreeMap<String, Value>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl TokenRecord {
    /// Why a use of this token cannot be taken.
    fn why_not(&self, at: Timestamp) -> EnrollOutcome {
        if self.revoked_at.is_some() {
            EnrollOutcome::Revoked
        } else if self.expires_at <= at {
            EnrollOutcome::Expired
        } else {
            EnrollOutcome::UsedUp
        }
    }
}

/// One try to enroll.
#[derive(Clone, Debug)]
pub struct EnrollAttempt {
    /// The token.
    pub token: TokenId,
    /// BLAKE3 of the secret that was sent.
    pub secret_hash: [u8; 32],
    /// Same for every repetition of one enrollment.
    pub nonce: Uuid,
    /// The agent's public key: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// The id to give if this is a new enrollment.
    pub new_agent: AgentId,
    /// What the machine calls itself.
    pub hostname: String,
    /// The agent's version.
    pub agent_version: String,
    /// What the machine says it is: the identity section, for the person who approves.
    pub identity: Value,
    /// The collector's clock.
    pub at: Timestamp,
}

/// What came of a try to enroll.
#[derive(Clone, Debug)]
pub enum EnrollOutcome {
    /// A new agent; one use of the token was taken.
    Created(AgentRecord),
    /// The same try as before; nothing was taken.
    Known(AgentRecord),
    /// No such token, or the secret is wrong: the two are not told apart.
    UnknownToken,
    /// The token has expired.
    Expired,
    /// The token was revoked.
    Revoked,
    /// All uses are taken.
    UsedUp,
}

/// An agent as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentRecord {
    /// Its id.
    pub id: AgentId,
    /// Whether it may report.
    pub state: AgentState,
    /// Why it is in that state, for people.
    pub state_reason: String,
    /// The token it joined with.
    pub token: TokenId,
    /// The nonce of its enrollment.
    pub enroll_nonce: Uuid,
    /// Its public key: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// The newest certificate issued; absent while pending.
    pub certificate: Option<IssuedCertificate>,
    /// The certificate generation last used; 0 before the first use.
    pub used_generation: u64,
    /// What the machine called itself when it enrolled.
    pub hostname: String,
    /// The agent's version when it enrolled.
    pub agent_version: String,
    /// The identity section it enrolled with.
    pub identity: Value,
    /// The network realm it reports from.
    pub realm: String,
    /// Attributes that its token assigned.
    pub assigned: BTreeMap<String, Value>,
    /// When it enrolled.
    pub enrolled_at: Timestamp,
    /// When it was last heard, if ever.
    pub last_seen: Option<Timestamp>,
}

/// A certificate that was issued to an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuedCertificate {
    /// Counts up from 1.
    pub generation: u64,
    /// The request's nonce: the same request gets the same certificate again.
    pub nonce: Uuid,
    /// PEM: the certificate and its issuer.
    pub chain: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
}

/// Whether an agent may report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentState {
    /// Waits for a person's approval.
    Pending,
    /// May report.
    Active,
    /// Copied, rolled back or stolen: waits for a person's decision.
    Held,
    /// May not report any more.
    Revoked,
    /// Was not approved.
    Denied,
}

impl AgentState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Active, Self::Held, Self::Revoked, Self::Denied];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Held => "held",
            Self::Revoked => "revoked",
            Self::Denied => "denied",
        }
    }

    /// The reverse of [`AgentState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

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
