//! Checking in, sending, renewing, recovering, being held.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rollcall_agent::{
    cycle::{Agent, CycleError},
    settings::{Given, Settings, Text},
    state::{Identity, StateDirectory},
};
use rollcall_shared::{
    AgentId, Digest, Timestamp,
    wire::v1::{CheckInRequest, CheckInResponse, Exchange, InventoryDocument, InventoryResponse, RecoverRequest, RenewRequest, paths},
};
use uuid::Uuid;

use super::collector::{Answer, Asked, Collector, Leaf, Pki};

const AGENT: AgentId = AgentId(Uuid::from_u128(7));

/// An enrolled agent whose certificate is valid from and until these days from now.
pub(crate) async fn enrolled(validity: (i64, i64)) -> (Collector, tempfile::TempDir, StateDirectory) {
    let collector = Collector::start(Arc::new(Pki::new()), &Leaf::default()).await;
    let directory = tempfile::tempdir().unwrap();
    let state = StateDirectory::new(directory.path().join("state"));
    state.prepare().unwrap();
    let key = state.key_or_new().unwrap();
    let credentials = collector.pki.issue(&key.csr().unwrap(), AGENT, 1, validity);
    state.set_identity(&Identity { collector_urls: collector.token().urls, credentials }).unwrap();
    (collector, directory, state)
}

pub(crate) fn settings(state: &StateDirectory) -> Settings {
    let state_dir = Some(Text(state.path().to_str().unwrap().to_owned()));
    Settings::of(&Given { state_dir, disable_sections: "packages".parse().ok(), ..Given::default() }).unwrap()
}

/// An agent that knows only what is on disk, and has looked at the machine.
fn open(state: &StateDirectory) -> Agent {
    let mut agent = Agent::open(state.clone(), &settings(state), true).unwrap();
    agent.collect();
    agent
}

/// A collector's memory: digests by section.
pub(crate) type Known = Arc<Mutex<BTreeMap<String, Digest>>>;

fn check_in(known: &Known, asked: &Asked) -> Answer {
    let request: CheckInRequest = asked.json();
    let known = known.lock().unwrap();
    let root = Digest::root(known.iter().map(|(name, digest)| (name.as_str(), *digest)));
    let list_sections = request.sections.is_empty() && request.root != root;
    let want = request.sections.iter().filter(|(name, digest)| known.get(*name) != Some(digest)).map(|(name, _)| name.clone()).collect();
    Answer::ok(&CheckInResponse { server_time: Timestamp::now(), want, list_sections, next_check_in_seconds: 60 })
}

fn upload(known: &Known, asked: &Asked) -> Answer {
    let document: InventoryDocument = asked.zstd_json();
    let mut known = known.lock().unwrap();
    known.extend(document.sections.iter().map(|(name, section)| (name.clone(), section.digest)));
    Answer::ok(&InventoryResponse {
        server_time: Timestamp::now(),
        known: known.clone(),
        not_understood: Vec::new(),
        refused: BTreeMap::new(),
    })
}

pub(crate) fn ordinary(known: &Known) -> impl FnMut(&Asked) -> Answer + Send + 'static {
    let known = Arc::clone(known);
    move |asked| match asked.path.as_str() {
        paths::CHECK_IN => check_in(&known, asked),
        paths::INVENTORY => upload(&known, asked),
        _ => Answer::problem(404, "not expected"),
    }
}

fn exchanges(asked: &[Asked]) -> Vec<Exchange> {
    let exchange = |asked: &Asked| match asked.path.as_str() {
        paths::CHECK_IN => Some(asked.json::<CheckInRequest>().exchange),
        paths::INVENTORY => Some(asked.zstd_json::<InventoryDocument>().exchange),
        _ => None,
    };
    asked.iter().filter_map(exchange).collect()
}

#[tokio::test]
async fn what_is_wanted_is_sent_once() {
    let (collector, _directory, state) = enrolled((0, 7)).await;
    let known = Known::default();
    collector.answer(ordinary(&known));
    let mut agent = open(&state);
    agent.sample();
    agent.collect();
    let first = agent.exchange().await.unwrap();
    assert!(agent.is_acknowledged() && first.sent.contains(&"identity".to_owned()) && !first.sent.contains(&"packages".to_owned()));
    assert_eq!(first.next_check_in, Duration::from_secs(60));
    let asked = collector.asked();
    assert_eq!(asked.iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), [paths::CHECK_IN, paths::INVENTORY]);
    assert!(asked.iter().all(|asked| asked.with_certificate));
    assert_eq!(exchanges(&asked).iter().map(|exchange| exchange.counter).collect::<Vec<_>>(), [1, 2]);

    let second = agent.exchange().await.unwrap();
    assert!(second.sent.is_empty() && agent.is_acknowledged());
    // A collector that lost its memory asks what there is, and gets all of it again, whatever the agent thinks it has.
    known.lock().unwrap().clear();
    assert_eq!(agent.exchange().await.unwrap().sent, first.sent);
    assert_eq!(exchanges(&collector.asked()).iter().map(|exchange| exchange.counter).collect::<Vec<_>>(), [3, 4, 5, 6]);
}

