//! The database itself: whose it is, its copies, its age, and what was done to it by hand.

use rollcall::store::{Batch, StoreError};
use rollcall_core::{Put, Revision};

use super::{
    Place,
    sample::{at, audit, batch, ci, id, installed, relationship},
};

/// The first pin stands.
pub async fn the_root_pin_is_claimed_once(place: Place) {
    let store = place.store().await;
    assert_eq!(store.claim_root_pin("first").await.unwrap(), "first");
    assert_eq!(store.claim_root_pin("second").await.unwrap(), "first");
    store.ping().await.unwrap();
    assert_eq!(place.store().await.claim_root_pin("third").await.unwrap(), "first");
}

/// A new store is empty, at revision 0, and takes an empty batch.
pub async fn a_new_store_is_empty(place: Place) {
    let store = place.store().await;
    let snapshot = store.load().await.unwrap();
    assert_eq!((snapshot.revision, snapshot.puts.len(), snapshot.last_seen.len()), (Revision(0), 0, 0));
    assert_eq!(*store.revisions().borrow(), Revision(0));
    let revision = store.commit(Revision(0), &Batch { audit: vec![audit("nothing")], ..Batch::default() }).await.unwrap();
    assert_eq!(revision, Revision(1));
    assert_eq!(*place.store().await.revisions().borrow(), Revision(1));
    assert_eq!(store.audit_log(None, 9).await.unwrap().len(), 1);
}

/// SQLite copies itself while it serves, to a file that only its owner reads; PostgreSQL says which tool does it.
pub async fn a_backup_is_whole(place: Place) {
    let store = place.store().await;
    store.commit(Revision(0), &batch(at(0), [Put::Ci(ci(1, at(0)))])).await.unwrap();
    let to = place.file("backup.db");
    match store.backup(&to).await {
        Ok(()) => {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
            let copy = rollcall::store::open("sqlite:backup.db", to.parent().unwrap()).await.unwrap();
            assert_eq!(copy.load().await.unwrap().puts, [Put::Ci(ci(1, at(0)))]);
            assert!(matches!(store.backup(&to).await, Err(StoreError::File { .. })), "an older backup is not overwritten");
        }
        Err(StoreError::Unsupported(message)) => assert!(message.contains("pg_dump"), "{message}"),
        Err(error) => panic!("{error:?}"),
    }
}

/// A database that a newer Rollcall has changed is left alone.
pub async fn a_newer_database_is_refused(place: Place) {
    drop(place.store().await);
    place.sql(["PRAGMA user_version = 99", "UPDATE schema_version SET version = 99"]).await;
    match place.try_store().await.map(drop) {
        Err(StoreError::TooNew { found: 99, known }) => assert!(known >= 1),
        other => panic!("{other:?}"),
    }
}

/// What was changed by hand and cannot be read is named, not guessed.
pub async fn a_corrupt_row_is_named(place: Place) {
    let store = place.store().await;
    let puts =
        [Put::Ci(ci(1, at(0))), Put::Ci(ci(2, at(0))), Put::Relationship(relationship(1, id(1), id(2), at(0))), installed(id(1), 1..3)];
    store.commit(Revision(0), &batch(at(0), puts)).await.unwrap();
    let two = id::<rollcall_shared::CiId>(2).to_string();
    let one = id::<rollcall_shared::CiId>(1).to_string();
    for (break_it, mend_it, table, column, id) in [
        (
            "UPDATE ci_version SET lifecycle = 'lost' WHERE name LIKE 'srv2%'",
            "UPDATE ci_version SET lifecycle = 'active'",
            "ci_version",
            "lifecycle",
            &two,
        ),
        (
            "UPDATE relationship_version SET evidence = '[{}]'",
            "UPDATE relationship_version SET evidence = '[]'",
            "relationship_version",
            "evidence",
            &one,
        ),
        (
            "UPDATE ci_version SET attributes = '{\"x\":[]}' WHERE name LIKE 'srv2%'",
            "UPDATE ci_version SET attributes = '{}'",
            "ci_version",
            "attributes",
            &two,
        ),
        ("UPDATE ci_version SET version = -2 WHERE name LIKE 'srv2%'", "UPDATE ci_version SET version = 1", "ci_version", "(any)", &two),
    ] {
        place.sql([break_it; 2]).await;
        match store.load().await {
            Err(StoreError::Corrupt { table: in_table, id: row, column: in_column, .. }) => {
                assert_eq!((in_table, row.as_str(), in_column), (table, id.as_str(), column), "{break_it}");
            }
            other => panic!("{break_it}: {other:?}"),
        }
        place.sql([mend_it; 2]).await;
    }
    store.load().await.unwrap();
}

/// The views for people who report in SQL: one row for each of what they are named after.
pub async fn the_views_have_one_row_each(place: Place) {
    let store = place.store().await;
    let puts = [
        Put::Ci(ci(1, at(0))),
        Put::Ci(ci(2, at(0))),
        Put::Relationship(relationship(1, id(1), id(2), at(0))),
        installed(id(1), 1..4),
        Put::AgentBinding { agent: id(1), ci: id(1) },
        Put::AgentBinding { agent: id(3), ci: id(1) },
    ];
    store.commit(Revision(0), &batch(at(0), puts)).await.unwrap();
    for (statement, rows) in [
        ("SELECT count(*) FROM machine WHERE serial IS NOT NULL AND first_seen_utc IS NOT NULL", 1),
        ("SELECT count(*) FROM configuration_item", 2),
        ("SELECT count(*) FROM software_installation WHERE machine LIKE 'srv1%' AND name LIKE 'lib%'", 3),
        ("SELECT count(*) FROM dependency WHERE dependent_name LIKE 'srv1%' AND dependency_name LIKE 'srv2%'", 1),
    ] {
        assert_eq!(place.count(statement).await, rows, "{statement}");
    }
}
