//! What stops an agent, each with its next step.

use std::{fs, os::unix::fs::PermissionsExt};

use rollcall_agent::{
    clock::{LocalTime, ServerTime},
    state::{Progress, StateDirectory},
};
use rollcall_shared::wire::v1::EnrollmentToken;
use tokio::net::TcpListener;

use super::{
    collector::{Answer, Pki},
    commands::Machine,
    routes::Proxy,
};

const DAY: i64 = 86_400_000;

/// Runs doctor, which must find this wrong, and say what to do.
async fn finds(machine: &Machine, arguments: &[&str], expected: &[&str]) {
    let arguments = [&["doctor"], arguments].concat();
    let (code, printed) = machine.run(&arguments, "").await;
    for text in expected {
        assert!(printed.contains(text), "{text:?} is not in:\n{printed}");
    }
    let warns_only = expected[0].starts_with("warning");
    assert_eq!(code, i32::from(!warns_only), "{printed}");
    let found = printed.lines().position(|line| line.starts_with(expected[0])).unwrap();
    assert!(printed.lines().nth(found + 1).is_some_and(|line| line.trim_start().starts_with("next: ")), "{printed}");
}

#[tokio::test]
async fn of_an_enrolled_agent() {
    let machine = Machine::new().await;
    machine.enroll().await;
    let (code, printed) = machine.run(&["run", "--once"], "").await;
    assert_eq!(code, 0, "{printed}");
    let (code, printed) = machine.run(&["doctor"], "").await;
    assert!(code == 0 && printed.contains("ok       spool: the inventory"), "{printed}");

    finds(&machine, &["--collector-urls", "https://collector.invalid:8444"], &["FAILED   name collector.invalid", "resolv.conf"]).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("https://{closed}");
    finds(&machine, &["--collector-urls", &url], &[&format!("FAILED   connection to {closed}"), "firewalls"]).await;

    for (status, expected) in [(407, "it wants a name and a password"), (403, "allow CONNECT to")] {
        let proxy = Proxy::start(status).await;
        let at = format!("127.0.0.1:{}", proxy.port);
        finds(&machine, &["--proxy", &at], &[&format!("FAILED   proxy {at}"), expected]).await;
        assert_eq!(proxy.asked().len(), 1);
    }
    let proxy = Proxy::start(200).await;
    let (code, printed) = machine.run(&["doctor", "--proxy", &format!("127.0.0.1:{}", proxy.port)], "").await;
    assert!(code == 0 && printed.contains("it leads to") && printed.contains("the collector proved"), "{printed}");
    finds(&machine, &["--proxy", &closed.to_string()], &[&format!("FAILED   connection to {closed}"), "this is the proxy"]).await;

    let state = StateDirectory::new(machine.directory.path().join("state"));
    let progress = state.progress().unwrap();
    let at = LocalTime::now();
    // Half a second more: seconds are cut off, and the two clocks are read one after the other.
    let server_time = Some(ServerTime::learned(at.local.plus_millis(-DAY - 500), &at));
    state.set_progress(&Progress { server_time, ..progress.clone() }).unwrap();
    finds(&machine, &[], &["warning  clock: 86400 s ahead of the collector's", "timesyncd"]).await;
    state.set_progress(&progress).unwrap();

    let config = machine.directory.path().join("agent.toml");
    fs::write(&config, "").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    let named = ["--config", config.to_str().unwrap()];
    finds(&machine, &named, &["FAILED   configuration", "chmod go-w"]).await;
    let (code, printed) = machine.run(&["run", "--once", named[0], named[1]], "").await;
    assert!(code == 1 && printed.contains("chmod go-w"), "{printed}");
    let spool = state.path().join("spool/reader");
    fs::set_permissions(&spool, fs::Permissions::from_mode(0o777)).unwrap();
    finds(&machine, &[], &["FAILED   spool", "others can write to it", "chmod go-w"]).await;
    let (code, printed) = machine.run(&["run", "--once"], "").await;
    assert!(code == 1 && printed.contains("chmod 0750"), "{printed}");
    fs::set_permissions(&spool, fs::Permissions::from_mode(0o750)).unwrap();

    // Another collector at the same address.
    let other = Pki::new();
    let mut identity = state.identity().unwrap().unwrap();
    identity.credentials.root = other.root.pem();
    state.set_identity(&identity).unwrap();
    finds(&machine, &[], &["FAILED   trust in 127.0.0.1", "enroll again"]).await;
}

#[tokio::test]
async fn of_a_machine_that_has_not_joined() {
    let machine = Machine::new().await;
    finds(&machine, &[], &["FAILED   enrollment: this machine is not enrolled, and there is no token", "rollcall token create"]).await;
    let file = machine.directory.path().join("token");
    let named = ["--token-file", file.to_str().unwrap()];
    fs::write(&file, "not a token").unwrap();
    finds(&machine, &named, &["FAILED   token", "rollcall token create"]).await;
    let token = machine.collector.token();
    fs::write(&file, token.to_text()).unwrap();
    finds(&machine, &named, &["FAILED   enrollment: this machine is not enrolled yet", "ok       pin of 127.0.0.1"]).await;
    fs::write(&file, EnrollmentToken { root_pin: Pki::new().pin(), ..token.clone() }.to_text()).unwrap();
    finds(&machine, &named, &["FAILED   pin of 127.0.0.1", "what stands between"]).await;

    // What the collector said when the token was last used.
    machine.collector.answer(|_| Answer::problem(403, "the token has expired"));
    let (code, printed) = machine.run(&["enroll", "--token-file", "-"], &token.to_text()).await;
    assert!(code == 1 && printed.contains("the token has expired"), "{printed}");
    finds(&machine, &[], &["FAILED   token: the collector answered 403: the token has expired", "rollcall token create"]).await;
}

#[tokio::test]
async fn validate_shows_what_holds_or_what_is_wrong() {
    let machine = Machine::new().await;
    let config = machine.directory.path().join("agent.toml");
    let validate = ["validate", "--config", config.to_str().unwrap()];
    fs::write(&config, "sample-interval = \"5s\"\nproxy = \"http://me:secret@proxy:3128\"\n").unwrap();
    let (code, printed) = machine.run(&validate, "").await;
    assert!(code == 0 && printed.contains("sample-interval = \"5s\"") && printed.contains("start-jitter = \"15s\""), "{printed}");
    assert!(printed.contains("# check-in-interval is not set") && !printed.contains("secret"), "{printed}");
    fs::write(&config, "sample-interval = \"5s\"\nshoes = 2\n").unwrap();
    let (code, printed) = machine.run(&validate, "").await;
    assert!(code == 1 && printed.contains("shoes") && printed.contains("line 2"), "{printed}");
}