#[tokio::test]
async fn a_lost_answer_is_repeated_byte_for_byte_also_after_a_crash() {
    let (collector, _directory, state) = enrolled((0, 7)).await;
    let known = Known::default();
    let (lose, mut answer) = (Arc::new(Mutex::new(vec![paths::CHECK_IN, paths::INVENTORY, paths::INVENTORY])), ordinary(&known));
    let losing = Arc::clone(&lose);
    collector.answer(move |asked| {
        let mut losing = losing.lock().unwrap();
        match losing.iter().position(|path| *path == asked.path) {
            Some(at) => {
                losing.remove(at);
                // The collector did its work; only the answer is lost.
                answer(asked);
                Answer::Lost
            }
            None => answer(asked),
        }
    });
    for _ in 0..3 {
        // Each time a new process that knows only what is on disk.
        let mut agent = open(&state);
        agent.collect();
        agent.exchange().await.unwrap_err();
    }
    let mut agent = open(&state);
    agent.collect();
    agent.exchange().await.unwrap();
    assert!(lose.lock().unwrap().is_empty());
    let asked = collector.asked();
    let paths: Vec<_> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths[..5], [paths::CHECK_IN, paths::CHECK_IN, paths::INVENTORY, paths::INVENTORY, paths::INVENTORY]);
    assert_eq!(asked[2].body, asked[4].body);
    let seen = exchanges(&asked);
    assert_eq!((seen[0], seen[2]), (seen[1], seen[3]));
    let counters: Vec<u64> = seen.iter().map(|exchange| exchange.counter).collect();
    assert!(counters.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1), "{counters:?}");
}

#[tokio::test]
async fn past_half_its_life_the_certificate_is_renewed_and_a_lost_answer_costs_nothing() {
    let (collector, _directory, state) = enrolled((-4, 3)).await;
    let (known, pki, mut lost) = (Known::default(), Arc::clone(&collector.pki), false);
    let mut answer = ordinary(&known);
    collector.answer(move |asked| match asked.path.as_str() {
        paths::RENEW if !std::mem::replace(&mut lost, true) => Answer::Lost,
        paths::RENEW => Answer::ok(&pki.issue(&asked.json::<RenewRequest>().csr, AGENT, 2, (0, 7))),
        _ => answer(asked),
    });
    // The first answer is lost; there is time, so work goes on.
    open(&state).exchange().await.unwrap();
    let mut agent = open(&state);
    agent.exchange().await.unwrap();
    assert_eq!(agent.identity().credentials.generation, 2);
    assert_eq!(state.identity().unwrap().unwrap().credentials.generation, 2);
    let renewals: Vec<RenewRequest> = collector.asked().iter().filter(|asked| asked.path == paths::RENEW).map(Asked::json).collect();
    assert_eq!((renewals.len(), renewals[0].nonce, renewals[0].generation), (2, renewals[1].nonce, 1));
}

#[tokio::test]
async fn after_its_end_the_certificate_is_recovered_by_proof_of_the_key() {
    // The agent's clock knows that it ended; then one that does not, and learns it from the TLS alert.
    for believed_end in [-1, 5] {
        let (collector, _directory, state) = enrolled((-10, -1)).await;
        let mut identity = state.identity().unwrap().unwrap();
        identity.credentials.not_after = Timestamp::now().plus_millis(believed_end * 86_400_000);
        identity.credentials.issued_at = Timestamp::now();
        state.set_identity(&identity).unwrap();
        let (known, pki) = (Known::default(), Arc::clone(&collector.pki));
        let mut answer = ordinary(&known);
        collector.answer(move |asked| match asked.path.as_str() {
            paths::RECOVER => Answer::ok(&pki.issue(&asked.json::<RecoverRequest>().renew.csr, AGENT, 2, (0, 7))),
            _ => answer(asked),
        });
        let mut agent = open(&state);
        agent.exchange().await.unwrap();
        assert_eq!(agent.identity().credentials.generation, 2, "{believed_end}");
        let asked = collector.asked();
        let recovery = asked.iter().find(|asked| asked.path == paths::RECOVER).unwrap();
        assert!(!recovery.with_certificate);
        assert_eq!(recovery.json::<RecoverRequest>().agent_id, AGENT);
        assert!(asked.iter().all(|asked| asked.path == paths::RECOVER || asked.with_certificate));
    }
}

