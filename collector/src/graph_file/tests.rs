use std::{collections::BTreeMap, sync::RwLock};

use rollcall_core::{Change, Ci, Estate, Lifecycle};
use rollcall_shared::{CiId, Timestamp};

use super::*;
use crate::store::{self, AttributedChange, Batch};

const AT: i64 = 1_763_000_000_000;

fn server(number: u128, name: &str, version: u32) -> Put {
    Put::Ci(Ci {
        id: CiId(Uuid::from_u128(number)),
        class: "server".into(),
        name: name.into(),
        lifecycle: Lifecycle::Active,
        stage: rollcall_core::Stage::InUse,
        sighting: None,
        attributes: BTreeMap::new(),
        keys: Vec::new(),
        agent: None,
        merged_into: None,
        first_seen: Timestamp::from_millis(AT),
        valid_from: Timestamp::from_millis(AT + i64::from(version)),
        version,
    })
}

async fn commit(store: &SharedStore, base: u64, puts: Vec<Put>) {
    let change = |put| AttributedChange { actor: "test".into(), change: Change { put, reason: "for a test".into(), differs: Vec::new() } };
    let batch = Batch { at: Timestamp::from_millis(AT + base as i64), changes: puts.into_iter().map(change).collect(), ..Batch::default() };
    store.commit(Revision(base), &batch).await.unwrap();
}

async fn estate_of(store: &SharedStore) -> SharedEstate {
    let mut estate = Estate::default();
    store.load().await.unwrap().apply_to(&mut estate);
    Arc::new(RwLock::new(estate))
}

async fn written(store: &SharedStore, path: &Path) {
    let estate = estate_of(store).await;
    let graph = Arc::new(Graph::from_estate(&estate.read().unwrap()));
    write(store, graph, path.to_owned()).await.unwrap();
}

fn names(graph: &Graph) -> Vec<String> {
    let mut names: Vec<String> = graph.nodes().map(|node| node.name.to_string()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_caught_up_with_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open("sqlite:", directory.path()).await.unwrap();
    let file = path(directory.path());
    written(&store, &file).await;
    assert!(!file.exists(), "an empty estate needs none");
    for (base, name) in ["one", "two", "three"].into_iter().enumerate() {
        commit(&store, base as u64, vec![server(base as u128 + 1, name, 1)]).await;
    }
    written(&store, &file).await;
    commit(&store, 3, vec![server(4, "four", 1), server(1, "first", 2)]).await;
    let estate = estate_of(&store).await;
    let graph = try_read(file.clone(), &store, &estate).await.unwrap();
    assert_eq!((names(&graph), graph.revision()), (["first", "four", "three", "two"].map(String::from).to_vec(), Revision(4)));

    // One bit of it, and its end.
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for bad in [&damaged[..], &whole[..whole.len() - 1], &whole[..20], &[]] {
        fs::write(&file, bad).unwrap();
        assert!(read(file.clone(), &store, &estate).await.is_none());
    }
}

#[tokio::test]
async fn a_file_of_another_history_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(directory.path());
    let store = store::open("sqlite:one.db", directory.path()).await.unwrap();
    commit(&store, 0, vec![server(1, "one", 1)]).await;
    commit(&store, 1, vec![server(2, "two", 1)]).await;
    written(&store, &file).await;
    // Restored from a backup after the first commit, and written to since.
    let restored = store::open("sqlite:two.db", directory.path()).await.unwrap();
    commit(&restored, 0, vec![server(1, "one", 1)]).await;
    for older in [true, false] {
        let error = try_read(file.clone(), &restored, &estate_of(&restored).await).await.unwrap_err();
        assert!(error.to_string().contains("another history"), "{error}");
        if older {
            commit(&restored, 1, vec![server(3, "another", 1)]).await;
            commit(&restored, 2, vec![server(4, "and one more", 1)]).await;
        }
    }
}
