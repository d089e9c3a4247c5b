//! A copy of the graph, in parts.

use rollcall::store::{GraphCopy, SharedStore};
use uuid::Uuid;

use super::{Place, sample::at};

fn copy(id: u128, parts: u32) -> GraphCopy {
    GraphCopy { id: Uuid::from_u128(id), parts, made_at: at(7) }
}

async fn put(store: &SharedStore, copy: &GraphCopy, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        store.put_graph_part(copy.id, number, &part(copy, number)).await.unwrap();
    }
}

fn part(copy: &GraphCopy, number: u32) -> Vec<u8> {
    copy.id.as_bytes().iter().copied().chain((0..=255).cycle().take(number as usize * 100_000)).collect()
}

/// Only a whole copy stands, it comes back as it was, and what was begun before it goes with the one that it replaces.
pub async fn a_copy_stands_when_it_is_whole(place: Place) {
    let store = place.store().await;
    assert_eq!(store.graph_copy().await.unwrap(), None);
    let first = copy(10, 3);
    put(&store, &first, [0, 2]).await;
    assert!(!store.finish_graph_copy(&first).await.unwrap(), "a part is missing");
    assert_eq!(store.graph_copy().await.unwrap(), None);
    put(&store, &first, [1]).await;
    assert!(store.finish_graph_copy(&first).await.unwrap());

    let (abandoned, next, later) = (copy(11, 2), copy(12, 2), copy(13, 1));
    put(&store, &abandoned, [0]).await;
    put(&store, &later, [0]).await;
    put(&store, &next, 0..2).await;
    drop(store);
    let store = place.store().await;
    assert_eq!(store.graph_copy().await.unwrap(), Some(first.clone()));
    for number in 0..3 {
        assert!(store.graph_part(first.id, number).await.unwrap() == Some(part(&first, number)));
    }
    assert!(store.finish_graph_copy(&next).await.unwrap());
    assert_eq!(store.graph_copy().await.unwrap(), Some(next.clone()));
    assert!(store.graph_part(next.id, 1).await.unwrap() == Some(part(&next, 1)));
    for gone in [first.id, abandoned.id] {
        assert_eq!(store.graph_part(gone, 0).await.unwrap(), None);
    }
    // Another collector is on its way with a later one; and one that was slower than both comes to nothing.
    assert!(store.finish_graph_copy(&later).await.unwrap());
    put(&store, &abandoned, 0..2).await;
    assert!(!store.finish_graph_copy(&abandoned).await.unwrap());
    assert_eq!(store.graph_copy().await.unwrap(), Some(later));
}
