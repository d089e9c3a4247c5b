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

/// Writes both copies.
async fn written(store: &SharedStore, directory: &Path) {
    let estate = estate_of(store).await;
    let graph = Arc::new(Graph::from_estate(&estate.read().unwrap()));
    to_file(store, Arc::clone(&graph), path(directory)).await.unwrap();
    to_store(store, graph).await.unwrap();
}

async fn read_file(directory: &Path, store: &SharedStore) -> anyhow::Result<Early> {
    read_with(store, BufReader::new(File::open(path(directory)).unwrap())).await
}

async fn read_store(store: &SharedStore) -> anyhow::Result<Early> {
    from_store(store, &store.graph_copy().await.unwrap().expect("a copy")).await
}

fn names(graph: &Graph) -> Vec<String> {
    let mut names: Vec<String> = graph.nodes().map(|node| node.name.to_string()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_copy_is_caught_up_with_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open("sqlite:", directory.path()).await.unwrap();
    let file = path(directory.path());
    written(&store, directory.path()).await;
    assert!(!file.exists() && store.graph_copy().await.unwrap().is_none(), "an empty estate needs none");
    for (base, name) in ["one", "two", "three"].into_iter().enumerate() {
        commit(&store, base as u64, vec![server(base as u128 + 1, name, 1)]).await;
    }
    written(&store, directory.path()).await;
    commit(&store, 3, vec![server(4, "four", 1), server(1, "first", 2)]).await;
    for early in [read_file(directory.path(), &store).await.unwrap(), read_store(&store).await.unwrap()] {
        assert_eq!(
            (names(&early.graph), early.graph.revision()),
            (["first", "four", "three", "two"].map(String::from).to_vec(), Revision(4))
        );
        let estate = estate_of(&store).await;
        let later = caught_up(early.graph, &store, &estate).await.unwrap();
        assert_eq!((names(&later).len(), later.revision()), (4, Revision(4)));
    }

    // One bit of it, and its end: the store's is used instead.
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for bad in [&damaged[..], &whole[..whole.len() - 1], &whole[..20], &[]] {
        fs::write(&file, bad).unwrap();
        assert!(read_file(directory.path(), &store).await.is_err());
        assert_eq!(names(&early(directory.path(), &store).await.unwrap().graph).len(), 4);
    }
    // A part of that one is missing.
    let standing = store.graph_copy().await.unwrap().unwrap();
    let copy = GraphCopy { parts: standing.parts - 1, ..standing };
    assert!(from_store(&store, &copy).await.is_err());
}

#[tokio::test]
async fn a_large_copy_is_cut_into_parts() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open("sqlite:", directory.path()).await.unwrap();
    let many = (1..30_000).map(|number| server(number, &format!("server number {number} of many"), 1)).collect();
    commit(&store, 0, many).await;
    written(&store, directory.path()).await;
    assert!(store.graph_copy().await.unwrap().unwrap().parts > 1);
    assert_eq!(read_store(&store).await.unwrap().graph.node_count(), 29_999);
}

#[tokio::test]
async fn a_copy_of_another_history_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open("sqlite:one.db", directory.path()).await.unwrap();
    commit(&store, 0, vec![server(1, "one", 1)]).await;
    commit(&store, 1, vec![server(2, "two", 1)]).await;
    written(&store, directory.path()).await;
    // Restored from a backup after the first commit, and written to since.
    let restored = store::open("sqlite:two.db", directory.path()).await.unwrap();
    commit(&restored, 0, vec![server(1, "one", 1)]).await;
    for older in [true, false] {
        let Err(error) = read_file(directory.path(), &restored).await else { panic!("it is used") };
        assert!(error.to_string().contains("another history"), "{error}");
        assert!(early(directory.path(), &restored).await.is_none());
        if older {
            commit(&restored, 1, vec![server(3, "another", 1)]).await;
            commit(&restored, 2, vec![server(4, "and one more", 1)]).await;
        }
    }
}
