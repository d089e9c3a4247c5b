//! Tokens, enrollment, agents and their certificates.

use std::{collections::HashSet, sync::Arc};

use rollcall::store::{AgentState, EnrollAttempt, EnrollOutcome, IssuedCertificate, TokenRecord};
use rollcall_shared::Timestamp;

use super::{
    Place,
    sample::{HOSTILE, at, attempt, audit, enrolled, id, token},
};

/// 200 machines at the same instant with a token for 7, each trying twice at once: 7 agents, 7 uses.
pub async fn simultaneous_enrollments_take_exactly_the_uses(place: Place) {
    let store = place.store().await;
    let token = Arc::new(token(1, Some(7)));
    store.create_token(&token, &audit("token.create")).await.unwrap();
    let tries: Vec<_> = (0..400)
        .map(|n| {
            let (store, token) = (store.clone(), token.clone());
            tokio::spawn(async move { store.enroll(&EnrollAttempt { new_agent: id(1000 + n), ..attempt(n / 2, &token) }).await.unwrap() })
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

/// What a token lets in, and what not; a retry gets what the first try got, whatever became of the token.
pub async fn a_token_lets_in_only_what_it_should(place: Place) {
    let store = place.store().await;
    let good = TokenRecord { max_uses: Some(2), ..token(1, None) };
    let (expired, revoked) = (TokenRecord { expires_at: at(10), ..token(2, None) }, token(3, None));
    for token in [&good, &expired, &revoked] {
        store.create_token(token, &audit("token.create")).await.unwrap();
    }
    assert!(store.revoke_token(revoked.id, at(5), &audit("token.revoke")).await.unwrap());
    assert!(store.revoke_token(revoked.id, at(6), &audit("token.revoke")).await.unwrap());
    assert!(!store.revoke_token(id(404), at(5), &audit("token.revoke")).await.unwrap());
    assert_eq!(store.tokens().await.unwrap()[0].revoked_at, Some(at(5)), "newest first, first revocation stands");

    let first = attempt(1, &good);
    let outcomes = [
        ("a new one", first.clone(), "created"),
        ("the same again", first.clone(), "known"),
        ("the same under another new id", EnrollAttempt { new_agent: id(77), ..first.clone() }, "known"),
        ("a wrong secret", EnrollAttempt { secret_hash: [9; 32], ..first.clone() }, "unknown"),
        ("a token that is not there", attempt(2, &token(404, None)), "unknown"),
        ("an expired token, at the instant", attempt(3, &expired), "expired"),
        ("a revoked token", attempt(4, &revoked), "revoked"),
        ("the same nonce with another key", EnrollAttempt { public_key: vec![1], new_agent: id(5), ..first.clone() }, "created"),
        ("one too many", attempt(6, &good), "used up"),
        ("the first again", first.clone(), "known"),
    ];
    for (what, attempt, expected) in outcomes {
        let outcome = match store.enroll(&attempt).await.unwrap() {
            EnrollOutcome::Created(_) => "created",
            EnrollOutcome::Known(agent) => {
                assert_eq!(agent.id, first.new_agent);
                "known"
            }
            EnrollOutcome::UnknownToken => "unknown",
            EnrollOutcome::Expired => "expired",
            EnrollOutcome::Revoked => "revoked",
            EnrollOutcome::UsedUp => "used up",
        };
        assert_eq!(outcome, expected, "{what}");
    }
    assert_eq!(store.agents().await.unwrap().len(), 2);
    let kept = store.tokens().await.unwrap().pop().unwrap();
    assert_eq!(kept, TokenRecord { uses: 2, ..good });
}

/// An agent's record is what it enrolled with, and follows what people decide.
pub async fn an_agent_comes_back_whole(place: Place) {
    let store = place.store().await;
    let token = TokenRecord { needs_approval: true, ..token(1, None) };
    store.create_token(&token, &audit("token.create")).await.unwrap();
    let attempt = attempt(1, &token);
    let EnrollOutcome::Created(agent) = store.enroll(&attempt).await.unwrap() else { panic!("not created") };
    assert_eq!((agent.state, agent.certificate.clone(), agent.used_generation), (AgentState::Pending, None, 0));
    assert_eq!((&agent.public_key, &agent.identity, &agent.assigned), (&attempt.public_key, &attempt.identity, &token.assigned));
    assert_eq!((agent.hostname.as_str(), agent.enrolled_at, agent.last_seen), (HOSTILE, attempt.at, None::<Timestamp>));
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(agent.clone()));
    for state in AgentState::ALL {
        assert!(store.set_agent_state(agent.id, state, HOSTILE, &audit(state.as_str())).await.unwrap());
        let now = store.agent(agent.id).await.unwrap().unwrap();
        assert_eq!((now.state, now.state_reason.as_str()), (state, HOSTILE));
    }
    assert!(!store.set_agent_state(id(404), AgentState::Active, "", &audit("nothing")).await.unwrap());
    assert_eq!(store.agent(id(404)).await.unwrap(), None);
    assert_eq!(store.audit_log(None, 1).await.unwrap()[0].1.action, "denied", "what changed nothing is not in the audit log");
    let second = enrolled(&store, 2).await;
    assert_eq!(second.state, AgentState::Active);
    assert_eq!(store.agents().await.unwrap().len(), 2);
}

/// Certificate generations only count up, one at a time, however many ask at once.
pub async fn certificate_generations_count_up(place: Place) {
    let store = place.store().await;
    let agent = enrolled(&store, 1).await.id;
    let certificate =
        |generation, nonce| IssuedCertificate { generation, nonce: id(nonce), chain: HOSTILE.into(), issued_at: at(1), not_after: at(2) };
    let both = [1, 2].map(|nonce| {
        let (store, certificate) = (store.clone(), certificate(1, nonce));
        tokio::spawn(async move { store.record_certificate(agent, 0, &certificate).await.unwrap() })
    });
    let [first, second] = both;
    let won = [first.await.unwrap(), second.await.unwrap()];
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let stored = store.agent(agent).await.unwrap().unwrap().certificate;
    assert_eq!(stored, Some(certificate(1, if won[0] { 1 } else { 2 })));
    assert!(!store.record_certificate(id(404), 0, &certificate(1, 1)).await.unwrap());
    assert!(store.record_certificate(agent, 1, &certificate(2, 3)).await.unwrap());
    let generations = async || {
        let agent = store.agent(agent).await.unwrap().unwrap();
        (agent.used_generation, agent.certificate.unwrap().generation)
    };
    assert_eq!(generations().await, (0, 2));
    for (used, expected) in [(2, (2, 2)), (1, (2, 2)), (9, (9, 9))] {
        store.confirm_generation(agent, used).await.unwrap();
        assert_eq!(generations().await, expected, "after {used}");
    }
}
