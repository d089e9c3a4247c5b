//! Joining.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rollcall_agent::{
    client::{ClientError, Route},
    enroll::{EnrollError, Enrolled, Joining, enroll},
    keys::AgentKey,
    state::{Held, Progress, StateDirectory},
};
use rollcall_shared::{
    AgentId,
    wire::v1::{EnrollRequest, EnrollResponse, EnrollmentToken},
};
use uuid::Uuid;

use super::collector::{Answer, Collector, Leaf, Pki};

async fn collector() -> (Collector, tempfile::TempDir, StateDirectory) {
    let collector = Collector::start(Arc::new(Pki::new()), &Leaf::default()).await;
    let directory = tempfile::tempdir().unwrap();
    let state = StateDirectory::new(directory.path().join("state"));
    state.prepare().unwrap();
    (collector, directory, state)
}

async fn join(state: &StateDirectory, token: Option<&str>, patience: Duration) -> Result<Enrolled, EnrollError> {
    let machine = rollcall_agent::enroll::this_machine()?;
    enroll(state, Joining { token, machine, urls: Vec::new(), route: Route::default(), patience }, |_| {}).await
}

fn issue(pki: &Pki, request: &EnrollRequest) -> EnrollResponse {
    EnrollResponse::Issued(pki.issue(&request.csr, AgentId(Uuid::from_u128(7)), 1, (0, 7)))
}

#[tokio::test]
async fn a_token_and_a_lost_answer_make_one_enrollment() {
    let (collector, _directory, state) = collector().await;
    let (pki, lost) = (Arc::clone(&collector.pki), AtomicU32::new(0));
    collector.answer(move |asked| match lost.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Lost,
        _ => Answer::ok(&issue(&pki, &asked.json())),
    });
    let token = collector.token().to_text();
    assert!(matches!(join(&state, Some(&token), Duration::ZERO).await, Err(EnrollError::Client(ClientError::Unreachable { .. }))));
    let Enrolled::Joined(identity) = join(&state, Some(&token), Duration::ZERO).await.unwrap() else { panic!("pending") };
    assert_eq!((identity.credentials.agent_id, identity.credentials.generation), (AgentId(Uuid::from_u128(7)), 1));
    let asked: Vec<EnrollRequest> = collector.asked().iter().map(super::collector::Asked::json).collect();
    assert_eq!((asked.len(), asked[0].nonce, asked[0].token_id), (2, asked[1].nonce, collector.token().id));
    assert!(!asked[0].identity.hostname.is_empty());
    // The token is a secret that is of no more use here.
    assert!(state.enrollment().unwrap().is_none());
    assert!(collector.asked().is_empty());
}

#[tokio::test]
async fn joining_again_does_nothing_or_says_why_it_cannot() {
    let (collector, _directory, state) = collector().await;
    let pki = Arc::clone(&collector.pki);
    collector.answer(move |asked| Answer::ok(&issue(&pki, &asked.json())));
    let token = collector.token();
    join(&state, Some(&token.to_text()), Duration::ZERO).await.unwrap();
    assert!(matches!(join(&state, Some(&token.to_text()), Duration::ZERO).await, Ok(Enrolled::Already(_))));
    assert_eq!(collector.asked().len(), 1);
    let other = EnrollmentToken { root_pin: Pki::new().pin(), ..token.clone() };
    let error = join(&state, Some(&other.to_text()), Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.contains("another collector") && error.contains("--again"), "{error}");
    let held = Held { since: rollcall_shared::Timestamp::now(), reason: "it was revoked".into(), next_step: None };
    state.set_progress(&Progress { held: Some(held), ..state.progress().unwrap() }).unwrap();
    let error = join(&state, Some(&token.to_text()), Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.contains("it was revoked") && error.contains("--again"), "{error}");
}

#[tokio::test]
async fn pending_is_asked_again_with_the_same_nonce_and_without_the_token() {
    let (collector, _directory, state) = collector().await;
    collector.answer(|_| Answer::ok(&EnrollResponse::Pending { retry_after_seconds: 30 }));
    assert!(matches!(join(&state, Some(&collector.token().to_text()), Duration::ZERO).await, Ok(Enrolled::Pending)));
    let pki = Arc::clone(&collector.pki);
    collector.answer(move |asked| Answer::ok(&issue(&pki, &asked.json())));
    assert!(matches!(join(&state, None, Duration::ZERO).await, Ok(Enrolled::Joined(_))));
    let nonces: Vec<Uuid> = collector.asked().iter().map(|asked| asked.json::<EnrollRequest>().nonce).collect();
    assert_eq!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn another_token_is_another_enrollment() {
    let (collector, _directory, state) = collector().await;
    collector.answer(|_| Answer::problem(403, "the token has expired"));
    let refused = join(&state, Some(&collector.token().to_text()), Duration::from_secs(60)).await.unwrap_err().to_string();
    assert!(refused.contains("the token has expired") && refused.contains("do something"), "{refused}");
    let second = EnrollmentToken { secret: "b3RoZXI".into(), ..collector.token() };
    join(&state, Some(&second.to_text()), Duration::ZERO).await.unwrap_err();
    let nonces: Vec<Uuid> = collector.asked().iter().map(|asked| asked.json::<EnrollRequest>().nonce).collect();
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn a_wrong_pin_sends_nothing() {
    let (collector, _directory, state) = collector().await;
    let token = EnrollmentToken { root_pin: Pki::new().pin(), ..collector.token() };
    let error = join(&state, Some(&token.to_text()), Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(error, EnrollError::Client(ClientError::Untrusted { .. })), "{error}");
    assert!(collector.asked().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_key_or_under_another_root_is_refused() {
    let (collector, _directory, state) = collector().await;
    let pki = Arc::clone(&collector.pki);
    let other_key = AgentKey::generate().unwrap().csr().unwrap();
    collector.answer(move |_| Answer::ok(&EnrollResponse::Issued(pki.issue(&other_key, AgentId(Uuid::nil()), 1, (0, 7)))));
    let token = collector.token().to_text();
    assert!(matches!(join(&state, Some(&token), Duration::ZERO).await, Err(EnrollError::Issued(_))));
    let other = Pki::new();
    collector.answer(move |asked| Answer::ok(&issue(&other, &asked.json())));
    assert!(matches!(join(&state, Some(&token), Duration::ZERO).await, Err(EnrollError::Issued(_))));
    assert!(state.identity().unwrap().is_none());
}

#[tokio::test]
async fn without_token_and_with_a_damaged_one_nothing_is_sent() {
    let (collector, _directory, state) = collector().await;
    assert!(matches!(join(&state, None, Duration::ZERO).await, Err(EnrollError::NoToken)));
    assert!(matches!(join(&state, Some("rollcall1_x"), Duration::ZERO).await, Err(EnrollError::Token(_))));
    assert!(collector.asked().is_empty());
}
