use rollcall_core::{Put, Revision, SoftwareEntry};
use rollcall_shared::{AgentId, CiId, Timestamp};
use sqlx::{Postgres, Transaction};
use tokio::task::{JoinHandle, spawn_blocking};
use uuid::Uuid;

use super::{PostgresStore, Result};
use crate::store::{
    Snapshot, TakePut,
    codec::{self, BindingRow, CiRow, ConflictRow, Decode, DefinitionRow, MergeRow, NeedGroupRow, RelationshipRow, SeenRow, SoftwareRow},
    columns, installed,
};

/// Of how many CIs rows are read with one statement: they come as one value.
const CIS_AT_ONCE: usize = 1_000;

/// A page of rows as one value, with the key of the last. More rows would only take memory: they are not faster.
macro_rules! page {
    ($key:literal, $columns:expr, $from:expr, $order:expr) => {
        concat!(
            "SELECT max(",
            $key,
            "::text COLLATE \"C\"), coalesce(json_agg(json_build_array(",
            $columns,
            ")), '[]')::text FROM (SELECT * FROM ",
            $from,
            " ORDER BY ",
            $order,
            " LIMIT 5000) AS page"
        )
    };
}

/// What stands now of a table with history, from after id $1.
macro_rules! current {
    ($table:literal, $key:literal, $columns:expr, $also:literal) => {
        page!($key, $columns, concat!($table, " WHERE valid_to IS NULL AND ", $key, " > $1::uuid", $also), $key)
    };
}

/// What stood at $2: what stands now and stood then, and what was replaced since. Of two that overlap because the
/// clock went back, the later commit comes last and counts. In the order of the primary key, so that a page reads no more
/// than its own part of the history.
macro_rules! past {
    ($table:literal, $key:literal, $count:literal, $columns:expr, $also:literal) => {
        page!(
            $key,
            $columns,
            concat!(
                "((SELECT * FROM ",
                $table,
                " WHERE valid_to IS NULL AND valid_from <= $2 AND ",
                $key,
                " > $1::uuid",
                $also,
                " ORDER BY ",
                $key,
                ", ",
                $count,
                " LIMIT 5000) UNION ALL (SELECT * FROM ",
                $table,
                " WHERE valid_to > $2 AND valid_from <= $2 AND ",
                $key,
                " > $1::uuid",
                $also,
                " ORDER BY ",
                $key,
                ", ",
                $count,
                " LIMIT 5000)) AS stood"
            ),
            concat!($key, ", ", $count)
        )
    };
}

/// The newest version of what was put after revision $1.
macro_rules! since {
    ($table:literal, $columns:expr) => {
        json_rows!($columns, concat!("FROM ", $table, " WHERE valid_to IS NULL AND revision > $1"))
    };
}

/// The statements that read a whole state, page by page; $2 is the instant, where there is one.
struct Pages {
    definitions: &'static str,
    cis: &'static str,
    relationships: &'static str,
    need_groups: &'static str,
    bindings: &'static str,
    software_sets: &'static str,
}

const CURRENT: Pages = Pages {
    definitions: current!("definition_version", "id", columns::definition!(), " AND lifecycle = 'active'"),
    cis: current!("ci_version", "id", columns::ci!(), ""),
    relationships: current!("relationship_version", "id", columns::relationship!(), " AND lifecycle = 'active'"),
    need_groups: current!("need_group_version", "id", columns::need_group!(), " AND lifecycle = 'active'"),
    bindings: current!("agent_binding", "agent", columns::binding!(), ""),
    software_sets: current!("software_set", "ci", "ci, array_to_json(ids)::text", ""),
};

const PAST: Pages = Pages {
    definitions: past!("definition_version", "id", "version", columns::definition!(), " AND lifecycle = 'active'"),
    cis: past!("ci_version", "id", "version", columns::ci!(), ""),
    relationships: past!("relationship_version", "id", "version", columns::relationship!(), " AND lifecycle = 'active'"),
    need_groups: past!("need_group_version", "id", "version", columns::need_group!(), " AND lifecycle = 'active'"),
    bindings: past!("agent_binding", "agent", "revision", columns::binding!(), ""),
    software_sets: past!("software_set", "ci", "revision", "ci, array_to_json(ids)::text", ""),
};

const STANDING_CONFLICTS: &str = page!("id", columns::conflict!(), "identity_conflict WHERE state <> 'settled' AND id > $1::uuid", "id");
const STANDING_MERGES: &str = page!("absorbed", columns::merge!(), "merge_record WHERE is_undone = 0 AND absorbed > $1::uuid", "absorbed");
const SEEN: &str = page!("agent", "agent, last_seen", "seen WHERE last_seen IS NOT NULL AND agent > $1::uuid", "agent");
const SOFTWARE: &str = json_rows!(columns::software!(), "FROM (SELECT * FROM software WHERE id > $1 ORDER BY id LIMIT 5000) AS page");

