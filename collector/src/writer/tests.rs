use std::{collections::BTreeMap, fs, time::Duration};

use rollcall_core::{ChangeSet, Ci, Lifecycle, Put};
use rollcall_shared::{CiId, Timestamp};
use tempfile::TempDir;

use super::{Audit, Command, CommandRefused, Plan, WriteError};
use crate::{
    config::Config,
    serve::{self, Running},
    store::{self, SharedStore},
};

async fn collector(directory: &TempDir, store: &SharedStore) -> Running {
    let mut config = Config { data_dir: directory.path().to_owned(), ..Config::default() };
    config.agents.listen = ([127, 0, 0, 1], 0).into();
    config.people.listen = ([127, 0, 0, 1], 0).into();
    serve::start_on(config, SharedStore::clone(store)).await.unwrap()
}

fn command(plan: Plan) -> Command {
    let audit = Some(Audit { action: "ci.create", subject: String::new(), detail: String::new() });
    Command { actor: "user:test".to_owned(), audit, plan }
}

fn create(name: &str) -> Command {
    let name = name.to_owned();
    command(Box::new(move |_, now, ids| {
        let mut changes = ChangeSet::default();
        let ci = Ci {
            id: CiId(ids.next()),
            class: "server".to_owned(),
            name: name.clone(),
            lifecycle: Lifecycle::Active,
            stage: rollcall_core::Stage::InUse,
            sighting: None,
            attributes: BTreeMap::new(),
            keys: Vec::new(),
            agent: None,
            merged_into: None,
            first_seen: now,
            valid_from: now,
            version: 1,
        };
        changes.push(Put::Ci(ci), "made by a test", Vec::new());
        Ok(changes)
    }))
}

fn names(running: &Running) -> Vec<String> {
    let mut names: Vec<String> = running.app.estate().cis().map(|ci| ci.name.clone()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_a_batch_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open("sqlite:", directory.path()).await.unwrap();
    let running = collector(&directory, &store).await;
    let writer = &running.app.writer;
    let refused = || CommandRefused { status: 404, message: "there is no such thing".to_owned() };
    let (one, fault, refusal, two) = tokio::join!(
        writer.command(create("one")),
        writer.command(command(Box::new(|_, _, _| panic!("a fault in a plan")))),
        writer.command(command(Box::new(move |_, _, _| Err(refused())))),
        writer.command(create("two")),
    );
    assert!(matches!(fault, Err(WriteError::Fault)));
    assert!(matches!(refusal, Err(WriteError::Refused(CommandRefused { status: 404, .. }))));
    assert_eq!(one.unwrap().changes.changes.len() + two.unwrap().changes.changes.len(), 2);
    assert_eq!(names(&running), ["one", "two"]);
    // Nothing to do is no commit.
    let revision = running.app.estate().revision();
    let nothing = writer.command(command(Box::new(|_, _, _| Ok(ChangeSet::default())))).await.unwrap();
    assert_eq!((nothing.revision, running.app.estate().revision()), (revision, revision));
    running.shutdown().await;
    assert_eq!(store.load().await.unwrap().revision, revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_plan_sees_what_the_ones_before_it_in_the_batch_do() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open("sqlite:", directory.path()).await.unwrap();
    let running = collector(&directory, &store).await;
    let unique = |name: &str| {
        let mut create = create(name);
        let name = name.to_owned();
        command(Box::new(move |estate, now, ids| {
            if estate.cis().any(|ci| ci.name == name) {
                return Err(CommandRefused { status: 409, message: "it is there already".to_owned() });
            }
            (create.plan)(estate, now, ids)
        }))
    };
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let (writer, one) = (running.app.writer.clone(), unique("only one"));
            tokio::spawn(async move { writer.command(one).await.is_ok() })
        })
        .collect();
    let mut made = 0;
    for one in tries {
        made += u32::from(one.await.unwrap());
    }
    assert_eq!((made, names(&running).len()), (1, 1));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_on_one_store_plan_again_and_agree() {
    let (first_dir, second_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store::open("sqlite:", first_dir.path()).await.unwrap();
    let first = collector(&first_dir, &store).await;
    // A second collector gets a copy of the first one's CA; copies keep their permissions.
    let ca = second_dir.path().join("ca");
    fs::create_dir(&ca).unwrap();
    fs::set_permissions(&ca, fs::metadata(first_dir.path().join("ca")).unwrap().permissions()).unwrap();
    for file in fs::read_dir(first_dir.path().join("ca")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), ca.join(file.file_name())).unwrap();
    }
    let second = collector(&second_dir, &store).await;

    let mut writing = Vec::new();
    for number in 0..40 {
        let app = if number % 2 == 0 { &first.app } else { &second.app };
        let (writer, create) = (app.writer.clone(), create(&format!("{number:02}")));
        writing.push(tokio::spawn(async move { writer.command(create).await.map(|_| ()) }));
    }
    for written in writing {
        written.await.unwrap().unwrap();
    }
    let wanted: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
    let began = Timestamp::now();
    for collector in [&first, &second] {
        while names(collector) != wanted {
            assert!(Timestamp::now().millis_since(began) < 2_000, "the collectors do not agree");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(first.app.estate().revision(), second.app.estate().revision());
    first.shutdown().await;
    second.shutdown().await;
}
