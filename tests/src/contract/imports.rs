//! Imports: a job that goes from state to state, and its rows in parts.

use rollcall::store::{ImportPart, ImportRecord, ImportState};
use serde_json::json;

use super::{
    Place,
    sample::{HOSTILE, at, id},
};

fn job(n: u128, state: ImportState) -> ImportRecord {
    ImportRecord {
        id: id(n),
        state,
        source: HOSTILE.into(),
        created_at: at(n as i64),
        updated_at: at(n as i64),
        body: json!({ "file": HOSTILE, "rows": n as u64 }),
    }
}

/// What is stored comes back, newest first, and old imports go with their rows.
pub async fn imports_come_back_whole(place: Place) {
    let store = place.store().await;
    for n in [1, 2, 3] {
        store.create_import(&job(n, ImportState::Preview)).await.unwrap();
    }
    assert_eq!(store.import(id(2)).await.unwrap(), Some(job(2, ImportState::Preview)));
    assert_eq!(store.import(id(9)).await.unwrap(), None);
    assert_eq!(store.imports(2).await.unwrap(), [job(3, ImportState::Preview), job(2, ImportState::Preview)]);
    let part = |results: Option<&[u8]>| ImportPart { rows: vec![0, 1, 255], results: results.map(<[u8]>::to_vec) };
    store.put_import_part(id(1), 0, &part(None)).await.unwrap();
    store.put_import_part(id(1), 7, &part(Some(&[0]))).await.unwrap();
    store.put_import_part(id(1), 0, &part(Some(&[]))).await.unwrap();
    assert_eq!(store.import_part(id(1), 0).await.unwrap(), Some(part(Some(&[]))));
    assert_eq!(store.import_part(id(1), 7).await.unwrap(), Some(part(Some(&[0]))));
    assert_eq!(store.import_part(id(2), 0).await.unwrap(), None);
    assert_eq!(store.prune_imports(at(3)).await.unwrap(), 2);
    assert_eq!(store.imports(9).await.unwrap(), [job(3, ImportState::Preview)]);
    assert_eq!(place.count("SELECT count(*) FROM import_part").await, 0);
}

/// Of two who go on with an import one does, and only one import at a time changes the estate.
pub async fn an_import_goes_on_once(place: Place) {
    let store = place.store().await;
    let before = job(1, ImportState::Preview);
    store.create_import(&before).await.unwrap();
    store.create_import(&job(2, ImportState::Preview)).await.unwrap();
    let applying = |n: u128, updated: i64| ImportRecord { updated_at: at(updated), ..job(n, ImportState::Applying) };
    let now = async |n: u128| store.import(id(n)).await.unwrap().unwrap().state;
    let (first, second) = (applying(1, 10), applying(1, 10));
    let (first, second) = tokio::join!(
        store.advance_import(&first, ImportState::Preview, before.updated_at, at(0)),
        store.advance_import(&second, ImportState::Preview, before.updated_at, at(0))
    );
    assert_eq!(u8::from(first.unwrap()) + u8::from(second.unwrap()), 1, "two clicks are one");
    let other = applying(2, 20);
    assert!(!store.advance_import(&other, ImportState::Preview, at(2), at(0)).await.unwrap(), "one at a time");
    assert_eq!(now(2).await, ImportState::Preview);
    // One that has not gone on for long does not stand in the way.
    assert!(store.advance_import(&other, ImportState::Preview, at(2), at(11)).await.unwrap());
    // Progress is noted by whoever has noted the last; somebody who was overtaken stops.
    assert!(store.advance_import(&applying(1, 30), ImportState::Applying, at(10), at(0)).await.unwrap());
    assert!(!store.advance_import(&applying(1, 31), ImportState::Applying, at(10), at(0)).await.unwrap());
    assert_eq!(store.prune_imports(at(1_000)).await.unwrap(), 0, "what is being worked on stays");
}

/// Two imports that are begun at once: one waits.
pub async fn two_imports_do_not_begin_at_once(place: Place) {
    let store = place.store().await;
    for round in 0..20_u128 {
        let jobs = [round * 2 + 1, round * 2 + 2];
        for n in jobs {
            store.create_import(&job(n, ImportState::Preview)).await.unwrap();
        }
        let begin = |n: u128| {
            let (store, job) = (store.clone(), ImportRecord { updated_at: at(1_000), ..job(n, ImportState::Applying) });
            tokio::spawn(async move { store.advance_import(&job, ImportState::Preview, at(n as i64), at(0)).await.unwrap() })
        };
        let (a, b) = (begin(jobs[0]), begin(jobs[1]));
        assert_eq!(u8::from(a.await.unwrap()) + u8::from(b.await.unwrap()), 1, "round {round}");
        for n in jobs {
            let done = ImportRecord { updated_at: at(2_000), ..job(n, ImportState::Applied) };
            store.advance_import(&done, ImportState::Applying, at(1_000), at(0)).await.unwrap();
        }
    }
}