/// What stands now of a table with history and is about the CIs $1.
macro_rules! of {
    ($table:literal, $ci:literal, $columns:expr, $also:literal) => {
        json_rows!($columns, concat!("FROM ", $table, " WHERE valid_to IS NULL AND ", $ci, " = ANY($1)", $also))
    };
}

const CIS_OF: &str = of!("ci_version", "id", columns::ci!(), "");
const RELATIONSHIPS_OF: &str = of!("relationship_version", "from_ci", columns::relationship!(), " AND lifecycle = 'active'");
const NEED_GROUPS_OF: &str = of!("need_group_version", "ci", columns::need_group!(), " AND lifecycle = 'active'");

const DEFINITIONS_SINCE: &str = since!("definition_version", columns::definition!());
const CIS_SINCE: &str = since!("ci_version", columns::ci!());
const RELATIONSHIPS_SINCE: &str = since!("relationship_version", columns::relationship!());
const NEED_GROUPS_SINCE: &str = since!("need_group_version", columns::need_group!());
const BINDINGS_SINCE: &str = since!("agent_binding", columns::binding!());
const SOFTWARE_SETS_SINCE: &str = since!("software_set", "ci, array_to_json(ids)::text");
const CONFLICTS_SINCE: &str = json_rows!(columns::conflict!(), "FROM identity_conflict WHERE revision > $1");
const MERGES_SINCE: &str = json_rows!(columns::merge!(), "FROM merge_record WHERE revision > $1");
pub(super) const SOFTWARE_BY_ID: &str = json_rows!(columns::software!(), "FROM software WHERE id = ANY($1)");

impl PostgresStore {
    pub(super) async fn load_current(&self, take: TakePut<'_>) -> Result<Snapshot> {
        let mut reader = self.read_at_one_instant().await?;
        let mut snapshot = reader.state(&CURRENT, None, take).await?;
        reader.puts::<ConflictRow>(STANDING_CONFLICTS, None, take).await?;
        reader.puts::<MergeRow>(STANDING_MERGES, None, take).await?;
        snapshot.last_seen = reader.records::<SeenRow>(SEEN, None).await?;
        self.catalogue.learn_all(&snapshot.software.catalogue);
        Ok(snapshot)
    }

    pub(super) async fn load_past(&self, at: Timestamp) -> Result<Snapshot> {
        let mut puts = Vec::new();
        let snapshot = self.read_at_one_instant().await?.state(&PAST, Some(at.as_millis()), &mut |put| puts.push(put)).await?;
        Ok(Snapshot { puts, ..snapshot })
    }

    pub(super) async fn load_since(&self, after: Revision) -> Result<Snapshot> {
        let mut reader = self.read_at_one_instant().await?;
        let after = codec::count(after.0);
        let mut puts = reader.since::<DefinitionRow>(DEFINITIONS_SINCE, after).await?;
        puts.extend(reader.since::<CiRow>(CIS_SINCE, after).await?);
        puts.extend(reader.since::<RelationshipRow>(RELATIONSHIPS_SINCE, after).await?);
        puts.extend(reader.since::<NeedGroupRow>(NEED_GROUPS_SINCE, after).await?);
        puts.extend(reader.since::<BindingRow>(BINDINGS_SINCE, after).await?);
        puts.extend(reader.since::<ConflictRow>(CONFLICTS_SINCE, after).await?);
        puts.extend(reader.since::<MergeRow>(MERGES_SINCE, after).await?);
        puts.extend(reader.software_since(after).await?);
        Ok(Snapshot { revision: reader.revision, puts, ..Snapshot::default() })
    }

    pub(super) async fn load_some(&self, cis: &[CiId]) -> Result<Snapshot> {
        let mut reader = self.read_at_one_instant().await?;
        let mut puts = reader.records::<DefinitionRow>(CURRENT.definitions, None).await?;
        for some in cis.chunks(CIS_AT_ONCE) {
            puts.extend(reader.of::<CiRow>(CIS_OF, some).await?);
            puts.extend(reader.of::<RelationshipRow>(RELATIONSHIPS_OF, some).await?);
            puts.extend(reader.of::<NeedGroupRow>(NEED_GROUPS_OF, some).await?);
        }
        Ok(Snapshot { revision: reader.revision, puts, ..Snapshot::default() })
    }

    pub(super) async fn agents_heard_since(&self, since: Timestamp) -> Result<Vec<(AgentId, Timestamp)>> {
        const HEARD: &str = json_rows!("agent, last_seen", "FROM seen WHERE last_seen >= $1");
        self.read::<SeenRow>(sqlx::query_scalar(HEARD).bind(since.as_millis())).await
    }

