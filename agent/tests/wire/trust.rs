//! Whom the agent believes.

use std::sync::Arc;

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rollcall_agent::{
    client::{Client, ClientError, Route},
    keys::AgentKey,
    tls::{Time, Trust},
};
use rollcall_shared::{AgentId, Timestamp, wire::v1::RecoverRequest};
use uuid::Uuid;

use super::collector::{Answer, Collector, Leaf, Pki};

const DAY: i64 = 86_400_000;

fn days(days: i64) -> Timestamp {
    Timestamp::now().plus_millis(days * DAY)
}

fn request() -> RecoverRequest {
    AgentKey::generate().unwrap().recovery(AgentId(Uuid::nil()), 1, Uuid::nil()).unwrap()
}

/// Whether a client that trusts `trust` at `time` gets as far as an answer.
async fn believes(collector: &Collector, trust: Trust, time: Time) -> bool {
    collector.answer(|_| Answer::problem(418, "reached"));
    let client = Client::anonymous(collector.token().urls, trust, time, Route::default()).unwrap();
    match client.recover(&request()).await {
        Err(ClientError::Refused { problem, .. }) => problem.status == 418,
        Err(ClientError::Untrusted { .. }) => false,
        other => panic!("neither an answer nor distrust: {other:?}"),
    }
}

#[tokio::test]
async fn only_the_pinned_root_and_a_proper_collector_are_believed() {
    let pki = Arc::new(Pki::new());
    let other = Pki::new();
    let now = Time { best: Timestamp::now(), last_authenticated: None };
    let root = |pki: &Pki| Trust::Root(pki.root.der().clone());
    let cases = [
        ("pinned", Leaf::default(), Trust::Pin(pki.pin()), true),
        ("stored root", Leaf::default(), root(&pki), true),
        ("another pin", Leaf::default(), Trust::Pin(other.pin()), false),
        ("another root", Leaf::default(), root(&other), false),
        ("another address", Leaf { name: "127.0.0.2", ..Leaf::default() }, root(&pki), false),
        ("another name", Leaf { name: "localhost", ..Leaf::default() }, root(&pki), false),
        ("no usage", Leaf { usages: &[], ..Leaf::default() }, root(&pki), false),
        ("an agent's usage", Leaf { usages: &[ClientAuth], ..Leaf::default() }, root(&pki), false),
        ("issued by the agents' intermediate", Leaf { usages: &[ServerAuth], by_agents: true, ..Leaf::default() }, root(&pki), false),
    ];
    for (what, leaf, trust, expected) in cases {
        let collector = Collector::start(Arc::clone(&pki), &leaf).await;
        assert_eq!(believes(&collector, trust, now).await, expected, "{what}");
    }
}

#[tokio::test]
async fn a_wrong_clock_locks_nobody_out_and_lets_no_old_certificate_in() {
    let pki = Arc::new(Pki::new());
    let fresh = || Leaf::default();
    let cases = [
        ("a day behind", fresh(), days(-2), None, true),
        ("a day ahead", fresh(), days(1), None, true),
        ("a year behind", fresh(), days(-365), None, true),
        ("a year ahead", fresh(), days(365), None, true),
        ("a year ahead, server time known", fresh(), days(365), Some(days(0)), true),
        ("late in the certificate's life", Leaf { from: -29, until: 1, ..fresh() }, days(365), Some(days(0)), true),
        ("an old certificate, clock set back", Leaf { from: -60, until: -30, ..fresh() }, days(-45), Some(days(-1)), false),
        ("an old certificate, time known", Leaf { from: -60, until: -30, ..fresh() }, days(0), Some(days(-1)), false),
        ("an old certificate, clock ahead", Leaf { from: -60, until: -30, ..fresh() }, days(365), Some(days(-29)), false),
    ];
    for (what, leaf, best, last_authenticated, expected) in cases {
        let collector = Collector::start(Arc::clone(&pki), &leaf).await;
        let time = Time { best, last_authenticated };
        assert_eq!(believes(&collector, Trust::Root(pki.root.der().clone()), time).await, expected, "{what}");
    }
}
