//! Writes that are marked with a key.

use rollcall::store::{KeyedAnswer, KeyedRequest, SeenRequest};

use super::{
    Place,
    sample::{HOSTILE, at},
};

fn request(actor: &str, key: &str, digest: &str, begun: i64) -> KeyedRequest {
    KeyedRequest { actor: actor.into(), key: key.into(), digest: digest.into(), begun_at: at(begun) }
}

/// A key is its sender's; of simultaneous ones exactly one is new.
pub async fn a_key_begins_once(place: Place) {
    let store = place.store().await;
    let mut together = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        together.spawn(async move { store.begin_request(&request("user:ada", "k", "d", 1)).await.unwrap() });
    }
    let all = together.join_all().await;
    assert_eq!(all.iter().filter(|seen| **seen == SeenRequest::New).count(), 1);
    let before = SeenRequest::Before { digest: "d".into(), begun_at: at(1), answer: None };
    assert_eq!(all.iter().filter(|seen| **seen == before).count(), 7);
    assert_eq!(store.begin_request(&request("user:bob", "k", "d", 2)).await.unwrap(), SeenRequest::New);
    assert_eq!(store.begin_request(&request("user:ada", "K", "d", 2)).await.unwrap(), SeenRequest::New);
    // Another body under the same key: the first one's digest is told.
    assert_eq!(store.begin_request(&request("user:ada", "k", "e", 3)).await.unwrap(), before);
}

/// Answers come back as they were given, and stay until they are pruned.
pub async fn a_keyed_answer_comes_back(place: Place) {
    let store = place.store().await;
    let whole = KeyedAnswer { status: 201, content_type: "application/json".into(), etag: "\"1\"".into(), body: Some(HOSTILE.into()) };
    let secret = KeyedAnswer { status: 204, content_type: String::new(), etag: String::new(), body: None };
    for (key, answer) in [("a", &whole), ("b", &secret)] {
        store.begin_request(&request("user:ada", key, "d", 1)).await.unwrap();
        store.finish_request("user:ada", key, answer).await.unwrap();
        // Only what has no answer is forgotten.
        store.forget_request("user:ada", key).await.unwrap();
        let seen = store.begin_request(&request("user:ada", key, "d", 9)).await.unwrap();
        assert_eq!(seen, SeenRequest::Before { digest: "d".into(), begun_at: at(1), answer: Some(answer.clone()) });
    }
    store.begin_request(&request("user:ada", "c", "d", 5)).await.unwrap();
    store.forget_request("user:ada", "c").await.unwrap();
    assert_eq!(store.begin_request(&request("user:ada", "c", "d", 6)).await.unwrap(), SeenRequest::New);
    assert_eq!(store.prune_requests(at(6)).await.unwrap(), 2);
    assert_eq!(store.begin_request(&request("user:ada", "a", "d", 7)).await.unwrap(), SeenRequest::New);
}
