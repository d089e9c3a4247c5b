//! Tokens, enrollment, agents and their certificates.

use std::{collections::HashSet, sync::Arc};

use rollcall::store::EnrollOutcome;

use super::{
    Place,
    sample::{attempt, audit, token},
};

/// 200 machines at the same instant with a token for 7, each trying twice at once: 7 agents, 7 uses.
pub async fn simultaneous_enrollments_take_exactly_the_uses(place: Place) {
    let store = place.store().await;
    let token = Arc::new(token(1, Some(7)));
    store.create_token(&token, &audit("token.create")).await.unwrap();
    let tries: Vec<_> = (0..400)
        .map(|n| {
            let (store, token) = (store.clone(), token.clone());
            tokio::spawn(async move {
                let mut attempt = attempt(n / 2, &token);
                attempt.new_agent = super::sample::id(1000 + n);
                store.enroll(&attempt).await.unwrap()
            })
        })
        .collect();
    let (mut created, mut known, mut used_up) = (HashSet::new(), HashSet::new(), 0);
    for outcome in tries {
        match outcome.await.unwrap() {
            EnrollOutcome::Created(agent) => assert!(created.insert(agent.id)),
            EnrollOutcome::Known(agent) => assert!(known.insert(agent.id)),
            EnrollOutcome::UsedUp => used_up += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((created.len(), used_up), (7, 400 - 14));
    assert_eq!(created, known, "the second try of each gets the same agent");
    assert_eq!(store.tokens().await.unwrap()[0].uses, 7);
    assert_eq!(store.agents().await.unwrap().len(), 7);
}