#[tokio::test]
async fn a_held_agent_sends_no_inventory_until_it_is_freed() {
    let (collector, _directory, state) = enrolled((0, 7)).await;
    let known = Known::default();
    for status in [409, 403] {
        collector.answer(move |_| Answer::problem(status, "two machines use this identity"));
        let mut agent = open(&state);
        agent.collect();
        let Err(CycleError::Held(held)) = agent.exchange().await else { panic!("not held") };
        assert!(held.reason.contains("two machines") && held.next_step.as_deref() == Some("do something"));
        assert!(collector.asked().iter().all(|asked| asked.path == paths::CHECK_IN));
        assert!(state.progress().unwrap().held.is_some());
    }
    collector.answer(ordinary(&known));
    let mut agent = open(&state);
    agent.exchange().await.unwrap();
    assert!(state.progress().unwrap().held.is_none() && agent.is_acknowledged());
}

#[tokio::test]
async fn an_overloaded_collector_says_when_to_come_back() {
    let (collector, _directory, state) = enrolled((0, 7)).await;
    collector.answer(|_| match Answer::problem(503, "too many at once") {
        Answer::Problem(problem, _) => Answer::Problem(problem, Some(17)),
        other => other,
    });
    let Err(CycleError::Client(error)) = open(&state).exchange().await else { panic!("no refusal") };
    assert!(error.is_temporary());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(17)));
    assert!(state.progress().unwrap().last_error.unwrap().message.contains("too many at once"));
}

#[tokio::test]
async fn a_document_refused_for_good_is_not_sent_again_and_its_nonce_is_kept() {
    let (collector, _directory, state) = enrolled((0, 7)).await;
    let known = Known::default();
    collector.answer(move |asked| match asked.path.as_str() {
        paths::INVENTORY => Answer::problem(422, "not understood"),
        _ => check_in(&known, asked),
    });
    let mut agent = open(&state);
    agent.exchange().await.unwrap_err();
    agent.exchange().await.unwrap_err();
    let asked = collector.asked();
    let seen = exchanges(&asked);
    // The check-in after it takes the same counter with the same nonce: no collector can take that for a copy.
    assert_eq!(asked.iter().filter(|asked| asked.path == paths::INVENTORY).count(), 2);
    assert_eq!(seen[1], seen[2]);
    let bodies: Vec<_> = asked.iter().filter(|asked| asked.path == paths::INVENTORY).map(|asked| &asked.body).collect();
    assert_ne!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_damaged_spool_is_counted_and_nothing_of_it_is_sent() {
    let (collector, _directory, state) = enrolled((0, 7)).await;
    let known = Known::default();
    drop(open(&state));
    let spool = settings(&state).spool();
    for name in ["sender/upload.rcs", "reader/windows.rcs", "reader/inventory.rcs"] {
        std::fs::write(spool.directory().join(name), b"RCSPOOL2garbage").unwrap();
    }
    collector.answer(ordinary(&known));
    let mut agent = open(&state);
    agent.exchange().await.unwrap();
    assert!(agent.is_acknowledged());
    let damaged_by_reader = spool.reader().inventory().unwrap().unwrap().counts().damaged;
    assert_eq!((agent.progress().damaged, damaged_by_reader), (1, 2));
    assert_eq!(collector.asked().len(), 2);
}

#[tokio::test]
async fn an_ordinary_days_check_in_is_one_digest_and_a_collector_that_forgot_gets_everything() {
    let (collector, _directory, state) = enrolled((0, 7)).await;
    let known = Known::default();
    collector.answer(ordinary(&known));
    let mut agent = open(&state);
    agent.exchange().await.unwrap();
    drop(collector.asked());
    agent.exchange().await.unwrap();
    let asked = collector.asked();
    let request: CheckInRequest = asked[0].json();
    assert_eq!((asked.len(), request.sections.len()), (1, 0));
    assert!(asked[0].body.len() < 500, "{} bytes", asked[0].body.len());

    known.lock().unwrap().clear();
    let sent = agent.exchange().await.unwrap().sent;
    assert_eq!(sent.len(), known.lock().unwrap().len());
    assert!(!sent.is_empty());
}
