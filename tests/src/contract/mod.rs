//! What every store must do, whatever database it keeps its state in. `tests/tests/contract.rs` runs it against each.

pub mod agents;
pub mod commits;
pub mod sample;

use std::path::PathBuf;

use rollcall::store::{SharedStore, StoreError};
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
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Calls a macro with the name of every test, by module.
#[macro_export]
macro_rules! for_each_contract_test {
    ($macro:ident) => {
        $macro! {
            agents: [simultaneous_enrollments_take_exactly_the_uses];
            commits: [a_whole_state_comes_back];
        }
    };
}
