//! What every store must do, whatever database it keeps its state in. `tests/tests/contract.rs` runs it against each.

pub mod agents;
pub mod answers;
pub mod commits;
pub mod graph_copies;
pub mod history;
pub mod imports;
pub mod installation;
pub mod inventories;
pub mod people;
pub mod requests;
pub mod sample;

use std::path::PathBuf;

use rollcall::store::{SharedStore, StoreError};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// A fresh, empty database.
pub struct Place {
    /// Its address.
    pub url: String,
    directory: TempDir,
}

impl Place {
    /// A SQLite file.
    pub async fn sqlite() -> Self {
        Self { url: "sqlite:store.db".into(), directory: directory() }
    }

    /// A PostgreSQL database.
    pub async fn postgres() -> Self {
        Self { url: crate::postgres::new_database().await.unwrap(), directory: directory() }
    }

    /// Opens it, again and again if wanted.
    pub async fn store(&self) -> SharedStore {
        self.try_store().await.unwrap()
    }

    /// The same where that may fail.
    pub async fn try_store(&self) -> Result<SharedStore, StoreError> {
        rollcall::store::open(&self.url, self.directory.path()).await
    }

    /// A file beside it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Does something to the database by hand: for SQLite the first statement, for PostgreSQL the second.
    pub async fn sql(&self, [sqlite, postgres]: [&'static str; 2]) {
        if self.is_sqlite() {
            self.by_hand_in_sqlite().await.execute(sqlite).await.unwrap();
        } else {
            PgConnection::connect(&self.url).await.unwrap().execute(postgres).await.unwrap();
        }
    }

    /// Asks the database for a number by hand.
    pub async fn count(&self, statement: &'static str) -> i64 {
        if self.is_sqlite() {
            sqlx::query_scalar(statement).fetch_one(&mut self.by_hand_in_sqlite().await).await.unwrap()
        } else {
            sqlx::query_scalar(statement).fetch_one(&mut PgConnection::connect(&self.url).await.unwrap()).await.unwrap()
        }
    }

    fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    async fn by_hand_in_sqlite(&self) -> SqliteConnection {
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(self.file("store.db"))).await.unwrap()
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Calls a macro with the name of every test that each store passes, by module.
#[macro_export]
macro_rules! for_each_contract_test {
    ($macro:ident) => {
        $macro! {
            requests: [a_key_begins_once, a_keyed_answer_comes_back];
            installation: [
                the_root_pin_is_claimed_once,
                a_new_store_is_empty,
                a_backup_is_whole,
                a_newer_database_is_refused,
                a_corrupt_row_is_named,
                the_views_have_one_row_each,
            ];
            commits: [
                a_whole_state_comes_back,
                an_earlier_schema_is_brought_up,
                a_commit_from_behind_writes_nothing,
                history_keeps_every_version,
                one_thing_twice_in_a_batch,
                puts_since_a_revision,
                a_part_of_the_state,
                events_tell_what_happened,
                a_nul_character_becomes_a_replacement_character,
                large_things_and_many,
                any_state_is_the_replay_of_its_commits,
            ];
            history: [
                a_thousand_instants_are_what_was_then,
                what_was_merged_and_split_is_as_it_was_after_reloads,
                what_differs_is_what_two_instants_show,
                histories_of_many_are_those_of_each,
                the_newest_events_are_the_last_of_the_feed,
                thinning_keeps_what_stands,
            ];
            inventories: [
                documents_are_stored_once,
                an_inventory_comes_back_whole,
                unchanged_check_ins_are_verified_together,
                one_exchange_is_noted_if_nobody_was_faster,
                old_documents_are_pruned,
            ];
            imports: [imports_come_back_whole, an_import_goes_on_once, two_imports_do_not_begin_at_once];
            agents: [
                simultaneous_enrollments_take_exactly_the_uses,
                a_token_lets_in_only_what_it_should,
                an_agent_comes_back_whole,
                certificate_generations_count_up,
            ];
            answers: [kept_answers_come_back_whole];
            graph_copies: [a_copy_stands_when_it_is_whole];
            people: [people_come_back_whole, sessions_end, api_tokens_end, views_come_back_whole, the_audit_log_reads_backwards];
        }
    };
}