    async fn read_at_one_instant(&self) -> Result<Reader> {
        let mut tx = self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        // The first statement fixes what all later ones see.
        let revision: i64 = sqlx::query_scalar("SELECT revision FROM installation").fetch_one(&mut *tx).await?;
        Ok(Reader { tx, revision: Revision(revision.unsigned_abs()) })
    }
}

/// Reads many rows as of one instant.
struct Reader {
    tx: Transaction<'static, Postgres>,
    revision: Revision,
}

impl Reader {
    async fn state(&mut self, pages: &Pages, at: Option<i64>, take: TakePut<'_>) -> Result<Snapshot> {
        // The catalogue first: what follows is read by it.
        self.puts::<DefinitionRow>(pages.definitions, at, take).await?;
        self.puts::<CiRow>(pages.cis, at, take).await?;
        self.puts::<RelationshipRow>(pages.relationships, at, take).await?;
        self.puts::<NeedGroupRow>(pages.need_groups, at, take).await?;
        self.puts::<BindingRow>(pages.bindings, at, take).await?;
        let mut installed = Vec::new();
        self.pages(pages.software_sets, at, installed::read_sets, |page| installed.extend(page)).await?;
        let software = installed::with_catalogue(installed, self.catalogue().await?)?;
        Ok(Snapshot { revision: self.revision, software, ..Snapshot::default() })
    }

    async fn records<T: Decode>(&mut self, sql: &'static str, at: Option<i64>) -> Result<Vec<T::Record>> {
        let mut all = Vec::new();
        self.pages(sql, at, codec::records::<T>, |page| all.extend(page)).await?;
        Ok(all)
    }

    async fn puts<T: Decode<Record = Put>>(&mut self, sql: &'static str, at: Option<i64>, take: TakePut<'_>) -> Result<()> {
        self.pages(sql, at, codec::records::<T>, |page| page.into_iter().for_each(&mut *take)).await
    }

    /// Reads a table page by page; one page is decoded while the next is fetched.
    async fn pages<R: Send + 'static>(
        &mut self,
        sql: &'static str,
        at: Option<i64>,
        decode: fn(&str) -> Result<Vec<R>>,
        mut take: impl FnMut(Vec<R>) + Send,
    ) -> Result<()> {
        let mut after = Uuid::nil().to_string();
        let mut decoding: Option<JoinHandle<Result<Vec<R>>>> = None;
        loop {
            let query = sqlx::query_as(sql).bind(&after);
            let query = if at.is_some() { query.bind(at) } else { query };
            let (last, page): (Option<String>, String) = query.fetch_one(&mut *self.tx).await?;
            let decoded = match decoding.take() {
                Some(before) => before.await.map_err(|_| sqlx::Error::WorkerCrashed)??,
                None => Vec::new(),
            };
            let is_the_end = last.is_none();
            if let Some(last) = last {
                after = last;
                decoding = Some(spawn_blocking(move || decode(&page)));
            }
            take(decoded);
            if is_the_end {
                return Ok(());
            }
        }
    }

    async fn catalogue(&mut self) -> Result<Vec<(u32, SoftwareEntry)>> {
        let mut all = Vec::new();
        loop {
            let after = all.last().map_or(0, |(id, _)| i64::from(*id));
            let page: String = sqlx::query_scalar(SOFTWARE).bind(after).fetch_one(&mut *self.tx).await?;
            let page = codec::records::<SoftwareRow>(&page)?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    async fn since<T: Decode>(&mut self, sql: &'static str, after: i64) -> Result<Vec<T::Record>> {
        let text: String = sqlx::query_scalar(sql).bind(after).fetch_one(&mut *self.tx).await?;
        codec::records::<T>(&text)
    }

    async fn of<T: Decode>(&mut self, sql: &'static str, cis: &[CiId]) -> Result<Vec<T::Record>> {
        let wanted = cis.iter().map(|ci| ci.0).collect::<Vec<_>>();
        let text: String = sqlx::query_scalar(sql).bind(wanted).fetch_one(&mut *self.tx).await?;
        codec::records::<T>(&text)
    }

    async fn software_since(&mut self, after: i64) -> Result<Vec<Put>> {
        let text: String = sqlx::query_scalar(SOFTWARE_SETS_SINCE).bind(after).fetch_one(&mut *self.tx).await?;
        let sets = installed::read_sets(&text)?;
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<i64> = installed::used_by(&sets).into_iter().map(i64::from).collect();
        let entries: String = sqlx::query_scalar(SOFTWARE_BY_ID).bind(wanted).fetch_one(&mut *self.tx).await?;
        installed::puts(sets, codec::records::<SoftwareRow>(&entries)?)
    }
}
